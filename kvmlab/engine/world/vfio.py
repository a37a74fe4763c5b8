"""VFIO's INTx, the kernel's side: drivers/vfio/pci/vfio_pci_intrs.c of Linux 3.6.

The pin of an assigned device interrupts the host. The handler masks the device and signals the
trigger eventfd. It is unmasked by an ioctl or by the unmask eventfd; a pin that is still asserted then is
not unmasked, and the trigger is signalled again. Only a masked device has its pin read for that.
The device is taken to mask by its command register (pci_2_3), as nearly all can.
"""

from __future__ import annotations

from kvmlab.engine.abi import EBUSY, POLLHUP, POLLIN, Errno
from kvmlab.engine.fds.eventfd import (
    Eventfd,
    eventfd_ctx_put,
    eventfd_ctx_remove_wait_queue,
    eventfd_poll,
    eventfd_signal,
)
from kvmlab.engine.fds.files import FDS, Fds, eventfd_ctx_fdget, fput
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.memory import kfree, kzalloc
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.kernel.workqueue import SYSTEM_WQ, VFIO_CLEANUP_WQ, Workqueue, flush_workqueue
from kvmlab.engine.profile import Profile
from kvmlab.engine.world.devices import Device


class Vfio(Device):
    """An assigned device: what VFIO keeps of its INTx, and what the VMM keeps of it.

    VFIO: ``masked``, ``trigger`` (an eventfd), ``unmask`` (a virqfd). The VMM: ``pending`` (it
    asserts the line for it), ``accelerated`` (the kernel does), ``handler`` (the eventfd that
    its main loop polls), ``fail`` (the step of the set-up that is made to fail).
    """

    __slots__ = ("accelerated", "fail", "handler", "masked", "pending", "trigger", "unmask")
    FIELDS = (
        *Device.FIELDS,
        *("masked", "trigger", "unmask", "pending", "accelerated", "handler", "fail"),
    )
    KIND = "vfio"
    FAMILY = "vfio"

    def __init__(self, name: str, gsi: int, fail: str) -> None:
        super().__init__(name, gsi)
        self.masked = self.pending = self.accelerated = False
        self.trigger = self.unmask = self.handler = ""
        self.fail = fail

    @property
    def line(self) -> bool:
        """Whether the VMM asserts the GSI for it: only while the slow path has an interrupt pending."""
        return self.pending

    @property
    def had_cause(self) -> bool:
        """Whether it has interrupted: from then on it is masked."""
        return self.masked or self.asserted

    def check_and_mask_intx(self) -> bool:
        """Mask a device that interrupts; False if it does not, or is masked."""
        if self.masked or not self.asserted:
            return False
        self.changed()
        self.masked = True
        return True

    def mask_intx(self) -> None:
        """Mask it, whether it interrupts or not."""
        self.changed()
        self.masked = True

    def check_and_unmask_intx(self) -> bool:
        """Unmask a masked device unless its pin is asserted; True if that was so."""
        if not self.masked:
            return False
        self.changed()
        self.polls += 1
        self.masked = self.asserted
        return self.masked

    def set_trigger(self, eventfd: str) -> str:
        """Have the handler signal an eventfd ("" for none); return the one it signalled before."""
        self.changed()
        old, self.trigger = self.trigger, eventfd
        return old

    def set_unmask(self, virqfd: str) -> str:
        """Remember the virqfd that unmasks; return the one there was."""
        self.changed()
        old, self.unmask = self.unmask, virqfd
        return old

    def set_handler(self, eventfd: str) -> str:
        """Remember which eventfd the main loop polls; return the one it polled."""
        self.changed()
        old, self.handler = self.handler, eventfd
        return old

    def set_pending(self, pending: bool) -> bool:
        """Note whether the slow path has an interrupt pending; return whether it had."""
        self.changed()
        old, self.pending = self.pending, pending
        return old

    def set_accelerated(self, accelerated: bool) -> None:
        """Note whether the kernel injects, and not the VMM."""
        self.changed()
        self.accelerated = accelerated


class Virqfd(Object):
    """struct virqfd: the device that is unmasked when an eventfd is signalled."""

    __slots__ = ("device", "eventfd")
    FIELDS = ("device", "eventfd")
    KIND = "virqfd"

    def __init__(self, device: str, eventfd: str) -> None:
        super().__init__()
        self.device, self.eventfd = device, eventfd


def irqlock(device: str) -> str:
    """Return the name of a device's lock (vdev->irqlock)."""
    return device + ".irqlock"


# -- the device and the host's handler ---------------------------------------------------------------


@path
def vfio_pin(profile: Profile, device: str) -> Path[None]:
    """The device's pin has changed; one that is asserted interrupts the host."""
    if (yield (Device.load, device, "asserted")):
        yield from vfio_intx_handler(profile, device)


@path
def vfio_intx_handler(profile: Profile, device: str) -> Path[None]:
    """The host's interrupt handler: mask the device and signal the trigger."""
    yield spin_lock(irqlock(device))
    handled = yield (Vfio.check_and_mask_intx, device)
    yield spin_unlock(irqlock(device))
    if handled:
        yield from vfio_send_intx_eventfd(profile, device)


@path
def vfio_send_intx_eventfd(profile: Profile, device: str) -> Path[None]:
    """Signal the trigger eventfd."""
    trigger = yield (Vfio.load, device, "trigger")
    if trigger:
        yield from eventfd_signal(profile, trigger, 1)


@path
def vfio_pci_intx_mask(profile: Profile, device: str) -> Path[None]:
    """VFIO_DEVICE_SET_IRQS, ACTION_MASK and DATA_NONE."""
    yield spin_lock(irqlock(device))
    yield (Vfio.mask_intx, device)
    yield spin_unlock(irqlock(device))


@path
def vfio_pci_intx_unmask_handler(profile: Profile, device: str) -> Path[bool]:
    """Unmask a device; True if its pin is still asserted, and the trigger has to be signalled again."""
    yield spin_lock(irqlock(device))
    again: bool = yield (Vfio.check_and_unmask_intx, device)
    yield spin_unlock(irqlock(device))
    return again


@path
def vfio_pci_intx_unmask(profile: Profile, device: str) -> Path[None]:
    """VFIO_DEVICE_SET_IRQS, ACTION_UNMASK and DATA_NONE."""
    if (yield from vfio_pci_intx_unmask_handler(profile, device)):
        yield from vfio_send_intx_eventfd(profile, device)


@path
def vfio_intx_set_signal(profile: Profile, device: str, fd: int) -> Path[int]:
    """VFIO_DEVICE_SET_IRQS, ACTION_TRIGGER: the eventfd that the handler signals; -1 for none."""
    trigger = ""
    if fd >= 0:
        found = yield from eventfd_ctx_fdget(profile, fd)
        if isinstance(found, Errno):
            return found
        trigger = found
    old = yield (Vfio.set_trigger, device, trigger)
    if old:
        yield from eventfd_ctx_put(profile, old)
    return 0


# -- virqfd: an eventfd that unmasks -------------------------------------------------------------------


@path
def virqfd_wakeup(profile: Profile, virqfd: str, flags: int) -> Path[None]:
    """Called with wqh.lock held, so that the trigger is signalled by work; POLLHUP detaches."""
    device = yield (Virqfd.load, virqfd, "device")
    if flags & POLLIN:
        yield from virqfd_handle(profile, virqfd, device)
    if flags & POLLHUP:
        yield spin_lock(irqlock(device))
        if (yield (Vfio.load, device, "unmask")) == virqfd:
            yield (Vfio.set_unmask, device, "")
            yield (Workqueue.queue_work, VFIO_CLEANUP_WQ, ("virqfd_shutdown", virqfd))
        yield spin_unlock(irqlock(device))


@path
def virqfd_handle(profile: Profile, virqfd: str, device: str) -> Path[None]:
    """VFIO is woken: unmask, and if the pin is still asserted have the trigger signalled by work."""
    yield (Device.wake, device)
    if (yield from vfio_pci_intx_unmask_handler(profile, device)):
        yield (Workqueue.queue_work, SYSTEM_WQ, ("virqfd_inject", virqfd))


@path
def virqfd_inject(profile: Profile, virqfd: str) -> Path[None]:
    """Inject work: signal the trigger again."""
    device = yield (Virqfd.load, virqfd, "device")
    yield from vfio_send_intx_eventfd(profile, device)


@path
def virqfd_shutdown(profile: Profile, virqfd: str) -> Path[None]:
    """Shutdown work: unhook, wait for the inject work, let go of the eventfd, free."""
    eventfd = yield (Virqfd.load, virqfd, "eventfd")
    yield from eventfd_ctx_remove_wait_queue(profile, eventfd, "virqfd_wakeup", virqfd)
    yield (Workqueue.flush_work, SYSTEM_WQ, ("virqfd_inject", virqfd))
    yield from eventfd_ctx_put(profile, eventfd)
    yield kfree(virqfd)


@path
def virqfd_enable(profile: Profile, device: str, fd: int) -> Path[int]:
    """Have an eventfd unmask a device: 0, -EBADF, -EINVAL, -EBUSY. One signalled before does so at once."""
    file = yield (Fds.eventfd_fget, FDS, fd)
    if isinstance(file, Errno):
        return file
    name, eventfd, _nonblock = file
    yield (Eventfd.kref_get, eventfd)
    virqfd: str = yield kzalloc("virqfd", device, eventfd)
    yield spin_lock(irqlock(device))
    if (yield (Vfio.load, device, "unmask")):
        yield spin_unlock(irqlock(device))
        yield from eventfd_ctx_put(profile, eventfd)
        yield from fput(profile, name)
        yield kfree(virqfd)
        return Errno(EBUSY, "the device has an unmask eventfd already")
    yield (Vfio.set_unmask, device, virqfd)
    yield spin_unlock(irqlock(device))
    events = yield from eventfd_poll(profile, eventfd, "virqfd_wakeup", virqfd)
    if events & POLLIN:
        yield from virqfd_handle(profile, virqfd, device)
    yield from fput(profile, name)
    return 0


@path
def virqfd_disable(profile: Profile, device: str) -> Path[int]:
    """Have no eventfd unmask a device any more, and wait until that is so."""
    yield spin_lock(irqlock(device))
    virqfd = yield (Vfio.set_unmask, device, "")
    if virqfd:
        yield (Workqueue.queue_work, VFIO_CLEANUP_WQ, ("virqfd_shutdown", virqfd))
    yield spin_unlock(irqlock(device))
    yield from flush_workqueue(profile, VFIO_CLEANUP_WQ)
    return 0
