"""Model and a running kernel in lock-step: what is staged holds on both, and a fault is found."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kvmlab.backends.both import Both
from kvmlab.cli import make_session
from kvmlab.engine.chips.ioapic import Ioapic
from kvmlab.scripts import parse_text, run
from kvmlab.session import Session
from tests.engine.lab import Lab

pytestmark = pytest.mark.kvm

ROUND_TRIP = (
    "eventfd t; eventfd e; ioapic 11 vector=0x41 level unmasked; irqfd t gsi=11 resample=e",
    "write t; take; eoi; expect 1: read e; write t; ioapic 11 masked; take; eoi; ioapic 11 unmasked",
    "eventfd n; irqfd n gsi=5; ioapic 5 vector=0x52 unmasked; write n; write t; take; take; eoi; eoi; take",
    "expect EBUSY: irqfd t gsi=12; expect EINVAL: ioctl irqfd fd=t gsi=1 flags=4; close t; write n",
)
PIC = (
    "pio write 0x21 0; pio write 0xa1 0; pio write 0x4d1 8; line 11 1; take; pio read 0x20; line 11 0",
    "pio write 0xa0 0x20; pio write 0x20 0x20; line 4 1; take; pio write 0x20 0x64; take",
)
TWO = (
    "ioapic 10 vector=0x60 level unmasked dest=1; line 10 1; take vcpu=1; line 10 0; eoi vcpu=1",
    "mmio write 0xfee000d0 0x01000000; mmio write 0xfee000d0 0x02000000 vcpu=1",
    "ioapic 9 vector=0x53 unmasked logical dest=3 mode=lowest; line 9 1; take; take vcpu=1; eoi; eoi vcpu=1",
    "mmio write 0xfee00310 0x01000000; mmio write 0xfee00300 0x4077; take vcpu=1; eoi vcpu=1",
)
HANDLERS = (
    "eventfd t; eventfd e; ioapic 11 vector=0x41 level unmasked; irqfd t gsi=11 resample=e",
    "handler 0x41 mask 11,eoi,unmask 11; write t; run; storm 20",
)
SPLIT = (
    "eventfd t; eventfd e; expect EINVAL: irqfd t gsi=11 resample=e; irqfd t gsi=11; write t; line 11 1",
    "expect EINVAL: route 11 ioapic:11; expect ENOENT: pit; expect EINVAL: routes default",
    "route 11 msi:0xfee00000:0x8041; write t; take; eoi; expect ioapic-eoi.0x41 == 1",
    "route 12 msi:0xfee00000:0x51; line 12 1; take; eoi",
    "route 30 msi:0xfee00000:0x8061; line 30 1; take; eoi",
    "ioapic 11 unmasked; mmio read 0xfec00010; pio write 0x20 0x11; pio read 0x21",
    "write t; take; route 11 none; eoi; expect ioapic-eoi.0x41 == 1",
    "route 11 msi:0xfee00000:0x8041; handler 0x41 eoi; write t; run; expect ioapic-eoi.0x41 == 2; storm 5",
)
SAID = {
    "": ROUND_TRIP,
    " pit": PIC,
    " vcpus=2": TWO,
    " x2apic": ROUND_TRIP,
    " bare": PIC,
    " with=split-irqchip": SPLIT,
    " x2apic with=split-irqchip": SPLIT,
}


ROOT = Path(__file__).parents[3]


def both(session: Session) -> Both:
    """Return the two machines of a session."""
    assert isinstance(session.backend, Both)
    return session.backend


@pytest.mark.parametrize("words", SAID)
def test_what_is_said_comes_to_the_same(words: str) -> None:
    """Level and resample, masks, an edge, errors, the 8259s, two vCPUs: every answer and every cell."""
    lab = Lab(f"machine backend=both{words}")
    for line in SAID[words]:
        for result in lab.say(line):
            assert (result.differs, result.output) == ("", ()), result.command.text
            assert result.held is not False, result.why
    assert both(lab.session).differing == ()


def test_handlers_and_storms_come_to_the_same() -> None:
    """A run, and cycles by the dozen."""
    lab = Lab("machine backend=both")
    said = [result for line in HANDLERS for result in lab.say(line)]
    assert [(result.differs, result.output) for result in said] == [("", ())] * len(said)
    assert [result.ret for result in said[-2:]] == [1, 20]


def test_a_released_machine_has_descriptors_alone() -> None:
    """The chips are gone on the kernel's side, which is no difference."""
    lab = Lab("machine backend=both", ROUND_TRIP[0], "release", "write e 3")
    assert lab.one("read e").ret == 3
    assert both(lab.session).differing == ()


def test_a_fault_in_the_model_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An EOI that leaves remote IRR, which the kernel clears."""
    end_pin: Callable[..., int] = Ioapic.end_pin

    def faulty(ioapic: Ioapic, pin: int, vector: int, trigger_mode: int) -> int:
        entry = ioapic.redirtbl[pin]
        found = end_pin(ioapic, pin, vector, trigger_mode)
        ioapic._entries[pin] = entry
        return found

    faulty.__dict__.update(end_pin.__dict__)
    lab = Lab("machine backend=both", ROUND_TRIP[0], "write t; take")
    monkeypatch.setattr(Ioapic, "end_pin", faulty)
    result = lab.one("eoi")
    assert [cell.name for cell in both(lab.session).differing] == ["ioapic.11.remote_irr"]
    assert "1 in the model, 0 in the kernel" in str(result.output)


def test_a_vcpu_that_cannot_be_had_is_told_of() -> None:
    """With the kernel's side of it: after an INIT the model's vCPU answers still."""
    lab = Lab("machine backend=both vcpus=2", "msi addr=0xfee01000 data=0x500")
    told = lab.one("mmio read 0xfee00020 vcpu=1").differs
    assert told.startswith("the kernel returned -1: vCPU 1 ")
    assert told.endswith("it waits for a SIPI")


ONLY_MODEL = re.compile(r"^(actor|manual|device|undo|ioctl eoifd|eoifd|irqfd .* (level|eoi=))", re.MULTILINE)
"""What no kernel has or does."""

REAL = re.compile(
    r"^machine kernel=linux-6\.x(?: api=\S+)?(?!.*with(?:out)?=(?!split-irqchip))", re.MULTILINE
)
"""A machine that a kernel is; an api of which nothing is used makes none of it another one."""


def of_a_kernel(text: str) -> str:
    """Return a script's text with the kernel beside its machines, "" where that has no sense."""
    if ONLY_MODEL.search(text) or not REAL.search(text):
        return ""
    return REAL.sub("machine backend=both", text)


OTHERWISE = {
    "39-eoi-storm": "the kernel's delayed work comes by the wall clock, the model's by a virtual one",
    "12-eoi-against-reconfiguration": "an acknowledgement by KVM_SET_LAPIC has every vCPU scan the IOAPIC",
    "caps": "the capabilities are those of another api",
}
"""Scripts that come to something else here, and why."""

SCRIPTS = {
    path.stem: text
    for place in (ROOT / "labs" / "scenarios", ROOT / "tests" / "contract")
    for path in sorted(place.rglob("*.kvm"))
    if path.stem not in OTHERWISE and (text := of_a_kernel(path.read_text("utf-8")))
}
"""Every script with a machine that a kernel is."""


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_staged_holds_on_both(name: str) -> None:
    """The verdicts of the script, and nothing else that differs."""
    session = make_session()
    for result in run(session, parse_text(session, SCRIPTS[name])):
        assert (result.differs, result.held is False) == ("", False), f"{result.command.text}: {result.why}"
        if isinstance(session.backend, Both):
            assert session.backend.differing == (), result.command.text
