"""Every verb that a real kernel has, as the ioctl, the system call or the accesses that it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from errno import EPERM
from typing import TYPE_CHECKING, Any, NamedTuple

from kvmlab.backends.arguments import route_words
from kvmlab.backends.backend import Args
from kvmlab.backends.kvm.accesses import ACCESSES, pic_eoi
from kvmlab.backends.kvm.host import Host
from kvmlab.engine.abi import KVM_IOEVENTFD_FLAG_DEASSIGN, KVM_IRQFD_FLAG_DEASSIGN, POLLIN
from kvmlab.engine.chips.route_table import DEFAULT_ROUTING, Route

if TYPE_CHECKING:
    from kvmlab.backends.kvm.backend import Kvm


class Verb(NamedTuple):
    """How a verb is done, and what has to settle after it.

    ``injects`` tells whether an irqfd may have been signalled. ``signals``: so if one is fed by what a
    guest's access signals. ``ends``: one may be shutting down. ``enters``: what
    it has asked of vCPUs is done when they enter the guest. ``vm``: it needs the VM.
    ``needs_eoifd``: it is there with an api that userspace builds only; ``instead`` says what to use.
    """

    act: Callable[[Kvm, Any], int]
    injects: Callable[[Kvm, Any], bool] | None = None
    signals: bool = False
    ends: bool = False
    enters: bool = False
    vm: bool = True
    needs_eoifd: bool = False
    instead: str = ""


INSTEAD = "irqfd NAME gsi=N resample=NAME2 is what was merged (see help real-kernel)"


def _close(backend: Kvm, args: Args) -> int:
    failed: OSError | None = None
    for name in args["names"]:
        if backend.eoifds is not None and not backend.host.released:
            backend.eoifds.closing(name)
        try:
            backend.descriptors.close(name)
        except OSError as error:
            failed = error
    if failed is not None:
        raise failed
    return 0


def _done(act: Callable[[Kvm, Any], object]) -> Callable[[Kvm, Any], int]:
    def call(backend: Kvm, args: Any) -> int:
        act(backend, args)
        return 0

    return call


def _eventfd(backend: Kvm, args: Args) -> int:
    backend.descriptors.eventfd(args["name"], args["count"], args["semaphore"], args["blocking"])
    return 0


def _write(backend: Kvm, args: Args) -> int:
    backend.descriptors.write(args["name"], args["value"])
    if backend.eoifds is not None:
        backend.eoifds.wrote(args["name"])
    return 0


def _wakes(backend: Kvm, args: Args) -> bool:
    """Tell whether a write has given a worker something: only over an irqfd."""
    ctx = backend.descriptors.names.get(args["name"])
    return backend.eoifds is not None or (ctx is not None and ctx.irqfd is not None)


def _waited(backend: Kvm, args: Args) -> bool:
    """Tell whether a new irqfd was signalled before: its counter stays, and a worker injects it.

    The kernel itself waits for the worker of one that is taken back.
    """
    fd, descriptors = args["fd"], backend.descriptors
    if backend.eoifds is not None or isinstance(fd, int):
        return True
    if args["flags"] & KVM_IRQFD_FLAG_DEASSIGN or fd not in descriptors.names:
        return False
    return bool(descriptors.poll(fd) & POLLIN)


def _eoifd(backend: Kvm, args: Args) -> int:
    assert backend.eoifds is not None, "it is refused without"
    return backend.eoifds.eoifd(args)


def _irqfd(backend: Kvm, args: Args) -> int:
    if backend.eoifds is not None:
        return backend.eoifds.irqfd(args)
    descriptors = backend.descriptors
    fd, second = descriptors.fd(args["fd"]), args.get("resamplefd", 0)
    ret = backend.host.vm.irqfd(fd, args["gsi"], args["flags"], descriptors.fd(second))
    descriptors.irqfd_answered(args["fd"], args["gsi"], args["flags"], second)
    return ret


def _ioeventfd(backend: Kvm, args: Args) -> int:
    fd = backend.descriptors.fd(args["fd"])
    addr, length, flags, match = args["addr"], args["len"], args["flags"], args["datamatch"]
    ret = backend.host.vm.ioeventfd(match, addr, length, fd, flags)
    deassign = bool(flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
    kind = flags & ~KVM_IOEVENTFD_FLAG_DEASSIGN
    backend.descriptors.ioeventfd_answered(args["fd"], addr, length, kind, match, deassign)
    return ret


def _msi(backend: Kvm, args: Args) -> int:
    try:
        return backend.host.vm.signal_msi(args["address_lo"], args["address_hi"], args["data"], args["flags"])
    except OSError as error:
        # The status -1, for nobody, comes back as if it were an errno.
        if error.errno != EPERM:
            raise
        return -1


def _route(backend: Kvm, args: Args) -> int:
    gsi, entries = route_words(args)
    rest = [route for route in backend.routes if route.gsi != gsi]
    at = next((i for i, route in enumerate(backend.routes) if route.gsi == gsi), len(rest))
    return _set_routes(backend, (*rest[:at], *entries, *rest[at:]))


def _set_routes(backend: Kvm, routes: tuple[Route, ...]) -> int:
    left = backend.resampled_pins()
    ret = backend.host.vm.set_gsi_routing(routes)
    backend.routes, backend.rerouted = routes, True
    backend.left |= left
    return ret


def _flag(value: int) -> Callable[[Kvm, Args], int]:
    def call(backend: Kvm, args: Args) -> int:
        backend.flags[args["vcpu"]] = value
        return 0

    return call


QUIET = frozenset({"mmio read", "pio read", "pio write", "msr read", "tpr"})
"""Accesses that ask nothing of a vCPU but who makes them."""


def _access(verb: str, act: Callable[[Host, Any], int]) -> Verb:
    return Verb(lambda backend, args: act(backend.host, args), signals=True, enters=verb not in QUIET)


VERBS: Mapping[str, Verb] = {
    "eventfd": Verb(_eventfd, vm=False),
    "dup": Verb(_done(lambda b, a: b.descriptors.dup(a["name"], a["new"])), vm=False),
    "close": Verb(_close, ends=True, enters=True, vm=False),
    "write": Verb(_write, injects=_wakes, vm=False),
    "read": Verb(lambda b, a: b.descriptors.read(a["name"]), vm=False),
    "poll": Verb(lambda b, a: b.descriptors.poll(a["name"]), vm=False),
    "irqfd": Verb(_irqfd, injects=_waited, ends=True, enters=True),
    "eoifd": Verb(_eoifd, ends=True, enters=True, needs_eoifd=True, instead=INSTEAD),
    "ioeventfd": Verb(_ioeventfd),
    "irq-line": Verb(lambda b, a: b.host.vm.irq_line(a["irq"], a["level"])),
    "msi": Verb(_msi),
    "route": Verb(_route, enters=True),
    "routes": Verb(lambda b, a: _set_routes(b, a["entries"]), enters=True),
    "routes default": Verb(lambda b, _a: _set_routes(b, DEFAULT_ROUTING), enters=True),
    "pit": Verb(lambda b, _a: b.host.vm.create_pit()),
    "release": Verb(_done(lambda b, _a: b.release())),
    **{verb: _access(verb, act) for verb, act in ACCESSES.items()},
    "sti": Verb(_flag(1)),
    "cli": Verb(_flag(0)),
    "take": Verb(lambda b, a: b.take(a["vcpu"])),
    "pic-eoi": Verb(lambda b, a: pic_eoi(b.host, a["vcpu"], b.newest), signals=True),
}
"""Every verb that a real kernel has."""
