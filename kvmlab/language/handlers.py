"""The actions of ``handler VECTOR ACTION,…``: separated by commas, their words by spaces."""

from __future__ import annotations

from kvmlab.language.errors import LanguageError, clip, nearest
from kvmlab.language.kinds import KINDS
from kvmlab.language.scope import Scope
from kvmlab.language.spec import Value
from kvmlab.language.verbs.guest import ACTIONS
from kvmlab.language.words import Token

Action = tuple[Value, ...]
"""The action's name and its operands: ("mask", 11)."""


def read_actions(tokens: list[Token], scope: Scope) -> tuple[Action, ...]:
    """Return the actions in order; ``none`` alone means no action. Raises LanguageError."""
    if [token.text for token in tokens] == ["none"]:
        return ()
    return tuple(_action(words, scope) for words in _split(tokens))


def _split(tokens: list[Token]) -> list[list[Token]]:
    actions: list[list[Token]] = [[]]
    for text, column, quoted in tokens:
        at = column
        for number, part in enumerate(text.split(",")):
            if number:
                _refuse_empty(actions[-1], at - 1)
                actions.append([])
            if part:
                actions[-1].append(Token(part, at, quoted))
            at += len(part) + 1
    _refuse_empty(actions[-1], tokens[-1].column + len(tokens[-1].text))
    return actions


def _refuse_empty(action: list[Token], column: int) -> None:
    if not action:
        raise LanguageError("an action is missing", column=column, expected=", ".join(ACTIONS))


def _check_count(words: list[Token], kinds: tuple[str, ...]) -> None:
    """Refuse an action with too few operands or too many, at the place of the first."""
    name, given = words[0].text, len(words) - 1
    if given < len(kinds):
        lacking, last = kinds[given], words[-1]
        raise LanguageError(
            f"{name} needs {lacking.upper()}",
            column=last.column + len(last.text),
            expected=KINDS[lacking].expected,
        )
    if given > len(kinds):
        surplus = words[len(kinds) + 1]
        action = " ".join((name, *map(str.upper, kinds)))
        raise LanguageError(
            f"'{clip(surplus.text)}' is surplus: the action is '{action}'",
            column=surplus.column,
            expected="',' before another action, or the end",
        )


def _action(words: list[Token], scope: Scope) -> Action:
    name, column, _quoted = words[0]
    if name not in ACTIONS:
        raise LanguageError(
            f"no action is called '{clip(name)}'",
            column=column,
            nearest=nearest(name, ACTIONS),
            expected=", ".join(ACTIONS),
        )
    kinds, _summary = ACTIONS[name]
    _check_count(words, kinds)
    operands = []
    for kind, word in zip(kinds, words[1:], strict=True):
        try:
            operands.append(KINDS[kind].read(word.text, scope))
        except LanguageError as error:
            error.column += word.column
            raise
    return (name, *operands)
