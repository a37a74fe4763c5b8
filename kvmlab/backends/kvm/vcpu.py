"""One vCPU: it stands at the guest's prompt and makes one access at a time, as it is told."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from errno import EAGAIN, EINTR
from struct import Struct

from kvmlab.backends.kvm import guest
from kvmlab.backends.kvm import ioctls as kvm
from kvmlab.backends.kvm.guest import PORTS, PROMPT, RESET, ROUTINES, TAKEN, WINDOW
from kvmlab.backends.kvm.ioctls import ioctl
from kvmlab.backends.kvm.vm import Kvm, Vm
from kvmlab.backends.kvm.watchdog import WATCHDOG

NMI_VECTOR = 2
NMI_LIMIT = 2
"""So many wait for whoever takes them: as many as the kernel has for a vCPU that has not entered."""

GENERAL_PROTECTION = 13

RUNNABLE = 0
"""KVM_MP_STATE_RUNNABLE."""

ASLEEP = frozenset({1, 2})
"""KVM_MP_STATE_UNINITIALIZED and _INIT_RECEIVED: only a SIPI brings such a vCPU back."""

_ARGUMENTS = Struct("<QQ")
_ONES = b"\xff" * 8
_WORD, _QUAD = Struct("<I"), Struct("<Q")


class Astray(Exception):
    """The vCPU can't be had at its prompt: one sentence on where it is instead."""


class Gp(Exception):
    """The access ended in a general protection fault."""


class Vcpu:
    """A vCPU of a VM. ``nmis`` counts those it took while it did something else.

    ``asleep`` is True for one that only a SIPI brings back. ``eoi_exits`` counts, by vector, how often a
    vCPU of the VM left with KVM_EXIT_IOAPIC_EOI.
    """

    def __init__(self, system: Kvm, vm: Vm, number: int, cpuid: bytearray, eoi_exits: dict[int, int]) -> None:
        assert vm.memory is not None
        self.number, self.nmis, self.asleep = number, 0, False
        self._eoi_exits = eoi_exits
        self._met = False
        self._memory, self._mailbox = vm.memory, guest.mailbox(number)
        self._port, self._data_at = 0, 0
        self.fd = -1
        self.page: mmap.mmap | None = None
        try:
            self.fd = ioctl(vm.fd, kvm.KVM_CREATE_VCPU, number)
            size = ioctl(system.fd, kvm.KVM_GET_VCPU_MMAP_SIZE, 0)
            self.page = mmap.mmap(self.fd, size)
            ioctl(self.fd, kvm.KVM_SET_CPUID2, cpuid)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Unmap the run page and close the descriptor."""
        if self.page is not None:
            self.page.close()
            self.page = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    # -- running ----------------------------------------------------------------------------------

    def boot(self) -> None:
        """Put the vCPU at its prompt, whatever it did before. Raises Astray."""
        self._finish_io()
        sregs = bytearray(kvm.SREGS_SIZE)
        ioctl(self.fd, kvm.KVM_GET_SREGS, sregs)
        ioctl(self.fd, kvm.KVM_SET_SREGS, guest.sregs(sregs))
        ioctl(self.fd, kvm.KVM_SET_REGS, guest.regs(self.number))
        self._port = 0
        self._finish(self._run())

    def _finish_io(self) -> None:
        """Have an answer that the kernel waits for used up, which an immediate exit does."""
        assert self.page is not None
        self.page[kvm.IMMEDIATE_EXIT] = 1
        with suppress(OSError):
            ioctl(self.fd, kvm.KVM_RUN, 0)
        self.page[kvm.IMMEDIATE_EXIT] = 0

    def _run(self) -> int:
        """Enter the guest until it asks what to do next; return the port it asks from.

        What no chip answers comes to userspace on the way: a write vanishes, a read gives ones.
        """
        page = self.page
        assert page is not None
        WATCHDOG.watch(page)
        try:
            while not (self._entered(page) and self._asks(page)):
                pass
        except BaseException:
            # Wherever it is now, it is not at its prompt.
            self._port = 0
            raise
        finally:
            WATCHDOG.rest()
        return self._port

    def _entered(self, page: mmap.mmap) -> bool:
        """KVM_RUN: False if a signal has come in between. Raises Astray when the watchdog has stopped it."""
        try:
            ioctl(self.fd, kvm.KVM_RUN, 0)
        except OSError as error:
            if error.errno not in (EINTR, EAGAIN):
                raise Astray(f"vCPU {self.number}: KVM_RUN failed: {error.strerror}") from None
            if WATCHDOG.barked:
                raise self._astray("does not come back: it was stopped") from None
            return False
        return True

    def _asks(self, page: mmap.mmap) -> bool:
        """Serve an exit: True if the guest asks what to do next. Raises Astray for one that should not be."""
        reason = page[kvm.EXIT_REASON]
        if reason == kvm.EXIT_IO:
            direction, size, port, count, at = kvm.RUN_IO.unpack_from(page, kvm.EXIT_AT)
            if size == 4 and port in PORTS and not direction:
                self._port, self._data_at = port, at
                return True
            if not direction:
                page[at : at + size * count] = _ONES[:size] * count
        elif reason == kvm.EXIT_MMIO:
            if not page[kvm.EXIT_AT + 20]:
                page[kvm.EXIT_AT + 8 : kvm.EXIT_AT + 16] = _ONES
        elif reason == kvm.EXIT_IOAPIC_EOI:
            vector = page[kvm.EXIT_AT]
            self._eoi_exits[vector] = self._eoi_exits.get(vector, 0) + 1
        else:
            raise self._astray(f"left the guest with {kvm.EXIT_NAMES.get(reason, reason)}")
        return False

    def _astray(self, what: str) -> Astray:
        self._port = 0
        self.asleep = self.mp_state in ASLEEP
        return Astray(f"vCPU {self.number} {what}" + ("; it waits for a SIPI" if self.asleep else ""))

    def go(self, routine: str) -> int:
        """Have the guest go on with a routine; return the port it asks from then. Raises Astray.

        A vCPU that an INIT resets meanwhile has done what it was told, and stands at its prompt again.
        """
        if not self._port:
            self.boot()
        self._answer(routine)
        port = self._run()
        if port == RESET:
            self.boot()
        return self._port

    def _interrupted(self) -> None:
        """Note an NMI that came in between, and go back. Raises Gp for a fault."""
        if self._port != TAKEN:
            return
        vector = self.stub_vector()
        if vector == NMI_VECTOR:
            self.nmis, self._met = min(self.nmis + 1, NMI_LIMIT), True
            self._answer("leave")
            return
        self._answer("abort")
        self._run()
        if vector == GENERAL_PROTECTION:
            raise Gp
        raise Astray(f"vCPU {self.number} met exception {vector}")

    def _answer(self, routine: str) -> None:
        assert self.page is not None
        _WORD.pack_into(self.page, self._data_at, ROUTINES[routine])

    def stub_vector(self) -> int:
        """Return the vector that was just taken."""
        (stub,) = _QUAD.unpack_from(self._memory, self._mailbox + guest.MAILBOX_STUB)
        return guest.vector_of(stub)

    def enter(self) -> None:
        """Enter the guest and do nothing there: what was asked of the vCPU is done on the way.

        One that cannot be entered is left alone; who uses it is told.
        """
        if self.asleep:
            self.asleep = self.mp_state in ASLEEP
            if self.asleep:
                return
        try:
            self._finish(self.go("enter"))
        except Astray:
            if not self.asleep:
                self.boot()

    def meet_nmis(self) -> None:
        """Enter the guest until no NMI comes: one that waits behind another may come with the next entry."""
        self._met = True
        while self._met:
            self._met = False
            self.enter()

    def _finish(self, port: int) -> None:
        while port != PROMPT:
            self._interrupted()
            port = self._run()

    def access(self, routine: str, where: int, value: int = 0) -> None:
        """Make an access: ``where`` is its address, port or MSR. Raises Gp or Astray."""
        _ARGUMENTS.pack_into(self._memory, self._mailbox, where, value)
        self._finish(self.go(routine))

    def read(self, routine: str, where: int) -> int:
        """Make an access that reads, and return the value. Raises Gp or Astray."""
        _QUAD.pack_into(self._memory, self._mailbox + guest.MAILBOX_READ, 0)
        self.access(routine, where)
        (value,) = _QUAD.unpack_from(self._memory, self._mailbox + guest.MAILBOX_READ)
        return int(value)

    def open_window(self) -> int:
        """Set IF for a moment; return the vector that the host injects, or -1. One is taken at most."""
        vector = -1
        port = self.go("window")
        while port != PROMPT:
            if port == TAKEN:
                vector = self.stub_vector()
                self._answer("leave")
            else:
                assert port == WINDOW
                self._answer("enter")
            port = self._run()
        return vector

    # -- state ------------------------------------------------------------------------------------

    def lapic(self) -> tuple[int, ...]:
        """KVM_GET_LAPIC: the 64 registers of the APIC page, by offset / 16."""
        return kvm.LAPIC_STATE.unpack(self.lapic_page())

    def lapic_page(self) -> bytearray:
        """KVM_GET_LAPIC: the APIC page."""
        page = bytearray(kvm.LAPIC_SIZE)
        ioctl(self.fd, kvm.KVM_GET_LAPIC, page)
        return page

    def set_lapic_page(self, page: bytearray) -> None:
        """KVM_SET_LAPIC."""
        ioctl(self.fd, kvm.KVM_SET_LAPIC, page)

    @property
    def apic_base(self) -> int:
        """The APIC base, as of the last exit."""
        assert self.page is not None
        return int.from_bytes(self.page[24:32], "little")

    @property
    def mp_state(self) -> int:
        """KVM_GET_MP_STATE."""
        state = bytearray(4)
        ioctl(self.fd, kvm.KVM_GET_MP_STATE, state)
        return int.from_bytes(state, "little")

    @mp_state.setter
    def mp_state(self, value: int) -> None:
        ioctl(self.fd, kvm.KVM_SET_MP_STATE, bytearray(value.to_bytes(4, "little")))
