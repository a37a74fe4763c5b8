"""What is done to the I/O APIC under its lock: EOIs, a guest's accesses, the scan of its entries.

Follows virt/kvm/ioapic.c of Linux 3.6 and arch/x86/kvm/ioapic.c of 6.x.
"""

from __future__ import annotations

from kvmlab.engine.abi import KVM_IRQCHIP_IOAPIC
from kvmlab.engine.chips.ioapic import IOAPIC, Ioapic
from kvmlab.engine.chips.ioapic_scan import IOAPIC_SCAN, IoapicScan
from kvmlab.engine.chips.lapic import Lapic
from kvmlab.engine.chips.rtc import RTC_STATUS, RtcStatus
from kvmlab.engine.kernel.clock import CLOCK, Clock
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.path import PATHS, Path, path
from kvmlab.engine.profile import Profile

IOAPIC_LOCK = "ioapic.lock"
EOI_INJECT_DELAY = 10
"""HZ / 100: so many milliseconds a storm is held up."""

_LOCK, _UNLOCK = spin_lock(IOAPIC_LOCK), spin_unlock(IOAPIC_LOCK)


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
        yield from PATHS["kvm_notify_acked_irq"](profile, KVM_IRQCHIP_IOAPIC, pin)
        yield _LOCK
        pin = yield (Ioapic.end_pin, IOAPIC, pin, vector, trigger_mode)
        if profile.rules.storm_limit and (yield (Ioapic.take_storm, IOAPIC)):
            yield (Clock.schedule_delayed_work, CLOCK, EOI_INJECT, EOI_INJECT_DELAY)
    yield _UNLOCK


@path
def kvm_ioapic_eoi_inject_work(profile: Profile, ioapic: str) -> Path[None]:
    """What a storm waits for: see :meth:`Ioapic.inject_pending`."""
    yield _LOCK
    yield (Ioapic.inject_pending, ioapic)
    yield _UNLOCK


EOI_INJECT = (kvm_ioapic_eoi_inject_work.__name__, IOAPIC)
"""ioapic->eoi_inject."""


@path
def vcpu_scan_ioapic(profile: Profile, vcpu: int) -> Path[None]:
    """Serve a vCPU's KVM_REQ_SCAN_IOAPIC, if there is one, when it enters the guest."""
    if (yield (IoapicScan.begin, IOAPIC_SCAN, vcpu)):
        yield _LOCK
        notified = yield from PATHS["kvm_irq_has_notifier"](profile)
        handled, stale = yield (Ioapic.scan_entry, IOAPIC, vcpu, notified)
        yield (IoapicScan.store, IOAPIC_SCAN, vcpu, handled, stale)
        yield _UNLOCK


@path
def kvm_ioapic_clear_all(profile: Profile, irq_source_id: int) -> Path[None]:
    """Forget a source on every pin: see :meth:`Ioapic.clear_all`."""
    yield _LOCK
    yield (Ioapic.clear_all, IOAPIC, irq_source_id)
    yield _UNLOCK


@path
def ioapic_mmio_read(profile: Profile, addr: int, length: int) -> Path[int]:
    """Read ``length`` bytes of the IOAPIC's 256: see :meth:`Ioapic.mmio_read`."""
    yield _LOCK
    value: int = yield (Ioapic.mmio_read, IOAPIC, addr, length)
    yield _UNLOCK
    return value


@path
def ioapic_mmio_write(profile: Profile, addr: int, length: int, value: int) -> Path[None]:
    """Write the IOAPIC; mask notifiers run under ioapic.lock, before a pending pin is served."""
    yield _LOCK
    pin, mask, before = yield (Ioapic.mmio_write, IOAPIC, addr, length, value)
    if pin >= 0:
        if mask >= 0:
            yield from PATHS["kvm_fire_mask_notifiers"](profile, KVM_IRQCHIP_IOAPIC, pin, mask)
        resampled = False
        if profile.rules.unmask_resamples and (yield (Ioapic.waits, IOAPIC, pin)):
            resampled = yield from PATHS["kvm_notify_irqfd_resampler"](profile, KVM_IRQCHIP_IOAPIC, pin)
        if resampled:
            yield (Ioapic.drop_request, IOAPIC, pin)
        else:
            yield (Ioapic.service_pending, IOAPIC, pin)
        if profile.rules.handled_vectors_per_vcpu:
            yield (Ioapic.request_scan, IOAPIC, pin, before)
    yield _UNLOCK
