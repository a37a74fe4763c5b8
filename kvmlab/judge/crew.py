"""A comparison by several processes, each with machines of its own.

Much of a comparison is waiting: a kernel's workers take turns with everybody else on their CPU. While
one process waits another one has it. Programs are given out by number and counted in that order, so
what is found first is the same for every number of processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from ctypes import c_bool
from itertools import count
from multiprocessing import get_context

from kvmlab.backends.backend import Refused
from kvmlab.explore.pool import STOPS, Pool
from kvmlab.judge.diff import Comparison, Differ, Order, Part

AHEAD = 4
"""Programs for each process that are given out before they are counted."""

_HERE: list[Differ] = []
"""The machines of this process, once it has some."""


def part(order: Order, number: int) -> Part:
    """Compare one program in this process."""
    if not _HERE:
        _HERE.append(Differ(stopped=lambda: STOPS[-1].value))
    return _HERE[0].part(order, number)


def diff(order: Order, enough: Callable[[Comparison], bool], jobs: int) -> Iterator[Comparison]:
    """Compare until programs differ or it is ``enough``; yield it after each that is counted.

    Raises Refused where there is no kernel, or a process dies.
    """
    context = get_context("spawn")
    stop = context.RawValue(c_bool, False)
    pool = Pool(jobs, context, stop)
    done, out = Comparison(order.seed), deque[Future[Part]]()
    numbers = count()
    try:
        while not (done.divergence or enough(done)):
            while len(out) < AHEAD * jobs:
                out.append(pool.submit(part, order, next(numbers)))
            done.take(_answer(out.popleft()))
            yield done
        # One that was begun may have found something; the last were begun last.
        begun = [late for late in reversed(out) if not late.cancel()]
        while begun and not done.divergence:
            done.take(_answer(begun.pop()))
            yield done
    finally:
        stop.value = True
        pool.shutdown(cancel_futures=True)


def _answer(given: Future[Part]) -> Part:
    try:
        return given.result()
    except BrokenExecutor as error:
        raise Refused(f"a process that compared is gone ({error}); run it again") from None
