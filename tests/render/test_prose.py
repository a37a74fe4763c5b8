"""Markdown as rows."""

from __future__ import annotations

from kvmlab.render.plain import plain_lines
from kvmlab.render.prose import ASIDE, prose_rows

FENCES = "So:\n\n```kvm\nwrite bell\n```\n\nAnd:\n\n```kvm fresh\nmachine\n```\n"


def test_what_is_shown_beside_a_lab_says_so() -> None:
    """Where commands that can be run have a mark, it is the mark that tells them apart."""
    assert plain_lines(prose_rows(FENCES)) == [
        "So:", "", "    write bell", "", "And:", "", f"    {ASIDE}", "    machine",
    ]  # fmt: skip
    assert f"    {ASIDE}" not in plain_lines(prose_rows(FENCES, mark="> "))
