"""A Command: what text means, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kvmlab.language.commands import COMMANDS
from kvmlab.language.spec import CommandSpec, Value


@dataclass(frozen=True, slots=True)
class Command:
    """One command. Equal commands mean the same, wherever and however they were written.

    ``verb`` is canonical ("irq-line" for ``line 11 1``); ``pairs`` are the arguments by name, and
    ``args`` the same as a mapping; a parameter left out is in it only when it has a default.
    ``inner`` are the commands of an actor, or the one of ``expect X: COMMAND``. ``text`` is what
    was typed; ``line`` and ``column`` count from 1, ``file`` is "" for text from no file.
    """

    verb: str
    pairs: tuple[tuple[str, Value], ...] = ()
    inner: tuple[Command, ...] = ()
    text: str = field(default="", compare=False)
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)
    file: str = field(default="", compare=False)
    args: Mapping[str, Value] = field(default_factory=dict, compare=False, repr=False)

    @property
    def lacking(self) -> bool:
        """Whether it stands for one that the api in force lacks (only where a scope forgives that)."""
        return not self.verb

    @property
    def spec(self) -> CommandSpec:
        """The command's entry in the table."""
        return COMMANDS[self.verb]
