"""Expressions over facts: `ioapic.11.irr == 0 and 0x41 in lapic.0.irr`. No arithmetic.

    expression := all ("or" all)*             all := denied ("and" denied)*
    denied     := "not" denied | "(" expression ")" | comparison
    comparison := operand ("==" | "!=" | "<" | "<=" | ">" | ">=" | ["not"] "in") operand
    operand    := fact | integer | word | "{" [integer ("," integer)* | word ("," word)*] "}"

A set of words stands only behind "in", because no fact is one. What can never hold by its types (a
set against a number, an order between words) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from kvmlab.language.errors import LanguageError, clip, nearest
from kvmlab.language.facts import ERRNO, is_fact, read_fact, unknown_fact
from kvmlab.language.numbers import read_number
from kvmlab.language.scope import Scope
from kvmlab.language.truth import Compare, Expression, Fact, Join, Literal, Node, Not

DEEPEST = 50
"""How deep parentheses and ``not`` may nest."""

_TOKEN = re.compile(r"\s*(?:([=!<>]=|[<>(){},])|(-?\w[\w.-]*)|(\S))", re.ASCII)
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "in", "not in")
_KEYWORDS = ("and", "or", "not", "in")
_MEMBER = {False: "an integer", True: "a word"}
_IN_WORDS = "'in' before a set of words"
_EMPTY = Literal(frozenset(), "{}")
_OPERAND = "a fact, an integer, a word or a set"


class _Token(NamedTuple):
    text: str
    column: int

    @property
    def is_word(self) -> bool:
        """Tell whether it can be a fact, an integer or a word."""
        first = self.text[:1]
        return (first.isalnum() or first in ("-", "_")) and self.text not in _KEYWORDS


class _Placed(NamedTuple):
    """A side of a comparison, its column, and the members of a set as they were written."""

    side: Fact | Literal
    column: int
    members: tuple[tuple[Literal, int], ...] = ()


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
        left = self._operand()
        operator = self._next()
        if operator.text == "not" and self._token.text == "in":
            self._next()
            operator = _Token("not in", operator.column)
        if operator.text not in _COMPARISONS:
            self._token = operator
            raise self._error("a comparison: " + ", ".join(_COMPARISONS))
        right = self._operand()
        _check(operator.text, left, right)
        if self._token.text in _COMPARISONS:
            raise self._error("'and' between two comparisons")
        return Compare(operator.text, left.side, right.side)

    def _operand(self) -> _Placed:
        if self._token.text == "{":
            return self._set()
        if not self._token.is_word:
            raise self._error(_OPERAND)
        text, column = self._next()
        return _Placed(self._fact(text, column) if is_fact(text) else _literal(text), column)

    def _fact(self, text: str, column: int) -> Fact:
        try:
            path, spec = read_fact(text, self._scope)
        except LanguageError as error:
            error.column += column
            raise
        return self._facts.setdefault(path, Fact(path, spec, text))

    def _set(self) -> _Placed:
        column = self._next().column
        members: list[tuple[Literal, int]] = []
        while self._token.text != "}" or members:
            members.append((self._member(members[0][0] if members else None), self._token.column))
            self._next()
            if self._token.text != ",":
                break
            self._next()
        if self._token.text != "}":
            raise self._error("',' or '}'")
        self._next()
        text = "{" + ", ".join(member.text for member, _column in members) + "}"
        values: frozenset[Any] = frozenset(member.value for member, _column in members)
        return _Placed(Literal(values, text), column, tuple(members))

    def _member(self, first: Literal | None) -> Literal:
        text, column = self._token
        member = _literal(text) if self._token.is_word and not is_fact(text) else None
        if member is None:
            wanted = "an integer, a word or '}'" if first is None else _MEMBER[first.has_word]
            raise self._error(wanted)
        if first is not None and member.has_word != first.has_word:
            what = f"'{member}' is {member.described} and the set began with {first.described}"
            raise LanguageError(what, column=column, expected=_MEMBER[first.has_word])
        return member

    def _error(self, expected: str) -> LanguageError:
        text, column = self._token
        what = f"'{clip(text)}' cannot stand here" if text else "the expression is not whole"
        return LanguageError(what, column=column, expected=expected)


def _literal(text: str) -> Literal:
    number = read_number(text)
    return Literal(text if number is None else number, text)


def _check(operator: str, left: _Placed, right: _Placed) -> None:
    """Refuse a comparison that cannot hold by the types of its sides."""
    _check_facts(left, right)
    if operator in ("in", "not in"):
        _check_member(left, right)
    elif operator in ("==", "!="):
        _check_equal(left, right)
    else:
        for side, column, _members in (left, right):
            if not side.has_number:
                raise LanguageError(f"'{side}' has no order", column=column, expected="a number")


def _check_facts(left: _Placed, right: _Placed) -> None:
    """Refuse a word where neither side is a fact: it was meant to be one."""
    sides = [(each.side, each.column) for each in (left, right) if isinstance(each.side, Literal)]
    for side, column in sides if len(sides) == 2 else ():
        if isinstance(side.value, str):
            error = unknown_fact(side.value)
            error.column += column
            raise error


def _check_member(left: _Placed, right: _Placed) -> None:
    a, b = left.side, right.side
    if not b.is_set and not b.is_words:
        raise LanguageError(f"'{b}' is no set", column=right.column, expected="a set after 'in'")
    if b.is_words and not a.has_word:
        expected = "a fact that can be a word before 'in' and a set of words"
        raise LanguageError(f"'{a}' is no word", column=left.column, expected=expected)
    if b.is_set and not a.has_number and not (a.has_word and b == _EMPTY):
        expected = "a number before 'in' and a set of numbers"
        raise LanguageError(f"'{a}' is no number", column=left.column, expected=expected)
    for member, column in right.members:
        _check_value(a, member, column)


def _check_equal(left: _Placed, right: _Placed) -> None:
    a, b = left.side, right.side
    if not ((a.is_set and b.is_set) or (a.has_number and b.has_number) or (a.has_word and b.has_word)):
        raise LanguageError(
            f"'{b}' is {b.described} and '{a}' is {a.described}",
            column=right.column,
            expected=_IN_WORDS if a.is_words or (a.has_word and b.is_words) else a.described,
        )
    _check_value(a, b, right.column)
    _check_value(b, a, left.column)


def _check_value(fact: Fact | Literal, value: Fact | Literal, column: int) -> None:
    """Refuse a literal that the fact can never be; any other pair of sides passes."""
    if not isinstance(fact, Fact) or not isinstance(value, Literal):
        return
    if isinstance(value.value, str) and value.value not in fact.spec.words:
        raise LanguageError(
            f"'{fact}' is never '{value}'",
            column=column,
            nearest=nearest(value.value, fact.spec.words),
            expected=", ".join(fact.spec.words[:8]),
        )
    if fact.spec.type == ERRNO and isinstance(value.value, int) and value.value:
        raise LanguageError(f"'{fact}' is a name or 0", column=column, expected="an errno's name, or 0")
