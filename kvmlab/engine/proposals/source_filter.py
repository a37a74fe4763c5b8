"""A filter by source, which v5 had and v7 dropped: an EOI counts if the own source asserted it.

The switch is with=source-filter. It "requires a spinlock around calling kvm_irq_set" (the thread):
inject notes and asserts, the event tests, clears and de-asserts, each as one. Without the lock
(without=filter-lock) an inject between the event's test and its de-assert is lost: the line falls,
and nobody is told.
"""

from __future__ import annotations

from kvmlab.engine.chips.irq_source import IrqSource
from kvmlab.engine.chips.routing import kvm_set_irq
from kvmlab.engine.fds.irqfd import Irqfd
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.profile import Profile


def source_lock(source: str) -> str:
    """Return the name of a source's lock."""
    return source + ".lock"


def inject_work(profile: Profile) -> str:
    """Return the inject work of a level irqfd."""
    return "irqfd_inject_filtered" if profile.adds("source-filter") else "irqfd_inject_level"


@path
def irqfd_inject_filtered(profile: Profile, irqfd: str) -> Path[None]:
    """Inject work of a level irqfd whose EOIs are filtered: note it, then assert."""
    source, irq_source_id, gsi = yield (Irqfd.load, irqfd, "source", "irq_source_id", "gsi")
    locked = profile.has("filter-lock")
    if locked:
        yield spin_lock(source_lock(source))
    yield (IrqSource.set_asserted, source)
    yield from kvm_set_irq(profile, irq_source_id, gsi, 1)
    if locked:
        yield spin_unlock(source_lock(source))


@path
def clear_if_asserted(profile: Profile, source: str, irq_source_id: int, gsi: int) -> Path[bool]:
    """De-assert a source; tell whether it had asserted since the last EOI."""
    locked = profile.has("filter-lock")
    if locked:
        yield spin_lock(source_lock(source))
    asserted: bool = yield (IrqSource.load, source, "asserted")
    yield (IrqSource.clear_asserted, source, asserted)
    yield from kvm_set_irq(profile, irq_source_id, gsi, 0)
    if locked:
        yield spin_unlock(source_lock(source))
    return asserted
