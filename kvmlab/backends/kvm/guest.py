"""The guest's memory: its code, page tables, descriptor tables and mailboxes, as the host lays them out.

The code is guest.s, assembled. It stands at the top of the first 4 GiB, where a PC has its firmware, so
that no address that a lab may care about is RAM; the page tables map these 4 GiB one to one.
"""

from __future__ import annotations

import mmap
from struct import pack, pack_into

from kvmlab.backends.kvm.ioctls import CONTROL, CONTROL_AT, REGS, SEGMENT, SREGS_SIZE, TABLE

BASE = 0xFFFE0000
SIZE = 0x20000

_PML4, _PDPT, _PD, _GDT, _IDT, _STUBS, _CODE, _PAGES = (
    *(0x0000, 0x1000, 0x2000, 0x6000),
    *(0x7000, 0x8000, 0x9000, 0xA000),
)
_STUB_SIZE = 5
"""A CALL with a 32-bit displacement."""

PROMPT, WINDOW, TAKEN, RESET = 0x5200, 0x5201, 0x5202, 0x5203
"""The ports from which the guest asks what to do next; from RESET when it was reset."""

PORTS = range(PROMPT, RESET + 1)

_RESET_VECTOR = 0x1FFF0
_RESET_CODE = bytes.fromhex("ba0352 66ed ebf9")
"""In 16-bit mode: mov dx, RESET; in eax, dx; and again."""

_ROUTINES = (
    *("enter", "write1", "write2", "write4", "write8", "ioapic", "read1", "read2", "read4", "read8"),
    *("out1", "out2", "out4", "in1", "in2", "in4"),
    *("rdmsr", "wrmsr", "window", "taken", "leave", "abort"),
)
ROUTINES = {name: BASE + _CODE + 32 * number for number, name in enumerate(_ROUTINES)}
"""Address of each routine; `enter` is the prompt itself, which does nothing."""

CODE = bytes.fromhex(
    """
    edffe0cccccccccccccccccccccccccccccccccccccccccccccccccccccccccc488b3b8a43088807edffe0cccccccccc
    cccccccccccccccccccccccccccccccc488b3b668b4308668907edffe0cccccccccccccccccccccccccccccccccccccc
    488b3b8b43088907edffe0cccccccccccccccccccccccccccccccccccccccccc488b3b488b4308488907edffe0cccccc
    cccccccccccccccccccccccccccccccc488b3b8b430889078b430c894710edffe0cccccccccccccccccccccccccccccc
    488b3b8a07884310edffe0cccccccccccccccccccccccccccccccccccccccccc488b3b668b0766894310edffe0cccccc
    cccccccccccccccccccccccccccccccc488b3b8b07894310edffe0cccccccccccccccccccccccccccccccccccccccccc
    488b3b488b0748894310edffe0cccccccccccccccccccccccccccccccccccccc8b138b4308eeba00520000edffe0cccc
    cccccccccccccccccccccccccccccccc8b138b430866efba00520000edffe0cccccccccccccccccccccccccccccccccc
    8b138b4308efba00520000edffe0cccccccccccccccccccccccccccccccccccc8b13ec884310ba00520000edffe0cccc
    cccccccccccccccccccccccccccccccc8b1366ed66894310ba00520000edffe0cccccccccccccccccccccccccccccccc
    8b13ed894310ba00520000edffe0cccccccccccccccccccccccccccccccccccc8b0b0f32894310895314ba00520000ed
    ffe0cccccccccccccccccccccccccccc8b0b8b43088b530c0f30ba00520000edffe0cccccccccccccccccccccccccccc
    fb90ba01520000ed90faba00520000edffe0cccccccccccccccccccccccccccc8f43185052ba02520000edffe0cccccc
    cccccccccccccccccccccccccccccccc5a580fba7424100948cfcccccccccccccccccccccccccccccccccccccccccccc
    4c89ecba00520000edffe0
    """
)
"""guest.s, assembled."""

MAILBOX_ADDRESS, MAILBOX_VALUE, MAILBOX_READ, MAILBOX_STUB = 0, 8, 16, 24


def mailbox(vcpu: int) -> int:
    """Return the offset of a vCPU's mailbox in the guest's memory; its stack is the rest of that page."""
    return _PAGES + 0x1000 * vcpu


def vector_of(stub: int) -> int:
    """Return the vector whose stub's CALL returns to an address."""
    return (stub - BASE - _STUBS) // _STUB_SIZE - 1


def fill(memory: mmap.mmap) -> None:
    """Lay the guest out in its memory."""
    # Present and writable; in the last level also 2 MiB pages.
    pack_into("<Q", memory, _PML4, BASE + _PDPT | 3)
    for gib in range(4):
        pack_into("<Q", memory, _PDPT + 8 * gib, BASE + _PD + 0x1000 * gib | 3)
    for page in range(4 * 512):
        pack_into("<Q", memory, _PD + 8 * page, page << 21 | 0x83)
    pack_into("<3Q", memory, _GDT, 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF)
    for vector in range(256):
        stub = BASE + _STUBS + _STUB_SIZE * vector
        gate = pack("<HHBBHII", stub & 0xFFFF, 8, 0, 0x8E, stub >> 16 & 0xFFFF, stub >> 32, 0)
        memory[_IDT + 16 * vector : _IDT + 16 * vector + 16] = gate
        # Relative to the next instruction.
        distance = ROUTINES["taken"] - BASE - _STUBS - _STUB_SIZE * (vector + 1)
        pack_into("<Bi", memory, _STUBS + _STUB_SIZE * vector, 0xE8, distance)
    memory[_CODE : _CODE + len(CODE)] = CODE
    memory[_RESET_VECTOR : _RESET_VECTOR + len(_RESET_CODE)] = _RESET_CODE


def sregs(found: bytearray) -> bytearray:
    """Return struct kvm_sregs with 64-bit mode in it; the APIC base stays."""
    code = SEGMENT.pack(0, 0xFFFFFFFF, 8, 11, 1, 0, 0, 1, 1, 1, 0)
    data = SEGMENT.pack(0, 0xFFFFFFFF, 16, 3, 1, 0, 1, 1, 0, 1, 0)
    task = SEGMENT.pack(0, 0xFFFF, 24, 11, 1, 0, 0, 0, 0, 0, 0)
    local = SEGMENT.pack(0, 0xFFFF, 0, 2, 1, 0, 0, 0, 0, 0, 0)
    tables = TABLE.pack(BASE + _GDT, 23) + TABLE.pack(BASE + _IDT, 256 * 16 - 1)
    head = code + data * 5 + task + local + tables
    wanted = bytearray(found)
    wanted[: len(head)] = head
    protected, paging, numeric_error, extension = 1, 1 << 31, 1 << 5, 1 << 4
    control = protected | paging | numeric_error | extension
    CONTROL.pack_into(wanted, CONTROL_AT, control, 0, BASE + _PML4, 1 << 5, 0, 0x500)
    assert len(wanted) == SREGS_SIZE
    return wanted


def regs(vcpu: int) -> bytearray:
    """Return struct kvm_regs of a vCPU that stands at its prompt."""
    rbx, rsp = BASE + mailbox(vcpu), BASE + mailbox(vcpu) + 0x1000
    low = (0, rbx, 0, PROMPT, 0, 0, rsp, 0)
    high = (0, 0, 0, 0, 0, rsp, 0, 0)
    return bytearray(REGS.pack(*low, *high, ROUTINES["enter"], 2))
