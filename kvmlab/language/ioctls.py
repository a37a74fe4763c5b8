"""The ioctls' structures as data: their fields by the kernel's names, and the words that fill them.

The proposals changed KVM_IRQFD and their second ioctl from one posting to the next, so each design
declares its own, and the commands' words are built from that. What the api in force does not
declare, its commands do not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from kvmlab.engine import abi
from kvmlab.engine.profile import APIS, proposal_of
from kvmlab.engine.proposal import Ioctl as Declared
from kvmlab.engine.proposal import Word as DeclaredWord
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


def _parameter(word: DeclaredWord) -> Parameter:
    if word.kind == "flag":
        return flag(word.name, word.summary)
    if word.bare:
        return place(word.name, word.kind, word.summary, word.label)
    return key(word.name, word.kind, word.summary, word.label, required=word.required)


def _built(ioctl: Declared) -> Ioctl:
    return Ioctl(ioctl.fields, tuple(Word(_parameter(word), word.field, word.bit) for word in ioctl.words))


@cache
def ioctls_of(api: str) -> Mapping[str, Ioctl]:
    """Return an api's ioctls by the name of their command."""
    declared = proposal_of(api).ioctls
    return {**{name: _built(ioctl) for name, ioctl in declared.items()}, **_COMMON}


def apis_with(ioctl: str, word: str = "", raw: bool = False) -> tuple[str, ...]:
    """Return the apis that declare an ioctl, and in it a word of its command or, if raw, a field."""
    return tuple(
        api for api in APIS if ioctl in ioctls_of(api) and (not word or ioctls_of(api)[ioctl].has(word, raw))
    )
