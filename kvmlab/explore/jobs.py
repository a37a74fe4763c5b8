"""A search on several processes or machines: units given out, and given out again where one was lost.

Which units there are, and what each comes to, depends neither on how many workers there are nor on
which of them is first. An exhausted search counts the same with every number of them, and where
nothing is left out the same as the search in one process.

What may be left out is learned in rounds: all units of one go by the same, each tells what is new to
it, and a search that has learned anything begins anew. How far a context moves, and who is tried, is
a function of the state and of what is known; on every circle somebody has to be put off no longer,
and a circle is in one unit. Rings of locks no unit knows alone: where there is one nothing is left out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from ctypes import c_bool
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from multiprocessing import get_context

from kvmlab.explore import units
from kvmlab.explore.carrying import Carrier
from kvmlab.explore.knowledge import Knowledge
from kvmlab.explore.lore import NOTHING_LEARNED, Lore, learn, told
from kvmlab.explore.pool import STOPS, Pool
from kvmlab.explore.search import CAP, Progress
from kvmlab.explore.units import Cell, Entry, Found, Order, Scenario, Schedule, Unit

PATIENCE = 0.2
"""Seconds between two words of progress where no unit has come back."""

LEARNING = frozenset({"fused", "reduced"})
"""The reductions that go by what was learned."""

LOSSES = 3
"""As often in a row workers may die before anything comes back: then the search itself kills them."""


class Workers(ABC):
    """Where units are searched."""

    @abstractmethod
    def open(self) -> Executor:
        """Return an executor that lives on when a worker dies: BrokenExecutor is the answer to that unit."""

    def close(self, executor: Executor) -> None:
        """End an executor; what it has not begun is dropped."""
        executor.shutdown(wait=True, cancel_futures=True)

    def gone(self) -> str:
        """Return why nobody will ever answer any more; "" while somebody may."""
        return ""

    @staticmethod
    def search(unit: Unit) -> Found:
        """Search a unit where a worker is."""
        return units.search(unit)


class NoWorkers(Exception):
    """There is nobody to search: the sentence on why."""


class Processes(Workers):
    """Processes of this machine, ``jobs`` of them."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._context = get_context("spawn")
        # Without a lock: one that a killed process holds is never let go of.
        self._stop = self._context.RawValue(c_bool, False)

    def open(self) -> Executor:
        """Return a pool of new processes."""
        self._stop.value = False
        return Pool(self._jobs, self._context, self._stop)

    def close(self, executor: Executor) -> None:
        """Have every process leave its unit, and end it."""
        self._stop.value = True
        super().close(executor)

    @staticmethod
    def search(unit: Unit) -> Found:
        """Search a unit in a process of a pool."""
        return units.search(unit, lambda: STOPS[-1].value)


@dataclass(slots=True)
class Shared:
    """What a search in units has found.

    ``units`` came back, ``lost`` were given out again; ``why`` says what kept a search from being
    exhausted. Where locks were taken in both orders, each unit reports it where it sees it first, so
    that states are counted with the report and without, and the report may name another context; everything
    else is what one process finds.
    """

    reduction: str
    exhausted: bool = False
    states: int = 0
    transitions: int = 0
    rounds: int = 0
    units: int = 0
    lost: int = 0
    ends: list[Schedule] = field(default_factory=list)
    failures: dict[tuple[str, str], Schedule] = field(default_factory=dict)
    why: str = ""

    def take(self, found: Found) -> None:
        """Add what a unit came to. The order in which they come makes no difference."""
        self.units += 1
        self.states += found.states
        self.transitions += found.transitions
        self.ends += found.ends
        for failure, schedule in found.failures.items():
            known = self.failures.get(failure, schedule)
            self.failures[failure] = min(known, schedule, key=_length)


def _length(schedule: Schedule) -> tuple[int, int, Schedule]:
    return len(schedule), sum([ops for _name, ops in schedule]), schedule


class Sharing:
    """A search shared by workers. ``run`` is a generator of Progress; ``outcome`` is what it has found."""

    def __init__(self, scenario: Scenario, workers: Workers, cap: int = CAP) -> None:
        self.workers, self.cap = workers, cap
        self.outcome = Shared(scenario.reduction)
        self.first: Unit | None = units.first(scenario, cap)
        """What a round begins with; None when there is none to come."""
        self.waiting: dict[Cell, list[Entry]] = {}
        """What leads into the cells that are not searched yet."""
        self.ready: list[Unit] = []
        self.out: dict[Future[Found], Unit] = {}
        """The units that are given out."""
        self.order: set[tuple[str, str]] = set()
        """The pairs of locks that any unit has seen, the outer one first."""
        self.backwards = ""
        """A pivot that went back, which ends a round."""
        self.before: Shared | None = None
        """What was found before the unit that was cut short, where one was."""
        self._deaths = 0
        self._carrier = Carrier(units.rebuilt(scenario)[0])
        self.knowledge = Knowledge()
        """What all units have learned."""
        self.lore = NOTHING_LEARNED
        """What was known when the round began."""

    @property
    def capped(self) -> bool:
        """Whether there are more states than are enough."""
        return self.before is not None or self.outcome.states >= self.cap

    def run(self) -> Iterator[Progress]:
        """Search until nothing is left, yielding progress now and then."""
        while self.first is not None:
            if not (self.ready or self.waiting):
                reduction = self.first.scenario.reduction
                self.outcome = Shared(reduction, rounds=self.outcome.rounds + 1)
                self.ready, self.backwards = [self.first], ""
                if self.knowledge.grown:
                    self.lore = told(self.knowledge, self._carrier)
                    self.knowledge.settle()
            yield from self._round(self.first)
            self.outcome.ends.sort()
            if self.outcome.why:
                return
            self.ready, self.waiting, self.out = [], {}, {}
            self.first = self._amended(self.first)

    def _amended(self, first: Unit) -> Unit | None:
        """Return how to begin anew where the units were not cut well; None if they were."""
        if self.backwards:
            kept = tuple([name for name in first.pivots if name != self.backwards])
            return units.first(first.scenario, self.cap, kept)
        ring = not _in_order(self.order)
        if ring and first.scenario.reduction in LEARNING:
            # Who takes locks in which order is what one unit does not see of another.
            return units.first(replace(first.scenario, reduction="plain"), self.cap)
        if self.knowledge.grown:
            return first
        if self.outcome.exhausted and ring:
            # Locks that one unit took in one order and another unit in the other: neither reported it.
            known = replace(first, order=_one_way(self.order))
            return known if known != first else None
        return None

    def _round(self, first: Unit) -> Iterator[Progress]:
        outcome = self.outcome
        self._deaths = 0
        executor = self.workers.open()
        try:
            while self.ready or self.waiting or self.out:
                self._choose(first)
                self._give_out(executor)
                yield Progress(outcome.states, outcome.transitions, len(self.waiting), outcome.rounds)
                self._take_back()
                if outcome.why or self.backwards:
                    return
            outcome.exhausted = not self.knowledge.grown
        finally:
            self.workers.close(executor)

    def _choose(self, first: Unit) -> None:
        """Make units of the cells that nothing under way can lead to any more."""
        busy = [*self.waiting, *[unit.cell for unit in (*self.ready, *self.out.values())]]
        for cell in sorted(self.waiting):
            if not any(_leads(other, cell) for other in busy):
                entries = tuple(sorted(self.waiting.pop(cell), key=_schedule_of))
                self.ready.append(replace(first, cell=cell, entries=entries))

    def _give_out(self, executor: Executor) -> None:
        """Give out every unit that is ready; where nobody takes one the search ends."""
        try:
            while self.ready:
                unit = replace(self.ready[0], lore=self.lore)
                self.out[executor.submit(self.workers.search, unit)] = self.ready[0]
                del self.ready[0]
        except Exception as error:  # noqa: BLE001 - each kind of executor has errors of its own
            self.outcome.why = f"nobody takes what is given out: {error}"

    def _take_back(self) -> None:
        """Take what has come back, or wait for it a little; what was lost is ready again."""
        wait(self.out, PATIENCE, FIRST_COMPLETED)
        came = lost = 0
        # What others have cancelled was lost with them; `wait` does not tell of all of it.
        for future in [future for future in self.out if future.done()]:
            error = BrokenExecutor() if future.cancelled() else future.exception()
            if error is None and self.before is None:
                self._take(self.out[future], future.result())
                came += 1
            elif error is None:
                self.ready.append(self.out[future])
            elif isinstance(error, BrokenExecutor):
                self.ready.append(self.out[future])
                lost += 1
            else:
                self.outcome.why = f"a worker cannot go on: {error}"
            del self.out[future]
        self.outcome.lost += lost
        self._deaths = 0 if came else self._deaths + bool(lost)
        if self._deaths >= LOSSES:
            self.outcome.why = "the workers die of what they are given"
        if self.out and not self.outcome.why:
            self.outcome.why = self.workers.gone()

    def _take(self, unit: Unit, found: Found) -> None:
        """Take up what a unit came to, and where it was left; one that was cut short is to be done again."""
        if not (found.exhausted or found.backwards):
            outcome = self.outcome
            self.before = replace(outcome, ends=list(outcome.ends), failures=dict(outcome.failures))
            self.ready.append(unit)
        self.outcome.take(found)
        if found.learned is not None:
            learn(self.knowledge, self._carrier, found.learned)
        self.order.update(found.order)
        self.backwards = found.backwards or self.backwards
        if self.before is None:
            for cell, entries in found.exits.items():
                self.waiting.setdefault(cell, []).extend(entries)
        if self.capped:
            self.outcome.why = f"there are more than {self.cap} states"

    @property
    def learned(self) -> Lore:
        """What is known now."""
        return told(self.knowledge, self._carrier)

    def know(self, lore: Lore, learned: Lore) -> None:
        """Go on in a round that has begun with some lore, and has learned more."""
        self.lore = lore
        learn(self.knowledge, self._carrier, lore)
        self.knowledge.settle()
        learn(self.knowledge, self._carrier, learned)


def _schedule_of(entry: Entry) -> Schedule:
    return entry[0]


def _leads(one: Cell, other: Cell) -> bool:
    """Tell whether what is in one cell can come to be in another."""
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def _in_order(order: Iterable[tuple[str, str]]) -> bool:
    """Tell whether no locks were taken in both orders."""
    graph = TopologicalSorter[str]()
    for outer, inner in order:
        graph.add(inner, outer)
    try:
        graph.prepare()
    except CycleError:
        return False
    return True


def _one_way(order: Iterable[tuple[str, str]]) -> Order:
    """Leave out what makes both orders of it, so that who takes locks so reports it."""
    kept: list[tuple[str, str]] = []
    for pair in sorted(order):
        if _in_order([*kept, pair]):
            kept.append(pair)
    return tuple(kept)
