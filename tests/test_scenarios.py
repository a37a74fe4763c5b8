"""Every shipped scenario holds: each is run as `kvmlab run` runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kvmlab.cli import main

FOLDER = Path(__file__).parent.parent / "labs" / "scenarios"
SCRIPTS = sorted(FOLDER.glob("*.kvm"))
STAGED = {1, 2, *range(4, 8), 9, 10, *range(14, 18), *range(20, 25), *range(26, 39), *range(40, 43)}
"""The scenarios that need no device, no other api and no other kernel."""


def test_there_is_one_script_for_each_scenario() -> None:
    """Every scenario that can be staged has exactly one script, named by its number."""
    numbers = [int(script.name.partition("-")[0]) for script in SCRIPTS]
    assert numbers == sorted(STAGED)


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
