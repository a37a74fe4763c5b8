"""The program `kvmlab`, and `python -m kvmlab`: no traceback reaches a user, whatever fails."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""128 + SIGINT."""

FAULTY = 2
"""Exit status where the program itself is at fault."""


def main() -> int:
    """Run the program; return its exit status. It takes a while to load, and may be interrupted meanwhile."""
    try:
        from kvmlab.cli import main as program

        return program()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - of what is our fault nothing is known beforehand
        return _faulty(error)


def _faulty(error: Exception) -> int:
    """Say in a sentence that the program is at fault, and write down where; return the exit status."""
    import traceback
    from contextlib import suppress

    from kvmlab.settings import state_dir

    path = state_dir() / "fault.txt"
    told = f"kvmlab: a fault of its own: {type(error).__name__}: {error}"
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), "utf-8")
        told += f"; {path} says where"
    sys.stderr.write(f"{told}\n")
    return FAULTY


if __name__ == "__main__":
    sys.exit(main())
