"""The 256 vectors of one LAPIC as a grid of glyphs, and what one vector and the next take mean.

A row holds whole priority classes (vector >> 4, SDM volume 3, 10.8.3). A glyph tells the state
without colour: ``.`` nothing, ``r`` in IRR, ``s`` in ISR, ``b`` in both; a capital where the TMR
has the vector as level-triggered, ``t`` where it has only that. The rows are lines of text of one
width, so a pane finds the vector under a place with :func:`vector_at`.
"""

from __future__ import annotations

from kvmlab.render.cells import Cell, Part, Row, hidden, line
from kvmlab.render.pending import held_back, next_taken, priority
from kvmlab.snapshot import LapicSnapshot, Snapshot

WIDE, TALL = 32, 16
"""Vectors in a row: 32 make 8 rows of 68 characters, 16 make 16 rows of 36."""

ID_SHIFT = 24
"""Where the APIC ID stands in its register (SDM volume 3, 10.4.6), in a snapshot also in x2APIC mode."""

LABEL = 4
"""Characters before the first vector of a row."""

FIRST = 2
"""Rows before the first row of vectors: the registers and the columns' heads."""

STATES: dict[tuple[bool, bool], tuple[str, str]] = {
    (False, False): (".", "muted"),
    (True, False): ("r", "irq-pending"),
    (False, True): ("s", "irq-in-service"),
    (True, True): ("b", "irq-in-service"),
}
"""(in IRR, in ISR) → the glyph of an edge-triggered vector and its style."""

LEGEND = "r IRR  s ISR  b both  R S B level  t TMR alone  - reserved"


def lapic_grid_rows(
    snapshot: Snapshot, vcpu: int = 0, cursor: int | None = None, columns: int = WIDE
) -> list[Row]:
    """Return a vCPU's registers, grid and next take, then the legend.

    The vector at ``cursor`` is bracketed, and explained in place of the legend. ``columns`` is WIDE
    or TALL. A vCPU that there is not is said to be none.
    """
    lapic = next((chip for chip in snapshot.lapics or () if chip.vcpu == vcpu), None)
    if lapic is None:
        return hidden(f"lapic of vcpu{vcpu}")
    return [
        _registers(lapic),
        _heads(columns),
        *[_vectors(lapic, start, columns, cursor) for start in range(0, 256, columns)],
        _next(snapshot, lapic),
        line(Cell(LEGEND, "muted")) if cursor is None else explain_vector(snapshot, lapic, cursor),
    ]


def vector_at(x: int, y: int, columns: int = WIDE) -> int | None:
    """Return the vector drawn at column ``x`` of row ``y`` of the rows; None beside the grid."""
    column, row = (x - LABEL) // 2, y - FIRST
    return row * columns + column if 0 <= column < columns and 0 <= row < 256 // columns else None


def move_cursor(cursor: int | None, dx: int, dy: int, columns: int = WIDE) -> int:
    """Return the vector ``dx`` columns and ``dy`` rows on; it stays in the grid. None begins at 0x20."""
    return 0x20 if cursor is None else max(0, min(255, cursor + dx + dy * columns))


def explain_vector(snapshot: Snapshot, lapic: LapicSnapshot, vector: int) -> Row:
    """Return one line on a vector: its class, where it is, what holds it back, and how often it was taken."""
    if vector < 16:
        return line(
            Cell(f"0x{vector:02x} ", "cue"), "is no vector that a LAPIC accepts (0 to 15 are reserved)"
        )
    parts: list[Part] = [Cell(f"0x{vector:02x} ({vector}) class {vector >> 4}: ", "cue")]
    if vector in lapic.isr:
        parts.append(Cell("in service, its EOI is awaited; ", "irq-in-service"))
    if vector in lapic.irr:
        why = held_back(snapshot, lapic, vector)
        parts.append(Cell(f"pending, {why or 'taken next'}; ", "irq-pending"))
    if len(parts) == 1:
        parts.append("idle; ")
    known = not lapic.tmr_partial or vector in lapic.irr or vector in lapic.isr
    edge = "edge when accepted last" if known else "its trigger cannot be seen"
    hears = "userspace's IOAPIC" if snapshot.irqchip == "split" else "the IOAPIC"
    trigger = f"level, its EOI goes to {hears}" if vector in lapic.tmr else edge
    parts.append(f"{trigger}{_taken(snapshot, vector)}")
    return line(*parts)


def _taken(snapshot: Snapshot, vector: int) -> str:
    if snapshot.counters is None:
        return ""
    return f"; taken {dict(snapshot.counters.taken).get(vector, 0)} times"


def _registers(lapic: LapicSnapshot) -> Row:
    enabled = "on" if lapic.spiv & 1 << 8 else "off"
    spiv = f"SPIV 0x{lapic.spiv:03x} ({enabled})"
    number = "?" if lapic.id is None else lapic.id >> ID_SHIFT
    text = f"TPR 0x{lapic.tpr:02x}  PPR 0x{priority(lapic):02x}  {spiv}  ID {number}"
    return line(Cell(f"vcpu{lapic.vcpu}  ", "header"), text)


def _heads(columns: int) -> Row:
    return line(Cell(" " * LABEL + " ".join([f"{n % 16:x}" for n in range(columns)]), "header"))


def _vectors(lapic: LapicSnapshot, start: int, columns: int, cursor: int | None) -> Row:
    """Return one row of the grid; the cursor stands in brackets, which need no colour."""
    parts: list[Part] = [Cell(f"{start:02x}".ljust(LABEL - 1), "header")]
    for vector in range(start, start + columns):
        parts.append("[" if vector == cursor else "]" if vector - 1 == cursor and vector > start else " ")
        glyph, style = vector_glyph(lapic, vector)
        parts.append(Cell(glyph, "changed" if vector == cursor else style))
    closing = "]" if cursor == start + columns - 1 else " "
    return line(*parts, closing)


def vector_glyph(lapic: LapicSnapshot, vector: int) -> tuple[str, str]:
    """Return the glyph of a vector and its style."""
    if vector < 16:
        return "-", "muted"
    glyph, style = STATES[vector in lapic.irr, vector in lapic.isr]
    if vector not in lapic.tmr:
        return glyph, style
    return (glyph.upper(), style) if glyph != "." else ("t", "muted")


def _next(snapshot: Snapshot, lapic: LapicSnapshot) -> Row:
    vector, why = next_taken(snapshot, lapic)
    taken = Cell(
        "nothing" if vector is None else f"0x{vector:02x}", "muted" if vector is None else "irq-pending"
    )
    return line(Cell("next taken: ", "header"), taken, f" ({why})")
