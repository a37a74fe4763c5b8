"""Routing: which chips a GSI drives, who is told of an acknowledgement, and when tables change."""

from __future__ import annotations

import pytest

from kvmlab.engine.chips.route_table import DEFAULT_ROUTING, Route
from kvmlab.engine.chips.routing import ROUTING, Routing
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from tests.engine.chips.bench import LEVEL, MASKED, MASTER, SLAVE, Bench

IOAPIC, PIC_MASTER, PIC_SLAVE, MSI = 2, 0, 1, 2


class Witness(Object):
    """Notes how its notifier was called."""

    __slots__ = ("calls",)
    FIELDS = ("calls",)

    def __init__(self) -> None:
        super().__init__()
        self.calls: tuple[str, ...] = ()

    def note(self, call: str) -> None:
        """Note a call and which locks are held in it."""
        self.changed()
        held = self.memory.objects["locks"].load("spin")
        self.calls = (*self.calls, f"{call} {','.join(sorted(held))}".strip())


@path
def witness_acked(profile: Profile, subject: str) -> Path[None]:
    """Note an acknowledgement."""
    yield (Witness.note, "witness", subject)


@path
def witness_masked(profile: Profile, subject: str, mask: int) -> Path[None]:
    """Note a change of a mask."""
    yield (Witness.note, "witness", f"{subject}={mask}")


@pytest.fixture
def bench() -> Bench:
    """Return a bench with a witness and pin 11 level-triggered."""
    bench = Bench()
    bench.machine.memory.place("witness", Witness())
    bench.low(11, 0x41 | LEVEL)
    return bench


def calls(bench: Bench) -> tuple[str, ...]:
    """Return what the witness has noted."""
    noted: tuple[str, ...] = bench.machine.memory.objects["witness"].load("calls")
    return noted


def listen(bench: Bench, subject: str, gsi: int = 11) -> None:
    """Register an ack notifier that notes its subject."""
    bench.machine.call("user", "kvm_register_irq_ack_notifier", gsi, "witness_acked", subject)


def interrupt(bench: Bench) -> None:
    """Let GSI 11 go through a whole interrupt."""
    bench.line(1)
    bench.take()
    bench.line(0)
    bench.eoi()


def routing(bench: Bench) -> Routing:
    """Return the routing object."""
    found = bench.machine.memory.objects[ROUTING]
    assert isinstance(found, Routing)
    return found


def test_gsi_drives_its_chips_in_the_order_of_the_table(bench: Bench) -> None:
    """By default the IOAPIC comes first, then the 8259; a swapped table swaps them."""
    swapped = (Route(11, irqchip=PIC_SLAVE, pin=3), Route(11, irqchip=IOAPIC, pin=11))
    bench.line(1)
    assert bench.machine.set_gsi_routing(swapped) == 0
    bench.line(0)
    chips = [text.partition(":")[0] for text in bench.events("kvm_ioapic_set_irq", "kvm_pic_set_irq")]
    assert chips == ["kvm_ioapic_set_irq", "kvm_pic_set_irq", "kvm_pic_set_irq", "kvm_ioapic_set_irq"]


def test_status_is_the_sum_over_the_chips(bench: Bench) -> None:
    """Delivered by both is 2; ignored by all is -1; a chip that ignores does not count."""
    assert bench.line(1) == 1
    bench.take()
    bench.line(0)
    bench.eoi()
    bench.init_pic()
    bench.low(11, 0x41)
    assert bench.line(1) == 2
    bench.low(5, MASKED)
    bench.out(MASTER + 1, 0xFF)
    assert bench.line(1, gsi=5) == -1


@pytest.mark.parametrize("gsi", [24, 1023, 1024, 2**32 - 1])
def test_gsi_without_a_route_is_ignored(bench: Bench, gsi: int) -> None:
    """The status is -1, and only kvm_set_irq is traced."""
    assert bench.line(1, gsi=gsi) == -1
    assert bench.events("kvm_set_irq", "kvm_ioapic_set_irq")[-1].startswith("kvm_set_irq")


def test_msi_route_sends_on_the_rise_only(bench: Bench) -> None:
    """Level 0 of an MSI route is ignored."""
    assert bench.machine.set_gsi_routing((Route(5, MSI, address_lo=0xFEE00000, data=0x61),)) == 0
    assert bench.line(1, gsi=5) == 1
    assert bench.line(0, gsi=5) == -1
    assert bench.take() == 0x61


def test_ack_notifiers_run_newest_first_and_without_the_chip_lock(bench: Bench) -> None:
    """The IOAPIC drops its lock around them; those of other GSIs do not run."""
    listen(bench, "old")
    listen(bench, "other", gsi=12)
    listen(bench, "new")
    interrupt(bench)
    assert calls(bench) == ("new", "old")


def test_pic_drops_its_lock_around_ack_notifiers(bench: Bench) -> None:
    """A specific EOI at the slave runs the notifiers of its GSI, without pic.lock."""
    listen(bench, "pic")
    bench.out(SLAVE, 0x63)
    assert calls(bench) == ("pic",)


def test_unregistered_notifier_runs_no_more(bench: Bench) -> None:
    """It is found by its path and its subject."""
    listen(bench, "stays")
    listen(bench, "goes")
    bench.machine.call("user", "kvm_unregister_irq_ack_notifier", "witness_acked", "goes")
    interrupt(bench)
    assert calls(bench) == ("stays",)


def test_unregistering_waits_for_a_walk_under_way(bench: Bench) -> None:
    """synchronize_rcu: who reads the list is waited for, so that a notifier may be freed after."""
    listen(bench, "late")
    contexts = bench.machine.contexts
    contexts.start("vcpu0", ("kvm_notify_acked_irq", (IOAPIC, 11)))
    contexts.step("vcpu0")
    bench.machine.call("user", "kvm_unregister_irq_ack_notifier", "witness_acked", "late")
    assert routing(bench).ack_notifiers == ()
    assert contexts.get("user").at is not None
    contexts.finish("vcpu0")
    contexts.finish("user")
    assert contexts.get("user").at is None


def test_acknowledgements_are_counted_by_gsi(bench: Bench) -> None:
    """Each run of kvm_notify_acked_irq for a pin of a GSI counts, with or without notifiers."""
    interrupt(bench)
    interrupt(bench)
    bench.out(MASTER, 0x65)
    assert routing(bench).acked == ((5, 1), (11, 2))


def test_last_gsi_of_a_shared_pin_is_the_one_that_is_told(bench: Bench) -> None:
    """Two GSIs may drive one pin, but the pin leads back to the later entry only."""
    shared = (Route(11, irqchip=IOAPIC, pin=11), Route(30, irqchip=IOAPIC, pin=11))
    bench.machine.set_gsi_routing(shared)
    listen(bench, "first", gsi=11)
    listen(bench, "last", gsi=30)
    interrupt(bench)
    assert calls(bench) == ("last",)


def test_ioapic_mask_notifiers_run_under_its_lock_when_the_mask_changes(bench: Bench) -> None:
    """Only a change of the mask bit fires them, with the new value."""
    bench.machine.call("user", "kvm_register_irq_mask_notifier", 11, "witness_masked", "pin")
    bench.low(11, 0x42 | LEVEL)
    assert calls(bench) == ()
    bench.low(11, 0x42 | LEVEL | MASKED)
    bench.low(11, 0x42 | LEVEL)
    assert calls(bench) == ("pin=1 ioapic.lock", "pin=0 ioapic.lock")


def test_pic_mask_notifiers_run_for_each_changed_bit(bench: Bench) -> None:
    """A write to the slave's IMR fires them for the inputs whose bit has changed."""
    bench.machine.call("user", "kvm_register_irq_mask_notifier", 11, "witness_masked", "imr")
    bench.out(SLAVE + 1, 0xF7)
    bench.out(SLAVE + 1, 0xF6)
    assert calls(bench) == ("imr=0 pic.lock",)
    bench.machine.call("user", "kvm_unregister_irq_mask_notifier", "witness_masked", "imr")
    bench.out(SLAVE + 1, 0xFF)
    assert len(calls(bench)) == 1


def test_routing_update_frees_the_old_table(bench: Bench) -> None:
    """There is one table at a time, and no reader is left on a freed one."""
    memory = bench.machine.memory
    before = memory.alive("routes")
    assert bench.machine.set_gsi_routing(DEFAULT_ROUTING) == 0
    after = memory.alive("routes")
    assert len(before) == len(after) == 1
    assert before != after
    assert memory.reports.made == ()


def test_refused_table_changes_nothing(bench: Bench) -> None:
    """An errno leaves the published table in force."""
    before = bench.machine.freeze()
    assert bench.machine.set_gsi_routing((Route(5, type=9),)) == -22
    assert routing(bench).table in dict(before)
    assert bench.line(1) == 1


def test_thawed_table_routes_again(bench: Bench) -> None:
    """A state from before an update brings the old routes back, reverse map included."""
    state = bench.machine.freeze()
    bench.machine.set_gsi_routing((Route(5, MSI, address_lo=0xFEE00000, data=0x61),))
    bench.machine.thaw(state)
    listen(bench, "back")
    interrupt(bench)
    assert calls(bench) == ("back",)


def test_without_an_irqchip_kvm_set_irq_oopses() -> None:
    """3.6 follows kvm->irq_routing, which is NULL: a report, and the caller stops there."""
    machine = Machine(Profile(without=frozenset({"irqchip"})))
    assert machine.kvm_set_irq(0, 5, 1) is None
    report = machine.memory.reports.made[-1]
    assert (report.kind, report.text) == ("null-deref", "kvm_set_irq: kvm->irq_routing is NULL")


def test_route_to_a_chip_that_was_never_created_oopses() -> None:
    """A table can be set without an irqchip, and then leads to a NULL chip."""
    machine = Machine(Profile(without=frozenset({"irqchip"})))
    assert machine.set_gsi_routing((Route(5, irqchip=IOAPIC, pin=5),)) == 0
    assert machine.kvm_set_irq(0, 5, 1) is None
    assert machine.memory.reports.made[-1].kind == "null-deref"
