"""What a path does, as text: its ops in order, one a line.

A lock op is written without its object (there is one, ``locks``), every other op as
``object.method(arguments)``. A line that begins with ``>`` names a path of another context.
"""

from __future__ import annotations

from kvmlab.engine.kernel.locks import LOCKS
from kvmlab.engine.kernel.path import Op, describe
from kvmlab.engine.kernel.workqueue import Workqueue
from tests.engine.scenarios import Scenario
from tests.engine.stage import POLICIES, Stage, record

TRIGGER, UNMASK = 6, 7
"""Descriptors of the two eventfds on a machine with one vCPU."""

EVENTFDS = ("machine", "eventfd trigger; eventfd unmask")
EDGE = (*EVENTFDS, "irqfd trigger gsi=11")
LEVEL = (*EVENTFDS, "irqfd trigger gsi=11 level")
PAIR = (*LEVEL, "eoifd unmask key=trigger level")
IN_SERVICE = (
    *EVENTFDS,
    "ioapic 11 vector=0x41 level unmasked",
    *PAIR[2:],
    "write trigger",
    "take",
)


def worded(op: Op) -> str:
    """Return an op as the sequences below write it."""
    if op[1] == LOCKS:
        return f"{op[0].__name__}({op[2]})"
    return describe(op)


def sequence(before: tuple[str, ...], context: str, path: str, *args: object) -> list[str]:
    """Make a call after what was said, workers after it; return what was done, as text."""
    lines: list[str] = []
    for made in record(Stage(Scenario(before, ((context, (path, args)),))), POLICIES["first"]):
        ops = made.ops
        if ops[0][0] is Workqueue.dequeue:
            lines.append(f"> {made.call[0]}")
        lines += map(worded, ops)
    return lines


def lines(text: str) -> list[str]:
    """Return the lines of a literal sequence."""
    return [line.strip() for line in text.strip().splitlines()]


FLUSH = """
    might_sleep(flushes wq-irqfd-cleanup)
    wq-irqfd-cleanup.insert_barrier()
    wq-irqfd-cleanup.wait_barrier()
"""
