"""The VM file: its ioctls that are not about eventfds, and what closing it undoes.

Follows virt/kvm/kvm_main.c (kvm_vm_ioctl, kvm_vm_release) and arch/x86/kvm/x86.c of 3.6.
"""

from __future__ import annotations

from typing import Any

from kvmlab.engine.abi import EBADF, EEXIST, EINVAL, ENOMEM, ENXIO, Errno
from kvmlab.engine.chips.apics import APICS, Apics
from kvmlab.engine.chips.irq_source import kvm_free_irq_source_id, kvm_request_irq_source_id
from kvmlab.engine.chips.routing import ROUTING, Routing, kvm_set_irq
from kvmlab.engine.fds.files import FDS, VM_FD, Fds
from kvmlab.engine.fds.ioeventfd import SLOTS_LOCK, kvm_io_bus_destroy
from kvmlab.engine.fds.irqfd import kvm_irqfd_release
from kvmlab.engine.kernel.lists import Counted
from kvmlab.engine.kernel.locks import mutex_lock, mutex_unlock
from kvmlab.engine.kernel.memory import kfree
from kvmlab.engine.kernel.path import PATHS, Path, path
from kvmlab.engine.profile import Profile
from kvmlab.engine.proposals.eoifd_v7 import kvm_eoifd_release

VM = "vm"
OF_A_VM = ("irqfd", "eoifd", "irq_source", "ioeventfd", "routes")
"""Kinds of objects that must be gone when their VM is."""


class Vm(Counted):
    """The VM's file: references (its descriptor and the ioctls under way) and the PIT's source id."""

    __slots__ = ("pit_source",)
    FIELDS = ("refs", "pit_source")

    def __init__(self) -> None:
        super().__init__()
        self.pit_source = -1

    def set_pit(self, irq_source_id: int) -> None:
        """Note the source id of the PIT."""
        self.changed()
        self.pit_source = irq_source_id

    def check_leaks(self) -> None:
        """What kmemleak would say: objects of the VM that nobody can reach any more."""
        me = self.memory.current
        for kind in OF_A_VM:
            for handle in self.memory.alive(kind):
                self.memory.reports.add(me, "leak", f"{handle} outlives its VM")


@path
def vm_ioctl(profile: Profile, name: str, *args: Any) -> Path[Any]:
    """ioctl(2) on the VM's descriptor: what the named path returns, or -EBADF after release."""
    if not (yield (Fds.is_open, FDS, VM_FD)):
        return Errno(EBADF, "the VM's descriptor is closed")
    yield (Vm.kref_get, VM)
    ret = yield from PATHS[name](profile, *args)
    yield from vm_fput(profile)
    return ret


@path
def vm_fput(profile: Profile) -> Path[None]:
    """Drop a reference to the VM's file; the last one releases the VM."""
    if not (yield (Vm.kref_put, VM)):
        yield from kvm_vm_release(profile)


@path
def close_vm(profile: Profile) -> Path[int]:
    """close(2) of the VM's descriptor and of its vCPUs': 0 or -EBADF."""
    if not (yield (Fds.is_open, FDS, VM_FD)):
        return Errno(EBADF, "the VM's descriptor is closed")
    yield (Fds.release_vm, FDS)
    yield from vm_fput(profile)
    return 0


@path
def kvm_vm_release(profile: Profile) -> Path[None]:
    """kvm_vm_release, then kvm_destroy_vm: eventfds, routing, buses, PIT."""
    yield from kvm_irqfd_release(profile)
    yield from kvm_eoifd_release(profile)
    table = yield (Routing.load, ROUTING, "table")
    if table:
        yield (Routing.publish, ROUTING, "")
        yield kfree(table)
    yield from kvm_io_bus_destroy(profile)
    pit_source = yield (Vm.load, VM, "pit_source")
    if pit_source >= 0:
        yield from kvm_free_irq_source_id(profile, pit_source)
    yield (Vm.check_leaks, VM)


@path
def kvm_vm_ioctl_irq_line(profile: Profile, gsi: int, level: int) -> Path[int]:
    """KVM_IRQ_LINE_STATUS: kvm_set_irq's status for source 0; -ENXIO without an irqchip."""
    if not profile.has("irqchip"):
        return Errno(ENXIO, "the VM has no in-kernel irqchip")
    return (yield from kvm_set_irq(profile, 0, gsi, 1 if level else 0))


@path
def kvm_send_userspace_msi(profile: Profile, addr_lo: int, addr_hi: int, data: int, flags: int) -> Path[int]:
    """KVM_SIGNAL_MSI: kvm_set_msi's status; -EINVAL without an irqchip or for any flag."""
    if not profile.has("irqchip"):
        return Errno(EINVAL, "the VM has no in-kernel irqchip")
    if flags:
        return Errno(EINVAL, f"KVM_SIGNAL_MSI has no flags, not even {flags:#x}")
    status: int = yield (Apics.set_msi, APICS, addr_lo, addr_hi, data)
    return status


@path
def kvm_create_pit(profile: Profile) -> Path[int]:
    """KVM_CREATE_PIT2: takes a source id; -EEXIST, or -ENOMEM when no id is left."""
    yield mutex_lock(SLOTS_LOCK)
    ret = 0
    if (yield (Vm.load, VM, "pit_source")) >= 0:
        ret = Errno(EEXIST, "the VM has a PIT")
    else:
        irq_source_id = yield from kvm_request_irq_source_id(profile)
        if irq_source_id < 0:
            ret = Errno(ENOMEM, "kvm_create_pit got no IRQ source id and returned NULL")
        else:
            yield (Vm.set_pit, VM, irq_source_id)
    yield mutex_unlock(SLOTS_LOCK)
    return ret
