"""Scripted devices: their lines, their counters, and what is done to one of any kind.

A device is a context of its own: what the hardware does, the host's interrupt handler included, runs
there. What the VMM does for it runs in the main loop, and what the guest does to it in a vCPU.
The VMM drives a GSI for all its devices with source 0, so it ORs their lines itself, as QEMU's
pci_change_irq_level does.

An event of the virtual clock is one interrupt taken by a vCPU, one acknowledgement of a GSI, or one
wake-up on behalf of a device: by nothing else does time pass for a device.
"""

from __future__ import annotations

from typing import ClassVar

from kvmlab.engine.abi import EEXIST, ENODEV, Errno
from kvmlab.engine.chips.routing import (
    ROUTING,
    kvm_register_irq_ack_notifier,
    kvm_unregister_irq_ack_notifier,
)
from kvmlab.engine.kernel.contexts import CONTEXTS, Contexts
from kvmlab.engine.kernel.memory import kfree
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import PATHS, Path, path, touches
from kvmlab.engine.kernel.workqueue import (
    MAIN_LOOP,
    MAIN_LOOP_WQ,
    VFIO_CLEANUP,
    Workqueue,
    flush_workqueue,
)
from kvmlab.engine.profile import Profile
from kvmlab.engine.world.userspace import USERSPACE, Userspace
from kvmlab.engine.world.vcpu import GUEST
from kvmlab.engine.world.vm import vm_ioctl

DEVICES = "devices"


class Device(Object):
    """A device: its GSI, what it waits to be served for, and its counters.

    ``waiting`` counts what it asks service for, and it asserts its line while that is not 0.
    ``interrupted`` tells that it did so since it was last woken; ``since`` is the event at which it
    began to wait, ``latency`` how many events it waited the last time.
    """

    __slots__ = (
        "gsi",
        "interrupted",
        "latency",
        "name",
        "polls",
        "raised",
        "serviced",
        "since",
        "spurious",
        "waiting",
        "wakeups",
    )
    FIELDS: ClassVar[tuple[str, ...]] = (
        *("name", "gsi", "waiting", "interrupted", "since", "latency"),
        *("raised", "serviced", "wakeups", "spurious", "polls"),
    )

    FAMILY: ClassVar[str] = "emulated"
    """What the names of the paths begin with that differ by the kind of device."""

    QUEUED: ClassVar[bool] = False
    """True for a device that has as many requests waiting as were raised; else there is one or none."""

    def __init__(self, name: str, gsi: int) -> None:
        super().__init__()
        self.name, self.gsi = name, gsi
        self.waiting = self.since = self.latency = 0
        self.interrupted = False
        self.raised = self.serviced = self.wakeups = self.spurious = self.polls = 0

    @property
    def asserted(self) -> bool:
        """Whether the device asserts its line."""
        return self.waiting > 0

    @property
    def line(self) -> bool:
        """Whether the VMM drives the GSI for it."""
        return self.asserted

    @property
    def had_cause(self) -> bool:
        """Whether there is anything to be done for it when it is woken."""
        return self.interrupted or self.asserted

    @touches(GUEST, ROUTING, DEVICES)
    def ask(self) -> None:
        """Ask for service."""
        self.changed()
        if not self.waiting:
            self.since = self.deref(DEVICES).now()
        self.waiting = self.waiting + 1 if self.QUEUED else 1
        self.interrupted = True
        self.raised += 1

    def withdraw(self) -> None:
        """Ask for nothing any more."""
        if self.waiting:
            self.changed()
            self.waiting = 0

    @touches(GUEST, ROUTING, DEVICES)
    def serve(self) -> int:
        """Serve everything it waits for; return how much that was."""
        served = self.waiting
        if served:
            self.changed()
            self.latency = self.deref(DEVICES).now() - self.since
            self.serviced += served
            self.waiting = 0
        return served

    @touches(DEVICES)
    def wake(self) -> None:
        """Count that somebody was woken on its behalf; spurious if there was nothing to be done."""
        self.changed()
        self.wakeups += 1
        self.spurious += not self.had_cause
        self.interrupted = self.asserted
        self.deref(DEVICES).woke()

    def begin(self) -> None:
        """Count from here on: what it took to set the device up is no work of its own."""
        self.changed()
        self.wakeups = self.spurious = self.polls = 0

    def plug(self, gsi: int) -> int:
        """Lead the device's line to another GSI; return the old one."""
        self.changed()
        old, self.gsi = self.gsi, gsi
        return old


class Devices(Object):
    """The devices by name, in the order they came, and how often anybody was woken for one.

    A device that was unplugged leaves its name behind, which a new one may take. ``listeners`` are
    those, as (GSI, handle), that the VMM tells of EOIs itself, as it has the IOAPIC.
    """

    __slots__ = ("handles", "listeners", "wakeups")
    FIELDS = ("named", "wakeups", "listeners")

    def __init__(self) -> None:
        super().__init__()
        self.handles: dict[str, str] = {}
        self.wakeups = 0
        self.listeners: tuple[tuple[int, str], ...] = ()

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """The state: (name, handle), "" for a device that was unplugged."""
        return tuple(self.handles.items())

    @named.setter
    def named(self, value: tuple[tuple[str, str], ...]) -> None:
        self.handles = dict(value)

    @touches(CONTEXTS)
    def vacant(self, name: str) -> Errno | None:
        """Return why no device can have that name; None if one can."""
        contexts: Contexts = self.deref(CONTEXTS)
        if self.handles.get(name):
            return Errno(EEXIST, f"there is a device {name}; unplug it first")
        taken = name in contexts.names and name not in self.handles
        return Errno(EEXIST, f"a context is called {name}") if taken else None

    @touches(CONTEXTS, "context-*")
    def add(self, name: str, handle: str) -> None:
        """Remember a device; it is a context, and the main loop and VFIO's worker come with the first."""
        self.changed()
        self.handles[name] = handle
        contexts: Contexts = self.deref(CONTEXTS)
        for context in (name, MAIN_LOOP, VFIO_CLEANUP):
            if not contexts.knows(context):
                contexts.add(context)

    def remove(self, name: str) -> None:
        """Forget a device, but not that its name is a device's."""
        self.changed()
        self.handles[name] = ""

    @touches("emulated*", "virtio*", "vfio*")
    def find(self, name: str) -> tuple[str, str] | Errno:
        """Return a device's handle and its family, or -ENODEV."""
        handle = self.handles.get(name)
        if not handle:
            return Errno(ENODEV, f"no device is called {name}")
        return handle, self.deref(handle).FAMILY

    @touches("emulated*", "virtio*", "vfio*")
    def level(self, gsi: int) -> int:
        """Return the OR of the lines that the VMM drives on a GSI."""
        devices = [self.deref(handle) for handle in self.handles.values() if handle]
        return int(any(device.gsi == gsi and device.line for device in devices))

    def listen(self, gsi: int, device: str) -> None:
        """Tell a device of the EOIs of a GSI."""
        self.changed()
        self.listeners = (*self.listeners, (gsi, device))

    def unlisten(self, device: str) -> None:
        """Tell a device of no EOIs any more."""
        self.changed()
        self.listeners = tuple([listener for listener in self.listeners if listener[1] != device])

    def listening(self, gsis: tuple[int, ...]) -> tuple[str, ...]:
        """Return the devices that are told of the EOIs of GSIs."""
        return tuple([device for gsi, device in self.listeners if gsi in gsis])

    def woke(self) -> None:
        """Count a wake-up."""
        self.changed()
        self.wakeups += 1

    @touches(GUEST, ROUTING)
    def now(self) -> int:
        """Return how many events there were since the machine was made."""
        return int(self.deref(GUEST).total + sum(self.deref(ROUTING).acks.values()) + self.wakeups)


# -- what is done to every device --------------------------------------------------------------------


@path
def device_raise(profile: Profile, name: str) -> Path[int]:
    """The device asks for service: 0, or -ENODEV."""
    found = yield (Devices.find, DEVICES, name)
    if isinstance(found, Errno):
        return found
    device, family = found
    yield (Device.ask, device)
    yield from PATHS[f"{family}_pin"](profile, device)
    return 0


@path
def device_lower(profile: Profile, name: str) -> Path[int]:
    """The device withdraws what it asked for: 0, or -ENODEV."""
    found = yield (Devices.find, DEVICES, name)
    if isinstance(found, Errno):
        return found
    device, family = found
    yield (Device.withdraw, device)
    yield from PATHS[f"{family}_pin"](profile, device)
    return 0


@path
def device_service(profile: Profile, cpu: int, name: str) -> Path[int]:
    """The guest's driver serves the device: how many requests it found, or -ENODEV."""
    found = yield (Devices.find, DEVICES, name)
    if isinstance(found, Errno):
        return found
    device, family = found
    served: int = yield (Device.serve, device)
    if served:
        yield from PATHS[f"{family}_pin"](profile, device)
    return served


@path
def device_move(profile: Profile, name: str, gsi: int) -> Path[int]:
    """The guest leads the device's link to another GSI: 0, or -ENODEV."""
    found = yield (Devices.find, DEVICES, name)
    if isinstance(found, Errno):
        return found
    device, family = found
    yield from PATHS[f"{family}_move"](profile, device, gsi)
    return 0


@path
def device_unplug(profile: Profile, name: str) -> Path[int]:
    """The VMM takes the device away: 0, or -ENODEV. What the main loop has to do for it comes first."""
    found = yield (Devices.find, DEVICES, name)
    if isinstance(found, Errno):
        return found
    device, family = found
    yield from PATHS[f"{family}_unplug"](profile, device)
    yield from flush_workqueue(profile, MAIN_LOOP_WQ)
    yield (Devices.remove, DEVICES, name)
    yield kfree(device)
    return 0


@path
def device_acked(profile: Profile, device: str) -> Path[None]:
    """An ack notifier wakes the main loop, which runs the device's EOI handler.

    QEMU's userspace IOAPIC calls its EOI notifiers itself; how it would learn of the EOIs of a chip in
    the kernel is inferred.
    """
    yield (Device.wake, device)
    yield (Workqueue.queue_work, MAIN_LOOP_WQ, ("device_eoi", device))


@path
def ioapic_eoi_broadcast(profile: Profile, vector: int) -> Path[None]:
    """KVM_EXIT_IOAPIC_EOI: what the VMM's IOAPIC would do, as far as it tells devices of the EOI of a pin.

    It has no registers here: a line that the VMM drives goes to the route of its GSI as a message each time.
    """
    gsis = yield (Userspace.told_of_eoi, USERSPACE, vector)
    for device in (yield (Devices.listening, DEVICES, gsis)):
        yield from device_acked(profile, device)


@path
def device_eoi(profile: Profile, device: str) -> Path[None]:
    """The main loop tells a device of an EOI."""
    family = yield (Device.load, device, "FAMILY")
    yield from PATHS[f"{family}_eoi"](profile, device)


@path
def add_eoi_notifier(profile: Profile, device: str) -> Path[None]:
    """Have the main loop told of the EOIs of a device's GSI (ioapic_add_gsi_eoi_notifier of QEMU's fork)."""
    gsi = yield (Device.load, device, "gsi")
    if profile.irqchip_split():
        yield (Devices.listen, DEVICES, gsi, device)
        return
    yield from kvm_register_irq_ack_notifier(profile, gsi, "device_acked", device)


@path
def remove_eoi_notifier(profile: Profile, device: str) -> Path[None]:
    """Have the main loop told no more (ioapic_remove_gsi_eoi_notifier)."""
    if profile.irqchip_split():
        yield (Devices.unlisten, DEVICES, device)
        return
    yield from kvm_unregister_irq_ack_notifier(profile, "device_acked", device)


@path
def vmm_set_irq(profile: Profile, gsi: int) -> Path[None]:
    """Drive a GSI by KVM_IRQ_LINE for all devices of the VMM (hw/pci.c of QEMU: pci_change_irq_level)."""
    level = yield (Devices.level, DEVICES, gsi)
    yield from vm_ioctl(profile, "kvm_vm_ioctl_irq_line", gsi, level)
