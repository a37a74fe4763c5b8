"""The command line. It puts the verbs of every room into the session's table, and starts a front end.

Nothing heavy is imported before it is known which part runs: a test guards that.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, TextIO

from kvmlab.amounts import many, minutes, several
from kvmlab.course.works import add_works
from kvmlab.layouts import LAYOUT_NAMES
from kvmlab.options import Parser, formatter

if TYPE_CHECKING:
    from kvmlab.language.command import Command
    from kvmlab.result import Handler, Result, Sliced
    from kvmlab.session import Session

USAGE = 2
"""Exit status for a command line, or a text, that is wrong."""


def make_session(kernel: str = "", api: str = "") -> Session:
    """Return a session that knows the verbs of every room; the options fill in for `machine`."""
    from kvmlab.language.verbs.course import COURSE
    from kvmlab.render.looking import LOOKING
    from kvmlab.scripts import SCRIPTS
    from kvmlab.session import Options, Session

    own: dict[str, Handler] = {"compare": _compare_verb, "explore": _explore_verb, "replay": _replay_verb}
    course: dict[str, Handler] = {
        **dict.fromkeys((spec.verb for spec in COURSE), _course_verb),
        "reset": _reset_verb,
    }
    session = Session(Options(kernel, api), {**LOOKING, **SCRIPTS, **own, **course})
    session.scope.offers["lab"] = _lab_titles
    return session


# What compares, explores or teaches takes 20 ms to load, which only who does that pays.


def _course_verb(session: Session, command: Command) -> Result | Sliced[Result]:
    from kvmlab.course.desk import STUDYING

    return STUDYING[command.verb](session, command)


def _reset_verb(session: Session, command: Command) -> Result | Sliced[Result]:
    from kvmlab.verbs import HANDLERS

    return HANDLERS["reset"](session, command) if session.watcher is None else _course_verb(session, command)


def _lab_titles() -> Mapping[str, str]:
    from kvmlab.course.desk import shelf

    return shelf().titles()


def _compare_verb(session: Session, command: Command) -> Sliced[Result]:
    from kvmlab.comparing import compare_verb

    return compare_verb(session, command)


def _explore_verb(session: Session, command: Command) -> Sliced[Result]:
    from kvmlab.exploring import explore_verb

    return explore_verb(session, command)


def _replay_verb(session: Session, command: Command) -> Result:
    from kvmlab.exploring import replay_verb

    return replay_verb(session, command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit status. No traceback reaches the user."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # The history keeps every unit: with the default thresholds, looking for cycles among them
    # takes three quarters of the time of a long script.
    gc.set_threshold(100_000, 50, 1_000)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    _open_streams()
    try:
        options = parser().parse_args(arguments)
        status = int(options.program(options))
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except OSError as error:
        return _cut_off(error)
    return status


def _open_streams() -> None:
    """Make every standard stream one that can be used: none is closed, and none refuses a character."""
    for name, mode, errors in (
        ("stdin", "r", "surrogateescape"),
        ("stdout", "w", "replace"),
        ("stderr", "w", "backslashreplace"),
    ):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nowhere, mode, encoding="utf-8"))
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=errors)


def _cut_off(error: OSError) -> int:
    """Say why the output ends here, as on a full disk; return the exit status."""
    _flush(sys.stdout)
    with suppress(OSError):
        print(f"kvmlab: {error.strerror or error}", file=sys.stderr)
    _flush(sys.stderr)
    return USAGE


def _flush(stream: TextIO) -> None:
    """Write what is buffered where it has room, and nowhere else: Python tries again at its end."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; every program is an entry of it."""
    top = Parser(
        prog="kvmlab",
        description="A laboratory for the path an interrupt takes through KVM on x86.",
        formatter_class=formatter,
    )
    top.set_defaults(program=_default)
    programs = top.add_subparsers(metavar="PROGRAM")
    tui = _program(programs, "tui", _tui, "the screen, which is also what kvmlab alone starts")
    text = "a lab or a scenario by its name, or a script, to open first"
    tui.add_argument("file", nargs="?", default="", metavar="LAB|FILE", help=text)
    _screen_options(tui)
    _machine_options(tui)
    repl = _program(programs, "repl", _repl, "the prompt; reads commands from a pipe when stdin is none")
    repl.add_argument("--plain", action="store_true", help="one line at a time, without colour or completion")
    _machine_options(repl)
    run = _program(programs, "run", _run, "run scripts; the exit status is the verdict")
    run.add_argument("files", nargs="*", metavar="FILE", help="a script")
    run.add_argument(
        "-c", dest="texts", action="append", metavar="COMMANDS", help="run these commands instead"
    )
    run.add_argument("--json", action="store_true", help="one object a command")
    run.add_argument("--trace", action="store_true", help="show the tracepoints too")
    _machine_options(run)
    compare = _program(programs, "compare", _compare, "run a script under several designs")
    compare.add_argument("file", nargs="?", default="", metavar="FILE", help="a script")
    compare.add_argument("--thread", action="store_true", help="the points argued in the thread instead")
    for option, what in (("api", "designs"), ("kernel", "kernels"), ("switch", "switches, + joins several")):
        text = f"{what}, each a column, separated by commas"
        compare.add_argument(f"--{option}", default="", metavar=f"{option.upper()},…", help=text)
    text = "the options as the command `compare` has them: api=…, kernel=…, switch=…"
    compare.add_argument("words", nargs="*", default=[], metavar="KEY=…", help=text)
    form = compare.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="everything as one object")
    form.add_argument("--markdown", action="store_true", help="the table in Markdown")
    _explore_options(_program(programs, "explore", _explore, "every schedule of what a script makes ready"))
    labs = _program(
        programs, "labs", _labs, "the course: list, show, start, check, verify, new, record, report"
    )
    add_works(labs, formatter)
    attach = _program(programs, "attach", _attach, "a running QEMU, read-only: live on the screen, or once")
    attach.add_argument(
        "target", metavar="qmp:PATH", help="the QMP socket of a QEMU: -qmp unix:PATH,server=on"
    )
    once = attach.add_mutually_exclusive_group()
    once.add_argument("--text", action="store_true", help="once, in the wording of QEMU's info commands")
    once.add_argument("--json", action="store_true", help="once, as one object")
    _screen_options(attach)
    conform = _program(programs, "conform", _conform, "replay recorded behaviour and compare every field")
    conform.add_argument("files", nargs="+", metavar="FILE.jsonl")
    conform.add_argument("--json", action="store_true", help="one object a file")
    _diff_options(_program(programs, "diff", _diff, "random programs on the model and on a running kernel"))
    _record_options(
        _program(programs, "record", _record, "recordings of the running kernel, as conform reads")
    )
    bench = _program(programs, "bench", _bench, "measure the budgets")
    bench.add_argument("part", nargs="?", default="", metavar="PART", help="only this part")
    bench.add_argument("--json", action="store_true", help="one object a figure")
    about = _program(programs, "help", _help, "explain a command or a topic of the language")
    about.add_argument("topic", nargs="*", metavar="TOPIC")
    about.add_argument("--all", action="store_true", help="the whole reference")
    about.add_argument("--json", action="store_true", help="the lines in one object")
    return top


Program = Callable[[argparse.Namespace], int]


def _program(
    programs: argparse._SubParsersAction[Parser], name: str, program: Program, text: str
) -> argparse.ArgumentParser:
    made = programs.add_parser(name, help=text, description=text, formatter_class=formatter)
    made.set_defaults(program=program)
    return made


def _screen_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("--theme", default="", metavar="FILE|NAME", help="a theme file, or a theme by its name")
    text = f"in place of the one for the size: {', '.join(LAYOUT_NAMES)}"
    made.add_argument("--layout", default="", choices=LAYOUT_NAMES, metavar="LAYOUT", help=text)
    made.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")


def _machine_options(made: argparse.ArgumentParser) -> None:
    from kvmlab.engine.kernels import KERNELS
    from kvmlab.engine.profile import APIS

    for option, names in (("kernel", KERNELS), ("api", APIS)):
        text = f"where `machine` names none: {', '.join(names)}"
        made.add_argument(f"--{option}", choices=names, default="", metavar=option.upper(), help=text)


def _explore_options(made: argparse.ArgumentParser) -> None:
    """Give a parser the options of `explore`; their words are those of the language."""
    made.add_argument("file", metavar="FILE", help="a script; it is run up to its explore, or to its end")
    for name in ("bound", "atomicity", "reduction", "cap", "seed"):
        made.add_argument(f"--{name}", default=None, metavar=name[0].upper(), help=f"as explore {name}=")
    text = "as explore side-by-side: what each reduction has to look at"
    made.add_argument("--side-by-side", action="store_true", help=text)
    text = "what must always hold, or never and an expression"
    made.add_argument("--property", action="append", default=[], metavar="EXPR", help=text)
    made.add_argument("--save", default="", metavar="DIR", help="write each schedule as a script")
    text = "go on where an exploration of this script was stopped"
    made.add_argument("--resume", default="", metavar="JOURNAL", help=text)
    workers = made.add_mutually_exclusive_group()
    workers.add_argument("--jobs", type=several, default=0, metavar="N", help="search in N processes")
    text = "search on the workers of a dask cluster, by its scheduler's address"
    workers.add_argument("--cluster", default="", metavar="ADDRESS", help=text)
    form = made.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="everything as one object")
    form.add_argument("--mermaid", action="store_true", help="each schedule as a sequence diagram")
    _machine_options(made)


def _diff_options(diff: argparse.ArgumentParser) -> None:
    """Give a parser the options of `diff`."""
    diff.add_argument(
        "--seed", type=int, default=None, metavar="S", help="of the programs; else any, and told"
    )
    diff.add_argument("--ops", type=many, default=0, metavar="N", help="stop after so many operations")
    diff.add_argument("--minutes", type=minutes, default=0, metavar="M", help="stop after so long; else 1")
    text = "the same number of vCPUs for every program; else 1 to 4 in turn"
    diff.add_argument("--vcpus", type=int, default=0, choices=(1, 2, 3, 4), metavar="N", help=text)
    diff.add_argument("--family", default="", metavar="NAME,…", help="what the programs are about; else all")
    text = "compare in N processes; else in one for each CPU"
    diff.add_argument("--jobs", type=several, default=0, metavar="N", help=text)
    diff.add_argument("--json", action="store_true", help="everything as one object")


def _record_options(record: argparse.ArgumentParser) -> None:
    """Give a parser the options of `record`."""
    record.add_argument("file", metavar="FILE.jsonl", help="what to write, a file that is not there yet")
    text = "make the operations of a file again, write what is seen now, and compare"
    record.add_argument("--again", default="", metavar="OLD.jsonl", help=text)
    record.add_argument("--seed", type=int, default=1, metavar="S", help="of the random programs")
    record.add_argument("--traces", type=many, default=50, metavar="N", help="how many programs; else 50")
    text = "the same number of vCPUs for every program; else 1, 2 or 4"
    record.add_argument("--vcpus", type=int, default=0, choices=(1, 2, 3, 4), metavar="N", help=text)
    record.add_argument(
        "--family", default="", metavar="NAME,…", help="what the programs are about; else all"
    )
    record.add_argument("--json", action="store_true", help="what came of it as one object")


def _maker(options: argparse.Namespace) -> Callable[[], Session]:
    return lambda: make_session(options.kernel, options.api)


def _default(options: argparse.Namespace) -> int:
    return _tui(argparse.Namespace(kernel="", api="", file="", theme="", layout="", no_mouse=False))


def _tui(options: argparse.Namespace) -> int:
    from kvmlab.repl.start import start as start_repl
    from kvmlab.tui.start import start

    chosen = options.file, options.theme, options.layout
    return start(_maker(options), *chosen, mouse=not options.no_mouse, repl=start_repl)


def _repl(options: argparse.Namespace) -> int:
    from kvmlab.repl.start import start

    return start(_maker(options), plain=options.plain)


def _run(options: argparse.Namespace) -> int:
    if len(options.texts or ()) + bool(options.files) != 1:
        print("kvmlab run: give either FILE… or one -c COMMANDS", file=sys.stderr)
        return USAGE
    from kvmlab.run import run_files, run_text

    make = _maker(options)
    if options.texts:
        return run_text(make, options.texts[0], as_json=options.json, trace=options.trace)
    return run_files(make, options.files, as_json=options.json, trace=options.trace)


def _compare(options: argparse.Namespace) -> int:
    from kvmlab.comparing import main as compare

    for word in options.words:
        key, _equals, value = word.partition("=")
        if key not in ("api", "kernel", "switch"):
            print(f"kvmlab compare: '{word}' is none of api=…, kernel=…, switch=…", file=sys.stderr)
            return USAGE
        setattr(options, key, value)
    return compare(make_session, options)


def _explore(options: argparse.Namespace) -> int:
    from kvmlab.exploring import main as explore

    return explore(_maker(options), options)


def _labs(options: argparse.Namespace) -> int:
    from kvmlab.studying import main as labs

    return labs(make_session, options)


def _attach(options: argparse.Namespace) -> int:
    from kvmlab.attaching import main as attach

    return attach(make_session, options)


def _conform(options: argparse.Namespace) -> int:
    from kvmlab.judge.conform import main as conform

    return conform(options.files, as_json=options.json)


def _diff(options: argparse.Namespace) -> int:
    from kvmlab.diffing import main as diff

    return diff(options)


def _record(options: argparse.Namespace) -> int:
    from kvmlab.judge.record import main as record

    return record(options)


def _bench(options: argparse.Namespace) -> int:
    from kvmlab.judge.bench import main as bench

    return bench(options.part, as_json=options.json)


def _help(options: argparse.Namespace) -> int:
    import json

    from kvmlab.language.errors import LanguageError
    from kvmlab.language.help import help_topic

    topic = "--all" if options.all else " ".join(options.topic)
    try:
        lines = help_topic(topic)
        print(json.dumps({"topic": topic, "lines": lines}) if options.json else "\n".join(lines))
    except LanguageError as error:
        print(error.sentence(), file=sys.stderr)
        return USAGE
    return 0
