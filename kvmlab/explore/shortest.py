"""Schedules in the order of what they cost: the cheapest one to each thing that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from heapq import heappop, heappush

from kvmlab.explore.livelock import LIVELOCK, members
from kvmlab.explore.moves import Mover
from kvmlab.explore.search import Judge, Move, Progress, joined
from kvmlab.explore.world import State, World

Failure = tuple[str, str]
"""What is wrong, as (kind, sentence)."""

Node = tuple[State, str]
"""A state, and the context that moved last."""

Entry = tuple[int, int, int, Node, Node | None, int]
"""What waits: its price, its ops, when it came, the node, the one before and how many ops are between."""

Price = Callable[[str, str, Collection[str]], int]
"""What it costs to go from one context to another, given those that could move."""

NEAR = 50_000
"""States after which looking for a shorter schedule is given up."""

EVERY = 20
"""States between two words of progress."""

AGAIN = 1_000
"""The same where they are known: as many are gone through in that time."""


def switches(last: str, name: str, _movable: Collection[str]) -> int:
    """One for every switch from a context to another."""
    return int(last not in {"", name})


def preemptions(last: str, name: str, movable: Collection[str]) -> int:
    """One for every switch away from a context that could have gone on."""
    return int(last != name and last in movable)


class Cheapest:
    """Goes through (state, last context) by price, then by ops; ``found`` has the first way to each failure.

    It ends when all that is ``wanted`` was found (None: never), when everything within the price
    ``most`` was seen (``exhausted``), or after ``cap`` states.
    """

    def __init__(
        self,
        world: World,
        judge: Judge,
        move: Mover,
        price: Price = switches,
        *,
        cap: int,
        most: int | None = None,
        wanted: Collection[Failure] | None = None,
    ) -> None:
        self.world, self._judge, self._move, self._price = world, judge, move, price
        self._cap, self._most = cap, most
        self._wanted = None if wanted is None else set(wanted)
        self.exhausted = False
        self._begin()

    def _begin(self) -> None:
        self.world.begin()
        self.found: dict[Failure, list[Move]] = {}
        self.transitions = 0
        self.moves: dict[State, list[tuple[str, int, State]]] = {}
        """By state that was gone through, its moves: who, how many ops, where to."""
        self.wrong: dict[State, list[Failure]] = {}
        """By state that was seen, what is wrong there."""
        self.before: dict[Node, tuple[Node, int] | None] = {}
        """By node that was reached, the one before and how many ops are between."""
        self.heap: list[Entry] = [(0, 0, 0, (self.world.start, ""), None, 0)]
        self.tickets = 1
        self._look(self.world.start)

    def know(
        self, moves: dict[State, list[tuple[str, int, State]]], wrong: dict[State, list[Failure]]
    ) -> None:
        """Take over the moves that another walk has made, and what was wrong in each state that it saw.

        A walk that has not begun makes them first, in the same order, without a step of the world.
        """
        self.moves, self.wrong = moves, wrong
        self.transitions = sum(map(len, moves.values()))
        self.heap = [(0, 0, 0, (self.world.start, ""), None, 0)]

    @property
    def states(self) -> int:
        """How many states were seen."""
        return len(self.wrong)

    def run(self) -> Iterator[Progress]:
        """Go on until the end, yielding progress; begin anew where states were told apart too little."""
        yield from self._through()
        while self.world.outdated:
            self.exhausted = False
            self._begin()
            yield from self._through()

    def _through(self) -> Iterator[Progress]:
        while self.heap:
            price, ops, _number, node, before, ran = heappop(self.heap)
            if node in self.before:
                continue
            self.before[node] = None if before is None else (before, ran)
            if self._take(node):
                return
            seen = self.states
            self._lead(node, price, ops)
            if self.states // EVERY > seen // EVERY or not len(self.before) % AGAIN:
                yield Progress(self.states, self.transitions, len(self.heap), price)
            if self.states >= self._cap:
                return
        self.exhausted = True

    def _lead(self, node: Node, price: int, ops: int) -> None:
        """Have all wait that a node leads to."""
        state, last = node
        moves = self._expand(state)
        movable = [name for name, _ops, _after in moves]
        for name, more, after in moves:
            total = price + self._price(last, name, movable)
            if (self._most is None or total <= self._most) and (after, name) not in self.before:
                heappush(self.heap, (total, ops + more, self.tickets, (after, name), node, more))
                self.tickets += 1

    def _take(self, node: Node) -> bool:
        """Note what is wrong at a node that was reached; tell whether nothing else is wanted."""
        for failure in self.wrong[node[0]]:
            if failure not in self.found:
                self.found[failure] = self._schedule(node)
        return self._wanted is not None and self._wanted <= self.found.keys()

    def _expand(self, state: State) -> list[tuple[str, int, State]]:
        known = self.moves.get(state)
        if known is not None:
            return known
        world, found = self.world, list[tuple[str, int, State]]()
        world.go(state)
        for number, name in enumerate(world.movable()):
            if number:
                world.go(state)
            ops = self._move(name)
            self.transitions += 1
            after = world.state()
            if after not in self.wrong:
                self._look(after)
            found.append((name, ops, after))
        self.moves[state] = found
        return found

    def _look(self, state: State) -> None:
        """Say what is wrong in the state that the world is in."""
        self.wrong[state] = self._judge(self.world, self.world.ended)

    def _schedule(self, node: Node) -> list[Move]:
        moves: list[Move] = []
        step = self.before[node]
        while step is not None:
            before, ops = step
            moves.append((node[1], ops))
            node, step = before, self.before[before]
        return joined(moves[::-1])


class Nearest(Cheapest):
    """Looks for the way with the fewest switches to each thing that was found, all at once.

    A livelock is wherever a state of its circle is; ``circles`` are schedules that lead into each. The
    way ends with one round. One that was not settled is not looked for.
    """

    def __init__(
        self,
        world: World,
        judge: Judge,
        move: Mover,
        found: Collection[Failure],
        circles: Sequence[tuple[Failure, Sequence[Move]]],
    ) -> None:
        self._inside = members(world, circles)
        near = {failure for failure, _circle in self._inside.values()}
        wanted = [each for each in found if each[0] != LIVELOCK or each in near]
        super().__init__(world, judge, move, cap=NEAR, wanted=wanted)

    def _look(self, state: State) -> None:
        super()._look(state)
        if state in self._inside:
            self.wrong[state].append(self._inside[state][0])

    def _take(self, node: Node) -> bool:
        state = node[0]
        known = self.found.keys() | set[Failure]()
        enough = super()._take(node)
        for failure in self.found.keys() - known:
            if failure[0] == LIVELOCK:
                _failure, circle = self._inside[state]
                self.found[failure] = joined([*self.found[failure], *circle.round(state)])
        return enough
