"""Processes that do what they are given, each on a pipe of its own.

Whatever one of them holds when it is killed nobody else waits for, half an answer included: only what
it was doing is lost, and another process takes its place.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from ctypes import c_bool
from dataclasses import dataclass
from multiprocessing import parent_process, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

STOPS: list[c_bool] = []
"""In a process of a pool: what tells it to leave what it does."""

PIPES: list[Connection] = []
"""In a process of a pool: where it answers."""

Task = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]
"""What is to be done: where the answer goes, a function of a module, and what it is given."""

Answer = tuple[Any, Exception | None]
"""What a function came to, and what it raised instead."""


@dataclass(frozen=True, slots=True)
class _Worker:
    """A process, and our end of its pipe."""

    process: SpawnProcess
    pipe: Connection

    def ask(self, do: Callable[..., Any], given: tuple[Any, ...]) -> Answer:
        """Return what it answers; raises BrokenExecutor where it has died, half-way through too."""
        try:
            self.pipe.send((do, given))
            answer: Answer = self.pipe.recv()
        except (EOFError, OSError):
            raise BrokenExecutor("a process died of it") from None
        return answer

    def end(self) -> None:
        """Let it go: it ends when nobody can ask any more.

        It is joined and not closed, as a program that ends meanwhile joins what it knows of, too.
        """
        self.pipe.close()
        self.process.join()


class Pool(Executor):
    """Up to ``jobs`` processes, each begun when there is something for it; ``stop`` is theirs to look at."""

    def __init__(self, jobs: int, context: SpawnContext, stop: c_bool) -> None:
        self._context, self._stop = context, stop
        self._todo = SimpleQueue[Task | None]()
        self._starting = Lock()
        self._threads = [Thread(target=self._serve, daemon=True) for _ in range(jobs)]
        for thread in self._threads:
            thread.start()

    def submit(self, do: Callable[..., Any], /, *given: Any, **_named: Any) -> Future[Any]:
        """Have a process call a function of a module; BrokenExecutor is the answer of one that has died."""
        future = Future[Any]()
        self._todo.put((future, do, given))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End every process behind what it does; what none has begun is cancelled if so asked."""
        while cancel_futures:
            try:
                task = self._todo.get_nowait()
            except Empty:
                break
            if task is not None:
                task[0].cancel()
        for _thread in self._threads:
            self._todo.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _serve(self) -> None:
        """Hand tasks to one process after the other, from a thread of its own."""
        worker: _Worker | None = None
        while (task := self._todo.get()) is not None:
            future, do, given = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                worker = worker or self._start()
                answer, error = worker.ask(do, given)
            except Exception as failed:  # noqa: BLE001 - it is told where the answer is waited for
                answer, error = None, failed
            if isinstance(error, BrokenExecutor) and worker is not None:
                worker.end()
                worker = None
            if error is None:
                future.set_result(answer)
            else:
                future.set_exception(error)
        if worker is not None:
            worker.end()

    def _start(self) -> _Worker:
        with self._starting:
            # A process begins with the mask of who starts it; the tracker's start would clear it again.
            resource_tracker.ensure_running()
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=_work, args=(theirs, self._stop), daemon=True)
            process.start()
            theirs.close()
        return _Worker(process, ours)


def _work(pipe: Connection, stop: c_bool) -> None:
    """Do what comes, in a process of a pool, until nobody asks any more.

    Ctrl+C is for the one that asks, which tells when to stop.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    STOPS.append(stop)
    PIPES.append(pipe)
    Thread(target=_follow, daemon=True).start()
    with suppress(EOFError, ConnectionError):
        while True:
            pipe.send(_answer(*pipe.recv()))


def _answer(do: Callable[..., Any], given: tuple[Any, ...]) -> Answer:
    """Return what a function comes to, and what it raises."""
    try:
        return do(*given), None
    except Exception as error:  # noqa: BLE001 - it is told where the answer is waited for
        return None, error


def _follow() -> None:
    """End with the process that asks, however it ends: what is searched then is for nobody."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
