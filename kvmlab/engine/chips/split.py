"""A split irqchip: what 6.x does for an IOAPIC that is in userspace (KVM_CAP_SPLIT_IRQCHIP, 7543a635aa09).

Its pins are the level messages of the first GSIs. What a vCPU ends of these is no business of the kernel's:
it leaves for userspace with the vector. No ack notifier runs, and no line falls.
"""

from __future__ import annotations

from kvmlab.engine.chips.apics import APICS, Apics
from kvmlab.engine.chips.ioapic_registers import IOAPIC_NUM_PINS
from kvmlab.engine.chips.ioapic_scan import IOAPIC_SCAN, IoapicScan
from kvmlab.engine.chips.routing import ROUTING, Routing
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.kernel.rcu import RCU_READ_LOCK, RCU_READ_UNLOCK
from kvmlab.engine.profile import Profile

RESERVED_PINS = IOAPIC_NUM_PINS
"""How many GSIs the VMM reserves for the pins of its IOAPIC, as QEMU does."""


@path
def kvm_scan_ioapic_routes(profile: Profile, vcpu: int) -> Path[None]:
    """arch/x86/kvm/irq.c: find a vCPU's vectors in the routes, under RCU (which is kvm->irq_srcu there)."""
    yield RCU_READ_LOCK
    messages = yield (Routing.messages_below, ROUTING, RESERVED_PINS)
    handled, stale = yield (Apics.scan_messages, APICS, vcpu, messages)
    yield RCU_READ_UNLOCK
    yield (IoapicScan.store, IOAPIC_SCAN, vcpu, handled, stale)
