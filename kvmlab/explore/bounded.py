"""What is tried where there are too many states for all of them: few preemptions, then luck.

A walk gives every context a rank and always moves the highest that can move; at a few moments the
one that runs drops to the lowest rank (probabilistic concurrency testing). The seed makes it the
same walk every time.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from kvmlab.explore.moves import Mover
from kvmlab.explore.search import Judge, Move, Progress, joined
from kvmlab.explore.shortest import Failure
from kvmlab.explore.world import State, World

BOUNDS = (0, 1, 2)
"""How many preemptions are tried, one bound after the other."""

WALKS = 500
"""How many random schedules are tried then."""

DROPS = 3
"""At how many moments of a walk the context that runs drops behind all others."""


LONGEST = 2_000
"""As many moves a walk has at most: where a counter grows for ever no state comes again."""


class Walks:
    """Random schedules from the start to an end; ``found`` has the first to each failure."""

    def __init__(self, world: World, judge: Judge, move: Mover, seed: int = 0) -> None:
        self.world, self._judge, self._move = world, judge, move
        self._random = Random(seed)  # noqa: S311 - schedules are no secrets
        self._longest = 100
        self.found: dict[Failure, list[Move]] = {}
        self.walks = self.transitions = 0

    def run(self) -> Iterator[Progress]:
        """Walk WALKS times, yielding progress after each."""
        while self.walks < WALKS:
            self._walk()
            self.walks += 1
            yield Progress(self.walks, self.transitions, WALKS - self.walks, 1)

    def _walk(self) -> None:
        world, moves = self.world, list[Move]()
        world.begin()
        ranks = list(world.names)
        self._random.shuffle(ranks)
        drops = {self._random.randrange(self._longest) for _ in range(DROPS)}
        names, been = world.movable(), set[State]()
        while names and len(moves) < LONGEST:
            name = min(names, key=ranks.index)
            if len(moves) in drops:
                ranks.remove(name)
                ranks.append(name)
                name = min(names, key=ranks.index)
            moves.append((name, self._move(name)))
            state, names = world.state(), world.movable()
            for failure in self._judge(world, not names):
                self.found.setdefault(failure, joined(moves))
            if len(moves) > max(drops):
                # The ranks stay as they are, so that it would go round for ever.
                if state in been:
                    break
                been.add(state)
        self.transitions += len(moves)
        self._longest = max(self._longest, len(moves))
