"""A lab that is being played: it watches a session, and says which goals are reached, and why not.

What was seen is kept with every unit of history (``Unit.noted``), so that undo, redo and goto take it
back and bring it again: a goal is latched exactly while the moment that reached it is in the past.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from kvmlab.course.front import CHAPTERS
from kvmlab.course.goals import Searched, asked_for, excess, lacks, settled, shortfall, so, why_not_so
from kvmlab.course.hints import ELSEWHERE, LATE, fitting
from kvmlab.course.lab import FIND, HOLDS, NEVER, PREDICT, PROOF, REACH, Goal, Lab
from kvmlab.course.memory import (
    KEPT,
    PATH,
    Aside,
    Noted,
    Seen,
    State,
    answering,
    at,
    by,
    way,
)
from kvmlab.course.staged import back, starts
from kvmlab.course.standing import (
    BROKEN,
    NOWHERE,
    OPEN,
    REACHED,
    GoalStanding,
    Keeper,
    Position,
    Score,
    Standing,
    cost_of,
)
from kvmlab.facts import lookup
from kvmlab.render.cells import Cell, Row, line

if TYPE_CHECKING:
    from kvmlab.language.command import Command
    from kvmlab.language.truth import Lookup
    from kvmlab.result import Result
    from kvmlab.session import Session


OWN = "a machine of your own, and what was done before is gone; 'reset' begins the lab anew"
"""What is said of a new machine that is typed while a lab is open."""


class Player:
    """One lab on one session, from the moment at which the session stands at the lab's start."""

    def __init__(
        self, session: Session, lab: Lab, position: Position = NOWHERE, keeper: Keeper | None = None
    ) -> None:
        self.session, self.lab, self.position = session, lab, position
        self._keeper = keeper
        self.state = State(session.history, Noted(starts=starts(lab.goals, session, self._read(), (), 0)))
        self._first = [goal for goal in lab.goals if not goal.lasting]
        self._states = [goal for goal in lab.goals if goal.kind in (REACH, FIND, NEVER)]

    @property
    def unfinished(self) -> bool:
        """Whether something was done, and goals are left."""
        state = self.state
        return not state.solved and bool(len(self.session.history) or state.answers or state.earlier)

    # -- watching -----------------------------------------------------------------------------

    def moved(self, context: str) -> None:
        """Look at the machine after an op of a context that was moved by hand."""
        state = self.state
        self.state = replace(state, seen=state.seen | self._looked(self._read()), runs=(*state.runs, context))

    def noted(self, command: Command) -> Noted:
        """Look at the machine at the end of a unit; return all that is known then."""
        state, before = self.state, self._noted()
        read = self._read()
        seen = before.seen | state.seen | self._looked(read)
        here = self.session.history.position + 1
        begun = starts(self.lab.goals, self.session, read, before.starts, here)
        now = before._replace(seen=seen, starts=begun)
        for context in state.runs:
            now = now.after(context, 1)
        if not state.runs and (command.spec.is_call or command.verb in PATH):
            now = now.after(by(command), 1)
        self.state = replace(state, seen=frozenset(), runs=())
        return now

    def _read(self) -> Lookup:
        """Return what looks facts up as they are now."""
        return lookup(self.session.snapshot())

    def explored(self, searched: Searched, text: str) -> None:
        """Take note of an exploration that began where the session stands; the way has it by its text."""
        proofs = [goal for goal in self.lab.goals if goal.kind == PROOF]
        lacking = [
            (goal.id, shortfall(goal, searched, self.session) or excess(goal, self.session))
            for goal in proofs
        ]
        self.state = replace(self.state, lacking=tuple(lacking))
        self.proved(frozenset(name for name, why in lacking if not why), text)

    def proved(self, goals: frozenset[Seen], text: str) -> None:
        """Take note of what an exploration from where the session stands has proved."""
        history = self.session.history
        here = Aside(history.position, history.at(history.position), text, goals)
        self.state = replace(self.state, aside=(*self.state.aside, here))

    def explored_aside(self, searched: Searched) -> tuple[Row, ...]:
        """Take note of an exploration on a screen of its own; return what to say of it."""
        self.explored(searched, "explore")
        return tuple(self._news())

    def said(self, result: Result) -> tuple[Row, ...]:
        """Return what there is to say of a command: mistakes, and goals that are reached or open again."""
        new = self.session.history is not self.state.history and not result.command.file
        own = (line(Cell(OWN, "muted")),) if new else ()
        self._follow(result.command)
        if result.held and "errno" in result.command.args:
            # Who says beforehand how the kernel will refuse does it on purpose.
            mistaken = frozenset(each for each in self.seen if isinstance(each, int))
            self.state = replace(self.state, forgiven=self.state.forgiven | mistaken)
        return (*own, *self._news())

    def _follow(self, command: Command) -> None:
        """Keep what a command means for the way, and notice a new machine."""
        session, state = self.session, self.state
        if session.history is not state.history:
            self.state = state = replace(
                state,
                history=session.history,
                base=self._of(state)._replace(starts=starts(self.lab.goals, session, self._read(), (), 0)),
                earlier=(*state.earlier, *way(state), command.text),
                kept=(),
                aside=(),
            )
        elif command.verb in KEPT:
            self.state = replace(state, kept=(*state.kept, (session.history.position, command.text)))

    def _looked(self, read: Lookup) -> set[Seen]:
        """Return what is so at this moment and was not seen before."""
        known = self._noted().seen | self.state.seen
        found: set[Seen] = {
            goal.id for goal in self._states if goal.id not in known and so(goal, self.session, read)
        }
        own = self.session.history is self.state.history and not self.state.earlier
        concerned = own or asked_for(self.lab.goals, self.session.backend.profile)
        for number, mistake in enumerate(self.lab.mistakes if concerned else ()):
            if number not in known and mistake.when.evaluate(read).held is True:
                found.add(number)
        return found

    def _noted(self) -> Noted:
        """Return all that is known where the history stands."""
        return self._of(replace(self.state, history=self.session.history))

    @staticmethod
    def _of(state: State) -> Noted:
        """Return all that is known where the history of a state stands."""
        noted = at(state.history, state.base)
        proved = [each.proved for each in state.aside if each.stands(state.history)]
        return noted._replace(seen=noted.seen.union(*proved)) if proved else noted

    # -- goals --------------------------------------------------------------------------------

    @property
    def seen(self) -> frozenset[Seen]:
        """What was seen on the way to this moment: goals by their IDs, mistakes by their numbers."""
        return self._noted().seen

    def done(self) -> frozenset[str]:
        """Return the IDs of the goals that are reached now."""
        seen, answers = self.seen, dict(self.state.answers)
        reached = {
            goal.id
            for goal in self._first
            if (settled(goal, answers) if goal.kind == PREDICT else goal.id in seen)
        }
        if len(reached) < len(self._first) or len(self._first) == len(self.lab.goals):
            return frozenset(reached)
        read = self._read()
        for goal in self.lab.goals:
            if goal.lasting and (goal.id not in seen if goal.kind == NEVER else so(goal, self.session, read)):
                reached.add(goal.id)
        return frozenset(reached)

    def _news(self) -> Iterator[Row]:
        state = self.state
        silent = state.forgiven.union(state.told)
        for number in sorted(each for each in self.seen if isinstance(each, int) and each not in silent):
            yield line(Cell("mistake: ", "warning"), self.lab.mistakes[number].say)
            self.state = replace(self.state, told=(*self.state.told, number))
        if state.solved:
            return
        done = self.done()
        if done != state.done:
            yield from self._changed(state.done, done)
        if not self.state.explained and {goal.id for goal in self._first if goal.kind != PREDICT} <= done:
            yield from self._explained()

    def _changed(self, before: frozenset[str], done: frozenset[str]) -> Iterator[Row]:
        self.state = replace(self.state, done=done)
        goals, count = self.lab.goals, len(before & done)
        for goal in goals:
            if goal.id in done - before:
                count += 1
                yield line(
                    Cell("goal reached: ", "ok"), goal.say, Cell(f" ({count} of {len(goals)})", "muted")
                )
                if goal.because:
                    yield line("  ", goal.because)
                yield from self._kept(self._keeper.reached(self.lab.id, goal.id) if self._keeper else "")
            elif goal.id in before - done:
                yield line(Cell("open again: ", "warning"), goal.say)
        if len(done) == len(goals):
            yield from self._solved()

    def _explained(self) -> Iterator[Row]:
        """Tell, behind the run, why answers were wrong."""
        wrong = [
            goal for goal in self.lab.goals if goal.kind == PREDICT and goal.id in dict(self.state.answers)
        ]
        for goal in wrong:
            if not settled(goal, dict(self.state.answers)):
                said = dict(self.state.answers)[goal.id]
                yield line(
                    Cell("your answer was wrong: ", "warning"),
                    f"{said}, and it is {goal.answer}. ",
                    goal.because,
                )
                yield line(Cell("'reset' gives another try", "muted"))
                self.state = replace(self.state, explained=True)

    def _solved(self) -> Iterator[Row]:
        score = self.score()
        self.state = replace(self.state, solved=True)
        told = f": {cost_of(score)}. The machine stays, to be played with."
        yield line(Cell("the lab is done", "ok"), told)
        yield from self._kept(
            self._keeper.solved(self.lab.id, score, self.schedule()) if self._keeper else ""
        )
        if self.position.next:
            yield line(Cell("'lab next' begins ", "muted"), self.position.next)

    @staticmethod
    def _kept(why: str) -> Iterator[Row]:
        if why:
            yield line(Cell(why, "warning"))

    def score(self) -> Score:
        """Return what the way to this moment has cost."""
        noted = self._noted()
        return Score(noted.switches, noted.steps)

    def schedule(self) -> tuple[str, ...]:
        """Return the commands that lead from the lab's start to this moment."""
        return (*self.state.earlier, *way(self.state))

    # -- what the learner asks ----------------------------------------------------------------

    def answer(self, goal: Goal, word: str) -> tuple[str, bool]:
        """Answer what a goal asks; return a sentence, and whether the answer was taken."""
        if goal.kind != PREDICT:
            return f"{goal.id} asks nothing: {goal.say}", False
        if goal.id in dict(self.state.answers):
            said = dict(self.state.answers)[goal.id]
            right = settled(goal, dict(self.state.answers))
            return f"it was answered: {said}" + ("" if right else "; 'reset' gives another try"), False
        if self.late(goal):
            return "an answer counts before anything is run; 'reset' leads back to the start", False
        if word not in goal.answers:
            return f"expected one of {', '.join(goal.answers)}, not {word}", False
        self.state = replace(self.state, answers=(*self.state.answers, (goal.id, word)))
        return ("" if word == goal.answer else f"noted: {word}. Run it and see."), True

    def late(self, goal: Goal) -> bool:
        """Tell whether a question can only be answered behind a `reset`."""
        return goal.id in dict(self.state.answers) or bool(len(self.session.history) or self.state.earlier)

    def hint(self, wanted: Goal | None) -> str:
        """Return the next rung of a hint for a goal, of the first open one for None; "" if there is none."""
        done = self.done()
        goal = wanted or next((each for each in self.lab.goals if each.id not in done), None)
        read, rungs = self._read(), dict(self.state.rungs)
        fit = fitting(self.lab, goal.id if goal else "", read, rungs)
        if not fit:
            return ""
        hint, rung = self.lab.hints[fit[0]], min(rungs.get(fit[0], 0) + 1, len(self.lab.hints[fit[0]].rungs))
        text = hint.rungs[rung - 1]
        rungs[fit[0]] = rung
        given = self.state.given if text in self.state.given else (*self.state.given, text)
        self.state = replace(self.state, rungs=tuple(rungs.items()), given=given)
        why = self._keeper.hinted(self.lab.id, hint.goal or "lab", rung) if self._keeper else ""
        first = self._first_of_all(goal) if goal is not None and goal.id not in done else ""
        return f"{first}{text} ({rung} of {len(hint.rungs)})" + (f"; {why}" if why else "")

    def _first_of_all(self, goal: Goal) -> str:
        """Return what a hint for an open goal begins with where nothing else can help here."""
        if goal.kind == PREDICT and self.late(goal):
            return LATE
        back = self.back(goal)
        return ELSEWHERE.format(back=back) if back else ""

    def back(self, goal: Goal) -> str:
        """Return the command that leads back to where a goal's search begins, "" for no need of one."""
        if lacks(self.session.backend.profile, goal.machine):
            return ""
        return back(goal, self.session, self._read(), self._noted().starts)

    def solution(self, *, sure: bool = False) -> str:
        """Return the part with the solution as Markdown; while a goal is open, "" at the first time."""
        state = self.state
        show = sure or state.confirmed or state.solved
        self.state = replace(state, confirmed=True, shown=state.shown or show)
        return self.lab.ending if show else ""

    def carry(self, before: Player) -> None:
        """Take over, of the same lab played before, the hints that were given, and what was answered rightly.

        A wrong answer is forgotten, which gives another try.
        """
        state, right = before.state, before.right()
        self.state = replace(
            self.state,
            rungs=state.rungs,
            given=state.given,
            shown=state.shown,
            answers=right,
            kept=tuple((0, answering(*each)) for each in right),
            done=frozenset(goal for goal, _word in right),
        )

    def right(self) -> tuple[tuple[str, str], ...]:
        """Return the questions that were answered rightly, with their answers."""
        asking = {goal.id: goal for goal in self.lab.goals if goal.kind == PREDICT}
        given = self.state.answers
        return tuple(each for each in given if settled(asking[each[0]], dict(given)))

    # -- standing -----------------------------------------------------------------------------

    def standing(self) -> Standing:
        """Return where the lab stands, to be shown."""
        lab, state, done = self.lab, self.state, self.done()
        read = self._read()
        head = lab.head
        return Standing(
            lab.id, head.title, CHAPTERS[head.chapter], self.position, lab.prose,
            lab.ending if state.shown else "",
            tuple(self._goal(goal, done, read) for goal in lab.goals),
            state.given, tuple(lab.mistakes[number].say for number in state.told),
            lab.panes, head.minutes, lab.source, self.score(), state.solved,
        )  # fmt: skip

    def _goal(self, goal: Goal, done: frozenset[str], read: Lookup) -> GoalStanding:
        broken = goal.kind == NEVER and goal.id in self.seen
        light: bool | None = None
        if goal.kind == NEVER:
            light = not broken
        elif goal.kind in (REACH, HOLDS, FIND):
            light = so(goal, self.session, read)
        state = REACHED if goal.id in done else BROKEN if broken else OPEN
        why = "" if state == REACHED else self._why(goal, read, light)
        return GoalStanding(goal.id, goal.kind, goal.say, state, light, why)

    def _why(self, goal: Goal, read: Lookup, light: bool | None) -> str:
        if goal.kind == PREDICT:
            said = dict(self.state.answers).get(goal.id)
            if said is None and self.late(goal):
                return "an answer counts before anything is run: 'reset' leads back to the start"
            if said is None:
                return f"'lab answer {goal.id} {'|'.join(goal.answers)}' before anything is run"
            return f"you said {said}; 'reset' gives another try"
        if goal.kind == PROOF:
            why = dict(self.state.lacking).get(goal.id) or "nothing was explored since the start"
            back = self.back(goal)
            return f"{why}; '{back}' leads back to where a search begins" if back else why
        if goal.kind == NEVER and not light:
            return self._when_broken(goal)
        if goal.lasting and light:
            return "so far it is so; it counts when the other goals are reached"
        if light:
            return "it was so from the start on; it has to become so"
        return why_not_so(goal, self.session, read)

    def _when_broken(self, goal: Goal) -> str:
        history = self.session.history
        for number, unit in enumerate(history.units, history.first + 1):
            if unit.noted is not None and goal.id in unit.noted.seen:
                return (
                    f"it became so with unit {number}, {unit.text}: 'goto {number - 1}' leads back before it"
                )
        return "it became so before this machine was made: 'reset' leads back"
