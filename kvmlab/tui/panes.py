"""The panes as data: name, title, key, what each one lists, and what its help says.

A pane's rows come from kvmlab.render; a pane whose items can be chosen says in ``subject`` which
word of an action's command its items fill in (see actions.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from kvmlab.render.cells import Cell, Row, hidden, line
from kvmlab.render.ioapic import ioapic_rows
from kvmlab.render.lapic_grid import LABEL, TALL, WIDE, lapic_grid_rows
from kvmlab.render.overview import overview_rows
from kvmlab.render.panes import PANES as RENDERED
from kvmlab.render.pic import pic_rows
from kvmlab.render.pins import pin_rows
from kvmlab.snapshot import Snapshot
from kvmlab.tui.seen import Seen

EVENT = re.compile(r"(kvm_.*)")
"""A line about the tracepoint that it shows."""

READABLE = 88
"""Columns beyond which lines of prose are no longer easily read."""

NUMBERED = re.compile(r"\W*(\d+)")
"""A line about the number that it begins with."""


@dataclass(frozen=True, slots=True)
class View:
    """What a pane is asked to show: a moment, and what is chosen on the screen."""

    seen: Seen
    gsi: int | None = None
    vcpu: int = 0
    vector: int | None = None
    wanted: str = ""
    width: int = 80
    touched: frozenset[tuple[str, str]] = frozenset()

    @property
    def chosen(self) -> tuple[object, ...]:
        """What the rows depend on beside the moment."""
        return self.gsi, self.vcpu, self.vector, self.wanted, self.width


Rows = Callable[[View], list[Row]]


@dataclass(frozen=True, slots=True)
class PaneSpec:
    """One pane. ``tab`` is its name in the row of tabs; ``flows`` lets it use two columns.

    ``tail`` keeps its end in sight; ``here`` gives the key of the item that a new pane begins at.
    """

    name: str
    title: str
    tab: str
    key: str
    rows: Rows
    help: str
    subject: str = ""
    lines: re.Pattern[str] | None = field(default=None)
    flows: bool = False
    tail: bool = False


def _rendered(*names: str) -> Rows:
    def rows(view: View) -> list[Row]:
        blocks = [RENDERED[name](view.seen.snapshot) for name in names]
        return [row for block in blocks for row in [*block, line("")]][:-1]

    return rows


def _of(draw: Callable[[Snapshot], list[Row]]) -> Rows:
    return lambda view: draw(view.seen.snapshot)


def _grid(view: View) -> list[Row]:
    return lapic_grid_rows(view.seen.snapshot, view.vcpu, view.vector, columns_for(view.width))


def columns_for(width: int) -> int:
    """Return how many vectors a row of the LAPIC's grid has in a pane of a width."""
    return WIDE if width >= LABEL + 2 * WIDE else TALL


def _path(view: View) -> list[Row]:
    return overview_rows(view.seen.snapshot, view.gsi)


def _pic(view: View) -> list[Row]:
    """Return the pair alone: the IOAPIC above it has a pane of its own."""
    return pic_rows(view.seen.snapshot)[len(ioapic_rows(view.seen.snapshot)) :]


def _trace(view: View) -> list[Row]:
    events = [event for event in view.seen.events if view.wanted in event]
    wanted = [line(Cell(f"only lines with {view.wanted!r}; / changes it", "muted"))] if view.wanted else []
    none = [line(Cell("no tracepoint was hit", "muted"))]
    if view.seen.snapshot.counters is None:
        return hidden("trace")
    return wanted + ([line(Cell(event, "event")) for event in events] or none)


def _contexts(view: View) -> list[Row]:
    queues = view.seen.snapshot.workqueues
    if queues is None:
        return RENDERED["contexts"](view.seen.snapshot)
    idle = [
        line(Cell(f"{queue.name}: empty", "muted")) for queue in queues if not (queue.items or queue.running)
    ]
    return [*RENDERED["contexts"](view.seen.snapshot), *idle]


def _reports(view: View) -> list[Row]:
    reports = view.seen.snapshot.reports
    if reports is None:
        return hidden("reports")
    if not reports:
        return [line(Cell("the model kernel has nothing to report", "muted"))]
    return RENDERED["reports"](view.seen.snapshot)


def _history(view: View) -> list[Row]:
    seen = view.seen
    at = {position: name for name, position in seen.marks}
    rows = (
        [line(_arrow(0, seen), f"{0:>5} ", Cell("the machine as it was made", "muted"))]
        if not seen.first
        else []
    )
    for number, text in seen.units:
        style = "muted" if number > seen.position else ""
        mark = f"  [{at[number]}]" if number in at else ""
        rows.append(line(_arrow(number, seen), Cell(f"{number:>5} {text}", style), Cell(mark, "cue")))
    return rows


def _arrow(number: int, seen: Seen) -> Cell:
    glyph = "→" if number == seen.position else " " if number < seen.position else "·"
    return Cell(glyph, "cue")


def _lab(view: View) -> list[Row]:
    lesson = view.seen.lab
    if lesson is None or view.width < 2:
        return []
    from kvmlab.course.desk import shelf  # who is in a lab has loaded it
    from kvmlab.course.front import CHAPTERS
    from kvmlab.render.lesson import lesson_rows

    lab, at, titles = lesson.lab, lesson.position, shelf().titles()
    where = f"{CHAPTERS[lab.head.chapter]}, {at.number} of {at.of}; {lab.head.minutes} min"
    needs = {name: titles.get(name, name) for name in lab.head.needs}
    return lesson_rows(where, lab.prose, lesson.solution, needs, lab.source, min(view.width - 1, READABLE))


def _goals(view: View) -> list[Row]:
    lesson = view.seen.lab
    if lesson is None or lesson.standing is None:
        return []
    from kvmlab.render.lesson import standing_rows  # the same

    return standing_rows(lesson.standing, lesson.choices)


COMMAND = re.compile(r"\s*▸ (.+)")
"""A line that is a command, which can be run."""

SPECS = (
    PaneSpec(
        "lab",
        "Lab",
        "lab",
        "",
        _lab,
        "The text of the lab that is open. ↑ ↓ move over the commands in it, and scroll where none is in "
        "sight; Enter or a click does the one under the cursor, as if it had been typed, b it and the rest "
        "of its block. Nothing of the text has to be done: the goals say what is asked. PgUp and PgDn "
        "scroll it from the command line too.",
        subject="line",
        lines=COMMAND,
    ),
    PaneSpec(
        "goals",
        "Goals",
        "goals",
        "",
        _goals,
        "What the lab asks: ○ is open, with why, ● reached, ✗ broken, till you go back before it; undo takes "
        "back what was reached behind it. ■ says that it is so at this moment, □ that it is not. An "
        "answer is chosen by Enter, before anything is run. Hints come a rung higher each time.",
        subject="line",
        lines=COMMAND,
    ),
    PaneSpec(
        "ioapic",
        "IOAPIC",
        "ioapic",
        "1",
        _of(pin_rows),
        "The 24 pins of the IOAPIC: vector (hexadecimal), delivery mode, destination (p physical, "
        "l logical), trigger, active at high or low; A asserted (? hidden), I IRR, M masked, R remote IRR, D "
        "send pending; then the source IDs that hold the line. The pin under the cursor chooses the GSI of "
        "the path and the timeline.",
        subject="pin",
        lines=NUMBERED,
        flows=True,
    ),
    PaneSpec(
        "lapic",
        "LAPIC",
        "lapic",
        "2",
        _grid,
        "The 256 vectors of a vCPU's local APIC: what is requested (IRR), in service (ISR), and which are "
        "level-triggered (TMR). The arrows move to a vector, which is then explained; v shows the next vCPU.",
    ),
    PaneSpec(
        "path",
        "Path",
        "path",
        "3",
        _path,
        "The path of the chosen GSI from device to vCPU and back: what each stage holds, and where an "
        "interrupt now stands. The cursor of the IOAPIC pane chooses the GSI.",
    ),
    PaneSpec(
        "sources",
        "Source IDs",
        "src",
        "4",
        _rendered("sources"),
        "The IRQ source IDs in use: who owns each, how many references it has, which pins it asserts, and "
        "how many of the 64 are free. A line of a GSI is the OR of its sources.",
        subject="source",
    ),
    PaneSpec(
        "eventfds",
        "Eventfds",
        "evfd",
        "5",
        _rendered("eventfds"),
        "Every eventfd: its descriptors, counter, flags and references, who waits on it, and who signals it.",
        subject="eventfd",
    ),
    PaneSpec(
        "fds",
        "irqfds, eoifds, ioeventfds",
        "fds",
        "6",
        _rendered("irqfds", "eoifds", "ioeventfds"),
        "What file descriptors are bound to, and whether the binding is active or shutting down.",
    ),
    PaneSpec(
        "contexts",
        "Contexts and work queues",
        "ctx",
        "7",
        _contexts,
        "Who stands where: every vCPU, userspace thread and worker with its state, the call it stands in, "
        "the locks it holds and its next op, or what it waits for. In manual, s moves the one under the "
        "cursor.",
        subject="context",
    ),
    PaneSpec(
        "trace",
        "Trace",
        "trace",
        "8",
        _trace,
        "The newest tracepoints in the kernel's wording. / shows only the lines that contain a text. What "
        "the line under the cursor names is pointed at in the other panes by ~, and its vector in the LAPIC.",
        subject="event",
        lines=EVENT,
        tail=True,
    ),
    PaneSpec(
        "reports",
        "Reports",
        "rep",
        "9",
        _reports,
        "What the model kernel's debugging has found: deadlocks, use after free, leaks and the like.",
    ),
    PaneSpec(
        "pic",
        "8259 pair",
        "pic",
        "",
        _pic,
        "The two 8259s in QEMU's wording, and the pair's INT line.",
    ),
    PaneSpec(
        "routes",
        "GSI routes",
        "rte",
        "",
        _rendered("routes"),
        "Where each GSI leads: pins of the IOAPIC and the 8259s, or a message.",
        flows=True,
    ),
    PaneSpec(
        "devices",
        "Devices",
        "dev",
        "",
        _rendered("devices"),
        "The scripted devices: whether each asserts its line (A), is masked by VFIO (M) and has its "
        "interrupts go slowly through the VMM (S), and its counters, the last of which is the latency. 'help "
        "devices' says what is counted.",
        subject="device",
    ),
    PaneSpec(
        "history",
        "History",
        "hist",
        "0",
        _history,
        "Every unit that can be undone; the arrow is the present, a dot what was undone. Enter goes to the "
        "unit under the cursor.",
        subject="unit",
        lines=NUMBERED,
        tail=True,
    ),
)
"""The panes in the order of their tabs."""

PANES = {spec.name: spec for spec in SPECS}
"""The panes by name."""
