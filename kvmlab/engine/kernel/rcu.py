"""RCU and a VM's SRCUs: who reads, and the grace period, which waits for the readers from before it.

kvm->irq_srcu of 6.x guards an irqfd's assign only; its readers of routes and notifiers are under
RCU here, as those of 3.6 are.
"""

from __future__ import annotations

from kvmlab.engine.kernel.locks import LOCKS, Locks
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import BLOCKED, Op, Path, _Blocked, blocks, path, touches
from kvmlab.engine.profile import Profile

RCU, SRCU, IRQ_SRCU = "rcu", "srcu", "irq_srcu"
"""Handles: of the kernel's RCU, and of kvm->srcu and kvm->irq_srcu, whose readers may sleep."""


def _why_readers(rcu: Rcu) -> tuple[str, tuple[str, ...]] | None:
    readers = rcu.waiting.get(rcu.memory.current, ())
    return (f"{', '.join(readers)} still reads under {rcu.handle.upper()}", readers) if readers else None


class Rcu(Object):
    """For each context that waits for a grace period, the readers it waits for.

    Who reads is kept with the locks: ``readers`` is their table there, (reader → nesting).
    """

    __slots__ = ("readers", "waiting")
    FIELDS = ("waiters",)

    def __init__(self, readers: dict[str, int]) -> None:
        super().__init__()
        self.readers = readers
        self.waiting: dict[str, tuple[str, ...]] = {}

    @property
    def waiters(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The state: (waiter, readers it waits for)."""
        return tuple(self.waiting.items())

    @waiters.setter
    def waiters(self, value: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
        self.waiting = dict(value)

    @touches(LOCKS)
    def read_lock(self) -> None:
        """Enter a read-side section; they nest."""
        me, readers = self.memory.current, self.readers
        readers[me] = readers.get(me, 0) + 1

    @touches(LOCKS)
    def read_unlock(self) -> None:
        """Leave a read-side section; leaving the outermost ends the wait of others for this one."""
        me, reading = self.memory.current, self.readers
        depth = reading[me] - 1
        if depth:
            reading[me] = depth
            return
        del reading[me]
        if self.waiting:
            self.changed()
            for waiter, readers in self.waiting.items():
                self.waiting[waiter] = tuple(reader for reader in readers if reader != me)

    @touches(LOCKS)
    def start_grace_period(self) -> None:
        """Note who reads now: only these are waited for."""
        self.changed()
        self.waiting[self.memory.current] = tuple(self.readers)

    @blocks(_why_readers)
    def wait_grace_period(self) -> _Blocked | None:
        """Wait until every reader noted has left its section."""
        if self.waiting[self.memory.current]:
            return BLOCKED
        self.changed()
        del self.waiting[self.memory.current]
        return None


RCU_READ_LOCK: Op = (Rcu.read_lock, RCU)
RCU_READ_UNLOCK: Op = (Rcu.read_unlock, RCU)
SRCU_READ_LOCK: Op = (Rcu.read_lock, SRCU)
SRCU_READ_UNLOCK: Op = (Rcu.read_unlock, SRCU)
IRQ_SRCU_READ_LOCK: Op = (Rcu.read_lock, IRQ_SRCU)
IRQ_SRCU_READ_UNLOCK: Op = (Rcu.read_unlock, IRQ_SRCU)


@path
def synchronize_rcu(profile: Profile) -> Path[None]:
    """Wait for a grace period (kernel/rcu: synchronize_rcu)."""
    yield (Locks.might_sleep, LOCKS, "waits for a grace period")
    yield (Rcu.start_grace_period, RCU)
    yield (Rcu.wait_grace_period, RCU)


@path
def synchronize_srcu(profile: Profile) -> Path[None]:
    """Wait for the vCPUs that are in kvm->srcu (kernel/srcu.c: synchronize_srcu_expedited)."""
    yield (Locks.might_sleep, LOCKS, "waits for a grace period")
    yield (Rcu.start_grace_period, SRCU)
    yield (Rcu.wait_grace_period, SRCU)


@path
def synchronize_irq_srcu(profile: Profile) -> Path[None]:
    """Wait for the assigns that are in kvm->irq_srcu (virt/kvm/eventfd.c of 6.3: irqfd_shutdown)."""
    yield (Locks.might_sleep, LOCKS, "waits for a grace period")
    yield (Rcu.start_grace_period, IRQ_SRCU)
    yield (Rcu.wait_grace_period, IRQ_SRCU)
