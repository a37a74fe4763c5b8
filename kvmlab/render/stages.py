"""The stages of the path of one GSI, from device to eoifd, read from a snapshot.

Each stage says its state, and why an interrupt stands there if one does. The order is the path's:
device → eventfd → irqfd → source → route → IOAPIC → IRR → ISR → EOI → ack → eoifd → eventfd. A
part that the snapshot hides is said to be so. How the stages are drawn is in overview.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from kvmlab.render.cells import Cell, Part
from kvmlab.render.ioapic import DELIVERY, flags
from kvmlab.render.pending import held_back
from kvmlab.render.tables import STATES
from kvmlab.snapshot import (
    EventfdSnapshot,
    IrqfdSnapshot,
    LapicSnapshot,
    PicSnapshot,
    RedirectionEntry,
    RouteSnapshot,
    Snapshot,
)


class Item(NamedTuple):
    """One line of a stage: its cells, and why an interrupt stands there ("" if none does)."""

    parts: tuple[Part, ...]
    here: str = ""


class Stage(NamedTuple):
    """One stage of the path: its name, and its items, of which there is at least one."""

    name: str
    items: tuple[Item, ...]

    @property
    def here(self) -> str:
        """Why an interrupt stands at this stage, "" if none does."""
        return next((item.here for item in self.items if item.here), "")


class Trail(NamedTuple):
    """One GSI in one snapshot, with what its routes lead to."""

    snapshot: Snapshot
    gsi: int
    routes: tuple[RouteSnapshot, ...]
    irqfds: tuple[IrqfdSnapshot, ...]

    @property
    def pins(self) -> tuple[tuple[int, RedirectionEntry], ...]:
        """The IOAPIC pins that the GSI drives, with their entries; none where they are hidden."""
        ioapic = self.snapshot.ioapic
        numbers = [r.pin for r in self.routes if r.kind == "ioapic" and r.pin is not None]
        return tuple([(n, ioapic.pins[n]) for n in numbers if n < len(ioapic.pins)]) if ioapic else ()

    @property
    def vectors(self) -> tuple[int, ...]:
        """The vectors that the GSI can raise in a LAPIC, ascending."""
        messages = [(r.data or 0) & 0xFF for r in self.routes if r.kind == "msi"]
        return tuple(sorted({*messages, *[entry.vector for _pin, entry in self.pins]}))

    def holding(self, register: str) -> list[tuple[LapicSnapshot, int]]:
        """Return who holds one of the vectors in ``irr`` or ``isr``: (LAPIC, vector)."""
        lapics = self.snapshot.lapics or ()
        return [(chip, v) for chip in lapics for v in self.vectors if v in getattr(chip, register)]


def trail_of(snapshot: Snapshot, gsi: int) -> Trail:
    """Return a GSI with what it leads to; hidden routes are taken to be KVM's default ones."""
    routes = tuple([route for route in snapshot.routes or () if route.gsi == gsi])
    if snapshot.routes is None:
        routes = (RouteSnapshot(gsi, "ioapic", gsi),)
    return Trail(snapshot, gsi, routes, tuple([i for i in snapshot.irqfds or () if i.gsi == gsi]))


def stages(snapshot: Snapshot, gsi: int) -> list[Stage]:
    """Return the stages of a GSI's path, in its order; a GSI that nothing knows has them too."""
    trail = trail_of(snapshot, gsi)
    return [Stage(name, tuple(read(trail)) or (NOTHING,)) for name, read in STAGES]


NOTHING = Item((Cell("-", "muted"),))
"""What a stage has that nothing is at."""


def _devices(trail: Trail) -> Iterator[Item]:
    for device in trail.snapshot.devices or ():
        if device.gsi == trail.gsi:
            level = Cell("A asserted", "irq-asserted") if device.asserted else Cell(". idle", "muted")
            masked = "  M masked by VFIO" if device.masked else ""
            yield Item((f"{device.name} ({device.kind})  ", level, f"  raised {device.raised}{masked}"))


def _triggers(trail: Trail) -> Iterator[Item]:
    for irqfd in trail.irqfds:
        yield Item(_counter(trail.snapshot, irqfd.name))


def _irqfds(trail: Trail) -> Iterator[Item]:
    for irqfd in trail.irqfds:
        kind = "level" if irqfd.level else "edge"
        state = Cell(irqfd.state, STATES.get(irqfd.state, ""))
        key = "" if irqfd.key is None else f"  key {irqfd.key}"
        yield Item((f"{irqfd.name or irqfd.handle}  ", state, f"  {kind}{key}"), _work(trail, irqfd.handle))


def _sources(trail: Trail) -> Iterator[Item]:
    sources = trail.snapshot.sources.sources if trail.snapshot.sources else ()
    pins = {pin for pin, _entry in trail.pins}
    for source in sources:
        asserted = pins & set(source.pins)
        if source.gsi == trail.gsi or asserted:
            state = Cell("A asserts", "irq-asserted") if asserted else Cell(". idle", "muted")
            refs = f"  refs {source.refs}" if source.refs else ""
            yield Item((f"{source.id} {source.owner}  ", state, refs))


def _routes(trail: Trail) -> Iterator[Item]:
    texts = {
        "ioapic": "IOAPIC pin {0.pin}",
        "pic": "8259 pin {0.pin}",
        "msi": "MSI to 0x{0.address:x} data 0x{0.data:x}",
    }
    if trail.routes:
        yield Item((", ".join([texts[route.kind].format(route) for route in trail.routes]),))
    else:
        yield Item((Cell("no route: what is signalled goes nowhere", "warning"),))


def _chips(trail: Trail) -> Iterator[Item]:
    for pin, entry in trail.pins:
        mode = "" if entry.delivery_mode == 0 else f" {DELIVERY[entry.delivery_mode]}"
        text = f"  0x{entry.vector:02x} {entry.trigger}{mode} dest {entry.dest}"
        yield Item((f"pin {pin}  ", *flags(entry), text), _at_pin(trail, entry))
    for route in trail.routes:
        if route.kind == "pic" and route.pin is not None and trail.snapshot.pic is not None:
            yield from _at_8259(trail.snapshot.pic, route.pin)
        if route.kind == "msi":
            yield Item((f"none: the message carries vector 0x{(route.data or 0) & 0xFF:02x}",))


def _at_pin(trail: Trail, entry: RedirectionEntry) -> str:
    """Say why an interrupt stands at an IOAPIC pin and goes no further; "" if none does."""
    if entry.remote_irr:
        owed = trail.holding("irr") or trail.holding("isr")
        return "" if owed else "remote IRR waits for an EOI that no LAPIC owes"
    # An edge is delivered or lost when it comes: a line that stays high is then no interrupt.
    if not entry.delivery_status and (entry.trigger == "edge" or not entry.irr):
        return ""
    return "held: the pin is masked" if entry.mask else "held: no LAPIC has accepted it"


def _at_8259(pic: PicSnapshot, pin: int) -> Iterator[Item]:
    """Yield an 8259's pin; one that is masked and not in service takes no part in the path."""
    chip, bit = (pic.slave if pin >= 8 else pic.master), 1 << (pin & 7)
    if chip.imr & bit and not chip.isr & bit:
        return
    states = (
        (chip.irr, "I", "irq-pending"),
        (chip.imr, "M", "irq-masked"),
        (chip.isr, "S", "irq-in-service"),
    )
    glyphs = [Cell(glyph, style) if value & bit else Cell(".", "muted") for value, glyph, style in states]
    in_service = "in service at the 8259" if chip.isr & bit else ""
    pending = "waits for the acknowledge cycle" if chip.irr & bit else ""
    yield Item((f"8259 pin {pin}  ", *glyphs), in_service or pending)


def _pending(trail: Trail) -> Iterator[Item]:
    for lapic, vector in trail.holding("irr"):
        why = held_back(trail.snapshot, lapic, vector)
        kind = "level" if vector in lapic.tmr else "edge"
        text = Cell(f"0x{vector:02x} pending ({kind})", "irq-pending")
        yield Item((f"vcpu{lapic.vcpu}  ", text), f"waits: {why}" if why else "taken next")


def _in_service(trail: Trail) -> Iterator[Item]:
    for lapic, vector in trail.holding("isr"):
        above = max(lapic.isr)
        why = "its EOI is awaited" if above == vector else f"below 0x{above:02x}, which is ended first"
        yield Item((f"vcpu{lapic.vcpu}  ", Cell(f"0x{vector:02x} in service", "irq-in-service")), why)


def _eoi(trail: Trail) -> Iterator[Item]:
    for pin, entry in trail.pins:
        if entry.trigger == "edge":
            yield Item((Cell(f"pin {pin} is edge-triggered: no remote IRR", "muted"),))
        elif entry.remote_irr:
            yield Item((f"pin {pin}  ", Cell("R remote IRR set", "irq-remote-irr")))
        else:
            yield Item((f"pin {pin}  ", Cell(". remote IRR clear", "muted")))


def _acked(trail: Trail) -> Iterator[Item]:
    counters = trail.snapshot.counters
    if counters is not None and trail.snapshot.irqchip == "split":
        told = dict(counters.eoi_exits)
        yield Item((f"EOI handed to userspace {sum(told.get(v, 0) for v in trail.vectors)} times",))
    elif counters is not None and counters.acked is not None:
        yield Item((f"acknowledged {dict(counters.acked).get(trail.gsi, 0)} times",))


def _eoifds(trail: Trail) -> Iterator[Item]:
    eoifds = [eoifd for eoifd in trail.snapshot.eoifds or () if eoifd.gsi == trail.gsi]
    for eoifd in eoifds:
        state = Cell(eoifd.state, STATES.get(eoifd.state, ""))
        key = "" if eoifd.key is None else f"  key {eoifd.key}"
        yield Item((f"{eoifd.name or eoifd.handle}  ", state, key), _work(trail, eoifd.handle))
    named = {eoifd.name for eoifd in eoifds}
    for irqfd in trail.irqfds:
        if irqfd.other and irqfd.other not in named:
            yield Item((f"of irqfd {irqfd.name}",))


def _answers(trail: Trail) -> Iterator[Item]:
    for name in answer_names(trail.snapshot, trail.gsi):
        eventfd = find_eventfd(trail.snapshot, name)
        yield Item(_counter(trail.snapshot, name), _unread(eventfd))


def _unread(eventfd: EventfdSnapshot | None) -> str:
    """Say that userspace has still to read an eventfd; VFIO is woken by its own and reads no counter."""
    if eventfd is None or not eventfd.count or any("virqfd_" in waiter for waiter in eventfd.waiters):
        return ""
    return "userspace has not read it yet"


STAGES: tuple[tuple[str, Callable[[Trail], Iterator[Item]]], ...] = (
    ("device", _devices),
    ("eventfd", _triggers),
    ("irqfd", _irqfds),
    ("source", _sources),
    ("route", _routes),
    ("IOAPIC", _chips),
    ("IRR", _pending),
    ("ISR", _in_service),
    ("EOI", _eoi),
    ("ack", _acked),
    ("eoifd", _eoifds),
    ("eventfd", _answers),
)
"""The name of each stage, and what reads its items."""


def trigger_names(snapshot: Snapshot, gsi: int) -> list[str]:
    """Return the names of the eventfds that raise a GSI through an irqfd, each once."""
    return list(dict.fromkeys([irqfd.name for irqfd in snapshot.irqfds or () if irqfd.gsi == gsi]))


def answer_names(snapshot: Snapshot, gsi: int) -> list[str]:
    """Return the names of the eventfds that a GSI's EOI signals, each once."""
    bound = [eoifd.name for eoifd in snapshot.eoifds or () if eoifd.gsi == gsi]
    others = [irqfd.other for irqfd in snapshot.irqfds or () if irqfd.gsi == gsi and irqfd.other]
    return list(dict.fromkeys([*bound, *others]))


def find_eventfd(snapshot: Snapshot, name: str) -> EventfdSnapshot | None:
    """Return the latest eventfd that has a name, or had it; None if there is none to be seen."""
    found = [e for e in snapshot.eventfds or () if name and (e.name == name or name in dict(e.fds))]
    return found[-1] if found else None


def _counter(snapshot: Snapshot, name: str) -> tuple[Part, ...]:
    eventfd = find_eventfd(snapshot, name)
    if eventfd is None:
        return (f"{name or '-'}  ", Cell("not to be seen", "muted"))
    closed = "" if eventfd.fds else "  closed"
    return (f"{name}  count ", Cell(str(eventfd.count), "irq-pending" if eventfd.count else ""), closed)


def _work(trail: Trail, handle: str) -> str:
    """Say what work on an irqfd or eoifd is queued or runs; "" if none."""
    for queue in trail.snapshot.workqueues or ():
        if f"({handle})" in queue.running:
            return f"{queue.name} runs {queue.running}"
        for item in queue.items:
            if f"({handle})" in item:
                return f"{item} waits for {queue.name}"
    return ""
