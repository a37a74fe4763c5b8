"""What every object of the model kernel is: named fields of immutable values, frozen on demand.

All state of a machine lives in such objects, as ints, strings and tuples of these, so that
a state is a value that can be compared, hashed, stored and brought back.
"""

from __future__ import annotations

from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from kvmlab.engine.kernel.memory import Memory

Value = tuple[Any, ...]
"""An object frozen: the name of its class, the context that freed it (or ""), then its FIELDS."""

CLASSES: dict[str, type[Object]] = {}
"""Every class of objects by the name that its values begin with.

A name and not the class: a tuple of nothing but numbers and texts is one that Python's garbage
collector stops looking at, and a long history is millions of them.
"""

KINDS: dict[str, type[Object]] = {}
"""The class of each kind of object that paths allocate."""

_reader = cache(attrgetter)


class Object:
    """One object of the model kernel: its FIELDS are its state, and hold immutable values only.

    Every method that assigns a field calls :meth:`changed` first. ``frozen`` is what :meth:`freeze`
    returned last, None after a change.
    """

    __slots__ = ("freed", "frozen", "handle", "memory")

    FIELDS: ClassVar[tuple[str, ...]] = ()
    """The names of the attributes that make up the state."""

    VOLATILE: ClassVar[bool] = False
    """True for an object that changes too often to say so: it is compared at every commit."""

    read_state: ClassVar[attrgetter[Value]]

    handle: str
    memory: Memory

    NAME: ClassVar[str]
    """The key of the class in CLASSES."""

    KIND: ClassVar[str] = ""
    """The kind in a handle ``kind#N`` of an object that is allocated; "" for a singleton."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.KIND:
            KINDS[cls.KIND] = cls
        cls.NAME = f"{cls.__module__}.{cls.__qualname__}"
        CLASSES[cls.NAME] = cls
        cls.read_state = attrgetter("NAME", "freed", *cls.FIELDS)

    def __init__(self) -> None:
        self.freed = ""
        self.frozen: Value | None = None

    def changed(self) -> None:
        """Say that a field is about to be assigned: the cached value is handed to the memory."""
        if self.frozen is not None:
            self.memory.dirty.setdefault(self.handle, self.frozen)
            self.frozen = None

    def freeze(self) -> Value:
        """Return the object as a hashable tuple, cached until the next change."""
        if self.frozen is None or self.VOLATILE:
            self.frozen = self.read_state(self)
        return self.frozen

    def thaw(self, value: Value) -> None:
        """Assign every field from a value that :meth:`freeze` returned."""
        self.freed = value[1]
        for name, field in zip(self.FIELDS, value[2:], strict=True):
            setattr(self, name, field)
        self.frozen = value

    def deref(self, handle: str) -> Any:
        """Follow a pointer to another object; a freed one is reported as KASAN would."""
        return self.memory.objects[handle]

    def load(self, *names: str) -> Any:
        """Read one field, or a tuple of several: what a path does through a pointer."""
        return _reader(*names)(self)
