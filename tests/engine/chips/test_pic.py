"""The 8259 pair: requests, priorities, acknowledgement, EOI, polling, cascade, initialisation."""

from __future__ import annotations

import pytest

from tests.engine.chips.bench import EOI, MASTER, MASTER_BASE, SLAVE, SLAVE_BASE, Bench

SPECIFIC, ROTATE, ROTATE_SPECIFIC, SET_PRIORITY, ROTATE_AEOI = 0x60, 0xA0, 0xE0, 0xC0, 0x80
READ_IRR, READ_ISR, POLL = 0x0A, 0x0B, 0x0C
AUTO_EOI, NESTED = 0x03, 0x11


@pytest.fixture
def pic() -> Bench:
    """Return a bench with both 8259s initialised and unmasked."""
    bench = Bench()
    bench.init_pic()
    return bench


def pulse(bench: Bench, line: int) -> None:
    """Raise and lower an input."""
    bench.line(1, gsi=line)
    bench.line(0, gsi=line)


def read(bench: Bench, port: int) -> int:
    """Read a byte from a port."""
    return bench.machine.pio_read(port)


def acks(bench: Bench) -> list[str]:
    """Return the inputs that were acknowledged, as the trace names them."""
    return [text.removeprefix("kvm_ack_irq: irqchip ") for text in bench.events("kvm_ack_irq")]


def test_vector_is_the_base_plus_the_input(pic: Bench) -> None:
    """A request is in service once it is acknowledged, under its chip's base."""
    pulse(pic, 3)
    assert pic.take() == MASTER_BASE + 3
    assert (pic.pic.master.irr, pic.pic.master.isr) == (0, 1 << 3)


def test_lower_input_nests_and_higher_waits(pic: Bench) -> None:
    """Input 1 interrupts 3, input 5 waits until both are ended."""
    pulse(pic, 3)
    pic.take()
    pulse(pic, 5)
    assert pic.take() == -1
    pulse(pic, 1)
    assert pic.take() == MASTER_BASE + 1
    pic.out(MASTER, EOI)
    assert pic.take() == -1
    pic.out(MASTER, EOI)
    assert pic.take() == MASTER_BASE + 5


def test_edge_that_stays_high_interrupts_once(pic: Bench) -> None:
    """An edge input is latched by its rise; the fall does not take the request back."""
    pic.line(1, gsi=3)
    assert pic.take() == MASTER_BASE + 3
    pic.out(MASTER, EOI)
    assert pic.take() == -1
    pulse(pic, 4)
    assert pic.take() == MASTER_BASE + 4


def test_level_input_interrupts_again_after_its_eoi(pic: Bench) -> None:
    """With its ELCR bit a high input stays requested, and a fall takes the request back."""
    pic.out(0x4D0, 1 << 3)
    pic.line(1, gsi=3)
    assert pic.take() == MASTER_BASE + 3
    pic.out(MASTER, EOI)
    assert pic.take() == MASTER_BASE + 3
    pic.line(0, gsi=3)
    pic.out(MASTER, EOI)
    assert pic.take() == -1


def test_elcr_keeps_the_inputs_that_can_be_level(pic: Bench) -> None:
    """Inputs 0, 1, 2, 8 and 13 are always edge-triggered."""
    pic.out(0x4D0, 0xFF)
    pic.out(0x4D1, 0xFF)
    assert (read(pic, 0x4D0), read(pic, 0x4D1)) == (0xF8, 0xDE)


def test_masked_request_is_latched_and_served_by_the_unmask(pic: Bench) -> None:
    """A masked input returns -1, and its edge is kept in IRR."""
    pic.out(MASTER + 1, 1 << 3)
    assert pic.line(1, gsi=3) == -1
    assert pic.take() == -1
    assert read(pic, MASTER + 1) == 1 << 3
    pic.out(MASTER + 1, 0)
    assert pic.take() == MASTER_BASE + 3


def test_result_tells_new_from_merged(pic: Bench) -> None:
    """1 for a new request and for a fall, 0 for one that is latched already."""
    assert [pic.pic.set_irq(3, 0, level) for level in (1, 0, 1)] == [1, 1, 0]


def test_slave_request_goes_through_input_2(pic: Bench) -> None:
    """A slave interrupt is in service in both chips and needs two EOIs."""
    pulse(pic, 10)
    assert pic.take() == SLAVE_BASE + 2
    assert (pic.pic.master.isr, pic.pic.slave.isr) == (1 << 2, 1 << 2)
    pulse(pic, 3)
    assert pic.take() == -1
    pic.out(SLAVE, EOI)
    assert pic.take() == -1
    pic.out(MASTER, EOI)
    assert pic.take() == MASTER_BASE + 3


def test_request_that_is_gone_is_spurious_input_7() -> None:
    """A level request lowered after INT rose gives the master's base + 7, not in service."""
    bench = Bench()
    bench.init_pic()
    bench.out(0x4D0, 1 << 3)
    bench.line(1, gsi=3)
    bench.pic.chips[0].irr = 0
    assert bench.take() == MASTER_BASE + 7
    assert bench.pic.master.isr == 0


def test_slave_request_that_is_gone_is_spurious_input_15(pic: Bench) -> None:
    """The cascade's edge stays latched: slave base + 7, and only the master is in service."""
    pic.out(0x4D1, 1 << 2)
    pic.line(1, gsi=10)
    pic.line(0, gsi=10)
    assert pic.take() == SLAVE_BASE + 7
    assert (pic.pic.master.isr, pic.pic.slave.isr) == (1 << 2, 0)


def test_non_specific_eoi_ends_the_highest_priority(pic: Bench) -> None:
    """Of two in service the one with the higher priority ends; with none nothing is notified."""
    for line in (3, 1):
        pulse(pic, line)
        pic.take()
    pic.out(MASTER, EOI)
    assert pic.pic.master.isr == 1 << 3
    pic.out(MASTER, EOI)
    pic.out(MASTER, EOI)
    assert acks(pic)[-2:] == ["PIC master pin 1", "PIC master pin 3"]


def test_specific_eoi_notifies_even_without_an_interrupt_in_service(pic: Bench) -> None:
    """A wrong number ends nothing, but its notifiers run."""
    pulse(pic, 3)
    pic.take()
    pic.out(MASTER, SPECIFIC | 5)
    assert pic.pic.master.isr == 1 << 3
    pic.out(SLAVE, SPECIFIC | 3)
    assert acks(pic)[-2:] == ["PIC master pin 5", "PIC slave pin 11"]


@pytest.mark.parametrize(
    ("command", "priority_add"), [(ROTATE, 4), (ROTATE_SPECIFIC | 3, 4), (SET_PRIORITY | 6, 7), (0x40 | 6, 0)]
)
def test_rotation_makes_the_named_input_lowest(pic: Bench, command: int, priority_add: int) -> None:
    """After a rotation the input after the named one has the highest priority."""
    pulse(pic, 3)
    pic.take()
    pic.out(MASTER, command)
    assert pic.pic.master.priority_add == priority_add


def test_rotated_priorities_decide(pic: Bench) -> None:
    """With input 4 lowest, 5 goes before 0, and 0 before 4."""
    pic.out(MASTER, SET_PRIORITY | 4)
    pic.out(MASTER + 1, 0xFF)
    for line in (0, 4, 5):
        pulse(pic, line)
    pic.out(MASTER + 1, 0)
    taken = []
    for _ in range(3):
        taken.append(pic.take() - MASTER_BASE)
        pic.out(MASTER, EOI)
    assert taken == [5, 0, 4]


@pytest.mark.parametrize(("rotate", "priority_add"), [(False, 0), (True, 4)])
def test_auto_eoi_ends_at_the_acknowledgement(rotate: bool, priority_add: int) -> None:
    """With auto-EOI nothing is ever in service, notifiers run at once, and it may rotate."""
    bench = Bench()
    bench.init_pic(icw4=AUTO_EOI)
    bench.out(MASTER, ROTATE_AEOI if rotate else 0)
    pulse(bench, 3)
    assert bench.take() == MASTER_BASE + 3
    assert (bench.pic.master.isr, bench.pic.master.priority_add) == (0, priority_add)
    assert acks(bench)[-1] == "PIC master pin 3"


def test_auto_eoi_of_a_slave_interrupt_notifies_both_inputs() -> None:
    """The cascade input ends first, then the slave's."""
    bench = Bench()
    bench.init_pic(icw4=AUTO_EOI)
    pulse(bench, 10)
    assert bench.take() == SLAVE_BASE + 2
    assert acks(bench)[-2:] == ["PIC master pin 2", "PIC slave pin 10"]


@pytest.mark.parametrize(("icw4", "second"), [(0x01, -1), (NESTED, SLAVE_BASE + 1)])
def test_second_slave_interrupt_nests_in_special_fully_nested_mode_only(icw4: int, second: int) -> None:
    """Otherwise the master waits for the EOI of its cascade input."""
    bench = Bench()
    bench.init_pic(icw4=icw4)
    pulse(bench, 10)
    bench.take()
    pulse(bench, 9)
    assert bench.take() == second


def test_poll_acknowledges_and_ends(pic: Bench) -> None:
    """3.6 answers a poll with the bare number, and the interrupt is over."""
    pulse(pic, 3)
    pic.out(MASTER, POLL)
    assert read(pic, MASTER) == 3
    assert (pic.pic.master.irr, pic.pic.master.isr, pic.pic.output) == (0, 0, 0)
    assert acks(pic)[-1] == "PIC master pin 3"
    assert read(pic, MASTER) == 0


def test_poll_of_an_idle_chip_answers_7(pic: Bench) -> None:
    """Nothing is acknowledged, and the next read is an ordinary one."""
    before = acks(pic)
    pic.out(SLAVE, POLL)
    assert read(pic, SLAVE) == 7
    assert acks(pic) == before
    assert read(pic, SLAVE + 1) == 0


def test_poll_of_the_slave_drops_the_cascade_request(pic: Bench) -> None:
    """The master's input 2 goes with it, so no spurious interrupt is left."""
    pulse(pic, 10)
    pic.out(SLAVE, POLL)
    assert read(pic, SLAVE) == 2
    assert (pic.pic.master.irr, pic.take()) == (0, -1)


def test_poll_of_the_slave_frees_the_cascade_input(pic: Bench) -> None:
    """The master's in-service bit of input 2 is cleared, whoever set it."""
    pulse(pic, 10)
    pic.take()
    pulse(pic, 9)
    pic.out(SLAVE, POLL)
    assert read(pic, SLAVE) == 1
    assert pic.pic.master.isr == 0


def test_poll_of_the_master_that_finds_the_cascade_leaves_the_output(pic: Bench) -> None:
    """The slave's request is still to be polled, and the output is not set anew."""
    pulse(pic, 10)
    pic.out(MASTER, POLL)
    assert read(pic, MASTER) == 2
    assert (pic.pic.master.irr, pic.pic.output) == (0, 1)


def test_ocw3_selects_what_the_command_port_reads(pic: Bench) -> None:
    """IRR at first, ISR once it is selected."""
    pulse(pic, 1)
    pic.take()
    pulse(pic, 3)
    assert read(pic, MASTER) == 1 << 3
    pic.out(MASTER, READ_ISR)
    assert read(pic, MASTER) == 1 << 1
    pic.out(MASTER, READ_IRR)
    assert read(pic, MASTER) == 1 << 3


def test_special_mask_mode_is_stored_without_effect(pic: Bench) -> None:
    """KVM keeps the bit and goes on as before."""
    pic.out(MASTER, 0x68)
    assert pic.pic.master.special_mask == 1
    pic.out(MASTER, 0x48)
    assert pic.pic.master.special_mask == 0


def test_icw1_drops_edges_and_acknowledges_them(pic: Bench) -> None:
    """Each edge request it drops runs its notifiers; ISR, ELCR and the output stay."""
    pic.out(0x4D0, 1 << 6)
    pic.line(1, gsi=6)
    pulse(pic, 1)
    pic.take()
    for line in (4, 5):
        pulse(pic, line)
    pic.out(MASTER, 0x11)
    master = pic.pic.master
    assert (master.irr, master.isr, master.elcr, master.imr, master.init_state) == (
        1 << 6,
        1 << 1,
        1 << 6,
        0,
        1,
    )
    assert acks(pic)[-2:] == ["PIC master pin 4", "PIC master pin 5"]


def test_icw1_acknowledges_nothing_if_nobody_takes_pic_interrupts(pic: Bench) -> None:
    """With LVT0 masked the dropped requests are not notified."""
    pic.apic(0x350, 0x10700)
    before = acks(pic)
    pulse(pic, 4)
    pic.out(MASTER, 0x11)
    assert pic.pic.master.irr == 0
    assert acks(pic) == before


def test_icw1_forgets_that_a_line_is_high(pic: Bench) -> None:
    """A line still high is a new edge after it, and the output it left up is spurious."""
    pic.line(1, gsi=3)
    pic.out(MASTER, 0x11)
    for value in (MASTER_BASE, 4, 1):
        pic.out(MASTER + 1, value)
    assert pic.take() == MASTER_BASE + 7
    pic.line(1, gsi=3)
    assert pic.take() == MASTER_BASE + 3


def test_icw4_is_awaited_only_if_icw1_says_so() -> None:
    """Without it auto-EOI and special fully nested mode are off, after ICW3."""
    bench = Bench()
    bench.init_pic(icw4=AUTO_EOI | NESTED)
    assert (bench.pic.master.auto_eoi, bench.pic.master.sfnm) == (1, 1)
    bench.out(MASTER, 0x10)
    assert (bench.pic.master.auto_eoi, bench.pic.master.sfnm, bench.pic.master.init_state) == (0, 0, 1)
    bench.out(MASTER + 1, 0x5F)
    assert (bench.pic.master.irq_base, bench.pic.master.init_state) == (0x58, 2)
    bench.out(MASTER + 1, 4)
    assert bench.pic.master.init_state == 0


def test_next_vector_acknowledges_nothing(pic: Bench) -> None:
    """What would be taken can be looked at as often as one likes."""
    pulse(pic, 10)
    assert [pic.pic.next_vector(), pic.pic.next_vector(), pic.take()] == [SLAVE_BASE + 2] * 3


def test_state_survives_freeze_and_thaw(pic: Bench) -> None:
    """A thawed pair continues where it was frozen."""
    pulse(pic, 10)
    state = pic.machine.freeze()
    pic.take()
    pic.init_pic(mask=0xFF)
    pic.machine.thaw(state)
    assert pic.machine.freeze() == state
    assert pic.take() == SLAVE_BASE + 2


def test_tracepoint_shows_the_mode_and_the_mask() -> None:
    """kvm_pic_set_irq names chip and pin, edge or level, masked, and coalesced."""
    bench = Bench()
    bench.out(0x4D1, 1 << 3)
    bench.line(1, gsi=11)
    bench.init_pic()
    bench.line(1, gsi=11)
    assert bench.events("kvm_pic_set_irq") == [
        "kvm_pic_set_irq: chip 1 pin 3 (level|masked)",
        "kvm_pic_set_irq: chip 1 pin 3 (level) (coalesced)",
    ]
