"""Waits until the kernel's workers have done what a call gave them.

An irqfd of a line is injected by a work item of the system work queue, on the CPU of whoever signalled
it and in order. So an irqfd of a second VM, a marker, is signalled right behind it: when its pulse has
been seen, what came before is done. The shutdown of an irqfd is work of another queue, which every
KVM_IRQFD with DEASSIGN flushes, also one that deassigns nothing.
"""

from __future__ import annotations

import os
import time

from kvmlab.backends.kvm import ioctls as kvm
from kvmlab.backends.kvm.vm import Kvm, Vm
from kvmlab.engine.abi import KVM_IRQFD_FLAG_DEASSIGN
from kvmlab.engine.chips.route_table import Route

GSI, INPUT = 4095, 1
"""The marker's GSI, which no machine has, and where it leads: to an 8259, which remembers an edge."""

IRR = 1
"""Place of irr in struct kvm_pic_state."""

PATIENCE = 0.1
"""Seconds after which a worker that has not come is no longer waited for."""


class Settler:
    """The second VM, with nothing but an irqchip, and the marker."""

    def __init__(self, system: Kvm) -> None:
        self._fd = -1
        self._vm = Vm(system, memory=False)
        try:
            self._idle = self._vm.irqchip(kvm.PIC_MASTER)
            self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._vm.set_gsi_routing([Route(GSI, irqchip=kvm.PIC_MASTER, pin=INPUT)])
            self._vm.irqfd(self._fd, GSI, 0, 0)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the VM and the marker."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._vm.close()

    def injected(self) -> bool:
        """Wait until every irqfd that was signalled by this thread is injected; False if it took too long."""
        vm, bit = self._vm, 1 << INPUT
        os.eventfd_write(self._fd, 1)
        end = 0.0
        while not vm.pic(kvm.PIC_MASTER)[IRR] & bit:
            os.sched_yield()
            now = time.monotonic()
            end = end or now + PATIENCE
            if now > end:
                return False
        vm.set_irqchip(self._idle)
        return True

    def shut_down(self) -> None:
        """Wait until every irqfd whose eventfd was closed has gone."""
        self._vm.irqfd(self._fd, GSI - 1, KVM_IRQFD_FLAG_DEASSIGN, 0)
