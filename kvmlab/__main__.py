"""The program `kvmlab`, and `python -m kvmlab`: from here on Ctrl+C leaves no traceback."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""128 + SIGINT."""


def main() -> int:
    """Run the program; return its exit status. It takes a while to load, and may be interrupted meanwhile."""
    try:
        from kvmlab.cli import main as program

        return program()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
