"""The shape of a command as data: what parsing, completion and help all read."""

from __future__ import annotations

from typing import Any, NamedTuple

Value = Any
"""What an argument can be: an int, a string, a bool, a tuple of these, or an Expression. All hashable."""

PLACE, KEY, EITHER, WORD, MANY, TEXT = "place", "key", "either", "word", "many", "text"
"""Where a parameter stands: a bare word in its place; NAME=VALUE; both ways; one of fixed bare
words; all bare words that remain; the rest of the command as it is written."""


class Parameter(NamedTuple):
    """One parameter: ``name`` is its key in ``Command.args``, ``kind`` a name in KINDS.

    A WORD parameter has its words in ``words``; with a single word it is a flag, whose value
    is True or False. ``bytes_from`` names the parameter that holds this number's width in
    bytes; ``alone`` is a value of a MANY parameter that admits no others.
    """

    name: str
    kind: str
    shape: str
    summary: str
    required: bool = True
    default: Value = None
    words: tuple[str, ...] = ()
    label: str = ""
    bytes_from: str = ""
    alone: Value = None

    @property
    def is_flag(self) -> bool:
        """Tell whether the parameter is one fixed word that is there or is not."""
        return self.shape == WORD and len(self.words) == 1

    @property
    def usage(self) -> str:
        """Return the parameter as a synopsis writes it, in brackets when it may be left out."""
        label = self.label or self.name.upper()
        text = {
            PLACE: label,
            KEY: f"{self.name}={label}",
            EITHER: f"{self.name}={label}",
            WORD: "|".join(self.words),
            MANY: f"{label}…",
            TEXT: label,
        }[self.shape]
        return text if self.required else f"[{text}]"


class CommandSpec(NamedTuple):
    """One command. ``verb`` is its canonical name, of two words where the first has several forms.

    ``context`` is who performs it: "user" (a syscall or ioctl of the prompt or an actor),
    "guest" (a vCPU), "device" (a device) or "lab" (nobody in the machine). ``unit`` tells whether
    it may change the machine and so is one unit of history; ``ready`` is False for one that parses
    but cannot be executed yet. ``ioctl`` names the ioctl whose words, by the api in force,
    are further parameters. ``endless`` is True for one that an actor makes again and again. ``form`` is
    "words" or a name in ``parse.FORMS``. ``outside`` are the parameters through which it reaches out of
    the session, such as a file, or its verb where it always does: a lab, which may come from a stranger,
    cannot say it so.
    """

    verb: str
    group: str
    summary: str
    parameters: tuple[Parameter, ...] = ()
    detail: str = ""
    examples: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    unit: bool = True
    ready: bool = True
    context: str = "lab"
    interactive_only: bool = False
    renews: bool = False
    one_of: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    ioctl: str = ""
    endless: bool = False
    form: str = "words"

    @property
    def described(self) -> str:
        """Return the summary; of a command that cannot be executed yet it says so."""
        return self.summary if self.ready else f"{self.summary} (not here yet)"

    @property
    def returns(self) -> bool:
        """Tell whether the command has a return value, so that ``expect X: COMMAND`` can take it."""
        return self.context != "lab" or (self.unit and self.form != "actor")

    @property
    def is_call(self) -> bool:
        """Tell whether an actor can make it: a syscall, an ioctl or a guest access."""
        return self.context != "lab" and self.unit

    @property
    def performed(self) -> bool:
        """Tell whether every session can perform it: a call that its backend makes."""
        return self.ready and self.is_call


def place(name: str, kind: str, summary: str, label: str = "", **more: Value) -> Parameter:
    """Return a parameter that is a bare word in its place; required unless told otherwise."""
    return Parameter(name, kind, PLACE, summary, label=label, **more)


def key(name: str, kind: str, summary: str, label: str = "", **more: Value) -> Parameter:
    """Return an optional NAME=VALUE parameter."""
    fields: dict[str, Value] = {"required": False, "label": label}
    return Parameter(name, kind, KEY, summary, **fields | more)


def either(name: str, kind: str, summary: str, label: str = "") -> Parameter:
    """Return a required parameter that is NAME=VALUE, or a bare word in its place."""
    return Parameter(name, kind, EITHER, summary, label=label)


def flag(name: str, summary: str) -> Parameter:
    """Return a parameter that is one bare word, there or not."""
    return Parameter(name, "flag", WORD, summary, False, False, (name,))


def word(name: str, words: tuple[str, ...], summary: str) -> Parameter:
    """Return an optional parameter that is one of several bare words."""
    return Parameter(name, "flag", WORD, summary, required=False, words=words)
