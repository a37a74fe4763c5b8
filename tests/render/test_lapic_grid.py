"""The grid of a LAPIC's vectors: glyphs, cursor, and what is taken next."""

from __future__ import annotations

import dataclasses

import pytest

from kvmlab.render.cells import layout
from kvmlab.render.lapic_grid import TALL, WIDE, lapic_grid_rows, move_cursor, vector_at, vector_glyph
from kvmlab.render.pending import next_taken, priority
from kvmlab.render.plain import plain_lines
from kvmlab.render.theme import STYLES
from kvmlab.snapshot import LapicSnapshot, PicChipSnapshot, PicSnapshot, Snapshot, VcpuSnapshot

LAPIC = LapicSnapshot(
    vcpu=0,
    irr=(0x31, 0x52, 0x60),
    isr=(0x41, 0x60),
    tmr=(0x41, 0x60, 0x71),
    tpr=0,
    ppr=0,
    spiv=0x1FF,
    ldr=0,
    dfr=0xFFFFFFFF,
    id=0,
    lvr=0x50014,
    lvt=(0x10000,) * 6,
    icr=0,
    icr2=0,
    esr=0,
    arb=0,
    nmi=0,
    mp=0,
)
CHIP = PicChipSnapshot(0, 0, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def seen(interrupt_flag: int = 1, output: int = 0, **changes: object) -> Snapshot:
    """Return a snapshot of one vCPU with the LAPIC above, changed."""
    lapic = dataclasses.replace(LAPIC, **changes)  # type: ignore[arg-type]
    vcpus = (VcpuSnapshot(0, interrupt_flag),)
    return Snapshot("k", "a", lapics=(lapic,), vcpus=vcpus, pic=PicSnapshot(CHIP, CHIP, output))


def grid(snapshot: Snapshot, cursor: int | None = None, columns: int = WIDE) -> list[str]:
    """Return the grid's lines as they are drawn, to the blank."""
    return [
        "".join(cell.text for cell in cells)
        for cells in layout(lapic_grid_rows(snapshot, 0, cursor, columns))
    ]


@pytest.mark.parametrize("columns", [WIDE, TALL])
def test_every_vector_stands_where_the_mouse_finds_it(columns: int) -> None:
    """The place of a glyph and the vector at a place agree, for all 256."""
    lines = grid(seen(), None, columns)
    found = {
        vector: lines[y][x]
        for y in range(len(lines))
        for x in range(len(lines[y]))
        if x % 2 == 0 and (vector := vector_at(x, y, columns)) is not None
    }
    assert found == {vector: vector_glyph(LAPIC, vector)[0] for vector in range(256)}


@pytest.mark.parametrize(
    ("vector", "glyph"),
    [(0x31, "r"), (0x41, "S"), (0x60, "B"), (0x71, "t"), (0x32, "."), (0x0F, "-"), (0x10, ".")],
)
def test_a_vector_tells_its_state_by_its_glyph(vector: int, glyph: str) -> None:
    """IRR, ISR and TMR can be read without colour."""
    assert vector_glyph(LAPIC, vector)[0] == glyph


@pytest.mark.parametrize("cursor", [0, 0x1F, 0x20, 0x41, 0x5F, 0xFF])
@pytest.mark.parametrize("columns", [WIDE, TALL])
def test_the_cursor_is_one_pair_of_brackets(cursor: int, columns: int) -> None:
    """A cursor at the end of a row closes there and not at the head of the next."""
    lines = grid(seen(), cursor, columns)[2 : 2 + 256 // columns]
    marked = [text for text in lines if "[" in text or "]" in text]
    assert len(marked) == 1
    at = marked[0].index("[")
    assert marked[0].index("]") == at + 2
    assert vector_at(at + 1, 2 + lines.index(marked[0]), columns) == cursor


def test_the_grid_fits_its_pane() -> None:
    """Wide it fits the right column of a screen of 120, tall a column of 40."""
    wide, tall = grid(seen(), 0x41, WIDE), grid(seen(), 0x41, TALL)
    assert len(wide) == 12
    assert max(map(len, wide[:10])) <= 68
    assert max(map(len, tall[2:18])) <= 40


def test_the_vector_under_the_cursor_is_explained() -> None:
    """Where it is, what holds it back, and what its EOI does."""
    assert "0x41 (65) class 4: in service" in grid(seen(), 0x41)[-1]
    assert "its EOI goes to the IOAPIC" in grid(seen(), 0x41)[-1]
    assert "pending, class 3 does not exceed PPR 0x60 (0x60 in service)" in grid(seen(), 0x31)[-1]
    assert "idle" in grid(seen(), 0x99)[-1]
    assert "is no vector" in grid(seen(), 3)[-1]


@pytest.mark.parametrize(
    ("snapshot", "vector", "why"),
    [
        (seen(isr=()), 0x60, "the highest pending, class 6 above PPR 0x00"),
        (seen(), None, "0x60 waits: class 6 does not exceed PPR 0x60 (0x60 in service)"),
        (seen(isr=(), tpr=0x70), None, "0x60 waits: class 6 does not exceed PPR 0x70 (TPR 0x70)"),
        (seen(0, isr=()), None, "0x60 waits: IF is clear"),
        (seen(isr=(), spiv=0xFF), None, "0x60 waits: the LAPIC is software-disabled (SPIV bit 8)"),
        (seen(irr=()), None, "the IRR is empty"),
        (seen(1, 1, irr=()), None, "the IRR is empty; the 8259's INT is asserted"),
        (seen(0, 1, irr=()), None, "the 8259's INT waits: IF is clear"),
    ],
)
def test_what_is_taken_next_and_why(snapshot: Snapshot, vector: int | None, why: str) -> None:
    """Enable bit, priority and interrupt flag each hold an interrupt back."""
    assert snapshot.lapics is not None
    assert next_taken(snapshot, snapshot.lapics[0]) == (vector, why)


def test_the_processor_priority_is_the_higher_of_task_and_service() -> None:
    """In equal classes the TPR counts with its low bits, as the SDM has it."""
    assert priority(dataclasses.replace(LAPIC, tpr=0x6F)) == 0x6F
    assert priority(dataclasses.replace(LAPIC, tpr=0x5F)) == 0x60
    assert priority(dataclasses.replace(LAPIC, tpr=0x65, isr=(0x6F,))) == 0x65


def test_the_cursor_stays_in_the_grid() -> None:
    """Arrows at the edge do nothing worse than stop."""
    assert move_cursor(None, 1, 0) == 0x20
    assert move_cursor(0x20, 0, 1, TALL) == 0x30
    assert move_cursor(0xFF, 1, 1) == 0xFF
    assert move_cursor(0, -1, -1) == 0


def test_a_vcpu_that_is_not_there_is_said_to_be_none() -> None:
    """A front end may ask for any vCPU."""
    assert plain_lines(lapic_grid_rows(seen(), 7)) == ["lapic of vcpu7: there is none that can be seen"]
    assert plain_lines(lapic_grid_rows(Snapshot("k", "a"))) == [
        "lapic of vcpu0: there is none that can be seen"
    ]


def test_every_style_is_one_of_the_themes() -> None:
    """A cell's style can always be looked up."""
    rows = lapic_grid_rows(seen(), 0, 0x41)
    assert {style for row in rows for _text, style in row.cells} <= {"", *STYLES}


@pytest.mark.parametrize(("register", "shown"), [(1 << 24, "ID 1"), (0xFF << 24, "ID 255"), (None, "ID ?")])
def test_the_apic_id_is_read_out_of_its_register(register: int | None, shown: str) -> None:
    """It stands in the upper eight bits; a running QEMU does not tell it."""
    assert grid(seen(id=register))[0].rstrip().endswith(shown)
