"""What a proposal tells the rest of the lab, as data: its ioctls, flags, capabilities, and paths.

Each design of the EOI interface is one module in ``proposals/`` that holds one :class:`Proposal`;
``engine/profile.py`` lists them. Nothing else knows a design by its name: the irqfd asks the api in
force for what it adds, and the language builds its words from the ioctls declared here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kvmlab.engine.abi import KVM_IRQFD_FLAG_DEASSIGN
from kvmlab.engine.consumer import NO_CONSUMER, Consumer

Fields = tuple[tuple[str, str], ...]
"""A structure's fields: (the kernel's name, kind of value). "fd" and "key" may be given by name."""


class Word(NamedTuple):
    """One word of an ioctl's command: the field it fills, and the bit of ``flags`` that it sets.

    ``kind`` is "flag" for a bare word; ``bare`` marks a value that stands without its name.
    """

    name: str
    kind: str
    summary: str
    field: str = ""
    bit: int = 0
    label: str = ""
    required: bool = False
    bare: bool = False


class Ioctl(NamedTuple):
    """One ioctl: the path that serves it, its structure's fields in order, the words of its command."""

    path: str
    fields: Fields
    words: tuple[Word, ...]


IRQFD_FLAG_OF_API = 1 << 1
"""The flag of KVM_IRQFD that is the api's: LEVEL_EOI, LEVEL or RESAMPLE, or none."""

NAME = Word("name", "eventfd", "the eventfd", "fd", label="NAME", required=True, bare=True)
GSI = Word("gsi", "gsi", "the GSI", "gsi", label="N", required=True)
DEASSIGN = Word("deassign", "flag", "take the assignment back", bit=KVM_IRQFD_FLAG_DEASSIGN)
"""Words that every design has, with the same bit for DEASSIGN in each of its ioctls."""

IRQFD_FIELDS: Fields = (("fd", "fd"), ("gsi", "u32"), ("flags", "u32"))
"""struct kvm_irqfd without what a proposal adds to it."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One design of the EOI interface. Paths are given by name; "" is none.

    The paths of an irqfd with the api's flag nest: ``claim`` and ``unclaim`` stand around the life
    of its eventfd's reference, ``bind`` and ``unbind`` are within it.
    """

    summary: str
    """One line for help."""
    ioctls: Mapping[str, Ioctl]
    """Its ioctls by the name of their command: "irqfd", and "eoifd" where it has one."""
    caps: Mapping[str, tuple[int, int]]
    """Capabilities that it adds: name → (number, value)."""
    consumer: Consumer = NO_CONSUMER
    """How a VMM wires an assigned device to it."""
    switches: frozenset[str] = frozenset()
    """Switches of the designs (not of the kernels) that mean something with this one."""
    flag: str = ""
    """What IRQFD_FLAG_OF_API is called; "" where it is an unknown flag."""
    checks_flags: bool = True
    """KVM_IRQFD refuses flags that it does not know."""
    flushes_on_assign: bool = False
    """KVM_IRQFD waits for the cleanup queue before it assigns."""
    keys: bool = False
    """KVM_IRQFD returns a key for an irqfd with the api's flag."""
    second_identifies: bool = False
    """An irqfd's second eventfd is busy too, and deassign must name it."""
    claim: str = ""
    """Run by assign before the descriptor is looked at: (irqfd, second fd) → result of KVM_IRQFD."""
    unclaim: str = ""
    """Undoes ``claim``: (irqfd, whether it was assigned)."""
    bind: str = ""
    """Run by assign when the eventfd is held: (irqfd, second fd) → 0 or an errno."""
    unbind: str = ""
    """Undoes ``bind``: (irqfd)."""
    resample: str = ""
    """Asks the devices behind a GSI again: (gsi) → whether there was anybody to ask."""
    release: str = ""
    """Run when the VM's file is released, after the irqfds have gone."""
    objects: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    """Lists that a VM has with it: handle → class."""
    kinds: tuple[str, ...] = ()
    """Kinds of objects that must be gone when their VM is."""
    over_resampler: bool = False
    """Userspace can build it over the resampling irqfds of a later kernel."""
    eoifds: str = ""
    """The kind of object that its ``eoifd`` command makes; its list is called so, with an s."""
    reserved_sources: int = 0
    """IRQ source ids that are taken from the start, as bits."""
