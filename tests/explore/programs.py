"""Random programs: a few contexts that lock, wait, count, queue, allocate and free over shared cells.

A program is data, so that it can be printed, replayed and written as Promela.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from kvmlab.engine.kernel.contexts import CONTEXTS, Contexts
from kvmlab.engine.kernel.lists import Counted, List
from kvmlab.engine.kernel.locks import LOCKS, Locks, mutex_lock, mutex_unlock, spin_lock, spin_unlock
from kvmlab.engine.kernel.memory import kfree, kzalloc
from kvmlab.engine.kernel.path import BLOCKED, PATHS, Op, Path, _Blocked, blocks, path, touches
from kvmlab.engine.kernel.rcu import RCU, RCU_READ_LOCK, RCU_READ_UNLOCK, Rcu
from kvmlab.engine.kernel.sanitizers import REPORTS, Oops, Reports
from kvmlab.engine.kernel.workqueue import QUEUES, Workqueue
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from kvmlab.engine.world.vm import VM, Vm

CELLS = ("cell#1", "cell#2", "cell#3")


def _why_zero(cell: Cell) -> tuple[str, tuple[str, ...]] | None:
    return None if cell.value else (f"{cell.handle} is 0", ())


class Cell(Counted):
    """A number that contexts share, with a reference count."""

    __slots__ = ("value",)
    FIELDS = ("value", "refs")
    KIND = "cell"

    def __init__(self, value: int, refs: int) -> None:
        super().__init__()
        self.value, self.refs = value, refs

    def store(self, value: int) -> None:
        """Set the number; one that it has already is not written."""
        if value != self.value:
            self.changed()
            self.value = value

    def swap(self, value: int) -> int:
        """Set the number and return the old one."""
        old = self.value
        self.store(value)
        return old

    def check(self) -> None:
        """BUG_ON the number being 0."""
        if not self.value:
            raise Oops(f"{self.handle} is 0", "bug-on")

    def copy(self, other: str) -> None:
        """Take over another cell's number."""
        self.store(self.deref(other).value)

    @blocks(_why_zero)
    def wait(self) -> _Blocked | None:
        """Wait until the number is not 0."""
        return None if self.value else BLOCKED


class CellList(List):
    """Cells in a list."""

    __slots__ = ()

    @touches("cell*")
    def total(self) -> int:
        """Add the numbers up."""
        return sum(self.deref(handle).value for handle in self.items)

    @touches("cell*")
    def take(self, value: int) -> str:
        """Find a cell by its number and take a reference."""
        for handle in self.items:
            cell = self.deref(handle)
            if cell.value == value:
                cell.kref_get()
                return str(handle)
        return ""


OPS: dict[str, Callable[..., Op]] = {
    "load": lambda cell: (Cell.load, cell, "value"),
    "store": lambda cell, value: (Cell.store, cell, int(value)),
    "swap": lambda cell, value: (Cell.swap, cell, int(value)),
    "check": lambda cell: (Cell.check, cell),
    "copy": lambda cell, other: (Cell.copy, cell, other),
    "wait": lambda cell: (Cell.wait, cell),
    "get": lambda cell: (Cell.kref_get, cell),
    "drop": lambda cell: (Cell.kref_put, cell),
    "free": kfree,
    "make": lambda: kzalloc("cell", 1, 1),
    "lose": lambda: kzalloc("routes", ()),
    "total": lambda: (CellList.total, "cells"),
    "take": lambda value: (CellList.take, "cells", int(value)),
    "add": lambda cell: (CellList.list_add_tail, "cells", cell),
    "del": lambda cell: (CellList.list_del, "cells", cell),
    "has": lambda cell: (CellList.contains, "cells", cell),
    "lock": spin_lock,
    "unlock": spin_unlock,
    "mutex": mutex_lock,
    "unmutex": mutex_unlock,
    "rcu": lambda: RCU_READ_LOCK,
    "unrcu": lambda: RCU_READ_UNLOCK,
    "grace": lambda: (Rcu.start_grace_period, RCU),
    "graced": lambda: (Rcu.wait_grace_period, RCU),
    "sleep": lambda: (Locks.might_sleep, LOCKS, "sleeps"),
    "queue": lambda worker, item: (Workqueue.queue_work, QUEUES[worker], ("play_item", item)),
    "flush-work": lambda worker, item: (Workqueue.flush_work, QUEUES[worker], ("play_item", item)),
    "leaks": lambda: (Vm.check_leaks, VM, "cell#*"),
    "wake": lambda name: (Contexts.wake, CONTEXTS, name),
    "unmet": lambda: (Reports.unmet, REPORTS, "it is not as expected"),
}
"""What a word does; the words behind it are its arguments."""

ITEMS = {
    "store": ("store cell#1 2",),
    "load": ("load cell#2", "total"),
    "chain": ("copy cell#2 cell#3", "queue events store"),
    "lock": ("lock s1", "swap cell#3 1", "unlock s1"),
    "put": ("put cell#1",),
    "wake": ("check cell#2", "wake b"),
}
"""Items of work by name."""

RETRIES = {
    "retry": ("if cell#1", "queue events retry"),
    "retry-late": ("if cell#2", "copy cell#3 cell#2", "queue irqfd-cleanup retry-late"),
    "toggle": ("lock s1", "swap cell#3 0", "unlock s1", "queue events toggle-back"),
    "toggle-back": ("swap cell#3 1", "if cell#1", "queue events toggle"),
    "for-ever": ("rcu", "load cell#3", "unrcu", "queue irqfd-cleanup for-ever"),
    "hand-over": ("load cell#1", "queue irqfd-cleanup hand-back"),
    "hand-back": ("if cell#1", "queue events hand-over"),
}
"""Items that are queued again and again, most of them as long as a cell is not 0."""

ENTRIES = ("lock", "mutex", "rcu")
"""What must not be left out: its end would be an end of nothing."""

PUT_AND_FREE, IF = "put", "if"
"""Drops a reference and frees with the last one; goes on only if a cell is not 0."""


@path
def play(profile: Profile, *steps: str) -> Path[tuple[Any, ...]]:
    """Make the steps in order; return what each received."""
    received: list[Any] = []
    for step in steps:
        verb, *words = step.split()
        if verb in PATHS:
            yield from PATHS[verb](profile, *words)
        elif verb == PUT_AND_FREE:
            received.append((yield OPS["drop"](*words)))
            if not received[-1]:
                yield kfree(*words)
        elif verb == IF:
            received.append((yield OPS["load"](*words)))
            if not received[-1]:
                break
        else:
            received.append((yield OPS[verb](*words)))
    return tuple(received)


@path
def play_item(profile: Profile, name: str) -> Path[None]:
    """Work item: what stands in ITEMS under a name."""
    yield from PATHS["play"](profile, *(ITEMS.get(name) or RETRIES[name]))


@dataclass
class Program:
    """Calls by context, each a tuple of steps; what the cells hold at first, their counts, who is listed."""

    calls: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    values: tuple[int, ...] = (0, 0, 1)
    refs: tuple[int, ...] = (1, 1, 1)
    listed: tuple[str, ...] = ()

    def machine(self) -> Machine:
        """Make a machine whose contexts stand before their programs."""
        machine = Machine(Profile(vcpus=1))
        for value, refs in zip(self.values, self.refs, strict=True):
            machine.memory.alloc("cell", Cell(value, refs))
        machine.memory.place("cells", CellList()).items = self.listed
        machine.contexts.set_manual(manual=True)
        for name, calls in self.calls.items():
            machine.contexts.add(name, tuple([("play", steps) for steps in calls]))
        return machine


def random_program(seed: int) -> Program:
    """Return the program of a seed: two to four contexts of two to six ops."""
    random = Random(seed)  # noqa: S311 - seeded, to be the same everywhere
    names = ["a", "b", "c", "d"][: random.choice((2, 2, 3, 3, 4))]
    spoken = random.sample(sorted(BLOCKS), random.randint(2, 5))
    program = Program(
        values=tuple([random.choice((0, 0, 1)) for _ in CELLS]),
        refs=tuple([random.choice((1, 1, 2)) for _ in CELLS]),
        listed=tuple(random.sample(CELLS, random.randint(0, 2))),
    )
    for name in names:
        calls = [(*_steps(random, spoken, random.randint(2, 6 - len(names) // 2)),)]
        if random.random() < 0.2:
            calls.append((*_steps(random, spoken, 2),))
        program.calls[name] = calls
    return program


def retrying_program(seed: int) -> Program:
    """Return a random program in which some contexts go round, with those who may let them out."""
    program, random = random_program(seed), Random(seed)  # noqa: S311 - seeded, to be the same everywhere
    names = list(program.calls)[:3]
    program.calls = {name: program.calls[name] for name in names}
    for name in names[:2]:
        worker, item = random.choice(("events", "irqfd-cleanup")), random.choice(list(RETRIES))
        begun = random.choice(
            (f"queue {worker} {item}", f"wake {random.choice(names)}", f"store {random.choice(CELLS)} 1")
        )
        steps = [*program.calls[name][0][:3]]
        steps.insert(random.randint(0, len(steps)), begun)
        if random.random() < 0.3:
            steps.append(random.choice((f"flush-work {worker} {item}", f"store {random.choice(CELLS)} 0")))
        program.calls[name] = [tuple(steps)]
    return program


def _steps(random: Random, spoken: list[str], ops: int) -> list[str]:
    steps: list[str] = []
    while len(steps) < ops:
        steps += BLOCKS[random.choice(spoken)](random)
    spare = [number for number, step in enumerate(steps) if step.split()[0] not in ENTRIES]
    if random.random() < 0.1:  # A planted fault: a step that is left out, often an unlock or a put.
        steps.pop(random.choice(spare))
    return steps or ["sleep"]


def _access(random: Random) -> str:
    cell = random.choice(CELLS)
    return random.choice(
        (
            f"load {cell}",
            f"load {cell}",
            f"store {cell} {random.randint(0, 2)}",
            f"swap {cell} {random.randint(0, 2)}",
            f"copy {cell} {random.choice(CELLS)}",
            "total",
        )
    )


def _locked(random: Random, lock: str, verb: str) -> list[str]:
    inner = [_access(random) for _ in range(random.randint(1, 2))]
    return [f"{verb} {lock}", *inner, f"un{verb} {lock}"]


def _nested(random: Random) -> list[str]:
    one, other = random.sample(["s1", "s2"], 2)
    return [f"lock {one}", f"lock {other}", _access(random), f"unlock {other}", f"unlock {one}"]


def _queued(random: Random) -> list[str]:
    worker, item = random.choice(("events", "irqfd-cleanup")), random.choice(list(ITEMS))
    after = random.choice(([], [f"flush-work {worker} {item}"], [f"flush_workqueue {QUEUES[worker]}"]))
    return [f"queue {worker} {item}", *after]


def _cell(random: Random) -> str:
    return random.choice(CELLS[:2])


def _counted(random: Random) -> list[str]:
    cell = _cell(random)
    return [f"get {cell}", random.choice((_access(random), f"load {cell}")), f"put {cell}"]


BLOCKS: dict[str, Callable[[Random], list[str]]] = {
    "plain": lambda random: [_access(random)],
    "spin": lambda random: _locked(random, random.choice(("s1", "s2")), "lock"),
    "mutex": lambda random: _locked(random, "m1", "mutex"),
    "nested": _nested,
    "rcu": lambda random: ["rcu", _access(random), "unrcu"],
    "grace": lambda random: [_access(random), "synchronize_rcu", random.choice(("sleep", "free cell#1"))],
    "queue": _queued,
    "counted": _counted,
    "put": lambda random: [f"put {_cell(random)}"],
    "get": lambda random: [f"get {_cell(random)}"],
    "free": lambda random: [f"free {_cell(random)}"],
    "make": lambda random: ["make"],
    "wait": lambda random: [f"wait {random.choice(CELLS)}"],
    "raise": lambda random: [f"store {random.choice(CELLS)} 1"],
    "check": lambda random: [f"check {random.choice(CELLS)}"],
    "list": lambda random: [f"{random.choice(('add', 'del', 'has'))} {random.choice(CELLS)}"],
    "take": lambda random: [f"take {random.randint(0, 1)}"],
    "if": lambda random: [f"if {random.choice(CELLS)}", _access(random)],
    "wake": lambda random: [f"wake {random.choice('abc')}"],
    "leaks": lambda random: ["leaks"],
    "expect": lambda random: [f"if {random.choice(CELLS)}", "unmet"],
    "barrier": lambda random: [f"flush_workqueue {QUEUES['events']}"],
}
"""What programs are made of: by name, what writes some steps."""
