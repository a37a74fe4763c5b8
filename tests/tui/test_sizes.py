"""What is where: numbers choose panes, one can have all the room, and every size has its screen."""

from __future__ import annotations

import pytest
from textual.events import Resize
from textual.geometry import Size

from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.widgets import SPECS
from tests.tui.stand import LEVEL, Hand, on_screen, text_of


def shown(app: KvmlabApp) -> set[str]:
    """Return the names of the panes that are shown."""
    return {name for name, pane in app.panes.items() if pane.display}


def test_a_number_shows_its_pane() -> None:
    """Where no text is typed, a digit shows a pane and gives it the focus."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        for spec in SPECS:
            if not spec.key:
                continue
            app.action_command()
            await pilot.press("escape", spec.key)
            assert shown(app) == {spec.name}, spec.name
            assert app.pane is app.panes[spec.name], spec.name

    on_screen(act, said=LEVEL)


def test_whole_gives_one_pane_the_room_and_takes_it_back() -> None:
    """On a screen of three panes one is left, then three again."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        assert len(shown(app)) == 3
        await pilot.press("escape", "5", "f3")
        assert shown(app) == {"eventfds"}
        await pilot.press("f3")
        assert len(shown(app)) == 3

    on_screen(act, size=(120, 40))


def test_a_screen_that_is_too_small_says_what_it_needs() -> None:
    """Nothing else is drawn, and everything is back when there is room."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        assert [text.strip() for text in text_of(app) if text] == ["kvmlab needs 60x16, and has 59x16"]
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert shown(app) == {"path"}
        assert app.focused is app.command_line

    on_screen(act, size=(59, 16))


def test_a_size_that_arrives_late_gives_way_to_the_terminals_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals overtake each other: the size that is told last need not be the last one."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.resize_terminal(120, 40)
        monkeypatch.setattr(app, "terminal_size", lambda: Size(120, 40))
        app.post_message(Resize(Size(59, 16), Size(59, 16)))
        await pilot.pause(0.1)
        assert app.size == (120, 40)
        assert not app.screen.query_one("#small").display

    on_screen(act)


def test_what_is_typed_on_a_screen_that_is_too_small_is_kept() -> None:
    """The command line is covered, and still has the focus."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("a")
        await pilot.resize_terminal(59, 16)
        await pilot.pause()
        await pilot.press("b")
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert app.command_line.value == "ab"

    on_screen(act)


def test_a_tail_that_was_hidden_shows_its_end() -> None:
    """Also where nothing has happened since: the history stands at the present."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_pane("history")
        await pilot.pause()
        assert any("eventfd e39" in text for text in text_of(app)[:-4])

    on_screen(act, said=tuple(f"eventfd e{number}" for number in range(40)))


def test_the_log_can_have_all_the_room() -> None:
    """F3 in the log gives it every line but the bars; a pane's number goes back to the panes."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.log_pane.focus()
        await pilot.press("f3")
        assert app.log_pane.size.height == 19
        assert not app.screen.query_one("#body").display
        assert " F1 help" in text_of(app)[-1]
        app.action_pane("ioapic")
        await pilot.pause()
        assert shown(app) == {"ioapic"}
        await pilot.press("f3")
        assert app.log_pane.size.height == 4

    on_screen(act, said=LEVEL)


def test_the_cursor_stands_only_in_the_pane_with_the_focus() -> None:
    """It comes with the focus and goes with it, also where nothing else is drawn."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        def cursors() -> list[str]:
            return [text for text in app.panes["path"].texts if text.startswith(">")]

        assert cursors() == []
        app.action_pane("path")
        await pilot.pause()
        assert len(cursors()) == 1
        app.action_command()
        await pilot.pause()
        assert cursors() == []

    on_screen(act, said=LEVEL)
