"""The journal of an exploration: what a search has come to, on disk, so that another one can go on there.

It has the failures with their schedules and, where nothing is left out, the tree of states as (parent,
context, ops) with those that wait: bringing a state back costs one move. A reduced search knows what to
leave out only from what it has run, so that it begins anew and keeps what was found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from kvmlab.explore.explorer import Explorer
from kvmlab.explore.search import Outcome, Search
from kvmlab.explore.world import State

FORMAT, VERSION = "kvmlab explore", 1


def digest(scenario: Sequence[str], explorer: Explorer) -> str:
    """Return what tells a journal of this very search from others; a cap may differ."""
    asked = {name: value for name, value in asdict(explorer.asked).items() if name != "cap"}
    claims = [each.command.text for each in explorer.properties]
    return sha256(json.dumps([list(scenario), asked, claims]).encode()).hexdigest()


def write(path: Path, explorer: Explorer, of: str) -> None:
    """Write a journal; the old one is there until the new one is whole. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            json.dump(_data(explorer, of), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _data(explorer: Explorer, of: str) -> dict[str, Any]:
    found = [[*failure, [list(move) for move in moves]] for failure, moves in explorer.found.items()]
    data: dict[str, Any] = {"format": FORMAT, "version": VERSION, "of": of, "found": found}
    data["seconds"] = round(explorer.seconds, 3)
    if explorer.asked.bound is None and explorer.search.fused is None:
        data |= _tree(explorer.search)
    return data


def _tree(search: Search) -> dict[str, Any]:
    """Return the states of a search and which wait, by their numbers in the order they were found.

    The last that waits may have been interrupted while it was gone through: then it is gone through again.
    """
    outcome, waiting = search.outcome, search.waiting
    again = waiting[-1] if waiting else None
    names = list(search.world.names)
    numbers: dict[State, int] = {}
    moves: list[tuple[int, int, int]] = []
    for state, came in outcome.parents.items():
        if came is not None:
            before, (name, ops) = came
            if before == again:
                continue
            moves.append((numbers[before], names.index(name), ops))
        numbers[state] = len(numbers)
    return {
        "names": names,
        "moves": moves,
        "waiting": [numbers[state] for state in waiting],
        "transitions": outcome.transitions,
        "exhausted": outcome.exhausted,
    }


def resume(path: Path, explorer: Explorer, of: str) -> None:
    """Make an explorer go on where a journal ends.

    Raises OSError, or ValueError with a sentence for what is no journal of this very search.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
        known = (data["format"], data["version"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("it is no journal of an exploration") from None
    if known != (FORMAT, VERSION):
        raise ValueError(f"it is a journal of '{known[0]}' version {known[1]}, not '{FORMAT}' {VERSION}")
    if data.get("of") != of:
        raise ValueError("it is the journal of another scenario, or of another search of it")
    try:
        found = {(str(k), str(t)): [(str(n), int(o)) for n, o in moves] for k, t, moves in data["found"]}
        if "moves" in data:
            _bring_back(explorer.search, data)
        explorer.went_on(found, float(data["seconds"]))
    except (KeyError, TypeError, ValueError, IndexError):
        raise ValueError("it is damaged") from None


def _bring_back(search: Search, data: dict[str, Any]) -> None:
    """Make every move of the tree again; raises an error of Python's where that is no tree of this world."""
    world = search.world
    if data["names"] != list(world.names):
        raise ValueError(data["names"])
    outcome = Outcome(search.reduction, transitions=int(data["transitions"]), rounds=1)
    outcome.parents[world.start] = None
    states = [world.start]
    for before, number, ops in data["moves"]:
        name = data["names"][number]
        world.go(states[before])
        for _ in range(ops):
            if world.next_op(name) is None or world.blocked(name):
                raise ValueError(name)
            world.step(name)
        after = world.state()
        outcome.parents[after] = (states[before], (name, ops))
        states.append(after)
        if not world.movable():
            outcome.ends.append(after)
    search.waiting = [states[number] for number in data["waiting"]]
    outcome.exhausted = bool(data["exhausted"]) and not search.waiting
    search.outcome = outcome
