"""GSI routing: from a line to the chips, and who is to be told of a pin (eoi.py tells them).

Follows virt/kvm/irq_comm.c of Linux 3.6 and virt/kvm/irqchip.c of 6.x. A published table never
changes; a new one replaces it under RCU. Publishing also tells the irqfds, which is the path
kvm_irq_routing_update in fds/irqfd.py. Checking and compiling a table is in route_table.py.
"""

from __future__ import annotations

from collections.abc import Callable

from kvmlab.engine.abi import (
    EINVAL,
    KVM_IRQ_ROUTING_MSI,
    KVM_IRQCHIP_IOAPIC,
    KVM_IRQCHIP_PIC_MASTER,
    KVM_IRQCHIP_PIC_SLAVE,
    Errno,
)
from kvmlab.engine.chips.apics import APICS, Apics
from kvmlab.engine.chips.ioapic import IOAPIC, Ioapic
from kvmlab.engine.chips.ioapic_io import IOAPIC_LOCK
from kvmlab.engine.chips.ioapic_scan import IOAPIC_SCAN, IoapicScan
from kvmlab.engine.chips.pic import PIC, PIC_LOCK, Pic
from kvmlab.engine.chips.route_table import KernelRoute, Message, Route, RoutingTable, check_routing
from kvmlab.engine.kernel.locks import mutex_lock, mutex_unlock, spin_lock, spin_unlock
from kvmlab.engine.kernel.memory import kfree, kzalloc
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import PATHS, Path, path, touches
from kvmlab.engine.kernel.rcu import RCU_READ_LOCK, RCU_READ_UNLOCK, synchronize_rcu
from kvmlab.engine.kernel.sanitizers import Oops
from kvmlab.engine.profile import Profile
from kvmlab.engine.tracepoint import Trace

ROUTING = "routing"
IRQ_LOCK = "kvm.irq_lock"

Notifier = tuple[int, str, str]
"""A notifier of a GSI: (gsi, name of the path to run, handle of its subject)."""

Callback = tuple[str, str]
"""What is left of a notifier once it is found: (path, subject)."""


class Routing(Object):
    """kvm->irq_routing and the notifier lists of a VM; handle ``routing``.

    ``table`` is the handle of the published RoutingTable, "" for NULL; both lists hold the newest
    notifier first. ``acked`` counts, by GSI, how often an acknowledgement reached it.
    """

    __slots__ = ("_ack", "_ack_by_gsi", "acks", "emit", "mask_notifiers", "table")
    FIELDS = ("table", "ack_notifiers", "mask_notifiers", "acked")

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self.emit = trace.emit
        self.table = ""
        self.ack_notifiers = ()
        self.mask_notifiers: tuple[Notifier, ...] = ()
        self.acks: dict[int, int] = {}

    @property
    def ack_notifiers(self) -> tuple[Notifier, ...]:
        """The ack notifiers, newest first (kvm->irq_ack_notifier_list)."""
        return self._ack

    @ack_notifiers.setter
    def ack_notifiers(self, notifiers: tuple[Notifier, ...]) -> None:
        self._ack = notifiers
        # An index, so that the notifiers of other GSIs cost an EOI nothing.
        self._ack_by_gsi: dict[int, tuple[Callback, ...]] = {}
        for gsi, callback, subject in notifiers:
            self._ack_by_gsi[gsi] = (*self._ack_by_gsi.get(gsi, ()), (callback, subject))

    @property
    def acked(self) -> tuple[tuple[int, int], ...]:
        """How often kvm_notify_acked_irq ran for a pin of each GSI: (gsi, times), sorted."""
        return tuple(sorted(self.acks.items()))

    @acked.setter
    def acked(self, value: tuple[tuple[int, int], ...]) -> None:
        self.acks = dict(value)

    def _published(self, reader: str) -> RoutingTable:
        if not self.table:
            raise Oops(f"{reader}: kvm->irq_routing is NULL", "null-deref")
        table: RoutingTable = self.memory.objects[self.table]
        return table

    @touches("routes*")
    def copy_routes(self, irq_source_id: int, gsi: int, level: int) -> tuple[KernelRoute, ...]:
        """Copy a GSI's routes under RCU, in the order of the table: how kvm_set_irq begins.

        A GSI without a route gives (); a NULL table is an Oops.
        """
        self.emit(("kvm_set_irq", gsi, level, irq_source_id))
        return self._published("kvm_set_irq").map.get(gsi, ())

    @touches("routes*")
    def acked_irq(self, irqchip: int, pin: int) -> tuple[Callback, ...]:
        """Find the ack notifiers of a pin, newest first, and count the acknowledgement."""
        self.emit(("kvm_ack_irq", irqchip, pin))
        gsi = self._published("kvm_notify_acked_irq").chip.get((irqchip, pin))
        if gsi is None:
            return ()
        self.changed()
        self.acks[gsi] = self.acks.get(gsi, 0) + 1
        return self._ack_by_gsi.get(gsi, ())

    @touches("routes*")
    def notified_pins(self, irqchip: int) -> tuple[int, ...]:
        """Return the pins of a chip that have ack notifiers (kvm_irq_has_notifier)."""
        chip = self._published("kvm_irq_has_notifier").chip
        return tuple([pin for (of, pin), gsi in chip.items() if of == irqchip and gsi in self._ack_by_gsi])

    @touches("routes*")
    def masked_irq(self, irqchip: int, pin: int) -> tuple[Callback, ...]:
        """Find the mask notifiers of a pin, newest first."""
        gsi = self._published("kvm_fire_mask_notifiers").chip.get((irqchip, pin))
        return tuple([(call, subject) for of, call, subject in self.mask_notifiers if of == gsi])

    @touches("routes*")
    def map_chip_pin(self, irqchip: int, pin: int) -> int:
        """kvm_irq_map_chip_pin: the GSI whose notifiers belong to a pin, -1 for none."""
        gsi = self._published("kvm_irq_map_chip_pin").chip.get((irqchip, pin))
        return -1 if gsi is None else gsi

    @touches("routes*")
    def pin_of(self, irqchip: int, gsi: int) -> int:
        """Return the pin of a chip that a GSI leads to, -1 for none."""
        routes = self._published("kvm_irq_map_gsi").map.get(gsi, ())
        pins = [r.pin for r in routes if r.type != KVM_IRQ_ROUTING_MSI and r.irqchip == irqchip]
        return pins[0] if pins else -1

    @touches("routes*")
    def messages_below(self, gsis: int) -> tuple[Message, ...]:
        """Return the messages of the GSIs below a number, in the order of the GSIs."""
        routes = self._published("kvm_scan_ioapic_routes").map
        found = [route for gsi in sorted(routes) if gsi < gsis for route in routes[gsi]]
        return tuple([route.message for route in found if route.type == KVM_IRQ_ROUTING_MSI])

    def missing_chip(self, irqchip: int) -> None:
        """Follow the NULL pointer of a chip that was never created: an Oops."""
        pointer = "vioapic" if irqchip == KVM_IRQCHIP_IOAPIC else "vpic"
        raise Oops(f"kvm_set_irq: kvm->arch.{pointer} is NULL", "null-deref")

    def publish(self, table: str) -> None:
        """Make a table the one that readers see (rcu_assign_pointer)."""
        self.changed()
        self.table = table

    def add_ack_notifier(self, gsi: int, callback: str, subject: str) -> None:
        """Put a notifier at the head of the list (hlist_add_head_rcu)."""
        self.changed()
        self.ack_notifiers = ((gsi, callback, subject), *self.ack_notifiers)

    def del_ack_notifier(self, callback: str, subject: str) -> None:
        """Take a notifier off the list (hlist_del_init_rcu); one that is not on it is ignored."""
        self.changed()
        self.ack_notifiers = _without(self.ack_notifiers, (callback, subject))

    def add_mask_notifier(self, gsi: int, callback: str, subject: str) -> None:
        """Put a mask notifier at the head of its list."""
        self.changed()
        self.mask_notifiers = ((gsi, callback, subject), *self.mask_notifiers)

    def del_mask_notifier(self, callback: str, subject: str) -> None:
        """Take a mask notifier off its list; one that is not on it is ignored."""
        self.changed()
        self.mask_notifiers = _without(self.mask_notifiers, (callback, subject))


def _without(notifiers: tuple[Notifier, ...], callback: Callback) -> tuple[Notifier, ...]:
    return tuple([notifier for notifier in notifiers if notifier[1:] != callback])


_PIC = (PIC_LOCK, Pic.set_irq, PIC)
_CHIPS: dict[int, tuple[str, Callable[..., int], str]] = {
    KVM_IRQCHIP_PIC_MASTER: _PIC,
    KVM_IRQCHIP_PIC_SLAVE: _PIC,
    KVM_IRQCHIP_IOAPIC: (IOAPIC_LOCK, Ioapic.set_irq, IOAPIC),
}
"""How each chip's pins are driven (the entry's ``set``): the lock, the method, the chip."""


@path
def kvm_set_irq(
    profile: Profile, irq_source_id: int, gsi: int, level: int, line_status: bool = False
) -> Path[int]:
    """Drive a GSI for one source: every chip it is routed to, in the order of the table.

    ``line_status`` tells of KVM_IRQ_LINE_STATUS, which only the IOAPIC of 6.x looks at. Returns
    -1 if every chip ignored it, else the sum of what the others returned: 0 is merged, more is
    the number of deliveries (each chip counts a falling line as 1).
    """
    ret = r = -1
    chips = _CHIPS if profile.in_kernel("ioapic") else {}
    for kind, irqchip, pin, message in (yield (Routing.copy_routes, ROUTING, irq_source_id, gsi, level)):
        if kind == KVM_IRQ_ROUTING_MSI:
            r = yield from kvm_set_msi(profile, message, level)
        elif irqchip not in chips:
            yield (Routing.missing_chip, ROUTING, irqchip)
        else:
            lock, set_irq, chip = chips[irqchip]
            yield spin_lock(lock)
            if line_status and chip == IOAPIC:
                r = yield (Ioapic.set_irq, IOAPIC, pin, irq_source_id, level, line_status)
            else:
                r = yield (set_irq, chip, pin, irq_source_id, level)
            yield spin_unlock(lock)
        if r >= 0:
            ret = r if ret < 0 else ret + r
    return ret


@path
def kvm_set_msi(profile: Profile, message: Message, level: int) -> Path[int]:
    """Send the message of an MSI route; -1 for level 0, which sends nothing."""
    if not level:
        return -1
    ret: int = yield (Apics.set_msi, APICS, *message)
    return ret


@path
def kvm_irq_has_notifier(profile: Profile) -> Path[tuple[int, ...]]:
    """Return the IOAPIC's pins that have ack notifiers."""
    yield RCU_READ_LOCK
    pins: tuple[int, ...] = yield (Routing.notified_pins, ROUTING, KVM_IRQCHIP_IOAPIC)
    yield RCU_READ_UNLOCK
    return pins


@path
def kvm_fire_mask_notifiers(profile: Profile, irqchip: int, pin: int, mask: int) -> Path[None]:
    """Run the mask notifiers of a pin with its new mask bit, as an RCU reader."""
    yield RCU_READ_LOCK
    for callback, subject in (yield (Routing.masked_irq, ROUTING, irqchip, pin)):
        yield from PATHS[callback](profile, subject, mask)
    yield RCU_READ_UNLOCK


@path
def kvm_register_irq_ack_notifier(profile: Profile, gsi: int, callback: str, subject: str) -> Path[None]:
    """Have the path ``callback`` run on ``subject`` at every acknowledgement of a GSI."""
    yield mutex_lock(IRQ_LOCK)
    yield (Routing.add_ack_notifier, ROUTING, gsi, callback, subject)
    yield mutex_unlock(IRQ_LOCK)
    if profile.rules.handled_vectors_per_vcpu:
        yield (IoapicScan.request_all, IOAPIC_SCAN)


@path
def kvm_unregister_irq_ack_notifier(profile: Profile, callback: str, subject: str) -> Path[None]:
    """Remove a notifier; when this returns, it does not run any more."""
    yield mutex_lock(IRQ_LOCK)
    yield (Routing.del_ack_notifier, ROUTING, callback, subject)
    yield mutex_unlock(IRQ_LOCK)
    if profile.has("rcu-wait"):
        yield from synchronize_rcu(profile)
    if profile.rules.handled_vectors_per_vcpu:
        yield (IoapicScan.request_all, IOAPIC_SCAN)


@path
def kvm_register_irq_mask_notifier(profile: Profile, gsi: int, callback: str, subject: str) -> Path[None]:
    """Have the path ``callback`` run on ``subject`` and the mask bit when a GSI's mask changes."""
    yield mutex_lock(IRQ_LOCK)
    yield (Routing.add_mask_notifier, ROUTING, gsi, callback, subject)
    yield mutex_unlock(IRQ_LOCK)


@path
def kvm_unregister_irq_mask_notifier(profile: Profile, callback: str, subject: str) -> Path[None]:
    """Remove a mask notifier; when this returns, it does not run any more."""
    yield mutex_lock(IRQ_LOCK)
    yield (Routing.del_mask_notifier, ROUTING, callback, subject)
    yield mutex_unlock(IRQ_LOCK)
    yield from synchronize_rcu(profile)


@path
def kvm_set_irq_routing(profile: Profile, entries: tuple[Route, ...], flags: int) -> Path[int]:
    """KVM_SET_GSI_ROUTING: replace the whole table; 0, -EINVAL or -ENOMEM with nothing changed."""
    if profile.rules.routing_needs_irqchip and not profile.in_kernel("lapic"):
        return Errno(EINVAL, "the VM has no in-kernel irqchip")
    refusal = check_routing(entries, flags, profile.rules, split=profile.irqchip_split())
    if refusal is not None:
        return refusal
    table: str = yield kzalloc("routes", entries)
    yield mutex_lock(IRQ_LOCK)
    old = yield (Routing.load, ROUTING, "table")
    yield from PATHS["kvm_irq_routing_update"](profile, table)
    if profile.irqchip_split():
        yield (IoapicScan.request_all, IOAPIC_SCAN)
    yield mutex_unlock(IRQ_LOCK)
    yield from synchronize_rcu(profile)
    if old:
        yield kfree(old)
    return 0
