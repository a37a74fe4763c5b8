"""The command text in a lab, parsed: what a lab, which may come from a stranger, is allowed to say."""

from __future__ import annotations

from typing import NoReturn

from kvmlab.language.command import Command
from kvmlab.language.errors import LanguageError
from kvmlab.language.scope import NAMED, Scope
from kvmlab.language.script import parse_script


def parse_fence(text: str, line: int, file: str, scope: Scope) -> list[Command]:
    """Return the commands of a text whose first line is a line of a file.

    Raises LanguageError for wrong text, which is, too, what reaches out of the session, as to a file.
    """
    commands = parse_script("\n" * (line - 1) + text, file, scope, _refuse)
    for command in commands:
        for each in (command, *command.inner):
            if reaches_out(each):
                what = f"a lab cannot {each.text}: it reaches out of the session"
                raise LanguageError(what, each.line, each.column, file=file, source=command.text)
    return commands


def reaches_out(command: Command) -> bool:
    """Tell whether a command reads or writes a file, or ends the session or the lab."""
    outside = command.spec.outside
    return command.verb in outside or any(command.args.get(name) is not None for name in outside)


def _refuse(path: str, _by: str) -> NoReturn:
    raise ValueError("a lab reads no file")


def learn(scope: Scope, other: Scope) -> None:
    """Have a scope know, beside its own, the names that another one knows, and as many vCPUs."""
    for kind in NAMED:
        for name, description in other.names(kind).items():
            scope.add(kind, name, description)
    scope.vcpus = max(scope.vcpus, other.vcpus)
