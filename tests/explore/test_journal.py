"""A search that was stopped goes on where its journal ends, and finds what one search finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kvmlab.explore import journal
from kvmlab.explore.explorer import Explorer
from kvmlab.explore.verdict import Asked
from tests.explore.stand import FREED, SMALL, explored, explorer, said, things

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
    [(FREED, SECTION, 2), (FREED, SECTION, 7), (SMALL, PLAIN, 5), (SMALL, Asked(), 10)],
)
def test_it_ends_as_one_search_does(
    lines: tuple[str, ...], asked: Asked, slices: int, tmp_path: Path
) -> None:
    """The same states, transitions and things found, wherever it was stopped."""
    path = tmp_path / "deep" / "journal.json"
    left(asked, slices, path, lines)
    whole, second = explored(said(*lines), asked), gone_on(asked, path, lines).report()
    assert things(second) == things(whole)
    assert second.verdict.extent == "exhausted"
    assert (second.verdict.states, second.verdict.transitions) == (
        whole.verdict.states,
        whole.verdict.transitions,
    )


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
        ({"format": "else"}, "it is a journal of 'else' version 1"),
        ({"version": 2}, "version 2, not 'kvmlab explore' 1"),
        ({"of": "another"}, "another scenario"),
        ({"moves": [[0, 0, 1]]}, "damaged"),
        ({"moves": [[7, 1, 1]]}, "damaged"),
        ({"moves": "no"}, "damaged"),
        ({"names": ["user"]}, "damaged"),
        ({"waiting": [10_000]}, "damaged"),
        ({"found": [["kind"]]}, "damaged"),
    ],
)
def test_what_is_no_journal_of_this_search_is_refused(
    change: dict[str, Any], why: str, tmp_path: Path
) -> None:
    """With a sentence; a cap of its own is no other search."""
    path = tmp_path / "journal.json"
    left(SECTION, 2, path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=why):
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

    monkeypatch.setattr(json, "dump", full)
    with pytest.raises(OSError, match="No space"):
        journal.write(path, exploring, "other")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
