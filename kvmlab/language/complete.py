"""What may come next: completions of the word at the cursor, and the answer to `?`. Pure and quick.

Two questions, asked of the same tables as parsing: which parameter can stand here, and which
values its kind has. What a kind cannot list (a vector, a new name) is a placeholder: shown by
``what_may_follow`` and never inserted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

from kvmlab.language.commands import ALIASES, VERBS, Grammar, grammar_of
from kvmlab.language.expecting import after_expect, in_expression, results
from kvmlab.language.scope import Scope
from kvmlab.language.spec import CommandSpec, Parameter, place
from kvmlab.language.suggestion import Suggestion, values_of
from kvmlab.language.verbs.guest import ACTIONS

MOST = 200
"""As many completions as are ever returned."""

_COMMAND = re.compile(r'(?:[^;#"]|"[^"]*")*')
_ACTOR = re.compile(r"\s*actor\s+[a-z][a-z0-9_-]*\s*:")
_EXPECT = re.compile(r'\s*expect\s+[^\s:"(){}<>=!]+\s*:')
EXPECT = "expect"
_LAST_WORD = re.compile(r"\S*$")


class Completion(NamedTuple):
    """One way to complete: ``text`` replaces the line from ``start`` (from 0) to the cursor.

    ``kind`` says what it is: "command", "word", "key", "fact", "operator", or the name of the
    kind of value.
    """

    text: str
    start: int
    kind: str
    description: str


def complete(line: str, cursor: int, scope: Scope) -> list[Completion]:
    """Return what could stand at the cursor, in the order of the tables; [] in a comment or a quote."""
    text = line[: max(0, cursor)]
    found = (
        Completion(each.text, each.start, each.kind, each.description)
        for each in _suggestions(text, 0, scope)
        if each.insertable and each.text.startswith(text[each.start :])
    )
    return list(islice(found, MOST))


def what_may_follow(line: str, scope: Scope) -> list[tuple[str, str]]:
    """Return (text, description) of everything that could stand at the end of a line."""
    found = (
        (each.text, each.description)
        for each in _suggestions(line, 0, scope)
        if not each.insertable or each.text.startswith(line[each.start :])
    )
    return list(islice(found, MOST))


Allowed = Callable[[CommandSpec], bool]


def _suggestions(text: str, start: int, scope: Scope) -> Iterable[Suggestion]:
    """Suggest for the last command of a text; ``start`` is where its first command begins."""
    in_line: Allowed = _any_command
    allowed = in_line
    while True:
        if head := _ACTOR.match(text, start):
            in_line = allowed = _of_actor
        elif head := _EXPECT.match(text, start):
            allowed = attrgetter("returns") if in_line is _any_command else _call_of(in_line)
        if head:
            start = head.end()
            continue
        match = _COMMAND.match(text, start)
        stop = match.end() if match else start
        if stop == len(text):
            return _of_command(text, start, scope, allowed)
        if text[stop] != ";":
            return ()
        in_line = allowed = in_line if in_line is _any_command else _calls_like(text[start:stop])
        start = stop + 1


def _any_command(_spec: CommandSpec) -> bool:
    return True


def _of_actor(spec: CommandSpec) -> bool:
    """Tell whether a command may stand in an actor: a call, or what one is expected to return."""
    return spec.is_call or spec.form == EXPECT


def _call_of(actor: Allowed) -> Allowed:
    """Return what an actor may be expected to return something of: a call, where the actor has one."""
    return lambda spec: spec.is_call and actor(spec)


def _calls_like(command: str) -> Allowed:
    """Return what may follow a command of an actor: calls of the same context."""
    forms = VERBS.get(next(iter(command.split()), ""), {})
    contexts = {spec.context for spec in forms.values()} or {"user", "guest"}
    return lambda spec: spec.form == EXPECT or (spec.is_call and spec.context in contexts)


class _Here(NamedTuple):
    """The command at the cursor: where its verb ends, its whole words, and where the last one starts."""

    text: str
    rest: int
    done: list[str]
    at: int
    scope: Scope

    @property
    def partial(self) -> str:
        """The word that is not whole yet; "" behind a space."""
        return self.text[self.at :]


def _of_command(text: str, start: int, scope: Scope, allowed: Allowed) -> Iterable[Suggestion]:
    last = _LAST_WORD.search(text, start)
    at = last.start() if last else len(text)
    done = text[start:at].split()
    if not done:
        return _verbs(at, scope, allowed)
    rest = text.index(done[0], start) + len(done[0])
    forms = VERBS.get(done[0], {})
    if done[0] == EXPECT and allowed is not _any_command:
        return results(text, rest, at)
    if len(forms) == 1 and "" in forms:
        return _of_spec(forms[""], _Here(text, rest, done[1:], at, scope))
    if len(done) == 1:
        return (Suggestion(word, at, "command", spec.summary) for word, spec in forms.items() if word)
    if done[1] in forms:
        return _of_spec(forms[done[1]], _Here(text, rest, done[2:], at, scope))
    return ()


def _verbs(at: int, scope: Scope, allowed: Allowed) -> Iterator[Suggestion]:
    for verb, forms in VERBS.items():
        spec = next(iter(forms.values()))
        if allowed(spec) and grammar_of(spec.verb, scope.api) is not None:
            alias = f"another name of {spec.verb}: " if verb in ALIASES else ""
            summary = spec.described if "" in forms else ", ".join(forms)
            yield Suggestion(verb, at, "command", alias + summary)


def _of_spec(spec: CommandSpec, here: _Here) -> Iterable[Suggestion]:
    grammar = grammar_of(spec.verb, here.scope.api)
    if grammar is None:
        return ()
    if spec.form == "claim":
        return in_expression(here.text, here.rest, here.scope)
    if spec.form == "expect":
        return after_expect(here.text, here.rest, here.at, here.scope)
    if spec.form == "handler" and here.done:
        return _actions(grammar, here)
    return _words(grammar, here)


def _words(grammar: Grammar, here: _Here) -> Iterator[Suggestion]:
    given = _given(grammar, here.done)
    partial, at, scope = here.partial, here.at, here.scope
    name, equals, _value = partial.partition("=")
    if equals and name in grammar.keys:
        parameter = grammar.keys[name]
        comma = partial.rfind(",") if parameter.label.endswith("…") else 0
        yield from values_of(parameter, at + max(len(name), comma) + 1, scope)
        return
    places = [p for p in grammar.places if p.name not in given]
    if places:
        yield from values_of(places[0], at, scope, here.done[-1] if here.done else "")
        if places[0].required and places[0].name not in grammar.keys:
            return
    keys = [p for p in grammar.keys.values() if p.name not in given]
    yield from (Suggestion(f"{p.name}=", at, "key", p.summary) for p in keys if p.required)
    for word, parameter in grammar.words.items():
        if parameter.name not in given:
            yield Suggestion(word, at, "word", parameter.summary)
    yield from (Suggestion(f"{p.name}=", at, "key", p.summary) for p in keys if not p.required)
    for more in filter(None, (grammar.many, grammar.text)):
        yield from _further(more, here.done[len(grammar.places) :], at, scope)


def _further(parameter: Parameter, done: list[str], at: int, scope: Scope) -> Iterator[Suggestion]:
    """Suggest one more value of a parameter that takes several."""
    for each in values_of(parameter, at, scope):
        stands_alone = (each.text,) == parameter.alone
        if (
            each.text not in done
            and not (done and stands_alone)
            and (parameter.alone or ("",))[0] not in done
        ):
            yield each


def _given(grammar: Grammar, done: list[str]) -> set[str]:
    """Tell which parameters the complete words fill, without reading their values."""
    given: set[str] = set()
    for word in done:
        key, equals, _value = word.partition("=")
        place = next((p for p in grammar.places if p.name not in given), None)
        if equals:
            given.add(key)
        elif place is not None and (place.required or word not in grammar.words):
            given.add(place.name)
        elif word in grammar.words:
            given.add(grammar.words[word].name)
    return given


def _actions(grammar: Grammar, here: _Here) -> Iterator[Suggestion]:
    text, scope = here.text, here.scope
    comma = text.rfind(",", here.rest)
    begin = max(here.at, comma + 1)
    words = text[comma + 1 : begin].split() if comma >= 0 else here.done[1:]
    if words and words[0] in ACTIONS:
        kinds, summary = ACTIONS[words[0]]
        for kind in kinds[len(words) - 1 : len(words)]:
            yield from values_of(place(kind, kind, summary), begin, scope)
        return
    for name, (_kinds, summary) in ACTIONS.items():
        yield Suggestion(name, begin, "action", summary)
    if comma < 0:
        yield Suggestion("none", begin, "action", "no action")
        yield from (Suggestion(f"{key}=", begin, "key", p.summary) for key, p in grammar.keys.items())
