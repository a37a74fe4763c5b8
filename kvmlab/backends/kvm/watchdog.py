"""Stops a KVM_RUN that does not come back: a timer's signal interrupts it, and it is told to leave.

A guest that stands at its prompt never blocks. What can is a vCPU that waits for a SIPI, and a guest
that a user's write has sent astray. Signals are the main thread's; in another one nothing is watched.
"""

from __future__ import annotations

import mmap
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from kvmlab.backends.kvm.ioctls import IMMEDIATE_EXIT

PATIENCE = 0.25
"""Seconds that a KVM_RUN may take; one takes about 20 microseconds."""


class Watchdog:
    """The timer of the process, and the run page of the vCPU that is in KVM_RUN now; see WATCHDOG."""

    def __init__(self) -> None:
        self.page: mmap.mmap | None = None
        self.barked = False
        self._before: Callable[[int, FrameType | None], Any] | int | None = None
        self._users = 0
        self._watches = False

    def begin(self) -> None:
        """A machine begins: with the first one the signal is taken."""
        self._users += 1
        if not self._watches and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGALRM, self._bark)
            self._watches = True

    def end(self) -> None:
        """A machine has ended: with the last one the signal is given back to whom it belonged."""
        self._users -= 1
        if self._users or not self._watches or threading.current_thread() is not threading.main_thread():
            return
        self._watches = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        if signal.getsignal(signal.SIGALRM) == self._bark:
            signal.signal(signal.SIGALRM, self._before if self._before is not None else signal.SIG_DFL)

    def _bark(self, _number: int, _frame: FrameType | None) -> None:
        page = self.page
        if page is not None:
            self.barked = True
            page[IMMEDIATE_EXIT] = 1

    def watch(self, page: mmap.mmap) -> None:
        """Begin to watch a vCPU."""
        self.page, self.barked = page, False
        if self._watches:
            signal.setitimer(signal.ITIMER_REAL, PATIENCE, PATIENCE)

    def rest(self) -> None:
        """Watch nothing."""
        if self._watches:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if self.page is not None and self.barked:
            self.page[IMMEDIATE_EXIT] = 0
        self.page = None


WATCHDOG = Watchdog()
"""The only one: a process has one such timer."""
