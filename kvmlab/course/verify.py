"""Is a lab what it says: every check of the format, as a table. Nothing is taken for granted.

The texts of a lab are played, its claims are explored, and so are the states round its ways; a fault has
the line that is to be mended. A dead end only warns: `undo` and `reset` lead back from every state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from kvmlab.course.around import Around, around
from kvmlab.course.beginning import begin, set_up
from kvmlab.course.fault import Fault
from kvmlab.course.goals import Searched, so
from kvmlab.course.junit import Case
from kvmlab.course.lab import NEVER, Fence, Head, Lab, Proof
from kvmlab.course.shelf import Shelf, Shelved
from kvmlab.course.trial import Judged, Make, Trial, called
from kvmlab.explore.explorer import Explorer
from kvmlab.explore.start import Start as Where
from kvmlab.explore.verdict import EXHAUSTED, Asked
from kvmlab.facts import lookup
from kvmlab.language.errors import LanguageError, nearest
from kvmlab.scenarios import claims
from kvmlab.session import Session
from kvmlab.snapshot import LastSnapshot

BEFORE, WORDS = 150, 420
"""The most words before the first commands that can be run, and of the whole prose."""

TODO = "TODO:"
"""What a template has where its author is to write."""

NUMBERS = {1: (1, 8), 2: (9, 18), 3: (19, 28), 4: (29, 38), 5: (39, 55), 6: (56, 65), 7: (66, 79)}
"""The numbers that the files of a chapter begin with."""


class Bench:
    """One lab under examination: the lab, its trial, and the heads of all the labs there are."""

    def __init__(self, lab: Lab, text: str, heads: Mapping[str, Head], make: Make) -> None:
        self.lab, self.text, self.heads = lab, text, heads
        self.trial, self._make = Trial(lab, make), make

    @cached_property
    def begun(self) -> tuple[Judged | None, list[Fault]]:
        """The lab at its start, where nothing has been done."""
        return self.trial.begun()

    @cached_property
    def around(self) -> Around | None:
        """What lies round the lab's ways, None where they cannot be gone."""
        session = self._make()
        with suppress(LanguageError):
            set_up(session, self.lab.start, self.lab.file)
            found = around(begin(session, self.lab))
            player, _run = self.trial.solution
            for goal in player.done() if player is not None else ():
                # What only a schedule that a search has found reaches is on no way that was gone.
                found.goals[goal] = max(1, found.goals[goal])
            return found
        return None

    def fault(self, line: int, key: str, message: str) -> Fault:
        """Return a fault of this lab."""
        return Fault(self.lab.file, line, key, message)


Check = Callable[[Bench], Iterable[Fault]]


def _name(bench: Bench) -> Iterator[Fault]:
    lab, name = bench.lab, PurePath(bench.lab.file).name
    low, high = NUMBERS[lab.head.chapter]
    match = re.fullmatch(r"(\d\d)-(.+)\.md", name)
    if match is None or match[2] != lab.id:
        yield bench.fault(1, "id", f"the file is called NN-{lab.id}.md, not {name}")
    elif not low <= int(match[1]) <= high:
        yield bench.fault(1, "id", f"chapter {lab.head.chapter} has the numbers {low:02} to {high:02}")


def _needs(bench: Bench) -> Iterator[Fault]:
    for name in bench.lab.head.needs:
        if name not in bench.heads:
            yield bench.fault(1, "needs", f"no lab is called '{name}'{_near(name, bench.heads)}")
    cycle = _cycle(bench.lab.id, bench.heads)
    if cycle:
        yield bench.fault(1, "needs", f"it needs itself: {' → '.join(cycle)}")


def _cycle(name: str, heads: Mapping[str, Head]) -> list[str]:
    """Return the way on which a lab comes to need itself, [] for none."""
    ways = [[name]]
    seen = {name}
    while ways:
        way = ways.pop()
        for need in heads[way[-1]].needs if way[-1] in heads else ():
            if need == name:
                return [*way, need]
            if need not in seen:
                seen.add(need)
                ways.append([*way, need])
    return []


def _near(word: str, words: Iterable[str]) -> str:
    better = nearest(word, words)
    return f"; did you mean '{better}'?" if better else ""


def _links(bench: Bench) -> Iterator[Fault]:
    known = {"lab": bench.heads, "scenario": claims()}
    for scheme, target, line in bench.lab.links:
        if target not in known[scheme]:
            yield bench.fault(line, "link", f"no {scheme} is called '{target}'{_near(target, known[scheme])}")


def _short(bench: Bench) -> Iterator[Fault]:
    lab = bench.lab
    first = next((fence.line for fence in lab.fences if fence.role == ""), 1)
    if lab.before > BEFORE:
        yield bench.fault(first, "prose", f"{lab.before} words before the first commands; at most {BEFORE}")
    if lab.words > WORDS:
        yield bench.fault(1, "prose", f"{lab.words} words; at most {WORDS}")


def _start(bench: Bench) -> Iterator[Fault]:
    """Nothing is reached, broken or mistaken where nothing has been done."""
    player, faults = bench.begun
    yield from faults
    if player is None:
        return
    read = lookup(player.session.snapshot())
    for goal in bench.lab.goals:
        if goal.id in player.done() or (not _at_the_end(goal.kind) and so(goal, player.session, read)):
            yield bench.fault(goal.line, f"goal '{goal.id}'", "it is so at the start already")
    for mistake in bench.lab.mistakes:
        if mistake.when.evaluate(read).held is True:
            yield bench.fault(mistake.line, "mistake", "it is so at the start already")


def _at_the_end(kind: str) -> bool:
    return kind == "holds"


def _prose(bench: Bench) -> Iterator[Fault]:
    """The commands of the prose run, what they expect holds, and they leave every goal to the learner.

    Who only reads along and types them is told of no mistake.
    """
    player, _faults = bench.begun
    if player is None:
        return
    for fence in bench.lab.fences:
        if fence.role == "":
            before = player.seen
            run = bench.trial.play(player.session, fence.text, fence.line, called(fence))
            yield from run.faults
            for command, done in run.done:
                if done:
                    what = f"'{command.text}' reaches {', '.join(sorted(done))}, which is for the learner"
                    yield bench.fault(command.line, called(fence), what)
                    return
            for number in sorted(each for each in player.seen - before if isinstance(each, int)):
                said = bench.lab.mistakes[number].say
                yield bench.fault(fence.line, called(fence), f"it triggers a mistake: {said}")
    seen = [goal.id for goal in bench.lab.goals if goal.kind == NEVER and goal.id in player.seen]
    if seen:
        yield bench.fault(1, "kvm", f"the prose breaks {', '.join(seen)}")


def _fresh(bench: Bench) -> Iterator[Fault]:
    for fence in bench.lab.fences:
        if fence.role == "fresh":
            run = bench.trial.fresh(fence)
            yield from run.faults
            if run.done and run.done[0][0].verb != "machine":
                yield bench.fault(run.done[0][0].line, called(fence), "it begins with 'machine'")
            yield from _typed(bench, fence)


def _typed(bench: Bench, fence: Fence) -> Iterator[Fault]:
    """Who types such commands in the lab is told of no mistake; searches, which take long, make none."""
    player, _faults = bench.trial.begun()
    if player is not None:
        lines = ["" if "explore" in text else text for text in fence.text.split("\n")]
        bench.trial.play(player.session, "\n".join(lines), fence.line, called(fence))
        for said in player.standing().mistakes:
            yield bench.fault(fence.line, called(fence), f"typed in the lab it triggers a mistake: {said}")


def _solution(bench: Bench) -> Iterator[Fault]:
    player, run = bench.trial.solution
    yield from run.faults
    if player is None:
        return
    lab, line = bench.lab, bench.lab.solution.line
    for goal in player.standing().goals:
        if goal.state != "reached":
            yield bench.fault(line, "kvm solution", f"it does not reach '{goal.id}': {goal.why}")
    for number in sorted(each for each in player.seen if isinstance(each, int)):
        yield bench.fault(line, "kvm solution", f"it triggers a mistake: {lab.mistakes[number].say}")
    early = [command for command, done in run.done[:-1] if len(done) == len(lab.goals)]
    if early:
        what = f"every goal is reached with '{early[0].text}', before its last line"
        yield bench.fault(early[0].line, "kvm solution", what)


def _wrong(bench: Bench) -> Iterator[Fault]:
    for fence, player, run in bench.trial.wrong:
        yield from run.faults
        if player is None:
            continue
        reached = [command for command, done in run.done if fence.goal in done]
        if reached:
            yield bench.fault(reached[0].line, called(fence), f"'{reached[0].text}' reaches the goal")
        if not any(isinstance(each, int) for each in player.seen):
            yield bench.fault(fence.line, called(fence), "no mistake is triggered")


def _mistakes(bench: Bench) -> Iterator[Fault]:
    seen = {each for _fence, player, _run in bench.trial.wrong if player for each in player.seen}
    for number, mistake in enumerate(bench.lab.mistakes):
        if number not in seen:
            yield bench.fault(mistake.line, "mistake", "no wrong turn triggers it")


def _hints(bench: Bench) -> Iterator[Fault]:
    players = [bench.begun[0], bench.trial.solution[0], *[each[1] for each in bench.trial.wrong]]
    showable = {number for player in players if player for number in player.showable}
    if bench.around is not None:
        showable |= {number for number, count in enumerate(bench.around.hints) if count}
    for number, hint in enumerate(bench.lab.hints):
        if number not in showable:
            what = "it can never be shown: its 'when' is so, with its goal open, on no way of this lab"
            yield bench.fault(hint.line, "hint", f"{what}, and beside none")
    for goal in bench.lab.goals:
        if not any(hint.goal in ("", goal.id) for hint in bench.lab.hints):
            yield bench.fault(goal.line, f"goal '{goal.id}'", "it has no hint")


def _ends(bench: Bench) -> Iterator[Fault]:
    """Who is stuck is told so, by a mistake, or has a hint that leads on."""
    found = bench.around
    if found is None or not found.ends:
        return
    (way, left), count = found.nearest, len(found.ends)
    line = next(goal.line for goal in bench.lab.goals if goal.id in left)
    many = f"{count} of {found.states} states are dead ends" if count > 1 else "there is a dead end"
    what = f"{many}, such as behind '{'; '.join(way)}': no mistake is told, and neither the solution nor"
    yield Fault(
        bench.lab.file, line, "ends", f"{what} a hint leads on from there to {', '.join(left)}", warns=True
    )


def _proofs(bench: Bench) -> Iterator[Fault]:
    for proof in bench.lab.proofs:
        session, faults = bench.trial.stood(proof.start, "proof.script")
        yield from faults
        if not faults:
            why = _disproved(proof, explored(session))
            if why:
                yield bench.fault(proof.line, "proof", f"{proof.claim} {why}")


def explored(session: Session) -> Searched:
    """Return what the search of all schedules from where a session stands comes to."""
    explorer = Explorer(Where.of(session), Asked(), session.properties, LastSnapshot(*session.last))
    for _progress in explorer.run():
        if explorer.verdict.extent == EXHAUSTED:
            break  # What is left is to make the schedules short, and nobody looks at them.
    verdict = explorer.verdict
    kinds = frozenset(kind for kind, _text in explorer.found)
    return Searched(kinds, verdict.extent, verdict.atomicity, verdict.transitions)


def _disproved(proof: Proof, searched: Searched) -> str:
    """Return in what the explorer disagrees with a proof, "" if it does not."""
    kinds = sorted(searched.kinds)
    told = f"the explorer found {', '.join(kinds) or 'nothing'}"
    if proof.verdict == "violated":
        return "" if proof.violation in kinds else f"{told}, and no {proof.violation}"
    if kinds:
        return told
    if searched.extent != EXHAUSTED:
        return "the explorer has not seen every schedule"
    return "" if searched.transitions else "nothing stood ready to be explored"


class Checked(NamedTuple):
    """One check: its name, what must hold, and what finds where it does not."""

    name: str
    what: str
    check: Check


def _filled(bench: Bench) -> Iterator[Fault]:
    """Nothing is left of the template that `labs new` writes."""
    shelved = bench.text.split("\n")
    for number, said in enumerate(shelved, 1):
        if TODO in said:
            yield bench.fault(number, TODO.rstrip(":"), f"to be written: {said.strip()[:70]}")


CHECKS = (
    Checked("filled", "nothing of a template is left", _filled),
    Checked("name", "the file is called NN-ID.md, with a number of its chapter", _name),
    Checked("needs", "the labs it needs are there, and it does not need itself", _needs),
    Checked("links", "links to labs and scenarios lead somewhere", _links),
    Checked("short", "the first commands come early, and the prose is short", _short),
    Checked("start", "the start can be made, and nothing is reached or mistaken there", _start),
    Checked("prose", "the commands of the prose run, hold, reach no goal and trigger no mistake", _prose),
    Checked("fresh", "the commands beside the lab run, hold and trigger no mistake", _fresh),
    Checked("solution", "the solution reaches every goal, and not before its last line", _solution),
    Checked("wrong", "every wrong turn runs, misses its goal and triggers a mistake", _wrong),
    Checked("mistakes", "every mistake is triggered by a wrong turn", _mistakes),
    Checked("hints", "every hint can be shown, and every goal has one", _hints),
    Checked("ends", "no state leads nowhere and is no mistake (this only warns)", _ends),
    Checked("proofs", "the explorer agrees with every proof", _proofs),
)
"""Every check of a lab that could be read; reading it, "read", makes the others, such as the schema."""


class Verified(NamedTuple):
    """One lab that was examined: what each check found, by its name, and what was counted.

    ``tried`` is None where the lab could not be read, or its ways not be gone.
    """

    shelved: Shelved
    found: dict[str, list[Fault]]
    tried: Around | None

    @property
    def faults(self) -> list[Fault]:
        """Everything that is wrong, in the order of its lines; [] for nothing."""
        return sorted({fault for faults in self.found.values() for fault in faults})

    @property
    def counted(self) -> str:
        """What was counted, in words; "" where nothing was."""
        if self.tried is None:
            return ""
        goals = ", ".join(f"{name} is reached in {count}" for name, count in self.tried.goals.items())
        hints = ", ".join(f"hint {at} helps in {count}" for at, count in enumerate(self.tried.hints, 1))
        return f"of {self.tried.states} states: {goals}; {hints}; dead ends: {len(self.tried.ends)}"

    def cases(self) -> tuple[str, list[Case]]:
        """Return it as a suite: a case a check, with its faults as the failure; what warns is only said."""
        made = []
        for name, faults in self.found.items():
            wrong = [str(each) for each in faults if not each.warns]
            told = [str(each) for each in faults if each.warns] + [self.counted] * (name == "ends")
            made.append(
                Case(name, wrong[0] if wrong else "", "\n".join(wrong), "\n".join(filter(None, told)))
            )
        return self.shelved.head.id if self.shelved.head else self.shelved.name, made

    def as_object(self) -> dict[str, Any]:
        """Return what was counted as plain data."""
        if self.tried is None:
            return {"file": self.shelved.file}
        return {"file": self.shelved.file, **asdict(self.tried), "ends": len(self.tried.ends)}


def verify(shelved: Shelved, shelf: Shelf, make: Make) -> Verified:
    """Return everything that is wrong with a lab, and how many states were looked at."""
    tried: Around | None = None
    lab, faults = shelved.read()
    found = {"read": [*faults, *_unique(shelved, shelf)]}
    if lab is not None:
        heads = {name: each.head for name, each in shelf.heads.items() if each.head}
        bench = Bench(lab, shelved.text, {**heads, lab.id: lab.head}, make)
        for each in CHECKS:
            found[each.name] = list(each.check(bench))
        tried = bench.around
    return Verified(shelved, found, tried)


def _unique(shelved: Shelved, shelf: Shelf) -> Iterator[Fault]:
    head = shelved.head
    known = shelf.heads.get(head.id) if head is not None else None
    if head is not None and known is not None and Path(known.file).resolve() != Path(shelved.file).resolve():
        yield Fault(shelved.file, 1, "id", f"'{head.id}' is the ID of {known.file}")
