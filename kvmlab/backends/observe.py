"""A model machine as a Snapshot: reads the engine's objects, changes nothing."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from kvmlab.backends.bits import bits
from kvmlab.backends.devices import devices
from kvmlab.backends.routes import route_snapshots
from kvmlab.engine.abi import (
    BITS_PER_LONG,
    KVM_USERSPACE_IRQ_SOURCE_ID,
)
from kvmlab.engine.chips.irq_source import IRQ_SOURCES, IRQSOURCES
from kvmlab.engine.chips.routing import ROUTING
from kvmlab.engine.fds.eventfd import Eventfd
from kvmlab.engine.fds.files import FDS, File
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
    PicChipSnapshot,
    PicSnapshot,
    RedirectionEntry,
    ReportSnapshot,
    RouteSnapshot,
    Snapshot,
    SourceSnapshot,
    SourcesSnapshot,
    VcpuSnapshot,
    WorkqueueSnapshot,
)
from kvmlab.snapshot_counters import CountersSnapshot


def observe(machine: Machine, last: LastSnapshot | None = None) -> Snapshot:
    """Return everything that can be seen of a model machine."""
    view = _View(machine)
    profile = machine.profile
    return Snapshot(
        kernel=profile.kernel,
        api=profile.api,
        mode="manual" if machine.contexts.manual else "auto",
        irqchip=profile.irqchip,
        ioapic=view.ioapic() if profile.in_kernel("ioapic") else None,
        lapics=view.lapics() if profile.in_kernel("lapic") else None,
        vcpus=view.vcpus(),
        pic=view.pic() if profile.in_kernel("pic") else None,
        routes=view.routes(),
        sources=view.sources(),
        eventfds=view.eventfds(),
        irqfds=view.irqfds(),
        eoifds=view.eoifds(),
        ioeventfds=view.ioeventfds(),
        keys=tuple(view.user.keys.items()),
        devices=devices(machine),
        contexts=tuple(view.context(context) for context in machine.contexts.all()),
        workqueues=view.workqueues(),
        counters=view.counters(),
        reports=tuple(ReportSnapshot(r.kind, r.context, r.text) for r in machine.memory.reports.made),
        log=machine.memory.reports.log,
        last=last,
    )


class _View:
    """The parts of one snapshot, read from one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.objects: dict[str, Any] = dict(machine.memory.objects)
        self.user = self.objects[USERSPACE]
        # By kind, in the order of the numbers: looking for each kind anew would be half of the work.
        self.kinds: dict[str, list[tuple[str, Any]]] = {}
        allocated = [handle.partition("#") for handle in self.objects if "#" in handle]
        for kind, mark, number in sorted(allocated, key=lambda parts: int(parts[2])):
            handle = kind + mark + number
            self.kinds.setdefault(kind, []).append((handle, self.objects[handle]))
        self.added = machine.profile.proposal
        self.eoi_kind = self.added.eoifds

    def _alive(self, kind: str) -> list[tuple[str, Any]]:
        return self.kinds.get(kind, [])

    def _eoifds(self) -> list[tuple[str, Any]]:
        return self._alive(self.eoi_kind) if self.eoi_kind else []

    def _state(self, listed: str, handle: str) -> str:
        return "active" if handle in self.objects[listed].items else "shutting-down"

    def _id_of(self, source: str) -> int | None:
        found = self.objects.get(source)
        return None if found is None else int(found.id)

    # -- chips ------------------------------------------------------------------------------

    def ioapic(self) -> IoapicSnapshot:
        chip = self.machine.ioapic
        pins = tuple(
            RedirectionEntry(value, chip.shown_irr >> pin & 1, bits(chip.irq_states[pin]))
            for pin, value in enumerate(chip.redirtbl)
        )
        return IoapicSnapshot(chip.id, chip.ioregsel, chip.shown_irr, pins)

    def lapics(self) -> tuple[LapicSnapshot, ...]:
        return tuple(
            LapicSnapshot(
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
            for number, chip in enumerate(self.machine.lapics)
        )

    def pic(self) -> PicSnapshot:
        pair = self.machine.pic
        names = PicChipSnapshot.__dataclass_fields__
        master, slave = (
            PicChipSnapshot(**{name: getattr(chip, name) for name in names})
            for chip in (pair.master, pair.slave)
        )
        return PicSnapshot(master, slave, pair.output)

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
            *self._named("irqfd", self._alive("irqfd")),
            *self._named("eoifd", self._eoifds()),
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
        named = self._named("irqfd", self._alive("irqfd"))
        return ", ".join(f"irqfd {name or h}" for _kind, name, h, o in named if o.irq_source_id == number)

    def _named(self, kind: str, found: list[tuple[str, Any]]) -> list[tuple[str, str, str, Any]]:
        return [(kind, self._assigned(kind, handle), handle, obj) for handle, obj in found]

    # -- descriptors ------------------------------------------------------------------------

    def _assigned(self, kind: str, handle: str) -> str:
        """Return the name under which an irqfd, eoifd or ioeventfd was assigned, or ""."""
        return self.names[kind].get(handle, "")

    @cached_property
    def names(self) -> dict[str, dict[str, str]]:
        """By kind, under which name each was assigned: the oldest of several."""
        tables = {"irqfd": self.user.irqfds, "eoifd": self.user.eoifds, "ioeventfd": self.user.ioeventfds}
        return {
            kind: {handle: name for name, handle in reversed(table.items())} for kind, table in tables.items()
        }

    def eventfds(self) -> tuple[EventfdSnapshot, ...]:
        return tuple(self._eventfd(handle, ctx) for handle, ctx in self._alive("eventfd"))

    def _eventfd(self, handle: str, ctx: Eventfd) -> EventfdSnapshot:
        files = {h: f for h, f in self._alive("file") if f.ctx == handle}
        numbers = [fd for fd, file in self.objects[FDS].table if file in files]
        names = {fd: (self.user.names_of(fd) or [""])[0] for fd in numbers}
        file: File | None = next(iter(files.values()), None)
        flags = ["semaphore"] if ctx.semaphore else []
        flags += ["blocking"] if file is not None and not file.nonblock else []
        return EventfdSnapshot(
            name=self._created_as(handle, list(names.values())),
            handle=handle,
            fds=tuple((names[fd], fd) for fd in numbers),
            count=ctx.count,
            flags=" ".join(flags),
            waiters=tuple(f"{function}({subject})" for function, subject in ctx.waiters),
            listens=tuple(self._users(handle, ("irqfd",))),
            signals=(*self._users(handle, ("eoifd", "ioeventfd")), *self._told_by(handle)),
            refs=ctx.refs,
        )

    def _created_as(self, handle: str, names: list[str]) -> str:
        """Return the oldest name of an eventfd; one that is closed is known by what is bound to it."""
        bound = self.bound.get(handle, ())
        candidates = {*names, *[self._assigned(kind, each) for kind, each, _obj in bound]}
        return next((name for name in self.user.fds if name in candidates), "")

    def _users(self, eventfd: str, kinds: tuple[str, ...]) -> list[str]:
        return [
            f"{kind} {self._where(kind, obj)}"
            for kind, _handle, obj in self.bound.get(eventfd, ())
            if kind in kinds
        ]

    @cached_property
    def bound(self) -> dict[str, list[tuple[str, str, Any]]]:
        """By eventfd, what is bound to it: kind, handle and object, the kinds in their order."""
        found: dict[str, list[tuple[str, str, Any]]] = {}
        for kind, alive in (
            ("irqfd", self._alive("irqfd")),
            ("eoifd", self._eoifds()),
            ("ioeventfd", self._alive("ioeventfd")),
        ):
            for handle, obj in alive:
                found.setdefault(obj.eventfd, []).append((kind, handle, obj))
        return found

    def _told_by(self, eventfd: str) -> list[str]:
        """Return the irqfds whose acknowledgement signals an eventfd."""
        return [
            f"irqfd gsi {irqfd.gsi}" for _handle, irqfd in self._alive("irqfd") if irqfd.second == eventfd
        ]

    def _where(self, kind: str, obj: Any) -> str:
        if kind == "irqfd":
            return f"gsi {obj.gsi}"
        if kind == "eoifd":
            return f"key {self._id_of(obj.source)}" if self.added.keys else f"gsi {self._gsi_of(obj)}"
        return f"{'pio' if obj.pio else 'mmio'} {obj.addr:#x}"

    def irqfds(self) -> tuple[IrqfdSnapshot, ...]:
        return tuple(
            IrqfdSnapshot(
                handle=handle,
                name=self._assigned("irqfd", handle),
                state=self._state(IRQFDS, handle),
                gsi=irqfd.gsi,
                level=irqfd.level,
                source=irqfd.irq_source_id if irqfd.level else None,
                key=irqfd.irq_source_id if irqfd.level and self.added.keys else None,
                other=self._name_of(irqfd.second) or self._eoi_eventfd(irqfd.source),
                resampler=irqfd.source if irqfd.second else "",
            )
            for handle, irqfd in self._alive("irqfd")
        )

    def _eoi_eventfd(self, source: str) -> str:
        bound = [h for h, eoifd in self._eoifds() if source and eoifd.source == source]
        return self._assigned("eoifd", bound[0]) if bound else ""

    def _name_of(self, eventfd: str) -> str:
        """Return what an eventfd was created as, "" for none."""
        return self._eventfd(eventfd, self.objects[eventfd]).name if eventfd in self.objects else ""

    def _gsi_of(self, eoifd: Any) -> int | None:
        """Return the GSI whose EOIs an eoifd is told of: its own, or its source's."""
        return getattr(self.objects.get(eoifd.source, eoifd), "gsi", None)

    def eoifds(self) -> tuple[EoifdSnapshot, ...]:
        return tuple(
            EoifdSnapshot(
                handle=handle,
                name=self._assigned("eoifd", handle),
                state=self._state(self.eoi_kind + "s", handle),
                gsi=self._gsi_of(eoifd),
                level=bool(eoifd.source),
                source=self._id_of(eoifd.source),
                key=self._id_of(eoifd.source) if self.added.keys else None,
                waits=getattr(eoifd, "waits", False),
            )
            for handle, eoifd in self._eoifds()
        )

    def ioeventfds(self) -> tuple[IoeventfdSnapshot, ...]:
        return tuple(
            IoeventfdSnapshot(
                handle=handle,
                name=self._assigned("ioeventfd", handle),
                state=self._state(IOEVENTFDS, handle),
                addr=obj.addr,
                length=obj.length,
                pio=obj.pio == 1,
                datamatch=obj.datamatch,
            )
            for handle, obj in self._alive("ioeventfd")
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
            eoi_exits=self.user.eoi_exits,
        )
