"""Which prompt a session gets: the full one on a terminal that can show it, line mode elsewhere."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kvmlab.session import Session


def start(session: Session, plain: bool = False) -> int:
    """Run a session until it ends; return the exit status. ``plain`` asks for line mode."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if plain or not terminal:
        from kvmlab.repl.plain import run_plain  # noqa: PLC0415  (a pipe never needs the prompt)

        return run_plain(session)
    from kvmlab.repl.prompt import run_prompt  # noqa: PLC0415  (prompt_toolkit takes 100 ms)

    return run_prompt(session)
