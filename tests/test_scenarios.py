"""Every shipped scenario holds: each is run as `kvmlab run` runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kvmlab.cli import main

FOLDER = Path(__file__).parent.parent / "labs" / "scenarios"
SCENARIOS = sorted(FOLDER.glob("*.kvm"))
SCRIPTS = [*SCENARIOS, *sorted(FOLDER.glob("bugs/*.kvm"))]
STAGED = {1, 2, *range(4, 8), 9, 10, *range(14, 18), *range(20, 25), *range(26, 43)}
"""The scenarios that have a script."""


def test_every_scenario_has_a_script() -> None:
    """A script is named by the number of its scenario, a second one for another kernel with a letter."""
    numbers = [script.name.partition("-")[0] for script in SCENARIOS]
    assert len(set(numbers)) == len(numbers)
    assert {int(number.rstrip("abc")) for number in numbers} == STAGED


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_scenario_holds(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every expectation of a scenario holds, and there are enough of them to make the point."""
    status = main(["run", str(script), "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    verdicts = [line for line in lines if line["held"] is not None]
    assert [line for line in verdicts if line["held"] is not True] == []
    assert status == 0
    assert len(verdicts) >= 5


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_scenario_names_its_claim(script: Path) -> None:
    """A scenario opens with the claim that it stages and where the claim was made."""
    assert script.read_text().startswith("# Claim")
