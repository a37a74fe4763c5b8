"""Emulated and virtio devices: their lines, their counters, and the time that passes for them."""

from __future__ import annotations

import pytest

from kvmlab.engine.abi import EEXIST, ENODEV
from kvmlab.engine.machine import Machine
from kvmlab.engine.world.devices import DEVICES, Device
from tests.engine.lab import Lab

ENTRY = ((0xFF, 0x41), (1 << 15, 1 << 15), (1 << 16, 0))
"""Pin 11: vector 0x41, level, unmasked; as (mask, bits) of the low dword."""


@pytest.fixture
def machine() -> Machine:
    """Return a machine whose pin 11 delivers 0x41."""
    made = Machine()
    made.call("vcpu0", "guest_ioapic", 0, 11, ENTRY, None)
    return made


def device(machine: Machine, name: str) -> Device:
    """Return a device by its name."""
    found = machine.memory.objects[machine.memory.objects[DEVICES].load("handles")[name]]
    assert isinstance(found, Device)
    return found


def line(machine: Machine) -> int:
    """Return the sources that assert pin 11, as bits."""
    return int(machine.ioapic.irq_states[11])


def test_an_emulated_device_drives_its_line_as_source_0(machine: Machine) -> None:
    """Raised, the pin has source 0; served, it has none, and the service found one request."""
    assert machine.device_emulated("uart", 11) == 0
    assert machine.device_raise("uart") == 0
    assert line(machine) == 1
    assert machine.take() == 0x41
    assert machine.device_service("uart") == 1
    assert line(machine) == 0
    assert machine.device_service("uart") == 0
    assert (device(machine, "uart").raised, device(machine, "uart").serviced) == (1, 1)


def test_the_vmm_ors_the_lines_of_its_devices(machine: Machine) -> None:
    """Two devices share source 0: the line is low when neither asks for service."""
    machine.device_emulated("uart", 11)
    machine.device_emulated("disk", 11, "virtio")
    machine.device_raise("uart")
    machine.device_raise("disk")
    machine.device_service("uart")
    assert line(machine) == 1
    machine.device_service("disk")
    assert line(machine) == 0


def test_a_virtio_device_queues_and_an_emulated_one_does_not(machine: Machine) -> None:
    """Three raises are three buffers, all taken by one service; a level is high or low."""
    machine.device_emulated("uart", 11)
    machine.device_emulated("disk", 11, "virtio")
    for _ in range(3):
        machine.device_raise("uart")
        machine.device_raise("disk")
    assert machine.device_service("uart") == 1
    assert machine.device_service("disk") == 3
    assert device(machine, "uart").raised == device(machine, "disk").raised == 3


def test_an_eoi_aware_device_is_woken_at_each_eoi_of_its_gsi(machine: Machine) -> None:
    """Its own interrupt's EOI and another's; for the latter there is nothing to do."""
    machine.device_emulated("uart", 11, eoi_aware=True)
    machine.device_emulated("disk", 11, "virtio")
    for name in ("uart", "disk"):
        machine.device_raise(name)
        machine.take()
        machine.device_service(name)
        machine.eoi()
    assert (device(machine, "uart").wakeups, device(machine, "uart").spurious) == (2, 1)
    assert device(machine, "disk").wakeups == 0


def test_latency_is_counted_in_events(machine: Machine) -> None:
    """One interrupt taken is one event; an EOI and the wake-up it causes are two more."""
    machine.device_emulated("uart", 11, eoi_aware=True)
    machine.device_raise("uart")
    machine.take()
    machine.device_service("uart")
    assert device(machine, "uart").latency == 1
    machine.device_raise("uart")
    machine.eoi()
    machine.take()
    machine.device_service("uart")
    assert device(machine, "uart").latency == 3


def test_a_device_moves_with_what_it_asks_for() -> None:
    """The old GSI goes low, the new one high; its EOIs are told from there."""
    lab = Lab("ioapic 10 vector=0x51 level unmasked; device emulated uart gsi=11 eoi-aware; raise uart")
    lab.say("move uart gsi=10")
    assert lab.fact("ioapic", 11, "line") == 0
    assert lab.fact("ioapic", 10, "line") == 1
    lab.say("take; service uart; eoi")
    assert lab.fact("device", "uart", "wakeups") == 1


def test_a_name_is_free_when_its_device_has_gone(machine: Machine) -> None:
    """A second device of a name is refused until the first is unplugged; a context's name always is."""
    machine.device_emulated("uart", 11)
    machine.device_raise("uart")
    assert machine.device_emulated("uart", 10) == -EEXIST
    assert machine.device_emulated("vcpu0", 10) == -EEXIST
    assert machine.call("user", "device_unplug", "uart") == 0
    assert line(machine) == 0
    assert machine.device_raise("uart") == -ENODEV
    assert machine.device_emulated("uart", 10) == 0
    assert device(machine, "uart").raised == 0


def test_a_device_is_undone_with_its_context() -> None:
    """Undone, nobody is called so; what was to be done to it is refused, and nothing is reported."""
    lab = Lab("device emulated uart gsi=11", "undo")
    result = lab.one("raise uart")
    assert result.why == "no device is called uart at this moment"
    assert lab.fact("reports") == 0
    assert lab.fact("device", "uart", "raised") == "none"
    lab.say("redo")
    assert lab.one("raise uart").ret == 0


def test_auto_brings_what_a_device_began_to_its_end() -> None:
    """A raise that stands in manual has happened when auto goes on."""
    lab = Lab("device virtio disk gsi=5", "manual", "raise disk", "step disk", "auto")
    assert lab.fact("device", "disk", "asserted") == 1
    assert lab.fact("ioapic", 5, "line") == 1


def test_an_actor_can_be_a_device() -> None:
    """It is one device, and makes its calls when it is stepped."""
    lab = Lab("device virtio disk gsi=5; device virtio other gsi=5", "actor hw: raise disk; lower disk")
    assert lab.fact("device", "disk", "raised") == 0
    lab.say("finish hw")
    assert lab.fact("device", "disk", "raised") == 1
    assert "an actor is one thread, one vCPU or one device" in lab.one("actor x: raise disk; raise other").why


def test_workers_of_devices_come_with_the_first() -> None:
    """A machine without a device has neither main loop nor VFIO's worker to show."""
    lab = Lab()
    assert [queue.name for queue in lab.snapshot().workqueues or ()] == ["events", "irqfd-cleanup"]
    lab.say("device virtio disk gsi=5")
    names = [queue.name for queue in lab.snapshot().workqueues or ()]
    assert names[2:] == ["vfio-irqfd-cleanup", "main-loop"]
    assert [context.name for context in lab.snapshot().contexts or ()][-3:] == [
        "disk",
        "main-loop",
        "vfio-irqfd-cleanup",
    ]
