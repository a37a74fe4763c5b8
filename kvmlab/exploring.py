"""`explore` and `replay`: the program and the verbs.

Exit status of the program: 0 nothing was found in all that was asked for, 1 something was found or not
all was seen, 2 wrong text.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from kvmlab.backends.backend import Answer, Refused
from kvmlab.backends.model import Model
from kvmlab.explore.cluster import Cluster
from kvmlab.explore.explorer import Explorer, nothing_left_out
from kvmlab.explore.jobs import NoWorkers, Processes, Sharing
from kvmlab.explore.properties import judging
from kvmlab.explore.schedule import script
from kvmlab.explore.search import Progress
from kvmlab.explore.sidebyside import MEANINGS, SideBySide
from kvmlab.explore.start import Start
from kvmlab.explore.units import Scenario
from kvmlab.explore.verdict import Asked, Report
from kvmlab.keeping import Keeper
from kvmlab.language.command import Command
from kvmlab.language.errors import LanguageError, in_words
from kvmlab.language.parse import parse_line
from kvmlab.language.scope import Scope
from kvmlab.language.script import parse_script
from kvmlab.place import between_slices, slices
from kvmlab.progress import watched
from kvmlab.render.account import mermaid, report_rows, side_by_side_rows
from kvmlab.render.cells import Row
from kvmlab.render.plain import plain_lines
from kvmlab.result import Property, Result, Sliced, Underway, drained
from kvmlab.run import FAILED, HELD, WRONG, Make, refuse
from kvmlab.scripts import anywhere, beside, describe_machine, parse_file
from kvmlab.session import Session
from kvmlab.snapshot import LastSnapshot

OPTIONS = ("atomicity", "reduction", "bound", "cap", "seed")
"""What both the verb and the program can be told of a search."""

BESIDE = "side-by-side"
"""The word that asks for what each reduction has to look at."""


def _options(options: Namespace) -> Mapping[str, Any]:
    """Return what a command line says of a search; raises LanguageError as the verb would."""
    said = [(name, getattr(options, name)) for name in OPTIONS]
    try:
        (command,) = parse_line(
            " ".join(["explore", *(f"{n}={v}" for n, v in said if v is not None)]), Scope()
        )
    except LanguageError as error:
        error.file = "kvmlab"
        raise
    return command.args


def asked_of(*said: Mapping[str, Any]) -> Asked:
    """Return what is asked for; where several say something the last counts. None says nothing."""
    told = {name: args[name] for args in said for name in OPTIONS if args.get(name) is not None}
    if told.get("atomicity") == "section" and "reduction" in told:
        raise Refused("atomicity=section has no reduction: give one of the two")
    return Asked(**told)


def explore_verb(session: Session, command: Command) -> Sliced[Result]:
    """The verb `explore`: search a copy of the machine; stopped, it tells what was found until then."""
    asked = asked_of(command.args)
    explorer = _explorer(session, asked, command.args)
    underway = Underway(command, "states", asked.cap)
    stopped = False
    session.busy = True
    try:
        for progress in explorer.run():
            _note(underway, explorer, progress)
            stopped = bool((yield underway))
            if stopped:
                break
    except KeyboardInterrupt:
        stopped = True
    finally:
        session.busy = False
    if isinstance(explorer, SideBySide):
        count, rows = len(explorer.found), side_by_side_rows(explorer, MEANINGS)
    else:
        count, rows = _reported(session, explorer, command)
    result = session.answered(command, Answer(count))
    return replace(result, output=tuple(rows), stopped=(command,) if stopped else ())


def _reported(session: Session, explorer: Explorer, command: Command) -> tuple[int, list[Row]]:
    """Keep what was found, for `replay` and a lab; return how much it is, and the account."""
    report = explorer.report()
    session.found = tuple(example.moves for example in report.examples)
    if session.watcher is not None:
        from kvmlab.course.goals import Searched  # only who is in a lab pays for it
        from kvmlab.course.player import Player

        if isinstance(session.watcher, Player):
            session.watcher.explored(Searched.of(report), command.text)
    return len(report.examples), report_rows(report)


def _note(underway: Underway, explorer: Explorer | SideBySide, progress: Progress) -> None:
    """Note how far an exploration is."""
    underway.doing, underway.things, underway.count = explorer.doing, explorer.things, explorer.most
    underway.done, underway.waiting = progress.states, progress.waiting
    underway.found = len(explorer.found)


def _explorer(session: Session, asked: Asked, said: Mapping[str, Any]) -> Explorer | SideBySide:
    """Return what explores a session's machine as it is asked to; raises Refused."""
    last = LastSnapshot(*session.last)
    if not said.get(BESIDE):
        return Explorer(Start.of(session), asked, session.properties, last)
    _check_beside(said)
    return SideBySide(Start.of(session), asked, session.properties, last)


def _check_beside(said: Mapping[str, Any]) -> None:
    """Raise Refused for what cannot be said beside `side-by-side`."""
    for name in OPTIONS:
        if name != "cap" and said.get(name) is not None:
            raise Refused(f"side-by-side searches under every reduction, and to the end: leave out {name}=")


def replay_verb(session: Session, command: Command) -> Result:
    """The verb `replay`: play the steps of a schedule, as one unit; it ends where one cannot move.

    Raises LanguageError for a file that is no schedule, Refused where nothing was found.
    """
    steps = _steps(session, command) if command.args.get("file") else _found(session, command)
    backend = session.backend
    if not isinstance(backend, Model):
        raise Refused("only the model can replay a schedule: 'machine kernel=linux-6.x' makes one")
    for step in steps:
        if not backend.machine.contexts.knows(step.args["context"]):
            raise Refused(f"{_at(step)}: no context is called {step.args['context']} here")
    backend.set_manual(True)
    answer, diverged = Answer(), ""
    for step in steps:
        answer, why = _played(backend, session, step)
        if why:
            diverged = f"{_at(step)}: {step.text}: {why}"
            break
    result = session.unit(command, answer)
    return replace(result, why=diverged, held=False) if diverged else result


def _played(backend: Model, session: Session, step: Command) -> tuple[Answer, str]:
    """Make one step; return its answer, and where reality diverged from the schedule, "" where it did not."""
    name, count = step.args["context"], step.args["count"]
    context = backend.machine.contexts.get(name)
    stood, moved = context.stopped, 0

    def watch() -> None:
        nonlocal moved
        moved += 1
        session.moved(name)

    answer = backend.step(name, count, watch)
    if context.stopped and not stood:
        # The op that stopped it has run, and is the last there is.
        moved += 1
    return answer, "" if moved == count else f"it moved by {moved}: {answer.why}"


def _steps(session: Session, command: Command) -> list[Command]:
    """Return the steps of the schedule that a command names; raises LanguageError where there are none."""
    path = command.args["file"]
    try:
        file, text = anywhere(path, command.file)
    except (OSError, ValueError) as error:
        why = in_words(error)
        raise LanguageError(
            f"'{path}' cannot be read: {why}",
            command.line,
            command.column,
            file=command.file,
            source=command.text,
        ) from None
    read = parse_script(text, file, session.scope.copy(), beside)
    steps = [each for each in read if each.verb == "step"]
    if not steps:
        raise LanguageError("there is no step in it", file=file, expected="a saved schedule")
    return steps


def _found(session: Session, command: Command) -> list[Command]:
    """Return the steps of a schedule that the last `explore` found; raises Refused where there is none."""
    number = command.args.get("found") or 1
    if number > len(session.found):
        have = f"it found {len(session.found)}" if session.found else "nothing was found"
        raise Refused(f"there is no schedule {number} of the last 'explore' in this machine: {have}")
    return [
        parse_line(f"step {name} {ops}", session.scope, at, "explore")[0]
        for at, (name, ops) in enumerate(session.found[number - 1], 1)
    ]


def _at(command: Command) -> str:
    return f"{command.file}:{command.line}"


# -- the program -----------------------------------------------------------------------------------


def main(make: Make, options: Namespace) -> int:
    """The program `kvmlab explore`: run a script up to its `explore`, and explore what stands ready."""
    session = make()
    try:
        said = _prepared(session, options.file)
        asked = asked_of(said, _options(options))
        claims = [_claim(session, text) for text in options.property]
        session.properties += claims
        if options.side_by_side:
            return _beside(session, asked.cap, options)
        asked, sharing = _sharing(session, asked, claims, options)
        last = LastSnapshot(*session.last)
        explorer = Explorer(Start.of(session), asked, session.properties, last, sharing)
        keeper = Keeper(explorer, scenario(session), _said(options), options.resume)
        if options.save:
            Path(options.save).mkdir(parents=True, exist_ok=True)
    except LanguageError as error:
        return refuse(error)
    except (OSError, ValueError, Refused, NoWorkers) as error:
        why = in_words(error)
        print(f"{getattr(error, 'filename', None) or options.file}: {why}", file=sys.stderr)
        return WRONG
    try:
        _watched(explorer, keeper)
    except NoWorkers as missing:
        print(f"{options.file}: {missing}", file=sys.stderr)
        return WRONG
    report = explorer.report()
    _show(report, options)
    saved = not options.save or _save(report, session, Path(options.save), Path(options.file).stem)
    if report.verdict.whole:
        keeper.drop()
    else:
        print(keeper.left(), file=sys.stderr)
    if not saved:
        return WRONG
    return HELD if report.clean and not session.tally.failed else FAILED


def _said(options: Namespace) -> list[str]:
    """Return the words of a command line that make a search this one."""
    words = [options.file]
    for name in (*OPTIONS, "jobs", "cluster", "kernel", "api"):
        if value := getattr(options, name):
            words += f"--{name}", str(value)
    return words + [f"--property={text}" for text in options.property]


def _beside(session: Session, cap: int, options: Namespace) -> int:
    """Compare the reductions, and tell of them."""
    if options.jobs or options.cluster or options.resume or options.save or options.mermaid:
        raise Refused("--side-by-side goes with --cap, --property and --json alone")
    _check_beside(_options(options))
    start, last = Start.of(session), LastSnapshot(*session.last)
    compared = SideBySide(start, Asked(cap=cap), session.properties, last)
    _watched(compared, None)
    if options.json:
        print(json.dumps({"reductions": [effort.as_object() for effort in compared.efforts]}))
    else:
        print("\n".join(plain_lines(side_by_side_rows(compared, MEANINGS))))
    return HELD if compared.clean and not session.tally.failed else FAILED


def _sharing(
    session: Session, asked: Asked, claims: Sequence[Property], options: Namespace
) -> tuple[Asked, Sharing | None]:
    """Return what is asked for where workers search, and how they share it; None for one process."""
    if not (options.jobs or options.cluster):
        return asked, None
    if asked.bound is not None:
        raise Refused("a bound is searched by one process: leave out --jobs and --cluster")
    if asked.atomicity == "op" and nothing_left_out(session.properties):
        asked = replace(asked, reduction="plain")
    workers = Cluster(options.cluster) if options.cluster else Processes(options.jobs)
    lines = (*scenario(session), *[each.command.text for each in claims])
    return asked, Sharing(Scenario(lines, asked.moves, judging), workers, asked.cap)


def _prepared(session: Session, file: str) -> Mapping[str, Any]:
    """Run a script up to its first `explore`, or to its end; return what that asks for."""
    for command in parse_file(session, file):
        asking = command.inner[0] if command.verb == "expect" and command.inner else command
        if asking.verb == "explore":
            return asking.args
        result = drained(slices(session, command))
        if result.held is False:
            print(f"{_at(command)}: {command.text}: {result.why}", file=sys.stderr)
        if result.ends:
            break
    return {}


def _claim(session: Session, text: str) -> Property:
    """Return what ``--property`` says: an expression that must always hold, or `never` and one."""
    spoken = text if text.startswith(("never ", "always ")) else f"always {text}"
    try:
        command, *more = parse_line(spoken, session.scope)
    except LanguageError as error:
        error.file = "--property"
        raise
    if more:
        what = "a property is one expression"
        raise LanguageError(what, column=more[0].column, file="--property", source=spoken)
    return Property(command, command.args["expression"], wanted=command.verb == "always")


def _watched(explorer: Explorer | SideBySide, keeper: Keeper | None) -> None:
    """Explore to the end, or to Ctrl+C, telling on a terminal how far it is."""
    try:
        with between_slices() as pause:
            watched(_kept(explorer, keeper, pause))
    except KeyboardInterrupt:
        print("stopped: what was found until then is kept", file=sys.stderr)


def _kept(explorer: Explorer | SideBySide, keeper: Keeper | None, pause: Callable[[], None]) -> Sliced[None]:
    """Explore in slices, with a journal."""
    underway = Underway(parse_line("explore", Scope())[0], "states", explorer.asked.cap)
    for progress in explorer.run():
        pause()
        _note(underway, explorer, progress)
        yield underway
        if keeper is not None:
            keeper.keep()


def _show(report: Report, options: Namespace) -> None:
    if options.json:
        lines = [json.dumps(report.as_object())]
    elif options.mermaid:
        lines = list(_diagrams(report))
    else:
        lines = plain_lines(report_rows(report))
    print("\n".join(lines))
    sys.stdout.flush()


def _diagrams(report: Report) -> Iterator[str]:
    """Yield a Mermaid diagram for each thing found, with the verdict as comments."""
    for example in report.examples:
        yield from mermaid(example)
        yield ""
    yield from (f"%% {text}" for text in report.verdict.lines())


def scenario(session: Session) -> Sequence[str]:
    """Return the commands that bring a session's machine to where it is, from `machine` on."""
    said = session.texts
    own = said[1:] if said and said[0].split()[0] in {"machine", "reset"} else said
    return [f"machine {describe_machine(session)}", *own]


def _save(report: Report, session: Session, folder: Path, stem: str) -> bool:
    """Write each schedule as a script; what is there already is left as it is. False if one cannot be."""
    said = scenario(session)
    for number, example in enumerate(report.examples, 1):
        path = folder / f"{stem}-{number}-{example.kind}.kvm"
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(script(said, example))
        except FileExistsError:
            print(f"{path} exists and is left as it is", file=sys.stderr)
        except OSError as error:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            print(f"{path} cannot be written: {error.strerror or error}", file=sys.stderr)
            return False
        else:
            print(f"saved {path}", file=sys.stderr)
    return True
