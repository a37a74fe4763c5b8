"""ioeventfd (virt/kvm/eventfd.c of 3.6): a guest's write to an address signals an eventfd.

There is no POLLHUP hook: closing the fd leaves the ioeventfd on its bus, holding the eventfd,
and since deassign needs an open fd of the same eventfd it stays until the VM is destroyed.
Deassign takes the bus from its own flags and does not look whether it is the ioeventfd's: with
the wrong one the freed ioeventfd stays on the other bus (as in 3.6).
"""

from __future__ import annotations

from kvmlab.engine.abi import (
    EEXIST,
    EINVAL,
    ENOENT,
    ENOSYS,
    KVM_IOEVENTFD_FLAG_DATAMATCH,
    KVM_IOEVENTFD_FLAG_DEASSIGN,
    KVM_IOEVENTFD_FLAG_PIO,
    Errno,
)
from kvmlab.engine.fds.eventfd import eventfd_ctx_put, eventfd_signal
from kvmlab.engine.fds.files import eventfd_ctx_fdget
from kvmlab.engine.fds.io_bus import BUSES, IoBus, kvm_io_bus_register_dev, kvm_io_bus_unregister_dev
from kvmlab.engine.kernel.lists import List
from kvmlab.engine.kernel.locks import mutex_lock, mutex_unlock
from kvmlab.engine.kernel.memory import kfree, kzalloc
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path, touches
from kvmlab.engine.profile import Profile

SLOTS_LOCK = "kvm.slots_lock"
IOEVENTFDS = "ioeventfds"
VALID_FLAGS = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN

Request = tuple[str, int, int, int, int | None]
"""(eventfd, addr, len, pio 0|1, datamatch or None): what identifies an ioeventfd."""


class Ioeventfd(Object):
    """struct _ioeventfd: eventfd, guest address, length in bytes, bus, datamatch (None: any)."""

    __slots__ = ("addr", "datamatch", "eventfd", "length", "pio")
    FIELDS = ("eventfd", "addr", "length", "pio", "datamatch")
    KIND = "ioeventfd"

    def __init__(self, eventfd: str, addr: int, length: int, pio: int, datamatch: int | None) -> None:
        super().__init__()
        self.eventfd, self.addr, self.length = eventfd, addr, length
        self.pio, self.datamatch = pio, datamatch

    def in_range(self, addr: int, length: int, value: int) -> str:
        """ioeventfd_in_range: the eventfd to signal, or "" if the access is not exactly the one meant."""
        if (self.addr, self.length) != (addr, length):
            return ""
        return self.eventfd if self.datamatch in (None, value & (1 << 8 * length) - 1) else ""


class Ioeventfds(List):
    """kvm->ioeventfds."""

    __slots__ = ()

    @touches("ioeventfd*")
    def collides(self, request: Request) -> bool:
        """ioeventfd_check_collision: same address and length, and both would match. 3.6 ignores the bus."""
        _eventfd, addr, length, _pio, datamatch = request
        return any(
            other.addr == addr
            and other.length == length
            and (other.datamatch is None or datamatch is None or other.datamatch == datamatch)
            for other in map(self.deref, self.items)
        )

    @touches("ioeventfd*")
    def find(self, request: Request) -> str:
        """Return the ioeventfd that is exactly this one, or ""."""
        eventfd, addr, length, _pio, datamatch = request
        for handle in self.items:
            item = self.deref(handle)
            if (item.eventfd, item.addr, item.length, item.datamatch) == (eventfd, addr, length, datamatch):
                return handle
        return ""


@path
def kvm_ioeventfd(profile: Profile, fd: int, addr: int, length: int, flags: int, datamatch: int) -> Path[int]:
    """KVM_IOEVENTFD: 0; -ENOSYS from the stub, or what assign or deassign says."""
    if not profile.has("config-eventfd"):
        return Errno(ENOSYS, "this kernel has no CONFIG_HAVE_KVM_EVENTFD: the stub answers")
    pio = 1 if flags & KVM_IOEVENTFD_FLAG_PIO else 0
    match = datamatch if flags & KVM_IOEVENTFD_FLAG_DATAMATCH else None
    if flags & KVM_IOEVENTFD_FLAG_DEASSIGN:
        return (yield from kvm_deassign_ioeventfd(profile, fd, (addr, length, pio, match)))
    if length not in (1, 2, 4, 8):
        return Errno(EINVAL, f"len is 1, 2, 4 or 8, not {length}")
    if addr + length >= 1 << 64:
        return Errno(EINVAL, "addr + len wraps round")
    if flags & ~VALID_FLAGS:
        return Errno(EINVAL, f"KVM_IOEVENTFD has no flag {flags & ~VALID_FLAGS:#x}")
    return (yield from kvm_assign_ioeventfd(profile, fd, (addr, length, pio, match)))


@path
def kvm_assign_ioeventfd(profile: Profile, fd: int, where: tuple[int, int, int, int | None]) -> Path[int]:
    """Put an ioeventfd on its bus: 0; -EBADF, -EINVAL, -EEXIST, -ENOSPC."""
    eventfd = yield from eventfd_ctx_fdget(profile, fd)
    if isinstance(eventfd, Errno):
        return eventfd
    request: Request = (eventfd, *where)
    ioeventfd: str = yield kzalloc("ioeventfd", *request)
    addr, length, pio, _datamatch = where
    yield mutex_lock(SLOTS_LOCK)
    if (yield (Ioeventfds.collides, IOEVENTFDS, request)):
        ret: int = Errno(EEXIST, "an ioeventfd at this address and length would match the same writes")
    else:
        ret = yield from kvm_io_bus_register_dev(profile, BUSES[pio], addr, length, ioeventfd)
    if ret == 0:
        yield (Ioeventfds.list_add_tail, IOEVENTFDS, ioeventfd)
    yield mutex_unlock(SLOTS_LOCK)
    if ret:
        yield kfree(ioeventfd)
        yield from eventfd_ctx_put(profile, eventfd)
    return ret


@path
def kvm_deassign_ioeventfd(profile: Profile, fd: int, where: tuple[int, int, int, int | None]) -> Path[int]:
    """Take an ioeventfd off its bus: 0; -EBADF, -EINVAL, -ENOENT when none is exactly this one."""
    eventfd = yield from eventfd_ctx_fdget(profile, fd)
    if isinstance(eventfd, Errno):
        return eventfd
    ret = 0
    yield mutex_lock(SLOTS_LOCK)
    found = yield (Ioeventfds.find, IOEVENTFDS, (eventfd, *where))
    if found:
        yield from kvm_io_bus_unregister_dev(profile, BUSES[where[2]], found)
        yield from ioeventfd_release(profile, found)
    else:
        ret = Errno(ENOENT, "no ioeventfd has this eventfd, address, length and datamatch")
    yield mutex_unlock(SLOTS_LOCK)
    yield from eventfd_ctx_put(profile, eventfd)
    return ret


@path
def ioeventfd_release(profile: Profile, ioeventfd: str) -> Path[None]:
    """Let go of the eventfd, unlink, free."""
    eventfd = yield (Ioeventfd.load, ioeventfd, "eventfd")
    yield from eventfd_ctx_put(profile, eventfd)
    yield (Ioeventfds.list_del, IOEVENTFDS, ioeventfd)
    yield kfree(ioeventfd)


@path
def ioeventfd_write(profile: Profile, ioeventfd: str, addr: int, length: int, value: int) -> Path[bool]:
    """Signal the eventfd if this write is the one meant; tell whether it was."""
    eventfd: str = yield (Ioeventfd.in_range, ioeventfd, addr, length, value)
    if not eventfd:
        return False
    yield from eventfd_signal(profile, eventfd, 1)
    return True


@path
def kvm_io_bus_destroy(profile: Profile, bus: str) -> Path[None]:
    """The VM is destroyed: the destructors of what is left on a bus run; the chips have none."""
    for device in (yield (IoBus.devices, bus)):
        if device.startswith("ioeventfd#"):
            yield from ioeventfd_release(profile, device)
