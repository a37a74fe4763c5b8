"""A command that is interrupted has done nothing: machine, history, names and counts are as before."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kvmlab import history
from kvmlab.cli import make_session
from kvmlab.journal import Journal
from kvmlab.language.command import Command
from kvmlab.language.parse import parse_line
from kvmlab.place import Place, slices
from kvmlab.render.cells import Row
from kvmlab.render.plain import plain_lines
from kvmlab.result import Handler, Result, drained
from kvmlab.session import Session
from kvmlab.shell import Shell


def seen(session: Session) -> tuple[Any, ...]:
    """Return everything of a session that a person can see."""
    past = session.history
    return (
        session.snapshot(),
        (past.position, [unit.text for unit in past.units], dict(past.marks)),
        dict(session.scope.names("eventfd")),
        (session.tally.held, session.tally.failed, list(session.texts), session.last),
    )


def say(session: Session, text: str) -> None:
    """Run a line."""
    for command in parse_line(text, session.scope):
        session.execute(command)


@pytest.fixture
def session() -> Session:
    """A session with a past: units done and undone, a mark, a property."""
    session = make_session()
    say(session, "eventfd a; write a 3; mark here; write a 4; never eventfd.a.count == 99; undo")
    return session


@pytest.mark.parametrize(
    "text",
    [
        "write a 5; write a 6",
        "undo 2",
        "undo 2; write a 1; eventfd c",
        "redo; write a 5; undo 3; write a 9",
        "machine vcpus=2; eventfd z; write z",
        "write a 1; machine; eventfd a; undo",
        "mark there; expect eventfd.a.count == 3; always eventfd.a.count == 0",
    ],
)
def test_a_session_is_brought_back_whole(text: str, session: Session) -> None:
    """Whatever was done, undone or made anew meanwhile; and what could be redone still can."""
    before = seen(session)
    place = Place(session)
    say(session, text)
    assert seen(session) != before
    assert place.restore()
    assert seen(session) == before
    say(session, "redo; expect eventfd.a.count == 7")
    assert session.tally.failed == 0


def test_more_units_than_a_history_keeps_are_told(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the oldest moment that is left is reached, and nobody is told that it is the right one."""
    monkeypatch.setattr(history, "KEPT", 20)
    place = Place(session)
    say(session, "write a; " * 60)
    assert not place.restore()
    assert session.history.position == session.history.first > 0


def interrupted_after(count: int) -> Handler:
    """Return a handler that does units, as `source` does, and is interrupted by Ctrl+C."""

    def handle(session: Session, command: Command) -> Result:
        for _ in range(count):
            say(session, "write a")
        raise KeyboardInterrupt

    return handle


@pytest.fixture
def shell(session: Session, tmp_path: Path) -> Iterator[Callable[[bool], tuple[Shell, list[str], Path]]]:
    """Give what makes a shell, its output and its journal, where `source` is interrupted."""
    session.handlers["source"] = interrupted_after(3)
    journals: list[Journal] = []

    def make(typed: bool) -> tuple[Shell, list[str], Path]:
        shown: list[str] = []
        journals.append(Journal(tmp_path))

        def show(rows: list[Row]) -> None:
            shown.extend(plain_lines(rows))

        return Shell(session, show, journals[-1], typed=typed), shown, journals[-1].path

    yield make
    for journal in journals:
        journal.close()


def test_an_interrupted_command_leaves_no_trace_where_a_person_types(
    shell: Callable[[bool], tuple[Shell, list[str], Path]],
) -> None:
    """What the line did before it stays, the rest of the line does not run, the journal says so too."""
    made, shown, journal = shell(True)
    assert made.run_line("write a 2; source x; write a 50")
    assert made.run_line("read a")
    assert shown == ["→ 0", "interrupted: what had not finished is taken back", "→ 5"]
    assert journal.read_text().splitlines()[1:] == ["write a 2", "read a"]


def test_an_interrupt_ends_a_pipe(shell: Callable[[bool], tuple[Shell, list[str], Path]]) -> None:
    """Nobody is there to go on."""
    made, _shown, _journal = shell(False)
    with pytest.raises(KeyboardInterrupt):
        made.run_line("source x")


def press_ctrl_c(session: Session, command: Command) -> Result:
    """Perform a unit in whose middle Ctrl+C is pressed."""
    say(session, "write a 20")
    signal.raise_signal(signal.SIGINT)
    say(session, "write a 30")
    return Result(command)


@pytest.mark.parametrize(("verb", "count"), [("undo", 53), ("run", 23)])
def test_only_what_runs_long_is_stopped_in_its_middle(verb: str, count: int, session: Session) -> None:
    """An undo comes to its end first; a run does not. Either way the interrupt is raised."""
    session.handlers[verb] = press_ctrl_c
    (command,) = parse_line(verb, session.scope)
    with pytest.raises(KeyboardInterrupt):
        drained(slices(session, command))
    assert session.snapshot().eventfds is not None
    say(session, f"expect eventfd.a.count == {count}")
    assert session.tally.failed == 0


def test_ctrl_c_at_any_moment_of_an_undo_leaves_the_session_as_it_was(session: Session) -> None:
    """Wherever it falls: the machine is the same, and so is what can be undone and redone."""
    say(session, "write a; " * 300)
    before = seen(session)
    shell = Shell(session, lambda _rows: None)
    previous = signal.signal(signal.SIGALRM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))
    try:
        for moment in range(1, 60):
            with suppress(KeyboardInterrupt):  # it may also fall just before or after the line
                signal.setitimer(signal.ITIMER_REAL, moment * 1e-4)
                shell.run_line("undo 200; redo 200; " * 5)
                signal.setitimer(signal.ITIMER_REAL, 0)
            say(session, "redo 200")
            assert seen(session)[:2] == before[:2]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
