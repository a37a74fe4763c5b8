"""A claim is held against a goal's by what it says."""

from __future__ import annotations

import pytest

from kvmlab.course.claims import any_broken, broken_where, covers
from kvmlab.language.command import Command
from kvmlab.language.parse import parse_line
from kvmlab.language.scope import Scope
from kvmlab.result import Property

WANTED = "never eventfd.done.count == 1 and eventfd.ack.count == 1 and ioapic.11.sources == {}"


def _said(text: str) -> Command:
    scope = Scope()
    (command, *_more) = parse_line("machine; eventfd done; eventfd ack", scope)
    (command,) = parse_line(text, scope)
    return command


def _covers(*stated: str, wanted: str = WANTED) -> bool:
    made = [Property(each, each.args["expression"], each.verb == "always") for each in map(_said, stated)]
    asked, broken = _said(wanted), any_broken(made)
    assert broken is not None
    return covers(broken, broken_where(asked.verb, asked.args["expression"]))


@pytest.mark.parametrize(
    "stated",
    [
        WANTED,
        "never ioapic.11.sources == {} and eventfd.ack.count == 1 and eventfd.done.count == 1",
        "never eventfd.done.count > 0 and eventfd.ack.count != 0 and ioapic.11.sources == {}",
        "never 1 <= eventfd.done.count and eventfd.ack.count >= 1 and not ioapic.11.sources != {}",
        "always not (eventfd.done.count == 1 and eventfd.ack.count == 1 and ioapic.11.sources == {})",
        "always eventfd.done.count == 0 or eventfd.ack.count < 1 or 0 in ioapic.11.sources",
        "never eventfd.done.count == 1 and eventfd.ack.count == 1 and ioapic.11.line == 0",
        "never eventfd.done.count == eventfd.ack.count and eventfd.ack.count == 1",
        "never eventfd.done.count == 1",
    ],
)
def test_a_claim_counts_however_it_is_spelt(stated: str) -> None:
    """The order of its parts, its first word, and more than was asked for make no difference."""
    assert _covers(stated)


@pytest.mark.parametrize(
    "stated",
    [
        "never eventfd.done.count == 1 and eventfd.ack.count == 1 and ioapic.11.sources == {1}",
        "never eventfd.done.count == 1 and eventfd.ack.count > 1 and ioapic.11.sources == {}",
        "never eventfd.done.count == 1 and eventfd.ack.count == 1 and ioapic.11.line == 1",
        "never eventfd.done.count == 1 and eventfd.ack.count == 1 and ioapic.11.irr == 0",
        "always eventfd.done.count == 1 and eventfd.ack.count == 1 and ioapic.11.sources == {}",
        "never eventfd.done.count == 1 and eventfd.done.count == 0",
        "always reports == 0",
    ],
)
def test_a_claim_that_lets_through_what_must_not_be_does_not_count(stated: str) -> None:
    """What it forbids is too little, or something else."""
    assert not _covers(stated)


def test_claims_count_together() -> None:
    """Of two that each forbid a part, both are needed."""
    wanted = "never eventfd.ack.count == 1 or eventfd.done.count == 1"
    assert not _covers("never eventfd.ack.count == 1", wanted=wanted)
    assert _covers("never eventfd.ack.count == 1", "never eventfd.done.count == 1", wanted=wanted)
