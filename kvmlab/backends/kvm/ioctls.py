"""What is said to /dev/kvm: ioctl numbers and structure layouts (Documentation/virt/kvm/api.rst).

A buffer is a bytearray: with an immutable one Python loses the ioctl's return value.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from struct import Struct
from typing import cast

from kvmlab.engine.abi import IOCTLS, KVM_EXIT_IO, KVM_EXIT_IOAPIC_EOI, KVM_EXIT_MMIO

ioctl = cast("Callable[[int, int, bytearray | int], int]", fcntl.ioctl)
"""ioctl(2) with a buffer or a number: what it returns; raises OSError."""

KVM_GET_API_VERSION = 0xAE00
KVM_CREATE_VM = 0xAE01
KVM_CHECK_EXTENSION = IOCTLS["KVM_CHECK_EXTENSION"]
KVM_GET_VCPU_MMAP_SIZE = 0xAE04
KVM_GET_SUPPORTED_CPUID = 0xC008AE05
KVM_CREATE_VCPU = 0xAE41
KVM_SET_USER_MEMORY_REGION = 0x4020AE46
KVM_CREATE_IRQCHIP = IOCTLS["KVM_CREATE_IRQCHIP"]
KVM_GET_IRQCHIP = 0xC208AE62
KVM_SET_IRQCHIP = 0x8208AE63
KVM_IRQ_LINE_STATUS = IOCTLS["KVM_IRQ_LINE_STATUS"]
KVM_SET_GSI_ROUTING = IOCTLS["KVM_SET_GSI_ROUTING"]
KVM_IRQFD = IOCTLS["KVM_IRQFD"]
KVM_ENABLE_CAP = IOCTLS["KVM_ENABLE_CAP"]
KVM_CREATE_PIT2 = IOCTLS["KVM_CREATE_PIT2"]
KVM_IOEVENTFD = IOCTLS["KVM_IOEVENTFD"]
KVM_SIGNAL_MSI = IOCTLS["KVM_SIGNAL_MSI"]
KVM_RUN = 0xAE80
KVM_SET_REGS = 0x4090AE82
KVM_GET_SREGS = 0x8138AE83
KVM_SET_SREGS = 0x4138AE84
KVM_SET_CPUID2 = 0x4008AE90
KVM_GET_LAPIC = 0x8400AE8E
KVM_SET_LAPIC = 0x4400AE8F
KVM_GET_MP_STATE = 0x8004AE98
KVM_SET_MP_STATE = 0x4004AE99

API_VERSION = 12
"""What KVM_GET_API_VERSION has answered since 2.6.22."""

NEEDED = {
    "KVM_CAP_IRQCHIP": 0,
    "KVM_CAP_USER_MEMORY": 3,
    "KVM_CAP_MP_STATE": 14,
    "KVM_CAP_IMMEDIATE_EXIT": 136,
}
"""Capabilities that nothing works without, by number."""

USED = {
    "KVM_CAP_IRQ_ROUTING": 25,
    "KVM_CAP_IRQ_INJECT_STATUS": 26,
    "KVM_CAP_IRQFD": 32,
    "KVM_CAP_PIT2": 33,
    "KVM_CAP_IOEVENTFD": 36,
    "KVM_CAP_SIGNAL_MSI": 77,
    "KVM_CAP_IRQFD_RESAMPLE": 82,
    "KVM_CAP_X86_SMM": 117,
    "KVM_CAP_SPLIT_IRQCHIP": 121,
}
"""Capabilities that some command needs, by number."""

ENABLE_CAP = Struct("<II4Q64x")
"""struct kvm_enable_cap: cap, flags, args."""

IRQFD = Struct("<4I16x")
"""struct kvm_irqfd: fd, gsi, flags, resamplefd."""

IOEVENTFD = Struct("<QQIII36x")
"""struct kvm_ioeventfd: datamatch, addr, len, fd, flags."""

IRQ_LEVEL = Struct("<II")
"""struct kvm_irq_level: irq, or the status that comes back as a signed number, and level."""

MSI = Struct("<4I16x")
"""struct kvm_msi: address_lo, address_hi, data, flags."""

ROUTING_HEAD = Struct("<II")
"""struct kvm_irq_routing: nr, flags."""

ROUTING_ENTRY = Struct("<4I8I")
"""struct kvm_irq_routing_entry: gsi, type, flags, a pad, and a union of 32 bytes."""

MEMORY_REGION = Struct("<IIQQQ")
"""struct kvm_userspace_memory_region: slot, flags, guest_phys_addr, memory_size, userspace_addr."""

SEGMENT = Struct("<QIH8B2x")
"""struct kvm_segment: base, limit, selector, type, present, dpl, db, s, l, g, avl; never unusable."""

TABLE = Struct("<QH6x")
"""struct kvm_dtable: base, limit."""

CONTROL = Struct("<6Q")
"""Of struct kvm_sregs from offset 224: cr0, cr2, cr3, cr4, cr8, efer."""

CONTROL_AT, SREGS_SIZE = 224, 312

REGS = Struct("<18Q")
"""struct kvm_regs: rax rbx rcx rdx, rsi rdi rsp rbp, r8 to r15, rip, rflags."""

IRQCHIP_HEAD, IRQCHIP_SIZE = 8, 520
"""struct kvm_irqchip: chip_id and a pad, then 512 bytes."""

PIC_MASTER, PIC_SLAVE, IOAPIC = range(3)
"""Chip numbers."""

PIC_STATE = Struct("<16B")
"""struct kvm_pic_state: last_irr, irr, imr, isr, priority_add, irq_base, read_reg_select, poll,
special_mask, init_state, auto_eoi, rotate_on_auto_eoi, special_fully_nested_mode, init4, elcr, elcr_mask."""

IOAPIC_STATE = Struct("<Q4I24Q")
"""struct kvm_ioapic_state: base_address, ioregsel, id, irr, a pad, redirtbl."""

LAPIC_STATE = Struct("<" + "I12x" * 64)
"""struct kvm_lapic_state: 64 registers, each in the first 4 of 16 bytes."""

LAPIC_SIZE = 1024

IMMEDIATE_EXIT, EXIT_REASON = 1, 8
"""Offsets in struct kvm_run."""

RUN_IO = Struct("<BBHIQ")
"""Of struct kvm_run from offset 32, for KVM_EXIT_IO: direction (0 is in), size, port, count, data_offset."""

RUN_MMIO = Struct("<Q8sIB")
"""Of struct kvm_run from offset 32, for KVM_EXIT_MMIO: phys_addr, data, len, is_write."""

EXIT_AT = 32

EXIT_IO, EXIT_MMIO, EXIT_IOAPIC_EOI = KVM_EXIT_IO, KVM_EXIT_MMIO, KVM_EXIT_IOAPIC_EOI
EXIT_NAMES = {
    0: "KVM_EXIT_UNKNOWN",
    1: "KVM_EXIT_EXCEPTION",
    5: "KVM_EXIT_HLT",
    8: "KVM_EXIT_SHUTDOWN",
    9: "KVM_EXIT_FAIL_ENTRY",
    10: "KVM_EXIT_INTR",
    17: "KVM_EXIT_INTERNAL_ERROR",
    24: "KVM_EXIT_SYSTEM_EVENT",
}
"""Exits that say why the guest is where it should not be."""
