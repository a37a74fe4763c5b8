"""The words of one command: which parameter each is for, and its value.

A bare word fills the next required place if it can, else is one of the command's fixed words, else
fills an optional place; NAME=VALUE may stand anywhere. Quotes keep a word together and change its
meaning nowhere but here: a quoted text with "=" in it that names no key is a value, such as a path.
Columns count from 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from kvmlab.language.commands import Grammar
from kvmlab.language.errors import Lacking, LanguageError, clip, nearest
from kvmlab.language.ioctls import apis_with
from kvmlab.language.kinds import KINDS
from kvmlab.language.scope import Scope
from kvmlab.language.spec import CommandSpec, Parameter, Value

_PLAIN = re.compile(r"\S+")
_QUOTED = re.compile(r'(?:[^\s"]+|"[^"]*")+')


class Token(NamedTuple):
    """One word: its text without quotes, the column it starts at, and whether a quote starts it."""

    text: str
    column: int
    quoted: bool


def split_words(text: str, start: int, end: int) -> Iterator[Token]:
    """Yield the words between two offsets of a line whose quotes are all closed."""
    if '"' not in text:
        for match in _PLAIN.finditer(text, start, end):
            yield Token(match[0], match.start() + 1, False)
        return
    for match in _QUOTED.finditer(text, start, end):
        yield Token(match[0].replace('"', ""), match.start() + 1, match[0][0] == '"')


def read_value(parameter: Parameter, text: str, column: int, scope: Scope) -> Value:
    """Return the value of a parameter from its text, which starts at a column."""
    kind = KINDS[parameter.kind]
    if not text:
        raise LanguageError(f"{parameter.name} has no value", column=column, expected=kind.expected)
    try:
        return kind.read(text, scope)
    except LanguageError as error:
        error.column += column
        raise


class Words:
    """The arguments of one command as its words are read, one at a time."""

    __slots__ = ("_columns", "_grammar", "_scope", "_spec", "args", "rest")

    def __init__(self, spec: CommandSpec, grammar: Grammar, scope: Scope) -> None:
        self._spec = spec
        self._grammar = grammar
        self._scope = scope
        self._columns: dict[str, int] = {}
        self.args: dict[str, Value] = dict(grammar.defaults)
        self.rest: list[Token] = []

    def read(self, tokens: Iterator[Token], end: int) -> None:
        """Read every word, and check that the command is whole; ``end`` is the column behind it."""
        for token in tokens:
            name, equals, value = token.text.partition("=")
            if equals and (not token.quoted or name in self._grammar.keys):
                self._read_key(name, value, token)
            else:
                self._read_bare(token)
        if self._grammar.many:
            self._read_many(self._grammar.many)
        self._check(end)

    def _read_key(self, name: str, value: str, token: Token) -> None:
        parameter = self._grammar.keys.get(name)
        if parameter is not None:
            self._set(parameter, value, token.column, token.column + token.quoted + len(name) + 1)
        elif self._grammar.text:
            self.rest.append(token)
        else:
            raise self._unknown(name, token, f"{name}=")

    def _read_bare(self, token: Token) -> None:
        grammar, text = self._grammar, token.text
        place = next((p for p in grammar.places if p.name not in self._columns), None)
        word = grammar.words.get(text) or grammar.keys.get(text)
        if place is not None and (word is None or (place.required and self._fits(place, text))):
            self._set(place, text, token.column, token.column)
        elif word is not None:
            self._once(word, token.column)
            if text in grammar.keys:
                raise self._valueless(word, token)
            self.args[word.name] = True if word.is_flag else text
        elif grammar.many or grammar.text:
            self.rest.append(token)
        else:
            raise self._unknown(text, token, text)

    def _fits(self, parameter: Parameter, text: str) -> bool:
        """Tell whether a word or key is also a value, as for an eventfd that is called "level"."""
        try:
            read_value(parameter, text, 0, self._scope)
        except LanguageError:
            return False
        return True

    def _set(self, parameter: Parameter, text: str, column: int, value_column: int) -> None:
        self._once(parameter, column)
        self.args[parameter.name] = read_value(parameter, text, value_column, self._scope)

    def _once(self, parameter: Parameter, column: int) -> None:
        if parameter.name in self._columns:
            raise LanguageError(f"{parameter.name} is given twice", column=column, expected="it once")
        self._columns[parameter.name] = column

    def _valueless(self, parameter: Parameter, token: Token) -> LanguageError:
        return LanguageError(
            f"{parameter.name} needs a value",
            column=token.column,
            nearest=f"{parameter.name}=",
            expected=KINDS[parameter.kind].expected,
        )

    def _unknown(self, word: str, token: Token, shown: str) -> LanguageError:
        spec, api = self._spec, self._scope.api
        apis = apis_with(spec.ioctl, word, raw=spec.form == "fields") if spec.ioctl else ()
        if apis and api not in apis:
            return missing_in_api(api, f"'{shown}' in {spec.verb}", apis, token.column)
        free = self._free()
        better = nearest(shown, free)
        no_word = f"{spec.verb} has no word '{clip(shown)}'"
        surplus = f"'{clip(shown)}' is surplus: {spec.verb} has no such word"
        return LanguageError(
            no_word if better or shown != word else surplus,
            column=token.column,
            nearest=better,
            expected=", ".join(free) or "nothing more",
        )

    def _free(self) -> list[str]:
        """Return the words and keys that could still stand in the command."""
        words = [word for word, each in self._grammar.words.items() if each.name not in self._columns]
        return words + [f"{name}=" for name in self._grammar.keys if name not in self._columns]

    def _read_many(self, parameter: Parameter) -> None:
        values = []
        for token in self.rest:
            value = read_value(parameter, token.text, token.column, self._scope)
            if value == parameter.alone and len(self.rest) > 1:
                raise LanguageError(
                    f"'{token.text}' stands alone", column=token.column, expected="nothing else"
                )
            values.append(value)
        if values:
            self._columns[parameter.name] = self.rest[0].column
            self.args[parameter.name] = tuple(values)

    def _check(self, end: int) -> None:
        for parameter in self._grammar.required:
            if parameter.name not in self._columns and not (parameter is self._grammar.text and self.rest):
                raise self._lacks(parameter.usage, KINDS[parameter.kind].expected, end)
        one_of = self._spec.one_of
        if one_of and sum(name in self._columns for name in one_of) != 1:
            raise self._lacks("one of " + ", ".join(f"{name}=" for name in one_of), "just one of them", end)
        for parameter in self._grammar.parameters:
            length = self.args[parameter.bytes_from] if parameter.bytes_from else 8
            if parameter.bytes_from and self.args[parameter.name] >> 8 * length:
                raise LanguageError(
                    f"the value does not fit into {length} byte{'s' * (length > 1)}",
                    column=self._columns[parameter.name],
                    expected="a smaller value or a greater length",
                )

    def _lacks(self, what: str, expected: str, end: int) -> LanguageError:
        return LanguageError(f"{self._spec.verb} needs {what}", column=end, expected=expected)


def missing_in_api(api: str, what: str, apis: tuple[str, ...], column: int) -> Lacking:
    """Return the error for a word that other apis have and the one in force lacks."""
    return Lacking(f"api {api} has no {what}: it belongs to {', '.join(apis)}", column=column)
