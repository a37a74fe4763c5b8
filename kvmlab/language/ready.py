"""What parses and cannot be run yet: later kernels, proposals, switches, devices and programs."""

from __future__ import annotations

from collections.abc import Container

from kvmlab.engine.profile import READY_APIS, READY_KERNELS
from kvmlab.engine.switches import SWITCHES
from kvmlab.language.command import Command
from kvmlab.language.errors import LanguageError

READY_BACKENDS = ("model",)


def check_ready(command: Command, verbs: Container[str]) -> None:
    """Raise LanguageError for a command, or a word of it, that parses but cannot be run yet."""
    if command.verb not in verbs and not (command.spec.ready and command.spec.unit):
        raise _not_yet(command, f"'{command.verb}'")
    if command.verb == "machine":
        _check_machine(command)
    if command.verb == "handler":
        for name, *_operands in command.args["actions"]:
            if name in ("lower", "service"):
                raise _not_yet(command, f"the action '{name}'")
    for inner in command.inner:
        check_ready(inner, verbs)


def _check_machine(command: Command) -> None:
    args = command.args
    words = [("kernel", READY_KERNELS), ("api", READY_APIS), ("backend", READY_BACKENDS)]
    for word, ready in words:
        if args.get(word) and args[word] not in ready:
            raise _not_yet(command, f"{word}={args[word]}")
    for option in ("without", "with"):
        for name in args.get(option, ()):
            if not SWITCHES[name].ready:
                raise _not_yet(command, f"{option}={name}")


def _not_yet(command: Command, what: str) -> LanguageError:
    return LanguageError(
        f"{what} is not yet here", command.line, command.column, file=command.file, source=command.text
    )
