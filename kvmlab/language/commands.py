"""The table of every command: what parsing, completion, help and the session read."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from kvmlab.language.ioctls import ioctls_of
from kvmlab.language.kinds import KINDS
from kvmlab.language.spec import (
    EITHER,
    KEY,
    MANY,
    PLACE,
    TEXT,
    WORD,
    CommandSpec,
    Parameter,
    Value,
)
from kvmlab.language.verbs.course import COURSE
from kvmlab.language.verbs.descriptors import DESCRIPTORS, RAW
from kvmlab.language.verbs.guest import ACCESSES, ACTS, DEVICE
from kvmlab.language.verbs.looking import EXPECTATIONS, LOOKS
from kvmlab.language.verbs.machine import MACHINE
from kvmlab.language.verbs.moments import MOMENTS

COMMANDS: dict[str, CommandSpec] = {
    spec.verb: spec
    for table in (MACHINE, DESCRIPTORS, RAW, ACTS, ACCESSES, DEVICE, MOMENTS, LOOKS, COURSE, EXPECTATIONS)
    for spec in table
}
"""Every command by its canonical verb ("mmio read" has two words), in the order help shows them."""

ALIASES: dict[str, str] = {alias: spec.verb for spec in COMMANDS.values() for alias in spec.aliases}
"""Other names of commands, and the canonical verb of each."""


def _forms() -> dict[str, dict[str, CommandSpec]]:
    forms: dict[str, dict[str, CommandSpec]] = {}
    for spec in COMMANDS.values():
        first, _, second = spec.verb.partition(" ")
        forms.setdefault(first, {})[second] = spec
    for alias, verb in ALIASES.items():
        forms[alias] = {"": COMMANDS[verb]}
    return forms


VERBS: dict[str, dict[str, CommandSpec]] = _forms()
"""What a command's first word can be, and then its second: "" where there is none."""


class Grammar(NamedTuple):
    """The parameters of one command under one api, arranged as the parser asks for them.

    ``creates`` lists what the command gives names to: (parameter, kind of name, suffix).
    """

    parameters: tuple[Parameter, ...]
    places: tuple[Parameter, ...]
    keys: MappingProxyType[str, Parameter]
    words: MappingProxyType[str, Parameter]
    many: Parameter | None
    text: Parameter | None
    required: tuple[Parameter, ...]
    defaults: tuple[tuple[str, Value], ...]
    creates: tuple[tuple[str, str, str], ...]


def parameters_of(spec: CommandSpec, api: str) -> tuple[Parameter, ...] | None:
    """Return a command's parameters under an api, or None when the api lacks its ioctl."""
    if not spec.ioctl:
        return spec.parameters
    ioctl = ioctls_of(api).get(spec.ioctl)
    if ioctl is None:
        return None
    if spec.form == "fields":
        return ioctl.raw_parameters()
    return tuple(word.parameter for word in ioctl.words)


@cache
def grammar_of(verb: str, api: str) -> Grammar | None:
    """Return the grammar of a command by its canonical verb, or None when the api lacks it."""
    parameters = parameters_of(COMMANDS[verb], api)
    if parameters is None:
        return None
    by_shape: dict[str, list[Parameter]] = {
        shape: [p for p in parameters if p.shape == shape] for shape in (MANY, TEXT, WORD)
    }
    return Grammar(
        parameters=parameters,
        places=tuple(p for p in parameters if p.shape in (PLACE, EITHER)),
        keys=MappingProxyType({p.name: p for p in parameters if p.shape in (KEY, EITHER)}),
        words=MappingProxyType({word: p for p in by_shape[WORD] for word in p.words}),
        many=next(iter(by_shape[MANY]), None),
        text=next(iter(by_shape[TEXT]), None),
        required=tuple(p for p in parameters if p.required),
        defaults=tuple((p.name, p.default) for p in parameters if p.default is not None),
        creates=tuple((p.name, *made) for p in parameters for made in KINDS[p.kind].creates),
    )
