"""The IOAPIC in QEMU's wording (hw/intc/ioapic_common.c: ``info pic``), so that dumps can be compared.

A pin with something to tell that QEMU does not print gets a tail: ``A`` asserted, ``I`` IRR,
``R`` remote IRR, and the sources that assert it. ``?`` stands for a line that is hidden.
"""

from __future__ import annotations

from kvmlab.render.cells import Cell, Part, Row, absent, line
from kvmlab.snapshot import IoapicSnapshot, RedirectionEntry, Snapshot

DELIVERY = ("fixed", "lowest", "SMI", "...", "NMI", "INIT", "...", "extINT")
"""QEMU's words for the delivery modes, by number."""


def ioapic_rows(snapshot: Snapshot) -> list[Row]:
    """Return the IOAPIC as ``info pic`` prints it: one line a pin, then IRR and remote IRR."""
    ioapic = snapshot.ioapic
    if ioapic is None:
        return absent("ioapic", snapshot.irqchip)
    pins = list(enumerate(ioapic.pins))
    irr = [pin for pin, entry in pins if entry.irr]
    remote_irr = [pin for pin, entry in pins if entry.remote_irr]
    return [
        _title(ioapic),
        *[_pin(pin, entry) for pin, entry in pins],
        _pins("  IRR", irr, "irq-pending"),
        _pins("  Remote IRR", remote_irr, "irq-remote-irr"),
    ]


def flags(entry: RedirectionEntry) -> list[Part]:
    """Return the glyphs of a pin: A asserted (? hidden), I IRR, M masked, R remote IRR; a dot where not."""
    states = (
        (
            entry.line != 0,
            "?" if entry.line is None else "A",
            "muted" if entry.line is None else "irq-asserted",
        ),
        (bool(entry.irr), "I", "irq-pending"),
        (bool(entry.mask), "M", "irq-masked"),
        (bool(entry.remote_irr), "R", "irq-remote-irr"),
    )
    return [Cell(glyph, style) if on else Cell(".", "muted") for on, glyph, style in states]


def _title(ioapic: IoapicSnapshot) -> Row:
    selected = f" (redir[{(ioapic.ioregsel - 0x10) >> 1 & 0xFFFFFFFF}])" if ioapic.ioregsel else ""
    text = f"ioapic0: ver=0x{ioapic.version:x} id=0x{ioapic.id:02x} sel=0x{ioapic.ioregsel:02x}{selected}"
    return line(Cell(text, "header"))


def _pin(pin: int, entry: RedirectionEntry) -> Row:
    dest = entry.dest & (0xFF if entry.dest_mode else 0xF)
    mask = Cell("masked", "irq-masked") if entry.mask else Cell("      ")
    return line(
        f"  pin {pin:<2} 0x{entry.value:016x} dest={dest:x} vec={entry.vector:<3} ",
        f"{'active-lo' if entry.polarity else 'active-hi'} {entry.trigger:<5} ",
        mask,
        f" {DELIVERY[entry.delivery_mode]:<6} {'logical' if entry.dest_mode else 'physical'}",
        *_tail(entry),
    )


def _tail(entry: RedirectionEntry) -> list[Part]:
    if not (entry.line or entry.irr or entry.remote_irr):
        return []
    asserting = ",".join(map(str, entry.sources or ()))
    return ["  ", *flags(entry), f" sources {asserting}" if asserting else ""]


def _pins(name: str, pins: list[int], style: str) -> Row:
    if not pins:
        return line(f"{name:<10} ", Cell("(none)", "muted"))
    return line(f"{name:<10} ", Cell(" ".join([f"{pin:<2}" for pin in pins]), style))
