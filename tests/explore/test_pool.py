"""A pool of processes: who dies loses what it was doing, and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from ctypes import c_bool
from multiprocessing import active_children, get_context

import pytest

from kvmlab.explore import pool
from kvmlab.explore.pool import Pool

SECONDS = 60
"""Longer than this nothing takes to end."""


@pytest.fixture
def two() -> Iterator[Pool]:
    """Return a pool of two processes."""
    context = get_context("spawn")
    processes = Pool(2, context, context.RawValue(c_bool, False))
    before = set(active_children())
    yield processes
    processes.shutdown(cancel_futures=True)
    assert set(active_children()) <= before


def die() -> None:
    """Die at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def half() -> None:
    """Die in the middle of an answer: its length says more than there is."""
    os.write(pool.PIPES[-1].fileno(), (1_000_000).to_bytes(4, "big") + b"half")
    die()


@pytest.mark.parametrize("do", [die, half])
def test_who_dies_loses_what_it_was_doing_alone(two: Pool, do: object) -> None:
    """Others go on, and another process takes its place."""
    assert callable(do)
    ids = [two.submit(os.getpid) if number % 3 else two.submit(do) for number in range(12)]
    for number, future in enumerate(ids):
        if number % 3:
            assert future.result(SECONDS) != os.getpid()
        else:
            with pytest.raises(BrokenExecutor):
                future.result(SECONDS)


def test_what_is_raised_is_told_and_the_process_goes_on(two: Pool) -> None:
    """As what it is, with its sentence."""
    with pytest.raises(ValueError, match="invalid literal"):
        two.submit(int, "no").result(SECONDS)
    assert two.submit(int, "7").result(SECONDS) == 7


def test_what_nobody_has_begun_is_cancelled() -> None:
    """By who wants no more of it."""
    context = get_context("spawn")
    processes = Pool(1, context, context.RawValue(c_bool, False))
    futures = [processes.submit(os.getpid) for _ in range(50)]
    futures[0].result(SECONDS)
    processes.shutdown(cancel_futures=True)
    assert all(future.done() for future in futures)


def blocked() -> set[signal.Signals]:
    """Return what does not reach this process."""
    return {signal.Signals(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())}


def test_ctrl_c_does_not_reach_a_process_that_is_only_beginning(two: Pool) -> None:
    """It is for the one that asks; what stops Python while it starts would be told by the process."""
    assert signal.SIGINT in two.submit(blocked).result(SECONDS)
    assert signal.SIGINT not in blocked()


def test_who_ends_a_program_may_join_what_has_ended(two: Pool) -> None:
    """As multiprocessing does at exit, while a second Ctrl+C has left the pool to end its processes."""
    two.submit(os.getpid).result(SECONDS)
    known = active_children()
    two.shutdown()
    for process in known:
        process.join(SECONDS)
        assert not process.is_alive()
