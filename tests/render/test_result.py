"""Results and messages as lines."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from kvmlab.render.cells import Row, line
from kvmlab.render.plain import plain_lines
from kvmlab.render.result import error_rows, result_rows


@dataclass
class Command:
    """A command by its verb, and the commands within it."""

    verb: str
    inner: tuple[Command, ...] = ()


@dataclass
class Outcome:
    """A result with everything at its default."""

    verb: str = "write"
    ret: int | str | None = None
    errno: str = ""
    why: str = ""
    output: tuple[Row | str, ...] = ()
    events: tuple[str, ...] = ()
    held: bool | str | None = None
    told: tuple[Row | str, ...] = ()
    of: str = ""
    inner: tuple[Command, ...] = ()
    command: Command = field(init=False)

    def __post_init__(self) -> None:
        self.command = Command(self.verb, self.inner)


@pytest.mark.parametrize(
    ("result", "lines"),
    [
        (Outcome(), []),
        (Outcome(ret=0), ["→ 0"]),
        (Outcome("take", ret=0x41), ["→ 0x41"]),
        (Outcome("take", ret="none"), ["→ none"]),
        (Outcome("line", ret=-1), ["→ -1"]),
        (Outcome(ret=-1, errno="EBUSY", why="it has one"), ["→ -1 EBUSY: it has one"]),
        (Outcome("expect", held=True), ["held"]),
        (Outcome("expect", held=False, why="ioapic.11.irr is 1"), ["FAILED: ioapic.11.irr is 1"]),
        (Outcome("expect", held="not visible", why="source.2.refs"), ["not visible: source.2.refs"]),
        (Outcome("expect", ret=0x41, held=True, inner=(Command("take"),)), ["→ 0x41", "held"]),
        (
            Outcome("expect", ret=-1, errno="ENOENT", why="no key", held=True, inner=(Command("eoifd"),)),
            ["→ -1 ENOENT: no key", "held"],
        ),
        (
            Outcome("expect", ret=0, why="it returned 0", held=False, inner=(Command("eoifd"),)),
            ["→ 0", "FAILED: it returned 0"],
        ),
        (Outcome("undo", why="there is nothing to be undone"), ["there is nothing to be undone"]),
        (Outcome("info", output=("one", line("two"))), ["one", "two"]),
    ],
)
def test_a_result_is_one_verdict(result: Outcome, lines: list[str]) -> None:
    """What the kernel answered, or whether the expectation held, and nothing twice."""
    assert plain_lines(result_rows(result)) == lines


def test_tracepoints_stand_indented_before_the_answer() -> None:
    """Events happen before the call returns, and may be left out."""
    result = Outcome(ret=1, events=("kvm_set_irq: gsi 11 level 1 source 0",))
    assert plain_lines(result_rows(result)) == ["  kvm_set_irq: gsi 11 level 1 source 0", "→ 1"]
    assert plain_lines(result_rows(result, events=False)) == ["→ 1"]


def test_wrong_text_is_shown_with_its_caret() -> None:
    """The caret stays under its column."""
    rows = error_rows("1:6: no eventfd is called 'x'", "read x\n     ^")
    assert plain_lines(rows) == ["1:6: no eventfd is called 'x'", "read x", "     ^"]


def test_the_end_of_a_call_is_shown_as_the_call_is() -> None:
    """A vector is one, whether `take` ran at once or `finish` brought it to its end."""
    assert plain_lines(result_rows(Outcome("finish", ret=65, of="take"))) == ["→ 0x41"]
    assert plain_lines(result_rows(Outcome("finish", ret=65, of="read"))) == ["→ 65"]
