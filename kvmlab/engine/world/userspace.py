"""The userspace process: what it calls its descriptors, and its calls by these names.

A name stands for a descriptor number until it is closed; a closed name is passed to the kernel
as -1, so that the kernel says EBADF. Each call is a path: a thread may be stopped in it anywhere.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kvmlab.engine.abi import (
    EEXIST,
    EFD_NONBLOCK,
    EFD_SEMAPHORE,
    KVM_IRQFD_FLAG_DEASSIGN,
    Errno,
)
from kvmlab.engine.chips.apics import MSI_DATA_TRIGGER_LEVEL
from kvmlab.engine.chips.route_table import DEFAULT_ROUTING, Route
from kvmlab.engine.chips.split import RESERVED_PINS
from kvmlab.engine.fds.files import FDS, Fds, File, sys_close, sys_poll, sys_read, sys_write
from kvmlab.engine.kernel.object import KINDS, Object
from kvmlab.engine.kernel.path import Path, path, touches
from kvmlab.engine.profile import Profile
from kvmlab.engine.proposal import IRQFD_FLAG_OF_API, Fields
from kvmlab.engine.world.vm import vm_ioctl

USERSPACE = "userspace"
UINT_MAX = 2**32 - 1
CLOSED = -1
NO_KEY = 2**32 - 1
"""What is passed for the key of a name that has none: the kernel answers -ENOENT."""

Pairs = tuple[tuple[str, Any], ...]


class Descriptor(NamedTuple):
    """A number that is passed to an ioctl: its names at that moment, and the eventfd behind it ("" for none).

    Whoever closes it while the ioctl is under way does not change what was asked for.
    """

    fd: int
    names: tuple[str, ...]
    eventfd: str

    def __repr__(self) -> str:
        return f"fd {self.fd}"


class Userspace(Object):
    """Names and what they last stood for, and the VMM's copy of the routing table.

    ``fds`` name → number or CLOSED; ``irqfds``, ``eoifds``, ``ioeventfds`` name → handle of the
    latest assignment; ``keys`` name → the key its irqfd got last. ``eoi_exits`` counts, as (vector,
    times), what vCPUs left the kernel for with KVM_EXIT_IOAPIC_EOI.
    """

    __slots__ = ("eoi_exits", "eoifds", "fds", "ioeventfds", "irqfds", "keys", "routes")
    FIELDS = ("names", "routes", "eoi_exits")

    def __init__(self, routes: tuple[Route, ...]) -> None:
        super().__init__()
        self.fds: dict[str, int] = {}
        self.irqfds: dict[str, str] = {}
        self.eoifds: dict[str, str] = {}
        self.ioeventfds: dict[str, str] = {}
        self.keys: dict[str, int] = {}
        self.routes = routes
        self.eoi_exits: tuple[tuple[int, int], ...] = ()

    @property
    def names(self) -> tuple[Pairs, ...]:
        """The state: every table as pairs, in the order the names came up."""
        tables = (self.fds, self.irqfds, self.eoifds, self.ioeventfds, self.keys)
        return tuple([tuple(table.items()) for table in tables])

    @names.setter
    def names(self, value: tuple[Pairs, ...]) -> None:
        self.fds, self.irqfds, self.eoifds, self.ioeventfds, self.keys = map(dict, value)

    def fd(self, name: str | int) -> int:
        """Return the number a name stands for, CLOSED if none; a number stands for itself."""
        return name if isinstance(name, int) else self.fds.get(name, CLOSED)

    @touches(FDS, "file*")
    def descriptor(self, name: str | int) -> Descriptor:
        """Return the number a name stands for, and what stands behind it now."""
        fd = self.fd(name)
        objects = self.memory.objects
        file = objects.get(objects[FDS].load("open").get(fd, ""))
        return Descriptor(fd, tuple(self.names_of(fd)), file.ctx if isinstance(file, File) else "")

    def key(self, key: str | int) -> int:
        """Return the key an irqfd got last, by name; NO_KEY if it never got one."""
        return key if isinstance(key, int) else self.keys.get(key, NO_KEY)

    def opened(self, name: str, fd: int) -> None:
        """Remember the number of a new descriptor."""
        self.changed()
        self.fds[name] = fd

    def forget(self, name: str) -> int:
        """Return the number a name stands for, and have it stand for nothing."""
        fd = self.fds.get(name, CLOSED)
        if fd != CLOSED:
            self.changed()
            self.fds[name] = CLOSED
        return fd

    def names_of(self, fd: int) -> list[str]:
        """Return the names that stand for a number."""
        return [name for name, number in self.fds.items() if number == fd]

    @touches("irqfd*")
    def assigned_irqfd(self, asked: Descriptor, key: int | None) -> None:
        """Remember the irqfd that was assigned to an eventfd, and its key."""
        found = self._newest("irqfd", asked)
        self.changed()
        for name in asked.names:
            self.irqfds[name] = found
            if key is not None:
                self.keys[name] = key

    @touches("eoifd*", "eoi_eventfd*")
    def assigned_eoifd(self, asked: Descriptor, kind: str) -> None:
        """Remember the eoifd, of the kind that the api has, that was assigned to an eventfd."""
        found = self._newest(kind, asked)
        self.changed()
        for name in asked.names:
            self.eoifds[name] = found

    @touches("ioeventfd*")
    def assigned_ioeventfd(self, asked: Descriptor) -> None:
        """Remember the ioeventfd that was assigned to an eventfd."""
        found = self._newest("ioeventfd", asked)
        self.changed()
        for name in asked.names:
            self.ioeventfds[name] = found

    def set_routes(self, routes: tuple[Route, ...]) -> None:
        """Remember the table that the kernel has accepted."""
        self.changed()
        self.routes = routes

    def told_of_eoi(self, vector: int) -> tuple[int, ...]:
        """Count an exit with the EOI of a vector; return the GSIs whose level message it ends."""
        self.changed()
        counts = dict(self.eoi_exits)
        counts[vector] = counts.get(vector, 0) + 1
        self.eoi_exits = tuple(sorted(counts.items()))
        return tuple(
            [
                route.gsi
                for route in self.routes
                if route.gsi < RESERVED_PINS
                and route.data & MSI_DATA_TRIGGER_LEVEL
                and route.data & 0xFF == vector
            ]
        )

    def edited(self, gsi: int, entries: tuple[Route, ...]) -> tuple[Route, ...]:
        """Return the table with a GSI's entries replaced: in their old place, else at the end."""
        rest = [route for route in self.routes if route.gsi != gsi]
        at = next((i for i, route in enumerate(self.routes) if route.gsi == gsi), len(rest))
        return (*rest[:at], *entries, *rest[at:])

    def _newest(self, kind: str, asked: Descriptor) -> str:
        """Return the newest object of a kind on an eventfd; "" for one that is gone again already."""
        made: type[Any] = KINDS[kind]
        eventfd = asked.eventfd
        same = [
            handle
            for handle, each in self.memory.objects.items()
            if each.__class__ is made and each.eventfd == eventfd
        ]
        return max(same, key=lambda handle: int(handle.partition("#")[2]), default="")


@path
def user_eventfd(profile: Profile, name: str, count: int, semaphore: bool, blocking: bool) -> Path[int]:
    """eventfd2(2) under a name; a count that exceeds its 32-bit initval is written afterwards."""
    if (yield (Userspace.fd, USERSPACE, name)) != CLOSED:
        return Errno(EEXIST, f"{name} is open; close it before the name is used again")
    flags = (EFD_SEMAPHORE if semaphore else 0) | (0 if blocking else EFD_NONBLOCK)
    fd = yield (Fds.eventfd2, FDS, min(count, UINT_MAX), flags)
    if fd < 0:
        return int(fd)
    yield (Userspace.opened, USERSPACE, name, fd)
    if count > UINT_MAX:
        return (yield from sys_write(profile, fd, count - UINT_MAX))
    return 0


@path
def user_dup(profile: Profile, name: str, new: str) -> Path[int]:
    """dup(2) under a new name: 0 or a negative errno."""
    if (yield (Userspace.fd, USERSPACE, new)) != CLOSED:
        return Errno(EEXIST, f"{new} is open; close it before the name is used again")
    fd = yield (Userspace.fd, USERSPACE, name)
    duplicate: int = yield (Fds.dup, FDS, fd)
    if duplicate < 0:
        return duplicate
    yield (Userspace.opened, USERSPACE, new, duplicate)
    return 0


@path
def user_close(profile: Profile, *names: str) -> Path[int]:
    """close(2) one name after the other: 0, or the last errno there was."""
    ret = 0
    for name in names:
        fd = yield (Userspace.forget, USERSPACE, name)
        status = yield from sys_close(profile, fd)
        ret = status or ret
    return ret


@path
def user_write(profile: Profile, name: str, value: int) -> Path[int]:
    """write(2)."""
    fd = yield (Userspace.fd, USERSPACE, name)
    return (yield from sys_write(profile, fd, value))


@path
def user_read(profile: Profile, name: str) -> Path[int]:
    """read(2)."""
    fd = yield (Userspace.fd, USERSPACE, name)
    return (yield from sys_read(profile, fd))


@path
def user_poll(profile: Profile, name: str) -> Path[int]:
    """poll(2) without a wait."""
    fd = yield (Userspace.fd, USERSPACE, name)
    return (yield from sys_poll(profile, fd))


@path
def fill(
    profile: Profile, fields: Fields, values: tuple[int | str, ...]
) -> Path[tuple[dict[str, int], Descriptor]]:
    """Return a structure by the names of its fields, and its field fd as it stands now.

    What was given by name is a number there.
    """
    structure: dict[str, int] = {}
    asked = Descriptor(CLOSED, (), "")
    for (field, kind), value in zip(fields, values, strict=True):
        if field == "fd":
            asked = yield (Userspace.descriptor, USERSPACE, value)
            structure[field] = asked.fd
        elif kind == "fd":
            structure[field] = yield (Userspace.fd, USERSPACE, value)
        elif kind == "key":
            structure[field] = yield (Userspace.key, USERSPACE, value)
        else:
            structure[field] = int(value)
    return structure, asked


@path
def user_irqfd(profile: Profile, *values: int | str) -> Path[int]:
    """KVM_IRQFD with the values of the api's structure, in order: 0 or the key."""
    ioctl = profile.proposal.ioctls["irqfd"]
    structure, asked = yield from fill(profile, ioctl.fields, values)
    ret: int = yield from vm_ioctl(profile, ioctl.path, *structure.values())
    flags = structure["flags"]
    if ret >= 0 and not flags & KVM_IRQFD_FLAG_DEASSIGN:
        has_key = profile.proposal.keys and flags & IRQFD_FLAG_OF_API
        yield (Userspace.assigned_irqfd, USERSPACE, asked, ret if has_key else None)
    return ret


@path
def user_eoifd(profile: Profile, *values: int | str) -> Path[int]:
    """The api's second ioctl with the values of its structure, in order."""
    ioctl = profile.proposal.ioctls["eoifd"]
    structure, asked = yield from fill(profile, ioctl.fields, values)
    ret: int = yield from vm_ioctl(profile, ioctl.path, *structure.values())
    if ret == 0 and not structure["flags"] & KVM_IRQFD_FLAG_DEASSIGN:
        yield (Userspace.assigned_eoifd, USERSPACE, asked, profile.proposal.eoifds)
    return ret


@path
def user_ioeventfd(
    profile: Profile, name: str | int, addr: int, length: int, flags: int, datamatch: int
) -> Path[int]:
    """KVM_IOEVENTFD."""
    asked: Descriptor = yield (Userspace.descriptor, USERSPACE, name)
    ret: int = yield from vm_ioctl(profile, "kvm_ioeventfd", asked.fd, addr, length, flags, datamatch)
    if ret == 0 and not flags & 4:
        yield (Userspace.assigned_ioeventfd, USERSPACE, asked)
    return ret


@path
def user_route(profile: Profile, gsi: int, entries: tuple[Route, ...]) -> Path[int]:
    """KVM_SET_GSI_ROUTING with the VMM's table, one GSI edited."""
    routes = yield (Userspace.edited, USERSPACE, gsi, entries)
    return (yield from user_routes(profile, routes))


@path
def user_routes(profile: Profile, routes: tuple[Route, ...] = DEFAULT_ROUTING) -> Path[int]:
    """KVM_SET_GSI_ROUTING with a whole table; the VMM remembers it if the kernel takes it."""
    ret: int = yield from vm_ioctl(profile, "kvm_set_irq_routing", routes, 0)
    if ret == 0:
        yield (Userspace.set_routes, USERSPACE, routes)
    return ret
