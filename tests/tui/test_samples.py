"""Samples of a session's past: what they are, and that taking them leaves the session as it was."""

from __future__ import annotations

import pytest

from kvmlab.scripts import parse_text, run
from kvmlab.session import Session
from kvmlab.tui.samples import Samples

CYCLE = (
    "eventfd trigger; eventfd unmask; ioapic 11 vector=0x41 level unmasked;"
    "irqfd trigger gsi=11 level; eoifd unmask key=trigger level; write trigger; take; eoi; read unmask"
)


def say(session: Session, text: str) -> None:
    """Run commands in a session."""
    for _result in run(session, parse_text(session, text)):
        pass


@pytest.mark.parametrize(
    "text", ["", CYCLE, f"{CYCLE}; undo 4", f"{CYCLE}; manual; write trigger; step user 2"]
)
def test_sampling_leaves_the_session_as_it_was(text: str) -> None:
    """The past is walked and come back from: state, trace, position and last result are the same."""
    session = Session()
    say(session, text)

    def everything() -> object:
        return (
            session.snapshot(),
            tuple(session.backend.trace(None)),
            session.history.position,
            session.version,
        )

    before = everything()
    assert len(Samples().of(session)) == len(session.history) + 1
    assert everything() == before


def test_each_sample_is_what_was_seen_after_its_unit() -> None:
    """A sample equals the snapshot of the session when the unit had just been done."""
    session = Session()
    seen = [session.snapshot()]
    for text in CYCLE.split(";"):
        say(session, text)
        seen.append(session.snapshot())
    samples = Samples().of(session)
    assert [sample.snapshot for sample in samples] == seen
    assert [sample.label for sample in samples] == ["machine", *[text.strip() for text in CYCLE.split(";")]]


def test_only_what_is_new_is_sampled_again() -> None:
    """A sample is the same object as long as its unit is."""
    session, samples = Session(), Samples()
    say(session, CYCLE)
    first = samples.of(session)
    say(session, "undo 2; tpr 0x20")
    second = samples.of(session)
    kept = [one.snapshot is two.snapshot for one, two in zip(first, second, strict=False)]
    assert kept == [True] * (len(second) - 1) + [False]
    assert second[-1].label == "tpr 0x20"


def test_a_new_machine_has_a_past_of_its_own() -> None:
    """What was sampled of the machine before is forgotten."""
    session, samples = Session(), Samples()
    say(session, CYCLE)
    samples.of(session)
    say(session, "machine api=eoifd-v7 vcpus=2; eventfd a")
    found = samples.of(session)
    assert [sample.label for sample in found] == ["machine", "eventfd a"]
    assert all(len(sample.snapshot.vcpus or ()) == 2 for sample in found)


def test_a_long_past_is_sampled_round_the_present_only() -> None:
    """Thousands of units cost no more than those that can be shown."""
    session = Session()
    say(session, "; ".join(["tpr 0x20", "tpr 0x30"] * 50))
    samples = Samples(10)
    assert [sample.number for sample in samples.of(session)] == list(range(91, 101))
    say(session, "undo 50")
    numbers = [sample.number for sample in samples.of(session)]
    assert numbers == list(range(46, 56))
