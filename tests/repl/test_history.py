"""The history file: what is kept, how much, and what cannot break it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kvmlab import past
from kvmlab.past import HistoryFile
from kvmlab.repl.history import SavedHistory


def test_lines_are_kept_in_order(tmp_path: Path) -> None:
    """What one session says, the next one has."""
    file = HistoryFile(tmp_path / "state" / "history", 10)
    file.add("machine")
    file.add("eoi")
    assert HistoryFile(file.path, 10).load() == ["machine", "eoi"]


@pytest.mark.parametrize("text", ["", "  ", " read secret", "eoi"])
def test_private_empty_and_repeated_lines_are_not_kept(tmp_path: Path, text: str) -> None:
    """A blank in front keeps a line out."""
    file = HistoryFile(tmp_path / "history", 10)
    file.add("eoi")
    file.add(text)
    assert file.load() == ["eoi"]


def test_only_the_newest_lines_count_and_the_file_is_cut_down(tmp_path: Path) -> None:
    """The file never holds more than twice what is wanted."""
    file = HistoryFile(tmp_path / "history", 3)
    for number in range(7):
        file.add(f"read n{number}")
    assert file.load() == ["read n4", "read n5", "read n6"]
    assert file.path.read_text().count("\n") == 3


@pytest.mark.parametrize("size", [0, 1])
def test_a_small_history_is_small(tmp_path: Path, size: int) -> None:
    """Size 0 keeps nothing."""
    file = HistoryFile(tmp_path / "history", size)
    file.add("machine")
    file.add("eoi")
    assert file.load() == ["eoi"][:size]


@pytest.mark.parametrize("text", ["eoi\neoi", "eoi\r", "read \ud800", "# \u2028"])
def test_any_line_is_one_line(tmp_path: Path, text: str) -> None:
    """Pasted newlines and lone surrogates do not break the file."""
    file = HistoryFile(tmp_path / "history", 10)
    file.add(text)
    file.add("take")
    assert len(file.load()) == 2


def test_a_file_of_any_bytes_can_be_loaded(tmp_path: Path) -> None:
    """Damage costs single characters."""
    file = HistoryFile(tmp_path / "history", 10)
    file.path.write_bytes(b"machine\n\xff\xfe\0\neoi\n")
    assert file.load()[0] == "machine"
    assert file.load()[-1] == "eoi"


def test_the_prompt_reads_the_newest_first_and_survives_a_folder_in_its_place(tmp_path: Path) -> None:
    """What cannot be used costs only itself."""
    file = HistoryFile(tmp_path / "history", 10)
    file.add("machine")
    file.add("eoi")
    assert list(SavedHistory(file).load_history_strings()) == ["eoi", "machine"]
    broken = SavedHistory(HistoryFile(tmp_path, 10))
    assert list(broken.load_history_strings()) == []
    broken.store_string("eoi")


def test_a_file_without_end_is_no_history(tmp_path: Path) -> None:
    """A device or a pipe in its place is neither read for ever nor waited for."""
    (tmp_path / "device").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    assert HistoryFile(tmp_path / "device", 10).load() == []
    file = HistoryFile(tmp_path / "pipe", 10)
    assert file.load() == []
    file.add("eoi")


def test_of_a_huge_file_the_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is cut down to that: a line that is cut in two is left out."""
    monkeypatch.setattr(past, "LARGEST", 15)
    path = tmp_path / "history"
    path.write_text("first line\nsecond\nthird\n")
    assert HistoryFile(path, 10).load() == ["second", "third"]
    assert path.read_text() == "second\nthird\n"
