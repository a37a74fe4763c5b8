"""What is pasted into the command line, and the round that help types."""

from __future__ import annotations

import pytest
from textual import events

from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.candidates import Candidates
from kvmlab.tui.help import START
from tests.tui.stand import LEVEL, Hand, on_screen


def test_lines_that_are_pasted_are_run_one_by_one() -> None:
    """Enter runs one and brings the next, which can be changed first; results are not covered."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.command_line.post_message(events.Paste("eventfd a\n\n  eventfd b\r\nwrite a\n"))
        await pilot.pause()
        listed = app.screen.query_one(Candidates)
        assert listed.texts[0].startswith(" 2 more lines  Enter runs this one")
        assert app.driver.said == []
        await pilot.press("enter")
        assert (app.command_line.value, app.driver.said) == ("  eventfd b", ["eventfd a"])
        assert not listed.display
        await pilot.press("enter", "space", "2", "enter")
        assert app.driver.said[1:] == ["  eventfd b", "write a 2"]
        assert app.command_line.value == ""

    on_screen(act)


@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
def test_lines_that_wait_can_be_dropped(key: str) -> None:
    """With the line that stands there."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.command_line.post_message(events.Paste("eventfd a\neventfd b"))
        await pilot.press(key)
        assert app.command_line.value == ""
        await pilot.press("enter")
        assert (app.command_line.value, app.driver.said) == ("", [])

    on_screen(act)


def test_what_is_pasted_stands_at_the_cursor_in_place_of_what_is_selected() -> None:
    """As with one line, so with several."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.command_line.write("write b 1")
        await pilot.press("home", *["right"] * 6, "shift+right")
        app.command_line.post_message(events.Paste("a"))
        await pilot.pause()
        assert app.command_line.value == "write a 1"

    on_screen(act)


GARBAGE = ("", "\n\n", "\x00\x1b[31m\x07\ttext\x7f", "\ud800", "x" * 100_000, "; " * 50_000)


@pytest.mark.parametrize("text", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_no_command_and_no_harm(text: str) -> None:
    """Nothing that a terminal would obey reaches the line; what is entered is answered."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        before = app.driver.session.snapshot()
        app.command_line.post_message(events.Paste(text))
        await pilot.pause()
        assert app.command_line.value.isprintable()
        await pilot.press("enter")
        assert app.command_line.value == ""
        assert app.driver.session.snapshot() == before
        await pilot.press("x")
        assert app.command_line.value == "x"

    on_screen(act)


def test_the_first_round_is_typed_from_help() -> None:
    """F1 and Enter; then Enter after Enter the interrupt goes its way and ends."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("f1", "enter")
        for text, _what in START:
            assert app.command_line.value == text
            await pilot.press("enter")
        (unmask,) = [each for each in app.driver.now.snapshot.eventfds or () if each.name == "unmask"]
        assert unmask.count == 1

    on_screen(act)


def test_help_on_a_pane_types_nothing() -> None:
    """There Enter only closes it."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_pane("trace")
        await pilot.press("f1", "enter")
        assert len(app.screen_stack) == 1
        assert app.command_line.value == ""

    on_screen(act, said=LEVEL)
