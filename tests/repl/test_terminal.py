"""The program on a real terminal: what reaches the screen and the disk, byte for byte."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pytest

COLOUR = re.compile(r"\x1b\[[0-9;]*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")
"""A sequence that sets a foreground or a background."""

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Any sequence that sets a style, moves the cursor or asks for it."""

WHERE, HERE = "\x1b[6n", "\x1b[1;1R"
"""What a new prompt asks of its terminal, the place of the cursor, and a terminal's answer."""

TOOLBAR = "quiescent"
"""Painted once the terminal has answered: from here on keys are read."""

RUN = [sys.executable, "-m", "kvmlab"]


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of a user with a capable terminal."""
    return {**os.environ, "TERM": "xterm-256color", **changes}


@contextmanager
def terminal(*arguments: str, **changes: str) -> Iterator[Any]:
    """Give kvmlab on a terminal."""
    child = pexpect.spawn(
        RUN[0],
        [*RUN[1:], "repl", *arguments],
        env=environment(**changes),
        dimensions=(24, 80),
        timeout=60,
        encoding="utf-8",
    )
    child.delaybeforesend = None
    try:
        yield child
    finally:
        child.close(force=True)


def stands(child: Any) -> str:
    """Wait until a new prompt stands, as the terminal it asks; return what was painted so far."""
    child.expect_exact(WHERE)
    painted = str(child.before)
    child.send(HERE)
    child.expect(TOOLBAR)
    return painted + str(child.before)


def say(child: Any, line: str, answer: str) -> None:
    """Type a line at a prompt that stands, wait for the next prompt, and look for a line that answers.

    It is looked for in what has come when the next prompt stands: a pattern with a wildcard would
    take the prompt's question with it whenever both arrive at once.
    """
    child.send(line + "\r")
    assert answer in ESCAPE.sub("", stands(child)).splitlines()


def end(child: Any) -> int:
    """Press Ctrl+D and return the exit status."""
    child.send("\x04")
    child.expect(pexpect.EOF)
    child.close()
    return int(child.exitstatus)


def test_a_session_is_typed_and_remembered(state: Path) -> None:
    """Commands run, Ctrl+C clears a line, Ctrl+D ends, and the history is on disk."""
    with terminal() as child:
        stands(child)
        say(child, "eventfd a", "→ 0")
        say(child, "read nonsense\x03write a 5; read a", "→ 5")
        assert end(child) == 0
    assert (state / "history").read_text() == "eventfd a\nwrite a 5; read a\n"


def test_a_command_that_runs_long_can_be_interrupted(tmp_path: Path) -> None:
    """Ctrl+C stops a long script and says so; the session goes on from where the script began."""
    script = tmp_path / "long.kvm"
    script.write_text("write a 1\n" * 200_000)
    with terminal() as child:
        stands(child)
        child.send(f"eventfd a; source {script}\r")
        child.expect_exact("→")
        child.sendintr()
        child.expect_exact("interrupted")
        stands(child)
        say(child, "expect eventfd.a.count == 0", "held")
        say(child, "write a 3; undo 2; redo 2; read a", "→ 3")
        assert end(child) == 0


def test_lines_that_are_pasted_at_once_are_run_one_by_one(state: Path) -> None:
    """Each is shown before its answer and remembered by itself; a wrong one does not stop the rest."""
    with terminal() as child:
        stands(child)
        child.send("\x1b[200~eventfd a\n# text\nreed a\nread a\x1b[201~")
        say(child, "", "→ -1 EAGAIN: the counter is 0, and the fd does not block")
        assert end(child) == 0
    assert (state / "history").read_text() == "eventfd a\n# text\nreed a\nread a\n"


def test_kill_9_loses_nothing_and_the_next_start_offers_the_journal(state: Path) -> None:
    """The journal holds what was run, and its path is shown."""
    with terminal() as child:
        stands(child)
        say(child, "eventfd precious", "→ 0")
        child.kill(signal.SIGKILL)
    (journal,) = (state / "journal").glob("*.kvm")
    assert journal.read_text().splitlines()[1:] == ["eventfd precious"]
    with terminal() as child:
        assert journal.name in stands(child).replace("\r\n", "")
        say(child, f'source "{journal}"', "> eventfd precious")
        say(child, "write precious", "→ 0")
        assert end(child) == 0


@pytest.mark.parametrize(("changes", "colours"), [({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)])
def test_no_color_sends_no_colour(changes: dict[str, str], colours: bool) -> None:
    """Not one colour sequence, with NO_COLOR; and the same session has some without."""
    with terminal(COLORTERM="truecolor", **changes) as child:
        seen = stands(child)
        child.send("eventfd a; info eventfds; read a; expect eventfd.a.count == 1; nonsense")
        child.send("\x15eventfd a; info eventfds; read a; expect eventfd.a.count == 1\r")
        child.expect("FAILED")
        seen += child.before
        seen += stands(child)
        assert end(child) == 0
    assert bool(COLOUR.search(seen)) == colours


@pytest.mark.parametrize(("arguments", "changes"), [(("--plain",), {}), ((), {"TERM": "dumb"})])
def test_a_bare_terminal_gets_line_mode(arguments: tuple[str, ...], changes: dict[str, str]) -> None:
    """No escape sequence at all, for screen readers and editors."""
    with terminal(*arguments, **changes) as child:
        child.expect("kvm>")
        seen = child.before
        child.send("eventfd a\r")
        child.expect_exact("→ 0")
        seen += child.before
        child.expect_exact("kvm>")
        assert end(child) == 0
    assert "\x1b" not in seen


def test_a_pipe_gets_line_mode_and_its_exit_status() -> None:
    """Standard input decides; the output has no escape sequence."""
    done = subprocess.run(
        [*RUN, "repl"],
        input="eventfd a\nexpect eventfd.a.count == 1\n",
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == (
        "kvm> eventfd a\n→ 0\nkvm> expect eventfd.a.count == 1\nFAILED: eventfd.a.count is 0\n"
    )
    assert done.stderr == ""
