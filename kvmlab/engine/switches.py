"""The deliberate deviations that a machine can be given: what ``without=`` and ``with=`` name."""

from __future__ import annotations

from dataclasses import dataclass


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
