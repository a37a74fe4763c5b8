"""What differs between kernels and proposals, as data: constants that a path may read."""

from __future__ import annotations

from dataclasses import dataclass

KERNELS = ("linux-3.6", "linux-6.x")
"""Kernels by name."""

APIS = ("eoi-eventfd-2011", "level-eoi-2012", "eoifd-v4", "eoifd-v5", "eoifd-v7", "resample")
"""Designs of the EOI interface, oldest first."""

READY_KERNELS, READY_APIS = ("linux-3.6",), ("eoifd-v7",)
"""Those that can be run."""

DEFAULT_APIS = {"linux-3.6": "eoifd-v7", "linux-6.x": "resample"}
"""The design that goes with a kernel unless another one is asked for."""

MAX_VCPUS = 8
"""As many vCPUs as a machine can have (a limit of the lab, not of KVM)."""


@dataclass(frozen=True, slots=True)
class Switch:
    """One deliberate deviation: its name, what it does, and the option it belongs to.

    ``option`` is "without" for what a kernel normally has and "with" for what it lacks;
    ``ready`` is False for one that parses but can't be run yet.
    """

    name: str
    option: str
    text: str
    ready: bool = False


SWITCHES: dict[str, Switch] = {
    switch.name: switch
    for switch in (
        Switch("pollhup", "without", "closing the last fd does not remove its eoifd", True),
        Switch("assign-flush", "without", "assign does not wait for the cleanup queue", True),
        Switch("irqchip", "without", "no KVM_CREATE_IRQCHIP", True),
        Switch("config-eventfd", "without", "a kernel without CONFIG_HAVE_KVM_EVENTFD", True),
        Switch("filter-lock", "without", "the source filter tests and clears without a lock"),
        Switch("source-filter", "with", "an EOI signals only when the own source asserted"),
        Switch("ack-on-unmask", "with", "the event of a masked pin waits for the unmask"),
        Switch("ioeventfd-pollhup", "with", "closing the last fd removes its ioeventfd"),
    )
}
"""Every switch by name."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The constants of one machine. ``without`` and ``with_`` are names from SWITCHES."""

    kernel: str = "linux-3.6"
    api: str = "eoifd-v7"
    vcpus: int = 1
    pit: bool = False
    x2apic: bool = False
    bare: bool = False
    without: frozenset[str] = frozenset()
    with_: frozenset[str] = frozenset()

    def has(self, feature: str) -> bool:
        """Tell whether something a kernel normally has is there, i.e. not switched off."""
        return feature not in self.without
