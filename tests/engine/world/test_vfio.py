"""VFIO's INTx: mask, trigger, unmask, the pin that is still asserted, and the order of the consumer."""

from __future__ import annotations

import pytest

from kvmlab.engine.abi import EBADF, EBUSY
from kvmlab.engine.kernel.path import describe
from kvmlab.engine.machine import Machine
from tests.engine.lab import Lab

WIRED = ("machine", "ioapic 11 vector=0x41 level unmasked", "device vfio nic gsi=11")


@pytest.fixture
def lab() -> Lab:
    """Return a lab with an assigned device on GSI 11, whose pin delivers 0x41."""
    return Lab(*WIRED)


def nic(lab: Lab, *names: str) -> list[object]:
    """Return facts of the device."""
    return [lab.fact("device", "nic", name) for name in names]


def test_an_interrupt_masks_the_device_and_signals_once(lab: Lab) -> None:
    """While it is masked the device interrupts no more, whatever its pin does."""
    lab.say("raise nic; lower nic; raise nic")
    assert lab.fact("eventfd", "nic-trigger", "count") == 1
    assert nic(lab, "masked", "raised", "polls") == [1, 2, 0]
    assert lab.fact("lapic", 0, "irr") == frozenset({0x41})


def test_an_eoi_unmasks_a_device_that_was_served(lab: Lab) -> None:
    """One interrupt is one wake-up and one look at the pin."""
    lab.say("raise nic; take; service nic; eoi")
    assert nic(lab, "masked", "wakeups", "spurious", "polls") == [0, 1, 0, 1]
    assert lab.fact("ioapic", 11, "line") == 0
    lab.say("raise nic")
    assert lab.fact("lapic", 0, "irr") == frozenset({0x41})


def test_a_pin_still_asserted_at_the_unmask_fires_again(lab: Lab) -> None:
    """It stays masked, and the trigger is signalled from the system work queue."""
    lab.say("raise nic; take; eoi")
    assert nic(lab, "masked", "polls") == [1, 1]
    assert lab.fact("eventfd", "nic-trigger", "count") == 2
    assert lab.fact("lapic", 0, "irr") == frozenset({0x41})


def test_a_device_that_is_not_masked_is_not_polled(lab: Lab) -> None:
    """An event without an interrupt before it is spurious, and costs no look at the pin."""
    lab.say("write nic-unmask; write nic-unmask")
    assert nic(lab, "wakeups", "spurious", "polls") == [2, 2, 0]


def test_a_handler_that_serves_one_of_two_devices(lab: Lab) -> None:
    """Two assigned devices share a line: the one that was not served fires again by itself."""
    lab.say("device vfio gpu gsi=11; handler 0x41 service nic, eoi; raise nic; raise gpu; run 1")
    assert nic(lab, "masked", "serviced") == [0, 1]
    assert lab.fact("device", "gpu", "masked") == 1
    assert lab.fact("lapic", 0, "irr") == frozenset({0x41})


def test_closing_the_unmask_eventfd_detaches_it(lab: Lab) -> None:
    """POLLHUP frees VFIO's virqfd as it frees the eoifd; the device then stays masked."""
    lab.say("close nic-unmask; raise nic; take; service nic; eoi")
    assert lab.machine.memory.alive("virqfd") == []
    assert nic(lab, "masked", "wakeups") == [1, 0]
    assert lab.fact("reports") == 0


def test_a_second_unmask_eventfd_is_busy() -> None:
    """The set-up's is there already; an unknown descriptor is none."""
    machine = Machine()
    machine.device_vfio("nic", 11)
    assert machine.call("user", "virqfd_enable", "vfio#1", machine.eventfd()) == -EBUSY
    assert machine.call("user", "virqfd_enable", "vfio#1", 99) == -EBADF


def test_an_event_before_the_set_up_is_not_missed() -> None:
    """An unmask eventfd that was signalled before unmasks when VFIO gets it."""
    machine = Machine()
    machine.device_vfio("nic", 11, "irqfd")
    machine.device_raise("nic")
    assert machine.memory.objects["vfio#1"].load("masked")
    assert machine.call("user", "virqfd_enable", "vfio#1", machine.eventfd(1)) == 0
    assert machine.memory.objects["vfio#1"].load("polls") == 1


def ops_of(line: str, *before: str) -> list[str]:
    """Return the ops that a command takes in its own context, in words."""
    lab = Lab(*before, "manual", line)
    contexts = lab.machine.contexts
    seen = []
    while contexts.get("user").at is not None:
        op = contexts.next_op("user")
        assert op is not None
        seen.append(describe(op))
        if not contexts.step("user"):
            lab.say("finish irqfd-cleanup; finish vfio-irqfd-cleanup; finish main-loop")
    return seen


STEPS = {
    "vfio#1.mask_intx": "mask",
    "vfio#1.set_pending(False": "lower",
    "slab.kzalloc(irqfd": "irqfd",
    "slab.kzalloc(eoifd": "eoifd",
    "slab.kzalloc(virqfd": "set-irqs",
    "vfio#1.check_and_unmask_intx": "unmask",
    "irqfds.matching": "irqfd deassign",
    "eoifds.matching": "eoifd deassign",
    "userspace.forget(nic-unmask": "forget the unmask eventfd",
    "userspace.opened(nic-unmask": "open the unmask eventfd",
}
"""How the ops begin that show which step of the consumer is under way."""


def steps_of(line: str, *before: str) -> list[str]:
    """Return the steps of the consumer that a command takes, in order."""
    seen = [step for op in ops_of(line, *before) for begins, step in STEPS.items() if op.startswith(begins)]
    return [step for step, last in zip(seen, [None, *seen], strict=False) if step != last]


def test_the_set_up_is_in_the_order_of_qemu() -> None:
    """Mask, lower, the unmask eventfd, irqfd, eoifd, VFIO, unmask (reference 1.1)."""
    assert steps_of("device vfio nic gsi=11", "machine") == [
        "mask",
        "lower",
        "forget the unmask eventfd",
        "open the unmask eventfd",
        "irqfd",
        "eoifd",
        "set-irqs",
        "unmask",
    ]


def test_a_set_up_that_vfio_refuses_is_unwound_irqfd_first() -> None:
    """The reverse of the tear-down; the eventfd stays open."""
    assert steps_of("device vfio nic gsi=11 fail=set-irqs", "machine")[4:] == [
        "irqfd",
        "eoifd",
        "irqfd deassign",
        "eoifd deassign",
        "unmask",
    ]


def test_the_tear_down_is_in_the_order_of_qemu() -> None:
    """Mask, lower, VFIO, eoifd, irqfd, close, unmask; then INTx itself."""
    assert steps_of("unplug nic", "machine", "device vfio nic gsi=11")[:6] == [
        "mask",
        "lower",
        "eoifd deassign",
        "irqfd deassign",
        "forget the unmask eventfd",
        "unmask",
    ]


@pytest.mark.parametrize("step", ["irqfd", "eoifd", "set-irqs"])
def test_a_failed_step_leaks_the_eventfd_and_goes_on_slowly(step: str) -> None:
    """Nobody is told; an interrupt goes through the main loop, and nothing of KVM's is left."""
    lab = Lab(*WIRED[:2])
    result = lab.one(f"device vfio nic gsi=11 fail={step}")
    assert (result.ret, result.output) == (0, (f"vmm: nic: {step} failed with -ENOMEM; it goes on without",))
    assert nic(lab, "accelerated") == [0]
    assert lab.fact("fd", "nic-unmask") == 7
    assert lab.fact("sources", "used") == frozenset({0})
    lab.say("raise nic")
    assert lab.fact("ioapic", 11, "sources") == frozenset({0})
    lab.say("take; service nic; eoi")
    assert nic(lab, "serviced", "masked", "wakeups") == [1, 0, 2]
    lab.say("unplug nic")
    assert lab.fact("fd", "nic-unmask") == 7


def test_a_full_house_fails_as_an_injected_failure_does() -> None:
    """Without a source ID left KVM_IRQFD says EFAULT, and the slow path goes on."""
    lab = Lab("machine", *(f"eventfd t{n}; irqfd t{n} gsi=16 level" for n in range(63)))
    result = lab.one("device vfio nic gsi=11")
    assert any("irqfd failed with -EFAULT" in str(line) for line in result.output)
    assert nic(lab, "accelerated") == [0]


def test_a_device_without_an_irqchip_stays_in_userspace() -> None:
    """Nothing is put into a kernel that has no chips."""
    lab = Lab("machine without=irqchip", "device vfio nic gsi=11")
    assert nic(lab, "accelerated") == [0]
    assert lab.snapshot().irqfds == ()


def test_what_was_asked_for_survives_a_move(lab: Lab) -> None:
    """The tear-down unmasks a device whose pin is asserted, so the new GSI gets its interrupt."""
    lab.say("ioapic 10 vector=0x51 level unmasked; raise nic; move nic gsi=10")
    assert lab.fact("ioapic", 11, "line") == 0
    assert lab.fact("ioapic", 10, "line") == 1
    assert nic(lab, "accelerated") == [1]
    lab.say("handler 0x51 service nic, eoi; handler 0x41 eoi; run")
    assert nic(lab, "serviced", "masked") == [1, 0]
    assert lab.fact("reports") == 0


def test_the_host_waits_for_the_devices_lock(lab: Lab) -> None:
    """In manual the handler is a context: another that needs irqlock waits for it."""
    lab.say("manual; raise nic; step nic 4")
    assert lab.machine.contexts.locks.held_by("nic") == ("vfio#1.irqlock",)
    lab.say("write nic-unmask; finish user")
    assert lab.machine.contexts.blocked("user") == ("vfio#1.irqlock is held by nic", ("nic",))
    lab.say("finish nic; finish user; finish events")
    assert lab.fact("reports") == 0
