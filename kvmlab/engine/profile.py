"""What differs between kernels and proposals, as data: constants that a path may read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib import import_module

from kvmlab.engine.kernels import KERNELS, Rules
from kvmlab.engine.proposal import Proposal
from kvmlab.engine.switches import IRQCHIP_MODES, KERNEL, SPLIT, SWITCHES

PROPOSALS = {
    "eoi-eventfd-2011": "eoi_eventfd_2011",
    "level-eoi-2012": "level_eoi_2012",
    "eoifd-v4": "eoifd_v4",
    "eoifd-v5": "eoifd_v5",
    "eoifd-v7": "eoifd_v7",
    "resample": "resample",
}
"""Designs of the EOI interface, oldest first, and the module of each in ``engine/proposals``."""

APIS = tuple(PROPOSALS)
"""The designs by name."""

DEFAULT_KERNEL = "linux-3.6"
"""The kernel unless another one is asked for."""

KERNEL_OF_BACKEND = {"model": DEFAULT_KERNEL, "kvm": "linux-6.x", "both": "linux-6.x"}
"""What runs a machine, and the kernel that goes with it: a real one is no other than it is."""

DEFAULT_APIS = {"linux-3.6": "eoifd-v7", "linux-6.x": "resample"}
"""The design that goes with a kernel unless another one is asked for."""

MAX_VCPUS = 8
"""As many vCPUs as a machine can have (a limit of the lab, not of KVM)."""


@cache
def proposal_of(api: str) -> Proposal:
    """Return a design by its name; its module, and with it its paths, is loaded when first asked for."""
    proposal: Proposal = import_module(f"kvmlab.engine.proposals.{PROPOSALS[api]}").PROPOSAL
    return proposal


@dataclass(frozen=True, slots=True)
class Profile:
    """The constants of one machine. ``without`` and ``with_`` are names from SWITCHES.

    ``backend``, from KERNEL_OF_BACKEND, is what runs it.
    """

    kernel: str = "linux-3.6"
    api: str = "eoifd-v7"
    vcpus: int = 1
    pit: bool = False
    x2apic: bool = False
    bare: bool = False
    without: frozenset[str] = frozenset()
    with_: frozenset[str] = frozenset()
    backend: str = "model"
    rules: Rules = field(init=False, repr=False, compare=False)
    """What the kernel does where kernels differ."""
    proposal: Proposal = field(init=False, repr=False, compare=False)
    """What the api in force adds."""
    irqchip: str = field(init=False, repr=False, compare=False)
    """Which chips are in the kernel, from IRQCHIP_MODES."""

    def __post_init__(self) -> None:
        """Look these up once: paths ask for them all the time."""
        object.__setattr__(self, "rules", KERNELS[self.kernel])
        object.__setattr__(self, "proposal", proposal_of(self.api))
        modes = [SWITCHES[name].irqchip for name in sorted(self.without | self.with_)]
        object.__setattr__(self, "irqchip", next(filter(None, modes), KERNEL))

    def has(self, feature: str) -> bool:
        """Tell whether something a kernel normally has is there, i.e. not switched off."""
        return feature not in self.without

    def adds(self, feature: str) -> bool:
        """Tell whether something that no kernel has is there, i.e. switched on."""
        return feature in self.with_

    def in_kernel(self, chip: str) -> bool:
        """Tell whether the kernel emulates a chip, "lapic", "ioapic" or "pic" (ioapic_in_kernel)."""
        return chip in IRQCHIP_MODES[self.irqchip]

    def irqchip_split(self) -> bool:
        """Tell whether the LAPICs are in the kernel, and the IOAPIC in userspace."""
        return self.irqchip == SPLIT
