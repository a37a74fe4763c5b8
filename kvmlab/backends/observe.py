"""A model machine as a Snapshot: reads the engine's objects, changes nothing."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

from kvmlab.backends.bits import bits
from kvmlab.backends.chips import ioapic_snapshot, lapic_snapshot, pic_snapshot
from kvmlab.backends.devices import devices
from kvmlab.backends.eventfds import Eventfds
from kvmlab.backends.parts import Part, Parts, Values
from kvmlab.backends.routes import route_snapshots
from kvmlab.engine.abi import (
    BITS_PER_LONG,
    KVM_USERSPACE_IRQ_SOURCE_ID,
)
from kvmlab.engine.chips.ioapic import IOAPIC
from kvmlab.engine.chips.irq_source import IRQ_SOURCES, IRQSOURCES
from kvmlab.engine.chips.pic import PIC
from kvmlab.engine.chips.routing import ROUTING
from kvmlab.engine.fds.files import FDS
from kvmlab.engine.fds.ioeventfd import IOEVENTFDS
from kvmlab.engine.fds.irqfd import IRQFDS
from kvmlab.engine.kernel.continuation import Context
from kvmlab.engine.kernel.locks import LOCKS
from kvmlab.engine.kernel.path import describe
from kvmlab.engine.kernel.workqueue import QUEUES
from kvmlab.engine.machine import Machine
from kvmlab.engine.world.userspace import USERSPACE
from kvmlab.engine.world.vcpu import GUEST, vcpu
from kvmlab.engine.world.vm import VM
from kvmlab.snapshot import (
    ContextSnapshot,
    EoifdSnapshot,
    EventfdSnapshot,
    IoapicSnapshot,
    IoeventfdSnapshot,
    IrqfdSnapshot,
    LapicSnapshot,
    LastSnapshot,
    PicSnapshot,
    ReportSnapshot,
    RouteSnapshot,
    Snapshot,
    SourceSnapshot,
    SourcesSnapshot,
    VcpuSnapshot,
    WorkqueueSnapshot,
)
from kvmlab.snapshot_counters import CountersSnapshot


def observe(machine: Machine, last: LastSnapshot | None = None, parts: Parts | None = None) -> Snapshot:
    """Return everything that can be seen of a model machine; ``parts`` are those of its last picture."""
    view, part = _View(machine), (parts or Parts()).part
    profile, objects, chip = machine.profile, machine.memory.objects, machine.profile.in_kernel
    bound, ioapic = view.values(*view.bound), view.values(IOAPIC)
    eventfds, irqfds, eoifds, ioeventfds = part("descriptors", bound, view.descriptors)
    return Snapshot(
        kernel=profile.kernel,
        api=profile.api,
        mode="manual" if machine.contexts.manual else "auto",
        irqchip=profile.irqchip,
        ioapic=part("ioapic", ioapic, view.ioapic) if chip("ioapic") else None,
        lapics=view.lapics(part) if chip("lapic") else None,
        vcpus=view.vcpus(),
        pic=part("pic", view.values(PIC), view.pic) if chip("pic") else None,
        routes=part("routes", view.values(ROUTING, objects[ROUTING].table), view.routes),
        sources=part("sources", ioapic | bound, view.sources),
        eventfds=eventfds,
        irqfds=irqfds,
        eoifds=eoifds,
        ioeventfds=ioeventfds,
        keys=tuple(objects[USERSPACE].keys.items()),
        devices=devices(machine),
        contexts=tuple(view.context(context) for context in machine.contexts.all()),
        workqueues=view.workqueues(),
        counters=view.counters(),
        reports=tuple(ReportSnapshot(r.kind, r.context, r.text) for r in machine.memory.reports.made),
        log=machine.memory.reports.log,
        last=last,
    )


Descriptors = tuple[
    tuple[EventfdSnapshot, ...],
    tuple[IrqfdSnapshot, ...],
    tuple[EoifdSnapshot, ...],
    tuple[IoeventfdSnapshot, ...],
]
"""What descriptors there are, and what is bound to them."""

BOOKS = (USERSPACE, FDS, VM, IRQFDS, IOEVENTFDS, IRQ_SOURCES, IRQSOURCES)
"""Objects that are not allocated and tell of descriptors and sources."""


class _View:
    """The parts of one snapshot, read from one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.objects: dict[str, Any] = dict(machine.memory.objects)
        self.added = machine.profile.proposal

    def values(self, *handles: str) -> Values:
        """Return the values of those of some objects that are there, by their handles."""
        objects = self.objects
        return {handle: objects[handle].freeze() for handle in handles if handle in objects}

    @property
    def bound(self) -> list[str]:
        """What tells of descriptors, of what is bound to them and of sources."""
        return [*BOOKS, *self.added.objects, *[handle for handle in self.objects if "#" in handle]]

    @cached_property
    def fds(self) -> Eventfds:
        """The descriptors and names of each eventfd."""
        # By kind, in the order of the numbers: looking for each kind anew would be half of the work.
        kinds: dict[str, list[tuple[str, Any]]] = {}
        allocated = [handle.partition("#") for handle in self.objects if "#" in handle]
        for kind, mark, number in sorted(allocated, key=lambda parts: int(parts[2])):
            handle = kind + mark + number
            kinds.setdefault(kind, []).append((handle, self.objects[handle]))
        return Eventfds(self.objects, kinds, self.added)

    def _state(self, listed: str, handle: str) -> str:
        return "active" if handle in self.objects[listed].items else "shutting-down"

    # -- chips ------------------------------------------------------------------------------

    def ioapic(self) -> IoapicSnapshot:
        return ioapic_snapshot(self.machine.ioapic)

    def lapics(self, part: Part) -> tuple[LapicSnapshot, ...]:
        return tuple(
            part(chip.handle, self.values(chip.handle), partial(lapic_snapshot, number, chip))
            for number, chip in enumerate(self.machine.lapics)
        )

    def pic(self) -> PicSnapshot:
        return pic_snapshot(self.machine.pic)

    def vcpus(self) -> tuple[VcpuSnapshot, ...]:
        return tuple(
            VcpuSnapshot(
                number,
                self.objects[vcpu(number)].if_,
                tuple((vector, text) for vector, text, _calls in self.objects[vcpu(number)].handlers),
                self.context(self.machine.contexts.get(vcpu(number))).path,
            )
            for number in range(self.machine.profile.vcpus)
        )

    def routes(self) -> tuple[RouteSnapshot, ...]:
        table = self.objects.get(self.objects[ROUTING].table)
        entries = table.entries if table is not None else ()
        return route_snapshots(entries)

    # -- source ids -------------------------------------------------------------------------

    def sources(self) -> SourcesSnapshot:
        used = bits(self.objects[IRQ_SOURCES].bitmap)
        by_id = {self.objects[h].id: h for h in self.objects[IRQSOURCES].items if h in self.objects}
        free = tuple(number for number in range(BITS_PER_LONG) if number not in used)
        return SourcesSnapshot(tuple(self._source(n, by_id.get(n, "")) for n in used), used, free)

    def _source(self, number: int, handle: str) -> SourceSnapshot:
        states = self.machine.ioapic.irq_states if self.machine.profile.in_kernel("ioapic") else ()
        pins = tuple(pin for pin, state in enumerate(states) if state >> number & 1)
        if not handle:
            return SourceSnapshot(number, self._owner(number), 0, pins)
        source = self.objects[handle]
        return SourceSnapshot(number, ", ".join(self.holders.get(handle, ())), source.refs, pins, source.gsi)

    @cached_property
    def holders(self) -> dict[str, list[str]]:
        """Who holds each source: its irqfds, then its eoifds."""
        found: dict[str, list[str]] = {}
        for kind, name, handle, bound in (
            *self._named("irqfd", self.fds.alive("irqfd")),
            *self._named("eoifd", self.fds.alive("eoifd")),
        ):
            found.setdefault(bound.source, []).append(f"{kind} {name or handle}")
        return found

    def _owner(self, number: int) -> str:
        """Return who has a source id that is no object: reserved, the PIT's, or an irqfd's."""
        if number == KVM_USERSPACE_IRQ_SOURCE_ID:
            return "userspace"
        if self.objects[VM].pit_source == number:
            return "pit"
        if self.added.reserved_sources >> number & 1:
            return "resamplers"
        named = self._named("irqfd", self.fds.alive("irqfd"))
        return ", ".join(f"irqfd {name or h}" for _kind, name, h, o in named if o.irq_source_id == number)

    def _named(self, kind: str, found: list[tuple[str, Any]]) -> list[tuple[str, str, str, Any]]:
        return [(kind, self.fds.assigned(kind, handle), handle, obj) for handle, obj in found]

    # -- descriptors ------------------------------------------------------------------------

    def descriptors(self) -> Descriptors:
        return self.fds.snapshots(), self.irqfds(), self.eoifds(), self.ioeventfds()

    def irqfds(self) -> tuple[IrqfdSnapshot, ...]:
        return tuple(
            IrqfdSnapshot(
                handle=handle,
                name=self.fds.assigned("irqfd", handle),
                state=self._state(IRQFDS, handle),
                gsi=irqfd.gsi,
                level=irqfd.level,
                source=irqfd.irq_source_id if irqfd.level else None,
                key=irqfd.irq_source_id if irqfd.level and self.added.keys else None,
                other=self.fds.name_of(irqfd.second) or self.fds.eoi_eventfd(irqfd.source),
                resampler=irqfd.source if irqfd.second else "",
            )
            for handle, irqfd in self.fds.alive("irqfd")
        )

    def eoifds(self) -> tuple[EoifdSnapshot, ...]:
        return tuple(
            EoifdSnapshot(
                handle=handle,
                name=self.fds.assigned("eoifd", handle),
                state=self._state(self.added.eoifds + "s", handle),
                gsi=self.fds.gsi_of(eoifd),
                level=bool(eoifd.source),
                source=self.fds.id_of(eoifd.source),
                key=self.fds.id_of(eoifd.source) if self.added.keys else None,
                waits=getattr(eoifd, "waits", False),
            )
            for handle, eoifd in self.fds.alive("eoifd")
        )

    def ioeventfds(self) -> tuple[IoeventfdSnapshot, ...]:
        return tuple(
            IoeventfdSnapshot(
                handle=handle,
                name=self.fds.assigned("ioeventfd", handle),
                state=self._state(IOEVENTFDS, handle),
                addr=obj.addr,
                length=obj.length,
                pio=obj.pio == 1,
                datamatch=obj.datamatch,
            )
            for handle, obj in self.fds.alive("ioeventfd")
        )

    # -- who runs -----------------------------------------------------------------------------

    def context(self, context: Context) -> ContextSnapshot:
        contexts = self.machine.contexts
        op = contexts.next_op(context.name)
        why = contexts.blocked(context.name)
        waiting = bool(context.calls) and not context.started
        state = next(
            (
                word
                for word, true in (
                    ("stopped", context.stopped),
                    ("not started", waiting and context.at is None),
                    ("blocked", why),
                    ("standing", context.at or context.calls or op),
                )
                if true
            ),
            "idle",
        )
        return ContextSnapshot(
            name=context.name,
            state=state,
            path=context.at.path if context.at else "",
            next_op=describe(op) if op else "",
            blocked=why[0] if why else "",
            holds=self.objects[LOCKS].held_by(context.name),
            alias=next((alias for alias, name in contexts.aliases.items() if name == context.name), ""),
        )

    def workqueues(self) -> tuple[WorkqueueSnapshot, ...]:
        return tuple(
            WorkqueueSnapshot(
                worker,
                tuple(f"{function}({subject})" for function, subject in self.objects[queue].items),
                "{}({})".format(*self.objects[queue].running) if self.objects[queue].running else "",
            )
            for worker, queue in QUEUES.items()
            if self.machine.contexts.knows(worker)
        )

    def counters(self) -> CountersSnapshot:
        return CountersSnapshot(
            taken=self.objects[GUEST].counts,
            acked=tuple(sorted(dict(self.objects[ROUTING].acked).items())),
            trace=tuple(sorted(self.machine.trace.counts().items())),
            eoi_exits=self.objects[USERSPACE].eoi_exits,
        )
