"""What is known of an op, against what it does: where nothing is run again, it would have done the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmlab.engine.kernel.path import Op, describe, footprint
from kvmlab.explore.judge import sanitizers
from kvmlab.explore.search import Search
from kvmlab.explore.world import World
from tests.engine.lab import Lab
from tests.explore.programs import random_program
from tests.explore.scenes import FOLDER, script

PROGRAMS = 60
STATES = 300


class Doubting(World):
    """A world that runs every op: ``again`` counts those it knew, ``wrong`` names the surprises."""

    again = 0
    wrong: tuple[str, ...] = ()

    def step(self, name: str) -> bool:
        """Run a context's next op, and compare what was known of it, if it was."""
        ahead, before = self.pending(name), self.state()
        effect = ahead.effects.get(ahead.look(self._vector))
        if effect is None:
            return super().step(name)
        self.again += 1
        done = self._run(name)
        after = self.state()
        self.go(before)
        moved = super().step(name)
        if (done.moved, after) != (moved, self.state()):
            self.wrong += (f"{name}: {describe(ahead.op) if ahead.op else 'takes an item'}",)
        return moved

    def movable(self) -> list[str]:
        """Return the contexts whose next op can run now, and compare what was known of them."""
        found = super().movable()
        for name in self.names:
            free = self.next_op(name) is not None and not self.blocked(name)
            if free is not (name in found):
                self.wrong += (f"{name} can move: {free}",)
        return found


def doubted(world: Doubting, reduction: str, states: int = STATES) -> Doubting:
    """Search a world, though not to its end if it is large."""
    for _progress in Search(world, sanitizers, reduction, states).run():
        pass
    return world


@pytest.mark.parametrize("reduction", ["plain", "reduced"])
@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.kvm")), ids=lambda file: file.stem)
def test_every_op_of_a_script_does_what_is_known_of_it(file: Path, reduction: str) -> None:
    """Over every path that the explorer's scripts take."""
    world = doubted(Doubting(Lab(*script(file)).machine), reduction)
    assert world.again > 0
    assert world.wrong == ()


@pytest.mark.parametrize("reduction", ["plain", "fused"])
def test_every_op_of_a_random_program_does_what_is_known_of_it(reduction: str) -> None:
    """Whatever is freed, waited for, queued or taken in both orders."""
    worlds = [doubted(Doubting(random_program(seed).machine()), reduction) for seed in range(PROGRAMS)]
    assert sum(world.again for world in worlds) > PROGRAMS
    assert [(seed, world.wrong) for seed, world in enumerate(worlds) if world.wrong] == []


def test_an_op_that_looks_at_more_than_it_says_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison that the laws above rest on finds what a footprint leaves out."""

    def half(op: Op) -> tuple[str, ...]:
        return tuple(handle for handle in footprint(op) if not handle.startswith("cell"))

    monkeypatch.setattr("kvmlab.explore.pending.footprint", half)
    worlds = [doubted(Doubting(random_program(seed).machine()), "plain") for seed in range(10)]
    assert any(world.wrong for world in worlds)


ADDRESSED = (
    "machine kernel=linux-6.x vcpus=2; manual",
    "actor cpu: mmio write 0xfee000d0 0x2000000",
    "actor other: ioapic 11 vector=0x41 level unmasked dest=1 vcpu=1; take vcpu=1",
)
"""A LAPIC's logical id is written, which has every vCPU of 6.x scan the IOAPIC, beside an entry that is."""


@pytest.mark.parametrize("reduction", ["plain", "fused"])
def test_a_write_that_asks_for_a_scan_is_known_by_the_scan(reduction: str) -> None:
    """What it leaves in the books of the scan depends on who was asked before."""
    world = doubted(Doubting(Lab(*ADDRESSED).machine), reduction, states=2_000)
    assert world.again > 0
    assert world.wrong == ()
