"""Linked lists and reference counts: what the kernel's objects are held by."""

from __future__ import annotations

from typing import ClassVar

from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.sanitizers import Oops


class List(Object):
    """A list_head of a VM: the handles on it, in the kernel's order."""

    __slots__ = ("items",)
    FIELDS: ClassVar[tuple[str, ...]] = ("items",)

    def __init__(self) -> None:
        super().__init__()
        self.items: tuple[str, ...] = ()

    def list_add_tail(self, handle: str) -> None:
        """Append an object."""
        self.changed()
        self.items = (*self.items, handle)

    def list_del(self, handle: str) -> None:
        """Take an object off; BUG_ON if it is not on the list (as the v7 deactivate checks)."""
        if handle not in self.items:
            raise Oops(f"{handle} is not on the list {self.handle}", "bug-on")
        self.changed()
        self.items = tuple([item for item in self.items if item != handle])

    def contains(self, handle: str) -> bool:
        """Tell whether an object is on the list (irqfd_is_active, eoifd_is_active: its link is not empty)."""
        return handle in self.items

    def all(self) -> tuple[str, ...]:
        """Return the whole list."""
        return self.items


class Counted(Object):
    """An object with a kref. A subclass has a field ``refs``."""

    __slots__ = ("refs",)

    def __init__(self) -> None:
        super().__init__()
        self.refs = 1

    def kref_get(self) -> None:
        """Take a reference; from zero that is reported as refcount_t would."""
        if self.refs == 0:
            self._report("takes a reference to", "which has none left")
        self.changed()
        self.refs += 1

    def kref_put(self) -> bool:
        """Drop a reference and tell whether any are left; if not, the caller frees."""
        if self.refs == 0:
            self._report("drops a reference to", "which has none left")
            return True
        self.changed()
        self.refs -= 1
        return self.refs > 0

    def _report(self, verb: str, clause: str) -> None:
        me = self.memory.current
        self.memory.reports.add(me, "refcount", f"{me} {verb} {self.handle}, {clause}")
