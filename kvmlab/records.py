"""Frozen dataclasses as values that travel: to plain JSON data, back again, and compared.

It knows the shapes that snapshots are made of (int, str, bool, None, tuples, unions of these and
dataclasses) and no record in particular. Types are exact: a bool is no int, and data that does
not fit is refused with the place where it does not.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, TypeVar

R = TypeVar("R")

Difference = tuple[str, Any, Any]
"""(path, old, new); old or new is None where the record does not exist."""

SCALARS = (int, str, bool, types.NoneType)


class RecordError(ValueError):
    """Data that is no record: the message names the place, what was expected and what stands there."""


def encode(record: Any) -> dict[str, Any]:
    """Return a record as dicts, lists and scalars; tuples become lists."""
    return {name: _encode(getattr(record, name)) for name in _hints(type(record))}


def decode(kind: type[R], data: object, where: str = "") -> R:
    """Return the record of a dataclass that :func:`encode` gave; raise RecordError if it is none.

    A field that is missing takes its default, if it has one; a field too many is refused.
    """
    if not isinstance(data, dict):
        raise _refusal(where, kind.__name__, data)
    hints = _hints(kind)
    for name in data:
        if name not in hints:
            raise RecordError(f"{_join(where, name)}: {kind.__name__} has no such field")
    values = {name: _decode(hints[name], item, _join(where, name)) for name, item in data.items()}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name not in values and field.default is dataclasses.MISSING:
            raise RecordError(f"{_join(where, field.name)}: is missing")
    return kind(**values)


def differences(before: Any, after: Any, where: str = "") -> list[Difference]:
    """Return the leaves in which two records differ, in the order of their fields.

    Tuples of records with a KEY are matched by it, other tuples of records by position; a tuple
    of scalars is one leaf, and so is the order of the same keys.
    """
    return list(_differences(before, after, where))


def _resolve_hints(record: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(record)
    return {field.name: hints[field.name] for field in dataclasses.fields(record)}


_hints: Callable[[Any], dict[str, Any]] = cache(_resolve_hints)
"""The fields of a dataclass by name, with their types resolved."""


def _join(where: str, name: object) -> str:
    return f"{where}.{name}" if where else str(name)


def _refusal(where: str, expected: str, found: object) -> RecordError:
    text = repr(found)
    shown = text if len(text) <= 40 else text[:37] + "..."
    return RecordError(f"{where or 'top'}: expected {expected}, found {shown}")


def _encode(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    return encode(value) if dataclasses.is_dataclass(value) else value


def _decode(kind: Any, data: object, where: str) -> Any:
    if kind in SCALARS:
        if type(data) is not kind:
            raise _refusal(where, kind.__name__, data)
        return data
    if dataclasses.is_dataclass(kind):
        return decode(typing.cast("type[Any]", kind), data, where)
    if typing.get_origin(kind) is tuple:
        return _decode_tuple(typing.get_args(kind), data, where)
    return _decode_union(typing.get_args(kind), data, where)


def _decode_tuple(kinds: tuple[Any, ...], data: object, where: str) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise _refusal(where, "a list", data)
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(data)
    if len(kinds) != len(data):
        raise _refusal(where, f"a list of {len(kinds)}", data)
    pairs = zip(kinds, data, strict=True)
    return tuple([_decode(kind, item, _join(where, i)) for i, (kind, item) in enumerate(pairs)])


def _decode_union(kinds: tuple[Any, ...], data: object, where: str) -> Any:
    """Decode a union: scalars are told by their type, and at most one member is none."""
    if type(data) in SCALARS and type(data) in kinds:
        return data
    for kind in kinds:
        if kind not in SCALARS:
            return _decode(kind, data, where)
    raise _refusal(where, " or ".join(kind.__name__ for kind in kinds), data)


def _differences(before: Any, after: Any, where: str) -> Iterator[Difference]:
    if before == after:
        return
    if type(before) is type(after) and dataclasses.is_dataclass(before):
        for name in _hints(type(before)):
            yield from _differences(getattr(before, name), getattr(after, name), _join(where, name))
    elif _holds_records(before) or _holds_records(after):
        old, new = _keyed(before, after)
        for key in {**old, **new}:
            yield from _differences(old.get(key), new.get(key), _join(where, key))
        if old.keys() == new.keys() and list(old) != list(new):
            yield where, tuple(old), tuple(new)
    else:
        yield where, before, after


def _holds_records(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and dataclasses.is_dataclass(value[0])


def _keyed(*sides: tuple[Any, ...] | None) -> list[dict[str, Any]]:
    """Return tuples of records as dicts by key; by position where a key is missing or not unique."""
    tuples = [side or () for side in sides]
    keyed = [{_key(record): record for record in side} for side in tuples]
    if all(len(found) == len(side) for found, side in zip(keyed, tuples, strict=True)):
        return keyed
    return [{str(i): record for i, record in enumerate(side)} for side in tuples]


def _key(record: Any) -> str:
    parts = [getattr(record, name) for name in getattr(record, "KEY", ())]
    return "/".join(str(part) for part in parts if part is not None)
