"""The scripted devices of a model machine as a Snapshot shows them."""

from __future__ import annotations

from kvmlab.engine.machine import Machine
from kvmlab.engine.world.devices import DEVICES, Devices
from kvmlab.snapshot_devices import DeviceSnapshot

OF_EVERY_DEVICE = ("name", "gsi", "asserted", "raised", "serviced", "wakeups", "spurious", "polls", "latency")


def devices(machine: Machine) -> tuple[DeviceSnapshot, ...]:
    """Return the devices that are there, in the order they came."""
    objects = machine.memory.objects
    known = objects[DEVICES]
    assert isinstance(known, Devices)
    return tuple(
        DeviceSnapshot(
            kind=device.KIND,
            masked=getattr(device, "masked", False),
            accelerated=getattr(device, "accelerated", False),
            **{name: getattr(device, name) for name in OF_EVERY_DEVICE},
        )
        for device in (objects[handle] for handle in known.handles.values() if handle)
    )
