"""The labs that there are: those that are shipped, and the user's own, by their IDs and in order.

A user's labs are in ``labs`` beside the settings. A lab that is broken hides no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kvmlab.course.fault import Fault
from kvmlab.course.front import CHAPTERS
from kvmlab.course.lab import Head, Lab
from kvmlab.course.reading import Read, read_head, read_lab
from kvmlab.course.standing import Position
from kvmlab.language.errors import nearest
from kvmlab.resources import KINDS, ResourceError, folder
from kvmlab.settings import LARGEST, config_dir

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

ENDING = KINDS["labs"]


class Missing(LookupError):
    """Raised for a lab that is not there, or is broken: one sentence, and the faults."""

    def __init__(self, message: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


class Shelved(NamedTuple):
    """One file: its name to be shown, its text, and its head, None where it is too broken to have one."""

    file: str
    name: str
    text: str
    head: Head | None
    faults: tuple[Fault, ...]

    def read(self) -> Read:
        """Return the whole lab, or all that is wrong with it."""
        return Read(None, self.faults) if not self.text else read_lab(self.text, self.file)


class Shelf:
    """The labs that are shipped and those of one folder, in the order of their chapters and names."""

    def __init__(self, own: Traversable) -> None:
        self._folders = [*_shipped(), own]

    @cached_property
    def all(self) -> tuple[Shelved, ...]:
        """Every file, broken ones included."""
        found = [each for folder in self._folders for each in _shelved(folder)]
        return tuple(sorted(found, key=lambda each: (each.head.chapter if each.head else 99, each.name)))

    @cached_property
    def heads(self) -> Mapping[str, Shelved]:
        """The labs by their IDs, in order; of two with the same ID the first."""
        found: dict[str, Shelved] = {}
        for each in self.all:
            if each.head is not None:
                found.setdefault(each.head.id, each)
        return found

    def titles(self) -> dict[str, str]:
        """Return the title of each lab by its ID."""
        return {name: each.head.title for name, each in self.heads.items() if each.head}

    def chapters(self) -> Iterator[tuple[int, str, list[Head]]]:
        """Yield every chapter that has labs: its number, its title and their heads."""
        for number, title in CHAPTERS.items():
            found = [each.head for each in self.heads.values() if each.head and each.head.chapter == number]
            if found:
                yield number, title, found

    def shelved(self, name: str) -> Shelved:
        """Return a file by its lab's ID, or by its path; raises Missing."""
        if name in self.heads:
            return self.heads[name]
        if name.endswith(ENDING):
            return _file(Path(name), name)
        better = nearest(name, self.heads)
        near = f"did you mean '{better}'?" if better else "'lab list' shows those there are"
        raise Missing(f"no lab is called '{name}'; {near}")

    def lab(self, name: str) -> Lab:
        """Return a lab by its ID, or by the path of its file; raises Missing for none, or a broken one."""
        shelved = self.shelved(name)
        lab, faults = shelved.read()
        if lab is None:
            raise Missing(f"{shelved.file} cannot be played", faults)
        return lab

    def position(self, name: str) -> Position:
        """Return where a lab stands in its chapter and between its neighbours."""
        names = list(self.heads)
        if name not in names:
            return Position()
        at = names.index(name)
        heads = [each.head for each in self.heads.values() if each.head]
        chapter = [head.id for head in heads if head.chapter == heads[at].chapter]
        before, behind = names[at - 1] if at else "", names[at + 1] if at + 1 < len(names) else ""
        return Position(chapter.index(name) + 1, len(chapter), before, behind)


def own_folder() -> Path:
    """Return the folder of the user's own labs; it need not exist."""
    return config_dir() / "labs"


def _shipped() -> list[Traversable]:
    try:
        return [folder("labs")]
    except ResourceError:
        return []


def stamp(own: Path) -> tuple[tuple[str, int], ...]:
    """Return what changes when a lab does: every file with the time it was written."""
    files = [
        file for place in (*_shipped(), own) if isinstance(place, Path) for file in place.glob(f"*{ENDING}")
    ]
    return tuple(sorted((str(file), file.stat().st_mtime_ns) for file in files if file.is_file()))


def _shelved(place: Traversable) -> Iterator[Shelved]:
    if place.is_dir():
        for each in sorted(place.iterdir(), key=lambda file: file.name):
            if each.name.endswith(ENDING) and each.is_file():
                yield _file(each, str(each))


def _file(file: Traversable, shown: str) -> Shelved:
    if isinstance(file, Path) and file.exists() and not file.is_file():
        return _unread(shown, file.name, "it is no regular file")
    try:
        with file.open("rb") as stream:
            text = stream.read(LARGEST + 1).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _unread(shown, file.name, f"it is not UTF-8 at byte {error.start}")
    except OSError as error:
        return _unread(shown, file.name, error.strerror or str(error))
    if len(text) > LARGEST:
        return _unread(shown, file.name, f"it is larger than {LARGEST} bytes")
    head, faults = read_head(text, shown)
    return Shelved(shown, file.name, text, head, faults)


def _unread(shown: str, name: str, why: str) -> Shelved:
    return Shelved(shown, name, "", None, (Fault(shown, 1, "", f"cannot be read: {why}"),))
