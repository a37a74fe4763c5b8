"""The plain search counts what spin counts: the same number of states and transitions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.explore.programs import Program
from tests.explore.promela import TEARDOWN, counted, promela, speakable
from tests.explore.test_programs import PROGRAMS, searched

MISSING = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


def same_counts(program: Program, folder: Path) -> None:
    """Compare; spin counts coming to the start as a transition, too."""
    _world, outcome = searched(program, "plain", 200_000)
    assert outcome.exhausted
    assert counted(promela(program), folder) == (outcome.states, outcome.transitions + 1)


@pytest.mark.parametrize("seed", range(PROGRAMS // 25))
def test_spin_counts_the_same_of_a_random_program(seed: int, tmp_path: Path) -> None:
    """Of each program the same states, and the same moves between them."""
    same_counts(speakable(seed), tmp_path)


def test_spin_counts_the_same_of_a_teardown(tmp_path: Path) -> None:
    """Five contexts that unlist, wait for readers, free, inject and end an interrupt."""
    same_counts(TEARDOWN, tmp_path)
