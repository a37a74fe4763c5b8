"""Expressions over facts: `ioapic.11.irr == 0 and 0x41 in lapic.0.irr`. No arithmetic.

    expression := all ("or" all)*             all := denied ("and" denied)*
    denied     := "not" denied | "(" expression ")" | comparison
    comparison := operand ("==" | "!=" | "<" | "<=" | ">" | ">=" | ["not"] "in") operand
    operand    := fact | integer | word | "{" [integer ("," integer)*] "}"

What can never hold by its types (a set against a number, an order between words) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from kvmlab.language.errors import LanguageError, clip, nearest
from kvmlab.language.facts import ERRNO, is_fact, read_fact
from kvmlab.language.kinds import read_number
from kvmlab.language.scope import Scope
from kvmlab.language.truth import Compare, Expression, Fact, Join, Literal, Node, Not

DEEPEST = 50
"""How deep parentheses and ``not`` may nest."""

_TOKEN = re.compile(r"\s*(?:([=!<>]=|[<>(){},])|(-?\w[\w.-]*)|(\S))", re.ASCII)
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "in", "not in")
_KEYWORDS = ("and", "or", "not", "in")
_OPERAND = "a fact, an integer, a word or a set"


class _Token(NamedTuple):
    text: str
    column: int


def parse_expression(text: str, scope: Scope, column: int = 1) -> Expression:
    """Return the expression that a text spells; ``column`` is where the text starts in its line.

    Raises LanguageError for anything else, unknown facts and names included.
    """
    return _Parser(text, scope, column).parse()


class _Parser:
    """One pass over the tokens, with one token to look at and one to go back to."""

    __slots__ = ("_depth", "_facts", "_scope", "_text", "_token", "_tokens")

    def __init__(self, text: str, scope: Scope, column: int) -> None:
        self._text = text
        self._scope = scope
        self._facts: dict[tuple[str | int, ...], Fact] = {}
        self._depth = 0
        self._tokens = self._lex(column)
        self._token = next(self._tokens)

    def _lex(self, column: int) -> Iterator[_Token]:
        for match in _TOKEN.finditer(self._text):
            symbol, word, junk = match.groups()
            at = column + match.start(match.lastindex or 0)
            if junk:
                better = "==" if junk == "=" else ""
                what = f"'{clip(junk)}' is no part of an expression"
                raise LanguageError(what, column=at, nearest=better, expected=_OPERAND)
            yield _Token(symbol or word, at)
        end = _Token("", column + len(self._text.rstrip()))
        while True:
            yield end

    def _next(self) -> _Token:
        token, self._token = self._token, next(self._tokens)
        return token

    def parse(self) -> Expression:
        node = self._join("or")
        if self._token.text:
            raise self._error("'and', 'or' or the end")
        return Expression(self._text.strip(), node, tuple(self._facts.values()))

    def _join(self, word: str) -> Node:
        parts = [self._part(word)]
        while self._token.text == word:
            self._next()
            parts.append(self._part(word))
        return parts[0] if len(parts) == 1 else Join(word, tuple(parts))

    def _part(self, word: str) -> Node:
        return self._join("and") if word == "or" else self._denied()

    def _denied(self) -> Node:
        if self._token.text not in ("not", "("):
            return self._comparison()
        opening = self._next()
        self._depth += 1
        if self._depth > DEEPEST:
            raise LanguageError("this nests too deep", column=opening.column, expected="a flatter expression")
        if opening.text == "not":
            node: Node = Not(self._denied())
        else:
            node = self._join("or")
            if self._token.text != ")":
                raise self._error("')'")
            self._next()
        self._depth -= 1
        return node

    def _comparison(self) -> Node:
        left, left_at = self._operand()
        operator = self._next()
        if operator.text == "not" and self._token.text == "in":
            self._next()
            operator = _Token("not in", operator.column)
        if operator.text not in _COMPARISONS:
            self._token = operator
            raise self._error("a comparison: " + ", ".join(_COMPARISONS))
        right, right_at = self._operand()
        _check(operator, (left, left_at), (right, right_at))
        if self._token.text in _COMPARISONS:
            raise self._error("'and' between two comparisons")
        return Compare(operator.text, left, right)

    def _operand(self) -> tuple[Fact | Literal, int]:
        if self._token.text == "{":
            return self._set()
        text, column = self._token
        if not text or not (text[0].isalnum() or text[0] in "-_") or text in _KEYWORDS:
            raise self._error(_OPERAND)
        self._next()
        number = read_number(text)
        if number is not None:
            return Literal(number), column
        return (self._fact(text, column) if is_fact(text) else Literal(text)), column

    def _fact(self, text: str, column: int) -> Fact:
        try:
            path, spec = read_fact(text, self._scope)
        except LanguageError as error:
            error.column += column
            raise
        return self._facts.setdefault(path, Fact(path, spec, text))

    def _set(self) -> tuple[Literal, int]:
        column = self._next().column
        numbers: list[int] = []
        while self._token.text != "}" or numbers:
            number = read_number(self._token.text)
            if number is None:
                raise self._error("an integer" if numbers else "an integer or '}'")
            numbers.append(number)
            self._next()
            if self._token.text != ",":
                break
            self._next()
        if self._token.text != "}":
            raise self._error("',' or '}'")
        self._next()
        return Literal(frozenset(numbers)), column

    def _error(self, expected: str) -> LanguageError:
        text, column = self._token
        what = f"'{clip(text)}' cannot stand here" if text else "the expression is not whole"
        return LanguageError(what, column=column, expected=expected)


Placed = tuple[Fact | Literal, int]


def _check(operator: _Token, left: Placed, right: Placed) -> None:
    """Refuse a comparison that cannot hold by the types of its sides."""
    if operator.text in ("in", "not in"):
        if not right[0].is_set:
            raise LanguageError(f"'{right[0]}' is no set", column=right[1], expected="a set after 'in'")
        if not left[0].has_number:
            raise LanguageError(f"'{left[0]}' is no number", column=left[1], expected="a number before 'in'")
        return
    if operator.text not in ("==", "!="):
        for side, column in (left, right):
            if not side.has_number:
                raise LanguageError(f"'{side}' has no order", column=column, expected="a number")
        return
    _check_equal(left, right)


def _check_equal(left: Placed, right: Placed) -> None:
    a, b = left[0], right[0]
    if not ((a.is_set and b.is_set) or (a.has_number and b.has_number) or (a.has_word and b.has_word)):
        raise LanguageError(
            f"'{b}' is {b.described} and '{a}' is {a.described}", column=right[1], expected=a.described
        )
    for (fact, _), (other, column) in ((left, right), (right, left)):
        if not isinstance(fact, Fact) or not isinstance(other, Literal):
            continue
        if isinstance(other.value, str) and other.value not in fact.spec.words:
            raise LanguageError(
                f"'{fact}' is never '{clip(other.value)}'",
                column=column,
                nearest=nearest(other.value, fact.spec.words),
                expected=", ".join(fact.spec.words[:8]),
            )
        if fact.spec.type == ERRNO and isinstance(other.value, int) and other.value:
            raise LanguageError(f"'{fact}' is a name or 0", column=column, expected="an errno's name, or 0")
