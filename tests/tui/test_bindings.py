"""Every key, and every entry of the menu: each does what its text says, or says why it does nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.command import CommandPalette

from kvmlab.course.desk import shelf
from kvmlab.settings import Settings
from kvmlab.tui.actions import ACTIONS
from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.arrange import LESSON
from kvmlab.tui.ask import Ask
from kvmlab.tui.bars import Bar
from kvmlab.tui.help import Help
from kvmlab.tui.jump import Jump
from kvmlab.tui.keymap import BOUND, OFFERED, checked
from kvmlab.tui.keys import KEYS, Key
from kvmlab.tui.library import Library
from kvmlab.tui.widgets import SPECS
from tests.tui.stand import LEVEL, Hand, on_screen, small_lab

SESSIONS: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "undone": (*LEVEL, "take", "take", "undo"),
    "masked": (*LEVEL, "irq-line gsi=11 level=1", "ioapic 11 masked"),
    "manual": (*LEVEL, "manual", "write unmask"),
    "idle device": (*LEVEL, "device emulated uart gsi=5"),
    "device": (*LEVEL, "device emulated uart gsi=5", "raise uart"),
    "lab": ("lab start SMALL",),
    "second lab": ("lab start eventfd-limits",),
    "solved lab": ("lab start eventfd-counter", *shelf().lab("eventfd-counter").solution.text.splitlines()),
}
"""Sessions in which, between them, every action does something in one; SMALL is a lab that stands alone."""

IN_LABS = {"run-line", "run-rest", "check", "solution", "reset", "leave-lab"}
"""Actions of the panes of a lab that always do something there."""

EFFECTS: dict[str, Callable[[KvmlabApp], bool]] = {
    "course": lambda app: isinstance(app.screen, Library),
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
    "leave-pane": lambda app: app.focused is app.command_line,
    "filter": lambda app: isinstance(app.screen, Ask),
    "back-in-panes": lambda app: app.driver.now.position == len(LEVEL) - 1,
    "forward-in-panes": lambda app: app.driver.now.position == len(LEVEL) + 1,
    "unit": lambda app: isinstance(app.screen, Ask),
    "vcpu": lambda app: app.vcpu == 1,
}
"""Name of a key's binding → what is so after it is pressed in the pane of the trace."""

ELSEWHERE = {"pause", "stop", "lab"}
"""The keys that do something only while a storm blows, or a lab is open: other tests press them."""


def go_to(app: KvmlabApp, pane: str) -> None:
    """Go to a pane, and choose pin 11 or the first that can be chosen there; "" stays in the command line."""
    if pane:
        app.action_pane(pane)
        app.panes[pane].choose("11")


def reachable(app: KvmlabApp, panes: tuple[str, ...]) -> bool:
    """Tell whether one of some panes can be gone to: those of a lab only while one is open."""
    return app.driver.now.lab is not None or not set(panes) & set(LESSON)


def try_actions(
    said_first: tuple[str, ...], tried: set[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Try actions in a session, by key and by the menu; add each to ``tried`` with whether it is possible.

    What was tried before is left out. Commands are not run, so that each finds the same machine.
    """

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        said: list[str] = []
        monkeypatch.setattr(app.driver, "run", said.append)
        for action in ACTIONS:
            if not reachable(app, action.panes):
                continue
            if app.here().pane not in (action.panes or ("",)):
                go_to(app, next(iter(action.panes), ""))
                await pilot.pause()
            why = action.why_not(app.here())
            if (action.name, not why) in tried:
                continue
            tried.add((action.name, not why))
            warned = not why and action.warns(app.here()) != ""
            await pilot.press(*[action.keys] * (1 + warned))
            if why:
                assert said == []
                assert app.log_pane.texts[-1] == f"{action.label}: {why}"
                continue
            listed = {entry.title: entry for entry in app.get_system_commands(app.screen)}
            listed[action.label].callback()
            assert said == [action.command(app.here()), listed[action.label].help]
            said.clear()

    on_screen(act, said=said_first)


def test_every_action_says_its_command_or_why_it_does_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each is possible in one of the sessions; all but a few are refused in one."""
    tried: set[tuple[str, bool]] = set()
    small = small_lab(tmp_path)
    for said in SESSIONS.values():
        try_actions(tuple([text.replace("SMALL", f'"{small}"') for text in said]), tried, monkeypatch)
    every = {action.name for action in ACTIONS}
    assert {name for name, possible in tried if possible} == every
    assert {name for name, possible in tried if not possible} == every - IN_LABS - {
        "run",
        "goto",
        "goto-column",
    }


def free_key(name: str, keymap: dict[str, tuple[str, ...]] | None = None) -> str:
    """Return a key that a user can give to a binding without a clash, beside those given before."""
    shipped = {key for bound in BOUND.values() for key in bound.keys}
    keys = [
        key
        for key in (*OFFERED, *"!$%&;<=>@^{|}", *[f"f{number}" for number in range(13, 21)])
        if key not in shipped
    ]
    given = keymap or {}
    found = (key for key in keys if not checked(Settings(keymap={**given, name: (key,)}))[1])
    return str(next(found))


@pytest.mark.parametrize("own", [False, True], ids=["shipped", "rebound"])
@pytest.mark.parametrize("key", [key for key in KEYS if key.name not in ELSEWHERE], ids=lambda key: key.name)
def test_every_key_of_the_screen_does_what_it_says(
    key: Key, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pressed in the pane of the trace it has its effect, which was not there before; so has a user's own."""
    monkeypatch.setattr(KvmlabApp, "action_suspend_process", lambda app: setattr(app, "title", "suspended"))
    effect = EFFECTS[key.name]
    new = free_key(key.name)

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_pane("trace")
        await pilot.pause()
        if own:
            await pilot.press(key.keys)
        assert not effect(app)
        await pilot.press(new if own else key.keys)
        assert effect(app)

    settings = Settings(keymap={key.name: (new,)} if own else {})
    app = on_screen(act, said=("machine vcpus=2", *LEVEL, "take", "undo"), settings=settings)
    assert app.theme_problems == []


def test_every_action_has_its_new_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pressed where the action belongs it asks for it; the shipped key asks for nothing any more."""
    keymap: dict[str, tuple[str, ...]] = {}
    for action in ACTIONS:
        keymap[action.name] = (free_key(action.name, keymap),)

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        acted: list[str] = []
        monkeypatch.setattr(app, "action_act", lambda name: acted.append(name))  # noqa: PLW0108 - by Textual
        for action in ACTIONS:
            go_to(app, next(iter(action.panes), ""))
            await pilot.pause()
            await pilot.press(action.keys)
            assert action.name not in acted
            await pilot.press(*keymap[action.name])
            assert acted[-1] == action.name

    said = (f'lab start "{small_lab(tmp_path)}"',)
    on_screen(act, said=said, settings=Settings(keymap=keymap))


def test_two_keys_of_one_action_are_two_bindings() -> None:
    """Both Escape and the colon leave a pane: each has an ID, and a clash with each is told by it."""
    keymap, problems = checked(Settings(keymap={"command": ("t",), "leave-pane": ("ctrl+r",)}))
    assert (keymap, problems) == ({"command": "t", "leave-pane": "ctrl+r"}, [])
    (told,) = checked(Settings(keymap={"vcpu": ("colon",)}))[1]
    assert told.startswith("'colon' is the key of 'command'")
    (told,) = checked(Settings(keymap={"vcpu": ("escape",)}))[1]
    assert told.startswith("'escape' is the key of 'leave-pane'")
    names = [key.name for key in KEYS] + [action.name for action in ACTIONS]
    assert len(names) == len(set(names))


def test_the_tabs_can_be_clicked() -> None:
    """A click on the first row does what the number of a pane does."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        bar = app.screen.query_one("#tabs", Bar)
        for spec in SPECS:
            if spec.name in LESSON:
                continue
            at = re.search(rf"(?<!\w){spec.key}{spec.tab}\b", bar.texts[0])
            assert at is not None
            await pilot.click(bar, offset=(at.start(), 0))
            assert app.pane is app.panes[spec.name]

    on_screen(act)
