"""The prompt's logic: keys in, commands run, rows shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from kvmlab.cli import make_session
from kvmlab.journal import Journal
from kvmlab.language.command import Command
from kvmlab.render.cells import Row
from kvmlab.render.plain import plain_lines
from kvmlab.repl.adapters import LanguageCompleter
from kvmlab.repl.prompt import Prompt, status_line
from kvmlab.result import Result
from kvmlab.session import Session

END, CANCEL, TAB, RIGHT, ENTER = "\x04", "\x03", "\t", "\x1b[C", "\r"
F12 = "\x1b[24~"


class Recorded(Prompt):
    """A prompt that keeps what it shows."""

    shown: list[str]

    def _show(self, rows: list[Row]) -> None:
        self.__dict__.setdefault("shown", []).extend(plain_lines(rows))


@contextmanager
def prompt(session: Session | None = None, screen: bool = False) -> Iterator[tuple[Recorded, PipeInput]]:
    """Give a prompt over a session, and the keyboard it reads."""
    session = session or make_session()
    with create_pipe_input() as keyboard:
        made = Recorded(lambda: session, keyboard, DummyOutput(), screen=screen)
        try:
            yield made, keyboard
        finally:
            made.close()


def type_in(keys: str, session: Session | None = None) -> list[str]:
    """Return what a session shows for some keys, after its greeting; Ctrl+D is pressed last."""
    with prompt(session) as (made, keyboard):
        keyboard.send_text(keys + END)
        made.run()
        return [text for text in made.shown if not text.startswith("kvmlab:")]


def test_a_line_is_run_and_answered() -> None:
    """Enter runs what stands there."""
    assert type_in("eventfd a\rwrite a 3\rread a\r") == ["→ 0", "→ 0", "→ 3"]


def test_ctrl_d_ends_the_session_and_so_does_quit() -> None:
    """Nothing behind either of them runs."""
    assert type_in("quit\reventfd a\r") == []


def test_f12_goes_back_to_the_screen_that_opened_the_prompt() -> None:
    """And is said to; where there is no screen it does nothing, and nobody speaks of one."""
    for screen in (True, False):
        with prompt(screen=screen) as (made, keyboard):
            keyboard.send_text(f"eventfd a\rwrite a{F12}\rread a\r{END}")
            made.run()
        assert ("F12 or Ctrl+D goes back to the screen" in made.shown[0]) == screen
        assert made.shown[1:] == (["→ 0"] if screen else ["→ 0", "→ 0", "→ 1"])


def test_ctrl_c_clears_the_line() -> None:
    """What was typed is not run, and the next line is."""
    shown = type_in("eventfd a" + CANCEL + "eventfd b\rread a\r")
    assert shown[0] == "→ 0"
    assert "no eventfd is called 'a'" in shown[1]


def test_tab_completes_a_live_name() -> None:
    """A name that exists completes the word at the cursor."""
    with prompt() as (made, keyboard):
        buffer = made._prompt.default_buffer

        def go_on(_buffer: object) -> None:
            if buffer.text == "write trigger ":
                keyboard.send_text(ENTER + END)

        buffer.on_text_changed += go_on
        keyboard.send_text("eventfd trigger" + ENTER + "write tri" + TAB)
        made.run()
    assert made.shown[-2:] == ["→ 0", "→ 0"]


def test_the_ghost_text_of_a_former_line_can_be_taken() -> None:
    """The right arrow takes the rest of the line that history suggests."""
    with prompt() as (made, keyboard):
        buffer = made._prompt.default_buffer

        def take(_buffer: object) -> None:
            if buffer.text == "wri" and buffer.suggestion and buffer.suggestion.text:
                keyboard.send_text(RIGHT + ENTER + "read a" + ENTER + END)

        buffer.on_suggestion_set += take
        keyboard.send_text("eventfd a" + ENTER + "write a 3" + ENTER + "wri")
        made.run()
    assert made.shown[-1] == "→ 6"


def test_a_question_mark_lists_what_may_follow_and_keeps_the_line() -> None:
    """`?` is help in place, and the line goes on behind it."""
    shown = type_in("eventfd trigger\rwrite ?trigger\r")
    assert shown[0] == "→ 0"
    assert shown[1].split() == ["may", "follow"]
    assert any(text.startswith("trigger ") for text in shown)
    assert shown[-1] == "→ 0"


@pytest.mark.parametrize("text", ["eventfd a # why?", 'source "a?"'])
def test_a_question_mark_in_a_comment_or_a_quote_is_a_character(text: str) -> None:
    """Help is for commands only."""
    assert not any("may follow" in shown for shown in type_in(text + ENTER))


def test_wrong_text_is_shown_with_its_caret() -> None:
    """The place, the nearest word, and the line with a caret."""
    shown = type_in("wriet a\r")
    assert shown[0] == "column 1: no command is called 'wriet'; did you mean 'write'?"
    assert shown[2].startswith("^")


def test_what_is_wrong_when_a_command_runs_is_shown_with_its_line() -> None:
    """Also where the text could be read, and its file can't."""
    shown = type_in("reset\rsource nowhere.kvm\r")
    assert shown[-3] == "column 1: 'nowhere.kvm' cannot be read: No such file or directory"
    assert shown[-2:] == ["source nowhere.kvm", "^"]


def test_an_interrupted_command_is_said_to_be_so_and_taken_back() -> None:
    """Ctrl+C while a command runs stops it, and the next line finds the machine as it was."""

    def interrupted(session: Session, command: Command) -> Result:
        session.backend.perform("write", {"name": "a", "value": 5})
        raise KeyboardInterrupt

    session = make_session()
    session.handlers["help"] = interrupted
    shown = type_in("eventfd a\rhelp\rexpect eventfd.a.count == 0\r", session)
    assert shown == ["→ 0", "interrupted: what had not finished is taken back", "held"]


def test_lines_are_remembered_by_the_next_session(state: Path) -> None:
    """History is on disk as lines are accepted; a private line is not."""
    type_in("eventfd a\r eventfd b\r")
    assert (state / "history").read_text() == "eventfd a\n"
    assert type_in("\x1b[A\r") == ["→ 0"]


def test_a_lost_journal_is_offered_by_its_path(state: Path) -> None:
    """The session that was killed can be brought back with one line."""
    lost = Journal(state / "journal")
    lost.path.write_text("machine\neventfd a\n")
    lost._file.close()
    path = lost.path.rename(lost.path.with_name("2020.kvm"))
    with prompt() as (made, keyboard):
        keyboard.send_text(f'source "{path}"\rwrite a\r' + END)
        made.run()
    assert f'  source "{path}"' in made.shown
    assert made.shown[-1] == "→ 0"


def test_wrong_settings_are_said_and_the_prompt_stands(tmp_path: Path) -> None:
    """A broken configuration costs its keys."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings.toml").write_text('theme = "none"\ncolour = 1\n')
    with prompt() as (made, keyboard):
        keyboard.send_text("eventfd a\r" + END)
        made.run()
    assert "settings.toml:2: colour: no such setting; there are theme, history_size, " in made.shown[0]
    assert "settings.toml:1: theme: no theme is called 'none'; there is amber, " in made.shown[1]
    assert made.shown[-1] == "→ 0"


def test_completions_carry_their_descriptions() -> None:
    """The menu says what each word is."""
    session = make_session()
    document = Document("irqf")
    (found,) = LanguageCompleter(session).get_completions(document, CompleteEvent())
    assert (found.text, found.display_text, found.start_position) == ("irqfd ", "irqfd", -4)
    assert found.display_meta_text


@pytest.mark.parametrize(("text", "cursor", "inserted"), [("irqfd a gs", 10, "gsi="), ("irqf a", 4, "irqfd")])
def test_a_blank_follows_only_a_word_that_is_whole(text: str, cursor: int, inserted: str) -> None:
    """A key waits for its value, and a word in the middle of a line has its blank already."""
    session = make_session()
    session.scope.add("eventfd", "a")
    (found,) = LanguageCompleter(session).get_completions(Document(text, cursor), CompleteEvent())
    assert found.text == inserted


def test_the_toolbar_names_the_machine_and_its_mode() -> None:
    """Kernel, api, mode, and whether anything waits."""
    session = make_session()
    assert status_line(session) == " linux-3.6 · eoifd-v7 · auto · quiescent"
