"""The host's reading of the chips agrees with the engine's chips, over random states."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kvmlab.backends.kvm import chips
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile

BYTE = st.integers(0, 255)
MODEL = Machine(Profile("linux-6.x", "resample"))


@given(BYTE, BYTE, BYTE, BYTE, BYTE, BYTE, st.integers(0, 7), st.booleans())
def test_an_8259_asks_for_what_the_engines_asks_for(
    irr: int, imr: int, isr: int, irr2: int, imr2: int, isr2: int, first: int, nested: bool
) -> None:
    """Priority, rotation, special fully nested mode and the cascade."""
    common = {"last_irr": 0, "read_reg_select": 0, "poll": 0, "special_mask": 0, "init_state": 0}
    common |= {"auto_eoi": 0, "rotate_on_auto_eoi": 0, "sfnm": int(nested), "init4": 0, "elcr": 0}
    master = chips.Pic(irr=irr, imr=imr, isr=isr, priority_add=first, irq_base=0x20, elcr_mask=0, **common)
    slave = chips.Pic(irr=irr2, imr=imr2, isr=isr2, priority_add=0, irq_base=0x28, elcr_mask=0, **common)
    pair = MODEL.pic
    pair.registers = (tuple(master[:-1]), tuple(slave[:-1]))
    asked = chips.pic_vector(master, slave)
    assert asked == (pair.next_vector() if chips.requested(master, master=True) >= 0 else -1)


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1), BYTE)
def test_a_lapic_delivers_what_the_engines_delivers(irr: int, isr: int, tpr: int) -> None:
    """The highest waiting vector, if its class is above those of TPR and ISR."""
    registers = [0] * 64
    for at, bits in ((chips.IRR, irr), (chips.ISR, isr)):
        registers[at : at + 8] = [bits >> 32 * word & 0xFFFFFFFF for word in range(8)]
    registers[chips.TPR] = tpr
    lapic = MODEL.lapics[0]
    lapic.irr, lapic.isr, lapic.tpr, lapic.highest_isr_cache = irr, isr, tpr, -1
    lapic._update_ppr()
    assert chips.deliverable(registers) == lapic.has_interrupt()
    assert chips.bitmap(registers, chips.IRR) == irr


@given(st.integers(0, 255))
def test_a_bit_of_an_apic_page_is_set_and_cleared(vector: int) -> None:
    """Where a register of 32 bits stands in 16 bytes."""
    page = bytearray(1024)
    chips.set_bit(page, chips.ISR, vector)
    registers = [int.from_bytes(page[16 * at : 16 * at + 4], "little") for at in range(64)]
    assert chips.bitmap(registers, chips.ISR) == 1 << vector
    chips.clear_bit(page, chips.ISR, vector)
    assert page == bytearray(1024)
