"""What is particular to this host, found by trying it on a new VM before anything else is done with it.

A host that has no hardware for it may end an interrupt (EOI) at the moment of its injection, so that
nothing is ever seen in service: then an acknowledgement is made by KVM_SET_LAPIC instead. That one
also has every vCPU look again for the vectors whose EOI it tells the IOAPIC of.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from kvmlab.backends.kvm import ioctls as kvm
from kvmlab.backends.kvm.chips import IRR, ISR, LDR, SPIV, bitmap
from kvmlab.backends.kvm.vcpu import Vcpu
from kvmlab.backends.kvm.vm import Kvm, Vm

VECTOR = 0x51
"""Odd: the second of two LAPICs for who hashes it."""

_LOGICAL_BOTH = 0xFEE03004
_LOWEST = 0x100


@dataclass(frozen=True, slots=True)
class Quirks:
    """What was found: see the fields' sentences in :meth:`words`."""

    kernel: str
    auto_eoi: bool
    hashes: bool | None
    lacks: tuple[str, ...]

    def words(self) -> tuple[str, ...]:
        """Return it as a status line has it, shortest first."""
        words = [f"/dev/kvm of {self.kernel}"]
        if self.auto_eoi:
            words.append("EOI at injection: acknowledged by KVM_SET_LAPIC")
        if self.hashes is False:
            words.append("lowest priority is not hashed")
        words += [f"no {name.removeprefix('KVM_CAP_')}" for name in self.lacks]
        return tuple(words)


def probe(system: Kvm, vm: Vm, vcpus: Sequence[Vcpu]) -> Quirks:
    """Try what differs between hosts; every LAPIC is afterwards as it was."""
    kept = [vcpu.lapic_page() for vcpu in vcpus]
    try:
        return Quirks(
            os.uname().release,
            _ends_at_injection(vm, vcpus[0]),
            _hashes(vm, vcpus) if len(vcpus) > 1 else None,
            tuple(name for name, number in kvm.USED.items() if system.extension(number) < 1),
        )
    finally:
        for vcpu, page in zip(vcpus, kept, strict=True):
            vcpu.set_lapic_page(page)


def _enabled(vcpu: Vcpu, ldr: int = 0) -> None:
    page = vcpu.lapic_page()
    page[SPIV * 16 : SPIV * 16 + 2] = b"\xff\x01"
    page[LDR * 16 + 3] = ldr
    vcpu.set_lapic_page(page)


def _ends_at_injection(vm: Vm, vcpu: Vcpu) -> bool:
    _enabled(vcpu)
    vm.signal_msi(0xFEE00000, 0, VECTOR, 0)
    taken = vcpu.open_window()
    return taken == VECTOR and not bitmap(vcpu.lapic(), ISR)


def _hashes(vm: Vm, vcpus: Sequence[Vcpu]) -> bool:
    for number in (0, 1):
        _enabled(vcpus[number], 1 << number)
    # A host that takes turns would give the first of several to either.
    for _turn in range(4):
        vm.signal_msi(_LOGICAL_BOTH, 0, VECTOR | _LOWEST, 0)
    return not bitmap(vcpus[0].lapic(), IRR) and bool(bitmap(vcpus[1].lapic(), IRR))
