"""The deliberate deviations that a machine can be given: what ``without=`` and ``with=`` name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Switch:
    """One deliberate deviation: its name, what it does, and the option it belongs to.

    ``option`` is "without" for what a kernel normally has and "with" for what it lacks. ``of_api``
    tells that it belongs to designs of the EOI interface, each of which names those it has;
    ``needs`` names a switch without which it means nothing. ``irqchip`` is the mode, from
    IRQCHIP_MODES, that it puts in place of a whole irqchip; ``kernels`` are those that have it, all if
    it names none.
    """

    name: str
    option: str
    text: str
    of_api: bool = False
    needs: str = ""
    irqchip: str = ""
    kernels: tuple[str, ...] = ()


KERNEL, SPLIT, NO_IRQCHIP = "kernel", "split", "none"

IRQCHIP_MODES: dict[str, frozenset[str]] = {
    KERNEL: frozenset({"lapic", "ioapic", "pic"}),
    SPLIT: frozenset({"lapic"}),
    NO_IRQCHIP: frozenset(),
}
"""Which chips live in the kernel (enum kvm_irqchip_mode).

KERNEL is made by KVM_CREATE_IRQCHIP, SPLIT by KVM_CAP_SPLIT_IRQCHIP, and NO_IRQCHIP by neither.
"""

SWITCHES: dict[str, Switch] = {
    switch.name: switch
    for switch in (
        Switch("pollhup", "without", "closing the last fd does not remove its eoifd", of_api=True),
        Switch("assign-flush", "without", "assign does not wait for the cleanup queue", of_api=True),
        Switch("irqchip", "without", "no KVM_CREATE_IRQCHIP", irqchip=NO_IRQCHIP),
        Switch("config-eventfd", "without", "a kernel without CONFIG_HAVE_KVM_EVENTFD"),
        Switch(
            "filter-lock",
            "without",
            "the source filter tests and clears without a lock",
            of_api=True,
            needs="source-filter",
        ),
        Switch(
            "assign-lock",
            "without",
            "assign injects after it has let go of what keeps the irqfd (before 6bbfb2653177)",
        ),
        Switch("counter-clear", "without", "deassign leaves the counter as it is (before b6a114d27273)"),
        Switch("busy-check", "without", "an eventfd may feed any number of irqfds (before f1d1c309f35e)"),
        Switch("rcu-wait", "without", "unregistering an ack notifier does not wait for its readers"),
        Switch("active-check", "without", "the last close deactivates what has been deactivated already"),
        Switch("source-filter", "with", "an EOI signals only when the own source asserted", of_api=True),
        Switch("ack-on-unmask", "with", "the event of a masked pin waits for the unmask", of_api=True),
        Switch("ioeventfd-pollhup", "with", "closing the last fd removes its ioeventfd"),
        Switch(
            "split-irqchip",
            "with",
            "the LAPICs alone are in the kernel; IOAPIC and 8259 are left to userspace",
            irqchip=SPLIT,
            kernels=("linux-6.x",),
        ),
        Switch("flush-under-lock", "with", "deassign waits for the cleanup queue under irqfds.lock"),
        Switch(
            "as-merged",
            "with",
            "a resampler is looked up by the wrong member of the list (7a84428af7ca)",
            of_api=True,
        ),
    )
}
"""Every switch by name."""
