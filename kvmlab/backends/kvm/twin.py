"""A model beside a real kernel: it takes interrupts as that host does."""

from __future__ import annotations

from kvmlab.backends.backend import Answer, Args
from kvmlab.backends.kvm.accesses import output_may_stand
from kvmlab.backends.model import Model
from kvmlab.engine.chips.ioapic import IOAPIC, Ioapic
from kvmlab.engine.chips.ioapic_scan import IOAPIC_SCAN, IoapicScan
from kvmlab.engine.chips.lapic import Lapic
from kvmlab.engine.chips.rtc import RTC_STATUS, RtcStatus
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.profile import Profile
from kvmlab.engine.world.guest import kvm_cpu_get_extint, vcpu_enter_guest
from kvmlab.engine.world.vcpu import GUEST, NMI_VECTOR, OPEN, Guest, Vcpu, lapic, vcpu


@path
def acknowledge(profile: Profile, cpu: int, unsure: bool) -> Path[int | None]:
    """Take an interrupt as a host does that has to acknowledge by KVM_SET_LAPIC: a vector, or None.

    That has every vCPU scan the IOAPIC, and the RTC's books are made anew for this one: twice where
    all that the LAPIC has was put aside for the 8259. ``unsure``: the host had to try whether that has one.
    """
    yield from vcpu_enter_guest(profile, cpu)
    open_: int = yield (Vcpu.window, vcpu(cpu))
    if open_ == NMI_VECTOR:
        yield (Guest.take, GUEST, NMI_VECTOR)
        return NMI_VECTOR
    if open_ != OPEN:
        return None
    chip = lapic(cpu)
    waits, serves = yield (Lapic.load, chip, "irr", "isr")
    vector: int = yield from kvm_cpu_get_extint(profile, cpu)
    if vector >= 0 and not waits | serves:
        # Nothing had to be put aside.
        yield (Guest.take, GUEST, vector)
        return vector
    tried = unsure and (yield (Lapic.accept_pic_intr, chip))
    aside = bool(waits | serves and (vector >= 0 or tried))
    if vector < 0:
        vector = yield (Lapic.get_interrupt, chip)
    if vector >= 0 or aside:
        yield (IoapicScan.request_all, IOAPIC_SCAN)
        if profile.in_kernel("ioapic"):
            yield from restore_rtc(profile, cpu, aside)
    if vector < 0:
        return None
    yield (Guest.take, GUEST, vector)
    return vector


@path
def restore_rtc(_profile: Profile, cpu: int, emptied: bool) -> Path[None]:
    """Have a KVM_SET_LAPIC make the RTC's books anew for a vCPU, and one of an empty LAPIC before that."""
    vector, pending = yield (Ioapic.rtc_state, IOAPIC, cpu)
    if vector < 0:
        return
    if emptied:
        yield (RtcStatus.restore, RTC_STATUS, cpu, vector, False)
    yield (RtcStatus.restore, RTC_STATUS, cpu, vector, pending)


class Twin(Model):
    """A model that takes interrupts as the host does that it is compared with."""

    def __init__(self, profile: Profile, auto_eoi: bool) -> None:
        super().__init__(profile)
        self._auto_eoi, self._unsure = auto_eoi, False
        self._start = self.machine.freeze()

    def perform(self, verb: str, args: Args) -> Answer:
        """See :meth:`Backend.perform`."""
        if verb == "take" and self._auto_eoi:
            number = args["vcpu"]
            answer = self._submit(vcpu(number), (acknowledge.__name__, (number, self._unsure)))
            self._unsure = self._unsure and not self._asked(number)
            return answer
        answer = super().perform(verb, args)
        if verb in ("pio read", "pio write") and self.profile.in_kernel("pic"):
            write = verb == "pio write"
            value = args["value"] if write else int(answer.ret)
            self._unsure = self._unsure or output_may_stand(args["port"], value, write=write)
        return answer

    def _asked(self, number: int) -> bool:
        """Tell whether a vCPU that takes has looked at the 8259."""
        return bool(self.machine.vcpus[number].if_ and self.machine.lapics[number].accept_pic_intr())

    def entered(self) -> int:
        """Return, by bit, the vCPUs that had to enter the guest since this was asked last."""
        machine = self.machine
        asked, machine.entered = machine.entered, 0
        return asked

    def reset(self) -> None:
        """Make everything as it was when the machine was made."""
        self.machine.thaw(self._start)
        self.machine.trace.clear()
        self.machine.entered = 0
        self._unsure = False
