"""A machine to stand beside a model, with faults to plant in it: what needs a kernel is tried without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kvmlab.backends.backend import Answer, Args, Refused
from kvmlab.backends.model import Model
from kvmlab.engine.profile import Profile
from kvmlab.snapshot import LastSnapshot, Snapshot

Fault = Callable[[Snapshot], Snapshot]


class Second(Model):
    """A model that hides what a kernel hides, does not go back, and shows and answers what it is told to.

    ``late`` is a fault that goes when the machine is let settle.
    """

    fault: Fault | None = None
    late: Fault | None = None
    answers: dict[str, Answer]

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self.answers = {}

    def settle(self) -> None:
        """Have the workers come."""
        self.late = None

    def perform(self, verb: str, args: Args) -> Answer:
        """See :meth:`Backend.perform`."""
        if verb.startswith("device"):
            raise Refused(f"'{verb}' needs what no kernel has")
        return self.answers.get(verb) or super().perform(verb, args)

    def rewind(self, unit: Any) -> None:
        """See :meth:`Backend.rewind`."""
        raise Refused("a real kernel does not go back")

    def snapshot(self, last: LastSnapshot | None) -> Snapshot:
        """See :meth:`Backend.snapshot`."""
        seen = super().snapshot(last)
        assert seen.ioapic is not None
        pins = tuple(replace(pin, sources=None) for pin in seen.ioapic.pins)
        seen = replace(seen, ioapic=replace(seen.ioapic, pins=pins), sources=None, contexts=None, irqfds=None)
        for fault in (self.fault, self.late):
            seen = fault(seen) if fault else seen
        return seen


def no_remote_irr(seen: Snapshot) -> Snapshot:
    """Show no remote IRR, whatever there is."""
    assert seen.ioapic is not None
    pins = tuple(replace(pin, value=pin.value & ~(1 << 14)) for pin in seen.ioapic.pins)
    return replace(seen, ioapic=replace(seen.ioapic, pins=pins))


def nothing_pending(seen: Snapshot) -> Snapshot:
    """Show no vector in any IRR."""
    assert seen.lapics is not None
    return replace(seen, lapics=tuple(replace(chip, irr=()) for chip in seen.lapics))


class Beside:
    """The machines that were made to stand beside models, oldest first; ``plant`` is done to each new one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[Second] = []
        self.plant: Callable[[Second], None] = lambda _second: None
        monkeypatch.setattr("kvmlab.backends.both.machines", self._machines)

    def _machines(self, profile: Profile) -> tuple[Model, Second]:
        second = Second(profile)
        self.plant(second)
        self.made.append(second)
        return Model(profile), second
