"""Facts: each is read from a snapshot alone, and says when it cannot be seen or does not exist."""

from __future__ import annotations

import pytest

from kvmlab.facts import FACTS, NONE, Segment, lookup
from kvmlab.facts import Value as FactValue
from kvmlab.language.facts import FACTS as SPECS
from kvmlab.snapshot import Snapshot
from tests.engine.lab import Lab


@pytest.fixture(scope="module")
def lab() -> Lab:
    """Return a lab in the middle of a level interrupt that two sources hold."""
    return Lab(
        "machine vcpus=2 pit",
        "eventfd trigger; eventfd unmask; eventfd kick count=7; eventfd shut",
        "ioapic 11 vector=0x41 level unmasked dest=1; ioapic 3 vector=0x33 masked",
        "irqfd trigger gsi=11 level; eoifd unmask key=trigger level; ioeventfd kick addr=0x70 len=1 pio",
        "write trigger; line 11 1; tpr 0x20",
        "take vcpu=1; eoi vcpu=1; read shut",
        "close shut",
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("eventfd", "kick", "count"), 7),
        (("eventfd", "unmask", "count"), 1),
        (("fd", "trigger"), 7),
        (("ioapic", 11, "vector"), 0x41),
        (("ioapic", 11, "mask"), 0),
        (("ioapic", 3, "mask"), 1),
        (("ioapic", 11, "trigger"), "level"),
        (("ioapic", 3, "trigger"), "edge"),
        (("ioapic", 11, "remote_irr"), 1),
        (("ioapic", 11, "irr"), 1),
        (("ioapic", 11, "line"), 1),
        (("ioapic", 11, "dest"), 1),
        (("ioapic", 11, "sources"), frozenset({0})),
        (("ioapic", 4, "sources"), frozenset()),
        (("lapic", 1, "irr"), frozenset({0x41})),
        (("lapic", 1, "isr"), frozenset()),
        (("lapic", 1, "tmr"), frozenset({0x41})),
        (("lapic", 0, "tpr"), 0x20),
        (("lapic", 0, "ppr"), 0x20),
        (("lapic", 0, "spiv"), 0x1FF),
        (("pic", "master", "imr"), 0xFF),
        (("pic", "slave", "irr"), 1 << 3),
        (("source", 2, "refs"), 2),
        (("source", 1, "refs"), 0),
        (("source", 40, "refs"), 0),
        (("sources", "used"), frozenset({0, 1, 2})),
        (("irqfd", "trigger"), "active"),
        (("irqfd", "kick"), "none"),
        (("eoifd", "unmask"), "active"),
        (("ioeventfd", "kick"), "active"),
        (("key", "trigger"), 2),
        (("taken", 0x41), 1),
        (("taken", 0x42), 0),
        (("acked", 11), 1),
        (("acked", 3), 0),
        (("trace", "kvm_eoi"), 1),
        (("trace", "kvm_exit"), 0),
        (("reports",), 0),
        (("reports", "leak"), 0),
        (("last", "ret"), 0),
        (("last", "errno"), 0),
        (("last", "taken"), NONE),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_fact_has_its_value(lab: Lab, path: tuple[Segment, ...], value: FactValue) -> None:
    """LANGUAGE.md, Expressions: integers, words and sets; 0 or none for what is not there."""
    found = lab.fact(*path)
    assert (type(found), found) == (type(value), value)


def test_used_and_free_ids_are_the_bitmap(lab: Lab) -> None:
    """64 ids, each in one of the two sets."""
    used, free = lab.fact("sources", "used"), lab.fact("sources", "free")
    assert isinstance(used, frozenset) and isinstance(free, frozenset)
    assert used | free == frozenset(range(64))
    assert not used & free


@pytest.mark.parametrize(
    "path",
    [
        ("eventfd", "a", "count"),
        ("fd", "a"),
        ("ioapic", 1, "irr"),
        ("lapic", 0, "irr"),
        ("pic", "master", "irr"),
        ("source", 1, "refs"),
        ("sources", "used"),
        ("irqfd", "a"),
        ("eoifd", "a"),
        ("ioeventfd", "a"),
        ("key", "a"),
        ("taken", 1),
        ("acked", 1),
        ("trace", "kvm_eoi"),
        ("device", "a", "raised"),
        ("reports",),
        ("reports", "leak"),
        ("last", "ret"),
    ],
    ids=lambda path: ".".join(map(str, path)),
)
def test_what_a_backend_cannot_see_is_no_value(path: tuple[Segment, ...]) -> None:
    """Every family copes with a snapshot that shows nothing."""
    assert lookup(Snapshot("linux-3.6", "eoifd-v7"))(path) is None


def test_every_fact_of_the_language_has_a_reader() -> None:
    """The families of the language's facts are those of the table of readers."""
    assert {str(spec.pattern).split(".")[0] for spec in SPECS} == set(FACTS)


def test_a_name_that_was_closed_is_none(lab: Lab) -> None:
    """It stands for nothing; a name used again is the new eventfd."""
    assert (lab.fact("eventfd", "shut", "count"), lab.fact("fd", "shut")) == (NONE, NONE)
    again = Lab("machine", "eventfd a count=3; close a; eventfd a count=5")
    assert again.fact("eventfd", "a", "count") == 5


def test_an_eventfd_that_something_holds_keeps_its_count_and_name() -> None:
    """Closed but bound, it can still be asked for, until its name is used again."""
    lab = Lab("machine", "eventfd kick; ioeventfd kick addr=0x70 len=1 pio; close kick; pio write 0x70 1")
    assert lab.fact("eventfd", "kick", "count") == 1
    assert lab.fact("fd", "kick") == NONE
    lab.say("eventfd kick count=9")
    assert lab.fact("eventfd", "kick", "count") == 9


def test_a_fact_never_consumes(lab: Lab) -> None:
    """Asked twice, a counter is the same."""
    assert lab.fact("eventfd", "unmask", "count") == lab.fact("eventfd", "unmask", "count") == 1


def test_both_names_of_an_eventfd_have_its_count() -> None:
    """A duplicate is another descriptor of the same counter."""
    lab = Lab("machine", "eventfd a; dup a b; write b 4")
    assert (lab.fact("eventfd", "a", "count"), lab.fact("eventfd", "b", "count")) == (4, 4)
    assert (lab.fact("fd", "a"), lab.fact("fd", "b")) == (6, 7)
    lab.say("close a")
    assert lab.fact("eventfd", "b", "count") == 4
