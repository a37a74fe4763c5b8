"""The journal of an exploration: what a search has come to, on disk, so that another one can go on there.

It has the failures with their schedules, and where the search stands, with all that it has learned.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from kvmlab.explore.explorer import Explorer
from kvmlab.explore.record import go_on, search_data, walk_data, walk_on
from kvmlab.explore.record_units import share_on, sharing_data

FORMAT, VERSION = "kvmlab explore", 4


def digest(scenario: Sequence[str], explorer: Explorer) -> str:
    """Return what tells a journal of this very search from others; a cap may differ."""
    asked = {name: value for name, value in asdict(explorer.asked).items() if name != "cap"}
    claims = [each.command.text for each in explorer.properties]
    told = [list(scenario), asked, claims, explorer.sharing is not None]
    return sha256(json.dumps(told).encode()).hexdigest()


def write(path: Path, explorer: Explorer, of: str) -> None:
    """Write a journal; the old one is there until the new one is whole. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    text = json.dumps(_data(explorer), separators=(",", ":"))
    head = {"format": FORMAT, "version": VERSION, "of": of, "sum": _sum(text)}
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(f"{json.dumps(head)}\n{text}\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _sum(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _data(explorer: Explorer) -> dict[str, Any]:
    """Return what was found, and where each part of an exploration stands that is under way."""
    found = [[*failure, [list(move) for move in moves]] for failure, moves in explorer.found.items()]
    data: dict[str, Any] = {"found": found, "seconds": round(explorer.seconds, 3)}
    if explorer.sharing is not None:
        data["shared"] = sharing_data(explorer.sharing)
    elif explorer.asked.bound is None:
        data["search"] = search_data(explorer.search)
    if explorer.walk is not None:
        bound, walk = explorer.walk
        data["walk"] = [bound, walk_data(walk)]
    return data


def resume(path: Path, explorer: Explorer, of: str) -> None:
    """Make an explorer go on where a journal ends.

    Raises OSError, or ValueError with a sentence for what is no journal of this very search.
    """
    first, _newline, text = path.read_text("utf-8", errors="replace").partition("\n")
    text = text.removesuffix("\n")
    try:
        head = json.loads(first)
        known = (head["format"], head["version"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("it is no journal of an exploration") from None
    if known != (FORMAT, VERSION):
        raise ValueError(f"it is a journal of '{known[0]}' version {known[1]}, not '{FORMAT}' {VERSION}")
    if head.get("of") != of:
        raise ValueError("it is the journal of another scenario, or of another search of it")
    if head.get("sum") != _sum(text):
        raise ValueError("it is damaged")
    try:
        _go_on(explorer, json.loads(text))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise ValueError("it is of another version of kvmlab") from None


def _go_on(explorer: Explorer, data: dict[str, Any]) -> None:
    found = {(str(k), str(t)): [(str(n), int(o)) for n, o in moves] for k, t, moves in data["found"]}
    if explorer.sharing is not None:
        share_on(explorer.sharing, data["shared"])
    elif explorer.asked.bound is None:
        go_on(explorer.search, data["search"])
    if "walk" in data:
        bound, walk = data["walk"]
        explorer.resumed = int(bound), partial(walk_on, data=walk)
    explorer.went_on(found, float(data["seconds"]))
