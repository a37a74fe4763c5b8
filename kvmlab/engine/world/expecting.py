"""A call of an actor that is expected to return something: what else it returns is reported."""

from __future__ import annotations

from typing import Any

from kvmlab.engine.abi import Errno
from kvmlab.engine.kernel.path import PATHS, Path, path
from kvmlab.engine.kernel.sanitizers import REPORTS, Reports
from kvmlab.engine.profile import Profile


@path
def expecting(
    profile: Profile, name: str, args: tuple[Any, ...], wanted: str | int, status: bool, text: str
) -> Path[Any]:
    """Make a call, and report a result that is not ``wanted``: an int, an errno's name or "none".

    ``status`` tells of a call whose -1 is no errno; ``text`` is what the call is called.
    """
    value = yield from PATHS[name](profile, *args)
    got = result_of(value, status)
    if wanted not in got:
        told = " ".join(map(str, got))
        yield (Reports.unmet, REPORTS, f"{text} returned {told}, not {wanted}")
    return value


def result_of(value: Any, status: bool) -> tuple[int | str, ...]:
    """Return what a path's result is as a call's: a number, or "none"; of a no -1 and the errno's name."""
    if value is None:
        return ("none",)
    if isinstance(value, Errno) and not (status and value == -1):
        return -1, value.name
    return (int(value),)
