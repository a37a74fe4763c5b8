"""The panes as data: name, title, key, what each one lists, and what its help says.

What a pane lists is in listed.py; a pane whose items can be chosen says in ``subject`` which
word of an action's command its items fill in (see actions.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from kvmlab.render.pins import pin_rows
from kvmlab.tui.listed import (
    Rows,
    contexts_rows,
    goals_rows,
    grid_rows,
    history_rows,
    lab_rows,
    of,
    path_rows,
    pic_rows,
    rendered,
    reports_rows,
    trace_rows,
)

EVENT = re.compile(r"(kvm_.*)")
"""A line about the tracepoint that it shows."""

NUMBERED = re.compile(r"\W*(\d+)")
"""A line about the number that it begins with."""


AT_RESET = re.compile(r"\s*\d+\s+0 fixed\s+p0\s+edge\s+hi \.\.M\.\.\s*$")
"""A line about a pin whose entry is as reset leaves it, and which nobody asserts."""

HELD_ONCE = re.compile(r"\d+\s.*\s[01]\s+-\s*$")
"""A line about a source ID that nobody but its owner holds, and that asserts nothing."""

IDLE = re.compile(r"\S+\s+(\(\S+\)\s+)?idle\s")
"""A line about a context that has nothing to do."""

NONE = re.compile(r"(?!)")
"""No line: of each one it is worth knowing that it has changed."""


@dataclass(frozen=True, slots=True)
class PaneSpec:
    """One pane. ``tab`` is its name in the row of tabs; ``flows`` lets it use two columns.

    ``tail`` keeps its end in sight. A line that ``quiet`` matches is as it always is: the pane shows
    others, and what has changed, where there are any; None leaves it where it is.
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
    quiet: re.Pattern[str] | None = None


COMMAND = re.compile(r"\s*▸ (.+)")
"""A line that is a command, which can be run."""

SPECS = (
    PaneSpec(
        "lab",
        "Lab",
        "lab",
        "",
        lab_rows,
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
        goals_rows,
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
        of(pin_rows),
        "The 24 pins of the IOAPIC: vector (hexadecimal), delivery mode, destination (p physical, "
        "l logical), trigger, active at high or low; A asserted (? hidden), I IRR, M masked, R remote IRR, D "
        "send pending; then the source IDs that hold the line. The pin under the cursor chooses the GSI of "
        "the path and the timeline.",
        subject="pin",
        lines=NUMBERED,
        flows=True,
        quiet=AT_RESET,
    ),
    PaneSpec(
        "lapic",
        "LAPIC",
        "lapic",
        "2",
        grid_rows,
        "The 256 vectors of a vCPU's local APIC: what is requested (IRR), in service (ISR), and which are "
        "level-triggered (TMR). The arrows move to a vector, which is then explained; v shows the next vCPU.",
    ),
    PaneSpec(
        "path",
        "Path",
        "path",
        "3",
        path_rows,
        "The path of the chosen GSI from device to vCPU and back: what each stage holds, and where an "
        "interrupt now stands. The cursor of the IOAPIC pane chooses the GSI.",
    ),
    PaneSpec(
        "sources",
        "Source IDs",
        "src",
        "4",
        rendered("sources"),
        "The IRQ source IDs in use: who owns each, how many references it has, which pins it asserts, and "
        "how many of the 64 are free. A line of a GSI is the OR of its sources.",
        subject="source",
        quiet=HELD_ONCE,
    ),
    PaneSpec(
        "eventfds",
        "Eventfds",
        "evfd",
        "5",
        rendered("eventfds"),
        "Every eventfd: its descriptors, counter, flags and references, who waits on it, and who signals it.",
        subject="eventfd",
        quiet=NONE,
    ),
    PaneSpec(
        "fds",
        "irqfds, eoifds, ioeventfds",
        "fds",
        "6",
        rendered("irqfds", "eoifds", "ioeventfds"),
        "What file descriptors are bound to, and whether the binding is active or shutting down.",
    ),
    PaneSpec(
        "contexts",
        "Contexts and work queues",
        "ctx",
        "7",
        contexts_rows,
        "Who stands where: every vCPU, userspace thread and worker with its state, the call it stands in, "
        "the locks it holds and its next op, or what it waits for. In manual, s moves the one under the "
        "cursor.",
        subject="context",
        quiet=IDLE,
    ),
    PaneSpec(
        "trace",
        "Trace",
        "trace",
        "8",
        trace_rows,
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
        reports_rows,
        "What the model kernel's debugging has found: deadlocks, use after free, leaks and the like.",
    ),
    PaneSpec(
        "pic",
        "8259 pair",
        "pic",
        "",
        pic_rows,
        "The two 8259s in QEMU's wording, and the pair's INT line.",
    ),
    PaneSpec(
        "routes",
        "GSI routes",
        "rte",
        "",
        rendered("routes"),
        "Where each GSI leads: pins of the IOAPIC and the 8259s, or a message.",
        flows=True,
    ),
    PaneSpec(
        "devices",
        "Devices",
        "dev",
        "",
        rendered("devices"),
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
        history_rows,
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
