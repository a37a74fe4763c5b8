"""Waveforms in box drawing: the values of one signal as one or two lines of text.

A value lasts CELL characters and changes at their start. A value of None is one that cannot be
seen, drawn as dots.
"""

from __future__ import annotations

from collections.abc import Sequence

CELL = 6
"""Characters of one value."""

LARGEST = 10 ** (CELL - 1)
"""A counter from here on is drawn by its leading digits and a plus sign."""

SHAPES: dict[tuple[int | None, int | None], tuple[str, str]] = {
    (0, 0): (" " * CELL, "─" * CELL),
    (1, 1): ("─" * CELL, " " * CELL),
    (0, 1): ("┌" + "─" * (CELL - 1), "┘" + " " * (CELL - 1)),
    (1, 0): ("┐" + " " * (CELL - 1), "└" + "─" * (CELL - 1)),
}
"""(value before, value) → the upper and the lower half of a value."""

HIDDEN = " " * CELL, "·" * CELL

FLAT = {0: "▁" * CELL, 1: "▇" * CELL, None: "·" * CELL}
"""A value in one line."""


def two_lines(values: Sequence[int | None], before: int | None = None) -> tuple[list[str], list[str]]:
    """Return the upper and lower halves of each value (0, 1, None); ``before`` is what the first follows."""
    halves = []
    for value in values:
        halves.append(HIDDEN if value is None else SHAPES[value if before is None else before, value])
        before = value
    return [upper for upper, _lower in halves], [lower for _upper, lower in halves]


def one_line(values: Sequence[int | None]) -> list[str]:
    """Return each value (0, 1 or None) as low or high blocks."""
    return [FLAT[value] for value in values]


def counter(values: Sequence[int | None], before: int | None = None) -> list[str]:
    """Return each count where it changes, and a line while it stays."""
    drawn: list[str] = []
    for number, value in enumerate(values):
        stays = value == before and (number or before is not None)
        if value is None:
            drawn.append("·" * CELL)
        else:
            drawn.append("─" * CELL if stays else _short(value).ljust(CELL, "─"))
        before = value
    return drawn


def _short(count: int) -> str:
    return str(count) if count < LARGEST else f"{str(count)[: CELL - 2]}+"
