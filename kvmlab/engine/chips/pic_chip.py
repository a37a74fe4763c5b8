"""One 8259: its registers, its priorities, and its command words.

Follows the single-chip half of arch/x86/kvm/i8259.c of Linux 3.6 (data sheet: Intel 8259A). What
reaches beyond the chip (the cascade, the notifiers, the lock) is in pic.py. As in KVM, special
mask mode is stored and has no effect, and ICW3 is taken and ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

CASCADE = 2
"""The master's input that the slave drives."""

_ELCR_MASKS = (0xDE, 0xF8)
"""Inputs that can be level-triggered, of the slave and of the master."""


class Registers(NamedTuple):
    """A chip's registers as a value, in the order of struct kvm_pic_state.

    ``sfnm`` is special_fully_nested_mode; ``init_state`` is 0, or the number of the ICW before
    the one that is awaited.
    """

    last_irr: int = 0
    irr: int = 0
    imr: int = 0
    isr: int = 0
    priority_add: int = 0
    irq_base: int = 0
    read_reg_select: int = 0
    poll: int = 0
    special_mask: int = 0
    init_state: int = 0
    auto_eoi: int = 0
    rotate_on_auto_eoi: int = 0
    sfnm: int = 0
    init4: int = 0
    elcr: int = 0


read_registers: Callable[[PicChip], tuple[int, ...]] = attrgetter(*Registers._fields)
"""Reads all registers of a chip, in their order."""


class Command(NamedTuple):
    """What a port write leaves to do outside the chip, in this order."""

    ended: tuple[int, ...] = ()
    """Inputs (0..15) to end: in-service bit cleared, notifiers run."""
    masks: tuple[tuple[int, int], ...] = ()
    """Inputs (0..15) whose mask has changed, with the new mask bit."""
    update: bool = False
    """Whether the output is to be set anew."""


NOTHING = Command()
UPDATE = Command(update=True)


class PicChip:
    """struct kvm_kpic_state: all registers 0 at first. A part of :class:`Pic`, not an object."""

    __slots__ = (*Registers._fields, "base", "elcr_mask", "is_master")

    def __init__(self, *, is_master: bool) -> None:
        self.is_master = is_master
        self.base = 0 if is_master else 8
        self.elcr_mask = _ELCR_MASKS[is_master]
        self.restore(Registers())

    def restore(self, registers: tuple[int, ...]) -> None:
        """Assign all registers from what :func:`read_registers` returned."""
        (
            self.last_irr,
            self.irr,
            self.imr,
            self.isr,
            self.priority_add,
            self.irq_base,
            self.read_reg_select,
            self.poll,
            self.special_mask,
            self.init_state,
            self.auto_eoi,
            self.rotate_on_auto_eoi,
            self.sfnm,
            self.init4,
            self.elcr,
        ) = registers

    def set_irq1(self, line: int, level: int) -> int:
        """Drive one input (pic_set_irq1): -1 if it is masked, 0 if latched already, else 1.

        A masked request is latched all the same. An edge stays latched when the line falls.
        """
        bit = 1 << line
        ret = 1
        if level:
            if self.elcr & bit or not self.last_irr & bit:
                ret = 0 if self.irr & bit else 1
                self.irr |= bit
            self.last_irr |= bit
        else:
            self.last_irr &= ~bit
            if self.elcr & bit:
                self.irr &= ~bit
        return -1 if self.imr & bit else ret

    def _priority(self, lines: int) -> int:
        """Return the highest priority among lines, 0 being the highest; 8 for no line."""
        if not lines:
            return 8
        rotated = (lines << 8 | lines) >> self.priority_add & 0xFF
        return (rotated & -rotated).bit_length() - 1

    def get_irq(self) -> int:
        """Return the line that interrupts what is in service, or -1 (pic_get_irq)."""
        requests = self.irr & ~self.imr
        if not requests:
            return -1
        in_service = self.isr
        if self.sfnm and self.is_master:
            # The slave's own priorities decide whether its next request may nest.
            in_service &= ~(1 << CASCADE)
        priority = self._priority(requests)
        if priority < self._priority(in_service):
            return priority + self.priority_add & 7
        return -1

    def intack(self, line: int) -> None:
        """Acknowledge a line: in service; a level request stays. Auto-EOI may rotate."""
        self.isr |= 1 << line
        if not self.elcr & 1 << line:
            self.irr &= ~(1 << line)
        if self.auto_eoi and self.rotate_on_auto_eoi:
            self.priority_add = line + 1 & 7

    # -- ports ----------------------------------------------------------------------------------

    def read(self, data_port: int) -> int:
        """Read IMR from the data port; ISR or IRR, as OCW3 selected, from the command port."""
        if data_port:
            return self.imr
        return self.isr if self.read_reg_select else self.irr

    def write_elcr(self, value: int) -> None:
        """Write the edge/level register: neither requests nor the output are looked at again."""
        self.elcr = value & self.elcr_mask

    def write_command(self, value: int, accepted: bool) -> Command:
        """Write the command port: ICW1, OCW3 or OCW2.

        ``accepted``: some vCPU takes this pair's interrupts; only then ICW1 ends what it drops.
        """
        if value & 0x10:
            return self._icw1(value, accepted)
        if value & 0x08:
            return self._ocw3(value)
        return self._ocw2(value >> 5, value & 7)

    def _icw1(self, value: int, accepted: bool) -> Command:
        dropped = self.irr & ~self.elcr
        self.init4 = value & 1
        self.last_irr = self.imr = self.priority_add = self.special_mask = self.read_reg_select = 0
        self.irr &= self.elcr
        if not self.init4:
            self.sfnm = self.auto_eoi = 0
        self.init_state = 1
        if not accepted:
            return NOTHING
        return Command(ended=tuple([self.base + line for line in range(8) if dropped >> line & 1]))

    def _ocw3(self, value: int) -> Command:
        if value & 0x04:
            self.poll = 1
        if value & 0x02:
            self.read_reg_select = value & 1
        if value & 0x40:
            self.special_mask = value >> 5 & 1
        return NOTHING

    def _ocw2(self, command: int, line: int) -> Command:
        rotate, specific, end = command >> 2, command >> 1 & 1, command & 1
        if not end:
            if specific and rotate:
                self.priority_add = line + 1 & 7
                return UPDATE
            if not specific:
                self.rotate_on_auto_eoi = rotate
            return NOTHING
        if not specific:
            priority = self._priority(self.isr)
            if priority == 8:
                return NOTHING
            line = priority + self.priority_add & 7
        if rotate:
            self.priority_add = line + 1 & 7
        return Command(ended=(self.base + line,), update=True)

    def write_data(self, value: int) -> Command:
        """Write the data port: ICW2 to ICW4 while they are awaited, else IMR."""
        if self.init_state == 0:
            changed = self.imr ^ value
            self.imr = value
            masks = [(self.base + line, value >> line & 1) for line in range(8) if changed >> line & 1]
            return Command(masks=tuple(masks), update=True)
        if self.init_state == 1:
            self.irq_base = value & 0xF8
            self.init_state = 2
        elif self.init_state == 2:
            self.init_state = 3 if self.init4 else 0
        else:
            self.sfnm = value >> 4 & 1
            self.auto_eoi = value >> 1 & 1
            self.init_state = 0
        return NOTHING
