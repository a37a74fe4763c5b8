"""How far a program has come, on a terminal, when it takes long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 1.0
"""Seconds after which a terminal is shown how far the work has come."""


@contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """Give a function to call after each of ``total`` parts; slow work gets a bar on stderr.

    There is none where stderr is no terminal, or where the output scrolls on the same one.
    """
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda: None
        return
    begun = time.monotonic()
    done = 0
    bar = None

    def tick() -> None:
        nonlocal done, bar
        done += 1
        if bar is None and time.monotonic() - begun > PATIENCE:
            # rich costs 40 ms to import, and only slow work needs it.
            from rich.progress import Progress

            bar = Progress(transient=True)
            bar.add_task("running", total=total)
            bar.start()
        if bar is not None:
            bar.update(bar.task_ids[0], completed=done)

    try:
        yield tick
    finally:
        if bar is not None:
            bar.stop()


@contextmanager
def telling() -> Iterator[Callable[[Callable[[], str]], None]]:
    """Give a function to call now and then with what says how far the work is, shown on stderr.

    Nothing is said where stderr is no terminal, nor of work that is soon done.
    """
    if not sys.stderr.isatty():
        yield lambda _say: None
        return
    due = time.monotonic() + PATIENCE
    told = False

    def tell(say: Callable[[], str]) -> None:
        nonlocal due, told
        if time.monotonic() >= due:
            sys.stderr.write(f"\r{say()}\x1b[K")
            sys.stderr.flush()
            due, told = time.monotonic() + PATIENCE / 4, True

    try:
        yield tell
    finally:
        if told:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
