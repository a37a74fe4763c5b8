"""ioeventfd (virt/kvm/eventfd.c): a guest's write to an address signals an eventfd.

There is no POLLHUP hook: closing the fd leaves the ioeventfd on its bus, holding the eventfd,
and since deassign needs an open fd of the same eventfd it stays until the VM is destroyed. What a
hook would do is in ioeventfd_pollhup.py; assigning and deassigning is in ioeventfd_ioctl.py.
"""

from __future__ import annotations

from kvmlab.engine.fds.eventfd import eventfd_ctx_put, eventfd_signal
from kvmlab.engine.kernel.lists import List
from kvmlab.engine.kernel.memory import kfree
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path, touches
from kvmlab.engine.profile import Profile

SLOTS_LOCK = "kvm.slots_lock"
IOEVENTFDS = "ioeventfds"

Request = tuple[str, int, int, int, int | None]
"""(eventfd, addr, len, index in BUSES, datamatch or None): what identifies an ioeventfd."""


class Ioeventfd(Object):
    """struct _ioeventfd: eventfd, guest address, length in bytes (0: any), bus, datamatch (None: any).

    ``closing`` tells that the last close of its eventfd has queued its removal.
    """

    __slots__ = ("addr", "closing", "datamatch", "eventfd", "length", "pio")
    FIELDS = ("eventfd", "addr", "length", "pio", "datamatch", "closing")
    KIND = "ioeventfd"

    def __init__(self, eventfd: str, addr: int, length: int, pio: int, datamatch: int | None) -> None:
        super().__init__()
        self.eventfd, self.addr, self.length = eventfd, addr, length
        self.pio, self.datamatch = pio, datamatch
        self.closing = False

    def close(self) -> None:
        """Leave the removal to the work that the last close queues."""
        self.changed()
        self.closing = True

    def in_range(self, addr: int, length: int, value: int) -> str:
        """ioeventfd_in_range: the eventfd to signal, or "" if the access is not exactly the one meant."""
        if addr != self.addr or self.length not in (0, length):
            return ""
        return self.eventfd if self.datamatch in (None, value & (1 << 8 * length) - 1) else ""


class Ioeventfds(List):
    """kvm->ioeventfds."""

    __slots__ = ()

    @touches("ioeventfd*")
    def collides(self, request: Request, by_bus: bool) -> bool:
        """ioeventfd_check_collision: same address and length, and both would match.

        3.6 ignores the bus; 6.x does not, and has a length of 0 collide with any.
        """
        _eventfd, addr, length, pio, datamatch = request
        objects = self.memory.objects
        return any(
            other.addr == addr
            and (not by_bus or other.pio == pio)
            and (
                not (other.length and length)
                or (
                    other.length == length
                    and (other.datamatch is None or datamatch is None or other.datamatch == datamatch)
                )
            )
            for other in map(objects.__getitem__, self.items)
        )

    @touches("ioeventfd*")
    def find(self, request: Request, by_bus: bool) -> str:
        """Return the ioeventfd that is exactly this one, on whatever bus unless ``by_bus``, or ""."""
        eventfd, addr, length, pio, datamatch = request
        for handle in self.items:
            item = self.deref(handle)
            same = (item.eventfd, item.addr, item.length, item.datamatch) == (
                eventfd,
                addr,
                length,
                datamatch,
            )
            if same and not item.closing and (not by_bus or item.pio == pio):
                return handle
        return ""


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
