"""Every pane by its name: the registry that ``info``, the screen and reports read.

A pane is a function from a snapshot to rows. The chips' panes have files of their own; the
tables of what userspace and the kernel made are in tables.py.
"""

from __future__ import annotations

from collections.abc import Callable

from kvmlab.render import tables
from kvmlab.render.cells import Row
from kvmlab.render.ioapic import ioapic_rows
from kvmlab.render.irq import irq_rows
from kvmlab.render.lapic import lapic_rows
from kvmlab.render.pic import pic_rows
from kvmlab.snapshot import Snapshot

PANES: dict[str, Callable[[Snapshot], list[Row]]] = {
    "ioapic": ioapic_rows,
    "lapic": lapic_rows,
    "pic": pic_rows,
    "irq": irq_rows,
    "sources": tables.source_rows,
    "eventfds": tables.eventfd_rows,
    "irqfds": tables.irqfd_rows,
    "eoifds": tables.eoifd_rows,
    "ioeventfds": tables.ioeventfd_rows,
    "routes": tables.route_rows,
    "contexts": tables.context_rows,
    "devices": tables.device_rows,
    "reports": tables.report_rows,
}
"""Name of each pane, as ``info`` takes it, and what draws it; a table's header row is included."""
