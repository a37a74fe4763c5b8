"""Markdown as rows."""

from __future__ import annotations

from kvmlab.render.plain import plain_lines
from kvmlab.render.prose import ASIDE, prose_rows

FENCES = "So:\n\n```kvm\nwrite bell\n```\n\nAnd:\n\n```kvm fresh\nmachine\n```\n"


def test_what_is_shown_beside_a_lab_says_so() -> None:
    """So it does where commands that can be run have a mark."""
    assert plain_lines(prose_rows(FENCES)) == [
        "So:", "", "    write bell", "", "And:", "", f"    {ASIDE}", "    machine",
    ]  # fmt: skip
    assert f"    {ASIDE}" in plain_lines(prose_rows(FENCES, mark="> "))


LINKS = (
    "See [this](lab:a), [What b shows](lab:b), [c](lab:c),\n[a script](scenario:01-x) and [d](https://d).\n"
)


def test_a_link_has_a_title_and_the_command_that_opens_it() -> None:
    """At a prompt behind its text; where commands can be run, they stand behind the whole text."""
    titles = {"a": "What a shows", "b": "What b shows"}
    text = " ".join(plain_lines(prose_rows(LINKS, titles=titles)))
    assert text == (
        "See this (“What a shows”: 'lab start a'), What b shows ('lab start b'), c ('lab start c'), a script"
        " ('source 01-x') and d (https://d)."
    )
    assert plain_lines(prose_rows(LINKS, 200, "> ", titles)) == [
        "See this (“What a shows”), What b shows, c, a script and d (https://d)."
    ]
