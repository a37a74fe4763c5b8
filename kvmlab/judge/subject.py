"""The machine that a recording is replayed on: its operations, its listeners, and what is seen of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvmlab.engine.abi import (
    EFD_NONBLOCK,
    EFD_SEMAPHORE,
    ENOENT,
    KVM_IRQFD_FLAG_DEASSIGN,
    KVM_IRQFD_FLAG_RESAMPLE,
)
from kvmlab.engine.chips.ioapic import IOAPIC, Ioapic
from kvmlab.engine.chips.ioapic_scan import IOAPIC_SCAN, IoapicScan
from kvmlab.engine.chips.irq_source import IRQ_SOURCES, IrqSources
from kvmlab.engine.chips.lapic import Lapic
from kvmlab.engine.chips.pic_chip import Registers
from kvmlab.engine.chips.routing import ROUTING, Routing, kvm_set_irq
from kvmlab.engine.chips.rtc import RTC_STATUS, RtcStatus
from kvmlab.engine.fds.files import FDS
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import DEFAULT_APIS, Profile
from kvmlab.judge.recording import Recording, Step


class Listener(Object):
    """An ack notifier of a recording: it notes its GSI, and may lower a source's line.

    ``heard`` is where it notes it; a source of -1 lowers nothing.
    """

    __slots__ = ("gsi", "heard", "irq_source_id")
    FIELDS = ("gsi", "irq_source_id")
    KIND = "listener"

    def __init__(self, gsi: int, irq_source_id: int, heard: list[int]) -> None:
        super().__init__()
        self.gsi, self.irq_source_id, self.heard = gsi, irq_source_id, heard

    def hear(self) -> tuple[int, int]:
        """Note the GSI; return it and the source to lower."""
        self.heard.append(self.gsi)
        return self.gsi, self.irq_source_id


@path
def conform_irq_acked(profile: Profile, listener: str) -> Path[None]:
    """Note an acknowledgement, then lower the line for the listener's source if it has one."""
    gsi, irq_source_id = yield (Listener.hear, listener)
    if irq_source_id >= 0:
        yield from kvm_set_irq(profile, irq_source_id, gsi, 0)


@path
def conform_take(profile: Profile, vcpu: int) -> Path[int]:
    """Acknowledge as the recorder of a running kernel does, by KVM_SET_LAPIC: a vector, or -1.

    That has every vCPU scan the IOAPIC, and the RTC's books are made anew for this one.
    """
    lapic = f"lapic{vcpu}"
    vector: int = yield (Lapic.get_interrupt, lapic)
    if vector >= 0:
        yield (IoapicScan.request_all, IOAPIC_SCAN)
        rtc_vector, pending = yield (Ioapic.rtc_state, IOAPIC, vcpu)
        if rtc_vector >= 0:
            yield (RtcStatus.restore, RTC_STATUS, vcpu, rtc_vector, pending)
    return vector


class Subject:
    """A fresh machine for one recording, and the acknowledgements its listeners heard."""

    def __init__(self, recording: Recording) -> None:
        self.machine = Machine(
            Profile(
                kernel=recording.kernel,
                api=DEFAULT_APIS[recording.kernel],
                vcpus=recording.vcpus,
                pit=recording.pit,
                x2apic=recording.x2apic,
                bare=True,
            )
        )
        self.heard: list[int] = []
        self.fds: dict[str, int | None] = {}
        self.hears = bool(recording.steps) and recording.steps[0].acks is not None

    def acknowledged(self, step: Step) -> list[tuple[str, Any, Any]]:
        """Return the acknowledgements recorded and heard in a step, if they are recorded at all."""
        heard = list(self.heard)
        self.heard.clear()
        return [("acks", list(step.acks or ()), heard)] if self.hears else []

    def listen(self, gsi: int, irq_source_id: int = -1) -> int:
        """Register a listener on a GSI."""
        listener = self.machine.memory.alloc("listener", Listener(gsi, irq_source_id, self.heard))
        self.machine.call("user", "kvm_register_irq_ack_notifier", gsi, conform_irq_acked.__name__, listener)
        return 0

    def unlisten(self, gsi: int) -> int:
        """Remove a GSI's newest listener; -ENOENT if it has none."""
        routing = self.machine.memory.objects[ROUTING]
        assert isinstance(routing, Routing)
        for of, callback, listener in routing.ack_notifiers:
            if of == gsi:
                self.machine.call("user", "kvm_unregister_irq_ack_notifier", callback, listener)
                return 0
        return -ENOENT

    def fd(self, name: str | int | None) -> int:
        """Return the descriptor of a name; -1 for none."""
        number = self.fds.get(name) if isinstance(name, str) else None
        return -1 if number is None else number

    def eventfd(self, name: str, count: int, semaphore: int) -> int:
        """Create an eventfd under a name."""
        flags = EFD_NONBLOCK | (EFD_SEMAPHORE if semaphore else 0)
        self.fds[name] = self.machine.eventfd(count, flags)
        return 0

    def dup(self, fd: str, name: str) -> int:
        """Give an eventfd another descriptor, under another name."""
        self.fds[name] = self.machine.dup(self.fd(fd))
        return 0

    def close(self, name: str) -> int:
        """Close a descriptor; its name is free again."""
        fd = self.fd(name)
        if fd >= 0:
            self.fds[name] = None
        return self.machine.close(fd)

    def irqfd(self, fd: str, gsi: int, resample: str | None, flags: int) -> int:
        """KVM_IRQFD; without flags of its own, RESAMPLE goes with a resample eventfd."""
        if flags < 0:
            flags = 0 if resample is None else KVM_IRQFD_FLAG_RESAMPLE
        return self.machine.irqfd(self.fd(fd), gsi, flags, self.fd(resample) & 0xFFFFFFFF)

    def irqfd_deassign(self, fd: str, gsi: int, flags: int) -> int:
        """KVM_IRQFD with DEASSIGN, or with flags of its own."""
        return self.machine.irqfd(self.fd(fd), gsi, KVM_IRQFD_FLAG_DEASSIGN if flags < 0 else flags)

    def free_source(self, irq_source_id: int) -> int:
        """Give a source id back, which returns nothing."""
        self.machine.kvm_free_irq_source_id(irq_source_id)
        return 0


_CHIPS: dict[str, Callable[..., Any]] = {
    "mmio_write": lambda subject, *args: subject.machine.mmio_write(*args),
    "mmio_read": lambda subject, *args: subject.machine.mmio_read(*args),
    "pio_write": lambda subject, *args: subject.machine.pio_write(*args),
    "pio_read": lambda subject, *args: subject.machine.pio_read(*args),
    "msi": lambda subject, *args: subject.machine.signal_msi(*args),
    "set_routing": lambda subject, entries: subject.machine.set_gsi_routing(entries, 0),
    "eoi": lambda subject, vcpu: subject.machine.eoi(vcpu),
}

OPERATIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "linux-3.6": {
        **_CHIPS,
        "source_new": lambda subject: subject.machine.kvm_request_irq_source_id(),
        "source_free": Subject.free_source,
        "set_irq": lambda subject, *args: subject.machine.kvm_set_irq(*args),
        "ack_listen": Subject.listen,
        "ack_deassert": Subject.listen,
        "ack_unlisten": Subject.unlisten,
        "take": lambda subject, vcpu: subject.machine.get_interrupt(vcpu),
    },
    "linux-6.x": {
        **_CHIPS,
        "set_irq": lambda subject, _source, gsi, level: subject.machine.irq_line(gsi, level),
        "take": lambda subject, vcpu: subject.machine.call("user", "conform_take", vcpu),
        "take_pic": lambda subject, vcpu: subject.machine.call(f"vcpu{vcpu}", "kvm_cpu_get_extint", vcpu),
        "eventfd": Subject.eventfd,
        "dup": Subject.dup,
        "irqfd": Subject.irqfd,
        "irqfd_deassign": Subject.irqfd_deassign,
        "write": lambda subject, fd, value: subject.machine.write(subject.fd(fd), value),
        "read": lambda subject, fd: subject.machine.read(subject.fd(fd)),
        "close": Subject.close,
    },
}
"""By kernel and operation: what is called with the subject and the arguments of the step."""


# -- what is seen of a machine, under the names of a recording -------------------------------------

_LAPIC_FIELDS = {
    **{name: name for name in ("tpr", "ppr", "spiv", "ldr", "dfr", "id", "lvr", "icr", "icr2", "nmi")},
    "arb": "arb_prio",
    "mp": "mp_state",
}


def observe(subject: Subject) -> dict[str, Any]:
    """Return the state of a machine's chips, sources and eventfds as a recording's dotted fields."""
    machine = subject.machine
    ioapic, pic = machine.ioapic, machine.pic
    seen: dict[str, Any] = {
        "ioapic.regsel": ioapic.ioregsel,
        "ioapic.id": ioapic.id,
        "ioapic.irr": ioapic.shown_irr,
        "pic.master.output": pic.output,
    }
    for pin, entry in enumerate(ioapic.redirtbl):
        seen[f"ioapic.redir.{pin}"] = entry
    for number, lapic in enumerate(machine.lapics):
        prefix = f"lapic.{number}."
        for name, attribute in _LAPIC_FIELDS.items():
            seen[prefix + name] = getattr(lapic, attribute)
        for name in ("irr", "isr", "tmr"):
            seen[prefix + name] = _bits(getattr(lapic, name))
        seen[prefix + "lvt0"] = lapic.lvt[3]
    for name, registers in (("master", pic.master), ("slave", pic.slave)):
        for register, value in zip(Registers._fields, registers, strict=True):
            seen[f"pic.{name}.{register}"] = value
    sources = machine.memory.objects[IRQ_SOURCES]
    assert isinstance(sources, IrqSources)
    seen["sources"] = _bits(sources.bitmap)
    for name, fd in subject.fds.items():
        seen[f"eventfds.{name}"] = None if fd is None else _count(machine, fd)
    return seen


def _count(machine: Machine, fd: int) -> int:
    """Return the counter behind a descriptor, without consuming it."""
    objects = machine.memory.objects
    ctx = objects[objects[FDS].load("open")[fd]].ctx
    count: int = objects[ctx].count
    return count


def _bits(value: int) -> list[int]:
    return [bit for bit in range(value.bit_length()) if value >> bit & 1]
