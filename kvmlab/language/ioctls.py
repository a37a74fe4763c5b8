"""The ioctls' structures as data: their fields by the kernel's names, and the words that fill them.

The proposals changed KVM_IRQFD and their second ioctl from one posting to the next, so both are
declared for each api (reference: the 2011 and 2012 trees of the author, the QEMU trees that used
them, and the thread). What an api does not declare, its commands do not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kvmlab.engine import abi
from kvmlab.language.spec import Parameter, Value, either, flag, key, place


class Word(NamedTuple):
    """One word of a command: the field it fills and the bit of ``flags`` it sets.

    ``high`` names the field that takes the upper 32 bits of a 64-bit value.
    """

    parameter: Parameter
    field: str = ""
    bit: int = 0
    high: str = ""


class Ioctl(NamedTuple):
    """One ioctl of one api: ``fields`` are (kernel's name, kind), ``words`` those of its command."""

    fields: tuple[tuple[str, str], ...]
    words: tuple[Word, ...]

    def structure(self, args: Mapping[str, Value]) -> dict[str, int | str]:
        """Return every field's value for a command's arguments; what is not named is 0.

        A name stays a name where its kind is "eventfd", "fd" or "key": only the machine knows
        which descriptor, or which key, stands behind it.
        """
        values: dict[str, int | str] = dict.fromkeys((name for name, _kind in self.fields), 0)
        for word in self.words:
            value = args.get(word.parameter.name)
            if value is None or value is False:
                continue
            if word.bit:
                values["flags"] = int(values["flags"]) | word.bit
            if word.high:
                values[word.high], value = value >> 32, value & 0xFFFFFFFF
            if word.field:
                values[word.field] = value
        return values

    def has(self, word: str, raw: bool) -> bool:
        """Tell whether the ioctl's command has a word or, if raw, its structure a field."""
        names = [name for name, _kind in self.fields] if raw else [each.parameter.name for each in self.words]
        return word in names

    def raw_parameters(self) -> tuple[Parameter, ...]:
        """Return the fields as parameters of ``ioctl NAME FIELD=VALUE…``."""
        return tuple(
            key(name, kind, "the field as the kernel gets it", default=0) for name, kind in self.fields
        )


_NAME = Word(place("name", "eventfd", "the eventfd", "NAME"), "fd")
_GSI = Word(key("gsi", "gsi", "the GSI", "N", required=True), "gsi")
_LEVEL = Word(
    flag("level", "a level-triggered irqfd: it asserts a source of its own"), bit=abi.KVM_IRQFD_FLAG_LEVEL
)
_DEASSIGN = Word(flag("deassign", "take the assignment back"), bit=abi.KVM_IRQFD_FLAG_DEASSIGN)
_BOUND = Word(flag("level", "what it is bound to is a level irqfd"), bit=abi.KVM_EOIFD_FLAG_LEVEL_IRQFD)


def _second(name: str, field: str, summary: str) -> Word:
    return Word(key(name, "eventfd", summary, "NAME2"), field, abi.KVM_IRQFD_FLAG_LEVEL)


_IRQFD_FIELDS = (("fd", "fd"), ("gsi", "u32"), ("flags", "u32"))
_PLAIN = Ioctl(_IRQFD_FIELDS, (_NAME, _GSI, _DEASSIGN))
_LEVEL_IRQFD = Ioctl(_IRQFD_FIELDS, (_NAME, _GSI, _LEVEL, _DEASSIGN))
_LEVEL_EOI = Ioctl(
    (*_IRQFD_FIELDS, ("fd2", "fd")),
    (_NAME, _GSI, _second("eoi", "fd2", "the eventfd that an EOI signals"), _DEASSIGN),
)
_RESAMPLE = Ioctl(
    (*_IRQFD_FIELDS, ("resamplefd", "fd")),
    (_NAME, _GSI, _second("resample", "resamplefd", "the eventfd that an EOI signals"), _DEASSIGN),
)

_EOI_EVENTFD = Ioctl(
    _IRQFD_FIELDS,
    (_NAME, _GSI, Word(flag("deassert", "an EOI also lowers the line of source 0"), bit=1 << 1), _DEASSIGN),
)
_BY_IRQFD = Ioctl(
    (("fd", "fd"), ("flags", "u32"), ("irqfd", "fd")),
    (
        _NAME,
        Word(key("irqfd", "eventfd", "the level irqfd whose EOIs it tells", "NAME", required=True), "irqfd"),
        _BOUND,
        _DEASSIGN,
    ),
)
_BY_KEY = Ioctl(
    (("fd", "fd"), ("flags", "u32"), ("key", "key")),
    (
        _NAME,
        Word(
            key("key", "key", "the key that a level irqfd returned, or its name", "N|NAME", required=True),
            "key",
        ),
        _BOUND,
        _DEASSIGN,
    ),
)

_IOEVENTFD = Ioctl(
    (("datamatch", "u64"), ("addr", "u64"), ("len", "u32"), ("fd", "fd"), ("flags", "u32")),
    (
        _NAME,
        Word(key("addr", "u64", "the address or port", "A", required=True), "addr"),
        Word(key("len", "u32", "how many bytes a matching write has", "N", required=True), "len"),
        Word(flag("pio", "a port, not an address"), bit=abi.KVM_IOEVENTFD_FLAG_PIO),
        Word(
            key("datamatch", "u64", "only a write of this value matches", "V"),
            "datamatch",
            abi.KVM_IOEVENTFD_FLAG_DATAMATCH,
        ),
        Word(flag("deassign", "take the assignment back"), bit=abi.KVM_IOEVENTFD_FLAG_DEASSIGN),
    ),
)
_IRQ_LINE = Ioctl(
    (("irq", "u32"), ("level", "u32")),
    (
        Word(either("gsi", "gsi", "the GSI", "N"), "irq"),
        Word(either("level", "level", "the level", "0|1"), "level"),
    ),
)
_MSI = Ioctl(
    (("address_lo", "u32"), ("address_hi", "u32"), ("data", "u32"), ("flags", "u32")),
    (
        Word(
            key("addr", "u64", "the message's address", "A", required=True), "address_lo", high="address_hi"
        ),
        Word(key("data", "u32", "the message's data", "D", required=True), "data"),
    ),
)

_COMMON = {"ioeventfd": _IOEVENTFD, "irq-line": _IRQ_LINE, "msi": _MSI}

IOCTLS: dict[str, dict[str, Ioctl]] = {
    "eoi-eventfd-2011": {**_COMMON, "irqfd": _PLAIN, "eoifd": _EOI_EVENTFD},
    "level-eoi-2012": {**_COMMON, "irqfd": _LEVEL_EOI},
    "eoifd-v4": {**_COMMON, "irqfd": _LEVEL_IRQFD, "eoifd": _BY_IRQFD},
    "eoifd-v5": {**_COMMON, "irqfd": _LEVEL_IRQFD, "eoifd": _BY_IRQFD},
    "eoifd-v7": {**_COMMON, "irqfd": _LEVEL_IRQFD, "eoifd": _BY_KEY},
    "resample": {**_COMMON, "irqfd": _RESAMPLE},
}
"""Each api's ioctls by the name of their command."""


def apis_with(ioctl: str, word: str = "", raw: bool = False) -> tuple[str, ...]:
    """Return the apis that declare an ioctl, and in it a word of its command or, if raw, a field."""
    return tuple(
        api
        for api, ioctls in IOCTLS.items()
        if ioctl in ioctls and (not word or ioctls[ioctl].has(word, raw))
    )
