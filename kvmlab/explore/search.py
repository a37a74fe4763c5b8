"""Every schedule of what stands ready: a search that yields progress and keeps what it has found.

A reduction is how far contexts move at a time (moves.py) and which of them are tried. What ``fused``
and ``reduced`` leave out they know from what was learned: they search again until nothing new was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from kvmlab.explore.graph import turning
from kvmlab.explore.livelock import LIVELOCK, circles, in_order, settled
from kvmlab.explore.moves import Fused, Mover, by_section, op_by_op
from kvmlab.explore.symmetry import Symmetry
from kvmlab.explore.turn import Turn, told
from kvmlab.explore.world import State, World

REDUCTIONS = {
    "plain": "every op of every context is tried everywhere",
    "fused": "ops that nobody else can see are run together",
    "reduced": "fused, and contexts that concern nobody else move first",
    "section": "contexts are switched only where they may wait, and between calls",
}
"""Every reduction and what it does; the first three find the same."""

CAP = 500_000
"""States after which a search stops and says that it has not seen everything."""

PATIENCE = 500
"""A search that has learned something begins anew when so many more states have taught it nothing."""

PROGRESS = 2_000
"""States that are tried between two words of progress, unless they are wanted more often."""

Move = tuple[str, int]
"""A context and how many ops it ran."""

Judge = Callable[[World, bool], list[tuple[str, str]]]
"""Says what is wrong where a world stands, as (kind, sentence); the flag tells that nothing can move."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search has come: states and transitions so far, states that wait, and which round."""

    states: int
    transitions: int
    waiting: int
    round: int


@dataclass(slots=True)
class Outcome:
    """What a search has found.

    ``parents`` leads from each state back to the start: the state before and the move; ``edges`` are
    where the moves lead that were made from each state; ``failures`` has, for each thing that is wrong
    (kind, sentence), the first state where it was. ``turns`` says, of a state that stands for the one
    that was reached, who went where. ``circles`` has a state of each circle that is never left by the
    livelock that it is, and ``again`` the moves that go round once in the first of these.
    """

    reduction: str
    exhausted: bool = False
    transitions: int = 0
    rounds: int = 0
    ends: list[State] = field(default_factory=list)
    parents: dict[State, tuple[State, Move] | None] = field(default_factory=dict)
    edges: dict[State, tuple[State, ...]] = field(default_factory=dict)
    turns: dict[State, Turn] = field(default_factory=dict)
    failures: dict[tuple[str, str], State] = field(default_factory=dict)
    circles: dict[tuple[str, str], list[State]] = field(default_factory=dict)
    again: dict[tuple[str, str], list[Move]] = field(default_factory=dict)

    @property
    def states(self) -> int:
        """How many states there are."""
        return len(self.parents)

    def schedule(self, state: State) -> list[Move]:
        """Return the moves that lead to a state from the start, neighbours of one context joined."""
        return joined(self.way(state)[1])

    def shown(self, failure: tuple[str, str]) -> list[Move]:
        """Return the moves that show a failure: those to its state, and round once where it is a circle."""
        return joined([*self.schedule(self.failures[failure]), *self.again.get(failure, ())])

    def way(self, state: State) -> tuple[State, list[Move]]:
        """Return the state that a search came from to reach one, and its moves from there."""
        origin, moves, _who = self.followed(state)
        return origin, moves

    def followed(self, state: State) -> tuple[State, list[Move], dict[str, str]]:
        """Return the way to a state, and who each context is there that is not who its name says."""
        chain, moves, who = list[tuple[State, Move]](), list[Move](), dict[str, str]()
        while (step := self.parents[state]) is not None:
            chain.append((state, step[1]))
            state = step[0]
        for reached, (name, ops) in reversed(chain):
            moves.append((who.get(name, name), ops))
            if turn := self.turns.get(reached):
                who |= {new: who.get(old, old) for old, new in turn.names.items()}
        return state, moves, who


def joined(moves: Iterable[Move]) -> list[Move]:
    """Return moves with neighbours of one context joined."""
    found: list[Move] = []
    for name, ops in moves:
        if found and found[-1][0] == name:
            found[-1] = (name, found[-1][1] + ops)
        else:
            found.append((name, ops))
    return found


class Search:
    """A search over a world. ``run`` is a generator of Progress; ``outcome`` is what it has found.

    ``seen`` are patterns of the handles that the judge reads beside the sanitizers' reports; ``every`` is
    how many states are tried between two words of progress; ``exchange`` lets a reduction exchange
    contexts that are interchangeable.
    """

    def __init__(
        self,
        world: World,
        judge: Judge,
        reduction: str = "reduced",
        cap: int = CAP,
        *,
        seen: Sequence[str] = (),
        every: int = PROGRESS,
        exchange: bool = True,
    ) -> None:
        self.world, self.judge, self.reduction, self.cap, self.every = world, judge, reduction, cap, every
        self.outcome = Outcome(reduction)
        self.fused = Fused(world, seen) if reduction in {"fused", "reduced"} else None
        plain = by_section(world) if reduction == "section" else op_by_op(world)
        self.move: Mover = self.fused or plain
        self.symmetry: Symmetry | None = None
        """Contexts that are exchanged: nobody but the sanitizers looks, who judge all alike."""
        if reduction != "plain" and exchange and not seen and (symmetry := Symmetry(world)).groups:
            self.symmetry = symmetry
            if self.fused is not None:
                self.fused.turns = symmetry.turns
        self.told = set[tuple[str, str]]()
        """What was found wrong, of the states that stand for others."""
        self.waiting: list[State] = []
        """States that were found and not gone through; the last one may be at it."""
        self.news = 0
        """How many states there were when something was learned last."""
        self.partly: dict[State, None] = {}
        """States from which not every context was moved that could."""
        self.whole = set[State]()
        """States from which every context is moved, as they lie on a circle."""

    def run(self) -> Iterator[Progress]:
        """Search until there is nothing new to learn, yielding progress now and then."""
        while True:
            if not self.waiting:
                self._begin()
            if self.outcome.states < self.cap:
                yield from self._round()
            if self.outcome.exhausted or self.outcome.states >= self.cap:
                return

    def _learned(self) -> bool:
        return self.world.outdated or (self.fused is not None and self.fused.knowledge.grown)

    def _begin(self) -> None:
        world = self.world
        if self.fused:
            self.fused.begin()
        world.begin()
        self.outcome = Outcome(self.reduction, rounds=self.outcome.rounds + 1)
        self.outcome.parents[world.start] = None
        self.told.clear()
        self._judge(world.start)
        self.waiting, self.news = [world.start], 0
        self.partly.clear()
        self.whole.clear()

    def _round(self) -> Iterator[Progress]:
        outcome, todo = self.outcome, self.waiting
        for tried in count(1):
            if not todo and not self._turns():
                break
            todo[-1:] = self._expand(todo[-1])
            if tried % self.every == 0:
                yield Progress(outcome.states, outcome.transitions, len(todo), outcome.rounds)
            if outcome.states >= self.cap:
                return
            if self._outdated():
                todo.clear()
                return
        if not self._learned():
            yield from self._circles()
            outcome.exhausted = True

    def _circles(self) -> Iterator[Progress]:
        """Find every livelock of a graph that was gone through whole."""
        outcome, world = self.outcome, self.world
        for state in circles(outcome.edges):
            world.go(state)
            if (circle := settled(world)) is None:
                continue  # Between two sections there is an end, which no section leads to.
            failure = self._note((LIVELOCK, circle.text), state)
            outcome.circles.setdefault(failure, []).append(state)
            if outcome.failures[failure] == state:
                who = outcome.followed(state)[2]
                outcome.again[failure] = [(who.get(name, name), ops) for name, ops in circle.round(state)]
            yield Progress(outcome.states, outcome.transitions, 0, outcome.rounds)

    def _expand(self, state: State) -> list[State]:
        """Make every move there is from a state; return the states that were not known."""
        world, outcome, found = self.world, self.outcome, list[State]()
        world.go(state)
        names = self._tried(state, world.movable())
        led = list[State]()
        for number, name in enumerate(names):
            if number:
                world.go(state)
            ops = self.move(name)
            after, turn = self._reached()
            led.append(after)
            if after not in outcome.parents:
                outcome.parents[after] = (state, (name, ops))
                if turn is not None:
                    outcome.turns[after] = turn
                    world.go(after)
                if self._is_mine(after):
                    self._judge(after)
                    found.append(after)
        # A state that was left half-way is gone through again, and counts then.
        outcome.transitions += len(names) - len(outcome.edges.get(state, ()))
        outcome.edges[state] = tuple(led)
        return found

    def _is_mine(self, _state: State) -> bool:
        """Tell whether a new state, which the world is in, is for this search to go through."""
        return True

    def _reached(self) -> tuple[State, Turn | None]:
        """Return the state that stands for where the world is, and who went where for that."""
        state = self.world.state()
        return (state, None) if self.symmetry is None else self.symmetry.canonical(state)

    def _tried(self, state: State, names: list[str]) -> list[str]:
        """Return the contexts that are moved from a state: all that can, unless some are sufficient."""
        if self.fused is None or self.reduction != "reduced" or state in self.whole:
            return names
        enough = self.fused.sufficient(names)
        if len(enough) < len(names):
            self.partly[state] = None
        return enough

    def _turns(self) -> bool:
        """Have a state gone through whole on every circle where none was; tell whether there is any.

        On such a circle a context that was put off in each state would never move at all.
        """
        turns = turning(self.outcome.edges, self.partly)
        for state in turns:
            del self.partly[state]
        self.whole.update(turns)
        self.waiting += turns
        return bool(turns)

    def _note(self, failure: tuple[str, str], state: State) -> tuple[str, str]:
        """Note what is wrong in a state, of those who are meant; return it, or what is alike and known."""
        (kind, text), failures = failure, self.outcome.failures
        if self.symmetry is not None:
            text = in_order((kind, told(text, self.outcome.followed(state)[2])))
            for known in self.symmetry.alike([(kind, text)]) & failures.keys():
                return known
        failures.setdefault((kind, text), state)
        return kind, text

    def _outdated(self) -> bool:
        """Tell whether what this round goes by was too little, and nothing new has come for a while."""
        if self.world.outdated:
            return True
        if self.fused is None or not self.fused.knowledge.grown:
            return False
        if self.fused.knowledge.fresh:
            self.fused.knowledge.fresh, self.news = False, self.outcome.states
        return self.outcome.states > 2 * self.news + PATIENCE

    def _judge(self, state: State) -> None:
        """Say what is wrong in the state that the world is in."""
        ended = self.world.ended
        if ended:
            self.outcome.ends.append(state)
        for failure in self.judge(self.world, ended):
            if failure not in self.told:
                self.told.add(failure)
                self._note(failure, state)
