"""The chips of a model machine in its picture."""

from __future__ import annotations

from kvmlab.backends.bits import bits
from kvmlab.engine.chips.ioapic import Ioapic
from kvmlab.engine.chips.lapic import Lapic
from kvmlab.engine.chips.pic import Pic
from kvmlab.snapshot import IoapicSnapshot, LapicSnapshot, PicChipSnapshot, PicSnapshot, RedirectionEntry


def ioapic_snapshot(chip: Ioapic) -> IoapicSnapshot:
    """Return what can be seen of the IOAPIC."""
    pins = tuple(
        RedirectionEntry(value, chip.shown_irr >> pin & 1, bits(chip.irq_states[pin]))
        for pin, value in enumerate(chip.redirtbl)
    )
    return IoapicSnapshot(chip.id, chip.ioregsel, chip.shown_irr, pins)


def lapic_snapshot(number: int, chip: Lapic) -> LapicSnapshot:
    """Return what can be seen of a vCPU's LAPIC."""
    return LapicSnapshot(
        vcpu=number,
        irr=bits(chip.irr),
        isr=bits(chip.isr),
        tmr=bits(chip.tmr),
        tpr=chip.tpr,
        ppr=chip.ppr,
        spiv=chip.spiv,
        ldr=chip.ldr,
        dfr=chip.dfr,
        id=chip.id,
        lvr=chip.lvr,
        lvt=chip.lvt,
        icr=chip.icr,
        icr2=chip.icr2,
        esr=chip.esr,
        arb=chip.arb_prio,
        nmi=chip.nmi,
        mp=chip.mp_state,
        x2apic=bool(chip.x2apic_mode()),
        tdcr=chip.tdcr,
        tmict=chip.tmict,
    )


def pic_snapshot(pair: Pic) -> PicSnapshot:
    """Return what can be seen of the 8259 pair."""
    names = PicChipSnapshot.__dataclass_fields__
    master, slave = (
        PicChipSnapshot(**{name: getattr(chip, name) for name in names}) for chip in (pair.master, pair.slave)
    )
    return PicSnapshot(master, slave, pair.output)
