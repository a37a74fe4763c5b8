"""The VMM's side of an assigned device: INTx of QEMU's hw/vfio_pci.c, in the tree of 13 July 2012.

The slow path goes through the main loop: the trigger raises the GSI by source 0, and an EOI lowers
it and unmasks the device. Where the kernel has what it takes, the steps of the proposal's consumer
put both eventfds into the kernel. A step that fails is reported, what was done is undone, and the
slow path goes on; whoever asked for the device is not told.
"""

from __future__ import annotations

from kvmlab.engine.abi import ENOMEM, POLLIN, Errno
from kvmlab.engine.consumer import DEVICE, DEVICE_GSI, NO_FD, TRIGGER, UNMASK, Call
from kvmlab.engine.fds.eventfd import Eventfd, eventfd_ctx_put, eventfd_poll, wqh_lock
from kvmlab.engine.fds.files import eventfd_ctx_fdget, sys_read
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.memory import kzalloc
from kvmlab.engine.kernel.path import PATHS, Path, path
from kvmlab.engine.kernel.sanitizers import Reports
from kvmlab.engine.kernel.workqueue import MAIN_LOOP_WQ, Workqueue
from kvmlab.engine.profile import Profile
from kvmlab.engine.world.devices import (
    DEVICES,
    Device,
    Devices,
    add_eoi_notifier,
    remove_eoi_notifier,
    vmm_set_irq,
)
from kvmlab.engine.world.userspace import CLOSED, USERSPACE, Userspace, user_close, user_eventfd
from kvmlab.engine.world.vfio import (
    Vfio,
    vfio_intx_set_signal,
    vfio_pci_intx_mask,
    vfio_pci_intx_unmask,
    virqfd_disable,
    virqfd_enable,
)
from kvmlab.engine.world.vm import vm_ioctl

UNMASK_EVENTFD = "eventfd"
"""The step before the proposal's own: making the unmask eventfd."""


def spelled_out(call: Call, device: str, name: str, gsi: int) -> Call:
    """Return a step's call with the device's own names and GSI in it."""
    words: dict[int | str, int | str] = {
        TRIGGER: f"{name}-trigger",
        UNMASK: f"{name}-unmask",
        DEVICE_GSI: gsi,
        DEVICE: device,
    }
    path, args = call
    return path, tuple([words.get(arg, arg) for arg in args])


# -- INTx -------------------------------------------------------------------------------------------


@path
def device_vfio(profile: Profile, name: str, gsi: int, fail: str) -> Path[int]:
    """Assign a device and enable its INTx: 0, or -EEXIST, -EMFILE."""
    taken = yield (Devices.vacant, DEVICES, name)
    if isinstance(taken, Errno):
        return taken
    ret = yield from user_eventfd(profile, f"{name}-trigger", 0, False, False)
    if ret < 0:
        return ret
    device: str = yield kzalloc("vfio", name, gsi, fail)
    yield (Devices.add, DEVICES, name, device)
    yield from vfio_enable_intx(profile, device)
    yield (Device.begin, device)
    return 0


@path
def vfio_enable_intx(profile: Profile, device: str) -> Path[None]:
    """vfio_enable_intx: the slow path first, then the kernel's."""
    name = yield (Device.load, device, "name")
    yield from add_eoi_notifier(profile, device)
    yield from set_fd_handler(profile, device)
    fd = yield (Userspace.fd, USERSPACE, f"{name}-trigger")
    yield from vfio_intx_set_signal(profile, device, fd)
    yield from vfio_enable_intx_kvm(profile, device)


@path
def vfio_unplug(profile: Profile, device: str) -> Path[None]:
    """vfio_disable_intx, and the device is given back."""
    name = yield (Device.load, device, "name")
    yield from vfio_disable_intx_kvm(profile, device)
    yield from vfio_intx_set_signal(profile, device, CLOSED)
    yield from virqfd_disable(profile, device)
    yield from remove_eoi_notifier(profile, device)
    yield from clear_fd_handler(profile, device)
    yield from user_close(profile, f"{name}-trigger")
    yield from vfio_set_line(profile, device, False)


@path
def vfio_move(profile: Profile, device: str, gsi: int) -> Path[None]:
    """vfio_update_irq: the guest moved the PCI link. Ends as an EOI would, "in case we missed" one."""
    yield from vfio_disable_intx_kvm(profile, device)
    yield from remove_eoi_notifier(profile, device)
    old = yield (Device.plug, device, gsi)
    yield from vmm_set_irq(profile, old)
    yield from add_eoi_notifier(profile, device)
    yield from vfio_enable_intx_kvm(profile, device)
    yield from vfio_eoi(profile, device)


# -- the slow path ------------------------------------------------------------------------------------


@path
def set_fd_handler(profile: Profile, device: str) -> Path[None]:
    """Have the main loop poll the trigger (qemu_set_fd_handler); what is there already wakes it."""
    name = yield (Device.load, device, "name")
    fd = yield (Userspace.fd, USERSPACE, f"{name}-trigger")
    eventfd = yield from eventfd_ctx_fdget(profile, fd)
    if isinstance(eventfd, Errno):
        return
    yield (Vfio.set_handler, device, eventfd)
    events = yield from eventfd_poll(profile, eventfd, "main_loop_wakeup", device)
    if events & POLLIN:
        yield from main_loop_wakeup(profile, device, events)


@path
def clear_fd_handler(profile: Profile, device: str) -> Path[None]:
    """Have the main loop poll the trigger no more."""
    eventfd = yield (Vfio.set_handler, device, "")
    if eventfd:
        yield spin_lock(wqh_lock(eventfd))
        yield (Eventfd.remove_wait_queue, eventfd, "main_loop_wakeup", device)
        yield spin_unlock(wqh_lock(eventfd))
        yield from eventfd_ctx_put(profile, eventfd)


@path
def main_loop_wakeup(profile: Profile, device: str, flags: int) -> Path[None]:
    """The trigger was signalled: the main loop wakes up and runs the handler."""
    if flags & POLLIN:
        yield (Device.wake, device)
        yield (Workqueue.queue_work, MAIN_LOOP_WQ, ("vfio_intx_interrupt", device))


@path
def vfio_intx_interrupt(profile: Profile, device: str) -> Path[None]:
    """The main loop's handler: clear the trigger, note the interrupt, raise the line.

    A handler that was taken away after the loop woke up is not called any more.
    """
    name, gsi, handler, accelerated = yield (Vfio.load, device, "name", "gsi", "handler", "accelerated")
    if not handler:
        return
    fd = yield (Userspace.fd, USERSPACE, f"{name}-trigger")
    count = yield from sys_read(profile, fd)
    if count > 0 and accelerated:
        # The kernel lowers what is raised here, so the VMM has nothing to remember.
        yield from vm_ioctl(profile, "kvm_vm_ioctl_irq_line", gsi, 1)
    elif count > 0:
        yield from vfio_set_line(profile, device, True)


@path
def vfio_eoi(profile: Profile, device: str) -> Path[None]:
    """The EOI notifier: if an interrupt is pending lower the line and unmask the device."""
    if (yield (Vfio.load, device, "pending")):
        yield from vfio_set_line(profile, device, False)
        yield from vfio_pci_intx_unmask(profile, device)


@path
def vfio_set_line(profile: Profile, device: str, level: bool) -> Path[None]:
    """Note whether an interrupt is pending, and drive the line so (qemu_set_irq)."""
    yield (Vfio.set_pending, device, level)
    gsi = yield (Device.load, device, "gsi")
    yield from vmm_set_irq(profile, gsi)


# -- the kernel's path --------------------------------------------------------------------------------


@path
def vfio_enable_intx_kvm(profile: Profile, device: str) -> Path[None]:
    """vfio_enable_intx_kvm: let the kernel inject, if it can; else the slow path stays."""
    consumer = profile.proposal.consumer
    if not (consumer.steps and profile.in_kernel("lapic") and profile.has("config-eventfd")):
        return
    if consumer.injects:
        yield from clear_fd_handler(profile, device)
    yield from remove_eoi_notifier(profile, device)
    yield from vfio_pci_intx_mask(profile, device)
    yield from vfio_set_line(profile, device, False)
    if (yield from vfio_take_steps(profile, device)):
        yield (Vfio.set_accelerated, device, True)
    else:
        yield from add_eoi_notifier(profile, device)
        if consumer.injects:
            yield from set_fd_handler(profile, device)
    yield from vfio_pci_intx_unmask(profile, device)


@path
def vfio_take_steps(profile: Profile, device: str) -> Path[bool]:
    """Make the unmask eventfd and take the consumer's steps; False, and those undone, if one fails."""
    consumer = profile.proposal.consumer
    name, gsi, fail = yield (Vfio.load, device, "name", "gsi", "fail")
    # A set-up that failed has left its eventfd open, and the VMM keeps one only.
    yield (Userspace.forget, USERSPACE, f"{name}-unmask")
    ret: int = Errno(ENOMEM, "made to fail")
    if fail != UNMASK_EVENTFD:
        ret = yield from user_eventfd(profile, f"{name}-unmask", 0, False, False)
    if ret < 0:
        yield from vfio_report(profile, name, UNMASK_EVENTFD, ret)
        return False
    for step in consumer.steps:
        call, args = spelled_out(step.call, device, name, gsi)
        ret = Errno(ENOMEM, "made to fail")
        if fail != step.name:
            ret = yield from PATHS[call](profile, *args)
        if ret < 0:
            yield from vfio_report(profile, name, step.name, ret)
            yield from vfio_undo(profile, device, step.unwind)
            if consumer.closes_on_failure:
                yield from user_close(profile, f"{name}-unmask")
            return False
    return True


@path
def vfio_disable_intx_kvm(profile: Profile, device: str) -> Path[None]:
    """vfio_disable_intx_kvm: back to the slow path; a call that fails is reported, and the rest goes on."""
    consumer = profile.proposal.consumer
    name, accelerated = yield (Vfio.load, device, "name", "accelerated")
    if not accelerated:
        return
    yield from vfio_pci_intx_mask(profile, device)
    yield from vfio_set_line(profile, device, False)
    yield from vfio_undo(profile, device, consumer.teardown)
    yield from user_close(profile, f"{name}-unmask")
    yield from add_eoi_notifier(profile, device)
    if consumer.injects:
        yield from set_fd_handler(profile, device)
    yield from vfio_pci_intx_unmask(profile, device)
    yield (Vfio.set_accelerated, device, False)


@path
def vfio_undo(profile: Profile, device: str, names: tuple[str, ...]) -> Path[None]:
    """Undo steps in the order given."""
    name, gsi = yield (Vfio.load, device, "name", "gsi")
    for undone in names:
        call, args = spelled_out(profile.proposal.consumer.step(undone).undo, device, name, gsi)
        ret = yield from PATHS[call](profile, *args)
        if ret < 0:
            yield from vfio_report(profile, name, f"undo {undone}", ret)


@path
def vfio_set_unmask_eventfd(profile: Profile, device: str, name: str) -> Path[int]:
    """VFIO_DEVICE_SET_IRQS, ACTION_UNMASK and DATA_EVENTFD: the eventfd that unmasks, or none."""
    if name == NO_FD:
        return (yield from virqfd_disable(profile, device))
    fd = yield (Userspace.fd, USERSPACE, name)
    return (yield from virqfd_enable(profile, device, fd))


@path
def vfio_report(profile: Profile, name: str, what: str, errno: int) -> Path[None]:
    """The VMM complains on its own log, which is all that comes of a failure."""
    yield (Reports.printk, "reports", f"vmm: {name}: {what} failed with {errno!r}; it goes on without")
