"""A model and a VM of /dev/kvm, side by side: the same calls to both, everything visible compared.

Both are driven by :meth:`Backend.perform`.
"""

from __future__ import annotations

from dataclasses import replace

from kvmlab.backends.kvm.backend import Kvm
from kvmlab.backends.kvm.cells import Cell, differing, kernel_cells, model_cells
from kvmlab.backends.kvm.host import EVERYONE
from kvmlab.backends.kvm.twin import Twin
from kvmlab.engine.profile import Profile
from kvmlab.judge.operations import Call
from kvmlab.snapshot import Snapshot


class Pair:
    """The two machines of a profile. Raises Refused where there is no kernel."""

    def __init__(self, vcpus: int, twin: type[Twin] = Twin, with_: frozenset[str] = frozenset()) -> None:
        profile = Profile("linux-6.x", "resample", vcpus=vcpus, with_=with_)
        self.vcpus = vcpus
        self._asks = profile.in_kernel("ioapic")
        self.kernel = Kvm(replace(profile, backend="kvm"))
        self.model = twin(profile, self.kernel.host.quirks.auto_eoi)

    def reset(self) -> None:
        """Make both as they were when they were made."""
        self.model.reset()
        self.kernel.reset()

    def differs(self, call: Call) -> bool:
        """Make a call on both; tell whether an answer or a cell differs.

        Of the kernel's vCPUs, those enter the guest afterwards that the model's had to. What the kernel
        asks of another one is not lost: it is done when that one makes its next access, and before that.
        Where no IOAPIC is in the kernel all enter, since an EOI may leave it with the next entry only.
        """
        ours = self.model.perform(*call)
        asked = self.model.entered()
        self.kernel.host.asked = asked if self._asks else EVERYONE
        theirs = self.kernel.perform(*call)
        if ours.ret != theirs.ret or ours.errno != theirs.errno:
            self.answers = ours, theirs
            return True
        self.answers = ours, theirs
        return model_cells(self.model) != kernel_cells(self.kernel)

    def differences(self) -> list[Cell]:
        """Return what differs now, the answers to the last call first."""
        return differing(self.model, self.kernel, self.answers)

    def snapshots(self) -> tuple[Snapshot, Snapshot]:
        """Return both as they are now: the model's and the kernel's."""
        return self.model.snapshot(None), self.kernel.snapshot(None)
