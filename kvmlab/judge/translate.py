"""Calls as operations of a recording, which has fewer and plainer ones than the language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvmlab.backends.arguments import entry_words, route_words
from kvmlab.engine.abi import KVM_IRQ_ROUTING_MSI
from kvmlab.engine.chips.route_table import DEFAULT_ROUTING, Route
from kvmlab.judge.operations import IOREGSEL, IOWIN, Call
from kvmlab.judge.recorder import Recorder
from kvmlab.judge.recording import IRQCHIPS

Op = dict[str, Any]
"""An operation as a recording has it."""

_CHIPS = {number: name for name, number in IRQCHIPS.items()}


class Translator:
    """Translates for one recorder, whose state it looks at."""

    def __init__(self, made: Recorder) -> None:
        self._made = made
        self._routes: tuple[Route, ...] = DEFAULT_ROUTING

    def operations(self, call: Call) -> list[Op]:
        """Return what a call comes to; nothing for one that recordings do not have."""
        verb, args = call
        translate = _TRANSLATED.get(verb)
        return [] if translate is None else translate(self, args)

    def entry(self, args: dict[str, Any]) -> list[Op]:
        """Rewrite a redirection entry by the registers of the IOAPIC."""
        vcpu, pin, low, dest = entry_words(args)
        writes = []
        if dest is not None:
            writes += [(IOREGSEL, 0x11 + 2 * pin), (IOWIN, dest << 24)]
        if low:
            value = self._made.kernel.host.vm.ioapic()[5 + pin] & 0xFFFFAFFF
            for mask, found in low:
                value = value & ~mask | found
            writes += [(IOREGSEL, 0x10 + 2 * pin), (IOWIN, value)]
        return [_mmio(vcpu, addr, value) for addr, value in writes]

    def route(self, args: dict[str, Any]) -> list[Op]:
        """Replace the table by one with a GSI edited; a table that is refused is remembered all the same."""
        gsi, entries = route_words(args)
        self._routes = (*[route for route in self._routes if route.gsi != gsi], *entries)
        return self.table()

    def default_routes(self, _args: dict[str, Any]) -> list[Op]:
        """Replace the table by the default one."""
        self._routes = DEFAULT_ROUTING
        return self.table()

    def knows(self, name: str) -> bool:
        """Tell whether a name is open now."""
        return name in self._made.kernel.descriptors.names

    def named(self, op: str, name: str, **more: Any) -> list[Op]:
        """Return an operation on a name, if it is open."""
        return [{"op": op, "fd": name, **more}] if self.knows(name) else []

    def table(self) -> list[Op]:
        """Return the operation that sets the table."""
        return [{"op": "set_routing", "entries": [_route(route) for route in self._routes]}]


def _mmio(vcpu: int, addr: int, value: int) -> Op:
    return {"op": "mmio_write", "vcpu": vcpu, "addr": hex(addr), "value": hex(value)}


def _route(route: Route) -> Op:
    if route.type == KVM_IRQ_ROUTING_MSI:
        return {"gsi": route.gsi, "msi": {"addr": hex(route.address_lo), "data": hex(route.data)}}
    return {"gsi": route.gsi, "irqchip": _CHIPS[route.irqchip], "pin": route.pin}


def _irqfd(made: Translator, args: dict[str, Any]) -> list[Op]:
    if args["flags"] & 1:
        return made.named("irqfd_deassign", args["fd"], gsi=args["gsi"], flags=args["flags"])
    resample = args["resamplefd"] if args["flags"] & 2 else None
    if resample is not None and not made.knows(resample):
        return []
    return made.named("irqfd", args["fd"], gsi=args["gsi"], resample=resample)


def _eventfd(made: Translator, args: dict[str, Any]) -> list[Op]:
    if made.knows(args["name"]):
        return []
    return [{"op": "eventfd", "name": args["name"], "count": args["count"], "semaphore": args["semaphore"]}]


_TRANSLATED: dict[str, Callable[[Translator, dict[str, Any]], list[Op]]] = {
    "ioapic": Translator.entry,
    "route": Translator.route,
    "routes default": Translator.default_routes,
    "irqfd": _irqfd,
    "eventfd": _eventfd,
    "mmio write": lambda _made, args: [_mmio(args["vcpu"], args["addr"], args["value"])],
    "mmio read": lambda _made, a: [{"op": "mmio_read", "vcpu": a["vcpu"], "addr": hex(a["addr"])}],
    "pio write": lambda _made, a: [{"op": "pio_write", "port": hex(a["port"]), "value": hex(a["value"])}],
    "pio read": lambda _made, args: [{"op": "pio_read", "port": hex(args["port"])}],
    "tpr": lambda _made, args: [_mmio(args["vcpu"], 0xFEE00080, args["value"])],
    "eoi": lambda _made, args: [{"op": "eoi", "vcpu": args["vcpu"]}],
    "take": lambda _made, args: [{"op": "take", "vcpu": args["vcpu"]}],
    "irq-line": lambda _made, a: [{"op": "set_irq", "source": 0, "gsi": a["irq"], "level": a["level"]}],
    "msi": lambda _made, args: [
        {"op": "msi", "addr": hex(args["address_lo"]), "data": hex(args["data"]), "flags": args["flags"]}
    ],
    "write": lambda made, args: made.named("write", args["name"], value=args["value"]),
    "read": lambda made, args: made.named("read", args["name"]),
    "close": lambda made, args: made.named("close", args["names"][0]),
    "dup": lambda made, a: [] if made.knows(a["new"]) else made.named("dup", a["name"], **{"as": a["new"]}),
}
"""By verb."""
