"""`kvmlab labs`: the course without a screen.

Exit status: 0 every goal is reached, or nothing is wrong; 1 one is open, or something is wrong with a
lab; 2 what was asked for is no lab, no script or no text.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from kvmlab.backends.backend import Refused
from kvmlab.course.beginning import begin, set_up
from kvmlab.course.crew import verified
from kvmlab.course.desk import list_rows, shelf, store
from kvmlab.course.fault import Fault
from kvmlab.course.junit import junit
from kvmlab.course.recording import Draft, Recorder, file_name, template
from kvmlab.course.report import account, cases
from kvmlab.course.shelf import ENDING, Missing, Shelved, own_folder
from kvmlab.course.standing import Standing
from kvmlab.course.store import Entry, Store, state
from kvmlab.course.verify import Verified, verify
from kvmlab.language.errors import LanguageError, in_words
from kvmlab.progress import progress
from kvmlab.render.cells import Cell, Row, line, visible
from kvmlab.render.course import goal_rows
from kvmlab.render.plain import plain_lines, width_of
from kvmlab.repl.plain import lines
from kvmlab.repl.start import on_terminal, start
from kvmlab.run import FAILED, HELD, WRONG, Make, refuse
from kvmlab.scripts import parse_file, run
from kvmlab.shell import Shell


def main(make: Make, options: Namespace) -> int:
    """The program `kvmlab labs`: do one work of the course; return the exit status."""
    try:
        return WORKS[options.work](make, options)
    except Missing as missing:
        for each in (missing, *missing.faults):
            print(visible(str(each)), file=sys.stderr)
        return WRONG
    except LanguageError as error:
        return refuse(error)
    except (OSError, ValueError, Refused) as error:
        why = in_words(error)
        print(f"{getattr(error, 'filename', None) or 'kvmlab labs'}: {why}", file=sys.stderr)
        return WRONG


def _print(rows: list[Row]) -> None:
    for text in plain_lines(rows, width_of(sys.stdout)):
        print(text, flush=True)


def _list(_make: Make, options: Namespace) -> int:
    if options.json:
        kept = store().labs()
        heads = [each.head for each in shelf().heads.values() if each.head]
        told = [
            {**asdict(head), "state": state(head, kept.get(head.id, {})), "kept": kept.get(head.id, {})}
            for head in heads
        ]
        print(json.dumps({"labs": told}))
    else:
        _print(list_rows())
        print(f"Your own labs are read from {own_folder()}")
    return HELD


def _show(_make: Make, options: Namespace) -> int:
    if options.source:
        return _source(shelf().shelved(options.lab))
    lab = shelf().lab(options.lab)
    text = "\n".join(map(visible, f"# {lab.head.title}\n\n{lab.prose}".split("\n")))
    if sys.stdout.isatty():
        from rich.console import Console  # 40 ms that a pipe does not need
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        print(text)
    return HELD


def _source(shelved: Shelved) -> int:
    """Print a file as it stands, a broken one too; raises Missing for one that cannot be read."""
    if not shelved.text:
        raise Missing(f"{shelved.file} cannot be shown", shelved.faults)
    print("\n".join(map(visible, shelved.text.rstrip("\n").split("\n"))))
    return HELD


def _start(make: Make, options: Namespace) -> int:
    shelf().lab(options.lab)
    return start(make, plain=options.plain, first=[f'lab start "{options.lab}"'])


# -- a learner's script ----------------------------------------------------------------------------


def _check(make: Make, options: Namespace) -> int:
    lab = shelf().lab(options.lab)
    session = make()
    set_up(session, lab.start, lab.file)
    player = begin(session, lab)
    commands = parse_file(session, options.file)
    failed = [result for result in run(session, commands) if result.held is False]
    standing = player.standing()
    if options.json:
        print(json.dumps(as_object(standing)))
    else:
        _print(goal_rows(standing.goals))
    for result in failed:
        command = result.command
        print(f"{command.file}:{command.line}: {command.text}: {result.why}", file=sys.stderr)
    return HELD if standing.reached == len(standing.goals) and not failed else FAILED


def as_object(standing: Standing) -> dict[str, object]:
    """Return where a lab stands as plain data."""
    return {
        "lab": standing.id,
        "reached": standing.reached,
        "goals": [goal._asdict() for goal in standing.goals],
        "score": standing.score._asdict(),
    }


# -- the author's work -----------------------------------------------------------------------------


def _verify(make: Make, options: Namespace) -> int:
    chosen = _chosen(options)
    done: list[Verified] = []
    with progress(len(chosen)) as tick:
        for each in verified(chosen, make, options.jobs or os.cpu_count() or 1):
            done.append(each)
            tick()
    done.sort(key=lambda each: each.shelved.file)
    faults = [fault for each in done for fault in each.faults]
    if options.junit:
        print(junit([each.cases() for each in done]))
    elif options.json:
        told = {
            "faults": [each.as_object() for each in faults],
            "states": [each.as_object() for each in done],
        }
        print(json.dumps({"labs": [each.file for each in chosen], **told}))
    else:
        for fault in faults:
            print(visible(str(fault)))
    sys.stdout.flush()
    wrong = [fault for fault in faults if not fault.warns]
    bad = len({fault.file for fault in wrong})
    found = (
        " and ".join(_count(wrong, "fault") + _count(faults, "warning", but=len(wrong))) or "nothing wrong"
    )
    print(f"{len(chosen) - bad} of {len(chosen)} labs are as they should be; {found}", file=sys.stderr)
    return FAILED if wrong else HELD


def _count(faults: Sequence[Fault], word: str, but: int = 0) -> list[str]:
    """Return how many there are in words, [] for none."""
    count = len(faults) - but
    return [f"{count} {word}{'s' * (count != 1)}"] if count else []


def _chosen(options: Namespace) -> Sequence[Shelved]:
    """Return the labs to be verified: those that are named, else all; of these those that changed."""
    chosen = [shelf().shelved(name) for name in options.labs] or list(shelf().all)
    for each in chosen if options.labs else ():
        if not each.text:
            raise Missing(str(each.faults[0]))
    if not options.since:
        return chosen
    changed = _changed(options.since)
    return [each for each in chosen if Path(each.file).resolve() in changed]


def _changed(since: str) -> set[Path]:
    """Return the files of labs that have changed since a commit, or that git does not know."""
    places = {Path(each.file).resolve().parent for each in shelf().all}
    found: set[Path] = set()
    for place in places:
        top = _git(place, "rev-parse", "--show-toplevel")
        if top is None:
            continue
        for words in (
            ("diff", "--name-only", since, "--"),
            ("ls-files", "--others", "--exclude-standard", "--full-name"),
        ):
            names = _git(place, *words)
            if names is None:
                raise ValueError(f"git knows no '{since}'")
            found |= {Path(top.strip(), name) for name in names.splitlines() if name.endswith(ENDING)}
    return found


def _git(place: Path, *words: str) -> str | None:
    """Return what git says in a folder, None where it fails."""
    told = subprocess.run(["git", "-C", str(place), *words], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return told.stdout if told.returncode == 0 else None


def _new(_make: Make, options: Namespace) -> int:
    folder = Path(options.folder) if options.folder else own_folder()
    if options.lab in shelf().heads:
        raise ValueError(f"'{options.lab}' is the ID of {shelf().heads[options.lab].file}")
    taken = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    path = folder / file_name(options.lab, options.chapter, taken)
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(template(options.lab, options.chapter))
    print(f"wrote {path}; 'kvmlab labs verify {path}' says what is left to do")
    return HELD


def _record(make: Make, options: Namespace) -> int:
    path = Path(options.file)
    number, _dash, name = path.stem.partition("-")
    if path.exists() or not (number.isdecimal() and name and path.suffix == ENDING):
        raise ValueError(
            f"{path}: " + ("it exists and is left as it is" if path.exists() else "expected NN-ID.md")
        )
    file_name(name, options.chapter, ())
    session = make()
    recording = Recording(Recorder(session, Draft(name, options.chapter)))
    _print([line(RECORDING)])
    if on_terminal():
        from kvmlab.repl.prompt import run_prompt  # a pipe does not need it

        run_prompt(lambda: session, take=recording)
    else:
        shell = Shell(session, _print)
        for text in lines(sys.stdin, sys.stdout):
            taken = recording(text)
            if not (shell.run_line(text) if taken is None else taken):
                break
    path.write_text(recording.recorder.text(), encoding="utf-8")
    print(f"wrote {path}; what is left to do:")
    for fault in verify(shelf().shelved(str(path)), shelf(), make).faults:
        print(visible(str(fault)))
    return HELD


RECORDING = (
    "Commands as at the prompt, and: 'start' (what was done so far leads to the lab's start),"
    " 'goal ID EXPRESSION' (it is so now), 'done'."
)


class Recording:
    """A prompt at which a lab is recorded: what it understands beside the language."""

    words: Mapping[str, str] = {
        "start": "what was done so far leads to the lab's start",
        "goal": "what is so now is a goal: goal ID EXPRESSION",
        "done": "write the lab",
    }

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def __call__(self, text: str, /) -> bool | None:
        """Take a line of a recording; see Take."""
        verb, *rest = text.split(maxsplit=2) or [""]
        if verb not in self.words:
            return None
        try:
            if verb == "done":
                self.recorder.text()
                return False
            said = "a goal is 'goal ID EXPRESSION', such as 'goal rung eventfd.bell.count == 2'"
            if verb == "start":
                said = self.recorder.start()
            elif len(rest) == 2:
                said = self.recorder.goal(*rest)
            _print([line(said)])
        except LanguageError as error:
            _print([line(error.sentence())])
        except Refused as refused:
            _print([line(str(refused))])
        return True

    def as_language(self, text: str) -> str:
        """Return a goal as the `expect` of its expression."""
        return re.sub(r"^\s*goal\s+\S+\s", "expect ", text)


# -- for who teaches -------------------------------------------------------------------------------


def _of_a_learner(path: Path) -> dict[str, Entry]:
    """Return what a learner's file keeps; it is left as it is. Raises OSError or ValueError for none."""
    path.stat()
    try:
        return Store(path).read()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _report(make: Make, options: Namespace) -> int:
    entries = _of_a_learner(Path(options.progress)) if options.progress else store().labs()
    names = options.labs or list(shelf().heads)
    accounts = []
    with progress(len(names)) as tick:
        for name in names:
            lab = shelf().lab(name)
            accounts.append(account(lab, entries.get(lab.id, {}), make))
            tick()
    if options.junit:
        print(junit([cases(each) for each in accounts]))
    elif options.json:
        print(json.dumps({"labs": [each.as_object() for each in accounts]}))
    else:
        for each in accounts:
            rows = [line(Cell(each.lab.id, "header"), f": {each.lab.head.title}"), *goal_rows(each.goals)]
            _print(rows)
    sys.stdout.flush()
    for notice in store().notices:
        print(notice, file=sys.stderr)
    done = sum(each.done for each in accounts)
    print(f"{done} of {len(accounts)} labs done", file=sys.stderr)
    return HELD if done == len(accounts) else FAILED


WORKS: dict[str, Callable[[Make, Namespace], int]] = {
    "list": _list,
    "show": _show,
    "start": _start,
    "check": _check,
    "verify": _verify,
    "new": _new,
    "record": _record,
    "report": _report,
}
"""The programs of the course."""
