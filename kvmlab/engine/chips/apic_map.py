"""The map of APIC ids by which 6.x delivers messages without asking every vCPU.

Follows kvm_recalculate_apic_map, kvm_apic_map_get_dest_lapic and kvm_irq_delivery_to_apic of
arch/x86/kvm/lapic.c and irq_comm.c in 6.x. The map is built from what the APICs hold; where it
does not do (a broadcast, a shorthand, ids that are not unique, mixed modes), every APIC is asked.
"""

from __future__ import annotations

from kvmlab.engine.chips.apics import PHYS_BROADCAST, Apics
from kvmlab.engine.chips.destination import (
    APIC_BROADCAST,
    APIC_DEST_NOSHORT,
    APIC_DEST_SELF,
    X2APIC_BROADCAST,
    LapicIrq,
)
from kvmlab.engine.chips.lapic import APIC_DM_FIXED, APIC_DM_LOWEST, Lapic
from kvmlab.engine.chips.lapic_registers import APIC_DFR_FLAT
from kvmlab.engine.kernel.path import touches
from kvmlab.engine.tracepoint import Trace

DISABLED, X2APIC, FLAT, CLUSTER, MIXED = "disabled", "x2apic", "flat", "cluster", "mixed"
"""The logical mode that all software-enabled APICs share; MIXED: they share none."""

Slots = list[Lapic | None]
"""The APICs that a destination's bits stand for, by the number of the bit."""

_CLUSTER_SIZE = 16


def key(lapics: list[Lapic]) -> tuple[tuple[int, ...], ...]:
    """Return everything that a map is built from."""
    return tuple([(lapic.id, lapic.ldr, lapic.dfr, lapic.spiv, lapic.base) for lapic in lapics])


class ApicMap:
    """struct kvm_apic_map: ``phys`` by APIC id (None: ids are not unique), ``logical`` by (cluster, bit)."""

    def __init__(self, lapics: list[Lapic]) -> None:
        self.key = key(lapics)
        self.phys: dict[int, Lapic] | None = {}
        self.logical: dict[tuple[int, int], Lapic] = {}
        self.mode = DISABLED
        for lapic in lapics:
            if lapic.hw_enabled():
                self._add(lapic)

    def _add(self, lapic: Lapic) -> None:
        apic_id = lapic.id >> 24
        if self.phys is None or apic_id in self.phys:
            self.phys = None
            return
        self.phys[apic_id] = lapic
        if self.mode == MIXED or not lapic.sw_enabled() or not lapic.ldr:
            return
        mode = X2APIC if lapic.x2apic_mode() else FLAT if lapic.dfr == APIC_DFR_FLAT else CLUSTER
        if self.mode not in (DISABLED, mode):
            self.mode = MIXED
            return
        self.mode = mode
        if mode != X2APIC:
            self._add_logical(lapic)

    def _add_logical(self, lapic: Lapic) -> None:
        cluster, bits = self._cluster(lapic.ldr >> 24)
        if bits & (bits - 1) or (cluster, bits) in self.logical:
            # An id with several bits, or that another APIC has as well, cannot be looked up.
            self.mode = MIXED
        elif bits:
            self.logical[cluster, bits] = lapic

    def _cluster(self, mda: int) -> tuple[int, int]:
        """Split a logical xAPIC destination: (cluster, bits in it)."""
        return (0, mda & 0xFF) if self.mode == FLAT else (mda >> 4 & 0xF, mda & 0xF)

    def lookup(self, source: Lapic | None, dest: int, dest_mode: int) -> tuple[Slots, int] | None:
        """Return the APICs of a destination and its bits, or None if every APIC is to be asked."""
        x2apic_ipi = source is not None and source.x2apic_mode()
        if self.phys is None or dest == (X2APIC_BROADCAST if x2apic_ipi else APIC_BROADCAST):
            return None
        if not dest_mode:
            return [self.phys.get(dest)], 1
        if self.mode == MIXED:
            return None
        if self.mode == DISABLED:
            return [], 0
        if self.mode == X2APIC:
            first = (dest >> 16) * _CLUSTER_SIZE
            return [self.phys.get(first + bit) for bit in range(_CLUSTER_SIZE)], dest & 0xFFFF
        cluster, bits = self._cluster(dest)
        return [self.logical.get((cluster, 1 << bit)) for bit in range(8)], bits


def hashed(vector: int, bits: int) -> int:
    """Return the number of the set bit that a vector falls on (kvm_vector_to_index)."""
    chosen = [bit for bit in range(bits.bit_length()) if bits >> bit & 1]
    return chosen[vector % len(chosen)]


def wants_one(irq: LapicIrq) -> bool:
    """Tell whether a message is for one APIC of its destination (kvm_lowest_prio_delivery)."""
    return irq.delivery_mode == APIC_DM_LOWEST or bool(irq.redirection_hint)


class MappedApics(Apics):
    """The local APICs of a machine of 6.x."""

    __slots__ = ("_map",)
    HINTS = True

    def __init__(self, lapics: list[Lapic], trace: Trace) -> None:
        super().__init__(lapics, trace)
        self._map = ApicMap([])

    def apic_map(self) -> ApicMap:
        """Return the map of what the APICs hold now."""
        if key(self.lapics) != self._map.key:
            self._map = ApicMap(self.lapics)
        return self._map

    @touches("lapic*")
    def resolves(self, address_lo: int) -> bool:
        """Tell whether the map alone says whom an MSI is for, so that it can be sent from atomic context."""
        return self.apic_map().lookup(None, address_lo >> 12 & 0xFF, address_lo >> 2 & 1) is not None

    def kvm_irq_delivery_to_apic(
        self, source: Lapic | None, irq: LapicIrq, reached: list[int] | None = None
    ) -> int:
        """Give a message to every APIC it is for, or to one of them for lowest priority or the hint.

        Returns -1 if every APIC was asked and it is for none, else how many took it.
        """
        found = self._by_map(source, irq)
        if found is not None:
            return max(0, self.hand_over(found, irq, reached))
        if wants_one(irq) and not irq.dest_mode and irq.dest == APIC_BROADCAST:
            self.memory.reports.printk(PHYS_BROADCAST)
            irq = irq._replace(delivery_mode=APIC_DM_FIXED)
        return self.hand_over(self.receivers(source, irq), irq, reached)

    def _by_map(self, source: Lapic | None, irq: LapicIrq) -> list[Lapic] | None:
        """kvm_irq_delivery_to_apic_fast: whom the message reaches, or None if that is not known."""
        if irq.shorthand == APIC_DEST_SELF and source is not None:
            return [source]
        if irq.shorthand != APIC_DEST_NOSHORT:
            return None
        found = self.apic_map().lookup(source, irq.dest, irq.dest_mode)
        if found is None:
            return None
        slots, bits = found
        if irq.dest_mode and bits and wants_one(irq):
            # Bits that no enabled APIC has count as well: a message that falls on one is lost.
            bits = 1 << hashed(irq.vector, bits)
        return [lapic for bit, lapic in enumerate(slots) if lapic is not None and bits >> bit & 1]

    def one_of(self, matching: list[Lapic], irq: LapicIrq) -> list[Lapic]:
        """Choose the software-enabled APIC that the vector falls on."""
        bits = sum(1 << lapic.vcpu_id for lapic in matching if lapic.sw_enabled())
        return [self.lapics[hashed(irq.vector, bits)]] if bits else []

    def destinations(self, dest: int, dest_mode: int) -> int:
        """Return the vCPUs of a destination as bits (kvm_bitmap_or_dest_vcpus)."""
        found = self.apic_map().lookup(None, dest, dest_mode)
        if found is None:
            return super().destinations(dest, dest_mode)
        slots, bits = found
        return sum(
            1 << lapic.vcpu_id for bit, lapic in enumerate(slots) if lapic is not None and bits >> bit & 1
        )
