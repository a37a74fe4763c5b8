"""The virtual clock: it stands still while anything can run, and then moves on to the next timer.

Delayed work waits here until its time has come (kernel/workqueue.c: queue_delayed_work). Nothing
else in a machine takes time.
"""

from __future__ import annotations

from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import touches
from kvmlab.engine.kernel.workqueue import SYSTEM_WQ, Work

CLOCK = "clock"


class Clock(Object):
    """The time in milliseconds since the machine was made, and the work that waits for its time.

    ``timers`` holds (due, work), the earliest first.
    """

    __slots__ = ("now", "timers")
    FIELDS = ("now", "timers")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.timers: tuple[tuple[int, Work], ...] = ()

    def schedule_delayed_work(self, work: Work, delay: int) -> bool:
        """Have work queued in ``delay`` milliseconds; False, and nothing done, if it waits already."""
        if any(waiting == work for _due, waiting in self.timers):
            return False
        self.changed()
        self.timers = tuple(sorted([*self.timers, (self.now + delay, work)], key=lambda timer: timer[0]))
        return True

    @touches(SYSTEM_WQ)
    def advance(self) -> bool:
        """Move on to the next timer and queue its work; False if there is none."""
        if not self.timers:
            return False
        self.changed()
        (self.now, work), *rest = self.timers
        self.timers = tuple(rest)
        self.deref(SYSTEM_WQ).queue_work(work)
        return True
