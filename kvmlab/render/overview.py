"""The path of one GSI at a glance: a ribbon of its stages, then each stage with its state.

What stands where is read in stages.py. A stage where an interrupt stands is bracketed in the
ribbon and has an arrow and a sentence below, so that nothing is told by colour alone.
"""

from __future__ import annotations

from kvmlab.render.cells import Cell, Part, Row, line
from kvmlab.render.stages import NOTHING, Stage, stages
from kvmlab.snapshot import ContextSnapshot, Snapshot

DEFAULT_GSI = 0
"""The GSI shown where nothing is wired."""

HERE = "→"
NAMES = 9
"""Characters of the longest stage's name, and two."""

SHORT = {"device": "dev", "source": "src"}
"""Names that the ribbon shortens, so that it fits a column of a screen of 120."""


def overview_rows(snapshot: Snapshot, gsi: int | None = None) -> list[Row]:
    """Return the path of a GSI; of the one where most happens if ``gsi`` is None."""
    gsi = chosen_gsi(snapshot) if gsi is None else gsi
    path = stages(snapshot, gsi)
    return [
        line(Cell(f"GSI {gsi}: ", "header"), *_verdict(path)),
        ribbon(path),
        *[row for stage in path for row in _stage(stage)],
        *[row for context in snapshot.contexts or () for row in _context(context)],
    ]


def chosen_gsi(snapshot: Snapshot) -> int:
    """Return the GSI of the latest irqfd, else of the first pin asserted or unmasked, else of a message."""
    if snapshot.irqfds:
        return snapshot.irqfds[-1].gsi
    pins = list(enumerate(snapshot.ioapic.pins)) if snapshot.ioapic else []
    wanted = [pin for pin, entry in pins if entry.line] + [pin for pin, entry in pins if not entry.mask]
    gsis = {r.pin: r.gsi for r in snapshot.routes or () if r.kind == "ioapic"}
    messages = [r.gsi for r in snapshot.routes or () if r.kind == "msi"]
    return [*[gsis.get(pin, pin) for pin in wanted], *messages, DEFAULT_GSI][0]


def known_gsis(snapshot: Snapshot) -> tuple[int, ...]:
    """Return every GSI that something is wired to or asserts, ascending; the chosen one at least."""
    wired = {irqfd.gsi for irqfd in snapshot.irqfds or ()} | {d.gsi for d in snapshot.devices or ()}
    pins = list(enumerate(snapshot.ioapic.pins)) if snapshot.ioapic else []
    active = {pin for pin, entry in pins if entry.line or not entry.mask}
    messages = {r.gsi for r in snapshot.routes or () if r.kind == "msi"}
    routed = {r.gsi for r in snapshot.routes or () if r.kind == "ioapic" and r.pin in active}
    return tuple(sorted(wired | messages | routed | {chosen_gsi(snapshot)}))


def ribbon(path: list[Stage]) -> Row:
    """Return the stages' names on one line of 66 characters; where an interrupt stands, in brackets."""
    parts: list[Part] = []
    before = False
    for number, stage in enumerate(path):
        here = bool(stage.here)
        parts += [
            Cell(_joint(before, here, first=not number), "muted"),
            Cell(SHORT.get(stage.name, stage.name), "irq-asserted" if here else "muted"),
        ]
        before = here
    return line(*parts, Cell("]" if before else " ", "muted"))


def _joint(before: bool, here: bool, *, first: bool) -> str:
    """Return the character between two stages: a bracket beside one where an interrupt stands."""
    if before and here:
        return "|"
    if before or here:
        return "]" if before else "["
    return " " if first else "─"


def _verdict(path: list[Stage]) -> list[Part]:
    standing = [f"{stage.name} ({stage.here})" for stage in path if stage.here]
    if not standing:
        return [Cell("nothing is on its way", "muted")]
    return [Cell(f"stands at {', '.join(standing)}", "cue")]


def _stage(stage: Stage) -> list[Row]:
    """Return a stage's lines; none where no device is scripted, since userspace itself then signals."""
    if stage.name == "device" and stage.items == (NOTHING,):
        return []
    rows = []
    for number, item in enumerate(stage.items):
        name = stage.name if not number else ""
        mark = Cell(f"{HERE} ", "irq-asserted") if item.here else Cell("│ ", "muted")
        # Always there, so that a line keeps its number of cells and a change in one marks only that.
        tail = Cell(f"  {item.here}" if item.here else "", "cue")
        rows.append(line(mark, Cell(f"{name:<{NAMES}}", "header"), *item.parts, tail))
    return rows


def _context(context: ContextSnapshot) -> list[Row]:
    """Return where a context stands within a call; nothing for one that is idle."""
    if context.state == "idle":
        return []
    why = f": {context.blocked}" if context.blocked else ""
    place = f" {context.path}" if context.path else ""
    text = f"{context.name} {context.state}{' in' if place else ''}{place}  next {context.next_op or '-'}"
    return [line(Cell(text + why, "warning"))]
