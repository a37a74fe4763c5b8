"""Recorded behaviour of a kernel's chips: files of traces, read one at a time and checked.

The format is JSON Lines, one trace a line: a fresh machine, operations applied in order, and
what was observed after each; ``X.tracetext.jsonl`` beside ``X.jsonl`` holds the tracepoint texts
of some of the traces. A file is checked as far as replaying it needs; what is wrong with it is a
:class:`BadRecording` that names file and line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvmlab.engine.abi import BITS_PER_LONG
from kvmlab.engine.chips.route_table import Route
from kvmlab.engine.profile import MAX_VCPUS

KERNELS = {"3": "linux-3.6", "6": "linux-6.x"}
"""The engine's kernel by the first number of a trace's ``kernel``."""

IRQCHIPS = {"pic_master": 0, "pic_slave": 1, "ioapic": 2}

_U8, _U16, _U32, _U64 = ((0, (1 << bits) - 1) for bits in (8, 16, 32, 64))
_VCPU = (0, MAX_VCPUS - 1)
_SOURCE = (0, BITS_PER_LONG - 1)
_FD = "fd"
"""The name of an eventfd, the number -1 for a descriptor that is none, or null for no eventfd."""

Kind = tuple[int, int] | str
"""What a field is: a number with its least and its greatest value, or _FD."""

_CHIPS: dict[str, dict[str, Kind]] = {
    "mmio_write": {"vcpu": _VCPU, "addr": _U64, "value": _U32},
    "mmio_read": {"vcpu": _VCPU, "addr": _U64},
    "pio_write": {"port": _U16, "value": _U8},
    "pio_read": {"port": _U16},
    "set_irq": {"source": _SOURCE, "gsi": _U32, "level": (0, 1)},
    "msi": {"addr": _U64, "data": _U32, "flags": _U32},
    "set_routing": {},
    "take": {"vcpu": _VCPU},
    "eoi": {"vcpu": _VCPU},
}

FIELDS: dict[str, dict[str, dict[str, Kind]]] = {
    "linux-3.6": {
        **_CHIPS,
        "source_new": {},
        "source_free": {"source": (-(1 << 31), (1 << 31) - 1)},
        "ack_listen": {"gsi": _U32},
        "ack_deassert": {"gsi": _U32, "source": _SOURCE},
        "ack_unlisten": {"gsi": _U32},
    },
    "linux-6.x": {
        **_CHIPS,
        "take_pic": {"vcpu": _VCPU},
        "eventfd": {"name": _FD, "count": _U64, "semaphore": (0, 1)},
        "dup": {"fd": _FD, "as": _FD},
        "irqfd": {"fd": _FD, "gsi": _U32, "resample": _FD, "flags": (-1, (1 << 32) - 1)},
        "irqfd_deassign": {"fd": _FD, "gsi": _U32, "flags": (-1, (1 << 32) - 1)},
        "write": {"fd": _FD, "value": _U64},
        "read": {"fd": _FD},
        "close": {"fd": _FD},
    },
}
"""By kernel and operation: its fields and what they are."""

_DEFAULTS: dict[str, dict[str, int]] = {
    "msi": {"flags": 0},
    "eventfd": {"semaphore": 0},
    "irqfd": {"flags": -1},
    "irqfd_deassign": {"flags": -1},
}
"""What stands for a field that is left out; -1 for flags that follow from the others."""

LONGEST_LINE = 16 << 20
"""A trace has fewer characters than that."""

LONGEST_NUMBER = 2 + 64
"""A hexadecimal number has no more characters than that: 256 bits."""


class BadRecording(Exception):
    """A file that cannot be replayed: which, in what line, and why."""

    def __init__(self, path: Path, line: int, why: str) -> None:
        super().__init__(f"{path}:{line}: {why}" if line else f"{path}: {why}")


class _Wrong(Exception):
    """What is wrong with one line; the reader adds where."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation: its name, its arguments in the order of FIELDS, and what was recorded.

    ``obs`` maps a dotted field to its value, hexadecimal strings as integers; ``acks`` is None
    where acknowledgements are not recorded.
    """

    op: str
    args: tuple[Any, ...]
    ret: Any
    obs: dict[str, Any]
    acks: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Recording:
    """One trace: its name, its machine, its steps, and its tracepoint texts if there are any."""

    name: str
    kernel: str
    vcpus: int
    pit: bool
    x2apic: bool
    steps: tuple[Step, ...]
    text: tuple[tuple[str, ...], ...] | None


def read(path: Path) -> Iterator[Recording]:
    """Yield the traces of a file, one after the other; BadRecording for what cannot be replayed."""
    if path.exists() and not path.is_file():
        raise BadRecording(path, 0, "is no file that holds text: a folder, a device or a pipe")
    texts = dict(_read_texts(path.parent / f"{path.stem}.tracetext.jsonl"))
    line = 0
    for line, trace in _lines(path):
        try:
            yield _recording(trace, texts)
        except _Wrong as wrong:
            raise BadRecording(path, line, str(wrong)) from None
    if not line:
        raise BadRecording(path, 0, "holds no trace")


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    line = 0
    try:
        with path.open(encoding="utf-8") as file:
            while text := file.readline(LONGEST_LINE):
                line += 1
                if len(text) == LONGEST_LINE:
                    raise BadRecording(path, line, f"is longer than {LONGEST_LINE >> 20} Mi characters")
                trace = json.loads(text)
                if not isinstance(trace, dict):
                    raise BadRecording(path, line, "not a JSON object")
                yield line, trace
    except OSError as error:
        raise BadRecording(path, 0, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadRecording(path, line + 1, "not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise BadRecording(path, line, f"not JSON: {error}") from None


def _read_texts(path: Path) -> Iterator[tuple[str, tuple[tuple[str, ...], ...]]]:
    if not path.exists():
        return
    for line, trace in _lines(path):
        try:
            steps = _need(trace, "trace", list)
            yield _need(trace, "name", str), tuple([_texts(step) for step in steps])
        except _Wrong as wrong:
            raise BadRecording(path, line, str(wrong)) from None


def _texts(step: Any) -> tuple[str, ...]:
    if not isinstance(step, list) or not all(isinstance(text, str) for text in step):
        raise _Wrong('"trace" has a step that is not a list of texts')
    return tuple(step)


def _recording(trace: dict[str, Any], texts: dict[str, tuple[tuple[str, ...], ...]]) -> Recording:
    name, kernel = _need(trace, "name", str), _need(trace, "kernel", str)
    if "trace" in trace and "steps" not in trace:
        raise _Wrong("holds the texts of tracepoints, which are read with the recording beside it: name that")
    model = KERNELS.get(kernel.partition(".")[0])
    if model is None:
        raise _Wrong(f'"kernel" is {kernel!r}; only recordings of 3.6 and 6.x can be replayed')
    vcpus = _number(_need(trace, "vcpus"), "vcpus", (1, MAX_VCPUS))
    steps = tuple(
        [_step(number, step, vcpus, model) for number, step in enumerate(_need(trace, "steps", list))]
    )
    text = texts.get(name)
    if text is not None and len(text) != len(steps):
        raise _Wrong(f"{len(steps)} steps, but the trace text has {len(text)}")
    x2apic, pit = bool(trace.get("x2apic_cpuid", False)), bool(trace.get("pit", False))
    return Recording(name, model, vcpus, pit, x2apic, steps, text)


def read_raw(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the traces of a file as the JSON objects they are. Raises BadRecording."""
    return (trace for _line, trace in _lines(path))


def arguments(op: dict[str, Any], vcpus: int, kernel: str = "linux-6.x") -> tuple[str, tuple[Any, ...]]:
    """Return an operation's name, and its arguments in the order of FIELDS, checked."""
    known = FIELDS[kernel]
    name = _need(op, "op", str)
    if name not in known:
        raise _Wrong(f"unknown operation {name!r}")
    given = {**_DEFAULTS.get(name, {}), **op}
    args: tuple[Any, ...] = tuple([_argument(given.get(key), key, kind) for key, kind in known[name].items()])
    if "vcpu" in known[name] and args[0] >= vcpus:
        raise _Wrong(f'"vcpu" is {args[0]}, but there are {vcpus}')
    if name == "set_routing":
        args = (tuple([_route(entry) for entry in _need(op, "entries", list)]),)
    return name, args


def _step(number: int, step: Any, vcpus: int, kernel: str) -> Step:
    try:
        return _checked_step(step, vcpus, kernel)
    except _Wrong as wrong:
        raise _Wrong(f"step {number}: {wrong}") from None


def _checked_step(step: Any, vcpus: int, kernel: str) -> Step:
    if not isinstance(step, dict):
        raise _Wrong("not an object")
    name, args = arguments(_need(step, "op", dict), vcpus, kernel)
    obs = dict(_need(step, "obs", dict))
    acks = tuple(_need(obs, "acks", list)) if "acks" in obs else None
    obs.pop("acks", None)
    return Step(name, args, _value(_need(step, "ret")), dict(_flat(obs)), acks)


def _argument(value: Any, field: str, kind: Kind) -> Any:
    if not isinstance(kind, str):
        return _number(int(value) if isinstance(value, bool) else value, field, kind)
    if value in (None, -1) or isinstance(value, str):
        return value
    raise _Wrong(f'"{field}" must be the name of an eventfd, -1 or null, not {value!r}')


def _route(entry: Any) -> Route:
    if not isinstance(entry, dict):
        raise _Wrong('"entries" has one that is not an object')
    gsi = _number(entry.get("gsi"), "gsi", _U32)
    flags = _number(entry.get("flags", 0), "flags", _U32)
    if "msi" in entry:
        message = _need(entry, "msi", dict)
        address = _number(message.get("addr"), "addr", _U64)
        low, high = address & 0xFFFFFFFF, address >> 32
        data, kind = _number(message.get("data"), "data", _U32), 2
    else:
        chip = entry.get("irqchip")
        low = _number(IRQCHIPS.get(chip, chip) if isinstance(chip, str) else chip, "irqchip", _U32)
        high, data, kind = _number(entry.get("pin"), "pin", _U32), 0, 1
    kind = _number(entry.get("type", kind), "type", _U32)
    # The kernel's structure is a union: chip and pin lie where the halves of the address do.
    return Route(gsi, kind, flags, low, high, low, high, data)


def _need(obj: dict[str, Any], key: str, kind: type[Any] = object) -> Any:
    if key not in obj:
        raise _Wrong(f'"{key}" is missing')
    if not isinstance(obj[key], kind):
        raise _Wrong(f'"{key}" must be of type {kind.__name__}')
    return obj[key]


def _number(value: Any, field: str, limits: tuple[int, int]) -> int:
    value = _value(value)
    if type(value) is not int or not limits[0] <= value <= limits[1]:
        raise _Wrong(f'"{field}" must be a number from {limits[0]} to {limits[1]}, not {value!r}')
    return value


def _value(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("0x"):
        if len(value) > LONGEST_NUMBER:
            raise _Wrong(f"a number of {len(value) - 2} hexadecimal digits is too long")
        try:
            return int(value, 16)
        except ValueError:
            raise _Wrong(f"{value!r} is not a hexadecimal number") from None
    return [_value(item) for item in value] if isinstance(value, list) else value


def _flat(obs: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in obs.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _value(value)
