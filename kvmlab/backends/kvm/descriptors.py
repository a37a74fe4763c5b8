"""The process's descriptors as the lab knows them: real eventfds by name, and what they were bound to.

What a VMM has assigned it must remember, as no ioctl tells: so the states of irqfds and ioeventfds here
are the VMM's books, kept from what the kernel has answered.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from dataclasses import dataclass, field
from errno import EBADF, EEXIST

from kvmlab.backends.backend import Refused
from kvmlab.engine.abi import (
    KVM_IOEVENTFD_FLAG_DATAMATCH,
    KVM_IOEVENTFD_FLAG_PIO,
    KVM_IRQFD_FLAG_DEASSIGN,
    KVM_IRQFD_FLAG_RESAMPLE,
    POLLIN,
    POLLOUT,
)

CLOSED = -1
UINT_MAX = 2**32 - 1

_BUS = KVM_IOEVENTFD_FLAG_PIO | 1 << 3
"""Flags that name a bus; the second is s390's."""


@dataclass(slots=True)
class Irqfd:
    """One assignment of an irqfd; ``active`` until it is taken back or its eventfd is gone."""

    number: int
    name: str
    gsi: int
    level: bool
    second: str
    key: int | None = None
    active: bool = True


@dataclass(slots=True, eq=False)
class Ioeventfd:
    """One assignment of an ioeventfd."""

    number: int
    name: str
    ctx: Ctx
    addr: int
    length: int
    flags: int
    datamatch: int
    active: bool = True

    @property
    def place(self) -> tuple[int, int, int, int | None]:
        """What a deassign has to match; it looks at no other flags, known or not."""
        return self.addr, self.length, self.flags & _BUS, self.matches

    @property
    def matches(self) -> int | None:
        """The value that a write must have; None for any."""
        return self.datamatch if self.flags & KVM_IOEVENTFD_FLAG_DATAMATCH else None


@dataclass(slots=True, eq=False)
class Ctx:
    """One eventfd: its open descriptors by name, and the irqfd it feeds, if any."""

    number: int
    name: str
    semaphore: bool
    blocking: bool
    fds: dict[str, int] = field(default_factory=dict)
    irqfd: Irqfd | None = None
    info: int = CLOSED
    """The fdinfo of one of its descriptors, opened when it is first looked at."""

    def forget_info(self) -> None:
        """Close the fdinfo: the descriptor that it is of may be closed next."""
        if self.info != CLOSED:
            os.close(self.info)
            self.info = CLOSED


class Descriptors:
    """Every eventfd that is open, or still bound, by name and by number. :meth:`close_all` closes them."""

    def __init__(self) -> None:
        self.names: dict[str, Ctx] = {}
        """The names that are open."""
        self.ctxs: list[Ctx] = []
        self.irqfds: dict[str, Irqfd] = {}
        """By name, what was assigned last."""
        self.ioeventfds: dict[str, Ioeventfd] = {}
        self.bound: list[Ioeventfd] = []
        """Every ioeventfd that is assigned; an eventfd may have several."""
        self.keys: dict[str, int] = {}
        self._made = 0
        self._poll = select.poll()

    def number(self) -> int:
        """Return the next number for an object that is made."""
        self._made += 1
        return self._made

    # -- names ------------------------------------------------------------------------------------

    def fd(self, name: str | int) -> int:
        """Return the number behind a name, CLOSED if none; a number stands for itself."""
        if isinstance(name, int):
            return name
        ctx = self.names.get(name)
        return CLOSED if ctx is None else ctx.fds[name]

    def ctx(self, fd: str | int) -> Ctx | None:
        """Return the eventfd behind a name or a number."""
        if isinstance(fd, str):
            return self.names.get(fd)
        return next((ctx for ctx in self.ctxs if fd in ctx.fds.values()), None)

    def eventfd(self, name: str, count: int, semaphore: bool, blocking: bool) -> None:
        """eventfd2(2) under a name. Raises OSError."""
        self._free(name)
        flags = os.EFD_CLOEXEC | (os.EFD_SEMAPHORE if semaphore else 0) | (0 if blocking else os.EFD_NONBLOCK)
        fd = os.eventfd(min(count, UINT_MAX), flags)
        ctx = Ctx(self.number(), name, semaphore, blocking)
        self.ctxs.append(ctx)
        self._open(ctx, name, fd)
        if count > UINT_MAX:
            os.eventfd_write(fd, count - UINT_MAX)

    def dup(self, name: str, new: str) -> None:
        """dup(2) under a name. Raises OSError."""
        self._free(new)
        ctx = self.names.get(name)
        if ctx is None:
            raise OSError(EBADF, "the name is closed")
        self._open(ctx, new, os.dup(ctx.fds[name]))

    def _free(self, name: str) -> None:
        if name in self.names:
            raise OSError(EEXIST, f"{name} is open; close it before the name is used again")

    def _open(self, ctx: Ctx, name: str, fd: int) -> None:
        ctx.fds[name] = fd
        self.names[name] = ctx
        self._poll.register(fd, select.POLLIN)

    def close(self, name: str) -> bool:
        """close(2): True if an irqfd ended with it. Raises OSError."""
        ctx = self.names.pop(name, None)
        if ctx is None:
            raise OSError(EBADF, "the name is closed")
        fd = ctx.fds.pop(name)
        ctx.forget_info()
        self._poll.unregister(fd)
        os.close(fd)
        if ctx.fds:
            return False
        ended = ctx.irqfd is not None
        if ctx.irqfd is not None:
            ctx.irqfd.active, ctx.irqfd = False, None
        self.ctxs.remove(ctx)
        return ended

    def close_all(self) -> None:
        """Close every descriptor."""
        for name in list(self.names):
            self.close(name)

    def forget(self) -> None:
        """Close every descriptor, and begin the books anew."""
        self.close_all()
        self.ctxs.clear()
        for table in (self.irqfds, self.ioeventfds, self.keys):
            table.clear()
        self.bound.clear()

    # -- counters ---------------------------------------------------------------------------------

    def write(self, name: str, value: int) -> None:
        """write(2). Raises OSError, or Refused for one that would sleep."""
        ctx = self.names.get(name)
        if ctx is not None and ctx.blocking and self.count(ctx) + value >= 2**64 - 1 and value < 2**64 - 1:
            raise Refused(f"the write would sleep until somebody reads {name}, and nobody else runs here")
        os.eventfd_write(self._opened(name), value)

    def read(self, name: str) -> int:
        """read(2). Raises OSError, or Refused for one that would sleep."""
        ctx = self.names.get(name)
        if ctx is not None and ctx.blocking and not self.poll(name) & POLLIN:
            raise Refused(f"the read would sleep until somebody writes {name}, and nobody else runs here")
        return os.eventfd_read(self._opened(name))

    def _opened(self, name: str) -> int:
        fd = self.fd(name)
        if fd < 0:
            raise OSError(EBADF, "the name is closed")
        return fd

    def poll(self, name: str) -> int:
        """poll(2) without a wait: the mask. Raises OSError."""
        fd = self._opened(name)
        one = select.poll()
        one.register(fd, POLLIN | POLLOUT)
        return dict(one.poll(0)).get(fd, 0)

    def count(self, ctx: Ctx) -> int:
        """Return an eventfd's counter, which is not consumed; fdinfo tells it (fs/eventfd.c)."""
        if ctx.info == CLOSED:
            ctx.info = os.open(
                f"/proc/self/fdinfo/{next(iter(ctx.fds.values()))}", os.O_RDONLY | os.O_CLOEXEC
            )
        text = os.pread(ctx.info, 512, 0)
        return int(text.partition(b"eventfd-count:")[2].split(maxsplit=1)[0], 16)

    def counts(self) -> dict[str, int]:
        """Return the counter behind every open name; only what can be read is looked at."""
        ready = {fd for fd, _mask in self._poll.poll(0)}
        return {name: self.count(ctx) if ctx.fds[name] in ready else 0 for name, ctx in self.names.items()}

    # -- books ------------------------------------------------------------------------------------

    def irqfd_answered(self, fd: str | int, gsi: int, flags: int, resample: str | int) -> Irqfd | None:
        """Keep the books of a KVM_IRQFD that was accepted; return what was assigned or taken back."""
        ctx = self.ctx(fd)
        if ctx is None:
            return None
        if flags & KVM_IRQFD_FLAG_DEASSIGN:
            gone = ctx.irqfd
            if gone is None or gone.gsi != gsi:
                return None
            gone.active, ctx.irqfd = False, None
            return gone
        level = bool(flags & KVM_IRQFD_FLAG_RESAMPLE)
        second = self.ctx(resample) if level else None
        made = Irqfd(self.number(), "", gsi, level, second.name if second else "")
        ctx.irqfd = made
        for name in self._names_of(ctx, fd):
            made.name = made.name or name
            self.irqfds[name] = made
        return made

    def ioeventfd_answered(
        self, fd: str | int, addr: int, length: int, flags: int, datamatch: int, deassign: bool
    ) -> None:
        """Keep the books of a KVM_IOEVENTFD that was accepted."""
        ctx = self.ctx(fd)
        if ctx is None:
            return
        if deassign:
            gone = Ioeventfd(0, "", ctx, addr, length, flags, datamatch)
            for known in [known for known in self.bound if known.ctx is ctx and known.place == gone.place]:
                known.active = False
                self.bound.remove(known)
            return
        for name in self._names_of(ctx, fd):
            made = Ioeventfd(self.number(), name, ctx, addr, length, flags, datamatch)
            self.ioeventfds[name] = made
            self.bound.append(made)

    def _names_of(self, ctx: Ctx, fd: str | int) -> Iterator[str]:
        number = self.fd(fd)
        return (name for name, each in ctx.fds.items() if each == number)

    def released(self) -> None:
        """The VM is gone, and what was assigned to it."""
        for ctx in self.ctxs:
            if ctx.irqfd is not None:
                ctx.irqfd.active, ctx.irqfd = False, None
        for known in self.bound:
            known.active = False
        self.bound.clear()

    def chained(self) -> bool:
        """Tell whether something that a guest does may signal an irqfd."""
        told = {known.ctx for known in self.bound}
        seconds = {ctx.irqfd.second for ctx in self.ctxs if ctx.irqfd is not None}
        return any(ctx.irqfd is not None and (ctx in told or ctx.name in seconds) for ctx in self.ctxs)
