"""A lab from its text. Every fault of it is told, with file, line, key and the nearest valid word."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from kvmlab.course.body import Body, read_body
from kvmlab.course.fault import Fault, of_text
from kvmlab.course.front import Front, Table
from kvmlab.course.lab import FIND, GOAL_KINDS, Fence, Goal, Head, Hint, Lab, Mistake, Proof, Start, Variant
from kvmlab.course.texts import learn, parse_fence
from kvmlab.language.command import Command
from kvmlab.language.errors import LanguageError, nearest
from kvmlab.language.expressions import parse_expression
from kvmlab.language.facts import REPORTS
from kvmlab.language.parse import parse_line
from kvmlab.language.scope import Scope
from kvmlab.language.truth import Expression

LARGEST = 1 << 20
"""A lab of more characters than this is not read."""

KEPT = 512
"""Heads that are kept."""

REPORTED = tuple(REPORTS)
"""The violations that an execution itself shows; the others only an exploration finds."""

COMMON = ("id", "kind", "say", "otherwise")
"""The keys that every kind of goal has."""


class Read(NamedTuple):
    """What became of a text: the lab, None if anything is wrong with it, and what that is."""

    lab: Lab | None
    faults: tuple[Fault, ...]


@lru_cache(maxsize=KEPT)
def read_head(text: str, file: str) -> tuple[Head | None, tuple[Fault, ...]]:
    """Return what a list tells of a lab, and what is wrong with its front matter's own keys and goals.

    It is kept: the list is read anew whenever it is shown, and the texts have rarely changed.
    """
    front = Front(text, file)
    return _head(front), tuple(front.faults)


def _head(front: Front) -> Head | None:
    if not front.data:
        return None
    (own,) = front.tables("")
    goals = tuple(goal["id"] for goal in front.tables("goal") if "id" in goal)
    if not all(key in own for key in ("id", "title", "chapter", "minutes")):
        return None
    needs = tuple(own.get("needs", ()))
    return Head(own["id"], own["title"], own["chapter"], needs, own["minutes"], goals)


def read_lab(text: str, file: str = "") -> Read:
    """Return the lab that a text is, with every fault that keeps it from being one."""
    if len(text) > LARGEST:
        return Read(None, (Fault(file, 1, "", f"a lab has at most {LARGEST} characters"),))
    text = text.replace("\r\n", "\n")
    front = Front(text, file)
    if not front.data:
        return Read(None, tuple(front.faults) or (Fault(file, 1, "", "there is nothing between the +++"),))
    reading = _Reading(front, read_body(front.body, front.after, file))
    lab = reading.lab()
    return Read(None if reading.faults else lab, tuple(sorted(reading.faults)))


class _Reading:
    """One reading of one file."""

    def __init__(self, front: Front, body: Body) -> None:
        self._front, self._body = front, body
        self.faults = front.faults
        self.faults += body.faults
        self._names = Scope()

    def lab(self) -> Lab | None:
        head = _head(self._front)
        own = self._front.tables("")[0]
        starts = self._front.tables("start")
        start = self._start("start", 0, starts[0] if starts else {})
        self._texts(start)
        goals = tuple(self._goal(number, each) for number, each in enumerate(self._front.tables("goal")))
        self._told_twice(goals)
        mistakes = self._mistakes()
        hints = self._hints([goal.id for goal in goals if goal])
        proofs = tuple(self._proof(number, each) for number, each in enumerate(self._front.tables("proof")))
        self._whole(goals, mistakes)
        if self.faults or head is None:
            return None
        body = self._body
        return Lab(
            head, tuple(own["source"]), tuple(own.get("panes", ())), start,
            tuple(filter(None, goals)), mistakes, hints, tuple(filter(None, proofs)),
            body.fences, body.links, body.prose, body.ending, body.before, body.words, self._front.file,
        )  # fmt: skip

    def _whole(self, goals: tuple[Goal | None, ...], mistakes: tuple[Mistake, ...]) -> None:
        """Note what every lab has and this one lacks."""
        known = [goal.id for goal in goals if goal]
        solutions = [fence for fence in self._body.fences if fence.role == "solution"]
        wrong = [fence for fence in self._body.fences if fence.role == "wrong"]
        lacking = (
            (bool(goals), "goal", "a lab has at least one [[goal]]"),
            (bool(mistakes), "mistake", "a lab has at least one [[mistake]]"),
            (len(solutions) == 1, "fence", f"a lab has one 'kvm solution', not {len(solutions)}"),
            (bool(wrong), "fence", "a lab has at least one 'kvm wrong GOAL'"),
        )
        for there, key, message in lacking:
            if not there:
                self._front.fault(1, key, message)
        for fence in wrong:
            self._known_goal(fence.goal, known, fence.line - 1, "fence")

    def _known_goal(self, name: str, known: Iterable[str], line: int, key: str) -> None:
        if name not in known:
            better = nearest(name, known)
            near = f"did you mean '{better}'?" if better else f"there are {', '.join(known) or 'none'}"
            self._front.fault(line, key, f"no goal is called '{name}'; {near}")

    # -- machines and commands ----------------------------------------------------------------

    def _start(self, table: str, number: int, said: Table) -> Start:
        start = Start(
            _variant(said), said.get("vcpus", 1), said.get("pit", False), said.get("script", ""),
            self._front.first_line(table, number, "script") if "script" in said else 1,
        )  # fmt: skip
        try:
            parse_line(start.machine(), Scope())
        except LanguageError as error:
            self.faults.append(of_text(error, self._front.file, table, self._front.line(table, number)))
        return start

    def _scope(self, start: Start) -> Scope:
        """Return what text may name behind a start."""
        scope = Scope()
        try:
            parse_line(start.machine(), scope)
            parse_fence(start.script, start.line, self._front.file, scope)
        except LanguageError:
            pass  # told where the text is read
        return scope

    def _parsed(self, text: str, line: int, key: str, scope: Scope) -> None:
        try:
            parse_fence(text, line, self._front.file, scope)
        except LanguageError as error:
            self.faults.append(of_text(error, self._front.file, key))
        learn(self._names, scope)

    def _texts(self, start: Start) -> None:
        """Parse the start and every fence, in the order in which they would run, and learn their names."""
        begun = Scope()
        try:
            parse_line(start.machine(), begun)
        except LanguageError:
            return  # told already
        self._parsed(start.script, start.line, "start.script", begun)
        prose = begun.copy()
        for fence in self._body.fences:
            self._parsed(fence.text, fence.line, _called(fence), _scope_of(fence, prose, begun))

    # -- tables -------------------------------------------------------------------------------

    def _expression(self, table: str, number: int, said: Table, key: str) -> Expression | None:
        if key not in said:
            return None
        try:
            return parse_expression(" ".join(said[key].split()), self._names)
        except LanguageError as error:
            line = self._front.line(table, number, key)
            self.faults.append(of_text(error, self._front.file, f"{table}.{key}", line))
            return None

    def _goal(self, number: int, said: Table) -> Goal | None:
        if any(key not in said for key in ("id", "kind", "say")):
            return None
        self._fields(number, said)
        when, given = (self._expression("goal", number, said, key) for key in ("when", "given"))
        asked = [(verb, self._expression("goal", number, said, verb)) for verb in ("never", "always")]
        of = next(((verb, claim) for verb, claim in asked if claim is not None), None)
        answers = tuple(said.get("answers", ()))
        if "answer" in said and answers and said["answer"] not in answers:
            what = f"'{said['answer']}' is none of the answers; expected {', '.join(answers)}"
            self._front.fault(self._front.line("goal", number, "answer"), "goal.answer", what)
        return Goal(
            said["id"], said["kind"], said["say"], self._front.line("goal", number), when,
            said.get("otherwise", ""), said.get("violation", ""), said.get("verdict", ""), of, given,
            self._ready(number, said), _variant(said), answers, said.get("answer", ""),
            said.get("because", ""),
        )  # fmt: skip

    def _ready(self, number: int, said: Table) -> tuple[tuple[Command, ...], ...]:
        """Return the calls that must stand ready where the search of a proof begins."""
        line = self._front.line("goal", number, "ready")
        try:
            calls = tuple(tuple(parse_line(text, self._names)) for text in said.get("ready", ()))
        except LanguageError as error:
            self.faults.append(of_text(error, self._front.file, "goal.ready", line))
            return ()
        for command in (one for each in calls for one in each):
            if not command.spec.is_call:
                self._front.fault(line, "goal.ready", f"'{command.text}' is no call of an actor")
        return calls

    def _fields(self, number: int, said: Table) -> None:
        """Note the keys that a goal's kind lacks, or has no use for."""
        name, kind = said["kind"], GOAL_KINDS[said["kind"]]
        front = self._front
        allowed = {*COMMON, *kind.required, *kind.optional, *kind.one_of}
        for key in said:
            if key not in allowed:
                what = f"a goal of kind {name} has no such key; it has {', '.join(sorted(allowed))}"
                front.fault(front.line("goal", number, key), f"goal.{key}", what)
        for key in kind.required:
            if key not in said:
                front.fault(front.line("goal", number), f"goal.{key}", f"a goal of kind {name} needs it")
        if name == FIND and said.get("violation", REPORTED[0]) not in REPORTED:
            what = f"an execution ends in a report: one of {', '.join(REPORTED)}"
            front.fault(front.line("goal", number, "violation"), "goal.violation", what)
        if kind.one_of and sum(key in said for key in kind.one_of) != 1:
            what = f"a goal of kind {name} has one of {', '.join(kind.one_of)}"
            front.fault(front.line("goal", number), "goal", what)

    def _told_twice(self, goals: tuple[Goal | None, ...]) -> None:
        seen: set[str] = set()
        for goal in filter(None, goals):
            if goal.id in seen:
                self._front.fault(goal.line, "goal.id", f"'{goal.id}' is the ID of another goal")
            seen.add(goal.id)

    def _mistakes(self) -> tuple[Mistake, ...]:
        found = []
        for number, said in enumerate(self._front.tables("mistake")):
            when = self._expression("mistake", number, said, "when")
            if when is not None and "say" in said:
                found.append(Mistake(when, said["say"], self._front.line("mistake", number)))
        return tuple(found)

    def _hints(self, goals: list[str]) -> tuple[Hint, ...]:
        found = []
        for number, said in enumerate(self._front.tables("hint")):
            when = self._expression("hint", number, said, "when")
            goal = said.get("goal", "")
            if goal:
                self._known_goal(goal, goals, self._front.line("hint", number, "goal"), "hint.goal")
            if "say" in said:
                found.append(Hint(tuple(said["say"]), self._front.line("hint", number), goal, when))
        return tuple(found)

    def _proof(self, number: int, said: Table) -> Proof | None:
        if any(key not in said for key in ("claim", "script", "verdict")):
            return None
        front, line = self._front, self._front.line("proof", number)
        begun = self._front.tables("start")
        start = self._start("proof", number, {**(begun[0] if begun else {}), **said})
        scope = Scope()
        try:
            parse_line(start.machine(), scope)
        except LanguageError:
            return None  # told already
        self._parsed(start.script, start.line, "proof.script", scope)
        if ("violation" in said) != (said["verdict"] == "violated"):
            front.fault(line, "proof.violation", "it stands with the verdict 'violated', and only there")
        return Proof(said["claim"], start, said["verdict"], line, said.get("violation", ""))


def _variant(said: Table) -> Variant:
    without, with_ = (frozenset(said[key]) if key in said else None for key in ("without", "with"))
    return Variant(said.get("kernel", ""), said.get("api", ""), without, with_)


def _scope_of(fence: Fence, prose: Scope, begun: Scope) -> Scope:
    """Return what a fence may name: those of the prose go on from each other, the others from the start."""
    if fence.role == "":
        return prose
    return Scope() if fence.role == "fresh" else begun.copy()


def _called(fence: Fence) -> str:
    return " ".join(filter(None, ("kvm", fence.role, fence.goal)))
