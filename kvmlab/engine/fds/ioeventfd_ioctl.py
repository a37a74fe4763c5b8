"""KVM_IOEVENTFD (virt/kvm/eventfd.c): assigning and deassigning ioeventfds, and the end of all of them.

Deassign of 3.6 takes the bus from its own flags and does not look whether it is the ioeventfd's:
with the wrong one the freed ioeventfd stays on the other bus. Left out: the second bus on which
6.x puts an ioeventfd without a length, to find it faster.
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
    KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY,
    Errno,
)
from kvmlab.engine.fds.eventfd import eventfd_ctx_put
from kvmlab.engine.fds.files import eventfd_ctx_fdget
from kvmlab.engine.fds.io_bus import BUSES, IoBus, kvm_io_bus_register_dev, kvm_io_bus_unregister_dev
from kvmlab.engine.fds.ioeventfd import (
    IOEVENTFDS,
    SLOTS_LOCK,
    Ioeventfd,
    Ioeventfds,
    Request,
    ioeventfd_release,
)
from kvmlab.engine.fds.ioeventfd_pollhup import ioeventfd_hook, ioeventfd_unhook
from kvmlab.engine.kernel.locks import mutex_lock, mutex_unlock
from kvmlab.engine.kernel.memory import kfree, kzalloc
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.profile import Profile


def bus_of(flags: int) -> int:
    """Return the index in BUSES of the bus that flags mean (ioeventfd_bus_from_flags)."""
    if flags & KVM_IOEVENTFD_FLAG_PIO:
        return 1
    return 2 if flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY else 0


def check_ioeventfd(profile: Profile, addr: int, length: int, flags: int) -> Errno | None:
    """Return what assign refuses before it looks at the descriptor: length, address, flags."""
    any_length = profile.rules.ioeventfd_by_bus
    if length not in (1, 2, 4, 8) and not (any_length and length == 0):
        return Errno(EINVAL, f"len is {'0, ' if any_length else ''}1, 2, 4 or 8, not {length}")
    if addr + length >= 1 << 64:
        return Errno(EINVAL, "addr + len wraps round")
    unknown = flags & ~profile.rules.ioeventfd_flags
    if unknown:
        return Errno(EINVAL, f"KVM_IOEVENTFD has no flag {unknown:#x}")
    if not length and flags & KVM_IOEVENTFD_FLAG_DATAMATCH:
        return Errno(EINVAL, "a write of any length has no value to match")
    return None


@path
def kvm_ioeventfd(profile: Profile, fd: int, addr: int, length: int, flags: int, datamatch: int) -> Path[int]:
    """KVM_IOEVENTFD: 0; -ENOSYS from the stub, or what assign or deassign says."""
    if not profile.has("config-eventfd"):
        return Errno(ENOSYS, "this kernel has no CONFIG_HAVE_KVM_EVENTFD: the stub answers")
    bus = bus_of(flags)
    match = datamatch if flags & KVM_IOEVENTFD_FLAG_DATAMATCH else None
    if flags & KVM_IOEVENTFD_FLAG_DEASSIGN:
        return (yield from kvm_deassign_ioeventfd(profile, fd, (addr, length, bus, match)))
    refusal = check_ioeventfd(profile, addr, length, flags)
    if refusal is not None:
        return refusal
    return (yield from kvm_assign_ioeventfd(profile, fd, (addr, length, bus, match)))


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
    if (yield (Ioeventfds.collides, IOEVENTFDS, request, profile.rules.ioeventfd_by_bus)):
        ret: int = Errno(EEXIST, "an ioeventfd at this address and length would match the same writes")
    else:
        ret = yield from kvm_io_bus_register_dev(profile, BUSES[pio], addr, length, ioeventfd)
    if ret == 0:
        yield (Ioeventfds.list_add_tail, IOEVENTFDS, ioeventfd)
        if profile.adds("ioeventfd-pollhup"):
            yield from ioeventfd_hook(profile, fd, ioeventfd, eventfd)
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
    found = yield (Ioeventfds.find, IOEVENTFDS, (eventfd, *where), profile.rules.ioeventfd_by_bus)
    if found and profile.adds("ioeventfd-pollhup"):
        found = yield from ioeventfd_unhook(profile, found, eventfd)
    if found:
        yield from kvm_io_bus_unregister_dev(profile, BUSES[where[2]], found)
        yield from ioeventfd_release(profile, found)
    else:
        ret = Errno(ENOENT, "no ioeventfd has this eventfd, address, length and datamatch")
    yield mutex_unlock(SLOTS_LOCK)
    yield from eventfd_ctx_put(profile, eventfd)
    return ret


@path
def kvm_io_bus_destroy(profile: Profile, bus: str) -> Path[None]:
    """The VM is destroyed: ioeventfd_destructor runs for what is left on a bus; the chips have none."""
    for device in (yield (IoBus.devices, bus)):
        left = device if device.startswith("ioeventfd#") else ""
        if left and profile.adds("ioeventfd-pollhup"):
            eventfd = yield (Ioeventfd.load, left, "eventfd")
            left = yield from ioeventfd_unhook(profile, left, eventfd)
        if left:
            yield from ioeventfd_release(profile, left)
