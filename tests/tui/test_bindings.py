"""Every key, and every entry of the menu: each does what its text says, or says why it does nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from textual.command import CommandPalette

from kvmlab.tui.actions import ACTIONS
from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.arrange import LAYOUTS
from kvmlab.tui.ask import Ask
from kvmlab.tui.bars import Bar
from kvmlab.tui.help import Help
from kvmlab.tui.jump import Jump
from kvmlab.tui.keys import KEYS, Key
from kvmlab.tui.widgets import SPECS
from tests.tui.stand import LEVEL, Hand, highlighted, on_screen

SESSIONS: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "undone": (*LEVEL, "take", "take", "undo"),
    "masked": (*LEVEL, "irq-line gsi=11 level=1", "ioapic 11 masked"),
    "manual": (*LEVEL, "manual", "write unmask"),
}
"""Sessions in which, between them, every action does something in one."""

DEVICES = {"raise", "lower"}
"""The actions on what no machine has yet."""

EFFECTS: dict[str, Callable[[KvmlabApp], bool]] = {
    "explain": lambda app: isinstance(app.screen, Help),
    "jump": lambda app: isinstance(app.screen, Jump),
    "maximise": lambda app: app.whole and [n for n, p in app.panes.items() if p.display] == ["trace"],
    "until": lambda app: isinstance(app.screen, Ask),
    "command-palette": lambda app: isinstance(app.screen, CommandPalette),
    "save": lambda app: isinstance(app.screen, Ask),
    "prompt": lambda app: app.log_pane.texts[-1] == "this terminal cannot be left for the prompt",
    "suspend-process": lambda app: app.title == "suspended",
    "quit": lambda app: app._exit,
    "copy-command": lambda app: app.clipboard.endswith("undo\n"),
    "copy-pane": lambda app: app.clipboard.splitlines() == app.panes["trace"].texts,
    "command": lambda app: app.focused is app.command_line,
    "filter": lambda app: isinstance(app.screen, Ask),
    "back-in-panes": lambda app: app.driver.now.position == len(LEVEL) - 1,
    "forward-in-panes": lambda app: app.driver.now.position == len(LEVEL) + 1,
    "unit": lambda app: isinstance(app.screen, Ask),
    "vcpu": lambda app: app.vcpu == 1,
}
"""Name of a key's binding → what is so after it is pressed in the pane of the trace."""

STORMS = {"pause", "stop"}
"""The keys that do something only while a storm blows: test_running.py presses them."""


def go_to(app: KvmlabApp, pane: str) -> None:
    """Go to a pane, and choose pin 11 or the first that can be chosen there; "" stays in the command line."""
    if pane:
        app.action_pane(pane)
        app.panes[pane].choose("11")


def try_actions(name: str, tried: set[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Try actions in a session, by key and by the menu; add each to ``tried`` with whether it is possible.

    What was tried before is left out. Commands are not run, so that each finds the same machine.
    """

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        said: list[str] = []
        monkeypatch.setattr(app.driver, "run", said.append)
        for action in ACTIONS:
            if action.pane != app.here().pane:
                go_to(app, action.pane)
                await pilot.pause()
            why = action.why_not(app.here())
            if (action.name, not why) in tried:
                continue
            tried.add((action.name, not why))
            await pilot.press(action.keys)
            if why:
                assert said == []
                assert app.log_pane.texts[-1] == f"{action.label}: {why}"
                continue
            listed = {entry.title: entry for entry in app.get_system_commands(app.screen)}
            listed[action.label].callback()
            assert said == [action.command(app.here()), listed[action.label].help]
            said.clear()

    on_screen(act, said=SESSIONS[name])


def test_every_action_says_its_command_or_why_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is possible in one of the sessions, unless it needs a device; all but three are refused in one."""
    tried: set[tuple[str, bool]] = set()
    for name in SESSIONS:
        try_actions(name, tried, monkeypatch)
    every = {action.name for action in ACTIONS}
    assert {name for name, possible in tried if possible} == every - DEVICES
    assert {name for name, possible in tried if not possible} == every - {"run", "goto", "goto-column"}


@pytest.mark.parametrize("key", [key for key in KEYS if key.name not in STORMS], ids=lambda key: key.keys)
def test_every_key_of_the_screen_does_what_it_says(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pressed in the pane of the trace it has its effect, which was not there before."""
    monkeypatch.setattr(KvmlabApp, "action_suspend_process", lambda app: setattr(app, "title", "suspended"))
    effect = EFFECTS[key.name]

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.repl = lambda _session: None
        app.action_pane("trace")
        await pilot.pause()
        assert not effect(app)
        await pilot.press(key.keys)
        await pilot.pause()
        assert effect(app)

    on_screen(act, said=("machine vcpus=2", *LEVEL, "take", "undo"))


def test_the_menu_has_the_keys_of_the_screen() -> None:
    """Each entry runs the action of its key; for the end and for other actions it has entries already."""

    async def act(app: KvmlabApp, _pilot: Hand) -> None:
        listed = {entry.help: entry.callback for entry in app.get_system_commands(app.screen)}
        for key in KEYS:
            if key.action.isidentifier() and key.action not in {"quit", "command_palette"}:
                assert listed[key.help] == getattr(app, f"action_{key.action}"), key.name

    on_screen(act)


def test_every_pane_and_layout_of_the_menu_is_shown() -> None:
    """Choosing a pane gives it the focus, choosing a layout arranges the panes by it."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        entries = {entry.title: entry for entry in app.get_system_commands(app.screen)}
        for spec in SPECS:
            entries[spec.title].callback()
            await pilot.pause()
            assert app.pane is app.panes[spec.name]
        for layout in LAYOUTS:
            entries[f"Layout {layout.name}"].callback()
            assert app.layout_name == layout.name

    on_screen(act, size=(200, 60))


def test_what_is_typed_in_the_menu_finds_and_runs_the_entry() -> None:
    """The palette lists by name, Enter runs the one that is highlighted."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+p", *"EOI")
        await pilot.until(lambda: highlighted(app) == "EOI")
        await pilot.press("enter")
        await pilot.until(lambda: app.driver.said[-1] == "eoi vcpu=0")

    on_screen(act, said=(*LEVEL, "take"))


def test_the_tabs_can_be_clicked() -> None:
    """A click on the first row does what the number of a pane does."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        bar = app.screen.query_one("#tabs", Bar)
        for spec in SPECS:
            at = re.search(rf"(?<!\w){spec.key}{spec.tab}\b", bar.texts[0])
            assert at is not None
            await pilot.click(bar, offset=(at.start(), 0))
            assert app.pane is app.panes[spec.name]

    on_screen(act)
