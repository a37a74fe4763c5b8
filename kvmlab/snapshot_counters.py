"""What was counted of a machine: records of the snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class CountersSnapshot:
    """What happened so far: (vector, taken), (GSI, acknowledged), (tracepoint, emitted); None if hidden.

    ``eoi_exits`` are (vector, times that a vCPU left the kernel with its EOI for an IOAPIC in userspace).
    """

    taken: tuple[tuple[int, int], ...] = ()
    acked: tuple[tuple[int, int], ...] | None = ()
    trace: tuple[tuple[str, int], ...] | None = ()
    eoi_exits: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RaisedSnapshot:
    """QEMU's statistics of one chip: (input, how often it went from low to high), zeros left out."""

    KEY: ClassVar[tuple[str, ...]] = ("chip",)
    chip: str
    raised: tuple[tuple[int, int], ...]
