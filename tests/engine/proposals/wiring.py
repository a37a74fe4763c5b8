"""One device on GSI 11 under any design: what wires it, and what an interrupt and its EOI do."""

from __future__ import annotations

from tests.engine.lab import Lab

WIRING = {
    "eoi-eventfd-2011": "irqfd trigger gsi=11; eoifd unmask gsi=11",
    "level-eoi-2012": "irqfd trigger gsi=11 eoi=unmask",
    "eoifd-v4": "irqfd trigger gsi=11 level; eoifd unmask irqfd=trigger level",
    "eoifd-v5": "irqfd trigger gsi=11 level; eoifd unmask irqfd=trigger level",
    "eoifd-v7": "irqfd trigger gsi=11 level; eoifd unmask key=trigger level",
    "resample": "irqfd trigger gsi=11 resample=unmask",
}
"""By api: the commands that bind trigger to GSI 11, and unmask to its EOIs."""

KERNELS = ("linux-3.6", "linux-6.x")


def wired(api: str, options: str = "", kernel: str = "linux-3.6") -> Lab:
    """Return a lab with a device wired to GSI 11, whose pin delivers 0x41, level-triggered."""
    return Lab(
        f"machine kernel={kernel} api={api} {options}",
        "eventfd trigger; eventfd unmask",
        "ioapic 11 vector=0x41 level unmasked",
        WIRING[api],
    )


def serve(lab: Lab) -> None:
    """Take the interrupt and end it."""
    assert lab.one("take").ret == 0x41
    lab.say("eoi")


def told(lab: Lab) -> int:
    """Return how often unmask was signalled since it was read."""
    count = lab.fact("eventfd", "unmask", "count")
    assert isinstance(count, int)
    return count
