"""The program before it has loaded."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from kvmlab.__main__ import INTERRUPTED, main


class Interrupted(ModuleType):
    """A module whose loading Ctrl+C interrupts."""

    def __getattr__(self, name: str) -> object:
        """Raise what Ctrl+C raises."""
        if name == "main":
            raise KeyboardInterrupt
        raise AttributeError(name)


def test_ctrl_c_while_the_program_loads_leaves_one_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the exit status of an interrupt, no traceback."""
    monkeypatch.setitem(sys.modules, "kvmlab.cli", Interrupted("kvmlab.cli"))
    assert main() == INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"
