"""Every shipped scenario holds: each is run as `kvmlab run` runs it."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import pytest

from kvmlab.cli import main, make_session
from kvmlab.language.complete import complete
from kvmlab.language.help import help_topic
from kvmlab.language.scope import Scope
from kvmlab.render.plain import plain_lines
from kvmlab.scenarios import claims, paths
from kvmlab.shell import Shell

FOLDER = Path(__file__).parent.parent / "labs" / "scenarios"
SCENARIOS = sorted(FOLDER.glob("*.kvm"))
SCRIPTS = [*SCENARIOS, *sorted(FOLDER.glob("bugs/*.kvm"))]
STAGED = set(range(1, 43))
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


def test_every_scenario_is_listed_with_its_claim() -> None:
    """`help scenarios` has each by name, and `source` is completed by the names.

    One that is for every design at once is left out: it cannot be opened.
    """
    folders = [FOLDER.glob(f"{name}/*.kvm") for name in ("explore", "kvm", "thread")]
    scripts = [
        script for script in (*SCRIPTS, *chain(*folders)) if script.stem != "06-closed-without-deassign"
    ]
    names = sorted(str(script.relative_to(FOLDER).with_suffix("")) for script in scripts)
    assert list(claims()) == names
    assert (
        claims()["31-edge-masked"] == "an edge on a masked pin is lost, and unmasking does not bring it back"
    )
    assert claims()["06-eoifd-orphan"] == '"once irqfd is closed eoifd does not get any more interrupts"'
    assert all(claim.isprintable() and not claim.startswith("Claim") for claim in claims().values())
    told = "\n".join(help_topic("scenarios"))
    assert all(f"  {name}  " in told or f"  {name}\n" in told for name in names)
    found = complete("source 3", len("source 3"), Scope())
    assert [each.text for each in found] == [name for name in names if name.startswith("3")]
    assert found[1].description == claims()["31-edge-masked"]
    assert [each.text for each in complete("compare 3", len("compare 3"), Scope())] == [
        each.text for each in found
    ]


def test_a_scenario_is_sourced_by_its_name_and_tells_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From any folder; its remarks stand above the commands that they are about."""
    monkeypatch.chdir(tmp_path)
    told: list[str] = []
    Shell(make_session(), lambda rows: told.extend(plain_lines(rows))).run_line("source 31-edge-masked")
    assert told[0].startswith("# Claim: an edge on a masked pin is lost")
    assert told.index("> machine") > 0
    assert told.count("held") >= 5
    assert main(["run", "31-edge-masked"]) == 0


def test_a_file_comes_before_the_scenario_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has a file called so means it; a script, too, reads only what is beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "31-edge-masked").write_text("# mine\nexpect 1 == 2\n".replace("1 == 2", "reports == 0"))
    told: list[str] = []
    shell = Shell(make_session(), lambda rows: told.extend(plain_lines(rows)))
    shell.run_line("source 31-edge-masked")
    assert told == ["# mine", "> expect reports == 0", "held"]
    (tmp_path / "one.kvm").write_text("source 32-level-masked\n")
    told.clear()
    shell.run_line("source one.kvm")
    assert "cannot be read" in told[0]
    assert set(paths()) == set(claims())
