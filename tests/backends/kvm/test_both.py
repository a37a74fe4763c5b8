"""Model and kernel in lock-step: the kernel's answers, the model's view, and a verdict when they part."""

from __future__ import annotations

import pytest

from kvmlab.backends.kvm.both import Both
from kvmlab.cli import main
from kvmlab.engine.chips.ioapic import Ioapic
from tests.engine.lab import Lab

SETUP = "eventfd t; eventfd e; ioapic 11 vector=0x41 level unmasked; irqfd t gsi=11 resample=e"


def both(lab: Lab) -> Both:
    """Return a lab's two machines."""
    backend = lab.session.backend
    assert isinstance(backend, Both)
    return backend


@pytest.mark.kvm
def test_they_agree_and_the_model_shows_what_the_kernel_hides() -> None:
    """A round, handlers, a storm and the 8259; sources and contexts can be seen."""
    lab = Lab("machine backend=both vcpus=2", SETUP, "write t")
    assert lab.fact("ioapic", 11, "sources") == frozenset({1})
    assert [lab.one(command).ret for command in ("take", "eoi", "read e")] == [0x41, 0, 1]
    lab.say("handler 0x41 eoi; write t; run; storm 5; pio write 0x21 0xdf; line 5 1; take; close t")
    assert both(lab).differing == ()
    assert lab.session.backend.status.startswith("model and kernel agree")
    assert lab.fact("acked", 11) == 7
    assert lab.one("undo").why.startswith("a real kernel does not go back")


@pytest.mark.kvm
def test_where_they_part_the_command_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each cell is told once, with its command; the status says how many there are, and a script fails."""
    monkeypatch.setattr(Ioapic, "waits", lambda _self, _pin: False)
    lab = Lab("machine backend=both", SETUP, "ioapic 11 masked; write t")
    parted = lab.one("ioapic 11 unmasked")
    assert parted.held is False and "eventfd.e.count: model 0, kernel 1" in parted.why
    assert lab.one("eventfd other").held is None
    assert {cell.name for cell in both(lab).differing} >= {"eventfd.e.count", "lapic.0.irr"}
    assert "cells differ" in lab.session.backend.status
    script = f"machine backend=both; {SETUP}; ioapic 11 masked; write t; ioapic 11 unmasked"
    assert main(["run", "-c", script]) == 1
    assert "model and kernel differ" in capsys.readouterr().err


@pytest.mark.kvm
def test_a_released_machine_has_nothing_to_compare() -> None:
    """The descriptors go on."""
    lab = Lab("machine backend=both", SETUP, "release", "write e 3")
    assert lab.one("read e").ret == 3
    assert lab.one("eoi").errno == "EBADF"
