"""One machine's snapshot laid over another's, and the cells in which they differ."""

from __future__ import annotations

from dataclasses import replace

from kvmlab.beside import cells, laid_over, verdict
from kvmlab.snapshot import LastSnapshot, Snapshot
from tests.engine.lab import Lab

SEEN = Lab("eventfd t; dup t again; eventfd e; write e; msi addr=0xfee00000 data=0x51; take").snapshot()


def names(theirs: Snapshot) -> list[tuple[str, str, str]]:
    """Return what differs between SEEN and another machine, with both values."""
    return [(cell.name, *cell.values) for cell in cells(SEEN, laid_over(SEEN, theirs))]


def test_what_the_other_hides_stays() -> None:
    """A machine that shows nothing differs in nothing, and neither does one that shows more."""
    assert laid_over(SEEN, Snapshot("linux-6.x", "resample")) == SEEN
    assert names(SEEN) == []
    blind = replace(SEEN, pic=None)
    assert SEEN.pic is not None
    assert laid_over(blind, SEEN) == blind


def test_a_redirection_entry_differs_by_its_fields() -> None:
    """By name, and as a value where only a reserved bit does; the IRR is told of its pin alone."""
    assert SEEN.ioapic is not None

    def with_pin(value: int, irr: int = 0) -> Snapshot:
        assert SEEN.ioapic is not None
        first, *rest = SEEN.ioapic.pins
        pins = (replace(first, value=value, irr=irr), *rest)
        return replace(SEEN, ioapic=replace(SEEN.ioapic, pins=pins, irr=irr))

    assert names(with_pin(0x18041, 1)) == [
        ("ioapic.0.vector", "0", "0x41"),
        ("ioapic.0.trigger", "edge", "level"),
        ("ioapic.0.irr", "0", "1"),
    ]
    assert names(with_pin(0x10000 | 1 << 20)) == [("ioapic.0.value", "0x10000", "0x110000")]


def test_counters_differ_by_what_they_count() -> None:
    """An eventfd by its name, whatever it is called inside; a vector by how often it was taken."""
    assert SEEN.eventfds is not None and SEEN.counters is not None
    eventfds = tuple(replace(each, handle="other", count=each.count + 4) for each in SEEN.eventfds)
    counters = replace(SEEN.counters, taken=((0x51, 2), (0x60, 1)), trace=None)
    assert names(replace(SEEN, eventfds=eventfds, counters=counters)) == [
        ("eventfd.t.count", "0", "4"),
        ("eventfd.e.count", "1", "5"),
        ("taken.0x51", "1", "2"),
        ("taken.0x60", "0", "1"),
    ]
    assert names(replace(SEEN, eventfds=())) == []


def test_registers_and_sets_are_shown_as_expressions_write_them() -> None:
    """Vectors in braces, in hexadecimal; an answer is no cell."""
    assert SEEN.lapics is not None
    lapics = tuple(replace(chip, isr=(0x51, 0x60), tpr=0x20) for chip in SEEN.lapics)
    theirs = replace(SEEN, lapics=lapics, last=LastSnapshot(-1, "EINVAL", "none"))
    assert names(theirs) == [("lapic.0.isr", "{0x51}", "{0x51, 0x60}"), ("lapic.0.tpr", "0", "0x20")]
    assert laid_over(SEEN, theirs).last == theirs.last


def test_the_count_is_told_in_words() -> None:
    """One, several, none."""
    assert [verdict(number) for number in (0, 1, 2)] == [
        "model and kernel agree",
        "model and kernel: 1 cell differs",
        "model and kernel: 2 cells differ",
    ]
