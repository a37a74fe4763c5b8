"""A search as plain data, and one that goes on from there: the world's numbers, the states, what it learned.

States are told by what differs from the state that they were found from.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress, count
from operator import ne
from typing import Any

from kvmlab.explore.knowledge import Knowledge, Local
from kvmlab.explore.resources import Access
from kvmlab.explore.search import Move, Outcome, Search
from kvmlab.explore.shortest import Cheapest, Failure
from kvmlab.explore.spelling import read, spelled
from kvmlab.explore.world import State, World

Data = dict[str, Any]


def world_data(world: World) -> Data:
    """Return the values that each object of a world has had, by their numbers."""
    handles, values, keys, pairs = world.known()
    return {
        "handles": handles,
        "values": [spelled(tuple(each)) for each in values],
        "keys": [spelled(tuple(each)) for each in keys],
        "pairs": spelled(tuple(sorted(pairs))),
        "outdated": world.outdated,
    }


def learn_world(world: World, data: Data) -> None:
    """Have a world number its values as another one of the same start did; raises ValueError if it cannot."""
    place = world.contexts.place
    values = [read(each, place) for each in data["values"]]
    keys = [read(each, place) for each in data["keys"]]
    world.learn(data["handles"], values, keys, set(read(data["pairs"], place)))
    world.begin()
    world.outdated = bool(data["outdated"])


def search_data(search: Search) -> Data:
    """Return where a search stands; a state that was left half-way is to be gone through again."""
    outcome = search.outcome
    states = _kept(search)
    numbers = {state: number for number, state in enumerate(states)}
    names = list(search.world.names)
    found = []
    for state in states[1:]:
        came = outcome.parents[state]
        assert came is not None
        before, (name, ops) = came
        found.append([numbers[before], names.index(name), ops, _difference(before, state)])
    return {
        "names": names,
        "start": states[:1],
        "states": found,
        "edges": [
            _all(numbers, outcome.edges[state]) if state in outcome.edges else None for state in states
        ],
        "waiting": _all(numbers, search.waiting),
        "ends": _all(numbers, filter(numbers.__contains__, outcome.ends)),
        "partly": _all(numbers, search.partly),
        "whole": sorted(_all(numbers, search.whole)),
        "transitions": outcome.transitions,
        "rounds": outcome.rounds,
        "news": search.news,
        "turns": [[numbers[state], turn.orders] for state, turn in outcome.turns.items() if state in numbers],
        "failures": [
            [*failure, numbers[state]] for failure, state in outcome.failures.items() if state in numbers
        ],
        "told": sorted(search.told),
        "circles": [[*failure, _all(numbers, states)] for failure, states in outcome.circles.items()],
        "exhausted": outcome.exhausted,
        "knowledge": _knowledge_data(search.fused.knowledge) if search.fused else None,
        "world": world_data(search.world),
    }


def _kept(search: Search) -> list[State]:
    """Return the states that were found, but for those that the one left half-way led to."""
    outcome = search.outcome
    last = search.waiting[-1] if search.waiting else None
    kept = set[State]() if last is None else set(outcome.edges.get(last, ()))
    return [
        state for state, came in outcome.parents.items() if came is None or came[0] != last or state in kept
    ]


def _all(numbers: dict[State, int], states: Iterable[State]) -> list[int]:
    return [numbers[state] for state in states]


def _difference(before: State, after: State) -> list[int]:
    """Return the indices that differ, each followed by the number there."""
    room = max(len(before), len(after))
    one, other = ((*state, *(0,) * (room - len(state))) for state in (before, after))
    return [told for index in compress(count(), map(ne, one, other)) for told in (index, other[index])]


def _changed(before: State, difference: list[int]) -> State:
    vector = list(before)
    for index, number in zip(difference[::2], difference[1::2], strict=True):
        vector += [0] * (index + 1 - len(vector))
        vector[index] = number
    while vector and not vector[-1]:
        vector.pop()
    return tuple(vector)


def go_on(search: Search, data: Data) -> None:
    """Put a search that has not begun where another one stood.

    Raises an error of Python's where that is none of the same start.
    """
    world = search.world
    if data["names"] != list(world.names):
        raise ValueError(data["names"])
    learn_world(world, data["world"])
    if [world.start] != [tuple(each) for each in data["start"]]:
        raise ValueError(data["start"])
    outcome = Outcome(search.reduction, transitions=int(data["transitions"]), rounds=int(data["rounds"]))
    states = [world.start]
    outcome.parents[world.start] = None
    for before, number, ops, difference in data["states"]:
        state = _changed(states[before], difference)
        move: Move = (data["names"][number], int(ops))
        outcome.parents[state] = (states[before], move)
        states.append(state)
    for state, following in zip(states, data["edges"], strict=True):
        if following is not None:
            outcome.edges[state] = tuple([states[number] for number in following])
    outcome.ends = [states[number] for number in data["ends"]]
    search.partly = {states[number]: None for number in data["partly"]}
    search.whole = {states[number] for number in data["whole"]}
    outcome.failures = {(kind, text): states[number] for kind, text, number in data["failures"]}
    outcome.circles = {
        (kind, text): [states[number] for number in numbers] for kind, text, numbers in data["circles"]
    }
    search.told = {(kind, text) for kind, text in data["told"]}
    for number, orders in data["turns"]:
        assert search.symmetry is not None
        outcome.turns[states[number]] = search.symmetry.turn(tuple(map(tuple, orders)))
    search.waiting = [states[number] for number in data["waiting"]]
    outcome.exhausted = bool(data["exhausted"]) and not search.waiting
    search.news, search.outcome = int(data["news"]), outcome
    if search.fused:
        search.fused.begin()
        _learn(search.fused.knowledge, data["knowledge"], world)


# -- a walk by price ---------------------------------------------------------------------------------


def walk_data(walk: Cheapest) -> Data:
    """Return the moves that a walk by price has made; it comes to where it stands by making them again.

    Each state that was gone through is told with its moves, as who, how many ops, and where to: the
    number of a state, or of a state that was not told of yet what differs. Numbers are given in that order.
    """
    world = walk.world
    numbers, names = {world.start: 0}, list(world.names)
    told = []
    for state, moves in walk.moves.items():
        row: list[Any] = [numbers[state]]
        for name, ops, after in moves:
            known = numbers.get(after)
            if known is None:
                numbers[after] = len(numbers)
            row += names.index(name), ops, _difference(state, after) if known is None else known
        told.append(row)
    return {
        "names": names,
        "moves": told,
        "wrong": [[number, *walk.wrong[state]] for state, number in numbers.items() if walk.wrong[state]],
        "world": world_data(world),
    }


def walk_on(walk: Cheapest, data: Data) -> None:
    """Have a walk that has not begun know what another one did; raises an error of Python's if it cannot."""
    world, names = walk.world, data["names"]
    if names != list(world.names):
        raise ValueError(names)
    learn_world(world, data["world"])
    states = [world.start]
    known: dict[State, list[tuple[str, int, State]]] = {}
    for number, *row in data["moves"]:
        moves = known[states[number]] = []
        for name, ops, after in zip(row[::3], row[1::3], row[2::3], strict=True):
            if after.__class__ is list:
                states.append(_changed(states[number], after))
            moves.append((names[name], int(ops), states[-1] if after.__class__ is list else states[after]))
    wrong: dict[State, list[Failure]] = {state: [] for state in states}
    for number, *failures in data["wrong"]:
        wrong[states[number]] = [(kind, text) for kind, text in failures]
    walk.know(known, wrong)


# -- what was learned --------------------------------------------------------------------------------


def _knowledge_data(knowledge: Knowledge) -> Data:
    accesses: dict[Access, int] = {}

    def number(access: Access) -> int:
        return accesses.setdefault(access, len(accesses))

    data = {
        "ops": [
            [here, [[*there, number(a)] for there, a in to.items()]] for here, to in knowledge.ops.items()
        ],
        "steps": [[*here, number(access)] for here, access in knowledge.steps.items()],
        "stands": [[*here, number(access)] for here, access in knowledge.stands.items()],
        "items": [[spelled(item), sorted(begun)] for item, begun in knowledge.items.items()],
        "idle": sorted(knowledge.idle),
        "held": [[*here, sorted(locks)] for here, locks in knowledge.held.items()],
        "locks": {resource: sorted(locks) for resource, locks in knowledge.locks.items()},
        "ended": sorted(knowledge.ended),
        "grown": knowledge.grown,
        "fresh": knowledge.fresh,
    }
    return data | {"accesses": [spelled(tuple(access)) for access in accesses]}


def _learn(knowledge: Knowledge, data: Data, world: World) -> None:
    place = world.contexts.place
    accesses = [Access(*read(each, place)) for each in data["accesses"]]

    def local(here: list[int]) -> Local:
        index, number = here
        return index, number

    knowledge.ops = {
        local(here): {(index, number): accesses[a] for index, number, a in to} for here, to in data["ops"]
    }
    knowledge.steps = {(index, number): accesses[a] for index, number, a in data["steps"]}
    knowledge.stands = {(index, number): accesses[a] for index, number, a in data["stands"]}
    knowledge.items = {read(item, place): set(map(local, begun)) for item, begun in data["items"]}
    knowledge.idle = set(map(local, data["idle"]))
    knowledge.held = {(index, number): frozenset(locks) for index, number, locks in data["held"]}
    knowledge.locks |= {resource: frozenset(locks) for resource, locks in data["locks"].items()}
    knowledge.ended = set(data["ended"])
    knowledge.grown, knowledge.fresh = bool(data["grown"]), bool(data["fresh"])
