"""Interrupt counts in QEMU's wording (``info irq``): of a QEMU how often each input was raised.

Of a machine whose vCPUs can be seen: taken by vector, acknowledged by GSI.
"""

from __future__ import annotations

from kvmlab.render.cells import Cell, Row, hidden, line
from kvmlab.snapshot import Snapshot


def irq_rows(snapshot: Snapshot) -> list[Row]:
    """Return how often vectors were taken, GSIs acknowledged, inputs raised; zeros are left out."""
    counters = snapshot.counters
    if snapshot.raised is not None:
        return [row for chip in snapshot.raised for row in _counts(chip.chip, chip.raised)] or hidden("irq")
    if counters is None:
        return hidden("irq")
    return [
        *_counts("lapic (taken, by vector)", counters.taken),
        *_counts("ioapic, pic (acknowledged, by GSI)", counters.acked),
        *(_counts("userspace (told of EOIs, by vector)", counters.eoi_exits) if counters.eoi_exits else ()),
    ]


def _counts(chip: str, counts: tuple[tuple[int, int], ...] | None) -> list[Row]:
    title = line(Cell(f"IRQ statistics for {chip}:", "header"))
    if counts is None:
        return [title, *hidden("irq")]
    rows = [line(f"{number:2}: {count}") for number, count in counts if count]
    return [title, *(rows or [line(Cell("(none)", "muted"))])]
