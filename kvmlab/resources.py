"""Where labs and themes are: in an installed wheel, in a checkout, or inside a zip.

A wheel holds them as ``kvmlab/_data/KIND``; in a checkout they are folders beside the package.
What is returned is Traversable and may have no path of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

KINDS = {"labs": ".md", "themes": ".toml"}
"""Kinds of resources, and what the name of each of their files ends with."""

PACKAGE = Path(__file__).parent


class ResourceError(LookupError):
    """A resource that is not there; the message names it and what there is."""


def folder(kind: str) -> Traversable:
    """Return the folder of a kind (of KINDS); raise ResourceError if this copy of kvmlab lacks it."""
    for place in (PACKAGE / "_data" / kind, _checkout(kind), _packed(kind)):
        if place is not None and place.is_dir():
            return place
    raise ResourceError(f"this copy of kvmlab has no {kind}: neither in the package nor beside it")


def names(kind: str) -> list[str]:
    """Return the names of a kind's files without their ending, in order."""
    ending = KINDS[kind]
    found = [entry.name for entry in folder(kind).iterdir() if entry.name.endswith(ending)]
    return sorted(name.removesuffix(ending) for name in found)


def find(kind: str, name: str) -> Traversable:
    """Return one file by its name without the ending; raise ResourceError naming those there are."""
    known = names(kind)
    if name not in known:
        raise ResourceError(
            f"no {kind.removesuffix('s')} is called '{name}'; there is {', '.join(known) or 'none'}"
        )
    return folder(kind) / f"{name}{KINDS[kind]}"


def _checkout(kind: str) -> Path | None:
    """Return the folder beside the package, where a pyproject.toml shows that this is a checkout."""
    root = PACKAGE.parent
    return root / kind if (root / "pyproject.toml").is_file() else None


def _packed(kind: str) -> Traversable | None:
    """Return the folder inside the archive that kvmlab was imported from, if it was."""
    if PACKAGE.is_dir():
        return None
    from importlib.resources import files  # 10 ms that only an archive needs

    return files("kvmlab") / "_data" / kind
