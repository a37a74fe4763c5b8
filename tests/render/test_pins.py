"""The table of pins: what stands in a row, and that two of them fit a screen of 80."""

from __future__ import annotations

from dataclasses import replace

from kvmlab.cli import make_session
from kvmlab.render.pins import pin_rows
from kvmlab.render.plain import plain_lines
from kvmlab.snapshot import RedirectionEntry, Snapshot

WIDEST = 36
"""Cells for a pin where two columns and a frame share 80."""


def pins(first: RedirectionEntry) -> Snapshot:
    """Return a new machine's snapshot with another first pin."""
    seen = make_session().snapshot()
    assert seen.ioapic is not None
    return replace(seen, ioapic=replace(seen.ioapic, pins=(first, *seen.ioapic.pins[1:])))


def test_a_row_tells_every_field_of_an_entry() -> None:
    """Vector, mode, destination, trigger, polarity, the five states and the sources."""
    entry = RedirectionEntry(0x02 << 56 | 0x1F941, irr=1, sources=(0, 1))
    assert plain_lines(pin_rows(pins(entry)))[1] == " 0  41 lowest l2  level lo AIMRD 0,1"


def test_what_is_not_set_is_a_dot() -> None:
    """A pin as reset leaves it is masked, and nothing else."""
    assert plain_lines(pin_rows(make_session().snapshot()))[12] == "11   0 fixed  p0  edge  hi ..M.."


def test_hidden_sources_are_not_told_as_none() -> None:
    """What a backend cannot see is a question mark."""
    assert plain_lines(pin_rows(pins(RedirectionEntry(0x10000, sources=None))))[1].endswith("?")


def test_a_row_fits_half_a_screen() -> None:
    """Even with two sources nothing is cut."""
    widest = RedirectionEntry(0xFF << 56 | 0x1FFFF, irr=1, sources=(0, 1))
    assert max(map(len, plain_lines(pin_rows(pins(widest))))) <= WIDEST


def test_no_ioapic_is_said_to_be_none() -> None:
    """A machine without one has a line that says so."""
    assert len(plain_lines(pin_rows(replace(make_session().snapshot(), ioapic=None)))) == 1
