"""The devices that the VMM emulates, a virtio device among them: they drive a GSI by KVM_IRQ_LINE.

What they do where the VMM hears of EOIs follows QEMU's EOI notifiers (see add_eoi_notifier).
"""

from __future__ import annotations

from kvmlab.engine.abi import Errno
from kvmlab.engine.kernel.memory import kzalloc
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.profile import Profile
from kvmlab.engine.world.devices import (
    DEVICES,
    Device,
    Devices,
    add_eoi_notifier,
    remove_eoi_notifier,
    vmm_set_irq,
)


class Emulated(Device):
    """A device that the VMM emulates; ``eoi_aware`` tells whether it has EOIs of its GSI told to it."""

    __slots__ = ("eoi_aware",)
    FIELDS = (*Device.FIELDS, "eoi_aware")
    KIND = "emulated"

    def __init__(self, name: str, gsi: int, eoi_aware: bool = False) -> None:
        super().__init__(name, gsi)
        self.eoi_aware = eoi_aware


class Virtio(Emulated):
    """A virtio device with INTx: every raise is a used buffer, and a service takes them all.

    It asserts its line until its ISR status is read (virtio 1.0, 4.1.4.5), which is how a service begins.
    """

    __slots__ = ()
    KIND = "virtio"
    QUEUED = True


@path
def device_emulated(profile: Profile, kind: str, name: str, gsi: int, eoi_aware: bool) -> Path[int]:
    """Make an emulated or a virtio device: 0 or -EEXIST."""
    taken = yield (Devices.vacant, DEVICES, name)
    if isinstance(taken, Errno):
        return taken
    device: str = yield kzalloc(kind, name, gsi, eoi_aware)
    yield (Devices.add, DEVICES, name, device)
    if eoi_aware:
        yield from add_eoi_notifier(profile, device)
    return 0


@path
def emulated_pin(profile: Profile, device: str) -> Path[None]:
    """The line of an emulated device has changed."""
    gsi = yield (Device.load, device, "gsi")
    yield from vmm_set_irq(profile, gsi)


@path
def emulated_eoi(profile: Profile, device: str) -> Path[None]:
    """An EOI came: the line is driven anew, which asserts it again where the device still waits."""
    yield from emulated_pin(profile, device)


@path
def emulated_move(profile: Profile, device: str, gsi: int) -> Path[None]:
    """Lower the line of the old GSI, and drive that of the new one."""
    eoi_aware = yield (Device.load, device, "eoi_aware")
    if eoi_aware:
        yield from remove_eoi_notifier(profile, device)
    old = yield (Device.plug, device, gsi)
    yield from vmm_set_irq(profile, old)
    yield from vmm_set_irq(profile, gsi)
    if eoi_aware:
        yield from add_eoi_notifier(profile, device)


@path
def emulated_unplug(profile: Profile, device: str) -> Path[None]:
    """Lower the line, and hear of no more EOIs."""
    if (yield (Device.load, device, "eoi_aware")):
        yield from remove_eoi_notifier(profile, device)
    yield (Device.withdraw, device)
    yield from emulated_pin(profile, device)
