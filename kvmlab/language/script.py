"""Whole scripts: every line parsed, and every ``source FILE`` put in place, before anything runs."""

from __future__ import annotations

from collections.abc import Callable

from kvmlab.language.command import Command
from kvmlab.language.errors import LanguageError, in_words
from kvmlab.language.parse import parse_commands
from kvmlab.language.scope import Scope

DEEPEST = 16
"""How deep scripts may source each other."""

LONGEST = 2_500_000
"""As many lines and commands a script may come to, each sourced file counted as often as it is sourced."""

Read = Callable[[str, str], tuple[str, str | bytes]]
"""``read(path, by)``: the canonical name and the text of the file that the script ``by`` sources.

The caller decides what may be read; it raises OSError or ValueError, with a sentence, for what
may not.
"""


def parse_script(text: str | bytes, file: str, scope: Scope, read: Read) -> list[Command]:
    """Return the commands of a script, those of the files it sources in place of ``source``.

    ``file`` is the script's canonical name, by which a cycle is known. Raises LanguageError for the
    first wrong text, with file, line and column, and then the scope is as it was.
    """
    scope.begin()
    try:
        return _Script(scope, read).parse(text, (file,))
    except LanguageError:
        scope.rollback()
        raise


class _Script:
    """One reading of a script and what it sources."""

    __slots__ = ("_read", "_room", "_scope")

    def __init__(self, scope: Scope, read: Read) -> None:
        self._scope = scope
        self._read = read
        self._room = LONGEST

    def parse(self, text: str | bytes, files: tuple[str, ...]) -> list[Command]:
        """Return the commands of the last of ``files``, which the others source."""
        file = files[-1]
        commands: list[Command] = []
        for number, line in enumerate(decode(text, file).split("\n"), 1):
            self._room -= 1
            if self._room < 0:
                what = f"the script comes to more than {LONGEST} lines and commands"
                raise LanguageError(what, number, 1, expected="fewer", file=file, source=line)
            for command in parse_commands(line.removesuffix("\r"), self._scope, number, file):
                self._room -= 1
                if command.verb == "source":
                    commands += self._sourced(command, line, files)
                else:
                    _check_place(command, line)
                    commands.append(command)
        return commands

    def _sourced(self, command: Command, line: str, files: tuple[str, ...]) -> list[Command]:
        try:
            file, text = self._read(command.args["file"], files[-1])
        except (OSError, ValueError) as error:
            why = in_words(error)
            raise _at(command, line, f"'{command.args['file']}' cannot be read: {why}") from None
        if file in files:
            raise _at(command, line, f"'{file}' sources itself: " + " → ".join((*files, file)))
        if len(files) > DEEPEST:
            raise _at(command, line, f"scripts source each other more than {DEEPEST} deep")
        return self.parse(text, (*files, file))


def _check_place(command: Command, line: str) -> None:
    if not command.lacking and command.spec.interactive_only:
        raise _at(command, line, f"a script cannot {command.verb}: that is for the prompt")


def _at(command: Command, line: str, message: str) -> LanguageError:
    return LanguageError(message, command.line, command.column, file=command.file, source=line)


def decode(text: str | bytes, file: str = "") -> str:
    """Return a script's text from its bytes; raises LanguageError at the first that is not UTF-8."""
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _undecodable(text, error.start, file) from None


def _undecodable(data: bytes, at: int, file: str) -> LanguageError:
    start = data.rfind(b"\n", 0, at) + 1
    end = data.find(b"\n", at)
    source = data[start : end if end >= 0 else None].decode("utf-8", "replace")
    column = len(data[start:at].decode("utf-8", "replace")) + 1
    line = data.count(b"\n", 0, at) + 1
    what = f"byte 0x{data[at]:02x} is not UTF-8"
    return LanguageError(what, line, column, expected="UTF-8 text", file=file, source=source)
