"""The eventfds of a model machine in its picture: their descriptors and names, and what is bound to each.

Everything is looked up once where a picture needs it: a course or a search takes thousands, and there
may be as many eventfds as sources.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from kvmlab.engine.fds.eventfd import Eventfd
from kvmlab.engine.fds.files import FDS
from kvmlab.engine.proposal import Proposal
from kvmlab.engine.world.userspace import USERSPACE
from kvmlab.snapshot import EventfdSnapshot


class Eventfds:
    """What belongs to each eventfd; ``kinds`` are the machine's objects by kind, as (handle, object)."""

    def __init__(
        self, objects: dict[str, Any], kinds: dict[str, list[tuple[str, Any]]], added: Proposal
    ) -> None:
        self.objects, self.kinds, self.added = objects, kinds, added
        self.user = objects[USERSPACE]

    def alive(self, kind: str) -> list[tuple[str, Any]]:
        """Return the objects of a kind that are allocated; "eoifd" stands for what the api has for it."""
        return self.kinds.get(self.added.eoifds if kind == "eoifd" else kind, [])

    def id_of(self, source: str) -> int | None:
        """Return the ID of a source, None for one that is gone."""
        found = self.objects.get(source)
        return None if found is None else int(found.id)

    def gsi_of(self, eoifd: Any) -> int | None:
        """Return the GSI whose EOIs an eoifd is told of: its own, or its source's."""
        return getattr(self.objects.get(eoifd.source, eoifd), "gsi", None)

    def assigned(self, kind: str, handle: str) -> str:
        """Return the name under which an irqfd, eoifd or ioeventfd was assigned, or ""."""
        return self._assigned[kind].get(handle, "")

    def name_of(self, eventfd: str) -> str:
        """Return what an eventfd was created as, "" for none: the oldest of its names.

        One that is closed is known by what is bound to it.
        """
        if eventfd not in self.objects:
            return ""
        names = [self._names[fd][0] for fd in self._numbers.get(eventfd, ()) if fd in self._names]
        names += [self.assigned(kind, each) for kind, each, _obj in self._bound.get(eventfd, ())]
        return min((name for name in names if name in self._ages), key=self._ages.__getitem__, default="")

    def eoi_eventfd(self, source: str) -> str:
        """Return the name under which the first eoifd of a source was assigned, "" for none."""
        return self._eoi_eventfds.get(source, "") if source else ""

    def snapshots(self) -> tuple[EventfdSnapshot, ...]:
        """Return every eventfd that is there."""
        return tuple(self._snapshot(handle, ctx) for handle, ctx in self.alive("eventfd"))

    def _snapshot(self, handle: str, ctx: Eventfd) -> EventfdSnapshot:
        bound = self._bound.get(handle, ())
        file = self._files.get(handle)
        flags = ["semaphore"] if ctx.semaphore else []
        flags += ["blocking"] if file is not None and not file.nonblock else []
        return EventfdSnapshot(
            name=self.name_of(handle),
            handle=handle,
            fds=tuple((self._names.get(fd, [""])[0], fd) for fd in self._numbers.get(handle, ())),
            count=ctx.count,
            flags=" ".join(flags),
            waiters=tuple(f"{function}({subject})" for function, subject in ctx.waiters),
            listens=tuple(f"irqfd gsi {obj.gsi}" for kind, _handle, obj in bound if kind == "irqfd"),
            signals=(
                *(f"{kind} {self._where(kind, obj)}" for kind, _handle, obj in bound if kind != "irqfd"),
                *self._told_by.get(handle, ()),
            ),
            refs=ctx.refs,
        )

    def _where(self, kind: str, obj: Any) -> str:
        if kind == "eoifd":
            return f"key {self.id_of(obj.source)}" if self.added.keys else f"gsi {self.gsi_of(obj)}"
        return f"{'pio' if obj.pio else 'mmio'} {obj.addr:#x}"

    @cached_property
    def _assigned(self) -> dict[str, dict[str, str]]:
        """By kind, under which name each was assigned: the oldest of several."""
        tables = {"irqfd": self.user.irqfds, "eoifd": self.user.eoifds, "ioeventfd": self.user.ioeventfds}
        return {
            kind: {handle: name for name, handle in reversed(table.items())} for kind, table in tables.items()
        }

    @cached_property
    def _ages(self) -> dict[str, int]:
        """By name of a descriptor, how many are older."""
        return {name: age for age, name in enumerate(self.user.fds)}

    @cached_property
    def _names(self) -> dict[int, list[str]]:
        """By number of a descriptor, the names that stand for it, oldest first."""
        found: dict[int, list[str]] = {}
        for name, fd in self.user.fds.items():
            found.setdefault(fd, []).append(name)
        return found

    @cached_property
    def _files(self) -> dict[str, Any]:
        """By eventfd, its first file."""
        return {file.ctx: file for _handle, file in reversed(self.alive("file"))}

    @cached_property
    def _numbers(self) -> dict[str, list[int]]:
        """By eventfd, the numbers of its descriptors."""
        files = dict(self.alive("file"))
        found: dict[str, list[int]] = {}
        for fd, handle in self.objects[FDS].table:
            if handle in files:
                found.setdefault(files[handle].ctx, []).append(fd)
        return found

    @cached_property
    def _bound(self) -> dict[str, list[tuple[str, str, Any]]]:
        """By eventfd, what is bound to it: kind, handle and object, the kinds in their order."""
        found: dict[str, list[tuple[str, str, Any]]] = {}
        for kind in ("irqfd", "eoifd", "ioeventfd"):
            for handle, obj in self.alive(kind):
                found.setdefault(obj.eventfd, []).append((kind, handle, obj))
        return found

    @cached_property
    def _told_by(self) -> dict[str, list[str]]:
        """By eventfd, the irqfds whose acknowledgement signals it."""
        found: dict[str, list[str]] = {}
        for _handle, irqfd in self.alive("irqfd"):
            if irqfd.second:
                found.setdefault(irqfd.second, []).append(f"irqfd gsi {irqfd.gsi}")
        return found

    @cached_property
    def _eoi_eventfds(self) -> dict[str, str]:
        """By source, the name under which its first eoifd was assigned."""
        return {obj.source: self.assigned("eoifd", handle) for handle, obj in reversed(self.alive("eoifd"))}
