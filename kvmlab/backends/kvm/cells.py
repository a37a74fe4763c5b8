"""What can be seen of a model and of a kernel as cells: flat tuples, in one order for both, to be compared.

Comparing by snapshots would cost more than the calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from kvmlab.backends.backend import Answer
from kvmlab.backends.kvm import chips
from kvmlab.backends.kvm import ioctls as kvm
from kvmlab.backends.kvm.backend import Kvm
from kvmlab.backends.kvm.chips import bitmap
from kvmlab.backends.kvm.twin import Twin
from kvmlab.engine.fds.files import FDS
from kvmlab.engine.world.userspace import USERSPACE, Userspace

Cells = tuple[Any, ...]

_LAPIC = (
    *("tpr", "ppr", "spiv", "ldr", "dfr", "id", "lvr", "esr", "icr", "icr2", "lint0"),
    *("irr", "isr", "tmr"),
)
_REGISTERS = (
    *(chips.TPR, chips.PPR, chips.SPIV, chips.LDR, chips.DFR, chips.ID, chips.LVR, chips.ESR),
    *(chips.ICR, chips.ICR2, chips.LVT_LINT0),
)
_PIC = chips.Pic._fields[:-1]


class Cell(NamedTuple):
    """One thing that differs: its name, and its value in the model and in the kernel."""

    name: str
    model: Any
    kernel: Any


def differing(model: Twin, kernel: Kvm, answers: tuple[Answer, Answer]) -> list[Cell]:
    """Return what differs now, the answers to the last call (the model's and the kernel's) first."""
    found = []
    ours, theirs = answers
    if (ours.ret, ours.errno) != (theirs.ret, theirs.errno):
        found.append(Cell("ret", ours.errno or ours.ret, theirs.errno or theirs.ret))
    cells, seen = model_cells(model), kernel_cells(kernel)
    if cells != seen:
        # The eventfds come last, and one may have more of them than the other.
        pairs = zip(cell_names(kernel), cells, seen, strict=False)
        found += [Cell(name, ours, theirs) for name, ours, theirs in pairs if ours != theirs]
        if len(cells) != len(seen):
            found.append(Cell("eventfds", len(cells), len(seen)))
    return found


def model_cells(model: Twin) -> Cells:
    """Return what can be seen of the model."""
    machine = model.machine
    objects = machine.memory.objects
    cells: list[Any] = []
    if machine.profile.in_kernel("ioapic"):
        ioapic = machine.ioapic
        cells += (ioapic.ioregsel, ioapic.id, ioapic.shown_irr, *ioapic.redirtbl)
        for registers in machine.pic.registers:
            cells += registers
    for chip in machine.lapics:
        cells += (chip.tpr, chip.ppr, chip.spiv, chip.ldr, chip.dfr, chip.id, chip.lvr, chip.esr, chip.icr)
        cells += (chip.icr2, chip.lvt[3], chip.irr, chip.isr, chip.tmr)
    user = objects[USERSPACE]
    assert isinstance(user, Userspace)
    cells.append(user.eoi_exits)
    table = objects[FDS].load("open")
    for name in sorted(user.fds):
        fd = user.fds[name]
        if fd >= 0:
            cells.append((name, objects[objects[table[fd]].ctx].count))
    return tuple(cells)


def kernel_cells(kernel: Kvm) -> Cells:
    """Return what can be seen of the kernel."""
    vm = kernel.host.vm
    cells: list[Any] = []
    if kernel.profile.in_kernel("ioapic"):
        state = vm.ioapic()
        cells += (*state[1:4], *state[5:], *vm.pic(kvm.PIC_MASTER)[:-1], *vm.pic(kvm.PIC_SLAVE)[:-1])
    for each in kernel.host.vcpus:
        cells += _lapic(bytes(each.lapic_page()))
    cells.append(tuple(sorted(kernel.host.eoi_exits.items())))
    cells += sorted(kernel.descriptors.counts().items())
    return tuple(cells)


@lru_cache(maxsize=512)
def _lapic(page: bytes) -> Cells:
    """Return an APIC page's cells; few calls change a page, and most go back to one that was seen."""
    registers = kvm.LAPIC_STATE.unpack(page)
    bits = [bitmap(registers, first) for first in (chips.IRR, chips.ISR, chips.TMR)]
    return (*[registers[at] for at in _REGISTERS], *bits)


def cell_names(kernel: Kvm) -> Iterator[str]:
    """Yield the name of every cell, as the facts are called where there is one."""
    if kernel.profile.in_kernel("ioapic"):
        yield from ("ioapic.ioregsel", "ioapic.id", "ioapic.irr")
        yield from (f"ioapic.{pin}" for pin in range(24))
        for chip in ("master", "slave"):
            yield from (f"pic.{chip}.{name}" for name in _PIC)
    for number in range(kernel.profile.vcpus):
        yield from (f"lapic.{number}.{name}" for name in _LAPIC)
    yield "ioapic-eoi"
    yield from (f"eventfd.{name}.count" for name in sorted(kernel.descriptors.names))
