"""The program before it has loaded."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from kvmlab.__main__ import FAULTY, INTERRUPTED, main


class Raising(ModuleType):
    """A module that cannot be loaded: it raises ``error``."""

    def __init__(self, name: str, error: BaseException) -> None:
        super().__init__(name)
        self.error = error

    def __getattr__(self, name: str) -> object:
        """Raise it."""
        if name == "main":
            raise self.error
        raise AttributeError(name)


def test_ctrl_c_while_the_program_loads_leaves_one_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the exit status of an interrupt, no traceback."""
    monkeypatch.setitem(sys.modules, "kvmlab.cli", Raising("kvmlab.cli", KeyboardInterrupt()))
    assert main() == INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


def test_a_fault_of_the_program_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Where it came from is in a file, which the sentence names."""
    monkeypatch.setenv("KVMLAB_STATE_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "kvmlab.cli", Raising("kvmlab.cli", ZeroDivisionError("by us")))
    assert main() == FAULTY
    fault = tmp_path / "fault.txt"
    told = f"kvmlab: a fault of its own: ZeroDivisionError: by us; {fault} says where\n"
    assert capsys.readouterr().err == told
    assert "in __getattr__" in fault.read_text()
