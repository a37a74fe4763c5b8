"""A model as a snapshot: everything LANGUAGE.md and DESIGN.md say can be seen is there, and reads right."""

from __future__ import annotations

import json

import pytest

from kvmlab.backends.bits import bits
from kvmlab.backends.observe import observe
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from kvmlab.snapshot import Snapshot, from_json, to_json
from tests.engine.lab import Lab, fresh


@pytest.fixture
def lab() -> Lab:
    """Return a lab with one of everything, a level interrupt in service."""
    return Lab(
        "machine vcpus=2 pit",
        "eventfd trigger; eventfd unmask; eventfd kick semaphore; eventfd tick blocking",
        "dup trigger spare",
        "ioapic 11 vector=0x41 level unmasked",
        "irqfd trigger gsi=11 level; eoifd unmask key=trigger level; irqfd tick gsi=4",
        "ioeventfd kick addr=0xfe000000 len=4 datamatch=3",
        "handler 0x41 eoi vcpu=1",
        "write trigger; take",
    )


@pytest.mark.parametrize(("value", "expected"), [(0, ()), (1, (0,)), (0b1010, (1, 3)), (1 << 255, (255,))])
def test_bits_are_ascending_numbers(value: int, expected: tuple[int, ...]) -> None:
    """The numbers of the bits set."""
    assert bits(value) == expected


def test_a_picture_tells_apart_who_has_which_value() -> None:
    """After undo the objects stand in another order, and others may have the same values."""
    lab = Lab("machine", "eventfd a; eventfd b", "write a", "undo", "write b", "undo")
    for name in ("a", "b", "a", "b"):
        lab.say(f"write {name}")
        assert {each.name: each.count for each in lab.snapshot().eventfds or ()} == {"a": 0, "b": 0, name: 1}
        lab.say("undo")


def test_a_new_machine_can_be_seen_whole() -> None:
    """Every part is there but QEMU's own statistics; without an irqchip its chips are hidden."""
    snapshot = observe(Machine(Profile(vcpus=3)))
    hidden = [name for name in Snapshot.__dataclass_fields__ if getattr(snapshot, name) is None]
    assert hidden == ["raised", "last"]
    assert (len(snapshot.ioapic.pins), len(snapshot.lapics or ()), len(snapshot.vcpus or ())) == (24, 3, 3)  # type: ignore[union-attr]
    assert len(snapshot.routes or ()) == 40
    assert snapshot.quiescent
    bare = observe(Machine(Profile(without=frozenset({"irqchip"}))))
    assert (bare.ioapic, bare.lapics, bare.pic) == (None, None, None)
    assert bare.routes == ()


def test_sources_know_their_holders_and_pins(lab: Lab) -> None:
    """Owner by kind and name, references, pins and GSI; the bitmap as used and free."""
    sources = lab.snapshot().sources
    assert sources is not None
    assert [(s.id, s.owner, s.refs, s.pins, s.gsi) for s in sources.sources] == [
        (0, "userspace", 0, (), None),
        (1, "pit", 0, (), None),
        (2, "irqfd trigger, eoifd unmask", 2, (11,), 11),
    ]
    assert (sources.used, sources.free) == ((0, 1, 2), tuple(range(3, 64)))


def test_eventfds_know_what_hangs_on_them(lab: Lab) -> None:
    """Names, flags, waiters, what they drive and what signals them."""
    eventfds = {eventfd.name: eventfd for eventfd in lab.snapshot().eventfds or ()}
    assert set(eventfds) == {"trigger", "unmask", "kick", "tick"}
    assert eventfds["trigger"].fds == (("trigger", 7), ("spare", 11))
    assert eventfds["trigger"].listens == ("irqfd gsi 11",)
    assert eventfds["trigger"].waiters == ("irqfd_wakeup(irqfd#1)",)
    assert eventfds["unmask"].signals == ("eoifd key 2",)
    assert eventfds["kick"].signals == ("ioeventfd mmio 0xfe000000",)
    assert [eventfds[name].flags for name in ("trigger", "kick", "tick")] == ["", "semaphore", "blocking"]
    assert (eventfds["trigger"].count, eventfds["trigger"].refs) == (1, 2)


def test_bindings_know_each_other(lab: Lab) -> None:
    """An irqfd names the eventfd that its EOIs signal; both name key and source."""
    snapshot = lab.snapshot()
    assert snapshot.irqfds is not None and snapshot.eoifds is not None and snapshot.ioeventfds is not None
    level, edge = snapshot.irqfds
    assert (level.name, level.state, level.level, level.key, level.other) == (
        "trigger",
        "active",
        True,
        2,
        "unmask",
    )
    assert (edge.name, edge.level, edge.source, edge.key, edge.other) == ("tick", False, None, None, "")
    (eoifd,) = snapshot.eoifds
    assert (eoifd.name, eoifd.gsi, eoifd.key, eoifd.state) == ("unmask", 11, 2, "active")
    (kick,) = snapshot.ioeventfds
    assert (kick.name, kick.addr, kick.length, kick.pio, kick.datamatch) == ("kick", 0xFE000000, 4, False, 3)
    assert snapshot.keys == (("trigger", 2),)


def test_a_closed_eventfd_keeps_its_name_while_it_is_bound(lab: Lab) -> None:
    """It is what it was created as that stays, whatever became of its descriptors."""
    lab.say("close trigger")
    assert [e.name for e in lab.snapshot().eventfds or ()] == ["trigger", "unmask", "kick", "tick"]
    assert next(e.fds for e in lab.snapshot().eventfds or ()) == (("spare", 11),)
    lab.say("close kick")
    kick = next(e for e in lab.snapshot().eventfds or () if e.handle == "eventfd#3")
    assert (kick.name, kick.fds, kick.refs) == ("kick", (), 1)


def test_contexts_tell_where_they_stand(lab: Lab) -> None:
    """State, path, next op, what blocks it, the locks it holds; vCPUs tell it too."""
    lab.say("actor other: irq-line gsi=11 level=0")
    lab.say("manual; eoi; step vcpu0 5; step other 3; read unmask")
    contexts = {context.name: context for context in lab.snapshot().contexts or ()}
    vcpu, other, user = contexts["vcpu0"], contexts["other"], contexts["user"]
    assert (vcpu.state, vcpu.path, vcpu.holds) == ("standing", "mmio_write", ("ioapic.lock",))
    assert vcpu.next_op == "ioapic.next_pin(65, 0)"
    assert (other.state, other.blocked) == ("blocked", "ioapic.lock is held by vcpu0")
    assert (user.state, contexts["events"].state) == ("standing", "idle")
    assert [v.standing for v in lab.snapshot().vcpus or ()] == ["mmio_write", ""]
    assert not lab.snapshot().quiescent


def test_work_queues_tell_what_waits_and_runs() -> None:
    """By the name of their worker."""
    lab = Lab(
        "machine",
        "eventfd a; irqfd a gsi=11",
        "manual",
        "write a; finish user",
        "close a; finish user",
        "step irqfd-cleanup",
    )
    queues = {queue.name: queue for queue in lab.snapshot().workqueues or ()}
    assert queues["events"].items == ("irqfd_inject(irqfd#1)",)
    assert (queues["irqfd-cleanup"].items, queues["irqfd-cleanup"].running) == ((), "irqfd_shutdown(irqfd#1)")
    assert [i.state for i in lab.snapshot().irqfds or ()] == ["shutting-down"]


def test_a_stopped_context_is_seen_as_stopped() -> None:
    """With its reason and the locks it keeps; the report is there too."""
    lab = Lab("machine without=irqchip", "eventfd a", "irqfd a gsi=1")
    contexts = {context.name: context for context in lab.snapshot().contexts or ()}
    assert (contexts["user"].state, contexts["user"].holds) == ("stopped", ("irqfds.lock",))
    assert contexts["user"].blocked.startswith("stopped: irqfd_update reads")
    assert [report.kind for report in lab.snapshot().reports or ()] == ["null-deref"]
    assert contexts["user2"].state == "idle"


def test_handlers_and_counters_are_seen(lab: Lab) -> None:
    """A handler as it was typed; takes by vector, acknowledgements by GSI, tracepoints by name."""
    lab.say("eoi")
    snapshot = lab.snapshot()
    assert [v.handlers for v in snapshot.vcpus or ()] == [(), ((0x41, "eoi"),)]
    assert snapshot.counters is not None
    assert snapshot.counters.taken == ((0x41, 1),)
    assert snapshot.counters.acked == ((11, 1),)
    assert dict(snapshot.counters.trace or ())["kvm_eoi"] == 1


def test_routes_are_counted_over_the_8259_pair(lab: Lab) -> None:
    """Inputs 0-15; an MSI with its address and data."""
    lab.say("route 30 msi:0x1fee01000:0x4041")
    routes = lab.snapshot().routes or ()
    assert [(r.kind, r.pin) for r in routes if r.gsi == 12] == [("ioapic", 12), ("pic", 12)]
    assert [(r.kind, r.pin, r.address, r.data) for r in routes if r.gsi == 30] == [
        ("msi", None, 0x1FEE01000, 0x4041)
    ]


def test_seeing_changes_nothing_and_survives_json(lab: Lab) -> None:
    """Two looks are equal, and so is one that went through JSON."""
    before = fresh(lab.machine)
    seen = lab.snapshot()
    assert lab.snapshot() == seen
    assert fresh(lab.machine) == before
    assert from_json(json.loads(json.dumps(to_json(seen)))) == seen
