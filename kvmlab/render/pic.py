"""The 8259 pair in QEMU's wording (hw/intc/i8259_common.c: ``info pic``)."""

from __future__ import annotations

from kvmlab.render.cells import Cell, Row, absent, line
from kvmlab.render.ioapic import ioapic_rows
from kvmlab.snapshot import PicChipSnapshot, Snapshot


def pic_rows(snapshot: Snapshot) -> list[Row]:
    """Return ``info pic``: the IOAPIC, then one line for each 8259, then the pair's INT line."""
    pic = snapshot.pic
    rows = ioapic_rows(snapshot)
    if pic is None:
        return rows + absent("pic", snapshot.irqchip)
    rows += [_chip("pic0", pic.master), _chip("pic1", pic.slave)]
    if pic.output is not None:
        asserted = Cell("A asserted", "irq-asserted") if pic.output else Cell("low", "muted")
        rows.append(line("  INT ", asserted))
    return rows


def _chip(name: str, chip: PicChipSnapshot) -> Row:
    return line(
        Cell(f"{name}: ", "header"),
        Cell(f"irr={chip.irr:02x}", "irq-pending" if chip.irr & ~chip.imr else ""),
        Cell(f" imr={chip.imr:02x}", "irq-masked" if chip.imr == 0xFF else ""),
        Cell(f" isr={chip.isr:02x}", "irq-in-service" if chip.isr else ""),
        f" hprio={chip.priority_add} irq_base={chip.irq_base:02x} rr_sel={chip.read_reg_select}",
        f" elcr={chip.elcr:02x} fnm={chip.sfnm}",
    )
