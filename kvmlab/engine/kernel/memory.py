"""The model kernel's memory: every object by its handle, and what changed since the last commit.

:meth:`Memory.freeze` is the machine as a hashable tuple, :meth:`Memory.thaw` brings it back,
and :meth:`Memory.commit` is the difference that one command made. A freed object waits in a
bounded quarantine, as under KASAN, so that a late access is seen.
"""

from __future__ import annotations

from typing import Any, TypeVar

from kvmlab.engine.kernel.object import CLASSES, KINDS, Object, Value
from kvmlab.engine.kernel.path import Op, makes
from kvmlab.engine.kernel.sanitizers import REPORTS, Oops, Reports

T = TypeVar("T", bound=Object)

SLAB = "slab"

QUARANTINE = 64
"""How many freed objects are kept, to tell what a late access hit."""

Change = tuple[tuple[str, Value | None, Value | None], ...]
"""What one command did: (handle, value before, value after); None where there was no object."""

State = tuple[tuple[str, Value], ...]
"""A whole machine as a value: (handle, frozen object), in the order of the handles."""


class Slab(Object):
    """The allocator's own state: how many of each kind were made, and the quarantine's order."""

    __slots__ = ("made", "quarantined")
    FIELDS = ("made", "quarantined")

    def __init__(self) -> None:
        super().__init__()
        self.made: tuple[tuple[str, int], ...] = ()
        self.quarantined: tuple[str, ...] = ()

    def number(self, kind: str) -> int:
        """Count one more object of a kind and return its number, from 1."""
        self.changed()
        made = dict(self.made)
        made[kind] = number = made.get(kind, 0) + 1
        self.made = tuple(made.items())
        return number

    def kzalloc(self, kind: str, *args: Any) -> str:
        """Allocate an object of a kind from its constructor's arguments; return its handle."""
        return self.memory.alloc(kind, KINDS[kind](*args))

    def kfree(self, handle: str) -> None:
        """Free an object."""
        self.memory.free(handle)

    def retire(self, handle: str) -> str | None:
        """Put a handle into quarantine; return the one that leaves it for good, if any."""
        self.changed()
        self.quarantined = (*self.quarantined, handle)
        if len(self.quarantined) <= QUARANTINE:
            return None
        oldest, *rest = self.quarantined
        self.quarantined = tuple(rest)
        return oldest


@makes(Slab.kzalloc, SLAB)
def kzalloc(kind: str, *args: Any) -> Op:
    """Op: allocate an object; its result is the handle."""
    return (Slab.kzalloc, SLAB, kind, *args)


@makes(Slab.kfree, SLAB)
def kfree(handle: str) -> Op:
    """Op: free an object."""
    return (Slab.kfree, SLAB, handle)


class Objects(dict[str, Any]):
    """The live objects; asking for another handle is a use after free, and answers what is left."""

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self.memory = memory

    def __missing__(self, handle: str) -> Object:
        return self.memory.freed_object(handle)


class Memory:
    """All objects of one machine; ``current`` names the context that runs now."""

    def __init__(self) -> None:
        self.objects = Objects(self)
        self.quarantine: dict[str, Object] = {}
        self.dirty: dict[str, Value | None] = {}
        self._committed: dict[str, Value] = {}
        self.current = "boot"
        self.reports = self.place(REPORTS, Reports())
        self.slab = self.place(SLAB, Slab())

    def place(self, handle: str, obj: T) -> T:
        """Put an object under a handle of its own choice (the singletons have plain names)."""
        obj.handle = handle
        obj.memory = self
        self.objects[handle] = obj
        if obj.VOLATILE:
            self._committed[handle] = obj.freeze()
        self.dirty.setdefault(handle, None)
        return obj

    def alloc(self, kind: str, obj: Object) -> str:
        """Allocate (kzalloc): place an object as ``kind#N`` and return that handle."""
        handle = f"{kind}#{self.slab.number(kind)}"
        self.place(handle, obj)
        return handle

    def free(self, handle: str) -> None:
        """Free (kfree): the object goes to quarantine. A second free is reported."""
        obj = self.objects.pop(handle, None)
        if obj is None:
            self.reports.add(self.current, "double-free", f"frees {handle} again")
            return
        obj.changed()
        self.dirty.setdefault(handle, None)
        obj.freed = self.current
        self.quarantine[handle] = obj
        oldest = self.slab.retire(handle)
        if oldest is not None:
            purged = self.quarantine.pop(oldest)
            self.dirty.setdefault(oldest, purged.freeze())

    def freed_object(self, handle: str) -> Object:
        """Report a use after free; return the stale object, or stop the context if it is gone."""
        obj = self.quarantine.get(handle)
        by = f", freed by {obj.freed}" if obj else ", freed long ago"
        self.reports.add(self.current, "use-after-free", f"{self.current} touches {handle}{by}")
        if obj is None:
            raise Oops("the memory has been used for something else since")
        return obj

    def get(self, handle: str) -> Object | None:
        """Return a live object, or None."""
        return self.objects.get(handle)

    def alive(self, kind: str) -> list[str]:
        """Return the handles of all live objects of a kind, in the order of their numbers."""
        found = [handle for handle in self.objects if handle.startswith(kind + "#")]
        return sorted(found, key=lambda handle: int(handle.partition("#")[2]))

    def commit(self) -> Change:
        """Return what changed since the last commit, and begin anew."""
        objects, quarantine, dirty = self.objects, self.quarantine, self.dirty
        for handle, before in self._committed.items():
            after = objects[handle].freeze()
            if after is not before and after != before:
                dirty.setdefault(handle, before)
                self._committed[handle] = after
        if not dirty:
            return ()
        change = []
        for handle, old in dirty.items():
            obj = objects.get(handle) or quarantine.get(handle)
            # What freeze() does, without the call: every command comes here for every object it changed.
            if obj is None:
                new = None
            elif (new := obj.frozen) is None:
                new = obj.frozen = obj.read_state(obj)
            if new != old:
                change.append((handle, old, new))
        dirty.clear()
        return tuple(change)

    def assign(self, handle: str, value: Value | None) -> None:
        """Make the object under a handle have a value: create, thaw or remove it."""
        obj = self.objects.pop(handle, None) or self.quarantine.pop(handle, None)
        if value is None:
            self._committed.pop(handle, None)
            return
        if obj is None:
            kind = CLASSES[value[0]]
            obj = kind.__new__(kind)
            obj.handle, obj.memory = handle, self
        obj.thaw(value)
        (self.quarantine if obj.freed else self.objects)[handle] = obj
        if obj.VOLATILE:
            self._committed[handle] = value

    def revert(self, change: Change) -> None:
        """Take a committed change back."""
        for handle, before, _after in change:
            self.assign(handle, before)
        self.dirty.clear()

    def reapply(self, change: Change) -> None:
        """Make a reverted change again."""
        for handle, _before, after in change:
            self.assign(handle, after)
        self.dirty.clear()

    def freeze(self) -> State:
        """Return the whole state as a hashable value, quarantine included."""
        everything = {**self.objects, **self.quarantine}
        return tuple([(handle, everything[handle].freeze()) for handle in sorted(everything)])

    def thaw(self, state: State) -> None:
        """Bring back a state that :meth:`freeze` returned; objects that did not differ stay."""
        wanted = dict(state)
        for handle in [*self.objects, *self.quarantine]:
            if handle not in wanted:
                self.assign(handle, None)
        for handle, value in state:
            obj = self.objects.get(handle) or self.quarantine.get(handle)
            if obj is None or obj.freeze() != value:
                self.assign(handle, value)
        self.dirty.clear()
