"""What parses and cannot be run yet."""

from __future__ import annotations

from collections.abc import Container

from kvmlab.language.command import Command
from kvmlab.language.errors import LanguageError


def check_ready(command: Command, verbs: Container[str]) -> None:
    """Raise LanguageError for a command that parses but cannot be run yet."""
    if command.verb not in verbs:
        raise _not_yet(command, f"'{command.verb}'")
    for inner in command.inner:
        check_ready(inner, verbs)


def _not_yet(command: Command, what: str) -> LanguageError:
    return LanguageError(
        f"{what} is not yet here", command.line, command.column, file=command.file, source=command.text
    )
