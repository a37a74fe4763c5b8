"""Words of commands that stand for register bits and routing entries, the same for every backend."""

from __future__ import annotations

from collections.abc import Callable

from kvmlab.backends.backend import Args
from kvmlab.engine.abi import KVM_IRQ_ROUTING_MSI, KVM_IRQCHIP_IOAPIC
from kvmlab.engine.chips.ioapic_registers import MASK
from kvmlab.engine.chips.route_table import Route

_WORDS = {
    "trigger": (1 << 15, {"edge": 0, "level": 1 << 15}),
    "mask": (MASK, {"unmasked": 0, "masked": MASK}),
    "dest_mode": (1 << 11, {"physical": 0, "logical": 1 << 11}),
    "polarity": (1 << 13, {"high-active": 0, "low-active": 1 << 13}),
    "mode": (
        0x700,
        {"fixed": 0, "lowest": 0x100, "smi": 0x200, "nmi": 0x400, "init": 0x500, "extint": 0x700},
    ),
}
"""Words of `ioapic`: the mask of their field in the low dword, and the bits of each word."""


def entry_words(args: Args) -> tuple[int, int, tuple[tuple[int, int], ...], int | None]:
    """Return what `ioapic` writes: vCPU, pin, (mask, bits) of each field of the low dword, destination."""
    low = [(mask, words[args[name]]) for name, (mask, words) in _WORDS.items() if args.get(name)]
    if args.get("vector") is not None:
        low.append((0xFF, args["vector"]))
    return args["vcpu"], args["pin"], tuple(low), args.get("dest")


_ROUTES: dict[str, Callable[..., Route]] = {
    "ioapic": lambda gsi, pin: Route(gsi, irqchip=KVM_IRQCHIP_IOAPIC, pin=pin),
    "pic": lambda gsi, pin: Route(gsi, irqchip=min(pin // 8, 1), pin=pin - 8 * min(pin // 8, 1)),
    "msi": lambda gsi, address, data: Route(
        gsi, KVM_IRQ_ROUTING_MSI, address_lo=address & 0xFFFFFFFF, address_hi=address >> 32, data=data
    ),
}
"""Kinds of routes: how a table entry is made. An 8259 input is counted over the pair."""


def route_words(args: Args) -> tuple[int, tuple[Route, ...]]:
    """Return what `route` sets: a GSI, and all of its entries."""
    gsi, targets = args["gsi"], args["targets"]
    return gsi, tuple([_ROUTES[kind](gsi, *values) for kind, *values in targets if kind != "none"])
