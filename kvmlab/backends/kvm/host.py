"""A VM with its vCPUs and its settler, in firmware state: made, brought back to that state, and closed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from kvmlab.backends.kvm import ioctls as kvm
from kvmlab.backends.kvm.chips import (
    IRR,
    ISR,
    SPIV,
    TMR,
    Pic,
    bitmap,
    clear_bit,
    deliverable,
    pic_vector,
    set_bit,
    takes_pic,
)
from kvmlab.backends.kvm.quirks import Quirks, probe
from kvmlab.backends.kvm.settle import Settler
from kvmlab.backends.kvm.vcpu import NMI_VECTOR, RUNNABLE, Vcpu
from kvmlab.backends.kvm.vm import Kvm, Vm, device, refusal
from kvmlab.backends.kvm.watchdog import WATCHDOG
from kvmlab.engine.abi import KVM_IRQFD_FLAG_DEASSIGN, KVM_IRQFD_FLAG_RESAMPLE
from kvmlab.engine.chips.ioapic_registers import IOAPIC_NUM_PINS, MASK, REMOTE_IRR, TRIG_MODE
from kvmlab.engine.profile import Profile
from kvmlab.engine.world.firmware import FIRMWARE

CHIPS = (kvm.PIC_SLAVE, kvm.PIC_MASTER, kvm.IOAPIC)
"""The slave before the master, on which what it asks for has an effect."""

EVERYONE = -1
"""A bit for each vCPU."""

PUT_OFF = 0.1
"""Seconds after which delayed work that has not come is no longer waited for."""

_OUT = {1: "out1", 2: "out2", 4: "out4"}


class Host:
    """Everything of the kernel that one machine has. Raises Refused where it cannot be had."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.eoi_exits: dict[int, int] = {}
        """How often a vCPU left the kernel with the EOI of a vector."""
        self.output_stands = False
        """The INT line of the 8259s may be high though neither asks for anything."""
        self.asked = EVERYONE
        """By bit, the vCPUs that a call may have asked for something; all, unless somebody knows."""
        self.vcpus: list[Vcpu] = []
        self._vm: Vm | None = None
        self.settler: Settler | None = None
        self.system = Kvm()
        WATCHDOG.begin()
        self._try_to_make()

    def renew(self) -> None:
        """Give up the VM for a new one. Raises Refused where none can be had any more."""
        self.release()
        if self.settler is not None:
            self.settler.close()
            self.settler = None
        self._try_to_make()

    def _try_to_make(self) -> None:
        try:
            self._make()
        except OSError as error:
            self.close()
            raise refusal(error, f"{device()} makes no VM") from None
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        profile = self.profile
        self._vm = vm = Vm(self.system, irqchip=profile.irqchip)
        cpuid = self.system.cpuid(profile.x2apic)
        for number in range(profile.vcpus):
            self.vcpus.append(Vcpu(self.system, vm, number, cpuid, self.eoi_exits))
        reset = [vcpu.mp_state for vcpu in self.vcpus]
        for vcpu in self.vcpus:
            vcpu.mp_state = RUNNABLE
            vcpu.boot()
        if not profile.in_kernel("lapic"):
            self.quirks = Quirks(os.uname().release, auto_eoi=False, hashes=None, lacks=())
            return
        self.settler = Settler(self.system)
        self.quirks = probe(self.system, vm, self.vcpus)
        if profile.pit:
            vm.create_pit()
        if profile.bare:
            for vcpu, state in zip(self.vcpus, reset, strict=True):
                vcpu.mp_state = state
                vcpu.asleep = state != RUNNABLE
        else:
            self._firmware()
        self.enter_all()
        chips = CHIPS if profile.in_kernel("ioapic") else ()
        self._first = [vcpu.lapic_page() for vcpu in self.vcpus], [vm.irqchip(chip) for chip in chips]

    def _firmware(self) -> None:
        for path, (number, port, length, value) in FIRMWARE if self.profile.in_kernel("pic") else ():
            assert path == "pio_write"
            self.vcpus[number].access(_OUT[length], port, value)
        for vcpu in self.vcpus:
            page = vcpu.lapic_page()
            page[SPIV * 16 : SPIV * 16 + 4] = (0x1FF).to_bytes(4, "little")
            vcpu.set_lapic_page(page)

    def close(self) -> None:
        """Close every descriptor; nothing is left."""
        WATCHDOG.end()
        self.release()
        if self.settler is not None:
            self.settler.close()
            self.settler = None
        self.system.close()

    def release(self) -> None:
        """Close the VM and its vCPUs."""
        for vcpu in self.vcpus:
            vcpu.close()
        self.vcpus.clear()
        if self._vm is not None:
            self._vm.close()
            self._vm = None

    @property
    def released(self) -> bool:
        """Tell whether the VM is gone."""
        return self._vm is None

    @property
    def vm(self) -> Vm:
        """The VM, while there is one."""
        assert self._vm is not None, "who calls asks released first"
        return self._vm

    def wake_all(self) -> None:
        """Make every vCPU runnable, without the SIPI that a bare machine's would need."""
        for vcpu in self.vcpus:
            vcpu.mp_state = RUNNABLE
            vcpu.asleep = False
            vcpu.boot()

    def reset(self) -> None:
        """Bring every chip back to how it was made; irqfds have gone before, and routes are the default.

        The lines of every source are lowered first, as no image of a chip has them.
        """
        pages, chips = self._first
        vm = self.vm
        for vcpu, page in zip(self.vcpus, pages, strict=True):
            vcpu.set_lapic_page(page)
        for gsi in range(IOAPIC_NUM_PINS):
            vm.irq_line(gsi, 0)
        for chip in chips:
            vm.set_irqchip(chip)
        for vcpu, page in zip(self.vcpus, pages, strict=True):
            vcpu.set_lapic_page(page)
        self.enter_all()
        for vcpu in self.vcpus:
            if vcpu.nmis:
                vcpu.meet_nmis()
                vcpu.nmis = 0
        self.eoi_exits.clear()

    def lower_resamplers(self, gsis: Iterable[int]) -> None:
        """Lower the lines that resamplers have left high on pins which their GSI no longer leads to.

        ``gsis`` lead there now, as the routes are the default again.

        A resampler lowers its line when the last irqfd of its GSI goes.
        """
        fd = os.eventfd(0, os.EFD_CLOEXEC)
        try:
            for gsi in gsis:
                self.vm.irqfd(fd, gsi, KVM_IRQFD_FLAG_RESAMPLE, fd)
                self.vm.irqfd(fd, gsi, KVM_IRQFD_FLAG_DEASSIGN, 0)
        finally:
            os.close(fd)

    # -- running ----------------------------------------------------------------------------------

    def enter_all(self) -> None:
        """Have every vCPU enter the guest once, which does what was asked of it."""
        for vcpu in self.vcpus:
            vcpu.enter()

    def enter_asked(self) -> None:
        """Have those enter it that may have been asked for something."""
        for vcpu in self.vcpus:
            if self.asked >> vcpu.number & 1:
                vcpu.enter()

    def delayed_work(self) -> bool:
        """Wait for what the kernel puts off: a level pin that storms is injected again 10 ms later.

        True if there was such a pin, and it was injected.
        """
        if self.released or not self.profile.in_kernel("ioapic") or not self._put_off():
            return False
        end = time.monotonic() + PUT_OFF
        while time.monotonic() < end:
            time.sleep(0.001)
            if not self._put_off():
                return True
        return False

    def _put_off(self) -> bool:
        """Tell whether a level pin waits that nothing keeps from being delivered."""
        _base, _regsel, _id, irr, _pad, *entries = self.vm.ioapic()
        waits = MASK | REMOTE_IRR | TRIG_MODE
        return any(irr >> pin & 1 and entry & waits == TRIG_MODE for pin, entry in enumerate(entries))

    def next_vector(self, number: int) -> int:
        """Return the vector that a vCPU takes next, IF aside, or -1. Nothing is acknowledged."""
        registers = self.vcpus[number].lapic()
        vector = self._from_pic(registers)
        return deliverable(registers) if vector < 0 else vector

    def _from_pic(self, registers: tuple[int, ...]) -> int:
        if not self.profile.in_kernel("pic") or not takes_pic(registers):
            return -1
        vm = self.vm
        return pic_vector(Pic(*vm.pic(kvm.PIC_MASTER)), Pic(*vm.pic(kvm.PIC_SLAVE)))

    def take(self, number: int, open_: bool) -> int:
        """Have a vCPU take an interrupt, an NMI first; its vector, or -1. Not ``open_``: only an NMI."""
        vcpu = self.vcpus[number]
        vcpu.meet_nmis()
        if vcpu.nmis:
            vcpu.nmis -= 1
            return NMI_VECTOR
        if not open_ or not self.profile.in_kernel("lapic"):
            return -1
        return self._acknowledge(vcpu) if self.quirks.auto_eoi else self._injected(vcpu)

    def _injected(self, vcpu: Vcpu) -> int:
        """Have a vCPU take what is injected by itself."""
        vector = vcpu.open_window()
        self.enter_asked()
        return vector

    def _acknowledge(self, vcpu: Vcpu) -> int:
        """Do in userspace what an injection does, where a real one would end the interrupt as well.

        The 8259 comes first, as in the kernel, and is acknowledged by a real injection: its EOI finds
        nothing in a LAPIC that is emptied for so long.
        """
        page = vcpu.lapic_page()
        registers = kvm.LAPIC_STATE.unpack(page)
        asks = self._from_pic(registers) >= 0 or (self.output_stands and takes_pic(registers))
        vector = -1
        if asks:
            self.output_stands = False
            vector = self._inject_pic(vcpu, page, registers)
        if vector < 0:
            vector = self.acknowledge_lapic(vcpu)
        if asks or vector >= 0:
            # A KVM_SET_LAPIC has every vCPU scan the IOAPIC; without one nothing was asked of any.
            self.enter_asked()
        return vector

    def acknowledge_lapic(self, vcpu: Vcpu) -> int:
        """Move what a LAPIC can deliver from its IRR to its ISR; the vector, or -1."""
        page = vcpu.lapic_page()
        vector = deliverable(kvm.LAPIC_STATE.unpack(page))
        if vector < 0:
            return -1
        clear_bit(page, IRR, vector)
        set_bit(page, ISR, vector)
        vcpu.set_lapic_page(page)
        # The first one has computed PPR from the ISR before.
        vcpu.set_lapic_page(page)
        return vector

    def _inject_pic(self, vcpu: Vcpu, page: bytearray, registers: tuple[int, ...]) -> int:
        if not bitmap(registers, IRR) and not bitmap(registers, ISR):
            return vcpu.open_window()
        empty = bytearray(page)
        for first in (IRR, ISR):
            empty[first * 16 : (first + 8) * 16] = bytes(128)
        vcpu.set_lapic_page(empty)
        try:
            return vcpu.open_window()
        finally:
            self._put_back(vcpu, page)

    def _put_back(self, vcpu: Vcpu, page: bytearray) -> None:
        """Put back what was taken out of a LAPIC, beside what has arrived meanwhile.

        An 8259 that ends by itself tells its resamplers, whose eventfds may feed irqfds of their own.
        """
        assert self.settler is not None
        self.settler.injected()
        self.settler.injected()
        now = vcpu.lapic_page()
        for at in range(IRR * 16, (IRR + 8) * 16):
            page[at] |= now[at]
        page[TMR * 16 : (TMR + 8) * 16] = now[TMR * 16 : (TMR + 8) * 16]
        vcpu.set_lapic_page(page)
        vcpu.set_lapic_page(page)
