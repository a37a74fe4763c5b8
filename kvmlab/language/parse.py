"""Text of one line to Commands: splitting at ";", the verb, and the form of each command.

Parsing is pure but for the scope, which learns the names that the text creates; text with an
error in it teaches it nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple, NoReturn

from kvmlab.language.command import Command
from kvmlab.language.commands import VERBS, Grammar, grammar_of
from kvmlab.language.errors import Lacking, LanguageError, clip, nearest
from kvmlab.language.expressions import parse_expression
from kvmlab.language.facts import ERRNOS
from kvmlab.language.handlers import read_actions
from kvmlab.language.ioctls import apis_with
from kvmlab.language.numbers import read_number
from kvmlab.language.scope import Scope
from kvmlab.language.spec import CommandSpec, Value
from kvmlab.language.switching import check_switches
from kvmlab.language.topics import topic_words, unknown_topic
from kvmlab.language.words import Words, missing_in_api, read_value, split_words

LONGEST_LINE = 100_000
"""Characters of a line; a longer one is refused unread, so that no line takes long."""

_UNSHOWN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_COMMAND = re.compile(r'[^;#"]*(?:"[^"]*"[^;#"]*)*')
_LINE = re.compile(r'[^#"]*(?:"[^"]*"[^#"]*)*')
_WORD = re.compile(r'(?:[^\s"]+|"[^"]*")+')
_HEAD = re.compile(r'\s*([^\s:"(){}<>=!]+)\s*:')

Args = dict[str, Value]
Inner = tuple[Command, ...]


class _Line(NamedTuple):
    text: str
    scope: Scope
    number: int
    file: str


class _Rest(NamedTuple):
    """What stands behind a verb: the text from ``start`` to ``end`` of the line."""

    line: _Line
    spec: CommandSpec
    grammar: Grammar
    start: int
    end: int

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        return pattern.match(self.line.text, self.start, self.end)


def parse_line(text: str, scope: Scope, line: int = 1, file: str = "") -> list[Command]:
    """Return the commands of one line of text; an empty line or a comment has none.

    Names that the text creates are added to the scope. Raises LanguageError for wrong text,
    and then the scope is as it was.
    """
    scope.begin()
    try:
        return list(parse_commands(text, scope, line, file))
    except LanguageError:
        scope.rollback()
        raise


def parse_commands(text: str, scope: Scope, line: int = 1, file: str = "") -> Iterator[Command]:
    """Yield the commands of one line, each parsed when it is asked for.

    The scope is left half-way when the text is wrong: ``Scope.begin`` and ``rollback`` are the
    caller's.
    """
    try:
        _check_line(text)
        yield from _commands(_Line(text, scope, line, file), 0, len(text))
    except LanguageError as error:
        error.line, error.file, error.source = line, file, text
        raise


def _check_line(text: str) -> None:
    if len(text) > LONGEST_LINE:
        raise LanguageError(f"a line has at most {LONGEST_LINE} characters", column=LONGEST_LINE + 1)
    unshown = _UNSHOWN.search(text)
    if unshown:
        what = f"a line cannot hold the character U+{ord(unshown[0]):04X}"
        raise LanguageError(what, column=unshown.start() + 1)


def _commands(line: _Line, start: int, end: int, admit: Admit | None = None) -> Iterator[Command]:
    text = line.text
    while True:
        stop = _stop(_COMMAND, text, start, end)
        first = _WORD.search(text, start, stop)
        if first:
            if _unquoted(first[0]) == "actor":
                stop = _stop(_LINE, text, start, end)
            try:
                yield _command(line, first.start(), stop, admit)
            except Lacking:
                if admit is not None or not line.scope.forgiving:
                    raise
                yield _lacking(line, first.start(), stop)
        if stop >= end or text[stop] == "#":
            return
        start = stop + 1


def _stop(pattern: re.Pattern[str], text: str, start: int, end: int) -> int:
    match = pattern.match(text, start, end)
    stop = match.end() if match else start
    if stop < end and text[stop] == '"':
        raise LanguageError("a quote is not closed", column=stop + 1, expected='a second "')
    return stop


Admit = Callable[[CommandSpec, int], None]
"""Raises LanguageError for a command, by its column, that cannot stand inside another one."""


def _lacking(line: _Line, start: int, end: int) -> Command:
    """Return the command without a verb that stands for one which the api in force lacks."""
    typed = line.text[start:end].rstrip()
    head = _HEAD.match(typed.removeprefix("actor")) if typed.startswith("actor") else None
    if head is not None:
        line.scope.add("actor", head[1])
    return Command("", text=typed, line=line.number, column=start + 1, file=line.file)


def _command(line: _Line, start: int, end: int, admit: Admit | None = None) -> Command:
    text, scope = line.text, line.scope
    written = text[start:end].rstrip()
    spec, rest = _verb(text, start, start + len(written))
    if admit is not None:
        # Asked before the rest is read: what holds commands of its own never stands inside another.
        admit(spec, start + 1)
    grammar = grammar_of(spec.verb, scope.api)
    if grammar is None:
        raise missing_in_api(scope.api, f"'{spec.verb}'", apis_with(spec.ioctl), start + 1)
    args, inner = FORMS[spec.form](_Rest(line, spec, grammar, rest, start + len(written)))
    for name, kind, suffix in grammar.creates:
        scope.add(kind, args[name] + suffix)
    if spec.renews:
        _renew(spec, args, scope, start + len(written) + 1)
    pairs = tuple(sorted(args.items()))
    return Command(spec.verb, pairs, inner, written, line.number, start + 1, line.file, args)


def _verb(text: str, start: int, end: int) -> tuple[CommandSpec, int]:
    typed = _WORD.match(text, start, end)
    first, rest = (_unquoted(typed[0]), typed.end()) if typed else ("", end)
    forms = VERBS.get(first)
    if forms is None:
        raise LanguageError(
            f"no command is called '{clip(first)}'",
            column=start + 1,
            nearest=nearest(first, VERBS),
            expected="a command; 'help' lists them",
        )
    if len(forms) == 1 and "" in forms:
        return forms[""], rest
    gap = _WORD.search(text, rest, end)
    second = _unquoted(gap[0]) if gap else ""
    if second not in forms:
        raise LanguageError(
            f"{first} has no form '{clip(second)}'" if second else f"{first} needs a second word",
            column=(gap.start() if gap else end) + 1,
            nearest=nearest(second, forms),
            expected=", ".join(filter(None, forms)),
        )
    return forms[second], (gap.end() if gap else end)


def _unquoted(word: str) -> str:
    return word.replace('"', "")


def _renew(spec: CommandSpec, args: Args, scope: Scope, column: int) -> None:
    if spec.verb == "machine":
        scope.renew(args.get("kernel", ""), args.get("api", ""), args["vcpus"], args.get("backend", "model"))
        if not scope.forgiving:
            check_switches(args, scope.kernel, scope.api, column)
    else:
        scope.renew(scope.kernel, scope.api, scope.vcpus)


def _read_words(rest: _Rest) -> Words:
    words = Words(rest.spec, rest.grammar, rest.line.scope)
    words.read(split_words(rest.line.text, rest.start, rest.end), rest.end + 1)
    return words


def _read_plain(rest: _Rest) -> tuple[Args, Inner]:
    words = _read_words(rest)
    if rest.grammar.text and words.rest:
        words.args[rest.grammar.text.name] = " ".join(token.text for token in words.rest)
    return words.args, ()


def _read_handler(rest: _Rest) -> tuple[Args, Inner]:
    words = _read_words(rest)
    words.args["actions"] = read_actions(words.rest, rest.line.scope)
    return words.args, ()


def _read_help(rest: _Rest) -> tuple[Args, Inner]:
    args, inner = _read_plain(rest)
    topic = args.get("topic")
    if topic is not None and topic not in topic_words():
        raise unknown_topic(topic, rest.end - len(rest.line.text[rest.start : rest.end].lstrip()) + 1)
    return args, inner


def _read_claim(rest: _Rest) -> tuple[Args, Inner]:
    text = rest.line.text[rest.start : rest.end]
    return {"expression": parse_expression(text, rest.line.scope, rest.start + 1)}, ()


def _read_expect(rest: _Rest) -> tuple[Args, Inner]:
    head = rest.match(_HEAD)
    if head is None:
        return _read_claim(rest)
    result = _result(head[1], head.start(1) + 1)
    first = _WORD.search(rest.line.text, head.end(), rest.end)
    if first is None:
        what = f"expect {head[1]}: needs a command"
        raise LanguageError(what, column=rest.end + 1, expected="a command")
    return result, (_command(rest.line, first.start(), rest.end, _admit_returning),)


def _admit_returning(spec: CommandSpec, column: int) -> None:
    if not spec.returns:
        raise LanguageError(
            f"'{spec.verb}' has no return value",
            column=column,
            expected="a command that may change the machine",
        )


def _result(word: str, column: int) -> Args:
    number = read_number(word)
    if number is not None or word == "none":
        return {"value": word if number is None else number}
    if word in ERRNOS:
        return {"errno": word}
    raise LanguageError(
        f"'{clip(word)}' is no result",
        column=column,
        nearest=nearest(word, ERRNOS),
        expected="an errno's name, an integer or none before ':'",
    )


def _read_actor(rest: _Rest) -> tuple[Args, Inner]:
    head = rest.match(_HEAD)
    if head is None:
        what = "actor needs NAME: COMMAND; …"
        raise LanguageError(what, column=rest.end + 1, expected="a name and ':'")
    name = read_value(rest.grammar.places[0], head[1], head.start(1) + 1, rest.line.scope)
    inner = tuple(_commands(rest.line, head.end(), rest.end, _admit_call))
    if not inner:
        raise LanguageError(f"actor {name} needs commands", column=rest.end + 1, expected="a command")
    calls = [_call_of(command) for command in inner]
    for call in calls:
        _check_same(call, calls[0])
    for command, after in pairwise(inner):
        if command.spec.endless:
            problem = f"an actor's '{command.text}' never ends, so that nothing is done behind it"
            raise LanguageError(problem, column=after.column, expected="the end of the line")
    return {"name": name}, inner


def _call_of(command: Command) -> Command:
    """Return the call that an actor's command is; raises LanguageError for an `expect` of none."""
    if command.spec.form != "expect":
        return command
    if not command.inner:
        what = "an actor expects what a call returns"
        raise LanguageError(what, column=command.column, expected="expect X: COMMAND")
    (call,) = command.inner
    if not call.spec.is_call:
        _refuse_no_call(call.spec, call.column)
    return call


def _admit_call(spec: CommandSpec, column: int) -> None:
    if not spec.is_call and spec.form != "expect":
        _refuse_no_call(spec, column)


def _refuse_no_call(spec: CommandSpec, column: int) -> NoReturn:
    raise LanguageError(
        f"an actor makes syscalls, ioctls or guest accesses, and '{spec.verb}' is none",
        column=column,
        expected="one of these",
    )


def _check_same(command: Command, first: Command) -> None:
    problem, at = "", command.column
    if command.spec.context != first.spec.context:
        problem = "an actor is a thread or a vCPU, not both"
    elif command.args.get("vcpu") != first.args.get("vcpu"):
        problem, at = f"this actor is vCPU {first.args['vcpu']}", at + len(command.text)
    if problem:
        raise LanguageError(problem, column=at, expected=f"a call like '{first.text}'")


Form = Callable[[_Rest], tuple[Args, Inner]]

FORMS: dict[str, Form] = {
    "words": _read_plain,
    "fields": _read_plain,
    "handler": _read_handler,
    "help": _read_help,
    "claim": _read_claim,
    "expect": _read_expect,
    "actor": _read_actor,
}
"""How the text behind the verb is read, by ``CommandSpec.form``."""
