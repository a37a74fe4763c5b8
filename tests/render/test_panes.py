"""Panes: QEMU's wording of the chips, the tables, and what stands for a part that is hidden."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest

from kvmlab.render.panes import PANES
from kvmlab.render.plain import plain_lines
from kvmlab.render.theme import STYLES
from kvmlab.snapshot import (
    ContextSnapshot,
    EoifdSnapshot,
    EventfdSnapshot,
    IoapicSnapshot,
    IoeventfdSnapshot,
    IrqfdSnapshot,
    LapicSnapshot,
    PicChipSnapshot,
    PicSnapshot,
    RedirectionEntry,
    ReportSnapshot,
    RouteSnapshot,
    Snapshot,
    SourceSnapshot,
    SourcesSnapshot,
    WorkqueueSnapshot,
)
from kvmlab.snapshot_counters import CountersSnapshot
from kvmlab.snapshot_devices import DeviceSnapshot

MASKED = RedirectionEntry(0x10000)
CHIP = PicChipSnapshot(0, 0x13, 0xFF, 0, 0, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0x0C)
LAPIC = LapicSnapshot(
    vcpu=0,
    irr=(37, 236),
    isr=(236,),
    tmr=(37,),
    tpr=0x10,
    ppr=0xE0,
    spiv=0x1FF,
    ldr=0x01000000,
    dfr=0xFFFFFFFF,
    id=0,
    lvr=0x50014,
    lvt=(0x400EC, 0x10000, 0x400, 0x10700, 0x10400, 0xFE),
    icr=0xFD,
    icr2=0,
    esr=0,
    arb=3,
    nmi=0,
    mp=0,
)
FULL = Snapshot(
    "linux-3.6",
    "eoifd-v7",
    ioapic=IoapicSnapshot(0, 0x22, 0x800, tuple(MASKED for _ in range(24))),
    lapics=(LAPIC,),
    pic=PicSnapshot(CHIP, CHIP, 1),
    routes=(RouteSnapshot(11, "ioapic", 11), RouteSnapshot(24, "msi", None, 0xFEE00000, 0x41)),
    sources=SourcesSnapshot(
        (SourceSnapshot(2, "irqfd trigger", 2, (11,), 11),), (0, 1, 2), tuple(range(3, 64))
    ),
    eventfds=(
        EventfdSnapshot("trigger", "eventfd#1", (("trigger", 3),), 7, "semaphore", ("irqfd",), refs=2),
    ),
    irqfds=(IrqfdSnapshot("irqfd#1", "trigger", "active", 11, True, 2, 5),),
    eoifds=(EoifdSnapshot("eoifd#1", "unmask", "shutting-down", None, True, 2, 5),),
    ioeventfds=(IoeventfdSnapshot("ioeventfd#1", "kick", "active", 0xC050, 2, True, None),),
    devices=(DeviceSnapshot("nic", "vfio", 11, True, 3, 2, 1, 0, 4),),
    contexts=(ContextSnapshot("user", "blocked", "close(a)", "mutex_lock", "irqfds.lock is held", ("wqh",)),),
    workqueues=(WorkqueueSnapshot("events", ("inject irqfd#1",), "inject irqfd#2"),),
    counters=CountersSnapshot(((65, 2), (66, 0)), ((11, 2),)),
    reports=(ReportSnapshot("deadlock", "user", "each waits for the next"),),
)


def pane(name: str, **changes: Any) -> list[str]:
    """Return a pane of the full snapshot, changed, as plain lines."""
    return plain_lines(PANES[name](dataclasses.replace(FULL, **changes)))


def entry(value: int, irr: int = 0, sources: tuple[int, ...] | None = ()) -> str:
    """Return pin 0 of ``info ioapic`` for one entry."""
    pins = (RedirectionEntry(value, irr, sources),)
    return pane("ioapic", ioapic=IoapicSnapshot(0, 0, 0, pins))[1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0x10000, "  pin 0  0x0000000000010000 dest=0 vec=0   active-hi edge  masked fixed  physical"),
        (0x21, "  pin 0  0x0000000000000021 dest=0 vec=33  active-hi edge         fixed  physical"),
        (
            0x0100000000008025,
            "  pin 0  0x0100000000008025 dest=1 vec=37  active-hi level        fixed  physical",
        ),
        (
            0xFF00000000002FFF,
            "  pin 0  0xff00000000002fff dest=ff vec=255 active-lo edge         extINT logical",
        ),
    ],
)
def test_a_pin_reads_as_in_qemu(value: int, text: str) -> None:
    """``info pic`` can be put beside a dump of QEMU."""
    assert entry(value) == text


@pytest.mark.parametrize(
    ("value", "irr", "sources", "tail"),
    [
        (0x8041, 0, (0, 2), "A... sources 0,2"),
        (0xC041, 1, (2,), "AI.R sources 2"),
        (0x18041, 1, (2,), "AIM. sources 2"),
        (0xC041, 0, None, "?..R"),
    ],
)
def test_state_is_told_by_glyphs(value: int, irr: int, sources: tuple[int, ...] | None, tail: str) -> None:
    """Without any colour a pin still says that it is asserted, pending, masked or waits for its EOI."""
    assert entry(value, irr, sources).endswith("  " + tail)


def test_the_ioapic_names_its_selected_register_and_its_pending_pins() -> None:
    """Title, IRR and remote IRR are QEMU's lines."""
    pins = tuple(RedirectionEntry(0xC041, 1, (2,)) if pin in (9, 11) else MASKED for pin in range(24))
    lines = pane("ioapic", ioapic=IoapicSnapshot(3, 0x22, 0xA00, pins))
    assert lines[0] == "ioapic0: ver=0x11 id=0x03 sel=0x22 (redir[9])"
    assert lines[-2:] == ["  IRR      9  11", "  Remote IRR 9  11"]
    assert pane("ioapic")[-2:] == ["  IRR      (none)", "  Remote IRR (none)"]


def test_the_8259s_stand_below_the_ioapic_as_in_qemu() -> None:
    """``info pic`` prints both chips, each on its line."""
    lines = pane("pic")
    assert lines[:27] == pane("ioapic")
    assert lines[27] == "pic0: irr=13 imr=ff isr=00 hprio=0 irq_base=30 rr_sel=0 elcr=0c fnm=0"
    assert lines[29] == "  INT A asserted"


def test_a_lapic_reads_as_in_qemu() -> None:
    """The lines of a report pasted to a mailing list, to the blank."""
    assert [text for text in pane("lapic") if text] == [
        "dumping local APIC state for CPU 0",
        "LVT0     0x00010700 active-hi edge  masked                      ExtINT (vec 0)",
        "LVT1     0x00010400 active-hi edge  masked                      NMI",
        "LVTPC    0x00000400 active-hi edge                              NMI",
        "LVTERR   0x000000fe active-hi edge                              Fixed  (vec 254)",
        "LVTTHMR  0x00010000 active-hi edge  masked                      Fixed  (vec 0)",
        "LVTT     0x000400ec active-hi edge                 tsc-deadline Fixed  (vec 236)",
        "Timer    DCR=0x0 (divide by 2) initial_count = 0",
        "SPIV     0x000001ff APIC enabled, focus=off, spurious vec 255",
        "ICR      0x000000fd physical edge de-assert no-shorthand",
        "ICR2     0x00000000 cpu 0 (APIC ID)",
        "ESR      0x00000000",
        "ISR      236",
        "IRR      37(level) 236",
        "APR 0x00 TPR 0x10 DFR 0x0f LDR 0x01 PPR 0xe0",
        "KVM      arb_prio=3 nmi_queued=0 mp_state=0",
    ]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"icr": 0x40000, "icr2": 0x01000000}, "ICR2     0x01000000"),
        ({"icr": 0x800, "icr2": 0x05000000}, "ICR2     0x05000000 mask 00000101 (APIC ID)"),
        (
            {"icr": 0x800, "icr2": 0x25000000, "dfr": 0x0FFFFFFF},
            "ICR2     0x25000000 cluster 2 mask 0101 (APIC ID)",
        ),
        ({"icr2": 0x105, "x2apic": True}, "ICR2     0x00000105 cpu 261 (X2APIC ID)"),
        (
            {"icr": 0x800, "icr2": 0x20005, "x2apic": True},
            "ICR2     0x00020005 cluster 2 mask 0000000000000101 (X2APIC ID)",
        ),
    ],
)
def test_the_icr_says_whom_it_aims_at(changes: dict[str, Any], text: str) -> None:
    """The destination is read by shorthand, mode and model, as QEMU reads it."""
    assert text in pane("lapic", lapics=(dataclasses.replace(LAPIC, **changes),))


def test_what_kvm_hides_is_left_out_of_the_last_line() -> None:
    """A backend without these counters prints no line about them."""
    lapic = dataclasses.replace(LAPIC, arb=None, nmi=None, mp=None)
    assert pane("lapic", lapics=(lapic,))[-1].startswith("APR")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("irq", "65: 2"),
        ("sources", "2   irqfd trigger  11   2     11"),
        ("sources", "used 0,1,2; 61 free"),
        ("eventfds", "trigger  trigger=3  7      semaphore  2     irqfd"),
        ("irqfds", "trigger  active  11   level  2       5    -"),
        ("eoifds", "unmask  shutting-down  -    level  2       5"),
        ("ioeventfds", "kick       active  pio  0xc050   2       any"),
        ("routes", "24   msi     address 0xfee00000 data 0x41"),
        ("contexts", "user     blocked  close(a)  wqh    mutex_lock: irqfds.lock is held"),
        ("contexts", "events: runs inject irqfd#2; inject irqfd#1"),
        ("devices", "nic   vfio  11   A.S  3       2         1        0         4      0"),
        ("reports", "deadlock  user     each waits for the next"),
    ],
)
def test_a_table_has_a_row_for_each_record(name: str, text: str) -> None:
    """What a snapshot holds is what the pane says."""
    assert text in pane(name)


@pytest.mark.parametrize("name", PANES)
def test_every_pane_copes_with_a_part_that_is_hidden(name: str) -> None:
    """A backend that cannot see a part costs one line, not a traceback."""
    rows = PANES[name](Snapshot("linux-6.x", "resample"))
    assert plain_lines(rows)[0].endswith("there is none that can be seen")


@pytest.mark.parametrize(
    ("irqchip", "said"),
    [
        ("split", "not in the kernel (split)"),
        ("none", "not in the kernel (no irqchip)"),
        ("kernel", "there is none that can be seen"),
        ("", "there is none that can be seen"),
    ],
)
def test_a_chip_that_is_not_in_the_kernel_is_said_to_be_elsewhere(irqchip: str, said: str) -> None:
    """The IOAPIC and the 8259s, each by its name."""
    lines = plain_lines(PANES["pic"](Snapshot("linux-6.x", "resample", irqchip=irqchip)))
    assert [text for text in lines if ":" in text] == [f"ioapic: {said}", f"pic: {said}"]


@pytest.mark.parametrize("name", PANES)
def test_every_style_used_is_a_style_of_the_theme(name: str) -> None:
    """A cell's style name can always be looked up."""
    assert {style for row in PANES[name](FULL) for _text, style in row.cells} <= {"", *STYLES}


def test_no_pane_needs_a_terminal_library() -> None:
    """``kvmlab run`` prints panes without loading any front end."""
    code = (
        "import sys, kvmlab.render.panes, kvmlab.render.plain, kvmlab.render.result, kvmlab.render.theme;"
        "print([m for m in ('rich', 'textual', 'prompt_toolkit', 'tomllib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
