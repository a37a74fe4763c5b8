"""Which panes stand where, for every size of the screen. Pure, and data first.

A layout is columns of slots; a slot shows one of its panes at a time, the one chosen last. Sizes
are in cells, 0 takes an equal share of what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from kvmlab.layouts import PANE_NAMES

SMALLEST = (60, 16)
"""Columns and lines below which nothing is drawn but the size that is needed."""


class Place(NamedTuple):
    """Where a pane stands in the body of the screen, in cells."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one of several panes, ``height`` cells high."""

    height: int
    panes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """Slots one above the other, ``width`` cells wide."""

    width: int
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns for a screen of at least ``width`` by ``height``; the log has ``log`` lines."""

    name: str
    width: int
    height: int
    log: int
    columns: tuple[Column, ...]


ALL = PANE_NAMES
"""Every pane; the one that is shown first where there is room for one comes first."""

LAYOUTS = (
    Layout(
        "full",
        180,
        50,
        12,
        (
            Column(44, (Slot(27, ("ioapic",)), Slot(0, ("history", "routes", "pic")))),
            Column(0, (Slot(0, ("path", "timeline")), Slot(15, ("lapic",)), Slot(11, ("contexts",)))),
            Column(
                0,
                (
                    Slot(9, ("sources",)),
                    Slot(0, ("eventfds",)),
                    Slot(0, ("fds", "devices")),
                    Slot(0, ("trace", "reports")),
                ),
            ),
        ),
    ),
    Layout(
        "wide",
        110,
        34,
        8,
        (
            Column(44, (Slot(0, ("ioapic", "pic", "routes", "history")),)),
            Column(
                0,
                (
                    Slot(16, ("path", "lapic", "timeline", "contexts", "devices")),
                    Slot(0, ("eventfds", "fds", "sources", "trace", "reports")),
                ),
            ),
        ),
    ),
    Layout("narrow", *SMALLEST, 5, (Column(0, (Slot(0, ALL),)),)),
)
"""The layouts, the most demanding first."""

LESSON = ("lab", "goals")
"""The panes of a lab, which are shown while one is open."""

STUDY = {
    "full": Layout(
        "full",
        180,
        50,
        12,
        (
            Column(66, (Slot(0, ("lab",)), Slot(17, ("goals",)))),
            Column(44, (Slot(27, ("ioapic",)), Slot(0, ("sources", "history", "routes", "pic")))),
            Column(
                0,
                (
                    Slot(0, ("path", "timeline", "devices", "trace", "reports")),
                    Slot(0, ("lapic", "contexts")),
                    Slot(0, ("eventfds",)),
                    Slot(0, ("fds",)),
                ),
            ),
        ),
    ),
    "wide": Layout(
        "wide",
        110,
        34,
        8,
        (
            Column(0, (Slot(0, ("lab",)), Slot(11, ("goals",)))),
            Column(
                0,
                (
                    Slot(
                        16, ("ioapic", "path", "lapic", "timeline", "contexts", "devices", "pic", "history")
                    ),
                    Slot(0, ("eventfds", "fds", "sources", "trace", "reports", "routes")),
                ),
            ),
        ),
    ),
    "narrow": Layout("narrow", *SMALLEST, 5, (Column(0, (Slot(0, (*LESSON, *ALL)),)),)),
}
"""The same by their names, while a lab is open."""


CHIPS = ("path", "timeline", "sources", "eventfds", "fds", "contexts", "trace", "reports", "devices")
"""What stands above a LAPIC where only chips can be seen: every pane but theirs shares a place."""

CHIP_LAYOUTS = (
    Layout(
        "full",
        180,
        50,
        12,
        (
            Column(44, (Slot(27, ("ioapic",)), Slot(0, ("pic", "routes", "history")))),
            Column(0, (Slot(0, CHIPS), Slot(15, ("lapic",)))),
        ),
    ),
    Layout(
        "wide",
        110,
        34,
        8,
        (
            Column(44, (Slot(0, ("ioapic", "routes", "history")),)),
            Column(0, (Slot(14, CHIPS), Slot(0, ("lapic", "pic")))),
        ),
    ),
    LAYOUTS[-1],
)
"""The same for a machine of which only the chips can be seen."""


def layouts_for(width: int, height: int, among: Sequence[Layout] = LAYOUTS) -> list[Layout]:
    """Return the layouts that a screen has room for, the fullest first."""
    return [layout for layout in among if width >= layout.width and height >= layout.height]


def layout_for(width: int, height: int, name: str = "", among: Sequence[Layout] = LAYOUTS) -> Layout | None:
    """Return the layout of a name, else the fullest one that a screen has room for; None where none fits."""
    fitting = layouts_for(width, height, among)
    named = [layout for layout in fitting if layout.name == name]
    return next(iter(named or fitting), None)


def suited(layout: Layout, wanted: Sequence[str]) -> Layout:
    """Return a layout in which as many of the wanted panes as possible stand side by side.

    One that an earlier one would hide moves to a slot that none of them has.
    """
    slots = [slot for column in layout.columns for slot in column.slots]
    held = [set(slot.panes) & set(LESSON) for slot in slots]
    moved: dict[str, int] = {}
    for name in wanted:
        own = next(at for at, slot in enumerate(slots) if name in slot.panes)
        free = next((at for at, has in enumerate(held) if not has), own)
        if not held[own] or name in held[own] or free == own:
            held[own].add(name)
        elif name not in moved:
            held[free].add(name)
            moved[name] = free
    made = iter(
        replace(
            slot,
            panes=(*[n for n, to in moved.items() if to == at], *[n for n in slot.panes if n not in moved]),
        )
        for at, slot in enumerate(slots)
    )
    return replace(
        layout,
        columns=tuple(
            [replace(column, slots=tuple([next(made) for _ in column.slots])) for column in layout.columns]
        ),
    )


def arrange(layout: Layout, chosen: Sequence[str], width: int, height: int) -> dict[str, Place]:
    """Return the panes shown and their places in a body; ``chosen`` lists panes, the latest first."""
    places: dict[str, Place] = {}
    x = 0
    for column, wide in zip(layout.columns, shares([c.width for c in layout.columns], width), strict=True):
        y = 0
        for slot, high in zip(column.slots, shares([s.height for s in column.slots], height), strict=True):
            shown = next((name for name in chosen if name in slot.panes), slot.panes[0])
            places[shown] = Place(x, y, wide, high)
            y += high
        x += wide
    return places


def shares(sizes: Sequence[int], total: int) -> list[int]:
    """Return sizes with each 0 replaced by its share of what the others leave of ``total``."""
    left, open_ones = max(0, total - sum(sizes)), sizes.count(0)
    made: list[int] = []
    for size in sizes:
        share = size or -(-left // open_ones)
        if not size:
            left, open_ones = left - share, open_ones - 1
        made.append(min(share, max(0, total - sum(made))))
    return made
