"""A VM of /dev/kvm as a Snapshot: the kernel's own answers, and the VMM's books for what it cannot tell.

What neither shows is None: source IDs and the pins they assert, the 8259's INT line, the arbitration
and NMI counters of a LAPIC, contexts, work queues, acknowledgements and reports.
"""

from __future__ import annotations

from collections.abc import Sequence

from kvmlab.backends.bits import bits
from kvmlab.backends.kvm import chips
from kvmlab.backends.kvm import ioctls as kvm
from kvmlab.backends.kvm.chips import Pic, bitmap
from kvmlab.backends.kvm.descriptors import Ctx, Descriptors
from kvmlab.backends.kvm.eoifd import Eoifds
from kvmlab.backends.kvm.host import Host
from kvmlab.engine.abi import KVM_IOEVENTFD_FLAG_PIO
from kvmlab.snapshot import (
    EoifdSnapshot,
    EventfdSnapshot,
    IoapicSnapshot,
    IoeventfdSnapshot,
    IrqfdSnapshot,
    LapicSnapshot,
    PicChipSnapshot,
    PicSnapshot,
    RedirectionEntry,
)

_LVT = (chips.LVTT, 0x33, 0x34, chips.LVT_LINT0, 0x36, 0x37)
"""timer, thermal, performance, LINT0, LINT1, error."""

_X2APIC = 1 << 10


def ioapic(host: Host) -> IoapicSnapshot:
    """Return the IOAPIC as KVM_GET_IRQCHIP shows it; who asserts a pin is hidden."""
    _base, ioregsel, number, irr, _pad, *entries = host.vm.ioapic()
    pins = tuple(RedirectionEntry(value, irr >> pin & 1, None) for pin, value in enumerate(entries))
    return IoapicSnapshot(number, ioregsel, irr, pins)


def lapics(host: Host) -> tuple[LapicSnapshot, ...]:
    """Return each LAPIC as KVM_GET_LAPIC shows it."""
    return tuple(_lapic(vcpu.number, vcpu.lapic(), vcpu.mp_state, vcpu.apic_base) for vcpu in host.vcpus)


def _lapic(number: int, registers: Sequence[int], mp: int, base: int) -> LapicSnapshot:
    return LapicSnapshot(
        vcpu=number,
        irr=bits(bitmap(registers, chips.IRR)),
        isr=bits(bitmap(registers, chips.ISR)),
        tmr=bits(bitmap(registers, chips.TMR)),
        tpr=registers[chips.TPR],
        ppr=registers[chips.PPR],
        spiv=registers[chips.SPIV],
        ldr=registers[chips.LDR],
        dfr=registers[chips.DFR],
        id=registers[chips.ID],
        lvr=registers[chips.LVR],
        lvt=tuple(registers[at] for at in _LVT),
        icr=registers[chips.ICR],
        icr2=registers[chips.ICR2],
        esr=registers[chips.ESR],
        arb=None,
        nmi=None,
        mp=mp,
        x2apic=bool(base & _X2APIC),
        tdcr=registers[chips.TDCR],
        tmict=registers[chips.TMICT],
        tmcct=registers[chips.TMCCT],
    )


def pic(host: Host) -> PicSnapshot:
    """Return the 8259 pair; its INT line is hidden."""
    master, slave = (
        PicChipSnapshot(*Pic(*host.vm.pic(number))[:-1]) for number in (kvm.PIC_MASTER, kvm.PIC_SLAVE)
    )
    return PicSnapshot(master, slave, None)


def eventfds(descriptors: Descriptors) -> tuple[EventfdSnapshot, ...]:
    """Return every eventfd that is open, with its counter."""
    return tuple(_eventfd(descriptors, ctx) for ctx in descriptors.ctxs)


def _eventfd(descriptors: Descriptors, ctx: Ctx) -> EventfdSnapshot:
    words = ["semaphore"] * ctx.semaphore + ["blocking"] * ctx.blocking
    irqfds = [each.irqfd for each in descriptors.ctxs if each.irqfd]
    told = [f"irqfd gsi {irqfd.gsi}" for irqfd in irqfds if irqfd.second == ctx.name]
    return EventfdSnapshot(
        name=ctx.name,
        handle=f"eventfd#{ctx.number}",
        fds=tuple(sorted(ctx.fds.items(), key=lambda pair: pair[1])),
        count=descriptors.count(ctx),
        flags=" ".join(words),
        listens=(f"irqfd gsi {ctx.irqfd.gsi}",) if ctx.irqfd else (),
        signals=tuple(told),
    )


def irqfds(descriptors: Descriptors) -> tuple[IrqfdSnapshot, ...]:
    """Return the irqfds that are assigned, by the books."""
    found = (ctx.irqfd for ctx in descriptors.ctxs if ctx.irqfd is not None)
    return tuple(
        IrqfdSnapshot(
            handle=f"irqfd#{irqfd.number}",
            name=irqfd.name,
            state="active",
            gsi=irqfd.gsi,
            level=irqfd.level,
            key=irqfd.key,
            other=irqfd.second,
        )
        for irqfd in found
    )


def eoifds(known: Eoifds | None) -> tuple[EoifdSnapshot, ...]:
    """Return the eoifds that userspace plays, none where it plays none."""
    return tuple(
        EoifdSnapshot(
            handle=f"eoifd#{key.number}",
            name=key.eoifd_name,
            state="active",
            gsi=key.gsi,
            level=True,
            key=key.number,
        )
        for key in (known.keys.values() if known is not None else ())
        if key.eoifd is not None
    )


def ioeventfds(descriptors: Descriptors) -> tuple[IoeventfdSnapshot, ...]:
    """Return the ioeventfds that are assigned, by the books."""
    return tuple(
        IoeventfdSnapshot(
            handle=f"ioeventfd#{each.number}",
            name=each.name if descriptors.ioeventfds.get(each.name) is each else "",
            state="active",
            addr=each.addr,
            length=each.length,
            pio=bool(each.flags & KVM_IOEVENTFD_FLAG_PIO),
            datamatch=each.matches,
        )
        for each in descriptors.bound
    )
