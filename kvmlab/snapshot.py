"""What can be seen: one frozen vocabulary for the model, a real kernel and QEMU.

A :class:`Snapshot` holds ints, strings, None and tuples of these, so it can be compared, hashed,
sent as JSON and brought back (:func:`to_json`, :func:`from_json`) and told apart from another
one (:func:`diff`). A part that a backend cannot see is None. Nothing here reads a machine: a
backend fills the records, and a front end only reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kvmlab import records
from kvmlab.snapshot_counters import CountersSnapshot, RaisedSnapshot
from kvmlab.snapshot_devices import DeviceSnapshot

DELIVERY_MODES = ("fixed", "lowest", "smi", "reserved", "nmi", "init", "startup", "extint")
"""Delivery modes by number, as redirection entries, LVTs, the ICR and MSI data encode them."""

TRIGGERS = ("edge", "level")
"""Trigger modes by number (bit 15 of a redirection entry)."""


@dataclass(frozen=True, slots=True)
class RedirectionEntry:
    """One IOAPIC pin: the 64-bit entry as in hardware (82093AA, section 3.2.4), its IRR bit, its sources.

    ``sources`` are the IRQ source IDs that assert the pin, ascending; None where they are hidden.
    """

    value: int
    irr: int = 0
    sources: tuple[int, ...] | None = ()

    @property
    def vector(self) -> int:
        """Bits 7:0."""
        return self.value & 0xFF

    @property
    def delivery_mode(self) -> int:
        """Bits 10:8, an index into DELIVERY_MODES."""
        return self.value >> 8 & 7

    @property
    def dest_mode(self) -> int:
        """Bit 11: 0 physical, 1 logical."""
        return self.value >> 11 & 1

    @property
    def delivery_status(self) -> int:
        """Bit 12: 0 idle, 1 send pending."""
        return self.value >> 12 & 1

    @property
    def polarity(self) -> int:
        """Bit 13: 0 high active, 1 low active."""
        return self.value >> 13 & 1

    @property
    def remote_irr(self) -> int:
        """Bit 14: 1 from the acceptance of a level interrupt by a LAPIC until its EOI."""
        return self.value >> 14 & 1

    @property
    def trigger(self) -> str:
        """Bit 15, as a word of TRIGGERS."""
        return TRIGGERS[self.value >> 15 & 1]

    @property
    def mask(self) -> int:
        """Bit 16: 1 masked."""
        return self.value >> 16 & 1

    @property
    def dest(self) -> int:
        """Bits 63:56."""
        return self.value >> 56 & 0xFF

    @property
    def line(self) -> int | None:
        """The OR of the sources: 0 or 1; None where the sources are hidden."""
        return None if self.sources is None else int(bool(self.sources))


@dataclass(frozen=True, slots=True)
class IoapicSnapshot:
    """The IOAPIC: its ID, the register selected, the IRR (bit = pin) and its 24 pins.

    ``version`` is the low byte of the version register: 0x11 in KVM (virt/kvm/ioapic.h), 0x20 in QEMU.
    """

    id: int
    ioregsel: int
    irr: int
    pins: tuple[RedirectionEntry, ...]
    version: int = 0x11


@dataclass(frozen=True, slots=True)
class LapicSnapshot:
    """One vCPU's LAPIC: IRR, ISR and TMR as ascending vectors, the other registers as integers.

    ``lvt`` is (timer, thermal, performance, LINT0, LINT1, error). ``arb`` is the lowest-priority
    tie-break counter, ``nmi`` counts NMIs queued, ``mp`` is KVM_MP_STATE_*, ``tmcct`` the timer's current
    count; None where hidden. ``tmr_partial`` is True where the TMR is known only of vectors in IRR or ISR.
    """

    KEY: ClassVar[tuple[str, ...]] = ("vcpu",)
    vcpu: int
    irr: tuple[int, ...]
    isr: tuple[int, ...]
    tmr: tuple[int, ...]
    tpr: int
    ppr: int
    spiv: int
    ldr: int
    dfr: int
    id: int | None
    lvr: int | None
    lvt: tuple[int, ...]
    icr: int
    icr2: int
    esr: int
    arb: int | None
    nmi: int | None
    mp: int | None
    x2apic: bool = False
    tdcr: int = 0
    tmict: int = 0
    tmcct: int | None = None
    tmr_partial: bool = False
    apr: int = 0


@dataclass(frozen=True, slots=True)
class VcpuSnapshot:
    """One vCPU: its interrupt flag, its handlers as (vector, actions), and where it stands ("" outside)."""

    KEY: ClassVar[tuple[str, ...]] = ("vcpu",)
    vcpu: int
    if_: int
    handlers: tuple[tuple[int, str], ...] = ()
    standing: str = ""


@dataclass(frozen=True, slots=True)
class PicChipSnapshot:
    """One 8259: every register of struct kvm_kpic_state (arch/x86/kvm/irq.h), by its name there.

    What only KVM shows is None elsewhere.
    """

    last_irr: int | None
    irr: int
    imr: int
    isr: int
    priority_add: int
    irq_base: int
    read_reg_select: int
    poll: int | None
    special_mask: int | None
    init_state: int | None
    auto_eoi: int | None
    rotate_on_auto_eoi: int | None
    sfnm: int
    init4: int | None
    elcr: int


@dataclass(frozen=True, slots=True)
class PicSnapshot:
    """The 8259 pair; ``output`` is its INT line, None where it is hidden."""

    master: PicChipSnapshot
    slave: PicChipSnapshot
    output: int | None


@dataclass(frozen=True, slots=True)
class RouteSnapshot:
    """One GSI route of kind "ioapic", "pic" (``pin`` 0-15 over the pair) or "msi" (``address``, ``data``)."""

    KEY: ClassVar[tuple[str, ...]] = ("gsi", "kind", "pin")
    gsi: int
    kind: str
    pin: int | None = None
    address: int | None = None
    data: int | None = None


@dataclass(frozen=True, slots=True)
class SourceSnapshot:
    """One IRQ source ID in use: its owner ("userspace", "pit", "irqfd trigger") and what it asserts.

    ``refs`` counts the references to its object (0 where it has none), ``pins`` are the IOAPIC
    pins it asserts, ``gsi`` is what it is bound to.
    """

    KEY: ClassVar[tuple[str, ...]] = ("id",)
    id: int
    owner: str
    refs: int
    pins: tuple[int, ...]
    gsi: int | None = None


@dataclass(frozen=True, slots=True)
class SourcesSnapshot:
    """The source IDs: those in use as records, and the bitmap as IDs used and free, ascending."""

    sources: tuple[SourceSnapshot, ...]
    used: tuple[int, ...]
    free: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EventfdSnapshot:
    """One eventfd: its descriptors as (name, fd), lowest first, and what hangs on it, as text.

    ``name`` is what it was created as and stays when every descriptor is closed. ``count`` is
    64-bit. ``flags`` is "" or words such as "semaphore blocking". ``waiters`` are the wait queue's
    entries in order, ``listens`` what its signal does, ``signals`` what signals it.
    """

    KEY: ClassVar[tuple[str, ...]] = ("name", "handle")
    name: str
    handle: str
    fds: tuple[tuple[str, int], ...]
    count: int
    flags: str = ""
    waiters: tuple[str, ...] = ()
    listens: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    refs: int | None = None


@dataclass(frozen=True, slots=True)
class IrqfdSnapshot:
    """One irqfd: the eventfd it was assigned with, its state ("active", "shutting-down"), what it drives.

    ``source`` and ``key`` are None for an irqfd without one; ``other`` names the eventfd that is
    signalled at the EOI, ``resampler`` the object that irqfds of a GSI share for it ("" if none).
    """

    KEY: ClassVar[tuple[str, ...]] = ("handle",)
    handle: str
    name: str
    state: str
    gsi: int
    level: bool = False
    source: int | None = None
    key: int | None = None
    other: str = ""
    resampler: str = ""


@dataclass(frozen=True, slots=True)
class EoifdSnapshot:
    """One eoifd: its state, what it is bound to, and whether its event ``waits`` for the unmask."""

    KEY: ClassVar[tuple[str, ...]] = ("handle",)
    handle: str
    name: str
    state: str
    gsi: int | None = None
    level: bool = False
    source: int | None = None
    key: int | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class IoeventfdSnapshot:
    """One ioeventfd: its eventfd, its state, and the write it waits for; ``length`` in bytes."""

    KEY: ClassVar[tuple[str, ...]] = ("handle",)
    handle: str
    name: str
    state: str
    addr: int
    length: int
    pio: bool = False
    datamatch: int | None = None


@dataclass(frozen=True, slots=True)
class ContextSnapshot:
    """One context: its state ("idle", "not started", "standing", "blocked", "stopped"), and where it stands.

    ``path`` is the call it stands in, ``next_op`` what it would run next, ``blocked`` why it
    cannot ("" each if there is none), ``holds`` the locks it holds. ``alias`` is the actor that a
    vCPU is; an actor that has not been started is "not started".
    """

    KEY: ClassVar[tuple[str, ...]] = ("name",)
    name: str
    state: str
    path: str = ""
    next_op: str = ""
    blocked: str = ""
    holds: tuple[str, ...] = ()
    alias: str = ""


@dataclass(frozen=True, slots=True)
class WorkqueueSnapshot:
    """One work queue by its worker's name: the items that wait, oldest first, and the one that runs."""

    KEY: ClassVar[tuple[str, ...]] = ("name",)
    name: str
    items: tuple[str, ...] = ()
    running: str = ""


@dataclass(frozen=True, slots=True)
class ReportSnapshot:
    """One sanitizer report: its kind, the context it happened in, and a sentence."""

    kind: str
    context: str
    text: str


@dataclass(frozen=True, slots=True)
class LastSnapshot:
    """The last command that is a unit: what it returned, its errno ("" if none), the vector it took."""

    ret: int | str | None = None
    errno: str = ""
    taken: int | str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that can be seen of one machine; ``mode`` is "auto" or "manual", of a QEMU its run state.

    ``irqchip`` tells which chips the kernel has: "kernel" all, "split" the LAPICs, "none"; "" if hidden.
    ``keys`` are (name, key) of the level irqfds assigned so far, whatever became of them.
    """

    kernel: str
    api: str
    mode: str = "auto"
    irqchip: str = ""
    ioapic: IoapicSnapshot | None = None
    lapics: tuple[LapicSnapshot, ...] | None = None
    vcpus: tuple[VcpuSnapshot, ...] | None = None
    pic: PicSnapshot | None = None
    routes: tuple[RouteSnapshot, ...] | None = None
    sources: SourcesSnapshot | None = None
    eventfds: tuple[EventfdSnapshot, ...] | None = None
    irqfds: tuple[IrqfdSnapshot, ...] | None = None
    eoifds: tuple[EoifdSnapshot, ...] | None = None
    ioeventfds: tuple[IoeventfdSnapshot, ...] | None = None
    keys: tuple[tuple[str, int], ...] | None = None
    devices: tuple[DeviceSnapshot, ...] | None = None
    contexts: tuple[ContextSnapshot, ...] | None = None
    workqueues: tuple[WorkqueueSnapshot, ...] | None = None
    counters: CountersSnapshot | None = None
    raised: tuple[RaisedSnapshot, ...] | None = None
    reports: tuple[ReportSnapshot, ...] | None = None
    log: tuple[str, ...] | None = None
    last: LastSnapshot | None = None

    @property
    def quiescent(self) -> bool | None:
        """True when nothing stands and no work waits; None where contexts are hidden."""
        if self.contexts is None:
            return None
        queues = self.workqueues or ()
        return all(c.state == "idle" for c in self.contexts) and not any(q.items or q.running for q in queues)


def to_json(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as plain data for :func:`json.dumps`."""
    return records.encode(snapshot)


def from_json(data: object) -> Snapshot:
    """Return the snapshot that :func:`to_json` gave; raise RecordError naming what does not fit."""
    return records.decode(Snapshot, data)


def diff(before: Snapshot, after: Snapshot) -> list[records.Difference]:
    """Return what differs as (path, old, new), paths such as ``ioapic.pins.11.value``."""
    return records.differences(before, after)
