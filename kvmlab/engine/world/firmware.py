"""What firmware leaves behind: 8259s initialised and fully masked. The LAPICs are enabled per vCPU.

The writes are those of any PC firmware (8259A data sheet, ICW1-ICW4): bases 0x20 and 0x28, the
slave on input 2, 8086 mode, then every input masked.
"""

from __future__ import annotations

RUNNABLE = 0
"""KVM_MP_STATE_RUNNABLE."""

FIRMWARE: tuple[tuple[str, tuple[int, int, int, int]], ...] = tuple(
    ("pio_write", (0, port, 1, value))
    for port, value in (
        (0x20, 0x11),
        (0x21, 0x20),
        (0x21, 0x04),
        (0x21, 0x01),
        (0xA0, 0x11),
        (0xA1, 0x28),
        (0xA1, 0x02),
        (0xA1, 0x01),
        (0x21, 0xFF),
        (0xA1, 0xFF),
    )
)
"""Calls, by path and arguments (vcpu, port, length, value)."""
