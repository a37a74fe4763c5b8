"""Spinlocks and mutexes with lockdep watching: owners, order, sleeping while atomic.

A lock is a name. Where many objects have the same lock (each eventfd's ``wqh.lock``) the name
begins with the handle, ``eventfd#3.wqh``, and lockdep sees one class, ``eventfd.wqh``.
"""

from __future__ import annotations

import re

from kvmlab.engine.kernel.object import Object, Value
from kvmlab.engine.kernel.path import BLOCKED, Op, _Blocked, blocks, makes, touches
from kvmlab.engine.kernel.sanitizers import Oops

LOCKS = "locks"
Owners = tuple[tuple[str, str], ...]
Readers = tuple[tuple[str, int], ...]
Held = tuple[Owners, Owners, Readers, Readers, Readers]
NOTHING_HELD: Held = ((), (), (), (), ())


def lock_class(lock: str) -> str:
    """Return lockdep's class of a lock: its name without the number of the object."""
    return re.sub(r"#\d+", "", lock)


class Lockdep(Object):
    """The order in which classes of locks were taken, as pairs (outer, inner)."""

    __slots__ = ("order",)
    FIELDS = ("order",)

    def __init__(self) -> None:
        super().__init__()
        self.order: tuple[tuple[str, str], ...] = ()

    def learn(self, outer: str, inner: str) -> bool:
        """Note that ``inner`` was taken under ``outer``; False if the reverse can happen too."""
        pair = (outer, inner)
        if outer == inner or pair in self.order:
            return True
        self.changed()
        self.order = (*self.order, pair)
        return not self._reaches(inner, outer)

    def _reaches(self, start: str, goal: str) -> bool:
        seen, todo = {start}, [start]
        while todo:
            here = todo.pop()
            if here == goal:
                return True
            following = [b for a, b in self.order if a == here and b not in seen]
            seen.update(following)
            todo.extend(following)
        return False


def _why_held(locks: Locks, lock: str, *_: object) -> tuple[str, tuple[str, ...]] | None:
    owner = locks.spin.get(lock) or locks.mutex.get(lock)
    return (f"{lock} is held by {owner}", (owner,)) if owner else None


class Locks(Object):
    """Which context holds which lock, and which ones read under RCU and the SRCUs (driven by rcu.py)."""

    __slots__ = ("irq_srcu_readers", "lockdep", "mutex", "readers", "spin", "srcu_readers")
    FIELDS = ("held",)
    VOLATILE = True

    def __init__(self, lockdep: Lockdep) -> None:
        super().__init__()
        self.lockdep = lockdep
        self.spin: dict[str, str] = {}
        self.mutex: dict[str, str] = {}
        self.readers: dict[str, int] = {}
        self.srcu_readers: dict[str, int] = {}
        self.irq_srcu_readers: dict[str, int] = {}

    @property
    def held(self) -> Held:
        """The state: (lock, owner) of the spinlocks and mutexes, (reader, nesting) of RCU and the SRCUs."""
        if not self.busy():
            return NOTHING_HELD
        domains = self.readers, self.srcu_readers, self.irq_srcu_readers
        rcu, srcu, irq_srcu = [tuple(readers.items()) for readers in domains]
        return tuple(self.spin.items()), tuple(self.mutex.items()), rcu, srcu, irq_srcu

    @held.setter
    def held(self, value: Held) -> None:
        self.spin, self.mutex = dict(value[0]), dict(value[1])
        # The same tables with other entries: those that RCU and the SRCUs have.
        domains = self.readers, self.srcu_readers, self.irq_srcu_readers
        for readers, entries in zip(domains, value[2:], strict=True):
            readers.clear()
            readers.update(entries)

    def freeze(self) -> Value:
        """Return the state as a value: the same one again as long as nothing is held."""
        if self.frozen is None or self.frozen[-1] is not NOTHING_HELD or self.busy():
            self.frozen = self.read_state(self)
        return self.frozen

    def busy(self) -> bool:
        """Tell whether any lock is held, or anybody reads under RCU or SRCU."""
        return bool(
            self.spin or self.mutex or self.readers or self.srcu_readers or self.irq_srcu_readers,
        )

    def held_by(self, context: str) -> tuple[str, ...]:
        """Return the locks a context holds, spinlocks first."""
        return tuple(
            lock for held in (self.spin, self.mutex) for lock, owner in held.items() if owner == context
        )

    @touches("lockdep", "reports")
    @blocks(_why_held)
    def spin_lock(self, lock: str, guard: str = "") -> _Blocked | None:
        """Take a spinlock. ``guard`` names what makes this nesting safe: lockdep leaves it out."""
        spin = self.spin
        if spin or self.mutex:
            if lock in spin:
                return self._contended(lock, spin[lock])
            if not guard:
                self._check_order(lock)
        spin[lock] = self.memory.current
        return None

    def spin_unlock(self, lock: str) -> None:
        """Drop a spinlock."""
        del self.spin[lock]

    @touches("lockdep", "reports")
    @blocks(_why_held)
    def mutex_lock(self, lock: str) -> _Blocked | None:
        """Take a mutex, which may sleep."""
        self.might_sleep(f"takes the mutex {lock}")
        if lock in self.mutex:
            return self._contended(lock, self.mutex[lock])
        if self.mutex:
            self._check_order(lock)
        self.mutex[lock] = self.memory.current
        return None

    def mutex_unlock(self, lock: str) -> None:
        """Drop a mutex."""
        del self.mutex[lock]

    @touches("reports")
    def might_sleep(self, what: str) -> None:
        """Report a context that may sleep here while it holds a spinlock or reads under RCU."""
        if not self.spin and not self.readers:
            return
        me = self.memory.current
        held = [lock for lock, owner in self.spin.items() if owner == me]
        if me in self.readers:
            held.append("rcu_read_lock")
        if held:
            self.memory.reports.add(me, "atomic-sleep", f"{me} {what} while it holds {held[-1]}")

    def _contended(self, lock: str, owner: str) -> _Blocked:
        me = self.memory.current
        if owner == me:
            raise Oops(f"{me} waits for {lock}, which it holds itself", "self-deadlock")
        return BLOCKED

    def _check_order(self, lock: str) -> None:
        me, inner = self.memory.current, lock_class(lock)
        for outer_lock in self.held_by(me):
            outer = lock_class(outer_lock)
            if not self.lockdep.learn(outer, inner):
                text = f"{me} takes {inner} under {outer}; elsewhere {outer} is taken under {inner}"
                self.memory.reports.add(me, "lock-order", text)


@makes(Locks.spin_lock, LOCKS)
def spin_lock(lock: str, guard: str = "") -> Op:
    """Op: take a spinlock (``guard``: see :meth:`Locks.spin_lock`)."""
    return (Locks.spin_lock, LOCKS, lock, guard) if guard else (Locks.spin_lock, LOCKS, lock)


@makes(Locks.spin_unlock, LOCKS)
def spin_unlock(lock: str) -> Op:
    """Op: drop a spinlock."""
    return (Locks.spin_unlock, LOCKS, lock)


@makes(Locks.mutex_lock, LOCKS)
def mutex_lock(lock: str) -> Op:
    """Op: take a mutex."""
    return (Locks.mutex_lock, LOCKS, lock)


@makes(Locks.mutex_unlock, LOCKS)
def mutex_unlock(lock: str) -> Op:
    """Op: drop a mutex."""
    return (Locks.mutex_unlock, LOCKS, lock)
