"""What QEMU's monitor prints for ``info pic``, ``info lapic`` and ``info irq``, as parts of a snapshot.

The wording is that of QEMU 7 to 10 (hw/intc/ioapic_common.c, hw/intc/i8259_common.c,
target/i386/cpu-dump.c, hw/core/machine-qmp-cmds.c). A line is known by its first words; what it says
twice is read once, and more behind what is needed is left alone, so that a newer QEMU may add to it.
A line that is not known is reported and the rest goes on; a chip that is not whole is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from kvmlab.exchange.forms import Form, Found, Problem, read_line
from kvmlab.language.errors import clip
from kvmlab.snapshot import (
    IoapicSnapshot,
    LapicSnapshot,
    PicChipSnapshot,
    PicSnapshot,
    RedirectionEntry,
    Snapshot,
)
from kvmlab.snapshot_counters import RaisedSnapshot

PINS = 24
"""Pins of QEMU's IOAPIC (IOAPIC_NUM_PINS)."""

LVTS = ("LVTT", "LVTTHMR", "LVTPC", "LVT0", "LVT1", "LVTERR")
"""The local vector table in the order of LapicSnapshot.lvt."""


@dataclass(frozen=True, slots=True)
class Dump:
    """What a text of the monitor tells; a part that it does not tell, or not whole, is None."""

    ioapic: IoapicSnapshot | None = None
    pic: PicSnapshot | None = None
    lapics: tuple[LapicSnapshot, ...] | None = None
    raised: tuple[RaisedSnapshot, ...] | None = None
    problems: tuple[Problem, ...] = ()


def snapshot_of(dumps: Sequence[Dump], kernel: str, api: str, mode: str) -> Snapshot:
    """Return what several dumps of one machine tell as one snapshot; of a part told twice the first."""
    lapics = {lapic.vcpu: lapic for dump in reversed(dumps) for lapic in dump.lapics or ()}
    return Snapshot(
        kernel,
        api,
        mode,
        ioapic=next((dump.ioapic for dump in dumps if dump.ioapic is not None), None),
        lapics=tuple([lapics[vcpu] for vcpu in sorted(lapics)]) or None,
        pic=next((dump.pic for dump in dumps if dump.pic is not None), None),
        raised=next((dump.raised for dump in dumps if dump.raised is not None), None),
    )


def read_dump(text: str) -> Dump:
    """Return what a text tells: the output of one command, or of several one after the other."""
    reader = _Reader()
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("(qemu)"):
            reader.line(number, line.rstrip())
    return reader.dump()


@dataclass(slots=True)
class _Ioapic:
    """An IOAPIC as far as it is read, and the line that it begins at."""

    at: int
    version: int
    id: int
    ioregsel: int
    irr: tuple[int, ...] = ()
    pins: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Lapic:
    """A LAPIC as far as it is read, and the line that it begins at."""

    at: int
    cpu: int
    values: dict[str, int] = field(default_factory=dict)
    vectors: dict[str, tuple[int, ...]] = field(default_factory=dict)
    level: set[int] = field(default_factory=set)
    x2apic: bool = False


class _Reader:
    """Reads line by line: what a line means may depend on the chip that was begun."""

    def __init__(self) -> None:
        self._number = 0
        self._ioapics: list[_Ioapic] = []
        self._lapics: list[_Lapic] = []
        self._pics: dict[int, PicChipSnapshot] = {}
        self._raised: dict[str, list[tuple[int, int]]] | None = None
        self._problems: list[Problem] = []

    def line(self, number: int, text: str) -> None:
        """Read one line, or report why it cannot be."""
        self._number = number
        problem = read_line(FORMS, self, number, text)
        if problem is not None:
            self._problems.append(problem)

    # -- what each form means; a sentence where the line makes no sense where it stands -----------------

    def ioapic(self, found: Found) -> str:
        """Begin an IOAPIC."""
        version, number, ioregsel = (int(word, 16) for word in found.groups())
        self._ioapics.append(_Ioapic(self._number, version & 0xFF, number, ioregsel))
        return "only the first IOAPIC is shown" if len(self._ioapics) > 1 else ""

    def pin(self, found: Found) -> str:
        """Take a redirection entry; everything else on its line follows from it."""
        pin = int(found[1])
        if not self._ioapics or pin >= PINS:
            return f"there is no IOAPIC with a pin {pin}"
        self._ioapics[-1].pins[pin] = int(found[2], 16)
        return ""

    def ioapic_irr(self, found: Found) -> str:
        """Take the IRR; the remote IRRs are bits of the entries."""
        if not self._ioapics:
            return "there is no IOAPIC above"
        if found[1] == "IRR":
            self._ioapics[-1].irr = tuple([pin for pin in map(int, _words(found[2])) if pin < PINS])
        return ""

    def pic(self, found: Found) -> str:
        """Take one 8259."""
        irr, imr, isr, base, elcr = (int(found[name], 16) for name in ("irr", "imr", "isr", "base", "elcr"))
        self._pics[int(found["chip"])] = PicChipSnapshot(
            last_irr=None,
            irr=irr,
            imr=imr,
            isr=isr,
            priority_add=int(found["hprio"]),
            irq_base=base,
            read_reg_select=int(found["rr"]),
            poll=None,
            special_mask=None,
            init_state=None,
            auto_eoi=None,
            rotate_on_auto_eoi=None,
            sfnm=int(found["fnm"]),
            init4=None,
            elcr=elcr,
        )
        return ""

    def lapic(self, found: Found) -> str:
        """Begin a LAPIC."""
        self._lapics.append(_Lapic(self._number, int(found[1])))
        return ""

    def register(self, found: Found) -> str:
        """Take a register that stands alone on its line."""
        return self._take({found[1]: int(found[2], 16)}, x2apic="(X2APIC ID)" in found.string)

    def timer(self, found: Found) -> str:
        """Take the timer's counts; the current one is not in every version."""
        values = {"DCR": int(found[1], 16), "TMICT": int(found[2])}
        current = re.search(r"current_count = (\d{1,10})", found.string)
        return self._take(values | ({"TMCCT": int(current[1])} if current else {}))

    def vectors(self, found: Found) -> str:
        """Take the vectors of a register, and which of them are level-triggered."""
        words = [VECTOR.fullmatch(word) for word in _words(found[2])]
        vectors = {int(word[1]): bool(word[2]) for word in words if word is not None}
        if None in words or max(vectors, default=0) > 255:
            return f"a LAPIC has the vectors 0 to 255: {clip(found.string.strip())}"
        why = self._take({})
        if not why:
            lapic = self._lapics[-1]
            lapic.vectors[found[1]] = tuple(sorted(vectors))
            lapic.level |= {vector for vector, level in vectors.items() if level}
        return why

    def priorities(self, found: Found) -> str:
        """Take the line of the priorities and the logical destination."""
        names = ("APR", "TPR", "DFR", "LDR", "PPR")
        return self._take(dict(zip(names, [int(word, 16) for word in found.groups()], strict=True)))

    def _take(self, values: dict[str, int], *, x2apic: bool = False) -> str:
        if not self._lapics:
            return "there is no LAPIC above"
        self._lapics[-1].values |= values
        self._lapics[-1].x2apic |= x2apic
        return ""

    def statistics(self, found: Found) -> str:
        """Begin the counts of a chip."""
        self._raised = self._raised or {}
        same = sum(chip.partition(" #")[0] == found[1] for chip in self._raised)
        self._raised[f"{found[1]} #{same + 1}" if same else found[1]] = []
        return ""

    def count(self, found: Found) -> str:
        """Take one count of the chip that was begun last."""
        if not self._raised:
            return "there is no chip above"
        next(reversed(self._raised.values())).append((int(found[1]), int(found[2])))
        return ""

    def absent(self, _found: Found) -> str:
        """Take it as said that something is not there."""
        return ""

    # -- what there is when everything has been read ---------------------------------------------------

    def dump(self) -> Dump:
        """Return what was read; chips that are not whole are reported where they begin."""
        made = [self._made_lapic(lapic) for lapic in self._lapics]
        lapics = {lapic.vcpu: lapic for lapic in made if lapic is not None}
        return Dump(
            ioapic=self._made_ioapic(self._ioapics[0]) if self._ioapics else None,
            pic=PicSnapshot(self._pics[0], self._pics[1], None) if len(self._pics) == 2 else None,
            lapics=tuple([lapics[vcpu] for vcpu in sorted(lapics)]) or None,
            raised=tuple([RaisedSnapshot(chip, tuple(counts)) for chip, counts in self._raised.items()])
            if self._raised is not None
            else None,
            problems=tuple(self._problems),
        )

    def _leave_out(self, line: int, why: str) -> None:
        self._problems.append(Problem(line, 1, why))

    def _made_ioapic(self, chip: _Ioapic) -> IoapicSnapshot | None:
        missing = [pin for pin in range(PINS) if pin not in chip.pins]
        if missing:
            self._leave_out(chip.at, f"the IOAPIC is left out: it has no pin {missing[0]}")
            return None
        irr = sum(1 << pin for pin in set(chip.irr))
        pins = tuple([RedirectionEntry(chip.pins[pin], irr >> pin & 1, None) for pin in range(PINS)])
        return IoapicSnapshot(chip.id, chip.ioregsel, irr, pins, chip.version)

    def _made_lapic(self, chip: _Lapic) -> LapicSnapshot | None:
        missing = [name for name in NEEDED if name not in chip.values and name not in chip.vectors]
        if missing:
            self._leave_out(chip.at, f"the LAPIC of CPU {chip.cpu} is left out: it has no {missing[0]}")
            return None
        value = chip.values
        return LapicSnapshot(
            vcpu=chip.cpu,
            irr=chip.vectors["IRR"],
            isr=chip.vectors["ISR"],
            tmr=tuple(sorted(chip.level)),
            tpr=value["TPR"],
            ppr=value["PPR"],
            spiv=value["SPIV"],
            ldr=value["LDR"] << 24,
            dfr=value["DFR"] << 28 | 0xFFFFFFF,
            id=None,
            lvr=None,
            lvt=tuple([value[name] for name in LVTS]),
            icr=value["ICR"],
            icr2=value["ICR2"],
            esr=value["ESR"],
            arb=None,
            nmi=None,
            mp=None,
            x2apic=chip.x2apic,
            tdcr=value["DCR"],
            tmict=value["TMICT"],
            tmcct=value.get("TMCCT"),
            tmr_partial=True,
            apr=value["APR"],
        )


def _words(text: str) -> list[str]:
    return [] if text.startswith("(none)") else text.split()


NEEDED = (*LVTS, "DCR", "TMICT", "SPIV", "ICR", "ICR2", "ESR", "ISR", "IRR", "TPR")
"""What a LAPIC has to have to be whole; TPR stands for everything on its line."""


_HEX = r"([0-9a-fA-F]{1,8})"
VECTOR = re.compile(r"(\d{1,3})(\(level\))?")
"""One of a list of vectors."""

FORMS: tuple[Form[_Reader], ...] = (
    Form("an IOAPIC", _Reader.ioapic, r"ioapic\d+: ", rf"ver=0x{_HEX} ", rf"id=0x{_HEX} ", rf"sel=0x{_HEX}"),
    Form("a pin", _Reader.pin, r"\s+pin ", r"(\d{1,3})\s+", r"0x([0-9a-fA-F]{16})\b"),
    Form("a list of pins", _Reader.ioapic_irr, r"\s+(IRR|Remote IRR)\s+", r"(\(none\)|\d[\d ]*)$"),
    Form(
        "an 8259",
        _Reader.pic,
        r"pic(?P<chip>[01]): ",
        *[rf"{name}=(?P<{name}>[0-9a-f]{{2}}) " for name in ("irr", "imr", "isr")],
        r"hprio=(?P<hprio>\d{1,3}) ",
        r"irq_base=(?P<base>[0-9a-f]{2}) ",
        r"rr_sel=(?P<rr>\d{1,3}) ",
        r"elcr=(?P<elcr>[0-9a-f]{2}) ",
        r"fnm=(?P<fnm>\d{1,3})",
    ),
    Form("a LAPIC", _Reader.lapic, r"dumping local APIC state for CPU ", r"(\d{1,9})"),
    Form(
        "a register",
        _Reader.register,
        rf"({'|'.join((*LVTS, 'SPIV', 'ICR2', 'ICR', 'ESR'))})\s+",
        rf"0x{_HEX}\b",
    ),
    Form("the timer", _Reader.timer, r"Timer\s+", rf"DCR=0x{_HEX} ", r".*initial_count = (\d{1,10})"),
    Form("a list of vectors", _Reader.vectors, r"(ISR|IRR)\s+", r"(\(none\)|\d[\d ()level]*)$"),
    Form(
        "the priorities",
        _Reader.priorities,
        *[rf"{name} 0x{_HEX} " for name in ("APR", "TPR", "DFR")],
        rf"LDR 0x{_HEX}",
        rf".*PPR 0x{_HEX}",
    ),
    Form("statistics", _Reader.statistics, r"IRQ statistics for ", r"(\S.*):$"),
    Form("a count", _Reader.count, r"\s*(\d{1,4}): ", r"(\d{1,20})$"),
    Form(
        "what is not there",
        _Reader.absent,
        r"(?:IRQ statistics|Interrupt controller information) not available for |"
        r"local apic state not available|No CPU available",
    ),
)
"""Every kind of line, by its first words."""
