"""Scenes for the explorer's tests: lines that set a machine up, and what a search of them finds."""

from __future__ import annotations

from pathlib import Path

from kvmlab.explore.judge import sanitizers
from kvmlab.explore.search import Outcome, Search
from kvmlab.explore.world import World
from tests.engine.lab import Lab

FOLDER = Path(__file__).parent.parent.parent / "labs" / "scenarios" / "explore"

SCENES: dict[str, tuple[str, ...]] = {
    "pair": (
        "eventfd trigger; eventfd unmask",
        "ioapic 11 vector=0x41 level unmasked",
        "irqfd trigger gsi=11 level; eoifd unmask key=trigger level",
        "write trigger; take; manual",
        "actor cpu: eoi",
        "actor undoer: eoifd unmask key=trigger level deassign",
    ),
    "closed and deassigned": (
        "eventfd trigger; irqfd trigger gsi=5; manual",
        "actor closer: close trigger",
        "actor undoer: irqfd trigger gsi=5 deassign",
    ),
    "two irqfds": (
        "eventfd trigger; eventfd other; irqfd trigger gsi=5; irqfd other gsi=6; manual",
        "actor closer: close other",
        "actor undoer: irqfd trigger gsi=5 deassign",
    ),
    "two irqfds of a resampler": (
        "eventfd nic; eventfd nic-unmask; eventfd usb; eventfd usb-unmask",
        "irqfd nic gsi=11 resample=nic-unmask; manual",
        "actor one: irqfd usb gsi=11 resample=usb-unmask",
    ),
    "assigned and deassigned": (
        "eventfd trigger count=1; ioapic 5 vector=0x35 unmasked; manual",
        "actor assigner: irqfd trigger gsi=5",
        "actor undoer: irqfd trigger gsi=5 deassign",
    ),
    "assigned": ("eventfd trigger; manual", "actor one: irqfd trigger gsi=5"),
    "a vector changed in service": (
        "ioapic 11 vector=0x41 level unmasked; line 11 1; take; manual",
        "actor cpu: eoi",
        "actor other: ioapic 11 vector=0x42 vcpu=1",
    ),
    "another pin's vector changed in service": (
        "ioapic 11 vector=0x41 level unmasked; line 11 1; take; manual",
        "actor cpu: eoi",
        "actor other: ioapic 12 vector=0x42 vcpu=1",
    ),
}


def searched(reduction: str, *lines: str) -> tuple[World, Outcome]:
    """Search what stands ready after some lines; return the world and what was found."""
    world = World(Lab(*lines).machine)
    search = Search(world, sanitizers, reduction)
    for _progress in search.run():
        pass
    return world, search.outcome


def kinds(outcome: Outcome) -> set[str]:
    """Return the kinds of all that went wrong."""
    return {kind for kind, _text in outcome.failures}


def script(path: Path) -> list[str]:
    """Return the lines of a script up to the one that explores, with what it sources in their places."""
    lines: list[str] = []
    for line in path.read_text().splitlines():
        if line.startswith("source "):
            lines += script(path.parent / line.split()[1])
        elif line and not line.startswith(("#", "explore")):
            lines.append(line)
    return lines
