"""The IOAPIC as a table of pins, narrow enough for two columns on a screen of 80.

The vector is hexadecimal, the destination ``p`` or ``l`` (physical, logical) with its ID, ``at`` the
level that asserts. The glyphs are A asserted, I IRR, M masked, R remote IRR, D send pending (82093AA,
section 3.2.4); a dot where not. Last come the source IDs. QEMU's wording of the pins is ioapic.py.
"""

from __future__ import annotations

from kvmlab.render.cells import Cell, Row, absent, line
from kvmlab.render.ioapic import DELIVERY, flags
from kvmlab.snapshot import RedirectionEntry, Snapshot

RESET = 0x10000
"""A redirection entry as reset leaves it: masked, and nothing else."""

HEADER = " # vec mode   dst trig  at AIMRD src"


def pin_rows(snapshot: Snapshot) -> list[Row]:
    """Return a header and one line a pin, its number first; rows say so where there is no IOAPIC."""
    if snapshot.ioapic is None:
        return absent("ioapic", snapshot.irqchip)
    pins = enumerate(snapshot.ioapic.pins)
    return [line(Cell(HEADER, "header")), *[_pin(pin, entry) for pin, entry in pins]]


def _pin(pin: int, entry: RedirectionEntry) -> Row:
    plain = "muted" if entry.value == RESET else ""
    dest = f"{'l' if entry.dest_mode else 'p'}{entry.dest:x}"
    sources = "?" if entry.sources is None else ",".join(map(str, entry.sources))
    sending = Cell("D", "irq-pending") if entry.delivery_status else Cell(".", "muted")
    return line(
        Cell(f"{pin:>2} ", plain),
        Cell(f"{entry.vector:>3x} ", plain),
        Cell(f"{DELIVERY[entry.delivery_mode]:<6} ", plain),
        Cell(f"{dest:<3} ", plain),
        Cell(f"{entry.trigger:<5} ", plain),
        Cell(f"{'lo' if entry.polarity else 'hi'} ", plain),
        *flags(entry),
        sending,
        Cell(f" {sources}", "irq-asserted" if entry.sources else ""),
    )
