"""Interrupt counts in QEMU's wording (``info irq``): taken by vector, acknowledged by GSI."""

from __future__ import annotations

from kvmlab.render.cells import Cell, Row, hidden, line
from kvmlab.snapshot import Snapshot


def irq_rows(snapshot: Snapshot) -> list[Row]:
    """Return how often each vector was taken and each GSI acknowledged; zeros are left out."""
    counters = snapshot.counters
    if counters is None:
        return hidden("irq")
    return [
        *_counts("lapic (taken, by vector)", counters.taken),
        *_counts("ioapic, pic (acknowledged, by GSI)", counters.acked),
    ]


def _counts(chip: str, counts: tuple[tuple[int, int], ...]) -> list[Row]:
    title = line(Cell(f"IRQ statistics for {chip}:", "header"))
    rows = [line(f"{number:2}: {count}") for number, count in counts if count]
    return [title, *(rows or [line(Cell("(none)", "muted"))])]
