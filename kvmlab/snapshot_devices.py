"""What can be seen of a scripted device: a record of the snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class DeviceSnapshot:
    """One device: its kind ("vfio", "emulated", "virtio"), its GSI, and its counters.

    ``latency`` is how many events its last service took. Of an assigned device, ``masked`` tells that
    VFIO has it masked, and ``accelerated`` that the kernel injects for it, and not the VMM.
    """

    KEY: ClassVar[tuple[str, ...]] = ("name",)
    name: str
    kind: str
    gsi: int
    asserted: bool = False
    raised: int = 0
    serviced: int = 0
    wakeups: int = 0
    spurious: int = 0
    polls: int = 0
    latency: int = 0
    masked: bool = False
    accelerated: bool = False
