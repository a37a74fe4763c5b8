"""IRQ source ids (virt/kvm/irq_comm.c) and the refcounted source object of the v7 series.

The bitmap is one unsigned long, so there are 64 ids; 0 is userspace's. The object `_irq_source`
(struct and get_from_key are quoted in the thread; alloc and put are inferred, reference 9.2 and
17) is shared by a level irqfd and its eoifd, and its id is the key.
"""

from __future__ import annotations

from kvmlab.engine.abi import BITS_PER_LONG, EFAULT, ENOENT, KVM_USERSPACE_IRQ_SOURCE_ID, Errno
from kvmlab.engine.chips.ioapic_io import kvm_ioapic_clear_all
from kvmlab.engine.chips.pic import kvm_pic_clear_all
from kvmlab.engine.kernel.lists import Counted, List
from kvmlab.engine.kernel.locks import mutex_lock, mutex_unlock
from kvmlab.engine.kernel.memory import kfree, kzalloc
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path, touches
from kvmlab.engine.profile import Profile

IRQ_LOCK = "kvm.irq_lock"
IRQSOURCES_LOCK = "irqsources.lock"
IRQ_SOURCES = "irq-sources"
IRQSOURCES = "irqsources"


class IrqSources(Object):
    """kvm->arch.irq_sources_bitmap: bit n is set while id n is taken; ``exhausted`` is a line of the log."""

    __slots__ = ("bitmap", "exhausted")
    FIELDS = ("bitmap",)

    def __init__(self, exhausted: str, reserved: int) -> None:
        super().__init__()
        self.exhausted = exhausted
        self.bitmap = 1 << KVM_USERSPACE_IRQ_SOURCE_ID | reserved

    def request(self) -> int:
        """Take the lowest free id, or -EFAULT with the kernel's log line when none is left."""
        free = ~self.bitmap & ((1 << BITS_PER_LONG) - 1)
        if not free:
            self.memory.reports.printk(self.exhausted)
            return Errno(EFAULT, "all 64 IRQ source ids are taken")
        self.changed()
        lowest = free & -free
        self.bitmap |= lowest
        return lowest.bit_length() - 1

    def free(self, irq_source_id: int) -> bool:
        """Give an id back; False, with the kernel's log line, for one out of range."""
        if not 0 <= irq_source_id < BITS_PER_LONG:
            self.memory.reports.printk("kvm: IRQ source ID out of range!")
            return False
        self.changed()
        self.bitmap &= ~(1 << irq_source_id)
        return True


class IrqSource(Counted):
    """struct _irq_source: a source id for a GSI, and how many hold it.

    ``asserted`` is what a source filter remembers: that the source has asserted since the last EOI;
    ``untold``, which no kernel has, that it has asserted and no event was made for it.
    """

    __slots__ = ("asserted", "gsi", "id", "untold")
    FIELDS = ("id", "gsi", "refs", "asserted", "untold")
    KIND = "irq_source"

    def __init__(self, irq_source_id: int, gsi: int) -> None:
        super().__init__()
        self.id, self.gsi = irq_source_id, gsi
        self.asserted = self.untold = False

    def set_asserted(self) -> None:
        """Note that the source has asserted."""
        if not (self.asserted and self.untold):
            self.changed()
            self.asserted = self.untold = True

    def clear_asserted(self, tested: bool) -> None:
        """Note that an EOI has come; it is told of if the source was ``tested`` to have asserted."""
        untold = self.untold and not tested
        if self.asserted or untold != self.untold:
            self.changed()
            self.asserted, self.untold = False, untold


class IrqSourceList(List):
    """kvm->irqsources.items."""

    __slots__ = ()

    @touches("irq_source*")
    def get_from_key(self, key: int) -> str | Errno:
        """Find the source whose id is the key and take a reference; -ENOENT if there is none."""
        for handle in self.items:
            source = self.deref(handle)
            if source.id == key:
                source.kref_get()
                return handle
        return Errno(ENOENT, f"no level irqfd of this VM has the key {key}")


@path
def kvm_request_irq_source_id(profile: Profile) -> Path[int]:
    """virt/kvm/irq_comm.c: kvm_request_irq_source_id."""
    yield mutex_lock(IRQ_LOCK)
    ret: int = yield (IrqSources.request, IRQ_SOURCES)
    yield mutex_unlock(IRQ_LOCK)
    return ret


@path
def kvm_free_irq_source_id(profile: Profile, irq_source_id: int) -> Path[None]:
    """virt/kvm/irq_comm.c: kvm_free_irq_source_id. No line is evaluated again."""
    yield mutex_lock(IRQ_LOCK)
    in_range = yield (IrqSources.free, IRQ_SOURCES, irq_source_id)
    if in_range and profile.in_kernel("ioapic"):
        yield from kvm_ioapic_clear_all(profile, irq_source_id)
        yield from kvm_pic_clear_all(profile, irq_source_id)
    yield mutex_unlock(IRQ_LOCK)


@path
def irq_source_alloc(profile: Profile, gsi: int) -> Path[str | Errno]:
    """_irq_source_alloc: request an id and link the object; -EFAULT when no id is left."""
    irq_source_id = yield from kvm_request_irq_source_id(profile)
    if irq_source_id < 0:
        return Errno(EFAULT, "all 64 IRQ source ids are taken")
    source: str = yield kzalloc("irq_source", irq_source_id, gsi)
    yield mutex_lock(IRQSOURCES_LOCK)
    yield (IrqSourceList.list_add_tail, IRQSOURCES, source)
    yield mutex_unlock(IRQSOURCES_LOCK)
    return source


@path
def irq_source_get_from_key(profile: Profile, key: int) -> Path[str | Errno]:
    """_irq_source_get_from_key, as the thread quotes it: the handle, or -ENOENT."""
    yield mutex_lock(IRQSOURCES_LOCK)
    source: str | Errno = yield (IrqSourceList.get_from_key, IRQSOURCES, key)
    yield mutex_unlock(IRQSOURCES_LOCK)
    return source


@path
def irq_source_put(profile: Profile, source: str) -> Path[None]:
    """_irq_source_put: the last put clears the id's bits and frees it (inferred: 17)."""
    yield mutex_lock(IRQSOURCES_LOCK)
    if not (yield (IrqSource.kref_put, source)):
        yield (IrqSourceList.list_del, IRQSOURCES, source)
        irq_source_id = yield (IrqSource.load, source, "id")
        yield from kvm_free_irq_source_id(profile, irq_source_id)
        yield kfree(source)
    yield mutex_unlock(IRQSOURCES_LOCK)
