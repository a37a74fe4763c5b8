"""The pair of 8259 interrupt controllers, master and slave, with their edge/level registers.

Follows arch/x86/kvm/i8259.c of Linux 3.6 and 6.x (data sheet: Intel 8259A). Inputs are numbered 0..15,
8 and up on the slave. The priorities and registers of one chip are in pic_chip.py. Left out:
kicks of vCPUs, and accesses that are not one byte wide, which the chips ignore.
"""

from __future__ import annotations

from kvmlab.engine.chips.apics import Apics
from kvmlab.engine.chips.pic_chip import CASCADE, NOTHING, Command, PicChip, Registers, read_registers
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import PATHS, Path, path, touches
from kvmlab.engine.kernels import Rules
from kvmlab.engine.profile import Profile
from kvmlab.engine.tracepoint import Trace

PIC = "pic"
PIC_LOCK = "pic.lock"
PIC_NUM_PINS = 16
SPURIOUS = 7

_ELCR_PORTS = 0x4D0
_ICW1_UNKNOWN = ((0x02, "single mode not supported"), (0x08, "level sensitive irq not supported"))
_LOCK, _UNLOCK = spin_lock(PIC_LOCK), spin_unlock(PIC_LOCK)


class Pic(Object):
    """struct kvm_pic; handle ``pic``. Methods that change it need pic.lock; clear_output goes without.

    ``chips`` is (master, slave); ``output`` is the INT line of the pair.
    """

    __slots__ = ("_states", "apics", "chips", "emit", "output", "rules")
    FIELDS = ("registers", "output", "irq_states")

    def __init__(self, apics: Apics, rules: Rules, trace: Trace) -> None:
        super().__init__()
        self.apics, self.rules, self.emit = apics, rules, trace.emit
        self.chips = (PicChip(is_master=True), PicChip(is_master=False))
        self.output = 0
        self.irq_states = (0,) * PIC_NUM_PINS

    @property
    def irq_states(self) -> tuple[int, ...]:
        """By input, the sources that assert it, one bit each."""
        return tuple(self._states)

    @irq_states.setter
    def irq_states(self, states: tuple[int, ...]) -> None:
        self._states = list(states)

    @property
    def registers(self) -> tuple[tuple[int, ...], ...]:
        """The state of both chips: the values of their Registers, the master's first."""
        master, slave = self.chips
        return read_registers(master), read_registers(slave)

    @registers.setter
    def registers(self, values: tuple[tuple[int, ...], ...]) -> None:
        for chip, registers in zip(self.chips, values, strict=True):
            chip.restore(registers)

    @property
    def master(self) -> Registers:
        """The master's registers as a value."""
        return Registers(*read_registers(self.chips[0]))

    @property
    def slave(self) -> Registers:
        """The slave's registers as a value."""
        return Registers(*read_registers(self.chips[1]))

    # -- lines ------------------------------------------------------------------------------

    def set_irq(self, pin: int, irq_source_id: int, level: int) -> int:
        """Set or clear a source's bit on an input and act on the line (kvm_pic_set_irq).

        Returns -1 for a masked input, 0 for a request that was latched already, else 1.
        """
        self.changed()
        state = self._states[pin]
        state = state | 1 << irq_source_id if level else state & ~(1 << irq_source_id)
        self._states[pin] = state
        number, line = pin >> 3, pin & 7
        chip = self.chips[number]
        ret = chip.set_irq1(line, state)
        self.update_irq()
        self.emit(("kvm_pic_set_irq", number, line, chip.elcr, chip.imr, 1 if ret == 0 else 0))
        return ret

    def update_irq(self) -> None:
        """Pass the slave's request on and set the output (pic_update_irq)."""
        master, slave = self.chips
        # Most of the time nothing unmasked is requested, which is cheaper to see here.
        if slave.irr & ~slave.imr and slave.get_irq() >= 0:
            self.changed()
            # A pulse, so that the request is latched in the master whatever the slave does next.
            master.set_irq1(CASCADE, 1)
            master.set_irq1(CASCADE, 0)
        output = 1 if master.irr & ~master.imr and master.get_irq() >= 0 else 0
        if output != self.output:
            self.changed()
            self.output = output

    def clear_all(self, irq_source_id: int) -> None:
        """Clear a source's bit on every input; no line is evaluated (kvm_pic_clear_all)."""
        self.changed()
        keep = ~(1 << irq_source_id)
        self._states = [state & keep for state in self._states]

    # -- acknowledge and end ------------------------------------------------------------------

    def clear_output(self) -> int:
        """Drop the INT line, as kvm_cpu_get_interrupt does first; return what it was."""
        self.changed()
        output, self.output = self.output, 0
        return output

    def intack(self, number: int) -> tuple[int, bool]:
        """Acknowledge a chip's request: its line (-1: none), and whether it ends at once."""
        self.changed()
        chip = self.chips[number]
        line = chip.get_irq()
        if line >= 0:
            chip.intack(line)
        return line, line >= 0 and bool(chip.auto_eoi)

    def vector(self, line: int, slave_line: int) -> int:
        """Return the vector of an acknowledged request; spurious ones are input 7 of their chip."""
        master, slave = self.chips
        if line == CASCADE:
            return slave.irq_base + (slave_line if slave_line >= 0 else SPURIOUS)
        return master.irq_base + (line if line >= 0 else SPURIOUS)

    def next_vector(self) -> int:
        """Return the vector that an acknowledge would give now, spurious ones included."""
        master, slave = self.chips
        line = master.get_irq()
        return self.vector(line, slave.get_irq() if line == CASCADE else -1)

    def is_slave_vector(self, vector: int) -> bool:
        """Tell whether a vector is one of the slave's eight."""
        return 0 <= vector - self.chips[1].irq_base < 8

    def clear_isr(self, pin: int) -> None:
        """End an input: clear its in-service bit."""
        self.changed()
        self.chips[pin >> 3].isr &= ~(1 << (pin & 7))

    # -- ports ----------------------------------------------------------------------------------

    @touches("reports")
    def unimplemented(self, what: str, *, wanted: int = 1) -> None:
        """Log what the guest wants and the model of 3.6 does not do (pr_pic_unimpl)."""
        if wanted:
            self.memory.reports.printk(f"kvm: pic: {what}")

    @touches("lapic*", "reports")
    def ioport_write(self, port: int, value: int) -> Command:
        """Write a port; return what is left to do outside this chip (pic_ioport_write)."""
        self.changed()
        if port >= _ELCR_PORTS:
            self.chips[port & 1].write_elcr(value)
            return NOTHING
        chip = self.chips[port >> 7]
        if port & 1:
            return chip.write_data(value)
        if value & 0x10:
            for bit, what in _ICW1_UNKNOWN:
                self.unimplemented(what, wanted=value & bit)
        accepted = any(lapic.accept_pic_intr() for lapic in self.apics.lapics)
        return chip.write_command(value, accepted)

    def ioport_read(self, port: int) -> tuple[int, int, bool]:
        """Read a port (pic_ioport_read): the value, then what is left to do for a poll.

        That is the input to end (-1: none), and whether this was a poll.
        """
        if port >= _ELCR_PORTS:
            return self.chips[port & 1].elcr, -1, False
        number = port >> 7
        chip = self.chips[number]
        if not chip.poll:
            return chip.read(port & 1), -1, False
        self.changed()
        line = chip.get_irq()
        if line < 0:
            return SPURIOUS, -1, True
        if number:
            self.chips[0].isr &= ~(1 << CASCADE)
            self.chips[0].irr &= ~(1 << CASCADE)
        chip.irr &= ~(1 << line)
        return line | self.rules.poll_bit, number << 3 | line, True

    def end_poll(self, port: int, value: int) -> None:
        """Leave poll mode; a poll of the master that found the cascade leaves the output alone."""
        self.changed()
        if port >> 7 or value & 0x7F != CASCADE:
            self.update_irq()
        self.chips[port >> 7].poll = 0


@path
def pic_clear_isr(profile: Profile, pin: int) -> Path[None]:
    """End an input and run its notifiers, with pic.lock dropped: they call back into the PIC."""
    yield (Pic.clear_isr, PIC, pin)
    yield _UNLOCK
    yield from PATHS["kvm_notify_acked_irq"](profile, pin >> 3, pin)
    yield _LOCK


@path
def kvm_pic_clear_all(profile: Profile, irq_source_id: int) -> Path[None]:
    """Forget a source on every input: see :meth:`Pic.clear_all`."""
    yield _LOCK
    yield (Pic.clear_all, PIC, irq_source_id)
    yield _UNLOCK


@path
def kvm_pic_read_irq(profile: Profile) -> Path[int]:
    """Acknowledge the pair's request and return its vector (base + 7 for a spurious one)."""
    yield _LOCK
    line, ends = yield (Pic.intack, PIC, 0)
    if ends:
        yield from pic_clear_isr(profile, line)
    slave_line = -1
    if line == CASCADE:
        slave_line, ends = yield (Pic.intack, PIC, 1)
        if ends:
            yield from pic_clear_isr(profile, 8 | slave_line)
    vector: int = yield (Pic.vector, PIC, line, slave_line)
    yield (Pic.update_irq, PIC)
    yield _UNLOCK
    return vector


@path
def pic_ioport_write(profile: Profile, port: int, value: int) -> Path[None]:
    """Write one byte to a port of the pair, notifiers included."""
    yield _LOCK
    ended, masks, update = yield (Pic.ioport_write, PIC, port, value)
    for pin in ended:
        yield from pic_clear_isr(profile, pin)
    for pin, mask in masks:
        yield from PATHS["kvm_fire_mask_notifiers"](profile, pin >> 3, pin, mask)
    if update:
        yield (Pic.update_irq, PIC)
    yield _UNLOCK


@path
def pic_ioport_read(profile: Profile, port: int) -> Path[int]:
    """Read one byte from a port of the pair; a poll acknowledges and ends its interrupt."""
    yield _LOCK
    value, ended, polled = yield (Pic.ioport_read, PIC, port)
    if ended >= 0:
        yield from pic_clear_isr(profile, ended)
    if polled:
        yield (Pic.end_poll, PIC, port, value)
    yield _UNLOCK
    return int(value)
