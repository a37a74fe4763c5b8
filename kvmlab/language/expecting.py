"""What may come next in an expression, and behind ``expect``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from kvmlab.language.errors import LanguageError
from kvmlab.language.facts import SEGMENTS, SET, TREE, FactSpec, Tree, is_fact, read_fact
from kvmlab.language.numbers import read_number
from kvmlab.language.scope import Scope
from kvmlab.language.suggestion import Suggestion

OPERATORS = {
    "==": "equals",
    "!=": "differs",
    "<": "is less",
    "<=": "is at most",
    ">": "is greater",
    ">=": "is at least",
    "in": "is in the set",
}
"""Comparisons."""

_JOINS = {"and": "both hold", "or": "one of both holds"}
_BEFORE_OPERAND = {*OPERATORS, *_JOINS, "not", "("}
_IN_WORD = re.compile(r"[\w.-]$|(?<![=!<>])[=!<>]$")
_TOKEN = re.compile(r"[=!<>]=|[<>(){},]|-?[\w.-]+|\S")
_RESULTS = {
    "EAGAIN": "it would wait, or the counter is full",
    "EBADF": "no such descriptor",
    "EBUSY": "it is taken already",
    "EEXIST": "it is there already",
    "EFAULT": "no source ID is free",
    "EINVAL": "a field is wrong",
    "EMFILE": "no descriptor is free",
    "ENOENT": "there is no such thing",
    "ENOSPC": "the bus is full",
    "ENOSYS": "the kernel was built without it",
    "none": "nothing was taken",
}


def after_expect(text: str, rest: int, at: int, scope: Scope) -> Iterator[Suggestion]:
    """Suggest what may follow the verb ``expect``, which ends at ``rest``."""
    yield from in_expression(text, rest, scope)
    yield from results(text, rest, at)


def results(text: str, rest: int, at: int) -> Iterator[Suggestion]:
    """Suggest what a command may be expected to return, where nothing stands behind ``expect`` yet."""
    if not text[rest:at].strip():
        for result, meaning in _RESULTS.items():
            yield Suggestion(f"{result}:", at, "result", f"the command gives {result}: {meaning}")
        if at == len(text):
            yield Suggestion("V:", at, "result", "the command returns V, an integer", insertable=False)


def in_expression(text: str, rest: int, scope: Scope) -> Iterable[Suggestion]:
    """Suggest what may stand at the end of an expression that begins at ``rest``."""
    tokens = _TOKEN.findall(text, rest)
    partial = tokens.pop() if tokens and _IN_WORD.search(text) else ""
    at = len(text) - len(partial)
    if tokens and tokens[-1] in ("{", ","):
        return _members(tokens, at, scope)
    if len(tokens) > 1 and tokens[-2] in ("{", ",") and tokens[-1] != "}":
        return (Suggestion("}", at, "operator", "ends the set"),)
    if not tokens or tokens[-1] in _BEFORE_OPERAND:
        return _operands(tokens, partial, at, scope)
    joined = tokens[-1] in (")", "}") or (len(tokens) > 1 and tokens[-2] in OPERATORS)
    words = _JOINS if joined else _operators(_spec(tokens[-1], scope))
    return (Suggestion(word, at, "operator", meaning) for word, meaning in words.items())


def _operators(left: FactSpec | None) -> dict[str, str]:
    if left is None or left.has_number:
        return OPERATORS
    words = ("==", "!=") if left.type == SET else ("==", "!=", "in")
    return {word: OPERATORS[word] for word in words}


def _left(tokens: list[str]) -> str:
    """Return the word left of the comparison that a text ends with, "" when it ends with none."""
    if not tokens or tokens[-1] not in OPERATORS:
        return ""
    return next((word for word in reversed(tokens[:-1]) if word != "not"), "")


def _members(tokens: list[str], at: int, scope: Scope) -> Iterator[Suggestion]:
    """Suggest one more member of the set that begins with the last brace."""
    begin = len(tokens) - 1 - tokens[::-1].index("{") if "{" in tokens else len(tokens)
    before = tokens[:begin]
    left = _left(before) if before[-1:] == ["in"] else ""
    spec = _spec(left, scope)
    members = [word for word in tokens[begin + 1 :] if word != ","]
    numbers = any(read_number(member) is not None for member in members)
    for word in spec.words if spec is not None and not numbers else ():
        if word not in members:
            yield Suggestion(word, at, "word", f"{left} can be this")
    if spec is None or (spec.has_number and (numbers or not members)):
        yield Suggestion("N", at, "number", "an integer, or '}'", insertable=False)


def _operands(tokens: list[str], partial: str, at: int, scope: Scope) -> Iterator[Suggestion]:
    left = _left(tokens)
    spec = _spec(left, scope)
    if left and tokens[-1] == "in":
        yield Suggestion("{", at, "operator", "begins a set")
    if spec is not None and tokens[-1] in ("==", "!="):
        yield from (Suggestion(word, at, "word", f"{left} can be this") for word in spec.words)
    node, begin = TREE, at
    *segments, _last = partial.split(".")
    for segment in segments:
        node = _child(node, segment, scope)
        begin += len(segment) + 1
    yield from _segments(node, begin, scope, _fitting(left, spec, tokens[-1] if left else ""))


Fits = Callable[[FactSpec], bool]


def _fitting(left: str, spec: FactSpec | None, operator: str) -> Fits:
    """Return which facts can stand right of an operator, or anywhere when there is none."""
    if operator == "in" or left == "}" or (spec is not None and spec.type == SET):
        return lambda fact: fact.type == SET and (operator != "in" or spec is None or spec.has_number)
    if operator in ("<", "<=", ">", ">=") or read_number(left) is not None:
        return lambda fact: fact.has_number
    if spec is None:
        return lambda _fact: True
    words, number = spec.has_word, spec.has_number
    return lambda fact: (number and fact.has_number) or (words and fact.has_word)


def _spec(word: str, scope: Scope) -> FactSpec | None:
    try:
        return read_fact(word, scope)[1] if is_fact(word) else None
    except LanguageError:
        return None


def _child(node: Tree, segment: str, scope: Scope) -> Tree:
    if segment and segment in node:
        return dict(node[segment])
    for name in node:
        if name in SEGMENTS:
            try:
                SEGMENTS[name].read(segment, scope)
            except LanguageError:
                return {}
            return dict(node[name])
    return {}


def _leaves(node: Tree) -> Iterator[FactSpec]:
    for name, child in node.items():
        if name:
            yield from _leaves(child)
        else:
            yield child


def _segments(node: Tree, at: int, scope: Scope, fits: Fits) -> Iterator[Suggestion]:
    for name, child in node.items():
        if not name or not any(map(fits, _leaves(child))):
            continue
        further = "." if any(child) else ""
        summary = child[""].summary if "" in child else _summary(child)
        if name not in SEGMENTS:
            yield Suggestion(name + ("" if "" in child else further), at, "fact", summary)
            continue
        words = SEGMENTS[name].words(scope)
        for word, description in words.items():
            yield Suggestion(word + further, at, "fact", description or summary)
        if not words:
            yield Suggestion(name, at, "fact", SEGMENTS[name].expected, insertable=False)


def _summary(node: Tree) -> str:
    names = [name for child in node.values() for name in child if name] or [name for name in node if name]
    return ", ".join(dict.fromkeys(names))
