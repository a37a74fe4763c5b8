"""KVM_EOIFD of v5: as v4, but an EOI is told of only if the own source held the line.

That v5 cleared the line by a new interface, kvm_clear_irq, and signalled by what that returned, is
general knowledge; the thread has only what came of it ("Didn't we just agree after v5"). How it is
bound is taken from v4. The test is atomic, as it is made under the chip's lock; where a GSI leads
to two chips, one that was asserted is enough (inferred).
"""

from __future__ import annotations

from dataclasses import replace

from kvmlab.engine.abi import KVM_IRQ_ROUTING_MSI, KVM_IRQCHIP_IOAPIC
from kvmlab.engine.chips.ioapic import IOAPIC, Ioapic
from kvmlab.engine.chips.ioapic_io import IOAPIC_LOCK
from kvmlab.engine.chips.pic import PIC, PIC_LOCK, Pic
from kvmlab.engine.chips.routing import ROUTING, Routing
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.profile import Profile
from kvmlab.engine.proposals.ack_on_unmask import eoifd_signal
from kvmlab.engine.proposals.eoifd import Eoifd
from kvmlab.engine.proposals.eoifd_v4 import PROPOSAL as EOIFD_V4
from kvmlab.engine.proposals.eoifd_v4 import by_irqfd, eoifd_by_irqfd
from kvmlab.engine.proposals.level_irqfd import LEVEL_IRQFD


@path
def kvm_clear_irq(profile: Profile, irq_source_id: int, gsi: int) -> Path[bool]:
    """De-assert a source on every chip of a GSI; tell whether any chip had it asserted."""
    held = False
    for route in (yield (Routing.copy_routes, ROUTING, irq_source_id, gsi, 0)):
        if route.type == KVM_IRQ_ROUTING_MSI:
            continue
        if route.irqchip == KVM_IRQCHIP_IOAPIC:
            yield spin_lock(IOAPIC_LOCK)
            states = yield (Ioapic.load, IOAPIC, "irq_states")
            yield (Ioapic.set_irq, IOAPIC, route.pin, irq_source_id, 0)
            yield spin_unlock(IOAPIC_LOCK)
        else:
            yield spin_lock(PIC_LOCK)
            states = yield (Pic.load, PIC, "irq_states")
            yield (Pic.set_irq, PIC, route.pin, irq_source_id, 0)
            yield spin_unlock(PIC_LOCK)
        held = held or bool(states[route.pin] >> irq_source_id & 1)
    return held


@path
def eoifd_event_v5(profile: Profile, eoifd: str) -> Path[None]:
    """The ack notifier: de-assert the source, and signal if it had asserted the line."""
    irq_source_id, gsi, eventfd = yield (Eoifd.target, eoifd)
    if (yield from kvm_clear_irq(profile, irq_source_id, gsi)):
        yield from eoifd_signal(profile, eoifd, eventfd, gsi)


@path
def kvm_eoifd_v5(profile: Profile, fd: int, flags: int, irqfd: int) -> Path[int]:
    """KVM_EOIFD, as in v4."""
    return (yield from eoifd_by_irqfd(profile, fd, flags, irqfd, "eoifd_event_v5"))


PROPOSAL = replace(
    EOIFD_V4,
    summary="as v4, and an EOI counts only if the irqfd's own source held the line",
    ioctls={"irqfd": LEVEL_IRQFD, "eoifd": by_irqfd("kvm_eoifd_v5")},
)
"""v5, filtered by the line's state."""
