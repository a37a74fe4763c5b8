"""Where KVM_EOIFD built over a resampling irqfd cannot be true to v7."""

from __future__ import annotations

from collections.abc import Mapping

UNFAITHFUL: Mapping[str, tuple[str, str]] = {
    "key": (
        "KVM_IRQFD returns the source ID as the key",
        "KVM_IRQFD returns 0; the key is a number that userspace makes up, and another process cannot use it",
    ),
    "source-ids": (
        "each level irqfd asserts a source ID of its own",
        "all resamplers share source 1: a line that two of a GSI assert falls when one is asked for it",
    ),
    "filter": (
        "an event can be filtered by whose source was asserted (source-filter)",
        "every resampler of the GSI is told of every EOI, whoever asserted",
    ),
    "unmask": (
        "an unmasked pin that waits is delivered",
        "the kernel asks the resampler instead, and userspace makes the request anew, later",
    ),
    "full-counter": (
        "an event takes a counter to its very end, where poll says POLLERR",
        "what userspace writes ends one before, and the event is lost",
    ),
    "last-put": (
        "the last reference clears the source's bits, and no line is evaluated: the IRR bit stays",
        "the last irqfd of the GSI lowers the line, and the IRR bit goes",
    ),
}
"""Where it cannot be true: what v7 does, and what is done here. A script of labs/scenarios/kvm shows each."""
