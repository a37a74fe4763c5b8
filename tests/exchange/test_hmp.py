"""QEMU's own text becomes parts of a snapshot; what is not understood is told with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.exchange.hmp import Dump, read_dump, snapshot_of
from kvmlab.render.panes import PANES
from kvmlab.render.plain import plain_lines
from tests.fake_qemu import IRQ, RESET, lapic, pic, pin

ASSERTED = 0x0300_0000_0000_E941
"""Vector 0x41, lowest priority, logical, active at low, remote IRR, level, destination 3."""


def only(dump: Dump) -> str:
    """Return the one problem of a dump as a line."""
    (problem,) = dump.problems
    return str(problem)


def test_the_ioapic_is_read_bit_for_bit() -> None:
    """The entry is the raw word; its IRR bit comes from the list below; who asserts the line is hidden."""
    dump = read_dump(pic({11: ASSERTED}, irr=[11, 23]))
    assert dump.problems == ()
    assert dump.ioapic is not None
    assert (dump.ioapic.version, dump.ioapic.id, dump.ioapic.ioregsel) == (0x20, 0, 0x26)
    assert dump.ioapic.irr == 1 << 11 | 1 << 23
    entry = dump.ioapic.pins[11]
    assert (entry.value, entry.irr, entry.sources, entry.line) == (ASSERTED, 1, None, None)
    assert (entry.vector, entry.trigger, entry.remote_irr, entry.dest) == (0x41, "level", 1, 3)
    assert dump.ioapic.pins[0].value == RESET


def test_the_pair_is_read_whichever_comes_first() -> None:
    """QEMU prints the slave first; what only KVM knows is None."""
    pair = read_dump(pic()).pic
    assert pair is not None
    assert (pair.master.irr, pair.master.imr, pair.master.irq_base, pair.master.elcr) == (1, 0xB8, 8, 0)
    assert (pair.slave.imr, pair.slave.irq_base, pair.slave.elcr) == (0x8E, 0x70, 0x0C)
    assert pair.output is pair.master.last_irr is pair.slave.init4 is None


def test_a_lapic_is_read_register_by_register() -> None:
    """Registers that QEMU prints cut down stand where the LAPIC has them; the TMR is known in part."""
    (chip,) = read_dump(lapic(3, irr="37(level) 236 ", isr="48 ")).lapics or ()
    assert (chip.vcpu, chip.irr, chip.isr, chip.tmr, chip.tmr_partial) == (3, (37, 236), (48,), (37,), True)
    assert chip.lvt == (0x10000, 0x10000, 0x10000, 0x8700, 0x8400, 0x10000)
    assert (chip.tdcr, chip.tmict, chip.tmcct) == (3, 70, 7)
    assert (chip.spiv, chip.icr, chip.icr2, chip.esr) == (0x1FF, 0xC4610, 0x2000000, 0)
    assert (chip.apr, chip.tpr, chip.ppr, chip.dfr, chip.ldr) == (1, 0x10, 0x20, 0xFFFFFFFF, 0x2000000)
    assert chip.id is chip.lvr is chip.arb is chip.nmi is chip.mp is None


def test_counts_are_kept_by_chip() -> None:
    """A chip that was never raised has no counts; two of a name are told apart."""
    raised = read_dump(IRQ + "IRQ statistics for ioapic:\n 4: 1\n").raised
    assert [(each.chip, each.raised) for each in raised or ()] == [
        ("ioapic", ((0, 59), (11, 2))),
        ("isa-i8259", ()),
        ("ioapic #2", ((4, 1),)),
    ]


@pytest.mark.parametrize("name", ["pic", "lapic"])
def test_what_was_read_is_printed_as_qemu_printed_it(name: str) -> None:
    """Word for word, but for our glyphs behind a pin, blanks, and the order of the 8259s."""
    text = {"pic": pic({11: ASSERTED}, irr=[11]), "lapic": lapic(1, irr="37(level) ")}[name]
    printed = plain_lines(PANES[name](snapshot_of([read_dump(text)], "QEMU", "qmp", "running")))
    said = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    assert sorted(" ".join(line.replace("?I.R", "").split()) for line in printed if line) == sorted(said)


def test_several_dumps_make_one_snapshot() -> None:
    """Each part comes from the dump that has it; the LAPICs stand by CPU."""
    dumps = [read_dump(text) for text in (lapic(1), IRQ, pic(), lapic(0))]
    seen = snapshot_of(dumps, "QEMU 9.0.1", "qmp", "paused")
    assert (seen.kernel, seen.api, seen.mode) == ("QEMU 9.0.1", "qmp", "paused")
    assert [chip.vcpu for chip in seen.lapics or ()] == [0, 1]
    assert None not in (seen.ioapic, seen.pic, seen.raised)
    assert (seen.counters, seen.eventfds, seen.routes) == (None, None, None)


def test_a_pasted_session_is_read_whole() -> None:
    """Prompts are passed over, and all commands may stand in one text."""
    dump = read_dump(f"(qemu) info pic\n{pic()}(qemu) info lapic\n{lapic()}(qemu) info irq\n{IRQ}(qemu) ")
    assert dump.problems == ()
    assert None not in (dump.ioapic, dump.pic, dump.lapics, dump.raised)


@pytest.mark.parametrize(
    "text",
    [
        "IRQ statistics not available for riscv.sifive.plic.",
        "Interrupt controller information not available for apic.",
        "local apic state not available",
        "No CPU available",
        "",
    ],
)
def test_what_qemu_says_is_not_there_is_no_problem(text: str) -> None:
    """Then the part cannot be seen."""
    assert read_dump(text) == Dump()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hello", "1:1: no line that is known: hello"),
        ("\n  unknown command: 'info lapic'\n", "2:3: no line that is known: unknown command: 'info lapic'"),
        (pin(3), "1:3: there is no IOAPIC with a pin 3"),
        ("  IRR      4 ", "1:3: there is no IOAPIC above"),
        ("  pin 3  ox0 dest=0", "1:10: a pin is not written so: pin 3  ox0 dest=0"),
        ("SPIV\t 0x1ff", "1:1: there is no LAPIC above"),
        ("SPIV\t xyz", "1:7: a register is not written so: SPIV  xyz"),
        (" 4: 12", "1:2: there is no chip above"),
        (" 4: many", "1:5: a count is not written so: 4: many"),
        ("IRR\t 300 ", "1:1: a LAPIC has the vectors 0 to 255: IRR  300"),
        ("IRR\t 30(lev) ", "1:1: a LAPIC has the vectors 0 to 255: IRR  30(lev)"),
        ("ioapic0: ver=1", "1:10: an IOAPIC is not written so: ioapic0: ver=1"),
        ("pic0: irr=00 imr=8 ", "1:14: an 8259 is not written so: pic0: irr=00 imr=8"),
    ],
)
def test_a_line_that_is_not_understood_is_told_with_its_place(text: str, problem: str) -> None:
    """Line and column count from 1; the column is that of the first piece that is not as it should be."""
    assert only(read_dump(text)) == problem


def test_a_strange_line_leaves_the_rest_as_it_is() -> None:
    """What a newer QEMU adds costs nothing but a sentence."""
    dump = read_dump("polarity: x\n" + pic())
    assert only(dump) == "1:1: no line that is known: polarity: x"
    assert dump.ioapic == read_dump(pic()).ioapic
    assert read_dump(lapic().replace("spurious vec 255", "spurious vec 255, lvt=7")).problems == ()
    assert read_dump(lapic().replace(" current_count = 7", "")).problems == ()


def test_a_chip_that_is_not_whole_is_left_out() -> None:
    """Half an IOAPIC would be read as one with masked pins."""
    dump = read_dump(pic().replace(pin(23), ""))
    assert dump.ioapic is None
    assert dump.pic is not None
    assert only(dump) == "1:1: the IOAPIC is left out: it has no pin 23"
    cut = read_dump("\n" + lapic(2).partition("ESR")[0])
    assert cut.lapics is None
    assert only(cut) == "2:1: the LAPIC of CPU 2 is left out: it has no ESR"


def test_a_second_ioapic_is_told_of() -> None:
    """QEMU gives both the same name, and a snapshot has one."""
    dump = read_dump(pic({3: ASSERTED}) + pic())
    assert only(dump) == "30:1: only the first IOAPIC is shown"
    assert dump.ioapic == read_dump(pic({3: ASSERTED})).ioapic


@given(st.text(alphabet="ioapcIR0123456789xLVT:=() \t\n", max_size=200) | st.text(max_size=80))
def test_no_text_is_too_strange(text: str) -> None:
    """Whatever stands there, what cannot be read is told, and nothing is raised."""
    for problem in read_dump(text).problems:
        assert problem.line >= 1 <= problem.column
