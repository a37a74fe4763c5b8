"""Labs verified at the same time, each by a process of its own: searches are what takes long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, as_completed

from kvmlab.backends.backend import Refused
from kvmlab.course.desk import shelf
from kvmlab.course.shelf import Shelved
from kvmlab.course.trial import Make
from kvmlab.course.verify import Verified, verify
from kvmlab.explore.jobs import Processes


def verified(chosen: Sequence[Shelved], make: Make, jobs: int) -> Iterator[Verified]:
    """Yield what was found out of each lab, as it becomes known; ``make`` is a function that can be pickled.

    Raises Refused where a process is killed.
    """
    jobs = min(jobs, len(chosen))
    if jobs < 2:
        yield from (verify(each, shelf(), make) for each in chosen)
        return
    processes = Processes(jobs)
    executor = processes.open()
    try:
        # Those with searches first, so that no process is left with one at the end.
        order = sorted(chosen, key=lambda each: -_searches(each.text))
        for future in as_completed([executor.submit(_verified, each.file, make) for each in order]):
            yield future.result()
    except BrokenExecutor:
        raise Refused("a process that verified labs was killed; --jobs 1 needs none") from None
    finally:
        processes.close(executor)


def _searches(text: str) -> int:
    return text.count("explore") + text.count("[[proof]]") + text.count("actor ")


def _verified(file: str, make: Make) -> Verified:
    return verify(shelf().shelved(file), shelf(), make)
