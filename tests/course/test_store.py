"""What is kept of a learner: whole, through kills, other sessions and files that are none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kvmlab.course.lab import Head
from kvmlab.course.standing import Score
from kvmlab.course.store import Store

HEAD = Head("small", "A small lab", 1, (), 3, ("a", "b"))

WRITER = """
import sys
from kvmlab.course.store import Store
store = Store()
for number in range(int(sys.argv[2])):
    why = store.reached(sys.argv[1], f"goal-{number}")
    assert not why, why
    print(number, flush=True)
"""


def test_progress_is_derived_from_the_goals_there_are() -> None:
    """A goal that is new opens a lab again; what is unknown is kept, and not counted."""
    store = Store()
    assert store.state(HEAD) == "new"
    store.began("small")
    assert store.state(HEAD) == "open"
    store.reached("small", "a")
    store.reached("small", "b")
    assert store.state(HEAD) == "open", "goals from several tries are no way to all of them"
    store.solved("small", Score(1, 5), ("write bell",))
    store.reached("gone", "x")
    assert store.state(HEAD) == "done"
    more = Head("small", "", 1, (), 3, ("a", "b", "new"))
    assert store.state(more) == "open"
    assert "gone" in Store().labs()


def test_the_best_score_stays_and_the_highest_rung() -> None:
    """And the way that the score is of."""
    store = Store()
    for score, way in ((Score(1, 9), ("nine",)), (Score(1, 5), ("five",)), (Score(2, 3), ("three",))):
        store.solved("small", score, way)
    for rung in (1, 3, 2):
        store.hinted("small", "a", rung)
    entry = store.labs()["small"]
    assert entry["best"] == {"switches": 1, "steps": 5}
    assert entry["schedule"] == ["five"]
    assert entry["hints"] == {"a": 3}


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "nul",
        '{"format": 1}', '{"format": 1, "labs": {"a": 3}}', '{"format": "1", "labs": {}}',
        '{"format": 1, "labs": {"a": {"goals": []}}}', '{"format": 1, "labs": {"a": {"best": {"steps": 1}}}}',
        '{"format": 1, "labs": {"a": {"schedule": [1]}}}', '{"format": 1, "labs": {"a": {"attempts": "1"}}}',
        "[" * 100_000, "\xff\xfe",
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_moved_aside_and_told(text: str) -> None:
    """Nothing is lost: each such file has a name of its own."""
    store = Store()
    store.path.parent.mkdir(parents=True)
    for number, name in enumerate(("progress.json.bak", "progress.json.bak.2", "progress.json.bak.3"), 1):
        store.path.write_bytes(text.encode("latin-1"))
        if number == 2:
            assert store.labs() == {}
        store.reached("small", "a")
        assert (store.path.parent / name).read_bytes() == text.encode("latin-1")
        assert len(store.notices) == number
        assert f"it is now {name}" in store.notices[-1]
        assert list(store.labs()) == ["small"]


def test_a_file_of_a_newer_kvmlab_is_left_alone() -> None:
    """It is told once that nothing is kept."""
    store = Store()
    store.path.parent.mkdir(parents=True)
    store.path.write_text('{"format": 2, "labs": []}', encoding="utf-8")
    assert "is of a newer kvmlab" in store.reached("small", "a")
    assert store.reached("small", "b") == ""
    assert store.labs() == {}
    assert store.path.read_text(encoding="utf-8") == '{"format": 2, "labs": []}'


def test_where_nothing_can_be_written_it_is_told_and_the_lab_goes_on(tmp_path: Path) -> None:
    """A sentence, no traceback, and once."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    store = Store(tmp_path / "file" / "progress.json")
    assert store.reached("small", "a").startswith("progress is not kept: ")
    assert store.reached("small", "b") == ""
    assert store.labs() == {}


def test_sessions_at_once_lose_nothing_of_each_other() -> None:
    """Three processes write thirty goals each, and all ninety are there."""
    argv = [sys.executable, "-c", WRITER]
    running = [subprocess.Popen([*argv, name, "30"], stdout=subprocess.DEVNULL) for name in "abc"]
    assert [each.wait(120) for each in running] == [0, 0, 0]
    labs = Store().labs()
    assert {name: len(labs[name]["goals"]) for name in labs} == {"a": 30, "b": 30, "c": 30}


def test_a_kill_leaves_a_whole_file() -> None:
    """What was told to be kept is kept; the next session can write."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, "small", "1000000"], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for _ in range(40):
        last = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    store = Store()
    assert f"goal-{last}" in json.loads(store.path.read_text(encoding="utf-8"))["labs"]["small"]["goals"]
    assert store.reached("small", "next") == ""
    assert store.notices == []
