"""The event of a masked pin waits: Michael Tsirkin's way out for threaded interrupts (with=ack-on-unmask).

"One fix would be to delay event until interrupt is re-enabled" (the thread). The line is still
de-asserted by the EOI; only the signal waits, for the unmask of the GSI's IOAPIC pin. How it would
have been done is inferred: by a mask notifier, which runs under ioapic.lock.
"""

from __future__ import annotations

from kvmlab.engine.abi import KVM_IRQCHIP_IOAPIC
from kvmlab.engine.chips.ioapic import IOAPIC, Ioapic
from kvmlab.engine.chips.ioapic_io import IOAPIC_LOCK
from kvmlab.engine.chips.ioapic_registers import MASK
from kvmlab.engine.chips.routing import ROUTING, Routing
from kvmlab.engine.fds.eventfd import eventfd_signal
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.profile import Profile
from kvmlab.engine.proposals.eoifd import Eoifd


@path
def eoifd_signal(profile: Profile, eoifd: str, eventfd: str, gsi: int) -> Path[None]:
    """Tell of an EOI: at once, or with ack-on-unmask when the pin is unmasked."""
    waits = False
    if profile.adds("ack-on-unmask"):
        yield spin_lock(IOAPIC_LOCK)
        waits = yield from pin_is_masked(profile, gsi)
        if waits:
            yield (Eoifd.set_waits, eoifd, True)
        yield spin_unlock(IOAPIC_LOCK)
    if not waits:
        yield from eventfd_signal(profile, eventfd, 1)


@path
def pin_is_masked(profile: Profile, gsi: int) -> Path[bool]:
    """Tell whether the IOAPIC pin that a GSI leads to is masked; False if it leads to none."""
    pin = yield (Routing.pin_of, ROUTING, KVM_IRQCHIP_IOAPIC, gsi)
    if pin < 0:
        return False
    entries = yield (Ioapic.load, IOAPIC, "redirtbl")
    return bool(entries[pin] & MASK)


@path
def eoifd_mask_notifier(profile: Profile, eoifd: str, mask: int) -> Path[None]:
    """The GSI's mask has changed: an event that waits is told of when its pin is open."""
    waits = yield (Eoifd.load, eoifd, "waits")
    if not waits or mask:
        return
    _irq_source_id, gsi, eventfd = yield (Eoifd.target, eoifd)
    # The notifier also hears of the 8259's mask, which is not meant.
    if not (yield from pin_is_masked(profile, gsi)):
        yield (Eoifd.set_waits, eoifd, False)
        yield from eventfd_signal(profile, eventfd, 1)
