"""The timeline: waves in box drawing, their columns, and the counters below them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.render import wave
from kvmlab.render.plain import plain_lines
from kvmlab.render.theme import STYLES
from kvmlab.render.timeline import LABEL, Sample, timeline_rows, unit_at, visible_samples
from kvmlab.scripts import parse_text, run
from kvmlab.session import Session

levels = st.lists(st.sampled_from((0, 1, None)), min_size=1, max_size=12)
CYCLE = (
    "ioapic 11 vector=0x41 level unmasked",
    "eventfd trigger",
    "eventfd unmask",
    "irqfd trigger gsi=11 level",
    "eoifd unmask key=trigger level",
    "write trigger",
    "take",
    "eoi",
)


def cycle(*more: str) -> list[Sample]:
    """Return samples of a whole cycle of GSI 11, and of more commands."""
    session = Session()
    samples = [Sample(0, "machine", session.snapshot())]
    for number, text in enumerate((*CYCLE, *more), 1):
        for _result in run(session, parse_text(session, text)):
            pass
        samples.append(Sample(number, text, session.snapshot()))
    return samples


def test_a_cycle_reads_as_in_a_logic_analyser() -> None:
    """Line, IRR, remote IRR, LAPIC IRR and ISR rise and fall in the order of the path."""
    assert plain_lines(timeline_rows(cycle()[5:], 11, 36)) == [
        "GSI 11  units 5 to 8 of 8",
        "unit        5     6     7     →8",
        "            eoifd write take  eoi",
        "                  ┌───────────┐",
        "line        ──────┘           └─────",
        "",
        "mask        ────────────────────────",
        "                  ┌───────────┐",
        "IRR         ──────┘           └─────",
        "                  ┌───────────┐",
        "remote IRR  ──────┘           └─────",
        "                  ┌─────┐",
        "LAPIC IRR   ──────┘     └───────────",
        "                        ┌─────┐",
        "ISR         ────────────┘     └─────",
        "trigger     0─────1─────────────────",
        "unmask      0─────────────────1─────",
        "",
        "→    8  eoi",
        "     7  take",
        "     6  write trigger",
        "     5  eoifd unmask key=trigger level",
    ]


def test_low_waves_need_one_line_each() -> None:
    """A small pane shows the same values with blocks."""
    lines = plain_lines(timeline_rows(cycle()[5:], 11, 36, tall=False))
    assert lines[3] == "line        ▁▁▁▁▁▁▇▇▇▇▇▇▇▇▇▇▇▇▁▁▁▁▁▁"
    assert len(lines) == 16


@given(levels, st.sampled_from((0, 1, None)))
def test_every_value_has_one_cell_and_can_be_read_back(values: list[int | None], before: int | None) -> None:
    """High is told from low and from hidden at the end of each cell, in both heights."""
    upper, lower = wave.two_lines(values, before)
    flat = wave.one_line(values)
    assert {len(text) for text in [*upper, *lower, *flat]} == {wave.CELL}
    ends = {("─", " "): 1, (" ", "─"): 0, (" ", "·"): None}
    assert [ends[u[-1], d[-1]] for u, d in zip(upper, lower, strict=True)] == values
    assert [{"▁": 0, "▇": 1, "·": None}[text[0]] for text in flat] == values


@given(st.lists(st.one_of(st.none(), st.integers(0, 2**64)), max_size=8))
def test_a_counter_is_written_where_it_changes(values: list[int | None]) -> None:
    """A count that stays is a line; the first one is always written, however large."""
    texts = wave.counter(values)
    assert all(len(text) == wave.CELL for text in texts)
    for number, (value, text) in enumerate(zip(values, texts, strict=True)):
        stays = number and values[number - 1] == value
        assert text[0] == ("·" if value is None else "─" if stays else str(value)[0])


@pytest.mark.parametrize("width", [0, 12, 18, 36, 78, 200])
@pytest.mark.parametrize("wanted", [None, 0, 4, 8, 99])
def test_the_unit_wanted_is_in_sight_and_found_by_the_mouse(width: int, wanted: int | None) -> None:
    """Whatever the width, one column is drawn at least, and its place gives its number."""
    samples = cycle()
    start, shown = visible_samples(samples, width, wanted)
    assert list(shown) == samples[start : start + len(shown)]
    numbers = [sample.number for sample in shown]
    assert (wanted if wanted in range(9) else 8) in numbers
    places = [unit_at(samples, LABEL + i * wave.CELL, width, wanted) for i in range(len(numbers) + 1)]
    assert places == [*numbers, None]
    assert unit_at(samples, LABEL - 1, width, wanted) is None


def test_the_first_column_continues_what_is_not_shown() -> None:
    """A wave that changed at the first column shown changes there."""
    lines = plain_lines(timeline_rows(cycle(), 11, LABEL + wave.CELL * 3))
    assert lines[1] == "unit        6     7     →8"
    assert lines[3] == "            ┌───────────┐"


def test_the_cursor_and_the_present_are_told_by_signs() -> None:
    """An arrow is the present, brackets are the cursor, dots what was undone."""
    lines = plain_lines(timeline_rows(cycle(), 11, 78, present=6, cursor=7))
    assert "→6    [7]   8" in lines[1]
    assert lines[-9:-6] == ["·    8  eoi", "·    7  take", "→    6  write trigger"]


def test_a_message_has_no_pin_and_no_such_wave() -> None:
    """A GSI routed as MSI has LAPIC waves and counters alone."""
    samples = cycle("route 24 msi:0xfee00000:0x51", "eventfd m", "irqfd m gsi=24", "write m")
    lines = plain_lines(timeline_rows(samples[-2:], 24, 36))
    names = [text[:LABEL].strip() for text in lines[3:9]]
    assert [name for name in names if name] == ["LAPIC IRR", "ISR", "m"]


def test_no_samples_make_one_line() -> None:
    """A pane is never without a sentence."""
    assert plain_lines(timeline_rows([], 11)) == ["GSI 11: nothing has happened yet"]


@pytest.mark.parametrize("tall", [True, False])
def test_every_style_is_one_of_the_themes(tall: bool) -> None:
    """A cell's style can always be looked up."""
    rows = timeline_rows(cycle(), 11, 78, 3, 4, tall=tall)
    assert {style for row in rows for _text, style in row.cells} <= {"", *STYLES}
