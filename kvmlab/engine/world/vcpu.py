"""The guest's vCPUs: IF, NMIs and handlers of each, and what they have taken."""

from __future__ import annotations

from functools import cache

from kvmlab.engine.abi import EBADF, Errno
from kvmlab.engine.chips.lapic import Lapic
from kvmlab.engine.chips.lapic_registers import RUNNABLE, SIPI_RECEIVED
from kvmlab.engine.chips.pic import PIC, Pic
from kvmlab.engine.fds.files import FDS
from kvmlab.engine.kernel.continuation import Call
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import BLOCKED, _Blocked, blocks, interruptible, touches
from kvmlab.engine.tracepoint import Trace
from kvmlab.engine.world.vm import VM, Vm

GUEST = "guest"
NMI_VECTOR = 2
NMI_LIMIT = 2
"""One NMI is taken and one waits behind it; of those that come together, more are lost."""

OPEN, SHUT = -2, -3
"""What :meth:`Vcpu.window` finds when there is no NMI."""

VM_IS_GONE = Errno(EBADF, "the VM is released, and its vCPUs with it")

Handler = tuple[int, str, tuple[Call, ...]]
"""A vector, its actions as typed, and the calls they are."""


@cache
def vcpu(number: int) -> str:
    """Return the handle of a vCPU."""
    return f"vcpu{number}"


@cache
def lapic(number: int) -> str:
    """Return the handle of a vCPU's LAPIC."""
    return f"lapic{number}"


def _why_halted(cpu: Vcpu) -> tuple[str, tuple[str, ...]] | None:
    return None if cpu.wakes() else (f"{cpu.handle} halts: there is nothing that it has a handler for", ())


class Vcpu(Object):
    """A vCPU: RFLAGS.IF, the NMIs it has seen and those that wait, its handlers by vector."""

    __slots__ = ("handlers", "if_", "lapic", "nmi_pending", "nmis_seen", "pic", "vm")
    FIELDS = ("if_", "nmis_seen", "nmi_pending", "handlers")

    def __init__(self, vm: Vm, chip: Lapic | None, pic: Pic | None) -> None:
        super().__init__()
        self.vm, self.lapic, self.pic = vm, chip, pic
        self.if_ = 0
        self.nmis_seen = self.nmi_pending = 0
        self.handlers: tuple[Handler, ...] = ()

    def set_if(self, value: int) -> None:
        """Set or clear RFLAGS.IF."""
        self.changed()
        self.if_ = value

    def set_handler(self, vector: int, text: str, calls: tuple[Call, ...]) -> None:
        """Replace a vector's handler; no text removes it."""
        self.changed()
        rest = [handler for handler in self.handlers if handler[0] != vector]
        self.handlers = tuple(sorted([*rest, (vector, text, calls)] if text else rest))

    def handler(self, vector: int) -> tuple[Call, ...] | None:
        """Return the calls of a vector's handler, or None if it has none."""
        return next((calls for number, _text, calls in self.handlers if number == vector), None)

    def next_vector(self) -> int:
        """Return the vector that it would take next (IF aside), or -1. Nothing is acknowledged."""
        chip, pic = self.lapic, self.pic
        if chip is None:
            return -1
        vector = chip.has_interrupt()
        if pic and chip.accept_pic_intr() and pic.output and (vector == -1 or chip.rules.pic_first):
            return pic.next_vector()
        return vector

    def wakes(self) -> bool:
        """Tell whether it can take something now that it has a handler for."""
        if not (self.if_ and self.lapic and self.lapic.mp_state == RUNNABLE and self.vm.fds.has_vm()):
            return False
        return self.handler(self.next_vector()) is not None

    @interruptible(False)
    @blocks(_why_halted)
    @touches(VM, FDS, "lapic*", PIC)
    def halt(self) -> bool | _Blocked:
        """HLT: wait for an interrupt that it has a handler for."""
        return self.wakes() or BLOCKED

    @touches(VM, FDS, "lapic*")
    def window(self) -> int | Errno:
        """Enter the guest and look what it may take: NMI_VECTOR, OPEN for interrupts, or SHUT.

        An NMI needs no IF; -EBADF when the VM is gone, otherwise it is held from here on.
        """
        if not self.vm.fget_vcpu():
            return VM_IS_GONE
        chip = self.lapic
        if chip is None:
            return SHUT
        if chip.mp_state == SIPI_RECEIVED:
            self._reset(chip)
        if not chip.enter():
            return SHUT
        self._process_nmi(chip)
        if self.nmi_pending:
            self.changed()
            self.nmi_pending -= 1
            return NMI_VECTOR
        return OPEN if self.if_ else SHUT

    def _reset(self, chip: Lapic) -> None:
        """Drop the NMIs and clear IF, as a SIPI does (kvm_arch_vcpu_reset, vmx_vcpu_reset)."""
        self.changed()
        self.if_ = self.nmi_pending = 0
        self.nmis_seen = chip.nmi

    def _process_nmi(self, chip: Lapic) -> None:
        """Let what was queued wait, up to the limit (process_nmi); no NMI handler runs by now."""
        queued = chip.nmi - self.nmis_seen
        if queued:
            self.changed()
            self.nmis_seen = chip.nmi
            self.nmi_pending = min(self.nmi_pending + queued, NMI_LIMIT)


class Guest(Object):
    """How often each vector was taken, over all vCPUs, and which was taken last."""

    __slots__ = ("last", "taken", "total", "trace", "vm")
    FIELDS = ("counts", "total", "last")

    def __init__(self, vm: Vm, trace: Trace) -> None:
        super().__init__()
        self.vm, self.trace = vm, trace
        self.taken: dict[int, int] = {}
        self.total = 0
        self.last = -1

    @property
    def counts(self) -> tuple[tuple[int, int], ...]:
        """The state: (vector, times taken), by vector."""
        return tuple(sorted(self.taken.items()))

    @counts.setter
    def counts(self, value: tuple[tuple[int, int], ...]) -> None:
        self.taken = dict(value)

    def take(self, vector: int) -> None:
        """Count an interrupt at its handler's first instruction."""
        self.changed()
        self.taken[vector] = self.taken.get(vector, 0) + 1
        self.total += 1
        self.last = vector
        if vector != NMI_VECTOR:
            self.trace.emit(("kvm_inj_virq", vector))

    @touches(VM, FDS)
    def vm_exit(self, *event: int | str) -> bool:
        """Leave the guest for an access, recording its tracepoint; False when the VM is gone.

        Otherwise it is held from here on.
        """
        if not self.vm.fget_vcpu():
            return False
        self.trace.emit(event)
        return True

    def userspace_exit(self, reason: int) -> None:
        """KVM_RUN returns to userspace, which enters the guest again when it has done what it has to."""
        self.trace.emit(("kvm_userspace_exit", reason, 0))

    def trace_read(self, *event: int | str) -> None:
        """Record the tracepoint of an access once its value is known."""
        self.trace.emit(event)
