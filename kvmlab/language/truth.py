"""What an expression is once parsed, and whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kvmlab.language.errors import clip
from kvmlab.language.facts import ERRNO, SET, FactSpec, Path

Known = int | str | frozenset[int]
"""The value of a fact that can be seen; "none" is a word."""

Lookup = Callable[[Path], Known | None]
"""Gives a fact's value, or None when the backend cannot see it."""

Values = Mapping[Path, Known | None]


@dataclass(frozen=True, slots=True)
class Literal:
    """An integer, a word, or a set of either; ``text`` is how it was written."""

    value: Known | frozenset[str]
    text: str = field(compare=False)

    @property
    def is_set(self) -> bool:
        """Tell whether it is a set of integers; the empty set is one."""
        return isinstance(self.value, frozenset) and not self.is_words

    @property
    def is_words(self) -> bool:
        """Tell whether it is a set of words."""
        return isinstance(self.value, frozenset) and any(isinstance(each, str) for each in self.value)

    @property
    def has_number(self) -> bool:
        """Tell whether it is an integer."""
        return isinstance(self.value, int)

    @property
    def has_word(self) -> bool:
        """Tell whether it is a word."""
        return isinstance(self.value, str)

    @property
    def described(self) -> str:
        """What the literal is, for a message."""
        if isinstance(self.value, frozenset):
            return "a set of words" if self.is_words else "a set of numbers" if self.value else "a set"
        return "a number" if self.has_number else "a word"

    def __str__(self) -> str:
        return clip(self.text)


_DESCRIBED = {SET: "a set of numbers", ERRNO: "an errno"}


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact, as its path; ``text`` is how it was written."""

    path: Path
    spec: FactSpec = field(compare=False)
    text: str = field(compare=False)

    is_set = property(lambda self: self.spec.type == SET)
    is_words = property(lambda _self: False)
    has_number = property(lambda self: self.spec.has_number)
    has_word = property(lambda self: self.spec.has_word)

    @property
    def described(self) -> str:
        """What the fact's value is, for a message."""
        return _DESCRIBED.get(self.spec.type, f"a {self.spec.type}")

    def __str__(self) -> str:
        return self.text


class Compare(NamedTuple):
    """One comparison."""

    operator: str
    left: Fact | Literal
    right: Fact | Literal

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The sides that are facts; without any, the machine decides nothing."""
        return tuple(side for side in (self.left, self.right) if isinstance(side, Fact))

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


class Not(NamedTuple):
    """The opposite of a node."""

    node: Node


class Join(NamedTuple):
    """Several nodes joined by "and" or "or"."""

    word: str
    parts: tuple[Node, ...]


Node = Compare | Not | Join


class Verdict(NamedTuple):
    """Whether an expression held: True, False, or None when a fact of it is not visible.

    ``values`` has every fact of the expression by its path, None for one that is not visible.
    """

    held: bool | None
    values: Values


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression. Equal ones say the same of the same facts."""

    text: str = field(compare=False)
    node: Node
    facts: tuple[Fact, ...]

    def evaluate(self, lookup: Lookup) -> Verdict:
        """Look up every fact once and decide. One invisible fact leaves the whole undecided."""
        values = {fact.path: lookup(fact.path) for fact in self.facts}
        held = None if None in values.values() else _holds(self.node, values)
        return Verdict(held, values)

    def describe_failure(self, verdict: Verdict, wanted: bool = True) -> str:
        """Return the facts to blame when the expression is not as wanted: `ioapic.11.irr is 1, …`.

        Facts that are not visible are named instead when there are any, and a comparison that
        names no fact is told to be what it is.
        """
        blind = [fact.text for fact in self.facts if verdict.values[fact.path] is None]
        if blind:
            return ", ".join(f"{text} is not visible" for text in blind)
        blamed = _blamed(self.node, verdict.values, wanted)
        return ", ".join(dict.fromkeys(_reasons(blamed, verdict.values)))


def show(value: Known | None, spec: FactSpec | None = None) -> str:
    """Return a value as an expression would write it; vectors and registers in hexadecimal."""
    form = hex if spec is not None and spec.hexadecimal else str
    if isinstance(value, frozenset):
        return "{" + ", ".join(form(number) for number in sorted(value)) + "}"
    return form(value) if isinstance(value, int) else str(value)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: isinstance(a, int) and isinstance(b, int) and a < b,
    "<=": lambda a, b: isinstance(a, int) and isinstance(b, int) and a <= b,
    ">": lambda a, b: isinstance(a, int) and isinstance(b, int) and a > b,
    ">=": lambda a, b: isinstance(a, int) and isinstance(b, int) and a >= b,
    "in": lambda a, b: isinstance(b, frozenset) and a in b,
    "not in": lambda a, b: isinstance(b, frozenset) and a not in b,
}


def _value(operand: Fact | Literal, values: Values) -> Known | frozenset[str]:
    value = operand.value if isinstance(operand, Literal) else values[operand.path]
    assert value is not None, "a verdict is reached only when every fact is visible"
    return value


def _holds(node: Node, values: Values) -> bool:
    if isinstance(node, Compare):
        return _COMPARE[node.operator](_value(node.left, values), _value(node.right, values))
    if isinstance(node, Not):
        return not _holds(node.node, values)
    decide = all if node.word == "and" else any
    return decide(_holds(part, values) for part in node.parts)


def _blamed(node: Node, values: Values, wanted: bool) -> Iterator[Compare]:
    if isinstance(node, Not):
        yield from _blamed(node.node, values, not wanted)
    elif isinstance(node, Join):
        for part in node.parts:
            yield from _blamed(part, values, wanted)
    elif _holds(node, values) != wanted:
        yield node


def _reasons(blamed: Iterator[Compare], values: Values) -> Iterator[str]:
    for compare in blamed:
        for fact in compare.facts:
            yield f"{fact} is {show(values[fact.path], fact.spec)}"
        if not compare.facts:
            yield f"{compare} names no fact and {'always' if _holds(compare, values) else 'never'} holds"
