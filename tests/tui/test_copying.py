"""What can be taken away from the screen: selected text, a command, the session as a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmlab.tui.app import KvmlabApp
from tests.tui.stand import LEVEL, Hand, on_screen


def test_a_session_is_saved_and_one_command_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F10 writes a script that can be run; c copies the last command, in the history the chosen one."""
    monkeypatch.chdir(tmp_path)

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("f10", "enter")
        await pilot.press("escape", "c")
        assert app.clipboard == f"{LEVEL[-1]}\n"
        app.action_pane("history")
        app.panes["history"].choose("2")
        await pilot.press("c")
        assert app.clipboard == f"{LEVEL[1]}\n"

    on_screen(act, said=LEVEL)
    assert (tmp_path / "session.kvm").read_text().splitlines()[1:] == list(LEVEL)


def test_the_text_of_a_pane_can_be_selected() -> None:
    """A selection of everything is the text of the pane."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("escape", "5")
        pane = app.panes["eventfds"]
        pane.text_select_all()
        found = app.screen.get_selected_text()
        assert found is not None
        assert found.splitlines() == pane.texts

    on_screen(act, said=LEVEL)


def test_ctrl_c_copies_or_drops_the_line_or_says_how_to_leave() -> None:
    """What is selected is copied; without that a typed line goes, and an empty one brings the way out."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.command_line.write("eventfd a")
        await pilot.press("shift+left", "ctrl+c")
        assert (app.clipboard, app.command_line.value) == ("a", "eventfd a")
        await pilot.press("end", "ctrl+c")
        assert (app.clipboard, app.command_line.value) == ("a", "")
        await pilot.press("ctrl+c")
        assert app.log_pane.texts[-1].startswith("^q ends kvmlab")
        app.log_pane.text_select_all()
        await pilot.press("ctrl+c")
        assert "kvmlab: ^o is the course, F1 helps" in app.clipboard
        app.screen.clear_selection()
        app.action_pane("trace")
        await pilot.pause()
        said = len(app.log_pane.texts)
        await pilot.press("ctrl+c")
        assert app.log_pane.texts[said].startswith("^q ends kvmlab")

    on_screen(act, size=(120, 40))
