"""What an EOI sets off: from a local APIC's register through the IOAPIC to the ack notifiers.

The whole way: world/guest.py (the vCPU takes an interrupt, and writes), lapic_io.py, here, a
design's notifier in proposals/ (eoifd_event), fds/eventfd.py. Follows apic_set_eoi in
arch/x86/kvm/lapic.c, __kvm_ioapic_update_eoi in virt/kvm/ioapic.c and kvm_notify_acked_irq in
virt/kvm/irq_comm.c of Linux 3.6; the last is in virt/kvm/eventfd.c of 6.x.
"""

from __future__ import annotations

from kvmlab.engine.abi import KVM_IRQCHIP_IOAPIC
from kvmlab.engine.chips.ioapic import IOAPIC, Ioapic
from kvmlab.engine.chips.ioapic_io import IOAPIC_LOCK
from kvmlab.engine.chips.ioapic_scan import IOAPIC_SCAN, IoapicScan
from kvmlab.engine.chips.lapic import Lapic
from kvmlab.engine.chips.routing import ROUTING, Routing
from kvmlab.engine.chips.rtc import RTC_STATUS, RtcStatus
from kvmlab.engine.kernel.clock import CLOCK, Clock
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.path import PATHS, Path, path
from kvmlab.engine.kernel.rcu import RCU_READ_LOCK, RCU_READ_UNLOCK
from kvmlab.engine.profile import Profile

EOI_INJECT_DELAY = 10
"""HZ / 100: so many milliseconds a storm is held up."""

_LOCK, _UNLOCK = spin_lock(IOAPIC_LOCK), spin_unlock(IOAPIC_LOCK)


@path
def apic_set_eoi(profile: Profile, lapic: str, _value: int) -> Path[int]:
    """End the highest interrupt in service, in the IOAPIC too; return its vector, or -1.

    An IOAPIC in userspace is told when the vCPU leaves for it (see split.py).
    """
    vector, broadcast, trigger_mode = yield (Lapic.end_interrupt, lapic)
    if profile.rules.handled_vectors_per_vcpu:
        told = yield (IoapicScan.intercepts, IOAPIC_SCAN, lapic, vector)
    else:
        told = broadcast and (yield (Ioapic.handles_vector, IOAPIC, vector))
    if told and profile.irqchip_split():
        yield (IoapicScan.request_exit, IOAPIC_SCAN, lapic, vector)
    elif told:
        yield from kvm_ioapic_update_eoi(profile, lapic, vector, trigger_mode)
    return int(vector)


@path
def kvm_ioapic_update_eoi(profile: Profile, lapic: str, vector: int, trigger_mode: int) -> Path[None]:
    """Tell every pin with a vector that it was ended, in pin order.

    The lock is dropped around the notifiers, as they call back into the IOAPIC; remote_irr is
    still set then, so that an assertion in between waits in IRR.
    """
    yield _LOCK
    if profile.rules.rtc_eoi_tracking:
        vcpu = yield (Lapic.load, lapic, "vcpu_id")
        yield (RtcStatus.end, RTC_STATUS, vcpu, vector)
    pin = yield (Ioapic.next_pin, IOAPIC, vector, 0)
    while pin >= 0:
        yield _UNLOCK
        yield from kvm_notify_acked_irq(profile, KVM_IRQCHIP_IOAPIC, pin)
        yield _LOCK
        pin = yield (Ioapic.end_pin, IOAPIC, pin, vector, trigger_mode)
        if profile.rules.storm_limit and (yield (Ioapic.take_storm, IOAPIC)):
            yield (Clock.schedule_delayed_work, CLOCK, EOI_INJECT, EOI_INJECT_DELAY)
    yield _UNLOCK


@path
def kvm_notify_acked_irq(profile: Profile, irqchip: int, pin: int) -> Path[None]:
    """Run the ack notifiers of a pin, newest first, as an RCU reader.

    The list is read once, so that a notifier taken off meanwhile may still run: it is not freed
    before the reader has left.
    """
    yield RCU_READ_LOCK
    for callback, subject in (yield (Routing.acked_irq, ROUTING, irqchip, pin)):
        yield from PATHS[callback](profile, subject)
    yield RCU_READ_UNLOCK


@path
def kvm_ioapic_eoi_inject_work(profile: Profile, ioapic: str) -> Path[None]:
    """What a storm waits for: see :meth:`Ioapic.inject_pending`."""
    yield _LOCK
    yield (Ioapic.inject_pending, ioapic)
    yield _UNLOCK


EOI_INJECT = (kvm_ioapic_eoi_inject_work.__name__, IOAPIC)
"""ioapic->eoi_inject."""
