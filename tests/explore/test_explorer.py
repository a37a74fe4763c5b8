"""An exploration from start to report: what it claims, what it finds, and that it leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kvmlab.explore.bounded import WALKS
from kvmlab.explore.explorer import OVERFULL, Explorer
from kvmlab.explore.search import Progress
from kvmlab.explore.verdict import Asked
from kvmlab.language.parse import parse_line
from kvmlab.scripts import run
from tests.explore.stand import FREED, LEFT, SOUND, STUCK, explored, explorer, said, say, things


@pytest.fixture(scope="module")
def found() -> set[tuple[str, str]]:
    """Return what the plain search finds where nobody waits for readers."""
    return things(explored(said(*FREED), Asked(reduction="plain")))


def test_a_sound_scenario_is_exhausted() -> None:
    """Nothing is found, and the verdict says under which machine and atomicity."""
    report = explored(said(*SOUND))
    assert report.clean
    first, machine, reduction = report.verdict.lines()
    assert first.startswith("exhausted: every schedule; ")
    assert machine.startswith("linux-3.6 eoifd-v7; atomicity op: ")
    assert reduction.startswith("reduction reduced: ")


@pytest.mark.parametrize("reduction", ["fused", "reduced"])
def test_every_reduction_finds_the_same(reduction: str, found: set[tuple[str, str]]) -> None:
    """And each schedule, run twice, shows what it was found for."""
    report = explored(said(*FREED), Asked(reduction=reduction))
    assert things(report) == found
    assert all(example.shortest and not example.impure for example in report.examples)


def test_the_verdict_names_switches_and_the_coarser_atomicity() -> None:
    """Between sections no reduction is claimed, and what is not seen is said."""
    report = explored(said(*FREED), Asked(atomicity="section"))
    machine = report.verdict.lines()[1]
    assert machine.startswith("linux-3.6 eoifd-v7 without=rcu-wait; atomicity section: ")
    assert machine.endswith("races inside a section are not seen")
    assert len(report.verdict.lines()) == 2


def test_a_bound_is_no_exhaustion(found: set[tuple[str, str]]) -> None:
    """Without a preemption nothing goes wrong here; with two everything does."""
    none, two = (explored(said(*FREED), Asked(bound=bound)) for bound in (0, 2))
    assert none.clean
    assert none.verdict.lines()[0].startswith("bounded: every schedule with at most 0 preemptions, and none")
    assert things(two) == found
    assert not two.clean


def test_beyond_the_cap_it_tries_bounds_and_luck() -> None:
    """The verdict claims no more than that, and luck is the same every time."""
    asked = Asked("section", cap=50, seed=3)
    report, again = (explored(said(*FREED), asked) for _ in range(2))
    assert report.verdict.extent == "capped"
    assert report.verdict.walks == WALKS
    assert not report.clean
    assert report.verdict.lines()[0].startswith("not exhausted: there are more states than the cap allows")
    assert report.examples == again.examples
    assert things(report) == things(explored(said(*FREED), Asked("section")))


def test_what_was_found_until_a_stop_is_kept() -> None:
    """The generator may be left anywhere."""
    exploring = explorer(said(*FREED), Asked(reduction="plain"))
    for _progress in exploring.run():
        if exploring.found:
            break
    report = exploring.report()
    assert report.examples
    assert report.verdict.extent == "stopped"
    assert report.verdict.lines()[0].startswith("not exhausted: stopped before the end")


def test_the_machine_is_left_as_it_was() -> None:
    """In auto and in manual; what was traced stays, and history knows nothing of it."""
    for mode in ("auto", "manual"):
        session = said(*FREED, mode)
        before, trace = session.backend.snapshot(None), list(session.backend.trace(None))
        (result,) = say(session, "explore atomicity=section")
        assert result.ret == session.last[0] == 1
        assert session.backend.snapshot(None) == before
        assert list(session.backend.trace(None)) == trace
        assert session.history.units[-1].text == mode


def test_it_runs_in_slices_and_can_be_stopped() -> None:
    """A screen looks at the machine meanwhile, which nothing else moves; stopped, it tells what it has."""
    session = said(*FREED)
    slices = session.slices(parse_line("explore reduction=plain", session.scope)[0])
    underway = next(slices)
    assert session.busy
    assert underway.things == "states"
    next(slices)
    assert 0 < underway.done < 100
    with pytest.raises(StopIteration) as end:
        slices.send(True)
    assert not session.busy
    result = end.value.value
    assert [command.text for command in result.stopped] == ["explore reduction=plain"]
    assert session.last[0] == result.ret


def test_ctrl_c_ends_the_verb_with_what_it_has() -> None:
    """An interrupt inside a slice is no error."""
    session = said(*FREED)
    slices = session.slices(parse_line("explore", session.scope)[0])
    next(slices)
    with pytest.raises(StopIteration) as end:
        slices.throw(KeyboardInterrupt())
    assert end.value.value.stopped


def test_ctrl_c_ends_a_script_behind_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search tells what it found; what stands behind it is not run."""
    session = said(*FREED)

    def interrupted(_self: Explorer) -> Iterator[Progress]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(Explorer, "run", interrupted)
    results = run(session, parse_line("explore; reset", session.scope))
    assert next(results).output
    with pytest.raises(KeyboardInterrupt):
        next(results)


def test_a_deadlock_and_a_leak_are_found_unasked() -> None:
    """A thread that nobody wakes; an eoifd that nobody can deassign."""
    assert [example.kind for example in explored(said(*STUCK)).examples] == ["deadlock"]
    assert [example.kind for example in explored(said(*LEFT)).examples] == ["leak"]


def test_more_frees_than_the_quarantine_holds_are_told() -> None:
    """The order in which they wait there is no part of a state, so that it is no longer every schedule."""
    wired = [f"eventfd t{number}; irqfd t{number} gsi=16 level" for number in range(40)]
    many, few = (explored(said("machine", *wired, f"actor vmm: {call}")) for call in ("release", "close t1"))
    assert OVERFULL in many.verdict.lines()
    assert OVERFULL not in few.verdict.lines(), "what is freed to look for leaks is none of it"
