"""Properties: checked in every state, whatever is left out, and read from the objects that are declared."""

from __future__ import annotations

from random import Random

import pytest

from kvmlab.backends.observe import observe
from kvmlab.explore.properties import READ_FROM, matches
from kvmlab.explore.start import Start
from kvmlab.explore.verdict import Asked
from kvmlab.facts import FACTS, lookup
from kvmlab.language.parse import parse_line
from tests.explore.stand import FREED, SMALL, SOUND, WIRED, explored, said, things

RACY = (
    "never eventfd.unmask.count == 1",
    "never irqfd.trigger == shutting-down and ioapic.11.remote_irr == 0",
    "always eoifd.unmask == active or irqfd.trigger != active",
    "never sources.used == {0} and lapic.0.isr == {0x41}",
    "never eoifd.unmask == none and acked.11 == 0",
    "never source.1.refs == 1 and eventfd.unmask.count == 1",
    "always key.trigger == 1",
    "never ioapic.11.line == 0 and lapic.0.isr != {}",
)
"""Some of these are broken in a few states only, in the middle of what is else run together."""


@pytest.fixture(scope="module")
def broken() -> set[tuple[str, str]]:
    """Return which properties the plain search breaks."""
    return things(explored(said(*SMALL[:-1], *RACY), Asked(reduction="plain")))


@pytest.mark.parametrize("reduction", ["fused", "reduced"])
def test_a_reduced_search_breaks_the_same_properties(reduction: str, broken: set[tuple[str, str]]) -> None:
    """What a property reads is visible to every reduction, alone as with others."""
    assert 0 < len(broken) < len(RACY)
    assert things(explored(said(*SMALL[:-1], *RACY), Asked(reduction=reduction))) == broken
    for claim in RACY:
        alone = things(explored(said(*SMALL[:-1], claim), Asked(reduction=reduction)))
        assert alone == {(kind, text) for kind, text in broken if f"{kind} {text}" == claim}


def test_the_others_go_on_behind_a_violation() -> None:
    """A property that is broken at once hides no report."""
    found = things(explored(said(*FREED, "never eventfd.unmask.count == 0")))
    assert ("never", "eventfd.unmask.count == 0") in found
    assert "use-after-free" in {kind for kind, _text in found}


def test_what_cannot_be_reduced_or_checked_is_said() -> None:
    """Reports are told by taking locks too; what was traced is no part of a state."""
    report = explored(said(*SOUND, "never reports > 0", "never trace.kvm_set_irq > 100"))
    assert report.verdict.reduction == "plain"
    notes = " ".join(report.verdict.lines())
    assert "a property reads reports, so nothing is left out" in notes
    assert "not checked: never trace.kvm_set_irq > 100: " in notes


def test_every_family_of_facts_is_declared() -> None:
    """A new family says which objects it is read from."""
    assert READ_FROM.keys() == FACTS.keys()


ASKED = "; ".join(
    f"expect {fact} == {value}"
    for value, facts in (
        (
            1,
            "eventfd.trigger.count eventfd.unmask.count fd.trigger fd.unmask key.trigger acked.11 taken.0x41",
        ),
        (
            1,
            "ioapic.11.irr ioapic.11.remote_irr ioapic.11.mask lapic.0.ppr source.1.refs reports",
        ),
        ("{}", "ioapic.11.sources lapic.0.irr lapic.0.isr sources.used sources.free"),
        ("active", "irqfd.trigger eoifd.unmask"),
    )
    for fact in facts.split()
)
OF_NIC = "expect device.nic.raised == 1 and device.nic.serviced == 1 and eventfd.nic-unmask.count == 1"

V4 = (
    "irqfd trigger gsi=11 level; eoifd unmask irqfd=trigger",
    "write trigger; take",
    "actor closer: close trigger unmask",
    "actor cpu: eoi",
)

MIXED = (
    "machine",
    *WIRED,
    "device vfio nic gsi=10",
    "ioapic 10 vector=0x51 level unmasked",
    "actor one: close trigger; eventfd trigger; irqfd trigger gsi=5 level",
    "actor two: close unmask nic-unmask",
    "actor three: write spare; irqfd spare gsi=12",
    "actor cpu: eoi; take; service nic; eoi",
)


@pytest.mark.parametrize(
    ("lines", "asked"),
    [
        (FREED, ASKED),
        (MIXED, f"{ASKED}; {OF_NIC}"),
        (("machine api=eoifd-v4", *WIRED[:2], *V4), ASKED.replace("key.trigger", "fd.trigger")),
    ],
    ids=["freed", "mixed", "v4"],
)
def test_a_fact_changes_only_with_the_objects_that_it_is_read_from(
    lines: tuple[str, ...], asked: str
) -> None:
    """Walks at random: where a fact of a family changes, one of its objects was written."""
    session = said(*lines)
    claims = [command.args["expression"] for command in parse_line(asked, session.scope)]
    facts = [fact.path for claim in claims for fact in claim.facts]
    random = Random(1)  # noqa: S311
    start = Start.of(session)
    for _walk in range(8):
        world = start.world()
        before = lookup(observe(world.machine))
        values = [before(fact) for fact in facts]
        while names := world.movable():
            world.step(random.choice(names))
            after = lookup(observe(world.machine))
            for number, fact in enumerate(facts):
                value = after(fact)
                if value != values[number]:
                    values[number] = value
                    written = [handle for handle, _before, _after in world.effect.change]
                    assert any(matches(each, READ_FROM[str(fact[0])]) for each in written), fact
