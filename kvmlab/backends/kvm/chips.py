"""What the chips' registers mean, as far as the host's side needs it: the priorities of LAPIC and 8259.

Follows the SDM (volume 3, 10.8.3), and the 8259A data sheet as arch/x86/kvm/i8259.c reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from struct import Struct
from typing import NamedTuple

ID, LVR, TPR, PPR, LDR, DFR, SPIV = 0x2, 0x3, 0x8, 0xA, 0xD, 0xE, 0xF
ISR, TMR, IRR, ESR = 0x10, 0x18, 0x20, 0x28
ICR, ICR2, LVTT, TMICT, TMCCT, TDCR = 0x30, 0x31, 0x32, 0x38, 0x39, 0x3E
LVT_LINT0 = 0x35
"""Registers of a LAPIC by their offset / 16; ISR, TMR and IRR are 8 each."""

MASKED, EXTINT = 1 << 16, 0x700
_EIGHT = Struct("<8I")


def bitmap(registers: Sequence[int], first: int) -> int:
    """Return 256 bits that stand in 8 registers."""
    if not any(registers[first : first + 8]):
        return 0
    return int.from_bytes(_EIGHT.pack(*registers[first : first + 8]), "little")


def clear_bit(page: bytearray, first: int, vector: int) -> None:
    """Clear a vector's bit of a bitmap in an APIC page."""
    page[(first + (vector >> 5) << 4) + (vector >> 3 & 3)] &= ~(1 << (vector & 7))


def set_bit(page: bytearray, first: int, vector: int) -> None:
    """Set a vector's bit of a bitmap in an APIC page."""
    page[(first + (vector >> 5) << 4) + (vector >> 3 & 3)] |= 1 << (vector & 7)


def deliverable(registers: Sequence[int]) -> int:
    """Return the highest vector that waits in a LAPIC and is above its priority, or -1."""
    vector = bitmap(registers, IRR).bit_length() - 1
    if vector < 0:
        return -1
    in_service = max(0, bitmap(registers, ISR).bit_length() - 1)
    return vector if vector >> 4 > max(registers[TPR] >> 4 & 0xF, in_service >> 4) else -1


def takes_pic(registers: Sequence[int]) -> bool:
    """Tell whether a LAPIC lets the 8259's interrupts through, on LINT0."""
    return registers[LVT_LINT0] & (MASKED | EXTINT) == EXTINT


class Pic(NamedTuple):
    """struct kvm_pic_state."""

    last_irr: int
    irr: int
    imr: int
    isr: int
    priority_add: int
    irq_base: int
    read_reg_select: int
    poll: int
    special_mask: int
    init_state: int
    auto_eoi: int
    rotate_on_auto_eoi: int
    sfnm: int
    init4: int
    elcr: int
    elcr_mask: int


@cache
def _priority(mask: int, first: int) -> int:
    """Return how far the first bit set is from the highest priority; 8 for none."""
    return next((distance for distance in range(8) if mask >> (distance + first & 7) & 1), 8)


def requested(pic: Pic, *, master: bool) -> int:
    """Return the input that an 8259 asks to have served, or -1 (pic_get_irq)."""
    wanted = _priority(pic.irr & ~pic.imr, pic.priority_add)
    served = pic.isr & ~4 if pic.sfnm and master else pic.isr
    if wanted == 8 or wanted >= _priority(served, pic.priority_add):
        return -1
    return wanted + pic.priority_add & 7


def pic_vector(master: Pic, slave: Pic) -> int:
    """Return the vector that the pair gives when it is acknowledged now, or -1 if it asks for nothing."""
    line = requested(master, master=True)
    if line != 2:
        return -1 if line < 0 else master.irq_base + line
    behind = requested(slave, master=False)
    # The slave takes it back: its last input stands for a spurious one.
    return slave.irq_base + (7 if behind < 0 else behind)
