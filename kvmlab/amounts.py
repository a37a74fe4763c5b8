"""Numbers on the command line: how many, and how long. argparse tells of one that is none."""

from __future__ import annotations

from argparse import ArgumentTypeError
from functools import partial
from math import inf

MOST_JOBS = 256
"""Processes at most."""


def several(text: str, most: int = MOST_JOBS) -> int:
    """Return a count, of processes unless it is said how many there may be."""
    count = int(text) if text.isdecimal() and len(text) < 11 else 0
    if not 1 <= count <= most:
        raise ArgumentTypeError(f"a number from 1 to {most}, not {text}")
    return count


many = partial(several, most=10**9)
"""Return a count of things that there may be many of."""


def minutes(text: str) -> float:
    """Return how long something may take."""
    try:
        length = float(text)
    except ValueError:
        length = 0.0
    if not 0 < length < inf:
        raise ArgumentTypeError(f"a number of minutes above 0, not {text}")
    return length
