"""The rules of the house, checked as a whole: layers, lint, types, file sizes, lazy imports."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
SCRIPTS = Path(sysconfig.get_path("scripts"))
LINES = 400

CHECKS = {
    "lint": ("ruff", "check"),
    "format": ("ruff", "format", "--check"),
    "types": ("mypy",),
    "layers": ("lint-imports",),
}

HEAVY = {"textual", "rich", "prompt_toolkit", "pygments", "platformdirs", "lark", "asyncio"}


@pytest.mark.parametrize("check", CHECKS)
def test_static_check_finds_nothing(check: str) -> None:
    """Every static check of the project passes over the whole checkout."""
    program, *arguments = CHECKS[check]
    done = subprocess.run(
        [SCRIPTS / program, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_module_is_longer_than_a_subject() -> None:
    """A module of the package has one subject, and no more than 400 lines."""
    lengths = {path: len(path.read_text().splitlines()) for path in (CHECKOUT / "kvmlab").rglob("*.py")}
    assert lengths
    assert {path.name: length for path, length in lengths.items() if length > LINES} == {}


def imported_by(code: str) -> set[str]:
    """Return the top-level modules that are loaded after a new interpreter has run some code."""
    report = "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code + report], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import kvmlab",
        "from kvmlab import Machine",
        "import kvmlab.cli",
        "from kvmlab.cli import main; main(['run', '-c', 'machine; eventfd a; expect eventfd.a.count == 0'])",
    ],
)
def test_what_needs_no_screen_loads_none(code: str) -> None:
    """The library, the program's start and a script load no front end and no large library."""
    assert imported_by(code) & HEAVY == set()
