"""Whom a message is for: the rule by which a local APIC recognises its destination.

Two kernels, two rules (kvm_apic_match_dest in arch/x86/kvm/lapic.c): 6.x knows the broadcast of
logical destinations and x2APIC clusters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from kvmlab.engine.chips.lapic_registers import APIC_DFR_FLAT

APIC_DEST_NOSHORT, APIC_DEST_SELF, APIC_DEST_ALLINC = 0x00000, 0x40000, 0x80000
APIC_DFR_CLUSTER = 0x0FFFFFFF
APIC_BROADCAST, X2APIC_BROADCAST = 0xFF, 0xFFFFFFFF


class LapicIrq(NamedTuple):
    """struct kvm_lapic_irq: a message to local APICs.

    ``delivery_mode``, ``dest_mode`` (0: physical) and ``shorthand`` stand as in ICR; ``trig_mode`` is
    not 0 for level; ``redirection_hint`` is an MSI's.
    """

    dest: int
    dest_mode: int
    delivery_mode: int
    vector: int
    trig_mode: int
    level: int = 1
    shorthand: int = APIC_DEST_NOSHORT
    redirection_hint: int = 0


class Target(Protocol):
    """What is asked of a local APIC: its ids, and the mode it is in."""

    id: int
    ldr: int
    dfr: int

    def x2apic_mode(self) -> bool:
        """Tell whether the guest has switched to x2APIC."""


Match = Callable[[Target, bool, int, int], bool]
"""Tells whether a destination is an APIC's: (target, whether an APIC sends it, dest, logical?)."""


def shorthand_match(target: object, source: object, shorthand: int) -> bool:
    """Tell whether an APIC is meant by a destination shorthand other than none."""
    if shorthand == APIC_DEST_SELF:
        return target is source
    return shorthand == APIC_DEST_ALLINC or target is not source


def match_3_6(target: Target, _from_apic: bool, dest: int, dest_mode: int) -> bool:
    """3.6: a physical destination is cut to 16 bits, a logical one to 8; 0xff is everybody."""
    if not dest_mode:
        dest &= 0xFFFF
        return dest in (APIC_BROADCAST, target.id >> 24)
    if target.x2apic_mode():
        return bool(target.ldr & dest & 0xFF)
    return _logical(target, dest & 0xFF)


def match_6_x(target: Target, from_apic: bool, dest: int, dest_mode: int) -> bool:
    """6.x: broadcasts are logical destinations, too; 0xff from a device reaches x2APICs."""
    x2apic = target.x2apic_mode()
    if x2apic and not from_apic and dest == APIC_BROADCAST:
        dest = X2APIC_BROADCAST
    if dest == (X2APIC_BROADCAST if x2apic else APIC_BROADCAST):
        return True
    if not dest_mode:
        return dest == target.id >> 24
    if x2apic:
        return target.ldr >> 16 == dest >> 16 and bool(target.ldr & dest & 0xFFFF)
    return _logical(target, dest)


def _logical(target: Target, mda: int) -> bool:
    logical_id = target.ldr >> 24
    if target.dfr == APIC_DFR_FLAT:
        return bool(logical_id & mda)
    if target.dfr == APIC_DFR_CLUSTER:
        return logical_id >> 4 == mda >> 4 and bool(logical_id & mda & 0xF)
    return False
