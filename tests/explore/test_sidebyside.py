"""Reductions side by side: what each has to look at, and how many interleavings that is."""

from __future__ import annotations

import json
from math import factorial
from pathlib import Path

import pytest

from kvmlab.cli import main
from kvmlab.explore.search import REDUCTIONS
from kvmlab.explore.sidebyside import SideBySide, scientific
from kvmlab.explore.start import Start
from kvmlab.explore.verdict import Asked
from tests.explore.stand import FREED, SMALL, said, say

WRITERS = ("machine", "eventfd a; eventfd b", "actor one: poll a", "actor two: poll b")


def compared(*lines: str, cap: int = 100_000) -> SideBySide:
    """Search under every reduction."""
    session = said(*lines)
    found = SideBySide(Start.of(session), Asked(cap=cap), session.properties)
    for _progress in found.run():
        pass
    return found


def test_interleavings_are_all_orders_of_the_ops() -> None:
    """Of two contexts that each make so many ops: a binomial coefficient, op by op."""
    (result,) = say(said(*WRITERS), "explore side-by-side")
    plain = compared(*WRITERS).efforts[0]
    ops = round(plain.states**0.5) - 1
    assert plain.interleavings == factorial(2 * ops) // factorial(ops) ** 2
    assert any("interleavings" in str(row) for row in result.output)


def test_what_is_left_out_is_found_all_the_same() -> None:
    """Each reduction has less to look at than the one before, and finds the same."""
    found = compared(*FREED)
    assert [effort.reduction for effort in found.efforts] == list(REDUCTIONS)
    plain, fused, reduced, _section = found.efforts
    assert plain.failures == fused.failures == reduced.failures != frozenset()
    assert plain.states > fused.states > reduced.states
    assert plain.transitions > fused.transitions > reduced.transitions
    assert None not in {plain.interleavings, fused.interleavings, reduced.interleavings}
    assert int(plain.interleavings or 0) > int(fused.interleavings or 0) > int(reduced.interleavings or 0)
    assert found.agree
    assert not found.clean


def test_what_was_not_exhausted_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has at least so many interleavings, and proves nothing."""
    path = tmp_path / "small.kvm"
    path.write_text("\n".join([*SMALL[:-1], "explore atomicity=section"]))
    assert main(["explore", str(path), "--side-by-side", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)["reductions"]
    assert main(["explore", str(path), "--side-by-side", "--json", "--cap", "12"]) == 1
    capped = json.loads(capsys.readouterr().out)["reductions"]
    assert all(each["exhausted"] for each in whole)
    assert not any(each["exhausted"] for each in capped)
    assert all(each["ways"].startswith("≥ ") for each in capped)
    assert capped[0]["interleavings"] < whole[0]["interleavings"]


def test_a_property_of_reports_allows_nothing_to_be_left_out() -> None:
    """As with a search."""
    found = compared(*SMALL, "never reports.leak > 0")
    assert [effort.reduction for effort in found.efforts] == ["plain", "section"]


@pytest.mark.parametrize("word", ["bound=1", "atomicity=op", "reduction=plain", "seed=1"])
def test_what_makes_no_sense_beside_is_refused(word: str) -> None:
    """With the word."""
    (result,) = say(said(*SMALL), f"explore side-by-side {word}")
    assert word.partition("=")[0] in result.why


def test_a_large_count_is_shown_by_its_power_of_ten() -> None:
    """Whole below a million, and however large it is above."""
    assert scientific(999_999) == "999,999"
    assert scientific(12_500_000) == "1.2e7"
    assert scientific(10**5000).endswith("e5000")
