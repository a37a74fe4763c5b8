"""Line mode: a pipe in, plain text out, and an exit status."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from kvmlab.cli import make_session
from kvmlab.repl.plain import run_plain
from tests.round_trip import ROUND_TRIP


def say(text: str) -> tuple[int, list[str]]:
    """Return the exit status and the output of a piped session."""
    out = io.StringIO()
    status = run_plain(make_session(), io.StringIO(text), out)
    return status, out.getvalue().splitlines()


def test_a_whole_round_trip_holds() -> None:
    """The script of the language's contract, through the prompt's line mode."""
    status, lines = say(ROUND_TRIP)
    assert status == 0
    assert lines.count("held") == 4
    assert "→ 0x41" in lines


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 0),
        ("# only a comment\n\n", 0),
        ("eventfd a\nread a\n", 0),
        ("eventfd a\nexpect eventfd.a.count == 1\n", 1),
        ("reed a\n", 2),
        ("eventfd a\nexpect eventfd.a.count == 1\nreed a\n", 2),
        ("eventfd a\nexpect eventfd.a.count == 0", 0),
        ("quit\nreed a\n", 0),
    ],
)
def test_the_exit_status_is_the_worst_that_happened(text: str, status: int) -> None:
    """0 held, 1 an expectation did not, 2 wrong text; a kernel's no is none of these."""
    assert say(text)[0] == status


def test_commands_are_repeated_and_answered() -> None:
    """The output of a pipe reads as a session."""
    _status, lines = say("eventfd a; write a 3\nread a\nread a\n")
    assert lines[:4] == ["kvm> eventfd a; write a 3", "→ 0", "→ 0", "kvm> read a"]
    assert lines[4] == "→ 3"
    assert lines[6].startswith("→ -1 EAGAIN: ")


def test_wrong_text_runs_nothing_of_its_line_and_the_next_line_follows() -> None:
    """Line, column, caret, and on."""
    _status, lines = say("eventfd a\nwrite a; wriet a\nread a\n")
    error = lines.index("2:10: no command is called 'wriet'; did you mean 'write'?")
    assert lines[error + 1] == "write a; wriet a"
    assert lines[error + 2].startswith("         ^")
    assert lines[error + 4].startswith("→ -1 EAGAIN")


def test_bytes_that_are_no_text_are_refused_with_their_column() -> None:
    """A damaged pipe is no traceback, and the lines around it run."""
    source = io.TextIOWrapper(io.BytesIO(b"eventfd a\nread \xff\x00\nread a\n"), encoding="utf-8")
    out = io.StringIO()
    assert run_plain(make_session(), source, out) == 2
    assert "2:6: " in out.getvalue()
    assert "EAGAIN" in out.getvalue()
    source.close()


def test_a_terminal_that_cannot_show_an_arrow_is_shown_something() -> None:
    """Output is replaced, not refused, where the encoding lacks a character."""
    data = io.BytesIO()
    out = io.TextIOWrapper(data, encoding="ascii")
    assert run_plain(make_session(), io.StringIO("eventfd a\n"), out) == 0
    assert data.getvalue() == b"kvm> eventfd a\n? 0\n"
    out.close()


def test_the_journal_of_a_session_is_a_script_that_brings_it_back(state: Path, tmp_path: Path) -> None:
    """What was said, sourced files in place, without what ends a session or writes a file."""
    script = tmp_path / "setup.kvm"
    script.write_text("eventfd a\nwrite a 7\n")
    say(f'source "{script}"\nreed\nsave "{tmp_path / "saved.kvm"}"\nread a; quit\n')
    (journal,) = (state / "journal").iterdir()
    said = journal.read_text().splitlines()
    assert said == [
        "machine kernel=linux-3.6 api=eoifd-v7",
        "eventfd a",
        "write a 7",
        "read a",
        "",
        "# closed",
    ]
    status, lines = say(f'source "{journal}"\nexpect eventfd.a.count == 0\n')
    assert status == 0
    assert "→ 7" in lines


def test_a_state_folder_that_cannot_be_written_costs_only_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands run, and a pipe is not told about journals."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KVMLAB_STATE_DIR", str(tmp_path / "file"))
    assert say("eventfd a\n") == (0, ["kvm> eventfd a", "→ 0"])


def test_line_mode_loads_no_terminal_library() -> None:
    """A pipe does not wait for what it never uses."""
    code = (
        "import io, sys; from kvmlab.cli import make_session; from kvmlab.repl.plain import run_plain;"
        "run_plain(make_session(), io.StringIO('info ioapic\\n'), io.StringIO());"
        "print([m for m in ('prompt_toolkit', 'rich', 'textual', 'tomllib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


class Terminal(io.StringIO):
    """A text that says it is typed at a bare terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def type_at_a_bare_terminal(text: str) -> tuple[int, str]:
    """Return the exit status and what a bare terminal shows beside what is typed."""
    out = io.StringIO()
    status = run_plain(make_session(), Terminal(text), out)
    return status, out.getvalue()


def test_a_question_at_a_bare_terminal_lists_what_may_follow_and_runs_nothing() -> None:
    """Also with a name half-way, and where nothing more fits; the line is no wrong text."""
    status, shown = type_at_a_bare_terminal(
        "eventfd nic\nirqfd ?\nirqfd nic gsi=11 ?\nclose n?\nquit ?\npoll nic\n"
    )
    assert status == 0
    assert "kvm> may follow\n" in shown and "nothing more may follow" in shown
    assert "deassign" in shown and "level" in shown
    assert shown.count("→") == 2


@pytest.mark.parametrize("text", ["eventfd a # why?", 'eventfd "a?'])
def test_a_question_in_a_comment_or_a_quote_asks_nothing(text: str) -> None:
    """It belongs to the line, which runs or is wrong text."""
    assert "may follow" not in type_at_a_bare_terminal(text + "\n")[1]


def test_a_question_from_a_pipe_is_wrong_text() -> None:
    """Nobody reads the answer there; a script says what it does."""
    assert say("eventfd ?\n")[0] == 2
