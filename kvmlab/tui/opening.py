"""What `kvmlab tui` is asked to open: a lab by its ID, a scenario by its name, or a file. It reads no lab."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from kvmlab import resources
from kvmlab.language.errors import nearest
from kvmlab.scenarios import paths
from kvmlab.settings import config_dir

LAB = resources.KINDS["labs"]
"""The ending of a lab's file, whose name is a number and its ID."""


def opening(word: str) -> str:
    """Return the command that opens what a word names; a file comes before what is shipped.

    Raises LookupError with one sentence where it names nothing.
    """
    if Path(word).is_file():
        return f'lab start "{word}"' if word.endswith(LAB) else f'source "{word}"'
    labs, scenarios = _labs(), paths()
    if word in labs:
        return f"lab start {word}"
    if word in scenarios:
        return f"source {word}"
    better = nearest(word, [*labs, *scenarios])
    near = (
        f"did you mean '{better}'?"
        if better
        else "'kvmlab labs' and 'kvmlab help scenarios' list what is shipped"
    )
    raise LookupError(f"no lab, scenario or file is called '{word}'; {near}")


def _labs() -> list[str]:
    """Return the IDs of the labs by the names of their files."""
    own = config_dir() / "labs"
    names = [file.name.removesuffix(LAB) for file in own.glob(f"*{LAB}")] if own.is_dir() else []
    with suppress(resources.ResourceError):
        names += resources.names("labs")
    return [name.partition("-")[2] for name in names]
