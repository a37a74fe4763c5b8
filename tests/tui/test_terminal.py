"""The program on a real terminal, and where there is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

CHECKOUT = Path(__file__).parent.parent.parent
RUN = [sys.executable, "-m", "kvmlab"]
SECONDS = 60
"""As long is waited for anything that has to appear, or to end."""


def terminal(*arguments: str, **more: str) -> pexpect.spawn[str]:
    """Return the program on a terminal of 80x24."""
    environment = {
        **os.environ,
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "PROMPT_TOOLKIT_NO_CPR": "1",  # nobody answers here where the cursor is, which a prompt waits for
        **more,
    }
    child = pexpect.spawn(
        RUN[0],
        [*RUN[1:], *arguments],
        cwd=str(CHECKOUT),
        env=environment,
        dimensions=(24, 80),
        timeout=SECONDS,
        encoding="utf-8",
    )
    child.delaybeforesend = None
    return child


@pytest.mark.parametrize("arguments", [[], ["tui"]])
def test_without_a_terminal_two_lines_say_what_to_use(arguments: list[str]) -> None:
    """A pipe gets no escape sequences: the hint, and exit status 2."""
    done = subprocess.run(
        [*RUN, *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        input="",
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 2
    assert "\x1b" not in done.stderr
    assert "kvmlab run" in done.stderr


def test_a_dumb_terminal_gets_the_hint_too() -> None:
    """TERM=dumb cannot be drawn on."""
    child = terminal(TERM="dumb")
    child.expect("kvmlab run FILE")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2


def test_the_screen_is_drawn_where_stderr_goes_elsewhere(tmp_path: Path) -> None:
    """`kvmlab tui 2>FILE` keeps its screen; the file gets none of it."""
    command = f"{sys.executable} -m kvmlab tui 2>{tmp_path / 'log'}"
    environment = {**os.environ, "TERM": "xterm-256color"}
    child = pexpect.spawn(
        "sh",
        ["-c", command],
        cwd=str(CHECKOUT),
        env=environment,
        dimensions=(24, 80),
        timeout=SECONDS,
        encoding="utf-8",
    )
    child.expect("IRR")
    child.send("quit\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert (tmp_path / "log").read_text() == ""


def test_a_script_is_run_first_and_a_typed_line_after_it(tmp_path: Path) -> None:
    """The panes show what the script did; quit ends the program with status 0."""
    script = tmp_path / "first.kvm"
    script.write_text("machine\neventfd nic-trigger\n")
    child = terminal("tui", str(script))
    child.expect("nic-trigger")
    child.send("quit\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_no_colour_reaches_the_terminal_where_none_is_wanted() -> None:
    """NO_COLOR leaves greys alone: every colour that is sent has three equal parts."""
    child = terminal("tui", NO_COLOR="1")
    child.expect("IRR")
    seen = str(child.before)
    child.send("quit\r")
    child.expect(pexpect.EOF)
    colours = [part.split(";")[:3] for part in seen.split("8;2;")[1:]]
    assert [
        colour
        for colour in colours
        if len({value.rstrip("m") for value in colour}) > 1 and "m" not in colour[0]
    ] == []


@pytest.mark.parametrize(("arguments", "taken"), [((), True), (("--no-mouse",), False)])
def test_the_mouse_is_left_to_the_terminal_where_asked_for(arguments: tuple[str, ...], taken: bool) -> None:
    """Mouse reports are switched on (DECSET 1000) unless --no-mouse says otherwise."""
    child = terminal("tui", *arguments)
    child.expect("IRR")
    seen = str(child.before)
    child.send("quit\r")
    child.expect(pexpect.EOF)
    assert ("\x1b[?1000h" in seen) is taken


def test_settings_are_read_and_what_is_wrong_in_them_is_told(state: Path) -> None:
    """The file of the configuration folder; the command line comes before it."""
    config = state.parent / "config"
    config.mkdir()
    (config / "settings.toml").write_text('theme = "mona"\nfpz = 30\n[keymap]\nquit = "ctrl+y"\n')
    child = terminal("tui", "--theme", "mono", "--layout", "80x24")
    child.expect("IRR")
    child.expect("fpz")
    seen = str(child.before)
    child.send("\x19")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert "mona" not in seen


def test_a_layout_that_there_is_none_of_is_answered_with_those_that_there_are() -> None:
    """A wrong command line is a sentence and exit status 2."""
    done = subprocess.run(
        [*RUN, "tui", "--layout", "tall"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 2
    assert "'tall'" in done.stderr
    assert "200x60" in done.stderr


def test_a_killed_session_is_offered_again(state: Path) -> None:
    """What was said before kill -9 is in the journal, and the next start says how to bring it back."""
    child = terminal("tui")
    child.expect("IRR")
    child.send("eventfd survivor\r")
    child.expect("1/1")
    child.kill(9)
    child.wait()
    again = terminal("tui")
    again.expect("The last session was cut off")
    assert any("survivor" in path.read_text() for path in (state / "journal").glob("*.kvm"))
    again.send("quit\r")
    again.expect(pexpect.EOF)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_screen_as_a_key_does(number: signal.Signals, state: Path) -> None:
    """The terminal gets its own screen back, and the session is offered again."""
    child = terminal("tui")
    child.expect("IRR")
    child.send("eventfd survivor\r")
    child.expect("1/1")
    child.kill(number)
    child.expect_exact("\x1b[?1049l")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 128 + number
    (journal,) = (state / "journal").glob("*.kvm")
    assert "closed" not in journal.read_text()


def test_a_lab_that_is_left_in_the_middle_is_offered_again() -> None:
    """Once something was done in it."""
    child = terminal("tui", "eventfd-counter")
    child.expect("Lab: An eventfd is a counter")
    child.send("write door 5\r")
    child.send("\x11")
    child.expect(pexpect.EOF)
    again = terminal("repl")
    again.expect("left in the middle")
    again.expect("kvm> ")
    again.send("\x04")
    again.expect(pexpect.EOF)


def test_a_lab_is_opened_by_its_name() -> None:
    """So is a scenario; the command that does it is in the log."""
    for word, said in (
        ("eventfd-counter", "Lab: An eventfd is a counter"),
        ("31-edge-masked", "unmasking does"),
    ):
        child = terminal("tui", word)
        child.expect(said)
        child.send("quit\r")
        child.expect(pexpect.EOF)


def test_what_is_not_there_is_answered_with_the_nearest_word() -> None:
    """Before anything is drawn, by exit status 2."""
    child = terminal("tui", "eventfd-countr")
    child.expect("no lab, scenario or file is called 'eventfd-countr'; did you mean 'eventfd-counter'?")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2
