"""Kinds of values: how each is read, what is expected in its place, and what could complete it.

A reader takes a word and the scope and returns a value, or raises LanguageError whose column is
the offset in the word, from 0; the caller adds where the word stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from kvmlab.engine.kernels import KERNELS
from kvmlab.engine.profile import APIS, MAX_VCPUS
from kvmlab.engine.switches import SWITCHES
from kvmlab.language.errors import LanguageError, clip, nearest
from kvmlab.language.numbers import in_digits, read_number
from kvmlab.language.scope import Scope
from kvmlab.language.spec import Value

NAME = re.compile(r"[a-z][a-z0-9_-]*")
"""What eventfds, devices, actors and marks may be called."""

_CAPABILITY = re.compile(r"[A-Za-z]\w*", re.ASCII)

Reader = Callable[[str, Scope], Value]
Words = Callable[[Scope], Mapping[str, str]]


class Kind(NamedTuple):
    """One kind of value.

    ``words`` are those that completion offers, ``partial`` tells that there are others too.
    ``creates`` lists the names it makes known: (kind of name, suffix).
    """

    read: Reader
    expected: str
    words: Words
    creates: tuple[tuple[str, str], ...] = ()
    partial: bool = False


def nothing(_scope: Scope) -> Mapping[str, str]:
    """Return no words: for kinds with too many values to list."""
    return {}


def is_name(word: str) -> bool:
    """Tell whether a word could be the name of an eventfd, a device, an actor or a mark."""
    return NAME.fullmatch(word) is not None


def unknown(what: str, word: str, words: Mapping[str, str]) -> LanguageError:
    """Return the error for a word that is none of the words that could stand there."""
    return LanguageError(
        f"no {what} is called '{clip(word)}'",
        column=0,
        nearest=nearest(word, words),
        expected=_one_of(words) if words else f"a name that was created, and no {what} was",
    )


def _one_of(words: Mapping[str, str]) -> str:
    shown = list(words)[:12]
    return ", ".join(shown) + (", …" if len(words) > len(shown) else "")


def number(
    low: int, high: int, what: str, shown: Mapping[str, str] | None = None, decimal: bool = False
) -> Kind:
    """Return the kind of numbers from ``low`` to ``high``; ``shown`` are those that completion offers.

    ``decimal`` is True for what people count, whose limits are told in decimal however large they are.
    """
    expected = f"{what}, {low} to {high if decimal or high < 1 << 16 else hex(high)}"

    def read(word: str, _scope: Scope) -> int:
        value = read_number(word)
        if value is None:
            meant = in_digits(word, low, high)
            raise LanguageError(f"'{clip(word)}' is no number", column=0, expected=expected, nearest=meant)
        if not low <= value <= high:
            raise LanguageError(f"{clip(word)} is out of range", column=0, expected=expected)
        return value

    return Kind(read, expected, lambda _scope: shown or {})


def choice(what: str, words: Mapping[str, str]) -> Kind:
    """Return the kind of a fixed set of words, each with a description."""

    def read(word: str, _scope: Scope) -> str:
        if word not in words:
            raise unknown(what, word, words)
        return word

    return Kind(read, _one_of(words), lambda _scope: words)


def _length(*lengths: int) -> Kind:
    words = {str(length): f"{8 * length} bits" for length in lengths}

    def read(word: str, _scope: Scope) -> int:
        value = read_number(word)
        if value not in lengths:
            raise LanguageError(f"no access is {clip(word)} bytes long", column=0, expected=_one_of(words))
        return value

    return Kind(read, _one_of(words), lambda _scope: words)


def _known(what: str, kind: str) -> Kind:
    def read(word: str, scope: Scope) -> str:
        names = scope.names(kind)
        if word not in names:
            raise unknown(what, word, names)
        return word

    return Kind(read, f"the name of an {what}" if what[0] in "aeiou" else f"the name of a {what}",
                lambda scope: scope.names(kind))  # fmt: skip


def _new(what: str, *creates: tuple[str, str], taken: Words = nothing) -> Kind:
    expected = f"a name for the {what}: a lower-case letter, then letters, digits, - or _"

    def read(word: str, scope: Scope) -> str:
        if not is_name(word):
            raise LanguageError(f"'{clip(word)}' is no name", column=0, expected=expected)
        if word in taken(scope):
            raise LanguageError(f"'{word}' is {taken(scope)[word]}", column=0, expected="another name")
        return word

    return Kind(read, expected, nothing, creates)


def _number_or_name(numbers: Kind, names: Kind, expected: str) -> Kind:
    def read(word: str, scope: Scope) -> Value:
        return (names if read_number(word) is None else numbers).read(word, scope)

    return Kind(read, expected, names.words, partial=True)


def _several(what: str, words: Mapping[str, str], joint: str = "", prefix: str = "") -> Kind:
    """Return the kind of lists of words, separated by commas; each may be several with ``joint`` between.

    ``prefix`` is a pattern of what may stand before a word and means nothing.
    """

    def read(word: str, _scope: Scope) -> tuple[str, ...]:
        at = 0
        for item in re.split(f"[,{joint}]", word):
            name = re.sub(f"^(?:{prefix})", "", item)
            if name not in words:
                error = unknown(what, name, words)
                error.column = at + len(item) - len(name)
                raise error
            at += len(item) + 1
        return tuple(dict.fromkeys(re.sub(f"(?:^|(?<=[,{joint}]))(?:{prefix})", "", word).split(",")))

    return Kind(read, f"one or several of {_one_of(words)}", lambda _scope: words)


def _switches(option: str) -> Kind:
    words = {name: switch.text for name, switch in SWITCHES.items() if switch.option == option}
    return _several(f"switch of {option}=", words)


def _any_text(expected: str, words: Words = nothing) -> Kind:
    def read(word: str, _scope: Scope) -> str:
        if not word:
            raise LanguageError("nothing stands here", column=0, expected=expected)
        return word

    return Kind(read, expected, words, partial=True)


_ROUTES = {"ioapic": ("pin",), "pic": ("pin",), "msi": ("address", "data"), "none": ()}


def _read_route(word: str, _scope: Scope) -> tuple[str | int, ...]:
    chip, *parts = word.split(":")
    if chip not in _ROUTES:
        raise unknown("route", chip, dict.fromkeys(_ROUTES, ""))
    wanted = _ROUTES[chip]
    if len(parts) != len(wanted):
        form = ":".join((chip, *(part.upper() for part in wanted)))
        at = len(word) if len(parts) < len(wanted) else 0
        raise LanguageError(f"'{clip(word)}' is no route", column=at, expected=form)
    numbers, at = [], len(chip) + 1
    for name, part in zip(wanted, parts, strict=True):
        try:
            numbers.append(KINDS["u64" if name == "address" else "u32"].read(part, _scope))
        except LanguageError as error:
            error.column = at
            raise
        at += len(part) + 1
    return (chip, *numbers)


def _read_capability(word: str, _scope: Scope) -> str:
    number = read_number(word)
    if number is None and not _CAPABILITY.fullmatch(word):
        expected = "KVM_CAP_ and a name, the name alone, or a number"
        raise LanguageError(f"'{clip(word)}' is no capability", column=0, expected=expected)
    return word if number is None else str(number)


def _read_vcpu(word: str, scope: Scope) -> int:
    vcpu: int = _VCPU_NUMBER.read(word, scope)
    if vcpu >= scope.vcpus:
        many = "1 vCPU" if scope.vcpus == 1 else f"{scope.vcpus} vCPUs"
        raise LanguageError(f"there is no vCPU {vcpu}: the machine has {many}", column=0)
    return vcpu


_VCPU_NUMBER = number(0, MAX_VCPUS - 1, "a vCPU")
_EVENTFD = _known("eventfd", "eventfd")


def _context_taken(scope: Scope) -> Mapping[str, str]:
    actors = scope.names("actor")
    return {name: "a context of every machine" for name in scope.names("context") if name not in actors}


def _device_taken(scope: Scope) -> Mapping[str, str]:
    devices, contexts = scope.names("device"), scope.names("context")
    return {name: text or "an actor" for name, text in contexts.items() if name not in devices}


_U32, _S32 = number(0, (1 << 32) - 1, "a 32-bit number"), number(-(1 << 31), (1 << 31) - 1, "a signed number")
_FD_NUMBER = number(-(1 << 31), (1 << 32) - 1, "a descriptor's number")


def _claims(_scope: Scope) -> Mapping[str, str]:
    from kvmlab.scenarios import claims  # 4 ms that a script does not need

    return claims()


def _texts(words: str) -> Mapping[str, str]:
    return dict.fromkeys(words.split(), "")


KINDS: dict[str, Kind] = {
    "u8": number(0, 0xFF, "an 8-bit number"),
    "u16": number(0, 0xFFFF, "a 16-bit number"),
    "u32": _U32,
    "u64": number(0, (1 << 64) - 1, "a 64-bit number"),
    "s32": _S32,
    "vector": number(0, 0xFF, "a vector"),
    "pin": number(0, 119, "a pin"),
    "gsi": number(0, (1 << 32) - 1, "a GSI"),
    "count": number(1, 10**9, "a count", decimal=True),
    "bound": number(0, 1_000, "a number of preemptions", decimal=True),
    "seed": number(0, (1 << 32) - 1, "a seed", decimal=True),
    "atomicity": choice("atomicity", {
        "op": "contexts are switched between any two ops",
        "section": "only where they may wait, and between calls"}),
    "reduction": choice("reduction", {
        "plain": "nothing is left out", "fused": "ops that nobody else sees run together",
        "reduced": "and contexts that concern nobody else move first"}),
    "unit": number(0, 10**9, "a unit of history", decimal=True),
    "level": number(0, 1, "a level", {"0": "low", "1": "high"}),
    "mmio-length": _length(1, 2, 4, 8),
    "pio-length": _length(1, 2, 4),
    "vcpu": Kind(_read_vcpu, "a vCPU of the machine",
                 lambda scope: {str(vcpu): f"vCPU {vcpu}" for vcpu in range(scope.vcpus)}),
    "vcpus": number(1, MAX_VCPUS, "a number of vCPUs"),
    "eventfd": _EVENTFD,
    "device": _known("device", "device"),
    "context": _known("context", "context"),
    "new-eventfd": _new("eventfd", ("eventfd", "")),
    "new-device": _new("device", ("device", ""), taken=_device_taken),
    "new-vfio": _new("device", ("device", ""), ("eventfd", "-trigger"), ("eventfd", "-unmask"),
                     taken=_device_taken),
    "set-up-step": choice("step of the set-up", {
        "eventfd": "making the unmask eventfd", "irqfd": "KVM_IRQFD",
        "eoifd": "the proposal's second ioctl", "set-irqs": "giving VFIO the unmask eventfd"}),
    "new-actor": _new("actor", ("actor", ""), taken=_context_taken),
    "new-mark": _new("mark", ("mark", "")),
    "thread": _new("thread"),
    "lab": _any_text("the ID of a lab, or the name of its file", lambda scope: scope.offered("lab")),
    "goal": _any_text("the ID of a goal", lambda scope: scope.offered("goal")),
    "question": _any_text("the ID of a goal that asks", lambda scope: scope.offered("question")),
    "answer": _any_text("one of its answers"),
    "place": _number_or_name(number(0, 10**9, "a unit of history", decimal=True), _known("mark", "mark"),
                             "a mark, or the number of a unit of history"),
    "key": _number_or_name(_U32, _EVENTFD, "a key, or the eventfd whose irqfd got it"),
    "fd": _number_or_name(_FD_NUMBER, _EVENTFD, "an eventfd, or a descriptor's number (-1 included)"),
    "kernel": choice("kernel", dict.fromkeys(KERNELS, "")),
    "api": choice("api", dict.fromkeys(APIS, "")),
    "kernels": _several("kernel", dict.fromkeys(KERNELS, "")),
    "apis": _several("api", dict.fromkeys(APIS, "")),
    "switches": _several("switch", {name: f"{switch.option}={name}: {switch.text}"
                                    for name, switch in SWITCHES.items()}, "+", "with=|without="),
    "backend": choice("backend", {"model": "the model", "kvm": "/dev/kvm", "both": "both, compared"}),
    "without": _switches("without"),
    "with": _switches("with"),
    "mode": choice("delivery mode", _texts("fixed lowest smi nmi init extint")),
    "route": Kind(_read_route, "ioapic:PIN, pic:PIN, msi:ADDRESS:DATA or none", lambda _scope: {
        "ioapic:": "a pin of the IOAPIC", "pic:": "an input of the 8259 pair",
        "msi:": "a message", "none": "no route"}),
    "info": choice("table", {
        "ioapic": "the redirection table", "lapic": "the LAPIC of a vCPU", "pic": "the 8259 pair",
        "irq": "interrupts counted by GSI", "sources": "IRQ source IDs", "eventfds": "eventfds",
        "irqfds": "irqfds", "eoifds": "eoifds", "routes": "the GSI routing table",
        "contexts": "who stands where", "devices": "devices", "ioeventfds": "ioeventfds",
        "reports": "sanitizer reports and the kernel's log"}),
    "export-format": _any_text("a format"),
    "capability": Kind(_read_capability, "a capability's name or number", nothing),
    "flag": _any_text("the word itself"),
    "path": _any_text("the name of a file"),
    "script": _any_text("the name of a file, or of a scenario", _claims),
    "text": _any_text("words"),
    "topic": _any_text("a topic; 'help topics' lists them"),
}  # fmt: skip
"""Every kind by name."""
