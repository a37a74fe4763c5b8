"""The keys that act on the screen itself: each names an action of the app, and says what it does."""

from __future__ import annotations

import re
from dataclasses import dataclass

from textual.keys import key_to_character


@dataclass(frozen=True, slots=True)
class Key:
    """Keys, the app's action, the word in the bar ("" to leave it out), a sentence.

    ``panes`` is True for a key that works only where no text is typed; ``title`` is its name in the
    menu where that is not the word in the bar, ``own_name`` that of a second key for an action.
    """

    keys: str
    action: str
    label: str
    help: str
    panes: bool = False
    title: str = ""
    own_name: str = ""

    @property
    def name(self) -> str:
        """The ID of its binding, as a keymap names it."""
        return self.own_name or re.sub(r"act\('(.+)'\)", r"\1-in-panes", self.action).replace("_", "-")


EXPLAIN = Key("f1", "explain", "help", "explains the pane that has the focus, and lists every key")
"""The key that is named wherever somebody begins."""

PAUSE = Key("f11", "pause", "pause", "pauses what takes long, and lets it go on")
STOP = Key("ctrl+t", "stop", "stop", "ends it where it is")
"""The keys that are named while something is under way."""

COURSE = Key("ctrl+o", "course", "course", "lists the labs of the course, and the scenarios; Enter opens one")
"""The key that is named where somebody begins to learn."""

LEAVE = Key("ctrl+q", "quit", "quit", "ends kvmlab")
"""The key that is named where somebody tries to leave."""

MENU = Key("ctrl+p", "command_palette", "menu", "lists every action, pane, layout and theme by name")
"""The key that lists what has no place in the bar."""

LAB = Key(
    "ctrl+l", "lab", "lab", "goes to the lab's text, from there to its goals, from there to the command line"
)
"""The key that is named where the goals ask for something."""

JUMP = Key("f2", "jump", "jump", "shows a letter on every pane, and on the log: type it to go there")
"""The key that is named where an answer is longer than the log."""

TYPE = Key(
    "colon",
    "command",
    "command",
    "always leads to the command line; before a command that is typed there it does nothing",
    panes=True,
)
BACK = Key(
    "escape",
    "command",
    "",
    "goes to the command line; from there, to the panes",
    panes=True,
    own_name="leave-pane",
)
"""The keys that are named where what is typed is no command."""

KEYS = (
    EXPLAIN,
    COURSE,
    MENU,
    LAB,
    JUMP,
    Key("f3", "maximise", "whole", "gives the pane all the room, or takes it back"),
    Key(
        "f4",
        "until",
        "until",
        "steps a context in manual, else runs, until an expression holds; the question says which",
    ),
    Key("f10", "save", "save", "saves the session as a script", title="Save session as script"),
    PAUSE,
    STOP,
    Key("f12", "prompt", "REPL", "goes to the prompt of kvmlab repl on this session, and back"),
    Key("ctrl+z", "suspend_process", "suspend", "leaves kvmlab for the shell; fg comes back"),
    LEAVE,
    Key(
        "c",
        "copy_command",
        "copy",
        "copies the command of the chosen unit, or the last one",
        panes=True,
        title="Copy as command",
    ),
    Key("y", "copy_pane", "copy pane", "copies the text of the pane", panes=True),
    TYPE,
    BACK,
    Key("slash", "filter", "filter", "shows only the lines of the trace that contain a text", panes=True),
    Key("left_square_bracket", "act('back')", "back", "undoes one unit", panes=True),
    Key("right_square_bracket", "act('forward')", "forward", "does it again", panes=True),
    Key("g", "unit", "goto", "asks for a unit of the history, or a mark, to go to", panes=True),
    Key("v", "vcpu", "vCPU", "chooses the next vCPU", panes=True),
)
"""The keys of the screen; the panes' numbers are in panes.py."""

SHOWN = {"left_square_bracket": "[", "right_square_bracket": "]", "colon": ":", "slash": "/"}
"""Keys by the name that Textual gives them, and as they are written."""


def shown(keys: str) -> str:
    """Return the first of the keys of a binding as a person reads it."""
    key = keys.partition(",")[0]
    character = SHOWN.get(key) or key_to_character(key) or ""
    if character.isprintable() and character.strip():
        return character
    return key.upper() if key[:1] == "f" and key[1:].isdigit() else key.replace("ctrl+", "^")
