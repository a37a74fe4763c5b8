"""The journal: on disk before a command runs, offered when its session was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kvmlab.journal import CLOSED, KEPT, Journal

WRITER = """
import sys
from pathlib import Path
from kvmlab.journal import Journal
journal = Journal(Path(sys.argv[1]), "machine kernel=linux-3.6 api=eoifd-v7")
journal.add("eventfd trigger")
print("written", flush=True)
sys.stdin.read()
"""


def writer(folder: Path) -> subprocess.Popen[str]:
    """Return another process that has written a journal and waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process as kill -9 does."""
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def lost(folder: Path) -> list[Path]:
    """Return what a new session would be offered; that session is then killed too."""
    journal = Journal(folder)
    journal._file.close()
    journal.path.unlink()
    return journal.lost


def test_a_killed_session_has_lost_nothing(tmp_path: Path) -> None:
    """kill -9 leaves every command that was said, behind the machine it was said to."""
    end(writer(tmp_path))
    (path,) = lost(tmp_path)
    assert path.read_text() == "machine kernel=linux-3.6 api=eoifd-v7\neventfd trigger\n"


def test_a_session_that_still_runs_is_not_offered(tmp_path: Path) -> None:
    """Two sessions at once leave each other's journal alone."""
    process = writer(tmp_path)
    try:
        assert lost(tmp_path) == []
    finally:
        end(process)


def test_a_lost_journal_is_offered_until_a_session_ends_by_itself(tmp_path: Path) -> None:
    """A second crash does not hide the first one's journal; a clean end settles both."""
    end(writer(tmp_path))
    assert len(lost(tmp_path)) == 1
    journal = Journal(tmp_path)
    assert len(journal.lost) == 1
    journal.close()
    assert lost(tmp_path) == []


def test_a_session_without_commands_leaves_no_file(tmp_path: Path) -> None:
    """Starting and quitting is nothing to keep."""
    Journal(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_old_closed_journals_are_removed_and_open_ones_never(tmp_path: Path) -> None:
    """The folder does not grow for ever."""
    for number in range(KEPT + 5):
        (tmp_path / f"2026{number:04}.kvm").write_bytes(b"machine\n" + CLOSED)
    (tmp_path / "2025.kvm").write_text("machine\neoi\n")
    assert [path.name for path in lost(tmp_path)] == ["2025.kvm"]
    assert len(list(tmp_path.iterdir())) == KEPT + 1


def test_a_folder_that_cannot_be_written_is_an_oserror(tmp_path: Path) -> None:
    """The caller says so and goes on without a journal."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Journal(tmp_path / "file" / "journal")


def test_what_was_interrupted_is_forgotten(tmp_path: Path) -> None:
    """The journal is as long as it was, and its first line is written again when it has to be."""
    journal = Journal(tmp_path, "machine")
    place = journal.place()
    journal.add("eventfd a")
    journal.return_to(place)
    assert journal.path.read_text() == ""
    journal.add("eventfd b")
    place = journal.place()
    journal.add("eventfd c")
    journal.return_to(place)
    journal.close()
    assert journal.path.read_text() == "machine\neventfd b\n\n# closed\n"


def test_a_pipe_among_the_journals_is_not_waited_for(tmp_path: Path) -> None:
    """It is no journal."""
    os.mkfifo(tmp_path / "odd.kvm")
    journal = Journal(tmp_path)
    assert journal.lost == []
    journal.close()
