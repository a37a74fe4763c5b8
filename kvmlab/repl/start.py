"""Which prompt a session gets: the full one on a terminal that can show it, line mode elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kvmlab.journal import Journal
    from kvmlab.session import Session


def start(
    session: Session | Callable[[], Session],
    plain: bool = False,
    journal: Journal | None = None,
    first: Sequence[str] = (),
    *,
    screen: bool = False,
) -> int:
    """Run a session until it ends; return the exit status. ``plain`` asks for line mode.

    ``first`` are lines to be run before anything is read.

    A session that already has a ``journal`` goes on in it at the full prompt. Where a ``screen`` waits
    for its end, F12 goes back there.

    Given what makes a session, the full prompt stands before it is called: what that imports is
    loaded while the user reads.
    """
    make = session if callable(session) else lambda: session
    if plain or not on_terminal():
        from kvmlab.repl.plain import run_plain  # a pipe never needs the prompt

        return run_plain(make(), first=first)
    from kvmlab.repl.prompt import run_prompt  # prompt_toolkit takes 100 ms

    return run_prompt(make, journal=journal, first=first, screen=screen)


def on_terminal() -> bool:
    """Tell whether there is a terminal that can show the full prompt."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
