"""Snapshots: what the records say, how they travel as JSON, how they are told apart."""

from __future__ import annotations

import dataclasses
import json
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab import records, snapshot
from kvmlab.snapshot import (
    EventfdSnapshot,
    IoapicSnapshot,
    RedirectionEntry,
    Snapshot,
    diff,
    from_json,
    to_json,
)

RECORDS = [kind for kind in vars(snapshot).values() if dataclasses.is_dataclass(kind)]

SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**64), 2**64),
    str: st.text(max_size=8),
    bool: st.booleans(),
    type(None): st.none(),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for any type that a record may hold."""
    if kind in SCALARS:
        return SCALARS[kind]
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        names = [field.name for field in dataclasses.fields(kind)]
        return st.builds(kind, **{name: values(hints[name]) for name in names})
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(values(arguments[0]), max_size=3).map(tuple)
        return st.tuples(*map(values, arguments))
    return st.one_of(*map(values, arguments))


@given(values(Snapshot))
def test_json_brings_back_the_same_snapshot(seen: Snapshot) -> None:
    """Whatever a backend can fill in travels through JSON text unchanged."""
    assert from_json(json.loads(json.dumps(to_json(seen)))) == seen


@pytest.mark.parametrize("kind", RECORDS)
def test_every_record_is_frozen_slotted_and_described(kind: type) -> None:
    """A record can be shared and hashed because nobody can change it."""
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__slots__" in vars(kind)
    assert kind.__doc__
    assert not kind.__doc__.startswith(kind.__name__ + "(")


@given(values(Snapshot))
def test_a_snapshot_can_be_hashed(seen: Snapshot) -> None:
    """Nothing mutable hides in a record."""
    assert hash(seen) == hash(dataclasses.replace(seen))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": 3}, "kernel: expected str, found 3"),
        (
            {"ioapic": {"id": True, "ioregsel": 0, "irr": 0, "pins": []}},
            "ioapic.id: expected int, found True",
        ),
        ({"ioapic": {"id": 0, "irr": 0, "pins": []}}, "ioapic.ioregsel: is missing"),
        ({"colour": 1}, "colour: Snapshot has no such field"),
        ({"log": "text"}, "log: expected a list, found 'text'"),
        ({"vcpus": [{"vcpu": 0, "if_": 1, "handlers": [[65]]}]}, "vcpus.0.handlers.0: expected a list of 2"),
        ({"last": {"ret": [1]}}, "last.ret: expected int or str or NoneType"),
    ],
)
def test_data_that_does_not_fit_is_refused_by_its_place(change: dict[str, Any], message: str) -> None:
    """A damaged file is answered with the field that is wrong and what was expected."""
    with pytest.raises(records.RecordError) as error:
        from_json({"kernel": "linux-3.6", "api": "eoifd-v7", **change})
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("data", [None, 1, "text", [], [{}]])
def test_data_that_is_no_object_is_refused(data: object) -> None:
    """A JSON file may hold anything."""
    with pytest.raises(records.RecordError, match="expected Snapshot"):
        from_json(data)


@given(values(Snapshot), values(Snapshot))
def test_a_difference_is_found_exactly_when_there_is_one(one: Snapshot, two: Snapshot) -> None:
    """An empty diff means equal snapshots, and only that."""
    assert diff(one, one) == []
    assert (diff(one, two) == []) == (one == two)


def test_a_difference_names_the_register_and_both_values() -> None:
    """The path of a pin leads to its entry."""
    pins = tuple(RedirectionEntry(0x10000) for _ in range(24))
    changed = (*pins[:11], RedirectionEntry(0x8041), *pins[12:])
    before = Snapshot("linux-3.6", "eoifd-v7", ioapic=IoapicSnapshot(0, 0, 0, pins))
    after = dataclasses.replace(before, ioapic=IoapicSnapshot(0, 0, 0, changed))
    assert diff(before, after) == [("ioapic.pins.11.value", 0x10000, 0x8041)]


def test_records_with_a_key_are_matched_by_it() -> None:
    """A new eventfd in front of another one is one difference, not two."""
    one = EventfdSnapshot("unmask", "eventfd#2", (("unmask", 4),), 0)
    new = EventfdSnapshot("trigger", "eventfd#1", (("trigger", 3),), 7)
    before = Snapshot("linux-3.6", "eoifd-v7", eventfds=(one,))
    after = dataclasses.replace(before, eventfds=(new, one))
    assert diff(before, after) == [("eventfds.trigger/eventfd#1", None, new)]


def test_an_entry_is_read_as_the_hardware_lays_it_out() -> None:
    """Each property is its own bits of the 82093AA's redirection entry."""
    entry = RedirectionEntry(0x0300_0000_0001_F941, irr=1, sources=(2,))
    assert (entry.vector, entry.delivery_mode, entry.dest_mode) == (0x41, 1, 1)
    assert (entry.delivery_status, entry.polarity, entry.remote_irr) == (1, 1, 1)
    assert (entry.trigger, entry.mask, entry.dest, entry.line) == ("level", 1, 3, 1)
    edge = RedirectionEntry(0, sources=None)
    assert (edge.trigger, edge.mask, edge.line) == ("edge", 0, None)


@pytest.mark.parametrize(
    ("contexts", "queues", "quiescent"),
    [
        (None, None, None),
        ((snapshot.ContextSnapshot("user", "idle"),), (), True),
        ((snapshot.ContextSnapshot("user", "standing"),), (), False),
        ((), (snapshot.WorkqueueSnapshot("events", ("irqfd_inject",)),), False),
        ((), (snapshot.WorkqueueSnapshot("events", (), "irqfd_inject"),), False),
    ],
)
def test_quiescent_means_nothing_stands_and_no_work_waits(
    contexts: Any, queues: Any, quiescent: bool | None
) -> None:
    """A machine whose contexts are hidden is neither."""
    seen = Snapshot("linux-3.6", "eoifd-v7", contexts=contexts, workqueues=queues)
    assert seen.quiescent is quiescent
