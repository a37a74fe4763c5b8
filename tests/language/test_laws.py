"""Laws of the language over any text."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from kvmlab.language.commands import COMMANDS, VERBS
from kvmlab.language.errors import LanguageError
from kvmlab.language.expressions import parse_expression
from kvmlab.language.parse import parse_line
from kvmlab.language.scope import Scope
from kvmlab.language.script import parse_script

EXAMPLES = [example for spec in COMMANDS.values() for example in spec.examples]
WORDS = [
    *VERBS, "trigger", "unmask", "nic", "closer", "here", "gsi=11", "key=trigger", "level", "deassign", "-1",
    "0x41", "none", "ENOENT:", "a:", ";", "#", '"', ",", "{", "}", "(", ")", "==", "in", "and", "not",
    "ioapic.11.irr", "lapic.0.irr", "last.errno", "vcpu=0", "ioapic:11", "pollhup", "\u00e9", "=",
]  # fmt: skip
NEARLY = st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=9).map(" ".join)


def known() -> Scope:
    """Return a scope with the names that the examples of the commands use."""
    scope = Scope()
    scope.renew(vcpus=2)
    for name in ("trigger", "unmask", "kick", "tick"):
        scope.add("eventfd", name)
    for kind, name in (("device", "nic"), ("mark", "before"), ("actor", "closer")):
        scope.add(kind, name)
    return scope


def names(scope: Scope) -> dict[str, list[str]]:
    """Return every name of a scope."""
    return {kind: sorted(scope.names(kind)) for kind in ("eventfd", "device", "actor", "mark")}


def refusal(parse: Callable[[], object]) -> LanguageError | None:
    """Return the LanguageError that parsing raises, or None."""
    try:
        parse()
    except LanguageError as error:
        return error
    return None


@given(st.text() | NEARLY)
def test_any_text_is_commands_or_wrong_text(text: str) -> None:
    """No text raises anything but LanguageError, whose column lies in the line or just behind it."""
    scope = known()
    error = refusal(lambda: parse_line(text, scope))
    if error is not None:
        assert 1 <= error.column <= len(text) + 1
        assert error.source == text
        assert len(error.caret().splitlines()) == 2
        assert names(scope) == names(known())


@given(NEARLY | st.sampled_from(EXAMPLES))
def test_a_commands_text_means_the_command(text: str) -> None:
    """The text that a command keeps parses to an equal command again."""
    try:
        commands = parse_line(text, known())
    except LanguageError:
        return
    again = known()
    for command in commands:
        assert parse_line(command.text, again) == [command]


@given(st.binary() | st.text())
def test_any_bytes_are_a_script_or_wrong_text(data: bytes | str) -> None:
    """A script of any bytes is commands or a LanguageError with a line that exists."""
    error = refusal(lambda: parse_script(data, "x.kvm", Scope(), lambda path, _by: (path, "")))
    if error is not None:
        lines = data.count(b"\n") if isinstance(data, bytes) else data.count("\n")
        assert 1 <= error.line <= lines + 1
        assert str(error).startswith(f"x.kvm:{error.line}:{error.column}: ")


@given(NEARLY)
def test_any_text_is_an_expression_or_wrong_text(text: str) -> None:
    """Text is an expression that its own text spells again, or wrong at a column that exists."""
    error = refusal(lambda: parse_expression(text, known()))
    if error is not None:
        assert 1 <= error.column <= len(text) + 1
        return
    expression = parse_expression(text, known())
    assert not expression.facts or expression.evaluate(lambda _fact: None).held is None
    assert parse_expression(expression.text, known()) == expression
