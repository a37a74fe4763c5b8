"""A search as plain data, and one that goes on from there: the world's numbers, the states, what it learned.

States are told by what differs from the state that they were found from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kvmlab.explore.knowledge import Knowledge, Local
from kvmlab.explore.resources import Access
from kvmlab.explore.search import Move, Outcome, Search
from kvmlab.explore.shortest import Cheapest, Node
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
        "partly": sorted(_all(numbers, search.partly)),
        "whole": sorted(_all(numbers, search.whole)),
        "transitions": outcome.transitions,
        "rounds": outcome.rounds,
        "news": search.news,
        "turns": [[numbers[state], turn.orders] for state, turn in outcome.turns.items() if state in numbers],
        "told": sorted(search.told),
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
    found = list[int]()
    for index, (old, new) in enumerate(zip(one, other, strict=True)):
        if old != new:
            found += index, new
    return found


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
    search.partly = {states[number] for number in data["partly"]}
    search.whole = {states[number] for number in data["whole"]}
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
    """Return where a walk by price stands."""
    world = walk.world
    numbers = {state: number for number, state in enumerate(walk.wrong)}
    names = ["", *world.names]

    def node(of: Node | None) -> list[int] | None:
        return None if of is None else [numbers[of[0]], names.index(of[1])]

    return {
        "names": names,
        "states": [_difference(world.start, state) for state in numbers],
        "wrong": [[number, *walk.wrong[state]] for state, number in numbers.items() if walk.wrong[state]],
        "moves": [
            [numbers[state], [[names.index(name), ops, numbers[after]] for name, ops, after in moves]]
            for state, moves in walk.moves.items()
        ],
        "before": [
            [node(of), *((node(came[0]), came[1]) if came else ())] for of, came in walk.before.items()
        ],
        "heap": [[*entry[:3], node(entry[3]), node(entry[4]), entry[5]] for entry in walk.heap],
        "tickets": walk.tickets,
        "transitions": walk.transitions,
        "world": world_data(world),
    }


def walk_on(walk: Cheapest, data: Data) -> None:
    """Put a walk that has not begun where another one stood; raises an error of Python's if it cannot."""
    world, names = walk.world, data["names"]
    if names != ["", *world.names]:
        raise ValueError(names)
    learn_world(world, data["world"])
    states = [_changed(world.start, difference) for difference in data["states"]]

    def node(of: list[int]) -> Node:
        number, name = of
        return states[number], names[name]

    walk.wrong = {state: [] for state in states}
    for number, *failures in data["wrong"]:
        walk.wrong[states[number]] = [(kind, text) for kind, text in failures]
    walk.moves = {
        states[number]: [(names[name], ops, states[after]) for name, ops, after in moves]
        for number, moves in data["moves"]
    }
    walk.before = {node(of): (node(came[0]), int(came[1])) if came else None for of, *came in data["before"]}
    walk.heap = [
        (price, ops, ticket, node(of), node(before) if before else None, ran)
        for price, ops, ticket, of, before, ran in data["heap"]
    ]
    walk.tickets, walk.transitions = int(data["tickets"]), int(data["transitions"])


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
