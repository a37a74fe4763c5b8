"""What a learner has achieved: one JSON file in the folder of the user's state, by the IDs of labs.

It is written whole beside the old one and put in its place, under a lock, so that neither `kill -9`
nor a second session harms it. A file that cannot be read is moved aside, and that is told. What it
says of labs and goals that are not there is kept, and not counted.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kvmlab.course.lab import Head
from kvmlab.course.standing import Score
from kvmlab.settings import state_dir

FORMAT = 1

NEW, OPEN, DONE = "new", "open", "done"
"""How far a lab is."""

Entry = dict[str, Any]
"""What is kept of one lab."""


def progress_file() -> Path:
    """Return the path of the file; it need not exist."""
    return state_dir() / "progress.json"


class Newer(ValueError):
    """Raised for a file that a newer kvmlab has written: it is left as it is."""


class Store:
    """The file at a path. ``notices`` are sentences on what was wrong with it, to be told once."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or progress_file()
        self.notices: list[str] = []

    # -- reading ------------------------------------------------------------------------------

    def labs(self) -> dict[str, Entry]:
        """Return what is kept, by the IDs of labs; {} where nothing is, or nothing that can be read."""
        try:
            labs: dict[str, Entry] | None = self.read()
        except (OSError, Newer) as error:
            self._notice(error)
            return {}
        except ValueError:
            labs = None
        return self._mended() if labs is None else labs

    def _mended(self) -> dict[str, Entry]:
        """Move what cannot be read aside, where another session has not done so meanwhile."""
        try:
            with self._locked():
                labs: dict[str, Entry] = self._load()["labs"]
        except (OSError, Newer) as error:
            self._notice(error)
            return {}
        return labs

    def state(self, head: Head) -> str:
        """Return how far a lab is, by the goals that it has now."""
        return state(head, self.labs().get(head.id, {}))

    def read(self) -> dict[str, Entry]:
        """Return what is kept, and leave the file alone; raises OSError, or ValueError for no such file."""
        labs: dict[str, Entry] = self._read()["labs"]
        return labs

    def _read(self) -> dict[str, Any]:
        """Return the whole file; raises OSError, Newer, or ValueError where it is no such file."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return {"format": FORMAT, "labs": {}}
        try:
            read = json.loads(data)
        except RecursionError:
            raise ValueError("it nests too deep") from None
        if isinstance(read, dict) and isinstance(read.get("format"), int) and read["format"] > FORMAT:
            raise Newer(f"{self.path} is of a newer kvmlab: it is left as it is, and nothing is kept")
        if not _is_whole(read):
            raise ValueError("it is no progress file")
        return dict(read)

    def _load(self) -> dict[str, Any]:
        """Return the whole file under the lock; what is no such file is moved aside, and told."""
        try:
            return self._read()
        except Newer:
            raise
        except ValueError as error:
            aside = self._aside()
            self.path.replace(aside)
            what = f"could not be read ({error}): it is now {aside.name}, and progress begins anew"
            self.notices.append(f"{self.path} {what}")
            return {"format": FORMAT, "labs": {}}

    def _aside(self) -> Path:
        """Return a path beside the file that nothing has."""
        first = self.path.with_name(f"{self.path.name}.bak")
        number, path = 2, first
        while path.exists():
            number, path = number + 1, first.with_name(f"{first.name}.{number}")
        return path

    # -- writing ------------------------------------------------------------------------------

    def began(self, lab: str) -> str:
        """Count an attempt; return a sentence where it cannot be kept, else ""."""

        def change(entry: Entry) -> None:
            entry["attempts"] = entry.get("attempts", 0) + 1

        return self._change(lab, change)

    def reached(self, lab: str, goal: str) -> str:
        """Keep when a goal was first reached."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return self._change(lab, lambda entry: entry.setdefault("goals", {}).setdefault(goal, now))

    def hinted(self, lab: str, hint: str, rung: int) -> str:
        """Keep the highest rung that was given for a goal, or for the lab."""

        def change(entry: Entry) -> None:
            hints = entry.setdefault("hints", {})
            hints[hint] = max(rung, hints.get(hint, 0))

        return self._change(lab, change)

    def solved(self, lab: str, score: Score, schedule: tuple[str, ...]) -> str:
        """Keep the way to every goal, unless a better one is kept."""

        def change(entry: Entry) -> None:
            best = entry.get("best")
            if best is None or "schedule" not in entry or tuple(score) < (best["switches"], best["steps"]):
                entry["best"] = score._asdict()
                entry["schedule"] = list(schedule)

        return self._change(lab, change)

    def _change(self, lab: str, change: Callable[[Entry], object]) -> str:
        try:
            with self._locked():
                whole = self._load()
                change(whole["labs"].setdefault(lab, {}))
                self._write(whole)
        except (OSError, Newer) as error:
            return self._notice(error)
        return ""

    def _notice(self, error: OSError | Newer) -> str:
        why = f"{self.path}: {error.strerror or error}" if isinstance(error, OSError) else str(error)
        sentence = f"progress is not kept: {why}"
        if sentence in self.notices:
            return ""
        self.notices.append(sentence)
        return sentence

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other sessions from writing; the lock is a file of its own, which nothing replaces."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, whole: dict[str, Any]) -> None:
        part = self.path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as stream:
            json.dump(whole, stream, indent=1, ensure_ascii=False)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(self.path)


def state(head: Head, entry: Mapping[str, Any]) -> str:
    """Return how far a lab is: done when there is a way to every goal that it has now."""
    if entry.get("schedule") is not None and all(goal in entry.get("goals", {}) for goal in head.goals):
        return DONE
    return OPEN if entry else NEW


def _is_whole(read: object) -> bool:
    """Tell whether what was read has the shape of a progress file."""
    if not isinstance(read, dict) or read.get("format") != FORMAT or not isinstance(read.get("labs"), dict):
        return False
    return all(isinstance(entry, dict) and _is_entry(entry) for entry in read["labs"].values())


def _is_entry(entry: Entry) -> bool:
    goals, hints, best = entry.get("goals", {}), entry.get("hints", {}), entry.get("best")
    schedule = entry.get("schedule", [])
    return (
        isinstance(goals, dict)
        and isinstance(hints, dict)
        and all(isinstance(rung, int) for rung in hints.values())
        and isinstance(entry.get("attempts", 0), int)
        and (
            best is None
            or (isinstance(best, dict) and all(isinstance(best.get(k), int) for k in Score._fields))
        )
        and isinstance(schedule, list)
        and all(isinstance(text, str) for text in schedule)
    )
