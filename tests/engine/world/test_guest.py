"""What a guest does: accesses and who answers them, taking interrupts, handlers that run by themselves."""

from __future__ import annotations

import pytest

from kvmlab.engine.machine import RUN_LIMIT, Machine
from kvmlab.engine.profile import Profile
from tests.engine.lab import Lab

BUS_ERROR = {1: 0xFF, 2: 0xFFFF, 4: 0xFFFFFFFF, 8: 2**64 - 1}
READY = ("machine vcpus=2", "ioapic 11 vector=0x41 level unmasked")


@pytest.fixture
def machine() -> Machine:
    """Return a machine with two vCPUs."""
    return Machine(Profile(vcpus=2))


# -- state at the start -----------------------------------------------------------------------------


def test_firmware_leaves_a_pc_ready() -> None:
    """LAPICs enabled, IF set, 8259s at 0x20 and 0x28 and fully masked."""
    machine = Machine(Profile(vcpus=2))
    assert [chip.spiv for chip in machine.lapics] == [0x1FF, 0x1FF]
    assert [chip.lvt[3] for chip in machine.lapics] == [0x700, 0x700]
    assert [chip.irq_base for chip in machine.pic.chips] == [0x20, 0x28]
    assert [chip.imr for chip in machine.pic.chips] == [0xFF, 0xFF]
    assert [machine.memory.objects[f"vcpu{n}"].load("if_") for n in range(2)] == [1, 1]


def test_a_bare_machine_is_in_reset_state() -> None:
    """LAPICs software-disabled, 8259s as they come."""
    machine = Machine(Profile(bare=True))
    assert machine.lapics[0].spiv == 0xFF
    assert [chip.imr for chip in machine.pic.chips] == [0, 0]
    assert machine.signal_msi(0xFEE00000, 0x41) == 0


# -- accesses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("length", BUS_ERROR)
def test_nobodys_memory_reads_as_ones(machine: Machine, length: int) -> None:
    """A read that nobody answers gives all ones, a write vanishes."""
    assert machine.mmio_read(0, 0xFE000000, length) == BUS_ERROR[length]
    assert machine.mmio_write(0, 0xFE000000, 5, length) == 0


@pytest.mark.parametrize("length", [1, 2, 4])
def test_nobodys_port_reads_as_ones(machine: Machine, length: int) -> None:
    """So do ports."""
    assert machine.pio_read(0x70, length=length) == BUS_ERROR[length]
    assert machine.pio_write(0x70, 1, length=length) == 0


def test_the_8259_ignores_accesses_that_are_no_byte(machine: Machine) -> None:
    """Its registers are one byte wide: a wider write does nothing, a wider read gives 0.

    One that reaches beyond the chip's two ports is nobody's.
    """
    machine.pio_write(0x20, 0x11, length=2)
    assert machine.pio_read(0x21) == 0xFF
    assert machine.pio_read(0x20, length=2) == 0
    assert machine.pio_read(0x21, length=2) == 0xFFFF


def test_each_vcpu_has_its_own_lapic_page(machine: Machine) -> None:
    """The same address is another chip for each, and the IOAPIC is one for all."""
    assert [machine.mmio_read(n, 0xFEE00020) for n in range(2)] == [0, 1 << 24]
    machine.mmio_write(0, 0xFEC00000, 1)
    assert [machine.mmio_read(n, 0xFEC00010) for n in range(2)] == [0x170011, 0x170011]


def test_without_an_irqchip_nobody_answers() -> None:
    """Chips' addresses are memory of nobody, and nothing is ever taken."""
    machine = Machine(Profile(without=frozenset({"irqchip"})))
    assert machine.mmio_read(0, 0xFEE00020) == 0xFFFFFFFF
    assert machine.pio_read(0x21) == 0xFF
    assert machine.take() is None
    assert machine.eoi() == 0
    assert machine.run() == 0


@pytest.mark.parametrize("msr", [0x10, 0x80B, 0x802])
def test_an_unknown_msr_is_a_general_protection_fault(machine: Machine, msr: int) -> None:
    """So is an x2APIC register outside x2APIC mode; the tracepoint says #GP."""
    lab = Lab("machine", f"msr write {msr} 0")
    assert (lab.fact("last", "ret"), lab.fact("last", "errno")) == (-1, 0)
    assert list(lab.one(f"msr read {msr}").events) == [f"kvm_msr: msr_read {msr:x} = 0x0 (#GP)"]


# -- taking ---------------------------------------------------------------------------------------


def test_a_vcpu_takes_the_highest_class_first() -> None:
    """0x78 before 0x66, and nothing while IF is clear or TPR forbids it."""
    lab = Lab("machine", "msi addr=0xfee00000 data=0x66; msi addr=0xfee00000 data=0x78", "cli")
    assert lab.one("take").ret == "none"
    lab.say("sti; tpr 0x70")
    assert lab.one("take").ret == "none"
    lab.say("tpr 0")
    assert [lab.one("take").ret, lab.one("take").ret] == [0x78, "none"]
    lab.say("eoi")
    assert lab.one("take").ret == 0x66


def test_an_nmi_needs_no_if_and_comes_first() -> None:
    """Its vector is 2; each message is one NMI; it is no kvm_inj_virq."""
    lab = Lab("machine", "msi addr=0xfee00000 data=0x41; msi addr=0xfee00000 data=0x400", "cli")
    result = lab.one("take")
    assert (result.ret, list(result.events)) == (2, [])
    assert lab.one("take").ret == "none"
    lab.say("sti")
    assert lab.one("take").ret == 0x41
    assert (lab.fact("taken", 2), lab.fact("taken", 0x41)) == (1, 1)


def test_the_lapic_comes_before_the_8259() -> None:
    """3.6 asks the LAPIC first; then the pair, if the LAPIC lets ExtINT through."""
    lab = Lab("machine", "pio write 0x21 0xfe", "line 0 1", "msi addr=0xfee00000 data=0x21")
    assert [lab.one("take").ret, lab.one("take").ret] == [0x21, 0x20]
    lab.say("pio write 0x20 0x20; line 0 0; mmio write 0xfee00350 0x10700; line 0 1")
    assert lab.one("take").ret == "none"


def test_an_init_stops_a_vcpu_until_its_sipi() -> None:
    """INIT, then STARTUP: reset, and its LAPIC software-disabled again."""
    lab = Lab("machine vcpus=2", "mmio write 0xfee00310 0x1000000", "mmio write 0xfee00300 0x4500")
    lab.say("msi addr=0xfee01000 data=0x41")
    assert lab.one("take vcpu=1").ret == "none"
    lab.say("mmio write 0xfee00300 0x4608; take vcpu=1")
    assert lab.machine.lapics[1].spiv == 0xFF


def test_last_taken_is_what_the_last_unit_took() -> None:
    """A vector, or none; also in manual, by the step that took it."""
    lab = Lab(*READY, "line 11 1", "take")
    assert lab.fact("last", "taken") == 0x41
    lab.say("eoi")
    assert lab.fact("last", "taken") == "none"


# -- handlers ---------------------------------------------------------------------------------------


def test_a_handler_runs_when_its_vector_is_taken() -> None:
    """`run` takes and does what was said, in order, until nothing is left; without one it takes nothing."""
    lab = Lab(*READY, "line 11 1", "line 11 0")
    assert lab.one("run").ret == 0
    lab.say("handler 0x41 mask 11, eoi, unmask 11")
    result = lab.one("run")
    assert result.ret == 1
    names = [event.split(":")[0] for event in result.events]
    assert names.index("kvm_inj_virq") < names.index("kvm_eoi")
    assert lab.fact("lapic", 0, "isr") == frozenset()


def test_a_handler_that_is_taken_away_runs_no_more() -> None:
    """`handler V none` removes it; each vCPU has its own."""
    lab = Lab(*READY, "handler 0x41 eoi", "handler 0x41 none", "line 11 1")
    assert lab.one("run").ret == 0
    lab.say("handler 0x41 eoi vcpu=1")
    assert lab.one("run").ret == 0


def test_run_says_why_it_leaves_alone_what_take_began() -> None:
    """A handler is done by `run` for what `run` takes; what was taken by hand is ended by hand."""
    lab = Lab(*READY, "handler 0x41 eoi", "line 11 1", "line 11 0", "take")
    assert lab.one("run").why == "vcpu0 was led into the handler of 0x41 by 'take': go on by hand ('eoi')"
    lab.say("eoi")
    assert lab.one("run").why == ""


def test_run_stops_after_so_many_interrupts() -> None:
    """A line that stays high is taken again after every EOI: as often as allowed."""
    lab = Lab(*READY, "handler 0x41 eoi", "line 11 1")
    assert [lab.one("run 3").ret, lab.one("run 2").ret] == [3, 2]
    assert lab.fact("taken", 0x41) == 5
    result = lab.one("run")
    assert (result.ret, "storms" in result.why) == (RUN_LIMIT, True)


def test_a_handler_ends_both_8259s_when_the_slave_asked() -> None:
    """`pic-eoi` writes to the slave only for a vector of the slave."""
    lab = Lab(
        "machine", "pio write 0x21 0xf8; pio write 0xa1 0", "handler 0x29 pic-eoi", "handler 0x21 pic-eoi"
    )
    lab.say("line 9 1; line 1 1")
    assert lab.one("run").ret == 2
    assert [lab.fact("pic", chip, "isr") for chip in ("master", "slave")] == [0, 0]
    assert (lab.fact("acked", 9), lab.fact("acked", 1)) == (1, 1)


def test_a_handler_wakes_a_thread() -> None:
    """The thread makes its calls each time it is woken."""
    lab = Lab(*READY, "eventfd tick", "actor thread: write tick", "handler 0x41 wake thread, eoi")
    for times in (1, 2):
        lab.say("line 11 1; line 11 0")
        assert lab.one("run").ret == 1
        assert lab.fact("eventfd", "tick", "count") == times


def test_a_vcpu_that_stands_in_a_call_takes_nothing_on_run() -> None:
    """`run` first lets it come to the call's end."""
    lab = Lab(
        *READY,
        "handler 0x41 eoi",
        "manual",
        "line 11 1; finish user",
        "mmio read 0xfee00020; step vcpu0",
        "auto",
    )
    assert lab.one("run 1").ret == 1
    assert lab.machine.contexts.get("vcpu0").at is None


@pytest.mark.parametrize("kernel", ["linux-3.6", "linux-6.x"])
def test_an_entry_of_which_nothing_is_named_is_not_written(kernel: str) -> None:
    """No dword holds what is named, so none is written, and nothing is served again."""
    lab = Lab(f"machine kernel={kernel}", "ioapic 11 vector=0x41 level unmasked", "line 11 1", "take")
    result = lab.one("ioapic 11")
    assert (result.ret, list(result.events)) == (0, [])
    assert lab.fact("ioapic", 11, "remote_irr") == 1
    lab.say("manual")
    assert lab.one("ioapic 11").ret == 0
