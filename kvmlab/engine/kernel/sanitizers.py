"""Reports of the model kernel, which behaves like one built for debugging.

What lockdep, KASAN, kmemleak, the sleeping-in-atomic check and refcount_t would say is said
here in plain sentences that name the contexts. A report never ends the program; only an
:class:`Oops` (a BUG_ON, a NULL dereference) stops the context it happened in.
"""

from __future__ import annotations

from dataclasses import dataclass

from kvmlab.engine.kernel.object import Object

REPORTS = "reports"

EXPECT = "expect"
"""The kind of a report that an actor's call did not return what was expected of it."""

KINDS = (
    "deadlock",
    "self-deadlock",
    "lock-order",
    "atomic-sleep",
    "use-after-free",
    "double-free",
    "out-of-bounds",
    "null-deref",
    "bug-on",
    "refcount",
    "leak",
    EXPECT,
)
"""Every kind of report, as the fact ``reports.KIND`` names it."""


UNMET = f"report: {EXPECT}: "
"""How the news of such a report begins."""


class Oops(Exception):
    """Raised inside an op: the running context stops where it is and keeps its locks.

    ``kind`` is the report to make first, or "" when it has been made already.
    """

    def __init__(self, text: str, kind: str = "") -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Report:
    """One sanitizer report: its kind (of KINDS), the context it happened in, and a sentence."""

    kind: str
    context: str
    text: str

    def __str__(self) -> str:
        return f"report: {self.kind}: {self.text}"


class Reports(Object):
    """All reports since the machine was made, oldest first, and the kernel's log lines."""

    __slots__ = ("log", "made")
    FIELDS = ("made", "log")

    def __init__(self) -> None:
        super().__init__()
        self.made: tuple[Report, ...] = ()
        self.log: tuple[str, ...] = ()

    def add(self, context: str, kind: str, text: str) -> None:
        """Make a report; the same sentence about the same context is made once."""
        report = Report(kind, context, text)
        if report not in self.made:
            self.changed()
            self.made = (*self.made, report)

    def unmet(self, text: str) -> None:
        """Report that a call of the context that runs did not return what was expected."""
        running = self.memory.current
        self.add(running, EXPECT, f"{running}: {text}")

    def printk(self, line: str) -> None:
        """Add a line to the kernel log."""
        self.changed()
        self.log = (*self.log, line)
