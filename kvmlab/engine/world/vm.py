"""The VM file: its ioctls that are not about eventfds, and what closing it undoes.

Follows virt/kvm/kvm_main.c (kvm_vm_ioctl, kvm_vm_release) and arch/x86/kvm/x86.c of 3.6.
"""

from __future__ import annotations

from typing import Any

from kvmlab.engine.abi import EBADF, EEXIST, EINVAL, ENOENT, ENOMEM, ENXIO, KVM_USERSPACE_IRQ_SOURCE_ID, Errno
from kvmlab.engine.chips.apics import APICS, Apics
from kvmlab.engine.chips.irq_source import kvm_free_irq_source_id, kvm_request_irq_source_id
from kvmlab.engine.chips.routing import ROUTING, Routing, kvm_set_irq
from kvmlab.engine.fds.files import FDS, Fds
from kvmlab.engine.fds.io_bus import PIO_BUS, buses_of, kvm_io_bus_register_dev, kvm_io_bus_unregister_dev
from kvmlab.engine.fds.ioeventfd import SLOTS_LOCK
from kvmlab.engine.fds.ioeventfd_ioctl import kvm_io_bus_destroy
from kvmlab.engine.fds.irqfd_ioctl import kvm_irqfd_release
from kvmlab.engine.kernel.lists import Counted
from kvmlab.engine.kernel.locks import mutex_lock, mutex_unlock
from kvmlab.engine.kernel.memory import kfree
from kvmlab.engine.kernel.path import PATHS, Path, path, touches
from kvmlab.engine.profile import Profile
from kvmlab.engine.world.bus import PIT, PIT_RANGE

VM = "vm"
OF_A_VM = ("irqfd", "ioeventfd", "routes")
"""Kinds of objects that must be gone when their VM is, whatever the api adds."""


class Vm(Counted):
    """The VM and its file.

    ``refs`` is the file's count (its descriptor and the ioctls under way), ``users`` is
    kvm->users_count (the file, and the vCPUs in the kernel), ``pit_source`` the PIT's source id.
    """

    __slots__ = ("fds", "pit_source", "users")
    FIELDS = ("refs", "users", "pit_source")

    def __init__(self, fds: Fds) -> None:
        super().__init__()
        self.fds = fds
        self.users = 1
        self.pit_source = -1

    @touches(FDS)
    def fget(self) -> bool:
        """Look the VM's descriptor up and hold its file; False if it is closed."""
        if not self.fds.has_vm():
            return False
        self.kref_get()
        return True

    @touches(FDS)
    def fget_vcpu(self) -> bool:
        """Hold the VM by a vCPU's file, as KVM_RUN does; False if the descriptor is closed."""
        if not self.fds.has_vm():
            return False
        self.changed()
        self.users += 1
        return True

    def put_user(self) -> bool:
        """Drop a reference to the VM and tell whether any are left (users_count)."""
        self.changed()
        self.users -= 1
        return self.users > 0

    def set_pit(self, irq_source_id: int) -> None:
        """Note the source id of the PIT."""
        self.changed()
        self.pit_source = irq_source_id

    def check_leaks(self, *handles: str) -> None:
        """What kmemleak would say: objects of the VM that nobody can reach any more, as ``irqfd#*``."""
        me = self.memory.current
        for each in handles:
            for handle in self.memory.alive(each.removesuffix("#*")):
                self.memory.reports.add(me, "leak", f"{handle} outlives its VM")


@path
def vm_ioctl(profile: Profile, name: str, *args: Any) -> Path[Any]:
    """ioctl(2) on the VM's descriptor: what the named path returns, or -EBADF after release."""
    if not (yield (Vm.fget, VM)):
        return Errno(EBADF, "the VM's descriptor is closed")
    ret = yield from PATHS[name](profile, *args)
    yield from vm_fput(profile)
    return ret


@path
def vm_fput(profile: Profile) -> Path[None]:
    """Drop a reference to the VM's file; the last one releases it."""
    if not (yield (Vm.kref_put, VM)):
        yield from kvm_vm_release(profile)


@path
def close_vm(profile: Profile) -> Path[int]:
    """close(2) of the VM's descriptor and of its vCPUs': 0 or -EBADF."""
    if not (yield (Fds.release_vm, FDS)):
        return Errno(EBADF, "the VM's descriptor is closed")
    yield from vm_fput(profile)
    return 0


@path
def kvm_vm_release(profile: Profile) -> Path[None]:
    """The VM's file is gone: irqfds go, then what the api adds; that v7 takes this order is inferred."""
    yield from kvm_irqfd_release(profile)
    release = profile.proposal.release
    if release:
        yield from PATHS[release](profile)
    yield from kvm_put_kvm(profile)


@path
def kvm_put_kvm(profile: Profile) -> Path[None]:
    """Drop a reference to the VM; the last one destroys it."""
    if not (yield (Vm.put_user, VM)):
        yield from kvm_destroy_vm(profile)


@path
def kvm_destroy_vm(profile: Profile) -> Path[None]:
    """Nobody uses the VM any more: PIT, routing, buses."""
    yield from kvm_free_pit(profile)
    table = yield (Routing.load, ROUTING, "table")
    if table:
        yield (Routing.publish, ROUTING, "")
        yield kfree(table)
    for bus in buses_of(profile.rules):
        yield from kvm_io_bus_destroy(profile, bus)
    yield (Vm.check_leaks, VM, *[f"{kind}#*" for kind in (*OF_A_VM, *profile.proposal.kinds)])


@path
def kvm_vm_ioctl_irq_line(profile: Profile, gsi: int, level: int) -> Path[int]:
    """KVM_IRQ_LINE_STATUS: kvm_set_irq's status for source 0; -ENXIO without an irqchip."""
    if not profile.in_kernel("lapic"):
        return Errno(ENXIO, "the VM has no in-kernel irqchip")
    # Any bit asserts, and the tracepoint prints the level as a signed number.
    signed = level - (level >> 31 << 32)
    line_status = profile.rules.rtc_eoi_tracking
    return (yield from kvm_set_irq(profile, KVM_USERSPACE_IRQ_SOURCE_ID, gsi, signed, line_status))


@path
def kvm_send_userspace_msi(profile: Profile, addr_lo: int, addr_hi: int, data: int, flags: int) -> Path[int]:
    """KVM_SIGNAL_MSI: kvm_set_msi's status; -EINVAL without an irqchip or for any flag."""
    if not profile.in_kernel("lapic"):
        return Errno(EINVAL, "the VM has no in-kernel irqchip")
    if flags & ~profile.rules.msi_flags:
        return Errno(EINVAL, f"KVM_SIGNAL_MSI of this kernel knows no flag {flags:#x}")
    status: int = yield (Apics.set_msi, APICS, addr_lo, addr_hi, data)
    return status


@path
def kvm_create_pit(profile: Profile) -> Path[int]:
    """KVM_CREATE_PIT2 and kvm_create_pit: 0, -EEXIST, -ENOENT or -ENOMEM. Its counters are left out."""
    yield mutex_lock(SLOTS_LOCK)
    ret = 0
    if (yield (Vm.load, VM, "pit_source")) >= 0:
        ret = Errno(EEXIST, "the VM has a PIT")
    elif profile.rules.pit_needs_pic and not profile.in_kernel("pic"):
        ret = Errno(ENOENT, "no 8259 is in the kernel, and a PIT drives its input 0")
    else:
        ret = yield from pit_register(profile)
    yield mutex_unlock(SLOTS_LOCK)
    return ret


@path
def pit_register(profile: Profile) -> Path[int]:
    """Take a source id and a place on the PIO bus; -ENOMEM when one is missing."""
    irq_source_id: int = yield from kvm_request_irq_source_id(profile)
    if irq_source_id < 0:
        return Errno(ENOMEM, "kvm_create_pit got no IRQ source id and returned NULL")
    if (yield from kvm_io_bus_register_dev(profile, PIO_BUS, *PIT_RANGE, PIT)):
        yield from kvm_free_irq_source_id(profile, irq_source_id)
        return Errno(ENOMEM, "kvm_create_pit found the PIO bus full and returned NULL")
    yield (Vm.set_pit, VM, irq_source_id)
    return 0


@path
def kvm_free_pit(profile: Profile) -> Path[None]:
    """arch/x86/kvm/i8254.c: take the PIT off its bus, then give its source id back."""
    irq_source_id = yield (Vm.load, VM, "pit_source")
    if irq_source_id >= 0:
        yield from kvm_io_bus_unregister_dev(profile, PIO_BUS, PIT)
        yield from kvm_free_irq_source_id(profile, irq_source_id)
