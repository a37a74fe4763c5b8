"""History: units, undo and redo to any depth, marks, and how much is kept."""

from __future__ import annotations

import pytest

from kvmlab import history
from kvmlab.language.errors import LanguageError
from tests.engine.lab import Lab, fresh

START = ("machine", "eventfd a", "manual", "write a")


@pytest.fixture
def lab() -> Lab:
    """Return a lab whose eventfd `a` was written 1, 2, 4 and 8: five units."""
    return Lab("machine", "eventfd a", *[f"write a {1 << n}" for n in range(4)])


def count(lab: Lab) -> object:
    """Return the counter, which tells the units that are done."""
    return lab.fact("eventfd", "a", "count")


def test_undo_and_redo_go_by_units(lab: Lab) -> None:
    """One, or as many as are named; each tells what it was."""
    assert lab.one("undo").output == ("undone: write a 8",)
    assert count(lab) == 7
    assert lab.one("undo 2").output == ("undone: write a 4", "undone: write a 2")
    assert count(lab) == 1
    assert lab.one("redo 2").output == ("done again: write a 2", "done again: write a 4")
    assert count(lab) == 7


def test_undo_and_redo_stop_at_the_ends(lab: Lab) -> None:
    """More than there are is all there are; then there is nothing."""
    assert len(lab.one("undo 99").output) == 5
    assert (lab.one("undo").output, lab.one("undo").why) == ((), "there is nothing to be undone")
    assert lab.snapshot() == Lab("machine").snapshot()
    assert len(lab.one("redo 99").output) == 5
    assert lab.one("redo").why == "there is nothing to be done again"
    assert count(lab) == 15


@pytest.mark.parametrize(
    "line",
    [
        "expect reports == 0",
        "never last.ret == 9",
        "always reports == 0",
        "mark here",
        "info ioapic",
        "trace",
        "help",
        "contexts",
        "history",
        "caps",
    ],
)
def test_what_is_no_unit_never_ends_a_redo(lab: Lab, line: str) -> None:
    """Looking, expecting and marking leave what was undone to be done again."""
    lab.say("undo 2")
    lab.say(line)
    assert len(lab.session.history) == 5
    assert len(lab.one("redo 2").output) == 2


@pytest.mark.parametrize(
    "line",
    [
        "write a",
        "read a",
        "poll a",
        "take",
        "manual",
        "auto",
        "run",
        "actor x: read a",
        "handler 0x41 eoi",
        "irqfd a gsi=11 level",
        "eoifd a key=3 level",
        "close a",
        "step user",
        "finish user",
        "expect 9: poll a",
        "sti",
    ],
)
def test_what_may_change_the_machine_is_a_unit(lab: Lab, line: str) -> None:
    """A failed one included; it ends what could be redone, and one undo takes it back."""
    lab.say("undo 2")
    before = fresh(lab.machine)
    lab.say(line)
    assert len(lab.session.history) == 4
    assert lab.one("redo").why == "there is nothing to be done again"
    lab.say("undo")
    assert fresh(lab.machine) == before


def test_a_step_is_a_unit_of_its_own() -> None:
    """`step user 3` is one, three `step user` are three."""
    lab = Lab(*START)
    units = len(lab.session.history)
    lab.say("step user 3; step user; step user; step user")
    assert len(lab.session.history) == units + 4
    lab.say("undo 4")
    assert lab.machine.contexts.next_op("user") == Lab(*START).machine.contexts.next_op("user")


def test_a_mark_is_a_moment(lab: Lab) -> None:
    """`goto` comes back to it from either side; a name used again moves the mark."""
    lab.say("undo 2; mark middle; redo; goto middle")
    assert count(lab) == 3
    lab.say("undo 3; goto middle")
    assert count(lab) == 3
    lab.say("redo 2; mark middle; undo; goto middle")
    assert count(lab) == 15


def test_a_mark_in_a_future_that_is_gone_is_forgotten(lab: Lab) -> None:
    """A new unit ends what was undone, and the marks in it."""
    lab.say("mark end; undo 2; mark middle; write a 100; write a 200")
    assert lab.one("goto middle").why == ""
    assert lab.one("goto end").why == "history has the units 0 to 5, not end"
    assert count(lab) == 3


def test_goto_takes_a_units_number(lab: Lab) -> None:
    """N is the N-th unit of `history`, 0 the start; what lies outside is refused."""
    for place, value in ((3, 3), (1, 0), (5, 15), (2, 1)):
        assert lab.one(f"goto {place}").output == (f"at unit {place}",)
        assert count(lab) == value
    assert lab.one("goto 6").why == "history has the units 0 to 5, not 6"
    assert count(lab) == 1
    lab.say("goto 0")
    assert lab.snapshot() == Lab("machine").snapshot()


def test_an_unknown_mark_is_wrong_text(lab: Lab) -> None:
    """It was never made."""
    with pytest.raises(LanguageError, match="nowhere"):
        lab.say("goto nowhere")


def test_history_lists_the_units_and_the_present(lab: Lab) -> None:
    """Numbered, marked, with an arrow at the present and a dot at what was undone."""
    lab.say("mark one; undo 2; mark two")
    lines = lab.one("history").output
    assert [line.split(None, 1) for line in lines[:2]] == [["1", "eventfd a"], ["2", "write a 1"]]
    assert lines[2].startswith("→") and lines[2].endswith("[two]")
    assert lines[3].startswith("·") and lines[4].endswith("write a 8  [one]")
    assert Lab("machine").one("history").output == ("nothing has happened yet",)


def test_only_so_many_units_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go, in blocks; numbers stay what they were, and it says where undo ends."""
    monkeypatch.setattr(history, "KEPT", 20)
    lab = Lab("machine", "eventfd a", *["write a"] * 24)
    kept = lab.session.history
    assert (len(kept), len(kept.units)) == (25, 25 - kept.first)
    assert 0 < kept.first <= 25 - 20
    assert lab.one("history").output[0] == f"the units up to {kept.first} can no longer be undone"
    lab.say("mark here; undo 99")
    assert count(lab) == kept.first - 1
    assert (
        lab.one(f"goto {kept.first - 1}").why
        == f"history has the units {kept.first} to 25, not {kept.first - 1}"
    )
    lab.say("goto here")
    assert count(lab) == 24


def test_undo_is_quick_after_ten_thousand_commands() -> None:
    """The depth of a history costs nothing: each unit holds only what it changed."""
    lab = Lab("machine", "eventfd a", *["write a; read a"] * 5000)
    assert max(len(unit.change.change) for unit in lab.session.history.units) <= 8
    lab.say("undo 10001")
    assert lab.snapshot() == Lab("machine").snapshot()


def test_undo_takes_the_trace_along() -> None:
    """Tracepoints and their counts go and come with the units that hit them."""
    lab = Lab("machine", "line 11 1; line 11 0")
    whole = lab.machine.trace.last()
    assert lab.fact("trace", "kvm_set_irq") == 2
    lab.say("undo")
    assert lab.machine.trace.last() == whole[: len(whole) // 2]
    assert lab.fact("trace", "kvm_set_irq") == 1
    lab.say("redo")
    assert lab.machine.trace.last() == whole
