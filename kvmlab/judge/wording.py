"""Calls as commands, and what differed as expectations: a divergence as a script that can be run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kvmlab.backends.bits import bits
from kvmlab.backends.kvm.cells import Cell
from kvmlab.engine.abi import KVM_IRQFD_FLAG_DEASSIGN, KVM_IRQFD_FLAG_RESAMPLE
from kvmlab.judge.operations import Call

_ENTRY = ("trigger", "mask", "dest_mode", "polarity")
"""Words of `ioapic` that stand alone."""


def _keys(args: dict[str, Any], **defaults: int) -> str:
    """Return ``vcpu=`` and ``len=`` where they are not the default."""
    return "".join(f" {name}={args[name]}" for name, usual in defaults.items() if args[name] != usual)


def _ioapic(args: dict[str, Any]) -> str:
    words = [f"{name}={args[name]:#x}" for name in ("vector", "dest") if args.get(name) is not None]
    words += [args[name] for name in _ENTRY if args.get(name)]
    words += [f"mode={args['mode']}"] if args.get("mode") else []
    return " ".join(["ioapic", str(args["pin"]), *words]) + _keys(args, vcpu=0)


def _irqfd(args: dict[str, Any]) -> str:
    flags, second = args["flags"], args["resamplefd"]
    if flags == KVM_IRQFD_FLAG_RESAMPLE:
        return f"irqfd {args['fd']} gsi={args['gsi']} resample={second}"
    if flags in (0, KVM_IRQFD_FLAG_DEASSIGN):
        return f"irqfd {args['fd']} gsi={args['gsi']}" + (" deassign" if flags else "")
    return f"ioctl irqfd fd={args['fd']} gsi={args['gsi']} flags={flags}"


def _ioeventfd(args: dict[str, Any]) -> str:
    numbers = f"addr={args['addr']:#x} len={args['len']} datamatch={args['datamatch']} flags={args['flags']}"
    return f"ioctl ioeventfd fd={args['fd']} {numbers}"


def _msi(args: dict[str, Any]) -> str:
    if args["flags"]:
        address, data = f"address_lo={args['address_lo']:#x}", f"data={args['data']:#x}"
        return f"ioctl msi {address} {data} flags={args['flags']}"
    return f"msi addr={args['address_lo']:#x} data={args['data']:#x}"


def _route(args: dict[str, Any]) -> str:
    words = [
        f"msi:{target[1]:#x}:{target[2]:#x}" if target[0] == "msi" else ":".join(map(str, target))
        for target in args["targets"]
    ]
    return " ".join(["route", str(args["gsi"]), *words])


def _eventfd(args: dict[str, Any]) -> str:
    count = f" count={args['count']}" if args["count"] else ""
    words = [name for name in ("semaphore", "blocking") if args[name]]
    return " ".join([f"eventfd {args['name']}{count}", *words])


_WORDED: dict[str, Callable[[dict[str, Any]], str]] = {
    "eventfd": _eventfd,
    "write": lambda args: f"write {args['name']}" + (f" {args['value']}" if args["value"] != 1 else ""),
    "read": lambda args: f"read {args['name']}",
    "poll": lambda args: f"poll {args['name']}",
    "close": lambda args: " ".join(["close", *args["names"]]),
    "dup": lambda args: f"dup {args['name']} {args['new']}",
    "irqfd": _irqfd,
    "ioeventfd": _ioeventfd,
    "irq-line": lambda args: f"line {args['irq']} {args['level']}",
    "msi": _msi,
    "route": _route,
    "routes default": lambda _args: "routes default",
    "ioapic": _ioapic,
    "mmio write": lambda a: f"mmio write {a['addr']:#x} {a['value']:#x}" + _keys(a, len=4, vcpu=0),
    "mmio read": lambda args: f"mmio read {args['addr']:#x}" + _keys(args, len=4, vcpu=0),
    "pio write": lambda a: f"pio write {a['port']:#x} {a['value']:#x}" + _keys(a, len=1, vcpu=0),
    "pio read": lambda args: f"pio read {args['port']:#x}" + _keys(args, len=1, vcpu=0),
    "tpr": lambda args: f"tpr {args['value']:#x}" + _keys(args, vcpu=0),
    **{
        verb: lambda args, verb=verb: verb + _keys(args, vcpu=0)  # type: ignore[misc]
        for verb in ("take", "eoi", "sti", "cli")
    },
}


def command(call: Call) -> str:
    """Return a call as the command that makes it."""
    verb, args = call
    return _WORDED[verb](args)


def names_of(call: Call) -> Iterator[str]:
    """Yield the eventfds that a call names, those it creates excepted."""
    _verb, args = call
    named = [args.get("fd"), args.get("resamplefd"), *args.get("names", ())]
    if call[0] != "eventfd":
        named.append(args.get("name"))
    yield from (name for name in named if isinstance(name, str))


def commands(program: Sequence[Call]) -> list[str]:
    """Return a program as commands; a name that it uses and never creates is created and closed first."""
    known: set[str] = set()
    lines: list[str] = []
    for call in program:
        for name in names_of(call):
            if name not in known:
                lines += [f"eventfd {name}", f"close {name}"]
                known.add(name)
        lines.append(command(call))
        verb, args = call
        if verb in ("eventfd", "dup"):
            known.add(args["name"] if verb == "eventfd" else args["new"])
    return lines


# -- what the kernel shows, as an expectation ---------------------------------------------------------


def _set(bitmap: int) -> str:
    return "{" + ", ".join(f"{vector:#x}" for vector in bits(bitmap)) + "}"


def _of_entry(pin: int, ours: int, theirs: int) -> Iterator[str]:
    fields = {"vector": (0, 0xFF), "remote_irr": (14, 1), "mask": (16, 1), "dest": (56, 0xFF)}
    for name, (shift, mask) in fields.items():
        if (ours ^ theirs) >> shift & mask:
            yield f"ioapic.{pin}.{name} == {theirs >> shift & mask:#x}"
    if (ours ^ theirs) >> 15 & 1:
        yield f"ioapic.{pin}.trigger == {'level' if theirs >> 15 & 1 else 'edge'}"


def expectations(cells: Sequence[Cell]) -> Iterator[str]:
    """Yield what the kernel shows where the model differs, as far as there are facts for it."""
    for cell in cells:
        family, *rest = cell.name.split(".")
        if cell.name == "ioapic.irr":
            yield from (
                f"ioapic.{pin}.irr == {cell.kernel >> pin & 1}" for pin in bits(cell.model ^ cell.kernel)
            )
        elif family == "ioapic" and rest[0].isdigit():
            yield from _of_entry(int(rest[0]), cell.model, cell.kernel)
        elif family == "ioapic-eoi":
            told, counted = dict(cell.kernel), dict(cell.model)
            differing = [v for v in sorted(told | counted) if told.get(v, 0) != counted.get(v, 0)]
            yield from (f"ioapic-eoi.{vector:#x} == {told.get(vector, 0)}" for vector in differing)
        elif rest and rest[-1] in ("irr", "isr", "tmr") and family == "lapic":
            yield f"{cell.name} == {_set(cell.kernel)}"
        elif rest and rest[-1] in ("tpr", "ppr", "spiv", "irr", "isr", "imr", "elcr"):
            yield f"{cell.name} == {cell.kernel:#x}"
        elif family == "eventfd":
            yield f"{cell.name} == {cell.kernel[1] if isinstance(cell.kernel, tuple) else cell.kernel}"


def script(
    program: Sequence[Call], cells: Sequence[Cell], vcpus: int, with_: Sequence[str] = ()
) -> list[str]:
    """Return a program as a script that holds on the kernel and fails on the model; what differed is told."""
    *before, last = commands(program) or [""]
    answered = next((cell for cell in cells if cell.name == "ret"), None)
    expected = [f"expect {text}" for text in expectations([cell for cell in cells if cell.name != "ret"])]
    told = [f"# {cell.name}: model {_shown(cell.model)}, kernel {_shown(cell.kernel)}" for cell in cells]
    return [
        f"machine kernel=linux-6.x vcpus={vcpus}" + (f" with={','.join(with_)}" if with_ else ""),
        *before,
        f"expect {answered.kernel}: {last}" if answered else last,
        *told,
        *expected,
    ]


def _shown(value: object) -> str:
    if isinstance(value, tuple) and value and isinstance(value[0], str):
        return str(value[1])
    return hex(value) if isinstance(value, int) and value > 9 else str(value)
