"""The menu: it lists what works now, and each entry does what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.command import CommandPalette
from textual.widgets import Input

from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.arrange import LAYOUTS, LESSON
from kvmlab.tui.ask import Ask
from kvmlab.tui.explorer import Explorer
from kvmlab.tui.help import Help
from kvmlab.tui.jump import Jump
from kvmlab.tui.keys import KEYS
from kvmlab.tui.library import Library
from kvmlab.tui.widgets import SPECS
from tests.tui.stand import LEVEL, Hand, highlighted, on_screen


def test_the_menu_has_the_keys_of_the_screen_that_do_something() -> None:
    """Each entry runs the action of its key; what would do nothing here is not listed."""
    idle = {"pause", "stop", "lab", "copy-pane", "vcpu", "leave-pane", "command-palette"}

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        listed = {entry.help: entry.callback for entry in app.get_system_commands(app.screen)}
        asked = {key.name: key for key in KEYS if key.action.isidentifier()}
        assert {name for name, key in asked.items() if key.help not in listed} == idle
        for name in asked.keys() - idle:
            assert listed[asked[name].help] == getattr(app, f"action_{asked[name].action}")
        app.action_say("machine vcpus=2")
        app.action_pane("trace")
        await pilot.pause()
        titles = {entry.help for entry in app.get_system_commands(app.screen)}
        assert {asked[name].help for name in ("copy-pane", "vcpu")} <= titles

    on_screen(act)


ENTRIES: dict[str, Callable[[KvmlabApp], bool]] = {
    "Explore": lambda app: isinstance(app.screen, Explorer),
    "Theme": lambda app: isinstance(app.screen, CommandPalette),
    "Picture": lambda app: isinstance(app.screen, Ask),
    "quit": lambda app: app._exit,
    "help": lambda app: isinstance(app.screen, Help),
    "course": lambda app: isinstance(app.screen, Library),
    "jump": lambda app: isinstance(app.screen, Jump),
    "whole": lambda app: app.whole,
    "until": lambda app: isinstance(app.screen, Ask),
    "Save session as script": lambda app: isinstance(app.screen, Ask),
    "REPL": lambda app: app.log_pane.texts[-1] == "this terminal cannot be left for the prompt",
    "suspend": lambda app: app.title == "suspended",
    "Copy as command": lambda app: app.clipboard == "take\n",
    "copy pane": lambda app: app.clipboard.splitlines() == app.panes["trace"].texts,
    "command": lambda app: app.focused is app.command_line,
    "filter": lambda app: isinstance(app.screen, Ask),
    "goto": lambda app: isinstance(app.screen, Ask),
    "vCPU": lambda app: app.vcpu == 1,
    "back": lambda app: app.driver.said[-1] == "undo",
    "EOI": lambda app: app.driver.said[-1] == "eoi vcpu=0",
    "run": lambda app: app.driver.said[-1] == "run",
}
"""The entries of the menu in the pane of the trace of a machine of two vCPUs, and what each brings about."""


@pytest.mark.parametrize("title", ENTRIES)
def test_every_entry_of_the_menu_does_what_it_says(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is chosen in the palette by its name; beside those tried here there are only panes and layouts."""
    monkeypatch.setattr(KvmlabApp, "action_suspend_process", lambda app: setattr(app, "title", "suspended"))

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_pane("trace")
        await pilot.pause()
        entries = [entry.title for entry in app.get_system_commands(app.screen)]
        titles = {title for title in entries if not title.startswith("Scenario ")}
        assert titles == {
            *ENTRIES,
            *[spec.title for spec in SPECS if spec.name not in LESSON],
            "Layout narrow",
        }
        app.search_commands(
            [
                (entry.title, entry.callback)
                for entry in app.get_system_commands(app.screen)
                if entry.title == title
            ]
        )
        await pilot.until(lambda: highlighted(app) == title)
        await pilot.press("enter")
        await pilot.until(lambda: ENTRIES[title](app))

    on_screen(act, said=("machine vcpus=2", *LEVEL, "actor closer: close unmask", "take"))


def test_the_picture_of_the_screen_is_written_once(tmp_path: Path) -> None:
    """As SVG, where there was no file; what stops it is told."""
    path = tmp_path / "screen.svg"

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        for said in (f"saved the screen to {path}", "is left as it is"):
            app.action_picture()
            await pilot.pause()
            app.screen.query_one(Input).value = str(path)
            await pilot.press("enter")
            await pilot.until(lambda said=said: said in "".join(app.log_pane.texts))  # type: ignore[misc]
        assert "IOAPIC" in path.read_text()

    on_screen(act, size=(200, 60))


def test_the_menu_finds_a_scenario_and_runs_it() -> None:
    """It is `source` and its name, which stands in the log and in the history as if it had been typed."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+p", *"edge-m")
        await pilot.until(lambda: highlighted(app) == "Scenario 31-edge-masked")
        await pilot.press("enter")
        await pilot.until(
            lambda: app.driver.said[-1:] == ["source 31-edge-masked"] and not app.driver.running
        )
        assert any("an edge on a masked pin is lost" in text for text in app.log_pane.texts)
        await pilot.press("up")
        assert app.command_line.value == "source 31-edge-masked"

    on_screen(act)


def test_what_is_typed_in_the_menu_finds_and_runs_the_entry() -> None:
    """The palette lists by name, Enter runs the one that is highlighted."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+p", *"EOI")
        await pilot.until(lambda: highlighted(app) == "EOI")
        await pilot.press("enter")
        await pilot.until(lambda: app.driver.said[-1] == "eoi vcpu=0")

    on_screen(act, said=(*LEVEL, "take"))


def test_every_pane_and_layout_of_the_menu_is_shown() -> None:
    """Choosing a pane gives it the focus, choosing a layout arranges the panes by it."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        entries = {entry.title: entry for entry in app.get_system_commands(app.screen)}
        assert not entries.keys() & {"Lab", "Goals"}
        app.action_say("lab start eventfd-counter")
        entries = {entry.title: entry for entry in app.get_system_commands(app.screen)}
        for spec in SPECS:
            entries[spec.title].callback()
            await pilot.pause()
            assert app.pane is app.panes[spec.name]
        for layout in LAYOUTS:
            entries[f"Layout {layout.name}"].callback()
            assert app.layout_name == layout.name

    on_screen(act, size=(200, 60))
