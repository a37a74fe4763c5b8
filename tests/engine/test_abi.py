"""Errnos and faults as values."""

from __future__ import annotations

import copy

import pytest

from kvmlab.engine.abi import EBUSY, Errno, Fault


@pytest.mark.parametrize("value", [Errno(EBUSY, "it is taken"), Fault("no such MSR")], ids=repr)
def test_a_refusal_is_the_same_in_another_process(value: Errno | Fault) -> None:
    """It comes back from being sent with its type, its number and its sentence."""
    # What is sent to another process is made again as a copy is.
    back = copy.copy(value)
    assert (type(back), back, back.why) == (type(value), value, value.why)
