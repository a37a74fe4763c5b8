"""A running QEMU as a backend: it shows the newest picture that was put into it, and does nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn

from kvmlab.backends.backend import NONE, Answer, Args, Planned, Refused, Watch
from kvmlab.engine.profile import Profile
from kvmlab.snapshot import LastSnapshot, Snapshot

READ_ONLY = "this is a running QEMU seen through its monitor: nothing can be changed from here"


def refuse(verb: str) -> NoReturn:
    """Raise Refused for a verb, by its name."""
    raise Refused(f"{verb}: {READ_ONLY}")


class Still(NamedTuple):
    """A unit in which nothing happened, as in every unit here."""

    taken: int | str = NONE
    news: tuple[str, ...] = ()


class Qemu:
    """The Backend of a QEMU. ``picture`` is what was seen last; who asks the monitor puts it there."""

    def __init__(self, picture: Snapshot, profile: Profile) -> None:
        self.profile = profile
        self.picture = picture

    @property
    def status(self) -> str:
        """See :attr:`Backend.status`: the row of what is attached says it."""
        return ""

    @property
    def trace_source(self) -> str:
        """See :attr:`Backend.trace_source`."""
        return ""

    def extension(self, number: int) -> int | None:
        """See :meth:`Backend.extension`."""
        return None

    def perform(self, verb: str, args: Args) -> Answer:
        """Refuse."""
        refuse(verb)

    def actor(self, name: str, calls: Sequence[Planned]) -> None:
        """Refuse."""
        refuse("actor")

    def handler(self, vcpu: int, vector: int, text: str, calls: list[tuple[str, Args]]) -> Answer:
        """Refuse."""
        refuse("handler")

    def set_manual(self, manual: bool) -> None:
        """Refuse."""
        refuse("manual" if manual else "auto")

    def step(self, context: str, count: int, watch: Watch) -> Answer:
        """Refuse."""
        refuse("step")

    def finish(self, context: str, watch: Watch) -> Answer:
        """Refuse."""
        refuse("finish")

    def run(self, limit: int | None) -> Answer:
        """Refuse."""
        refuse("run")

    def storm(self, count: int) -> Iterator[int]:
        """Refuse."""
        refuse("storm")

    def snapshot(self, last: LastSnapshot | None) -> Snapshot:
        """See :meth:`Backend.snapshot`: the picture, with what the last command returned."""
        return replace(self.picture, last=last)

    def beside(self, seen: Snapshot) -> None:
        """See :meth:`Backend.beside`: nothing stands there."""

    def commit(self) -> Still:
        """See :meth:`Backend.commit`."""
        return Still()

    def rewind(self, unit: Any) -> None:
        """Nothing is to be undone."""

    def replay(self, unit: Any) -> None:
        """Nothing is to be done again."""

    def events(self, unit: Any) -> Sequence[str]:
        """No tracepoint can be seen."""
        return ()

    def trace(self, count: int | None) -> Sequence[str]:
        """No tracepoint can be seen."""
        return ()
