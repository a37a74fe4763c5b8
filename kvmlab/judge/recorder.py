"""A running kernel as what recordings are made of: their operations, and what is observed after each.

A recording begins in reset state with every vCPU runnable, and its guest keeps interrupts off: `take`
acknowledges at the LAPIC by KVM_SET_LAPIC, and `take_pic` opens the window for the 8259 alone.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import Any

from kvmlab.backends.backend import Answer
from kvmlab.backends.bits import bits
from kvmlab.backends.kvm import chips
from kvmlab.backends.kvm import ioctls as kvm
from kvmlab.backends.kvm.backend import Kvm
from kvmlab.backends.kvm.chips import Pic, bitmap
from kvmlab.engine.abi import KVM_IRQFD_FLAG_DEASSIGN, KVM_IRQFD_FLAG_RESAMPLE
from kvmlab.engine.chips.route_table import Route
from kvmlab.engine.profile import Profile

Obs = dict[str, Any]

_LAPIC = {
    "tpr": chips.TPR,
    "ppr": chips.PPR,
    "spiv": chips.SPIV,
    "ldr": chips.LDR,
    "dfr": chips.DFR,
    "id": chips.ID,
    "lvr": chips.LVR,
    "lvt0": chips.LVT_LINT0,
    "icr": chips.ICR,
    "icr2": chips.ICR2,
}
_PLAIN = ("tpr", "ppr")
"""Registers that are written as numbers."""

_HEX_RESULTS = ("mmio_read", "pio_read")


class Recorder:
    """A fresh VM for one recording. Raises Refused where none can be made."""

    def __init__(self, vcpus: int, *, x2apic: bool = False, pit: bool = False) -> None:
        profile = Profile("linux-6.x", "resample", vcpus, pit=pit, x2apic=x2apic, bare=True, backend="kvm")
        self.kernel = Kvm(profile)
        self.kernel.host.wake_all()
        self.gone: set[str] = set()
        """Names that were closed."""
        self._before: Obs = {}

    def operate(self, op: str, args: tuple[Any, ...]) -> Any:
        """Make an operation with its arguments in order; return the result as a recording has it."""
        ret = OPERATIONS[op](self, *args)
        return hex(ret) if op in _HEX_RESULTS else ret

    def observe(self) -> Obs:
        """Return what differs from the last observation; the first time everything."""
        now = self._state()
        changed = _changes(self._before, now)
        self._before = now
        return changed

    def _state(self) -> Obs:
        host = self.kernel.host
        _base, regsel, number, irr, _pad, *entries = host.vm.ioapic()
        return {
            "ioapic": {
                "regsel": regsel,
                "id": number,
                "irr": hex(irr),
                "redir": {str(pin): f"0x{entry:016x}" for pin, entry in enumerate(entries)},
            },
            "lapic": {str(vcpu.number): _lapic(vcpu.lapic()) for vcpu in host.vcpus},
            "pic": {
                name: dict(list(Pic(*host.vm.pic(chip))._asdict().items())[:-1])
                for name, chip in (("master", kvm.PIC_MASTER), ("slave", kvm.PIC_SLAVE))
            },
            "eventfds": {**dict.fromkeys(sorted(self.gone)), **self.kernel.descriptors.counts()},
        }

    # -- operations -----------------------------------------------------------------------------------

    def perform(self, verb: str, **args: Any) -> int:
        """Make a call; return its result, or the negative errno."""
        answer: Answer = self.kernel.perform(verb, args)
        if answer.errno:
            number: int = getattr(errno, answer.errno)
            return -number
        return answer.ret if isinstance(answer.ret, int) else -1

    def mmio_write(self, vcpu: int, addr: int, value: int) -> int:
        """A vCPU's 32-bit write."""
        return self.perform("mmio write", vcpu=vcpu, addr=addr, len=4, value=value)

    def mmio_read(self, vcpu: int, addr: int) -> int:
        """A vCPU's 32-bit read."""
        return self.perform("mmio read", vcpu=vcpu, addr=addr, len=4)

    def set_routing(self, entries: tuple[Route, ...]) -> int:
        """KVM_SET_GSI_ROUTING with a whole table."""
        return self.perform("routes", entries=entries)

    def take(self, vcpu: int) -> int:
        """Acknowledge at the LAPIC."""
        host = self.kernel.host
        vector = host.acknowledge_lapic(host.vcpus[vcpu])
        host.enter_all()
        return vector

    def take_pic(self, vcpu: int) -> int:
        """Open the interrupt window, while the LAPIC has nothing to give."""
        host = self.kernel.host
        vector = host.vcpus[vcpu].open_window()
        host.enter_all()
        return vector

    def eventfd(self, name: str, count: int, semaphore: int) -> int:
        """Create an eventfd under a name."""
        self.gone.discard(name)
        return self.perform("eventfd", name=name, count=count, semaphore=bool(semaphore), blocking=False)

    def dup(self, fd: str, name: str) -> int:
        """Give an eventfd another descriptor, under another name."""
        self.gone.discard(name)
        return self.perform("dup", name=fd, new=name)

    def close(self, name: str) -> int:
        """Close a descriptor; its name is free again."""
        if name in self.kernel.descriptors.names:
            self.gone.add(name)
        return self.perform("close", names=(name,))

    def irqfd(self, fd: str | int, gsi: int, resample: str | int | None, flags: int) -> int:
        """KVM_IRQFD; without flags of its own, RESAMPLE goes with a resample eventfd."""
        if flags < 0:
            flags = 0 if resample is None else KVM_IRQFD_FLAG_RESAMPLE
        second = 0 if resample is None else resample
        return self.perform("irqfd", fd=_fd(fd), gsi=gsi, flags=flags, resamplefd=_fd(second))

    def irqfd_deassign(self, fd: str | int, gsi: int, flags: int) -> int:
        """KVM_IRQFD with DEASSIGN, or with flags of its own."""
        flags = KVM_IRQFD_FLAG_DEASSIGN if flags < 0 else flags
        return self.perform("irqfd", fd=_fd(fd), gsi=gsi, flags=flags, resamplefd=0)


def _fd(fd: str | int | None) -> str | int:
    return -1 if fd is None else fd


def _lapic(registers: tuple[int, ...]) -> Obs:
    seen: Obs = {
        name: list(bits(bitmap(registers, first)))
        for name, first in (("irr", chips.IRR), ("isr", chips.ISR), ("tmr", chips.TMR))
    }
    for name, at in _LAPIC.items():
        seen[name] = registers[at] if name in _PLAIN else hex(registers[at])
    return seen


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Obs:
    if not before:
        return dict(now)
    changed: Obs = {}
    for name, value in now.items():
        if isinstance(value, dict):
            inner = _changes(before[name], value) if before.get(name) else value
            if inner:
                changed[name] = inner
        elif name not in before or value != before[name]:
            changed[name] = value
    return changed


OPERATIONS: dict[str, Callable[..., int]] = {
    "mmio_write": Recorder.mmio_write,
    "mmio_read": Recorder.mmio_read,
    "pio_write": lambda made, port, value: made.perform("pio write", vcpu=0, port=port, len=1, value=value),
    "pio_read": lambda made, port: made.perform("pio read", vcpu=0, port=port, len=1),
    "set_irq": lambda made, _source, gsi, level: made.perform("irq-line", irq=gsi, level=level),
    "msi": lambda made, addr, data, flags: made.perform(
        "msi", address_lo=addr & 0xFFFFFFFF, address_hi=addr >> 32, data=data, flags=flags
    ),
    "set_routing": Recorder.set_routing,
    "take": Recorder.take,
    "take_pic": Recorder.take_pic,
    "eoi": lambda made, vcpu: made.perform("eoi", vcpu=vcpu),
    "eventfd": Recorder.eventfd,
    "dup": Recorder.dup,
    "irqfd": Recorder.irqfd,
    "irqfd_deassign": Recorder.irqfd_deassign,
    "write": lambda made, fd, value: made.perform("write", name=fd, value=value),
    "read": lambda made, fd: made.perform("read", name=fd),
    "close": Recorder.close,
}
"""By operation of a recording: what is called with the recorder and the arguments of the step."""
