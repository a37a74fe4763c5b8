"""Script files: reading them, running them in a session, and saving a session as one.

A script reads no file outside its own folder and writes nowhere; the prompt may do both.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from kvmlab.language.command import Command
from kvmlab.language.errors import LanguageError, in_words
from kvmlab.language.ready import check_ready
from kvmlab.language.scope import Scope
from kvmlab.language.script import decode, parse_script
from kvmlab.place import slices
from kvmlab.progress import watched
from kvmlab.render.cells import Cell, Row, line
from kvmlab.render.result import result_rows
from kvmlab.result import Handler, Result, Sliced, Underway
from kvmlab.session import Session

BIGGEST = 64 * 1024 * 1024
"""A larger script is refused, in bytes."""


def read_script(path: str) -> bytes:
    """Return the bytes of a script; raises OSError, or ValueError with a sentence.

    A pipe is read to its end; one that nobody writes to is refused and not waited for.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        data = file.read(BIGGEST + 1)
        if len(data) > BIGGEST:
            raise ValueError(f"it has more than {BIGGEST >> 20} MiB")
        if not data and stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is a pipe and nothing comes out of it")
    return data


def _open_at_once(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def beside(path: str, by: str) -> tuple[str, bytes]:
    """Return the name, as seen from the script ``by``, and the bytes of a file that it sources.

    Raises ValueError for one outside the folder of that script, or one that is no regular file.
    """
    from pathlib import Path  # 4 ms that a script of one file does not need

    folder = Path(os.path.realpath(by)).parent
    file = Path(os.path.realpath(folder / path))
    if not file.is_relative_to(folder):
        raise ValueError("a script may read only what is in its own folder")
    if not stat.S_ISREG(file.stat().st_mode):
        raise ValueError("it is no regular file")
    return str(Path(by).parent / path), read_script(str(file))


def parse_file(session: Session, path: str) -> list[Command]:
    """Parse a whole script, and what it sources, for a session.

    Raises LanguageError for wrong text and for what is not here yet, OSError or ValueError for a
    file that cannot be read. Nothing has run then.
    """
    path = located(path)
    return checked(session, parse_script(read_script(path), path, session.scope, beside))


def parse_text(session: Session, text: str) -> list[Command]:
    """Parse commands given on a command line, which may source any file."""
    return checked(session, parse_script(text, "", session.scope, anywhere))


def anywhere(path: str, by: str) -> tuple[str, bytes]:
    """Return a file for text that a person typed: any file by its path, then only its folder."""
    return beside(path, by) if by else (located(path), read_script(located(path)))


def checked(session: Session, commands: list[Command]) -> list[Command]:
    """Return commands that can all be run; raises LanguageError for the first that cannot yet."""
    for command in commands:
        check_ready(command, session.handlers)
    return commands


def run(session: Session, commands: list[Command]) -> Iterator[Result]:
    """Execute commands in order and yield their results; ends at `quit`.

    Nobody stops a command here but by Ctrl+C: behind one that kept what it had, KeyboardInterrupt is raised.
    """
    for command in commands:
        result = watched(slices(session, command))
        yield result
        if result.stopped:
            raise KeyboardInterrupt
        if result.ends:
            return


def located(path: str) -> str:
    """Return the path of the script that a person means: a file, else the scenario of that name."""
    if os.path.exists(path):  # noqa: PTH110 - as in beside
        return path
    from kvmlab.scenarios import paths  # as in beside

    return paths().get(path, path)


def sourced(command: Command, scope: Scope) -> list[Command]:
    """Parse the script that a `source` names, as it is at this moment; raises as :func:`parse_file`."""
    path = located(command.args["file"])
    return parse_script(read_script(path), path, scope, beside)


def remarks(text: str) -> dict[int, list[str]]:
    """Return the comments of a script, by the line of the command that they stand before."""
    found: dict[int, list[str]] = {}
    above: list[str] = []
    for number, content in enumerate(text.splitlines(), 1):
        if content.lstrip().startswith("#"):
            above.append(content.strip())
        elif content.strip():
            found[number], above = above, []
    return found


def _source(session: Session, command: Command) -> Sliced[Result]:
    path = located(command.args["file"])
    try:
        commands = checked(session, sourced(command, session.scope))
        said = remarks(decode(read_script(path)))
    except (OSError, ValueError) as error:
        why = in_words(error)
        raise LanguageError(f"'{path}' cannot be read: {why}", column=command.column) from None
    rows: list[Row] = []
    failed = stopped = False
    ran: list[Command] = []
    underway = Underway(command, "commands", len(commands))
    for each in commands:
        if ran and not stopped:
            underway.done = len(ran)
            stopped = bool((yield underway))
        if stopped:
            rows.append(line(Cell(f"stopped before {each.file or path}:{each.line}: {each.text}", "warning")))
            break
        result = yield from slices(session, each)
        ran.append(result.command)
        if each.file == path:
            rows += [line(Cell(remark, "word-comment")) for remark in said.pop(each.line, ())]
        rows += [line(Cell("> ", "muted"), result.command.text), *result_rows(result)]
        failed, stopped = failed or result.held is False, bool(result.stopped)
        if result.ends:
            break
    held = False if failed else None
    return Result(command, output=tuple(rows), held=held, stopped=tuple(ran) if stopped else ())


def _save(session: Session, command: Command) -> Result:
    from pathlib import Path  # as in beside

    path = Path(command.args["file"])
    said = "\n".join(session.texts) + "\n"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(f"machine {describe_machine(session)}\n{said}")
    except FileExistsError:
        return Result(command, why=f"{path} exists and is left as it is; give another name")
    except OSError as error:
        return Result(command, why=f"{path} cannot be written: {error.strerror}")
    return Result(command, output=(f"saved {len(session.texts)} commands to {path}",))


def describe_machine(session: Session) -> str:
    """Return the words of `machine` that make the session's machine again."""
    profile = session.backend.profile
    words = [f"backend={profile.backend}"] if profile.backend != "model" else []
    words += [f"kernel={profile.kernel}", f"api={profile.api}", f"vcpus={profile.vcpus}"]
    words += [name for name in ("pit", "x2apic", "bare") if getattr(profile, name)]
    options = (("without", profile.without), ("with", profile.with_))
    words += [f"{option}={','.join(sorted(names))}" for option, names in options if names]
    return " ".join(words)


SCRIPTS: dict[str, Handler] = {"source": _source, "save": _save}
"""Verb → handler."""
