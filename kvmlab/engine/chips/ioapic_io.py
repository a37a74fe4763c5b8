"""What is done to the I/O APIC under its lock: a guest's accesses, the scan of its entries.

Follows virt/kvm/ioapic.c of Linux 3.6 and arch/x86/kvm/ioapic.c of 6.x. An EOI's walk is in eoi.py.
"""

from __future__ import annotations

from kvmlab.engine.abi import KVM_IRQCHIP_IOAPIC
from kvmlab.engine.chips.ioapic import IOAPIC, Ioapic
from kvmlab.engine.chips.ioapic_scan import IOAPIC_SCAN, IoapicScan
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.path import PATHS, Path, path
from kvmlab.engine.profile import Profile

IOAPIC_LOCK = "ioapic.lock"

_LOCK, _UNLOCK = spin_lock(IOAPIC_LOCK), spin_unlock(IOAPIC_LOCK)


@path
def vcpu_scan_ioapic(profile: Profile, vcpu: int) -> Path[None]:
    """Serve a vCPU's KVM_REQ_SCAN_IOAPIC, if there is one, when it enters the guest."""
    if not (yield (IoapicScan.begin, IOAPIC_SCAN, vcpu)):
        return
    if profile.irqchip_split():
        yield from PATHS["kvm_scan_ioapic_routes"](profile, vcpu)
    elif profile.in_kernel("ioapic"):
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
