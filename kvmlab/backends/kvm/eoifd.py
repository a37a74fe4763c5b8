"""KVM_EOIFD v7, bound by key, as userspace can build it over a resampling irqfd of a real kernel.

A level irqfd becomes a resampling one whose resamplefd nobody else sees. After each call it is looked
at: if an interrupt was ended meanwhile, the eoifd's eventfd is signalled; a level irqfd that has no
eoifd is signalled again, as its line would have stayed high. If none was ended, an unmasked pin has asked
its resampler (fef8f2b90edb), where v7 would inject: it is signalled again too. What this cannot be true
to stands in unfaithful.py.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from errno import EBADF, EBUSY, EFAULT, EINVAL, ENOENT

from kvmlab.backends.backend import Args
from kvmlab.backends.kvm import chips
from kvmlab.backends.kvm.chips import bitmap
from kvmlab.backends.kvm.descriptors import Ctx, Descriptors
from kvmlab.backends.kvm.host import Host
from kvmlab.engine.abi import (
    BITS_PER_LONG,
    KVM_EOIFD_FLAG_DEASSIGN,
    KVM_IRQ_ROUTING_IRQCHIP,
    KVM_IRQCHIP_IOAPIC,
    KVM_IRQFD_FLAG_DEASSIGN,
    KVM_IRQFD_FLAG_LEVEL,
    KVM_IRQFD_FLAG_RESAMPLE,
)
from kvmlab.engine.chips.ioapic_registers import IOAPIC_NUM_PINS, MASK, REMOTE_IRR
from kvmlab.engine.chips.route_table import Route
from kvmlab.engine.profile import Profile
from kvmlab.engine.proposals.eoifd import check_eoifd

_IRR, _ENTRIES, _SERVED = 3, 5, 5 + IOAPIC_NUM_PINS
"""Places in what :meth:`Eoifds.look` returns."""


@dataclass(slots=True, eq=False)
class Key:
    """A level irqfd, or what an eoifd keeps of one: its key, and the hidden eventfd that EOIs signal.

    ``ctx`` is the eventfd that feeds it, None once it was deassigned or closed: then ``kept`` is a
    hidden eventfd in its place. ``eoifd`` is the eventfd of its eoifd.
    """

    number: int
    gsi: int
    name: str
    told: int
    ctx: Ctx | None
    kept: int = -1
    asserted: bool = False
    eoifd: Ctx | None = None
    eoifd_name: str = ""


class Eoifds:
    """The keys of one VM, whose table ``routes`` returns. :meth:`close` closes what is hidden."""

    def __init__(
        self,
        profile: Profile,
        host: Host,
        descriptors: Descriptors,
        routes: Callable[[], tuple[Route, ...]],
    ) -> None:
        self.routes = routes
        self._profile, self._host, self._descriptors = profile, host, descriptors
        self.keys: dict[int, Key] = {}
        self._reserved = 2 if profile.pit else 1

    def close(self) -> None:
        """Close every hidden descriptor."""
        for key in self.keys.values():
            os.close(key.told)
            if key.kept >= 0:
                os.close(key.kept)
        self.keys.clear()

    def release(self) -> None:
        """The VM is gone: events that were not read are lost with their eoifds."""
        for key in self.keys.values():
            if key.eoifd is not None:
                _fired(next(iter(key.eoifd.fds.values())))
        self.close()

    # -- the ioctls -------------------------------------------------------------------------------

    def irqfd(self, args: Args) -> int:
        """KVM_IRQFD: 0, or the key of a level irqfd. Raises OSError."""
        fd, gsi, flags = args["fd"], args["gsi"], args["flags"]
        number = self._descriptors.fd(fd)
        if flags & KVM_IRQFD_FLAG_DEASSIGN:
            return self._deassign(fd, number, gsi, flags)
        if not flags & KVM_IRQFD_FLAG_LEVEL:
            ret = self._host.vm.irqfd(number, gsi, flags, 0)
            self._descriptors.irqfd_answered(fd, gsi, flags, 0)
            return ret
        key = next((n for n in range(self._reserved, BITS_PER_LONG) if n not in self.keys), None)
        if key is None:
            raise OSError(EFAULT, "no key is left")
        told = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            self._host.vm.irqfd(number, gsi, flags, told)
        except BaseException:
            os.close(told)
            raise
        made = self._descriptors.irqfd_answered(fd, gsi, flags, 0)
        ctx = self._descriptors.ctx(fd)
        assert made is not None and ctx is not None
        made.key = key
        self.keys[key] = Key(key, gsi, made.name, told, ctx)
        self._descriptors.keys.update(dict.fromkeys(ctx.fds, key))
        return key

    def _deassign(self, fd: str | int, number: int, gsi: int, flags: int) -> int:
        ctx = self._descriptors.ctx(fd)
        key = next((key for key in self.keys.values() if ctx is not None and key.ctx is ctx), None)
        if key is not None and key.gsi == gsi:
            self._keep(key)
        ret = self._host.vm.irqfd(number, gsi, flags, 0)
        self._descriptors.irqfd_answered(fd, gsi, flags, 0)
        if key is not None and key.gsi == gsi:
            self._put(key)
        return ret

    def eoifd(self, args: Args) -> int:
        """KVM_EOIFD: 0. Raises OSError."""
        flags = args["flags"]
        refusal = check_eoifd(self._profile, flags, "key")
        if refusal is not None:
            raise OSError(-int(refusal), refusal.why)
        name = args["fd"]
        ctx = self._eventfd(name)
        number = self._descriptors.keys.get(args["key"], -1) if isinstance(args["key"], str) else args["key"]
        key = self.keys.get(number)
        if flags & KVM_EOIFD_FLAG_DEASSIGN:
            if key is None or key.eoifd is not ctx:
                raise OSError(ENOENT, f"this eventfd is no eoifd of the key {number}")
            self._unbind(key)
            return 0
        if key is None:
            raise OSError(ENOENT, f"no level irqfd of this VM has the key {number}")
        if key.eoifd is not None:
            raise OSError(EBUSY, "the level irqfd has an eoifd already, and may have one only")
        key.eoifd, key.eoifd_name = ctx, name if isinstance(name, str) else ctx.name
        return 0

    def _eventfd(self, fd: str | int) -> Ctx:
        ctx = self._descriptors.ctx(fd)
        if ctx is not None:
            return ctx
        number = self._descriptors.fd(fd)
        try:
            os.fstat(number)
        except (OSError, OverflowError):
            raise OSError(EBADF, "the descriptor is not open") from None
        raise OSError(EINVAL, "the descriptor is no eventfd")

    # -- what ends with a descriptor ----------------------------------------------------------------

    def closing(self, name: str) -> None:
        """Do what the close of an eventfd's last descriptor does to its irqfd and its eoifds, before it."""
        ctx = self._descriptors.names.get(name)
        if ctx is None or len(ctx.fds) > 1:
            return
        for key in list(self.keys.values()):
            if key.eoifd is ctx:
                self._unbind(key)
        for key in list(self.keys.values()):
            if key.ctx is ctx:
                self._keep(key)
                self._put(key)

    def _keep(self, key: Key) -> None:
        """Have a hidden eventfd stand for an irqfd that goes, while there is an eoifd: the line stays."""
        if key.eoifd is not None:
            key.kept = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._host.vm.irqfd(key.kept, key.gsi, KVM_IRQFD_FLAG_RESAMPLE, key.told)

    def _put(self, key: Key) -> None:
        key.ctx = None
        if key.eoifd is None:
            self._free(key)

    def _unbind(self, key: Key) -> None:
        """End an eoifd. An event that was not read is lost, as where the kernel unhooks it."""
        assert key.eoifd is not None
        _fired(next(iter(key.eoifd.fds.values())))
        key.eoifd = None
        if key.ctx is None:
            self._free(key)

    def _free(self, key: Key) -> None:
        if key.kept >= 0:
            self._host.vm.irqfd(key.kept, key.gsi, KVM_IRQFD_FLAG_DEASSIGN, 0)
            os.close(key.kept)
        os.close(key.told)
        del self.keys[key.number]

    # -- events -----------------------------------------------------------------------------------

    def wrote(self, name: str) -> None:
        """Note that a level irqfd was signalled."""
        ctx = self._descriptors.names.get(name)
        for key in self.keys.values():
            key.asserted = key.asserted or (ctx is not None and key.ctx is ctx)

    def look(self) -> tuple[int, ...]:
        """Return the IOAPIC as it is before a call, with what is in service in every LAPIC behind it."""
        host = self._host
        if not self.keys or host.released:
            return ()
        served = [bitmap(vcpu.lapic(), chips.ISR) for vcpu in host.vcpus]
        return (*host.vm.ioapic(), *served)

    def pump(self, before: tuple[int, ...]) -> None:
        """Pass on what the kernel has told since: ``before`` is how things looked then."""
        fired = [key for key in self.keys.values() if _fired(key.told)]
        if not fired:
            return
        now = self.look()
        again = []
        for key in fired:
            if key.eoifd is not None and not self._unmasked(key, before, now):
                key.asserted = False
                # A counter that is full stays full, as in the kernel.
                with suppress(BlockingIOError):
                    os.eventfd_write(next(iter(key.eoifd.fds.values())), 1)
            elif key.asserted:
                again.append(key)
        for key in again:
            os.eventfd_write(key.kept if key.ctx is None else next(iter(key.ctx.fds.values())), 1)
        if again and self._host.settler is not None:
            self._host.settler.injected()

    def _unmasked(self, key: Key, before: tuple[int, ...], now: tuple[int, ...]) -> bool:
        """Tell whether no interrupt was ended, and a pin of the key's GSI waited that is not masked now."""
        if any(then & ~later for then, later in zip(before[_SERVED:], now[_SERVED:], strict=True)):
            return False
        pins = [
            route.pin
            for route in self.routes()
            if route.gsi == key.gsi
            and (route.type, route.irqchip) == (KVM_IRQ_ROUTING_IRQCHIP, KVM_IRQCHIP_IOAPIC)
        ]
        return any(
            before[_IRR] >> pin & 1
            and not before[_ENTRIES + pin] & REMOTE_IRR
            and not now[_ENTRIES + pin] & MASK
            for pin in pins
        )


def _fired(fd: int) -> bool:
    """Read an eventfd's counter, if it counts; a blocking one is not waited for."""
    ready, _write, _error = select.select([fd], [], [], 0)
    if ready:
        os.eventfd_read(fd)
    return bool(ready)
