"""A model and a real kernel in lock-step: each call to both, what can be seen of both compared after it.

The answers are the kernel's, the snapshot is the model's, which shows more. ``differing`` has the cells
in which they are not the same; a call after which there are new ones is told with its command, and fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kvmlab.backends.backend import Answer, Args
from kvmlab.backends.kvm.backend import Kvm
from kvmlab.backends.kvm.backend import Unit as KernelUnit
from kvmlab.backends.kvm.cells import Cell, differing
from kvmlab.backends.kvm.twin import Twin
from kvmlab.engine.profile import Profile

if TYPE_CHECKING:
    from kvmlab.snapshot import LastSnapshot, Snapshot


class Both(Kvm):
    """A Kvm that has its twin make each call too."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self.model = Twin(replace(profile, backend="model"), self.host.quirks.auto_eoi)
        self.differing: tuple[Cell, ...] = ()
        self._new: list[Cell] = []

    @property
    def status(self) -> str:
        """What it runs on, and whether both are the same."""
        count = len(self.differing)
        verdict = f"{count} cell{'s' * (count > 1)} differ" if count else "model and kernel agree"
        return f"{verdict} · {super().status}"

    def perform(self, verb: str, args: Args) -> Answer:
        """See :meth:`Backend.perform`."""
        answer = super().perform(verb, args)
        ours = self.model.perform(verb, args)
        if self.host.released or not self.host.irqchip:
            return answer
        before = {cell.name for cell in self.differing}
        found = differing(self.model, self, (ours, answer))
        self.differing = tuple(cell for cell in found if cell.name != "ret")
        self._new += [cell for cell in found if cell.name not in before]
        return answer

    def snapshot(self, last: LastSnapshot | None) -> Snapshot:
        """See :meth:`Backend.snapshot`."""
        return replace(self.model.snapshot(last), vcpus=super().snapshot(last).vcpus)

    def commit(self) -> KernelUnit:
        """See :meth:`Backend.commit`."""
        unit, ours = super().commit(), self.model.commit()
        told = [
            f"{each.name}: model {_shown(each.model)}, kernel {_shown(each.kernel)}" for each in self._new
        ]
        self._new.clear()
        return unit._replace(news=ours.news, events=self.model.events(ours), differs="; ".join(told))

    def trace(self, count: int | None) -> Sequence[str]:
        """See :meth:`Backend.trace`."""
        return self.model.trace(count)

    @property
    def trace_source(self) -> str:
        """See :attr:`Backend.trace_source`."""
        return "the model's"


def _told(cell: Cell) -> str:
    return f"{cell.name}: model {_shown(cell.model)}, kernel {_shown(cell.kernel)}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        value = value[1]
    return hex(value) if isinstance(value, int) and value > 9 else str(value)
