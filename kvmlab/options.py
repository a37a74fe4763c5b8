"""A command line that is wrong is told as wrong text is: with the nearest word that would be right."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """argparse's parser; a word or an option that it does not know is answered with the nearest one.

    What is not known below a program is told by that program's parser, with the usage that helps.
    """

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse what is known; end the program with status 2 and a sentence where anything is not."""
        if self._subparsers is None:
            # Here already: otherwise what is misspelt would be told as what is missing then.
            self._check_options(list(args or ()))
        parsed, left = super().parse_known_args(args, namespace)
        if left:
            self._refuse(left)
        return parsed, left

    def _check_options(self, args: list[str]) -> None:
        """Refuse an option that is none of this program's, nor the beginning of one."""
        options = args[: args.index("--")] if "--" in args else args
        for each in options:
            name = each.partition("=")[0]
            known = any(option.startswith(name) for option in self._option_string_actions)
            if name.startswith("--") and not known:
                self._refuse([each])

    def _refuse(self, left: list[str]) -> NoReturn:
        option = next((each.partition("=")[0] for each in left if each.startswith("-")), "")
        near = _near(option, self._option_string_actions) if option else ""
        what = f"there is no option {option}" if option else f"nothing is expected at '{left[0]}'"
        self.error(f"{what}{near}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(each) for each in action.choices]
            near = _near(str(value), known) or f"; expected {', '.join(known)}"
            raise argparse.ArgumentError(action, f"there is no '{value}'{near}")


def _near(word: str, words: Iterable[str]) -> str:
    from kvmlab.language.errors import nearest  # a command line that is right does not need it

    better = nearest(word, words)
    return f"; did you mean '{better}'?" if better else ""


def formatter(prog: str) -> argparse.HelpFormatter:
    """Return argparse's formatter; unless it is told a width it loads 4 ms of modules to learn one."""
    try:
        columns = os.get_terminal_size().columns
    except OSError:
        columns = 80
    return argparse.HelpFormatter(prog, width=columns - 2)
