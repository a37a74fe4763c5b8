"""Tables of what userspace and the kernel made: descriptors, bindings, routes, contexts, reports.

Each function returns a header and one row a record. State is told by a word or a glyph, and the
style only repeats it.
"""

from __future__ import annotations

from kvmlab.render.cells import Cell, Part, Row, hidden, line, table
from kvmlab.snapshot import ContextSnapshot, IrqfdSnapshot, RouteSnapshot, Snapshot
from kvmlab.snapshot_devices import DeviceSnapshot

STATES = {
    "active": "ok",
    "shutting-down": "warning",
    "stopped": "error",
    "blocked": "warning",
    "standing": "cue",
}
"""The style of each word of state; a word without one is plain."""


COUNTERS = ("raised", "serviced", "wakeups", "spurious", "polls", "latency")
"""What is counted of a device, as its facts name it."""


def source_rows(snapshot: Snapshot) -> list[Row]:
    """Return the IRQ source IDs in use: owner, references, and the pins each one asserts."""
    if snapshot.sources is None:
        return hidden("sources")
    rows = [
        (
            str(s.id),
            s.owner,
            _number(s.gsi),
            str(s.refs),
            Cell(_list(s.pins), "irq-asserted" if s.pins else ""),
        )
        for s in snapshot.sources.sources
    ]
    return [
        *table(("id", "owner", "gsi", "refs", "asserts pins"), rows),
        line(f"used {_list(snapshot.sources.used)}; {len(snapshot.sources.free)} free"),
    ]


def eventfd_rows(snapshot: Snapshot) -> list[Row]:
    """Return the eventfds: descriptors, counter, flags, references and what hangs on each."""
    if snapshot.eventfds is None:
        return hidden("eventfds")
    rows: list[tuple[Part, ...]] = []
    for eventfd in snapshot.eventfds:
        fds = " ".join([f"{name}={fd}" for name, fd in eventfd.fds]) or "closed"
        ties = [*eventfd.waiters, *eventfd.listens, *[f"from {source}" for source in eventfd.signals]]
        count = Cell(str(eventfd.count), "irq-pending" if eventfd.count else "")
        rows.append(
            (eventfd.name, fds, count, eventfd.flags or "-", _number(eventfd.refs), "; ".join(ties) or "-")
        )
    return table(("eventfd", "fds", "count", "flags", "refs", "tied to"), rows)


def irqfd_rows(snapshot: Snapshot) -> list[Row]:
    """Return the irqfds: state, GSI, the source ID and key that a level irqfd has; then the resamplers."""
    if snapshot.irqfds is None:
        return hidden("irqfds")
    rows = [
        (
            irqfd.name,
            _state(irqfd.state),
            str(irqfd.gsi),
            "level" if irqfd.level else "edge",
            _number(irqfd.source),
            _number(irqfd.key),
            irqfd.other or "-",
        )
        for irqfd in snapshot.irqfds
    ]
    sharing: dict[str, list[IrqfdSnapshot]] = {}
    for irqfd in snapshot.irqfds:
        if irqfd.resampler:
            sharing.setdefault(irqfd.resampler, []).append(irqfd)
    shared = [
        line(f"{resampler} of gsi {irqfds[0].gsi}: {', '.join(irqfd.name for irqfd in irqfds)}")
        for resampler, irqfds in sharing.items()
    ]
    return [*table(("irqfd", "state", "gsi", "kind", "source", "key", "at EOI"), rows), *shared]


def eoifd_rows(snapshot: Snapshot) -> list[Row]:
    """Return the eoifds: state and what each is bound to; then those whose event waits."""
    if snapshot.eoifds is None:
        return hidden("eoifds")
    rows = [
        (
            eoifd.name,
            _state(eoifd.state),
            _number(eoifd.gsi),
            "level" if eoifd.level else "edge",
            _number(eoifd.source),
            _number(eoifd.key),
        )
        for eoifd in snapshot.eoifds
    ]
    waiting = [
        line(f"{eoifd.name}: its event waits for the unmask") for eoifd in snapshot.eoifds if eoifd.waits
    ]
    return [*table(("eoifd", "state", "gsi", "kind", "source", "key"), rows), *waiting]


def ioeventfd_rows(snapshot: Snapshot) -> list[Row]:
    """Return the ioeventfds: the bus, address, length and value each one waits for."""
    if snapshot.ioeventfds is None:
        return hidden("ioeventfds")
    rows = [
        (
            ioeventfd.name,
            _state(ioeventfd.state),
            "pio" if ioeventfd.pio else "mmio",
            f"0x{ioeventfd.addr:x}",
            str(ioeventfd.length),
            "any" if ioeventfd.datamatch is None else f"0x{ioeventfd.datamatch:x}",
        )
        for ioeventfd in snapshot.ioeventfds
    ]
    return table(("ioeventfd", "state", "bus", "address", "length", "value"), rows)


def route_rows(snapshot: Snapshot) -> list[Row]:
    """Return the GSI routing table."""
    if snapshot.routes is None:
        return hidden("routes")
    return table(("gsi", "to", "where"), [(str(r.gsi), r.kind, _where(r)) for r in snapshot.routes])


def context_rows(snapshot: Snapshot) -> list[Row]:
    """Return every context with its next op and what blocks it, then what waits in the queues."""
    if snapshot.contexts is None:
        return hidden("contexts")
    rows = [
        (
            f"{c.name} ({c.alias})" if c.alias else c.name,
            _state(c.state),
            c.path or "-",
            _list(c.holds),
            _next(c),
        )
        for c in snapshot.contexts
    ]
    queues = [
        line(
            f"{queue.name}: ",
            Cell("; ".join([*([f"runs {queue.running}"] * bool(queue.running)), *queue.items])),
        )
        for queue in snapshot.workqueues or ()
        if queue.items or queue.running
    ]
    return [*table(("context", "state", "in", "holds", "next"), rows), *queues]


def device_rows(snapshot: Snapshot) -> list[Row]:
    """Return the scripted devices with their counters.

    A asserts its line, M is masked by VFIO, S is served by the VMM and not in the kernel's hands. The
    headings are short: all of them fit beside another pane.
    """
    if snapshot.devices is None:
        return hidden("devices")
    rows: list[tuple[Part, ...]] = [
        (
            device.name,
            device.kind,
            str(device.gsi),
            _line(device),
            *[str(getattr(device, name)) for name in COUNTERS],
        )
        for device in snapshot.devices
    ]
    counted = ["lat." if name == "latency" else name for name in COUNTERS]
    return table(("name", "kind", "gsi", "AMS", *counted), rows)


def _line(device: DeviceSnapshot) -> Cell:
    slow = device.kind == "vfio" and not device.accelerated
    states = (device.asserted, device.masked, slow)
    glyphs = "".join([glyph if state else "." for glyph, state in zip("AMS", states, strict=True)])
    return Cell(glyphs, "irq-asserted" if device.asserted else "")


def report_rows(snapshot: Snapshot) -> list[Row]:
    """Return what the model kernel's debugging reported, oldest first."""
    if snapshot.reports is None:
        return hidden("reports")
    rows = [(Cell(report.kind, "error"), report.context, report.text) for report in snapshot.reports]
    return table(("report", "context", "what happened"), rows)


def _state(word: str) -> Cell:
    return Cell(word, STATES.get(word, ""))


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _list(values: tuple[object, ...]) -> str:
    return ",".join(map(str, values)) or "-"


def _where(route: RouteSnapshot) -> str:
    if route.kind == "msi":
        return f"address 0x{route.address or 0:x} data 0x{route.data or 0:x}"
    return f"pin {route.pin}"


def _next(context: ContextSnapshot) -> Cell:
    if context.blocked:
        return Cell(f"{context.next_op or '-'}: {context.blocked}", "warning")
    return Cell(context.next_op or "-")
