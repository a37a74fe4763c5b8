"""eventfd (fs/eventfd.c): the counter, its wait queue, and the kernel's side of it.

A waiter is ``(wake function, subject)``: a path by name and the handle it is called with. Wake
functions run in the waker's context with ``wqh.lock`` held, newest waiter first; one that answers
True has taken the event, and nobody behind it is woken (6.x). What 6.x adds to eventfd_signal, a
guard against a signal inside a wake-up of the same task, can't be met here and is left out.
"""

from __future__ import annotations

from functools import cache

from kvmlab.engine.abi import EAGAIN, EINTR, EINVAL, POLLERR, POLLHUP, POLLIN, POLLOUT, U64_MAX, Errno
from kvmlab.engine.kernel.lists import Counted
from kvmlab.engine.kernel.locks import LOCKS, Locks, spin_lock, spin_unlock
from kvmlab.engine.kernel.memory import kfree
from kvmlab.engine.kernel.path import BLOCKED, PATHS, Path, _Blocked, blocks, interruptible, path
from kvmlab.engine.profile import Profile

Waiter = tuple[str, str]

SIGNALLED = Errno(EINTR, "it sleeps and nobody else will wake it: interrupted, as by Ctrl+C")
HOLDS_FILE = "the file is held, so POLLHUP can't run meanwhile"
"""Why lockdep leaves the wait queue's lock out under irqfds.lock and eoifds.lock."""


def _why_sleeping(ctx: Eventfd, value: int | None) -> tuple[str, tuple[str, ...]] | None:
    if not ctx.must_wait(value):
        return None
    return (f"{ctx.handle} counts 0" if value is None else f"{ctx.handle} is full"), ()


class Eventfd(Counted):
    """struct eventfd_ctx: 64-bit count, EFD_SEMAPHORE, references, waiters newest first."""

    __slots__ = ("count", "semaphore", "waiters")
    FIELDS = ("count", "semaphore", "refs", "waiters")
    KIND = "eventfd"

    def __init__(self, count: int, semaphore: bool) -> None:
        super().__init__()
        self.count, self.semaphore = count, semaphore
        self.waiters: tuple[Waiter, ...] = ()

    def write(self, value: int) -> tuple[Waiter, ...] | None:
        """Add to the count and return whom to wake; None when it would pass 2**64 - 2."""
        if U64_MAX - self.count <= value:
            return None
        self.changed()
        self.count += value
        return self.waiters

    def signal(self, value: int) -> tuple[Waiter, ...]:
        """Add to the count from inside the kernel: it stops at 2**64 - 1, and wakes all the same."""
        self.changed()
        self.count = min(U64_MAX, self.count + value)
        return self.waiters

    def read(self) -> tuple[int, tuple[Waiter, ...]] | None:
        """Take the count, or 1 of a semaphore, and return it with whom to wake; None if it is 0."""
        return self.do_read(underflow=False) if self.count else None

    def do_read(self, underflow: bool) -> tuple[int, tuple[Waiter, ...]]:
        """Take the count, or 1 of a semaphore; with ``underflow`` 0 is not looked for, and wraps."""
        self.changed()
        taken = 1 if self.semaphore and (self.count or underflow) else self.count
        self.count = (self.count - taken) & U64_MAX
        return taken, self.waiters

    def poll_mask(self) -> int:
        """Return the poll mask."""
        count = self.count
        return (
            (POLLIN if count > 0 else 0)
            | (POLLERR if count == U64_MAX else 0)
            | (POLLOUT if count < U64_MAX - 1 else 0)
        )

    def add_wait_queue(self, function: str, subject: str) -> None:
        """Put a waiter at the head."""
        self.changed()
        self.waiters = ((function, subject), *self.waiters)

    def remove_wait_queue(self, function: str, subject: str) -> None:
        """Take a waiter off."""
        self.changed()
        self.waiters = tuple([w for w in self.waiters if w != (function, subject)])

    def add_task(self, last: bool) -> str:
        """Put the current task on the wait queue, behind everybody or at its head; return its name."""
        waiter = ("default_wake_function", self.memory.current)
        self.changed()
        self.waiters = (*self.waiters, waiter) if last else (waiter, *self.waiters)
        return self.memory.current

    def must_wait(self, value: int | None) -> bool:
        """Tell whether a write of a value does not fit, or (None) a read finds nothing."""
        return not self.count if value is None else U64_MAX - self.count <= value

    @interruptible(SIGNALLED)
    @blocks(_why_sleeping)
    def sleep(self, value: int | None) -> _Blocked | None:
        """Sleep while :meth:`must_wait` holds."""
        return BLOCKED if self.must_wait(value) else None


@cache
def wqh_lock(ctx: str) -> str:
    """Return the name of an eventfd's wait-queue lock."""
    return ctx + ".wqh.lock"


@path
def default_wake_function(profile: Profile, task: str, flags: int) -> Path[None]:
    """Wake a sleeping task: it looks for itself, so nothing is to be done."""
    return
    yield


@path
def eventfd_write(profile: Profile, ctx: str, nonblock: bool, value: int) -> Path[int]:
    """fs/eventfd.c: eventfd_write. A value of 0 wakes too."""
    if value == U64_MAX:
        return Errno(EINVAL, "2^64 - 1 can't be written to an eventfd")
    lock = wqh_lock(ctx)
    yield spin_lock(lock)
    waiters = yield (Eventfd.write, ctx, value)
    if waiters is None:
        if nonblock:
            yield spin_unlock(lock)
            return Errno(EAGAIN, "the counter would pass 2^64 - 2, and the fd does not block")
        signal = yield from wait_event(profile, ctx, value)
        if signal is not None:
            yield spin_unlock(lock)
            return SIGNALLED
        waiters = yield (Eventfd.write, ctx, value)
    for function, subject in waiters:
        if (yield from PATHS[function](profile, subject, POLLIN)):
            break
    yield spin_unlock(lock)
    return 0


@path
def eventfd_ctx_read(profile: Profile, ctx: str, nonblock: bool) -> Path[int]:
    """fs/eventfd.c: eventfd_ctx_read."""
    lock = wqh_lock(ctx)
    yield spin_lock(lock)
    read = yield (Eventfd.read, ctx)
    if read is None:
        if nonblock:
            yield spin_unlock(lock)
            return Errno(EAGAIN, "the counter is 0, and the fd does not block")
        signal = yield from wait_event(profile, ctx, None)
        if signal is not None:
            yield spin_unlock(lock)
            return SIGNALLED
        read = yield (Eventfd.read, ctx)
    taken: int
    taken, waiters = read
    for function, subject in waiters:
        yield from PATHS[function](profile, subject, POLLOUT)
    yield spin_unlock(lock)
    return taken


@path
def wait_event(profile: Profile, ctx: str, value: int | None) -> Path[Errno | None]:
    """Sleep until a value fits or (None) something can be read; returns a signal, if one came.

    Entered and left with the eventfd's lock held.
    """
    lock = wqh_lock(ctx)
    # Where an irqfd takes what it is woken for, it is a priority waiter: nobody stands before it.
    task = yield (Eventfd.add_task, ctx, profile.rules.irqfd_drains)
    signal = None
    while signal is None and (yield (Eventfd.must_wait, ctx, value)):
        yield spin_unlock(lock)
        yield (Locks.might_sleep, LOCKS, f"sleeps on {ctx}")
        signal = yield (Eventfd.sleep, ctx, value)
        yield spin_lock(lock)
    yield (Eventfd.remove_wait_queue, ctx, "default_wake_function", task)
    return signal


@path
def eventfd_poll(profile: Profile, ctx: str, function: str, subject: str) -> Path[int]:
    """fs/eventfd.c: eventfd_poll with a poll table: hook a waiter, then return the mask.

    What irqfd_ptable_queue_proc and eoifd_ptable_queue_proc hook is ``function`` for ``subject``.
    """
    lock = wqh_lock(ctx)
    yield spin_lock(lock, HOLDS_FILE)
    yield (Eventfd.add_wait_queue, ctx, function, subject)
    yield spin_unlock(lock)
    yield spin_lock(lock, HOLDS_FILE)
    mask: int = yield (Eventfd.poll_mask, ctx)
    yield spin_unlock(lock)
    return mask


@path
def eventfd_signal(profile: Profile, ctx: str, value: int) -> Path[None]:
    """fs/eventfd.c: eventfd_signal, from inside the kernel; never fails, never sleeps."""
    lock = wqh_lock(ctx)
    yield spin_lock(lock)
    waiters = yield (Eventfd.signal, ctx, value)
    for function, subject in waiters:
        if (yield from PATHS[function](profile, subject, POLLIN)):
            break
    yield spin_unlock(lock)


@path
def eventfd_ctx_remove_wait_queue(profile: Profile, ctx: str, function: str, subject: str) -> Path[None]:
    """fs/eventfd.c: read the counter, whatever it is, and unhook a waiter, at one stroke.

    Before b6a114d27273 the counter was left as it was.
    """
    lock = wqh_lock(ctx)
    yield spin_lock(lock)
    taken = 0
    if profile.has("counter-clear"):
        taken, _waiters = yield (Eventfd.do_read, ctx, profile.rules.semaphore_underflow)
    yield (Eventfd.remove_wait_queue, ctx, function, subject)
    if taken:
        for other, whom in (yield (Eventfd.load, ctx, "waiters")):
            yield from PATHS[other](profile, whom, POLLOUT)
    yield spin_unlock(lock)


@path
def eventfd_release(profile: Profile, ctx: str) -> Path[None]:
    """fs/eventfd.c: eventfd_release: POLLHUP to everybody, then the file's reference."""
    lock = wqh_lock(ctx)
    yield spin_lock(lock)
    for function, subject in (yield (Eventfd.load, ctx, "waiters")):
        yield from PATHS[function](profile, subject, POLLHUP)
    yield spin_unlock(lock)
    yield from eventfd_ctx_put(profile, ctx)


@path
def eventfd_ctx_put(profile: Profile, ctx: str) -> Path[None]:
    """Drop a reference to the context; the last one frees it."""
    if not (yield (Eventfd.kref_put, ctx)):
        yield kfree(ctx)
