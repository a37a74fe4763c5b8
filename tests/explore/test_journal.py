"""A search that was stopped goes on where its journal ends, and finds what one search finds."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from kvmlab.explore import journal, record
from kvmlab.explore.explorer import Explorer
from kvmlab.explore.jobs import Sharing
from kvmlab.explore.judge import sanitizers
from kvmlab.explore.properties import judging
from kvmlab.explore.search import Outcome, Search
from kvmlab.explore.start import Start
from kvmlab.explore.units import Scenario
from kvmlab.explore.verdict import STOPPED, Asked
from kvmlab.explore.world import World
from kvmlab.snapshot import LastSnapshot
from tests.explore.programs import random_program
from tests.explore.stand import FREED, SMALL, explored, explorer, said, things
from tests.explore.test_jobs import Here

SECTION, PLAIN = Asked("section"), Asked(reduction="plain")


def left(asked: Asked, slices: int, path: Path, lines: tuple[str, ...] = FREED) -> Explorer:
    """Explore for some slices, and write the journal."""
    exploring = explorer(said(*lines), asked)
    for _progress, _slice in zip(exploring.run(), range(slices), strict=False):
        pass
    journal.write(path, exploring, journal.digest(lines, exploring))
    return exploring


def gone_on(asked: Asked, path: Path, lines: tuple[str, ...] = FREED) -> Explorer:
    """Go on where a journal ends, to the end."""
    exploring = explorer(said(*lines), asked)
    journal.resume(path, exploring, journal.digest(lines, exploring))
    for _progress in exploring.run():
        pass
    return exploring


@pytest.mark.parametrize(
    ("lines", "asked", "slices"),
    [
        (FREED, SECTION, 2),
        (FREED, SECTION, 7),
        (SMALL, PLAIN, 5),
        (SMALL, Asked(bound=1), 1),
        (SMALL, Asked(bound=2), 5),
        (FREED, Asked("section", cap=60), 30),
        (FREED, Asked("section", cap=60), 60),
        (FREED, Asked("section", cap=60), 200),
    ],
)
def test_it_ends_as_one_search_does(
    lines: tuple[str, ...], asked: Asked, slices: int, tmp_path: Path
) -> None:
    """The same states, transitions and things found, wherever it was stopped."""
    path = tmp_path / "deep" / "journal.json"
    left(asked, slices, path, lines)
    whole, second = explored(said(*lines), asked), gone_on(asked, path, lines).report()
    assert things(second) == things(whole)
    assert replace(second.verdict, seconds=0) == replace(whole.verdict, seconds=0)


@pytest.mark.parametrize(("reduction", "slices"), [("fused", 3), ("reduced", 1), ("reduced", 8)])
def test_a_search_that_learns_goes_on_with_what_it_has_learned(
    reduction: str, slices: int, tmp_path: Path
) -> None:
    """In the round in which it was; it finds the same, and as many ends, in no more rounds."""
    path, asked = tmp_path / "journal.json", Asked(reduction=reduction)
    stopped = left(asked, slices, path).search.outcome
    other = explorer(said(*FREED), asked)
    journal.resume(path, other, journal.digest(FREED, other))
    assert (other.search.outcome.rounds, other.search.outcome.states) == (stopped.rounds, stopped.states)
    again = json.loads(json.dumps(record.search_data(other.search)))
    assert again == json.loads(path.read_text().splitlines()[1])["search"]
    for _progress in other.search.run():
        pass
    whole, second = through(asked), other.search.outcome
    assert second.exhausted
    assert second.failures.keys() == whole.failures.keys()
    assert len(second.ends) == len(whole.ends)
    assert second.rounds <= whole.rounds


def test_who_is_interchangeable_is_not_told_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found of one of them before the stop is what is found of another one behind it."""
    monkeypatch.setattr("kvmlab.explore.explorer.SLICE", 5)
    reads = [f"actor {name}: expect 1: read x; write x" for name in "pqr"]
    path, lines, asked = tmp_path / "journal.json", ("machine", "eventfd x", *reads), Asked()
    whole, slices = explored(said(*lines), asked), 0
    while left(asked, slices := slices + 4, path, lines).verdict.extent == STOPPED:
        assert things(gone_on(asked, path, lines).report()) == things(whole)
    assert slices > 4


@cache
def through(asked: Asked) -> Outcome:
    """Search to the end at once."""
    search = explorer(said(*FREED), asked).search
    for _progress in search.run():
        pass
    return search.outcome


def shared(cap: int = 100_000, asked: Asked = SECTION) -> Explorer:
    """Return an exploration in units."""
    session = said(*FREED)
    sharing = Sharing(Scenario(FREED, asked.moves, judging), Here(), cap)
    asked = replace(asked, cap=cap)
    return Explorer(Start.of(session), asked, session.properties, LastSnapshot(*session.last), sharing)


@pytest.mark.parametrize(
    ("slices", "cap", "asked"),
    [
        (1, 100_000, SECTION),
        (2, 100_000, SECTION),
        (9, 100_000, SECTION),
        (500, 100, SECTION),
        (500, 7, SECTION),
    ]
    + [(slices, 100_000, Asked()) for slices in (2, 9, 20)],
)
def test_a_search_in_units_goes_on_with_the_units_that_are_left(
    slices: int, cap: int, asked: Asked, tmp_path: Path
) -> None:
    """Those that have come back are not done again; a unit that the cap has cut short is."""
    path, whole, first = tmp_path / "journal.json", shared(asked=asked), shared(cap, asked)
    second = shared(asked=asked)
    for _progress, _slice in zip(first.run(), range(slices), strict=False):
        pass
    journal.write(path, first, journal.digest(FREED, first))
    journal.resume(path, second, journal.digest(FREED, second))
    for exploring in (whole, second):
        for _progress in exploring.run():
            pass
    assert second.sharing is not None
    assert whole.sharing is not None
    assert second.sharing.outcome == whole.sharing.outcome
    assert things(second.report()) == things(whole.report())


def test_a_search_whose_workers_die_is_not_capped() -> None:
    """It has stopped, and says why."""
    session = said(*FREED)
    sharing = Sharing(Scenario(FREED, "section", judging), Here(life=1))
    exploring = Explorer(Start.of(session), SECTION, session.properties, None, sharing)
    for _progress in exploring.run():
        pass
    verdict = exploring.report().verdict
    assert verdict.extent == STOPPED
    assert "the workers die of what they are given" in verdict.notes


def test_a_journal_of_one_process_is_none_of_workers(tmp_path: Path) -> None:
    """They go on in different ways."""
    path, alone, many = tmp_path / "journal.json", explorer(said(*FREED), SECTION), shared()
    journal.write(path, alone, journal.digest(FREED, alone))
    with pytest.raises(ValueError, match="another search"):
        journal.resume(path, many, journal.digest(FREED, many))


def test_a_state_that_was_left_half_way_is_gone_through_again(tmp_path: Path) -> None:
    """An interrupt in the middle of its moves loses none of them."""
    exploring = explorer(said(*FREED), SECTION)
    moves, move = 0, exploring.search.move

    def interrupted(name: str) -> int:
        nonlocal moves
        moves += 1
        if moves == 60:
            raise KeyboardInterrupt
        return move(name)

    exploring.search.move = interrupted
    with pytest.raises(KeyboardInterrupt):
        for _progress in exploring.run():
            pass
    path = tmp_path / "journal.json"
    journal.write(path, exploring, journal.digest(FREED, exploring))
    whole, second = explored(said(*FREED), SECTION), gone_on(SECTION, path).report()
    assert second.verdict.states == whole.verdict.states
    assert second.verdict.transitions == whole.verdict.transitions


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": "else"}, "it is a journal of 'else' version 4"),
        ({"version": 1}, "version 1, not 'kvmlab explore' 4"),
        ({"of": "another"}, "another scenario"),
        ({"sum": ""}, "damaged"),
    ],
)
def test_what_is_no_journal_of_this_search_is_refused(
    change: dict[str, Any], why: str, tmp_path: Path
) -> None:
    """With a sentence; a cap of its own is no other search."""
    path = tmp_path / "journal.json"
    left(SECTION, 2, path)
    head, text = path.read_text().splitlines()
    path.write_text(f"{json.dumps(json.loads(head) | change)}\n{text}\n")
    with pytest.raises(ValueError, match=why):
        gone_on(SECTION, path)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("states", [[0, 0, 1, [1]]]),
        ("states", [[7, 1, 1, []]]),
        ("states", "no"),
        ("names", ["user"]),
        ("waiting", [10_000]),
        ("start", []),
        ("world", {"handles": ["user"], "values": [[]], "keys": [[]], "pairs": [], "outdated": False}),
    ],
)
def test_what_does_not_fit_is_refused(part: str, value: object, tmp_path: Path) -> None:
    """Also where whoever wrote it has summed it up."""
    path = tmp_path / "journal.json"
    left(SECTION, 2, path)
    head, text = map(json.loads, path.read_text().splitlines())
    text["search"][part] = value
    told = json.dumps(text)
    head["sum"] = sha256(told.encode()).hexdigest()
    path.write_text(f"{json.dumps(head)}\n{told}\n")
    with pytest.raises(ValueError, match="another version"):
        gone_on(SECTION, path)


def test_text_is_no_journal(tmp_path: Path) -> None:
    """Nor is a list, nor what is nested too deep."""
    path = tmp_path / "journal.json"
    for text in ("no", "[]", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(ValueError, match="no journal"):
            gone_on(SECTION, path)


def test_a_journal_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk: the old one is whole, and nothing else is left."""
    path = tmp_path / "journal.json"
    exploring = left(SECTION, 2, path)
    before = path.read_bytes()

    def full(*_args: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        journal.write(path, exploring, "other")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("seed", [152, 223])
def test_a_search_left_where_locks_were_just_seen_on_a_ring_goes_on(seed: int) -> None:
    """What lockdep was known to have learned in a state is too little from then on."""
    search = Search(World(random_program(seed).machine()), sanitizers, "plain", every=1)
    assert any(search.world.outdated for _progress in search.run())
    data = json.loads(json.dumps(record.search_data(search)))
    again = Search(World(random_program(seed).machine()), sanitizers, "plain")
    record.go_on(again, data)
    for each in (search, again):
        for _progress in each.run():
            pass
    assert again.outcome.failures.keys() == search.outcome.failures.keys()
    assert (again.outcome.states, again.outcome.exhausted) == (search.outcome.states, True)
