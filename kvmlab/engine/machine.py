"""Machine: one virtual machine with the world around it, one thin method per call.

A method starts a path and drains it, workers included; ``machine.contexts`` moves paths by hand.
:meth:`Machine.freeze` is the whole machine as a hashable value and :meth:`Machine.thaw` brings
it back, at any moment, also in the middle of a path.
"""

from __future__ import annotations

from typing import Any

from kvmlab.engine.abi import EFD_NONBLOCK, ENOTTY, Errno
from kvmlab.engine.chips.apic_map import MappedApics
from kvmlab.engine.chips.apics import APICS, Apics
from kvmlab.engine.chips.ioapic import IOAPIC, Ioapic
from kvmlab.engine.chips.ioapic_scan import IOAPIC_SCAN, IoapicScan
from kvmlab.engine.chips.irq_source import IRQ_SOURCES, IRQSOURCES, IrqSourceList, IrqSources
from kvmlab.engine.chips.lapic import Lapic
from kvmlab.engine.chips.pic import PIC, Pic
from kvmlab.engine.chips.route_table import DEFAULT_ROUTING, Route, RoutingTable
from kvmlab.engine.chips.routing import ROUTING, Routing
from kvmlab.engine.chips.rtc import RTC_STATUS, RtcStatus
from kvmlab.engine.fds.files import FDS, Fds
from kvmlab.engine.fds.io_bus import IoBus, buses_of
from kvmlab.engine.fds.ioeventfd import IOEVENTFDS, Ioeventfds
from kvmlab.engine.fds.irqfd import IRQFDS, Irqfds
from kvmlab.engine.kernel.clock import CLOCK, Clock
from kvmlab.engine.kernel.contexts import CONTEXTS, Contexts
from kvmlab.engine.kernel.continuation import Call, Place
from kvmlab.engine.kernel.locks import LOCKS, Lockdep, Locks
from kvmlab.engine.kernel.memory import Memory, State
from kvmlab.engine.kernel.rcu import IRQ_SRCU, RCU, SRCU, Rcu
from kvmlab.engine.kernel.workqueue import QUEUES, WORKERS, Workqueue
from kvmlab.engine.profile import Profile
from kvmlab.engine.tracepoint import FULL, Trace
from kvmlab.engine.world.bus import CHIP_RANGES
from kvmlab.engine.world.devices import DEVICES, Devices
from kvmlab.engine.world.emulated import device_emulated
from kvmlab.engine.world.firmware import FIRMWARE, RUNNABLE
from kvmlab.engine.world.guest import vcpu_enter_guest
from kvmlab.engine.world.userspace import USERSPACE, Userspace
from kvmlab.engine.world.vcpu import GUEST, Guest, Vcpu, lapic, vcpu
from kvmlab.engine.world.vfio_pci import device_vfio
from kvmlab.engine.world.vm import VM, Vm

APIC_EOI, APIC_SPIV = 0xFEE000B0, 0xFEE000F0
"""Guest physical addresses of two registers of the LAPIC page."""

RUN_LIMIT = 10_000
"""Interrupts after which `run` stops by itself: a line that is never lowered storms for ever."""

DEFAULT = Profile()


class Machine:
    """A VM of one profile, its chips, its kernel and the process that drives it.

    Methods return what the kernel returns: a value of 0 or more, or a negative
    :class:`~kvmlab.engine.abi.Errno`. None means that the call has not come to its end (it
    stands in a path, or its context was stopped): ``machine.contexts`` tells where.
    """

    def __init__(self, profile: Profile = DEFAULT) -> None:
        self.profile = profile
        self.memory = Memory()
        self.trace = Trace()
        self.entered = 0
        """By bit, the vCPUs that had to enter the guest after a call; whoever reads it clears it."""
        locks = self.memory.place(LOCKS, Locks(self.memory.place("lockdep", Lockdep())))
        self.contexts = self.memory.place(CONTEXTS, Contexts(profile, locks))
        for name in ("user", *map(vcpu, range(profile.vcpus)), *WORKERS):
            self.contexts.add(name)
        self._build_kernel()
        if profile.in_kernel("lapic"):
            self._create_irqchip()
        self._build_world()
        if profile.pit:
            self.call("user", "vm_ioctl", "kvm_create_pit")
        if not profile.bare:
            self._firmware()
        self.memory.commit()
        self.trace.clear()

    def _build_kernel(self) -> None:
        """Place what every VM finds, and what KVM_CREATE_VM makes (kvm_eventfd_init: the lists)."""
        place, profile = self.memory.place, self.profile
        locks = self.contexts.locks
        place(RCU, Rcu(locks.readers))
        place(SRCU, Rcu(locks.srcu_readers))
        place(IRQ_SRCU, Rcu(locks.irq_srcu_readers))
        self.contexts.staff(
            {worker: place(queue, Workqueue(worker, queue)) for worker, queue in QUEUES.items()}
        )
        fds = place(FDS, Fds(profile.vcpus))
        place(IRQFDS, Irqfds())
        for handle, kind in profile.proposal.objects.items():
            place(handle, kind())
        place(IOEVENTFDS, Ioeventfds())
        self.buses = {bus: place(bus, IoBus()) for bus in buses_of(profile.rules)}
        reserved = profile.proposal.reserved_sources
        place(IRQ_SOURCES, IrqSources(profile.rules.sources_exhausted, reserved))
        place(IRQSOURCES, IrqSourceList())
        place(ROUTING, Routing(self.trace))
        self.lapics: list[Lapic] = []
        made = MappedApics if profile.rules.apic_map else Apics
        self.apics = place(APICS, made(self.lapics, self.trace))
        self.scan = place(IOAPIC_SCAN, IoapicScan(profile.vcpus))
        place(RTC_STATUS, RtcStatus())
        self.clock = place(CLOCK, Clock())
        self.vm = place(VM, Vm(fds))

    def _build_world(self) -> None:
        place = self.memory.place
        self.vcpus: list[Vcpu] = []
        place(GUEST, Guest(self.vm, self.trace))
        for number in range(self.profile.vcpus):
            chip = self.lapics[number] if self.profile.in_kernel("lapic") else None
            pic = self.pic if self.profile.in_kernel("pic") else None
            self.vcpus.append(place(vcpu(number), Vcpu(self.vm, chip, pic)))
        place(USERSPACE, Userspace(DEFAULT_ROUTING if self.profile.in_kernel("ioapic") else ()))
        place(DEVICES, Devices())

    def _create_irqchip(self) -> None:
        """KVM_CREATE_IRQCHIP and the vCPUs' LAPICs, or the LAPICs alone; the routing table."""
        place, profile, rules = self.memory.place, self.profile, self.profile.rules
        for number in range(profile.vcpus):
            directed_eoi = profile.x2apic and (rules.directed_eoi or profile.irqchip_split())
            chip = Lapic(number, profile.x2apic, directed_eoi, rules, self.scan, self.trace)
            self.lapics.append(place(lapic(number), chip))
        if profile.in_kernel("ioapic"):
            self.ioapic = place(IOAPIC, Ioapic(self.apics, rules, self.trace))
            self.pic = place(PIC, Pic(self.apics, rules, self.trace))
        if rules.handled_vectors_per_vcpu:
            self.scan.request_all()
        for bus, addr, length, name in CHIP_RANGES:
            if profile.in_kernel(name):
                self.buses[bus].insert_dev(addr, length, name)
        routing = self.memory.objects[ROUTING]
        assert isinstance(routing, Routing)
        routes = DEFAULT_ROUTING if profile.in_kernel("ioapic") else ()
        routing.publish(self.memory.alloc("routes", RoutingTable(routes)))

    def _firmware(self) -> None:
        for path, args in FIRMWARE if self.profile.in_kernel("pic") else ():
            self.call("user", path, *args)
        for chip in self.lapics:
            self.call("user", "mmio_write", chip.vcpu_id, APIC_SPIV, 4, 0x1FF)
            chip.changed()
            chip.mp_state = RUNNABLE
        for cpu in self.vcpus:
            cpu.set_if(1)

    # -- how calls are run -----------------------------------------------------------------

    def call(self, context: str, path: str, *args: Any) -> Any:
        """Drain a path in a context and return its result, or None if it did not come to an end."""
        result = self.submit(context, (path, args))
        return None if result.__class__ is Place else result

    def _status(self, context: str, path: str, *args: Any) -> int:
        result = self.submit(context, (path, args))
        if result.__class__ is Place:
            result = None
        status: int = result
        return status

    def submit(self, context: str, call: Call) -> Any:
        """Start a call: drained in auto, put at its first op in manual. Its result, or its Place.

        The prompt's thread that will never go on (an oops, a deadlock) is left where it is,
        and the prompt goes on with a new one.
        """
        contexts = self.contexts
        if context == "user":
            context = contexts.prompt
        if contexts.manual:
            return contexts.start(context, call)
        result = contexts.call(context, call)
        if self.scan.requests:
            self._enter_guests()
        if result.__class__ is Place and result is Place.STOPPED and context == contexts.prompt:
            contexts.new_prompt()
        if len(self.trace.ring) > FULL:
            self.trace.trim()
        return result

    def _enter_guests(self) -> None:
        """Have every vCPU that is asked to, and stands in no call, enter the guest, while there is a VM."""
        if not self.vm.fds.has_vm():
            return
        self.entered |= self.scan.requests
        for number in range(self.profile.vcpus):
            context = self.contexts.get(vcpu(number))
            if self.scan.requests >> number & 1 and context.at is None and not context.stopped:
                self.contexts.call(context.name, (vcpu_enter_guest.__name__, (number,)))

    def run(self, limit: int | None = None) -> int:
        """Let everything go on until nothing can, or ``limit`` interrupts were taken; count them."""
        bound = RUN_LIMIT if limit is None else limit
        taken = 0
        moved = True
        while moved and taken < bound:
            moved = self.contexts.run_workers()
            moved = self.contexts.run_started() or moved
            for number in range(self.profile.vcpus):
                if taken < bound and self._run_vcpu(number):
                    moved = True
                    taken += 1
            moved = moved or self.clock.advance()
        self.contexts.run_workers()
        return taken

    def _run_vcpu(self, number: int) -> bool:
        """Take one interrupt and run its handler, if the vCPU has one for what comes next."""
        context = self.contexts.get(vcpu(number))
        if context.at is not None or context.stopped or not self.profile.in_kernel("lapic"):
            return False
        calls = self.vcpus[number].handler(self.next_vector(number))
        if calls is None:
            return False
        if not isinstance(self.contexts.call(context.name, ("vcpu_take", (number,))), int):
            return False
        for call in calls:
            if isinstance(self.contexts.call(context.name, call), Place):
                break
        return True

    def next_vector(self, number: int) -> int:
        """Return the vector a vCPU would take next (IF aside), or -1. Nothing is acknowledged."""
        return self.vcpus[number].next_vector()

    # -- state ------------------------------------------------------------------------------

    def freeze(self) -> State:
        """Return the machine's whole state as a hashable value (the trace is no state)."""
        return self.memory.freeze()

    def thaw(self, state: State) -> None:
        """Bring back a state of this machine."""
        self.memory.thaw(state)

    # -- syscalls on eventfds -------------------------------------------------------------------

    def eventfd(self, count: int = 0, flags: int = EFD_NONBLOCK) -> int:
        """eventfd2(2): the descriptor, -EINVAL or -EMFILE."""
        fds = self.memory.objects[FDS]
        assert isinstance(fds, Fds)
        return fds.eventfd2(count, flags)

    def write(self, fd: int, value: int = 1) -> int:
        """write(2): 0, -EBADF, -EINVAL, -EAGAIN or -EINTR."""
        return self._status("user", "sys_write", fd, value)

    def read(self, fd: int) -> int:
        """read(2): the value, -EBADF, -EINVAL, -EAGAIN or -EINTR."""
        return self._status("user", "sys_read", fd)

    def poll(self, fd: int) -> int:
        """poll(2) without a wait: the mask, -EBADF or -EINVAL."""
        return self._status("user", "sys_poll", fd)

    def dup(self, fd: int) -> int:
        """dup(2): the new descriptor, -EBADF or -EMFILE."""
        fds = self.memory.objects[FDS]
        assert isinstance(fds, Fds)
        return fds.dup(fd)

    def close(self, fd: int) -> int:
        """close(2): 0 or -EBADF."""
        return self._status("user", "sys_close", fd)

    # -- VM ioctls ---------------------------------------------------------------------------

    def irqfd(self, fd: int, gsi: int, flags: int = 0, second: int = 0) -> int:
        """KVM_IRQFD: 0 or the key; ``second`` is the api's second eventfd, if it has one."""
        return self._status("user", "vm_ioctl", "kvm_irqfd", fd, gsi, flags, second)

    def eoifd(self, *fields: int) -> int:
        """The api's second ioctl with its structure's fields in order; -ENOTTY where it has none."""
        ioctl = self.profile.proposal.ioctls.get("eoifd")
        if ioctl is None:
            return Errno(ENOTTY, f"api {self.profile.api} has no such ioctl")
        return self._status("user", "vm_ioctl", ioctl.path, *fields)

    def ioeventfd(self, fd: int, addr: int, length: int, flags: int = 0, datamatch: int = 0) -> int:
        """KVM_IOEVENTFD."""
        return self._status("user", "vm_ioctl", "kvm_ioeventfd", fd, addr, length, flags, datamatch)

    def irq_line(self, gsi: int, level: int) -> int:
        """KVM_IRQ_LINE_STATUS: the status (-1 ignored, 0 merged, > 0 deliveries), or -ENXIO."""
        return self._status("user", "vm_ioctl", "kvm_vm_ioctl_irq_line", gsi, level)

    def signal_msi(self, addr: int, data: int, flags: int = 0) -> int:
        """KVM_SIGNAL_MSI: the status, or -EINVAL."""
        low, high = addr & 0xFFFFFFFF, addr >> 32
        return self._status("user", "vm_ioctl", "kvm_send_userspace_msi", low, high, data, flags)

    def set_gsi_routing(self, entries: tuple[Route, ...], flags: int = 0) -> int:
        """KVM_SET_GSI_ROUTING: replaces the whole table; 0, -EINVAL or -ENOMEM."""
        return self._status("user", "vm_ioctl", "kvm_set_irq_routing", entries, flags)

    def create_pit2(self) -> int:
        """KVM_CREATE_PIT2: 0, -EEXIST or -ENOMEM."""
        return self._status("user", "vm_ioctl", "kvm_create_pit")

    def release(self) -> int:
        """Close the VM's descriptor and its vCPUs': 0 or -EBADF."""
        return self._status("user", "close_vm")

    # -- devices -----------------------------------------------------------------------------

    def device_vfio(self, name: str, gsi: int, fail: str = "") -> int:
        """Assign a device and wire its INTx to a GSI: 0, -EEXIST or -EMFILE."""
        return self._status("user", device_vfio.__name__, name, gsi, fail)

    def device_emulated(self, name: str, gsi: int, kind: str = "emulated", eoi_aware: bool = False) -> int:
        """Make an emulated device, or one of kind "virtio": 0 or -EEXIST."""
        return self._status("user", device_emulated.__name__, kind, name, gsi, eoi_aware)

    def device_raise(self, name: str) -> int:
        """A device asks for service: 0 or -ENODEV."""
        return self._status(name, "device_raise", name)

    def device_service(self, name: str, number: int = 0) -> int:
        """A vCPU serves a device: how many requests it found, or -ENODEV."""
        return self._status(vcpu(number), "device_service", number, name)

    # -- inside the kernel -------------------------------------------------------------------

    def kvm_set_irq(self, irq_source_id: int, gsi: int, level: int) -> int:
        """kvm_set_irq for any source: -1 ignored, 0 merged, > 0 deliveries."""
        return self._status("user", "kvm_set_irq", irq_source_id, gsi, level)

    def kvm_request_irq_source_id(self) -> int:
        """Take the lowest free source id, or -EFAULT."""
        return self._status("user", "kvm_request_irq_source_id")

    def kvm_free_irq_source_id(self, irq_source_id: int) -> None:
        """Give a source id back."""
        self.call("user", "kvm_free_irq_source_id", irq_source_id)

    # -- the guest ---------------------------------------------------------------------------

    def mmio_write(self, number: int, addr: int, value: int, length: int = 4) -> int:
        """A vCPU's write to physical memory, ``length`` bytes."""
        return self._status(vcpu(number), "mmio_write", number, addr, length, value)

    def mmio_read(self, number: int, addr: int, length: int = 4) -> int:
        """A vCPU's read of physical memory."""
        return self._status(vcpu(number), "mmio_read", number, addr, length)

    def pio_write(self, port: int, value: int, number: int = 0, length: int = 1) -> int:
        """A vCPU's OUT."""
        return self._status(vcpu(number), "pio_write", number, port, length, value)

    def pio_read(self, port: int, number: int = 0, length: int = 1) -> int:
        """A vCPU's IN."""
        return self._status(vcpu(number), "pio_read", number, port, length)

    def get_interrupt(self, number: int = 0) -> int:
        """kvm_cpu_get_interrupt: what the vCPU acknowledges with its window open, or -1."""
        return self._status(vcpu(number), "kvm_cpu_get_interrupt", number)

    def take(self, number: int = 0) -> int | None:
        """The vCPU takes the next deliverable interrupt: its vector, or None."""
        vector: int | None = self.call(vcpu(number), "vcpu_take", number)
        return vector

    def eoi(self, number: int = 0) -> int:
        """The vCPU writes its LAPIC's EOI register."""
        return self.mmio_write(number, APIC_EOI, 0)
