"""Work queues: the system queue and the single-threaded ones, one worker each.

A work item is ``(function, subject)``: the path that runs it and the handle of its object.
An item that waits is queued once (kernel/workqueue.c: queue_work). Flushing a queue puts a
barrier behind what is queued and waits for it, as insert_wq_barrier does.
"""

from __future__ import annotations

from kvmlab.engine.kernel.locks import LOCKS, Locks
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import BLOCKED, PATHS, Path, _Blocked, blocks, path
from kvmlab.engine.profile import Profile

EVENTS = "events"
"""The system work queue (schedule_work), as the fact and context name it."""

IRQFD_CLEANUP = "irqfd-cleanup"
"""irqfd_cleanup_wq, created single-threaded in virt/kvm/eventfd.c: irqfd_module_init."""

VFIO_CLEANUP = "vfio-irqfd-cleanup"
"""vfio_irqfd_cleanup_wq of drivers/vfio/pci/vfio_pci_intrs.c, single-threaded too."""

MAIN_LOOP = "main-loop"
"""The VMM's main loop: a thread of userspace that runs a handler for each event, one by one."""

WORKERS = (EVENTS, IRQFD_CLEANUP)
"""The workers of every machine; the others come with its first device."""

QUEUES = {name: f"wq-{name}" for name in (*WORKERS, VFIO_CLEANUP, MAIN_LOOP)}
"""Handle of each queue, by the name of the context that works on it."""

SYSTEM_WQ = QUEUES[EVENTS]
IRQFD_CLEANUP_WQ = QUEUES[IRQFD_CLEANUP]
VFIO_CLEANUP_WQ = QUEUES[VFIO_CLEANUP]
MAIN_LOOP_WQ = QUEUES[MAIN_LOOP]

Work = tuple[str, str]
BARRIER = "barrier"


def _why_barrier(queue: Workqueue) -> tuple[str, tuple[str, ...]] | None:
    if (BARRIER, queue.memory.current) not in queue.items:
        return None
    return f"{queue.worker} has not come to the flush barrier", (queue.worker,)


def _why_work(queue: Workqueue, work: Work) -> tuple[str, tuple[str, ...]] | None:
    if work not in queue.items and work != queue.running:
        return None
    return f"{queue.worker} has not finished {work[0]}({work[1]})", (queue.worker,)


class Workqueue(Object):
    """A queue: the items that wait, oldest first, and the one that its worker runs."""

    __slots__ = ("call", "items", "running", "worker")
    FIELDS = ("items", "running")

    def __init__(self, worker: str, handle: str) -> None:
        super().__init__()
        self.worker = worker
        self.call: tuple[str, tuple[str]] = ("process_one_work", (handle,))
        self.items: tuple[Work, ...] = ()
        self.running: Work | None = None

    def queue_work(self, work: Work) -> bool:
        """Queue an item; False, and nothing done, when it waits already."""
        if work in self.items:
            return False
        self.changed()
        self.items = (*self.items, work)
        return True

    def dequeue(self) -> Work:
        """Take the oldest item off the queue; from here on it may be queued again."""
        self.changed()
        self.running, self.items = self.items[0], self.items[1:]
        return self.running

    def finish(self) -> None:
        """The worker is done with its item; barriers that are now at the head have been met."""
        self.changed()
        self.running = None
        if self.items:
            self._meet_barriers()

    def insert_barrier(self) -> None:
        """Begin flush_workqueue: put the current context's barrier behind what is queued."""
        if self.items or self.running:
            self.changed()
            self.items = (*self.items, (BARRIER, self.memory.current))
            if self.running is None:
                self._meet_barriers()

    @blocks(_why_barrier)
    def wait_barrier(self) -> _Blocked | None:
        """End flush_workqueue: wait until the worker has come to the barrier."""
        return BLOCKED if (BARRIER, self.memory.current) in self.items else None

    @blocks(_why_work)
    def flush_work(self, work: Work) -> _Blocked | None:
        """Wait until an item neither waits nor runs (flush_work_sync)."""
        return BLOCKED if work in self.items or work == self.running else None

    def _meet_barriers(self) -> None:
        while self.items and self.items[0][0] == BARRIER:
            self.items = self.items[1:]


@path
def flush_workqueue(profile: Profile, queue: str) -> Path[None]:
    """Wait for everything that a queue holds now (kernel/workqueue.c: flush_workqueue)."""
    yield (Locks.might_sleep, LOCKS, f"flushes {queue}")
    yield (Workqueue.insert_barrier, queue)
    yield (Workqueue.wait_barrier, queue)


@path
def process_one_work(profile: Profile, queue: str) -> Path[None]:
    """Run the oldest item of a queue (kernel/workqueue.c: process_one_work)."""
    function, subject = yield (Workqueue.dequeue, queue)
    yield from PATHS[function](profile, subject)
    yield (Workqueue.finish, queue)
