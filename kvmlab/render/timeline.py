"""The timeline of one GSI: its signals as waveforms against the units of a session.

Each column is the machine as it was after one unit; what happens within a unit leaves no trace
here. Below the waves stand the units by number, the newest first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from kvmlab.render import wave
from kvmlab.render.cells import Cell, Part, Row, line
from kvmlab.render.stages import Trail, answer_names, find_eventfd, trail_of, trigger_names
from kvmlab.snapshot import Snapshot

LABEL = 12
"""Characters before the first column."""

Value = int | None


class Sample(NamedTuple):
    """The machine after one unit: its number in the history (0 before the first), its text, what was seen."""

    number: int
    label: str
    snapshot: Snapshot


class Signal(NamedTuple):
    """One wave: its name, its style, and its value (0, 1, None for hidden or absent) in a sample."""

    name: str
    style: str
    read: Callable[[Trail], Value]


def _of_pins(part: str) -> Callable[[Trail], Value]:
    def read(trail: Trail) -> Value:
        values = [getattr(entry, part) for _pin, entry in trail.pins]
        return None if not values or None in values else int(any(values))

    return read


def _of_lapics(register: str) -> Callable[[Trail], Value]:
    def read(trail: Trail) -> Value:
        return None if trail.snapshot.lapics is None else int(bool(trail.holding(register)))

    return read


SIGNALS = (
    Signal("line", "irq-asserted", _of_pins("line")),
    Signal("mask", "irq-masked", _of_pins("mask")),
    Signal("IRR", "irq-pending", _of_pins("irr")),
    Signal("remote IRR", "irq-remote-irr", _of_pins("remote_irr")),
    Signal("LAPIC IRR", "irq-pending", _of_lapics("irr")),
    Signal("ISR", "irq-in-service", _of_lapics("isr")),
)
"""The waves in the order of the path; one that no sample has a value for is left out."""


def timeline_rows(
    samples: Sequence[Sample],
    gsi: int,
    width: int = 80,
    present: int | None = None,
    cursor: int | None = None,
    *,
    tall: bool = True,
) -> list[Row]:
    """Return the waves of a GSI in ``width`` characters, one column a sample.

    ``present`` is the unit done last (the newest if None); ``cursor`` a unit that is bracketed and
    in sight, the present if None. ``tall`` waves have two lines each. No samples make one line.
    """
    if not samples:
        return [line(Cell(f"GSI {gsi}: nothing has happened yet", "muted"))]
    now = samples[-1].number if present is None else present
    start, shown = visible_samples(samples, width, now if cursor is None else cursor)
    trails = [trail_of(sample.snapshot, gsi) for sample in samples[max(start - 1, 0) : start + len(shown)]]
    lead = 1 if start else 0
    rows = [_title(gsi, shown, samples), *_axis(shown, now, cursor)]
    for signal in SIGNALS:
        values = [signal.read(trail) for trail in trails]
        if any(value is not None for value in values):
            rows += _wave(signal, values[lead:], values[0] if lead else None, tall)
    rows += _counters(trails, lead)
    return [*rows, line(""), *[_unit(sample, now) for sample in reversed(shown)]]


def visible_samples(
    samples: Sequence[Sample], width: int, wanted: int | None = None
) -> tuple[int, Sequence[Sample]]:
    """Return where the samples shown start, and those: the newest that fit and have unit ``wanted``."""
    fit = max(1, (width - LABEL) // wave.CELL)
    end = len(samples)
    at = next((i for i, sample in enumerate(samples) if sample.number == wanted), end - 1)
    end = min(end, max(at + 1 + fit // 4, fit))
    start = max(0, end - fit)
    return start, samples[start:end]


def unit_at(samples: Sequence[Sample], x: int, width: int, wanted: int | None = None) -> int | None:
    """Return the number of the unit drawn at column ``x``, unit ``wanted`` being in sight; None beside it."""
    _start, shown = visible_samples(samples, width, wanted)
    column = (x - LABEL) // wave.CELL
    return shown[column].number if x >= LABEL and column < len(shown) else None


def _title(gsi: int, shown: Sequence[Sample], samples: Sequence[Sample]) -> Row:
    text = f"  units {shown[0].number} to {shown[-1].number} of {samples[-1].number}"
    return line(Cell(f"GSI {gsi}", "header"), Cell(text, "muted"))


def _axis(shown: Sequence[Sample], now: int, cursor: int | None) -> list[Row]:
    """Return the numbers and verbs of the units; the present has an arrow, the cursor brackets."""
    numbers: list[Part] = [Cell("unit".ljust(LABEL), "header")]
    verbs: list[Part] = [Cell("".ljust(LABEL))]
    for sample in shown:
        here = sample.number == now
        text = f"{'→' if here else ''}{sample.number % 1_000}"
        text = f"[{text}]" if sample.number == cursor else text
        numbers.append(Cell(text.ljust(wave.CELL), "cue" if here or sample.number == cursor else "muted"))
        verb = (sample.label.split(" ", 1)[0])[: wave.CELL - 1]
        verbs.append(Cell(verb.ljust(wave.CELL), "cue" if here else ""))
    return [line(*numbers), line(*verbs)]


def _wave(signal: Signal, values: list[Value], before: Value, tall: bool) -> list[Row]:
    name = Cell(signal.name.ljust(LABEL), "header")
    if not tall:
        return [line(name, *_styled(signal.style, values, wave.one_line(values)))]
    upper, lower = wave.two_lines(values, before)
    return [
        line(Cell(" " * LABEL), *_styled(signal.style, values, upper)),
        line(name, *_styled(signal.style, values, lower)),
    ]


def _styled(style: str, values: list[Value], texts: list[str]) -> list[Cell]:
    return [Cell(text, style if value else "muted") for value, text in zip(values, texts, strict=True)]


def _counters(trails: list[Trail], lead: int) -> list[Row]:
    """Return the counters of the eventfds that raise the GSI, then of those its EOI signals."""
    names = dict.fromkeys(
        [
            name
            for read in (trigger_names, answer_names)
            for trail in trails
            for name in read(trail.snapshot, trail.gsi)
        ]
    )
    rows = []
    for name in names:
        found = [find_eventfd(trail.snapshot, name) for trail in trails]
        values = [None if eventfd is None else eventfd.count for eventfd in found]
        texts = wave.counter(values[lead:], values[0] if lead else None)
        label = Cell(name[: LABEL - 1].ljust(LABEL), "header")
        rows.append(line(label, *_styled("irq-pending", values[lead:], texts)))
    return rows


def _unit(sample: Sample, now: int) -> Row:
    mark, style = (
        ("→", "cue") if sample.number == now else ("·", "muted") if sample.number > now else (" ", "")
    )
    return line(Cell(f"{mark} {sample.number:>4}  {sample.label}", style))
