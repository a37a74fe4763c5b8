"""Which keys a user has put in place of the shipped ones: checked, so that no key means two things.

Every binding has an ID: an action's or a key's name, ``pane-NAME`` for the number of a pane. A keymap
(Settings.keymap) gives keys by ID. What names no binding or no key, or a key that is taken where the
binding works, is reported with its place in the file, and the shipped key stays. Questions and help
keep their own keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from string import ascii_letters, ascii_lowercase, digits, punctuation
from typing import NamedTuple

from textual.app import App
from textual.binding import Binding, BindingType
from textual.containers import ScrollableContainer
from textual.keys import Keys
from textual.screen import Screen
from textual.widgets import Input

from kvmlab.settings import Settings, closest
from kvmlab.tui.actions import ACTIONS
from kvmlab.tui.command_line import CommandLine
from kvmlab.tui.keys import KEYS
from kvmlab.tui.overview import Overview
from kvmlab.tui.pane import Pane
from kvmlab.tui.widgets import SPECS

COMMAND = "command line"
"""The place where text is typed."""

PANES = frozenset(spec.name for spec in SPECS)
"""The other places where a key can be pressed."""


class Bound(NamedTuple):
    """The keys that a binding is shipped with, and the places where they work."""

    keys: tuple[str, ...]
    where: frozenset[str]


def normal(keys: str) -> tuple[str, ...]:
    """Return keys, written as ``f5`` or ``a,?``, by the names that Textual gives them; "" is an error."""
    return tuple([made.key for made in Binding.make_bindings([Binding(keys, "")])])


def _shipped() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield every binding as (ID, keys, places)."""
    everywhere = PANES | {COMMAND}
    for action in ACTIONS:
        yield action.name, action.keys, frozenset(action.panes) or everywhere
    for key in KEYS:
        yield key.name, key.keys, PANES if key.panes else everywhere
    for spec in SPECS:
        if spec.key:
            yield f"pane-{spec.name}", spec.key, PANES
    for widget, where in ((Pane, PANES), (Overview, {"path"}), (CommandLine, {COMMAND})):
        for binding in Binding.make_bindings(widget.BINDINGS):
            if binding.id:
                yield binding.id, binding.key, frozenset(where)


def _bound() -> dict[str, Bound]:
    found: dict[str, Bound] = {}
    for name, keys, where in _shipped():
        before = found.get(name, Bound((), frozenset()))
        found[name] = Bound((*before.keys, *normal(keys)), before.where | where)
    return found


BOUND = _bound()
"""Every binding that can have other keys, by its ID."""


def _keys_of(*tables: list[BindingType]) -> frozenset[str]:
    return frozenset(made.key for table in tables for made in Binding.make_bindings(table))


FIXED = {
    **dict.fromkeys(PANES, _keys_of(App.BINDINGS, Screen.BINDINGS, ScrollableContainer.BINDINGS)),
    COMMAND: _keys_of(App.BINDINGS, Screen.BINDINGS, Input.BINDINGS),
}
"""Keys that move, edit, scroll or type by themselves, for each place."""

MODIFIERS = frozenset({"alt", "ctrl", "shift", "super"})

CHARACTERS = frozenset(
    key
    for each in (*ascii_letters, *digits, *punctuation, "space")
    for key in normal(each.replace(",", "comma"))
)
"""The keys that type a character."""

NAMES = frozenset(key.value.rpartition("+")[2] for key in Keys if "<" not in key.value) | CHARACTERS
"""Every key by its name, without modifiers."""

OFFERED = (
    *[f"f{number}" for number in range(1, 13)],
    *[f"ctrl+{letter}" for letter in "defgklnoprtuvwxy"],
    *ascii_lowercase,
)
"""The keys that are proposed where one is taken, as far as they are free."""


Keymap = dict[str, tuple[str, ...]]
Clash = Callable[[str, str, Keymap], str]


def checked(settings: Settings) -> tuple[dict[str, str], list[str]]:
    """Return the keymap as Textual takes it, and a sentence for everything in it that is wrong."""
    keymap: Keymap = {}
    wrong: dict[str, str] = {}
    for name, written in settings.keymap.items():
        wrong[name] = _unknown(name, written)
        if not wrong[name]:
            keymap[name] = tuple([key for each in written for key in normal(each)])
    # A key that is never free is no reason to refuse it to another binding: it is dropped first.
    for clash in (_fixed, _shared):
        # Who gets its shipped key back may have it taken by another: look until nobody is dropped.
        while found := [name for name in keymap if _clash(name, keymap, clash)]:
            wrong[found[-1]] = _clash(found[-1], keymap, clash)
            del keymap[found[-1]]
    problems = [settings.place(f"keymap.{name}") + sentence for name, sentence in wrong.items() if sentence]
    return {name: ",".join(keys) for name, keys in keymap.items()}, problems


def _unknown(name: str, keys: tuple[str, ...]) -> str:
    """Say which name is that of no binding or of no key, "" if none is."""
    if name not in BOUND:
        return f"no such binding{closest(name, BOUND)}"
    for key in keys:
        if not _is_key(key):
            return f"there is no key {key!r}{closest(key, (*OFFERED, *sorted(NAMES)))}"
    return ""


def _is_key(key: str) -> bool:
    *modifiers, base = key.split("+") if len(key) > 1 else [key]
    named = base if "," in base or not base.strip() else normal(base)[0]
    return named in NAMES and MODIFIERS.issuperset(modifiers)


def _clash(name: str, keymap: Keymap, clash: Clash) -> str:
    """Say which key of a binding is taken, and which is free, "" if none is taken."""
    for key in keymap[name]:
        taken = clash(name, key, keymap)
        if taken:
            free = [k for k in OFFERED if not _fixed(name, k, keymap) and not _shared(name, k, keymap)]
            return f"{key!r} {taken}{closest(key, free, 'nearest free key')}"
    return ""


def _fixed(name: str, key: str, _keymap: Keymap) -> str:
    """Say what a key always does where a binding works, "" if nothing."""
    own = BOUND[name]
    if key in own.keys:
        return ""
    if COMMAND in own.where and key in CHARACTERS:
        return "types a character in the command line"
    fixed = any(key in FIXED[place] for place in own.where)
    return "is a key for moving, copying or editing there" if fixed else ""


def _shared(name: str, key: str, keymap: Keymap) -> str:
    """Say which other binding has a key where a binding works, "" if none; as shipped, some share one."""
    own = BOUND[name]
    for other, bound in BOUND.items():
        shipped = key in own.keys and key in bound.keys and other not in keymap
        if other != name and not shipped and own.where & bound.where and key in keymap.get(other, bound.keys):
            return f"is the key of {other!r}"
    return ""
