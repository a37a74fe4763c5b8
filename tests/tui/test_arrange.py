"""Layouts: every size of the screen is filled, and every pane can be reached."""

from __future__ import annotations

from itertools import product

import pytest

from kvmlab import layouts
from kvmlab.tui.arrange import (
    ALL,
    LAYOUTS,
    LESSON,
    SMALLEST,
    STUDY,
    Layout,
    arrange,
    layout_for,
    shares,
    suited,
)
from kvmlab.tui.widgets import SPECS

SIZES = {(80, 24): "narrow", (120, 40): "wide", (200, 60): "full", SMALLEST: "narrow"}


@pytest.mark.parametrize(("size", "name"), SIZES.items())
def test_a_screen_has_the_fullest_layout_that_fits(size: tuple[int, int], name: str) -> None:
    """80x24 has one pane at a time, 120x40 three, 200x60 all that matters."""
    found = layout_for(*size)
    assert found is not None
    assert found.name == name


def test_below_the_smallest_size_there_is_no_layout() -> None:
    """One column or one line less is too little."""
    width, height = SMALLEST
    assert layout_for(width - 1, height) is None
    assert layout_for(width, height - 1) is None


def test_a_layout_can_be_asked_for_where_it_fits() -> None:
    """The narrow layout on a large screen is granted, the full one on a small screen is not."""
    assert getattr(layout_for(200, 60, "narrow"), "name", "") == "narrow"
    assert getattr(layout_for(80, 24, "full"), "name", "") == "narrow"


def test_the_settings_name_every_layout_by_its_size_and_its_name() -> None:
    """What can be asked for is what there is."""
    assert set(layouts.LAYOUTS.values()) == {"", *[layout.name for layout in LAYOUTS]}
    sized = {size: SIZES[tuple(map(int, size.split("x")))] for size in layouts.LAYOUTS if "x" in size}  # type: ignore[index]
    assert {"auto": "", **sized} == layouts.LAYOUTS


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_pane_has_one_slot(layout: Layout) -> None:
    """No layout leaves a pane out or has it twice."""
    panes = [name for column in layout.columns for slot in column.slots for name in slot.panes]
    assert sorted(panes) == sorted(ALL)
    assert sorted((*ALL, *LESSON)) == sorted(spec.name for spec in SPECS)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_while_a_lab_is_open_its_panes_have_slots_too(layout: Layout) -> None:
    """Every layout has one of its name for that time, which asks for as much room and leaves no pane out."""
    study = STUDY[layout.name]
    assert (study.width, study.height, study.log) == (layout.width, layout.height, layout.log)
    panes = [name for column in study.columns for slot in column.slots for name in slot.panes]
    assert sorted(panes) == sorted((*ALL, *LESSON))


@pytest.mark.parametrize("first", ALL)
def test_two_panes_that_a_lab_wants_stand_side_by_side(first: str) -> None:
    """Beside its text and its goals, wherever there is room for more than one pane; none is left out."""
    for second, name in product(ALL, ("wide", "full")):
        layout = suited(STUDY[name], (first, second))
        places = arrange(layout, ["lab", first, second], layout.width, layout.height - layout.log - 4)
        assert {"lab", "goals", first, second} <= set(places)
        panes = [each for column in layout.columns for slot in column.slots for each in slot.panes]
        assert sorted(panes) == sorted((*ALL, *LESSON))


def test_where_there_is_one_slot_the_pane_chosen_last_is_shown() -> None:
    """What a lab wants moves nothing there."""
    assert suited(STUDY["narrow"], ("ioapic", "lapic")) == STUDY["narrow"]


@pytest.mark.parametrize("layout", [*LAYOUTS, *STUDY.values()], ids=lambda layout: layout.name)
def test_the_panes_shown_cover_the_body_once(layout: Layout) -> None:
    """Places touch and never overlap."""
    width, height = layout.width, layout.height - layout.log - 4
    places = arrange(layout, [], width, height)
    cells = [
        (x, y)
        for place in places.values()
        for x in range(place.x, place.x + place.width)
        for y in range(place.y, place.y + place.height)
    ]
    assert len(cells) == len(set(cells)) == width * height


def test_the_pane_chosen_last_is_the_one_shown() -> None:
    """A pane takes the slot from the others in it, and leaves the other slots alone."""
    layout = layout_for(120, 40)
    assert layout is not None
    assert set(arrange(layout, ["trace"], 120, 28)) == {"ioapic", "path", "trace"}
    assert set(arrange(layout, ["fds", "trace"], 120, 28)) == {"ioapic", "path", "fds"}


def test_shares_leave_nothing_over() -> None:
    """What is not fixed is divided evenly, and never more than there is."""
    assert shares([10, 0, 0], 31) == [10, 11, 10]
    assert shares([10, 10], 15) == [10, 5]
