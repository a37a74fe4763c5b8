"""Completions: what can stand at the cursor, and that it is accepted there."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.language.commands import COMMANDS, VERBS
from kvmlab.language.complete import MOST, complete, what_may_follow
from kvmlab.language.errors import LanguageError
from kvmlab.language.parse import parse_line
from kvmlab.language.scope import Scope


def known() -> Scope:
    """Return a scope with two vCPUs, two eventfds, a mark, an actor and a device."""
    scope = Scope()
    scope.renew(vcpus=2)
    parse_line("eventfd trigger; eventfd unmask; mark here; device emulated nic gsi=10", scope)
    parse_line("actor closer: close trigger", scope)
    scope.add("eventfd", "trigger", "fd 3, count 0")
    return scope


def known_to_examples() -> Scope:
    """Return a scope with the names that the examples of the commands use."""
    scope = known()
    scope.add("eventfd", "kick")
    scope.add("mark", "before")
    return scope


def texts(line: str, scope: Scope | None = None) -> list[str]:
    """Return the texts that complete a line at its end."""
    return [each.text for each in complete(line, len(line), scope or known())]


def wrong_column(text: str) -> int:
    """Return the column at which a line is wrong, or one that is beyond it."""
    try:
        parse_line(text, known_to_examples())
    except LanguageError as error:
        return error.column
    return len(text) + 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("eve", ["eventfd"]),
        ("eoi; eve", ["eventfd"]),
        ("mmio ", ["read", "write"]),
        ("irqfd ", ["trigger", "unmask"]),
        ("irqfd tr", ["trigger"]),
        ("irqfd trigger ", ["gsi=", "level", "deassign"]),
        ("irqfd trigger gsi=11 ", ["level", "deassign"]),
        ("eoifd unmask key=", ["trigger", "unmask"]),
        ("ioctl eoifd ", ["fd=", "flags=", "key="]),
        ("ioapic 11 e", ["edge"]),
        ("ioapic 11 edge mas", ["masked"]),
        ("machine kernel=", ["linux-3.6", "linux-6.x"]),
        ("machine without=pollhup,ass", ["assign-flush", "assign-lock"]),
        ("close trigger ", ["unmask"]),
        ("line 11 level=", ["0", "1"]),
        ("step c", ["closer"]),
        ("goto ", ["here"]),
        ("info ir", ["irq", "irqfds"]),
        ("help fa", ["facts"]),
        ("route 24 m", ["msi:"]),
        ("handler 0x41 mas", ["mask"]),
        ("handler 0x41 eoi, serv", ["service"]),
        ("handler 0x41 eoi, service ", ["nic"]),
        ("expect io", ["ioapic.", "ioeventfd.", "ioapic-eoi."]),
        ("expect EN", ["ENOENT:", "ENOSPC:", "ENOSYS:"]),
        ("expect ENOENT: eoif", ["eoifd"]),
        ("expect eventfd.", ["trigger.", "unmask."]),
        ("expect ioapic.11.re", ["remote_irr"]),
        ("expect ioapic.11.irr", ["irr"]),
        ("expect ioapic.11.irr ", ["==", "!=", "<", "<=", ">", ">=", "in"]),
        ("expect ioapic.11.trigger ", ["==", "!=", "in"]),
        ("expect lapic.0.irr ", ["==", "!="]),
        ("expect ioapic.11.trigger in ", ["{"]),
        ("expect ioapic.11.trigger in {", ["edge", "level"]),
        ("expect ioapic.11.trigger not in {edge, ", ["level"]),
        ("expect ioapic.11.trigger in {le", ["level"]),
        ("expect last.ret in {", ["none"]),
        ("expect last.ret in {1, ", []),
        ("expect last.ret in ", ["{", "ioapic.", "lapic.", "sources."]),
        ("expect ioapic.11.trigger == e", ["edge", "eventfd.", "eoifd."]),
        ("expect ioapic.11.irr == 1 ", ["and", "or"]),
        ("expect lapic.0.irr == ", ["ioapic.", "lapic.", "sources."]),
        ("expect 0x41 in lapic.0.", ["irr", "isr", "tmr"]),
        ("expect lapic.0.irr == {0x41 ", ["}"]),
        ("expect lapic.0.irr == {", []),
        ("expect lapic.0.irr == {} ", ["and", "or"]),
        ("never reports.use", ["use-after-free"]),
        ("actor a: eoi; ta", ["take"]),
        ("actor a: e", ["eventfd", "eoifd", "eoi", "expect"]),
        ("actor a: close trigger; e", ["eventfd", "eoifd", "expect"]),
        ("actor a: expect EB", ["EBADF:", "EBUSY:"]),
        ("actor a: expect ioa", []),
        ("actor a: expect 0: st", ["sti"]),
        ("expect 0: st", ["sti", "step", "storm"]),
        ("expect 0: eoi; st", ["sti", "step", "storm"]),
        ("eoi # ev", []),
        ('source "ev', []),
        ("nonsense ", []),
    ],
)
def test_the_word_at_the_cursor_is_completed_by_what_can_stand_there(line: str, expected: list[str]) -> None:
    """Verbs, second words, live names, keys, flags, values and facts, in the order of the tables."""
    assert texts(line) == expected


def test_words_behind_the_cursor_do_not_matter() -> None:
    """Only the text before the cursor is completed, and the completion says where it starts."""
    (found,) = complete("irqfd tri gsi=11", 9, known())
    assert (found.text, found.start, found.kind, found.description) == (
        "trigger", 6, "eventfd", "fd 3, count 0",
    )  # fmt: skip


def test_an_api_offers_its_own_words_only() -> None:
    """Under api=resample there is resample= and neither level nor eoifd."""
    scope = Scope(api="resample")
    parse_line("eventfd a", scope)
    assert texts("irqfd a ", scope) == ["gsi=", "deassign", "resample="]
    assert "eoifd" not in texts("eo", scope)


def test_a_question_shows_placeholders_too() -> None:
    """What cannot be listed is told by its placeholder and what was expected."""
    assert what_may_follow("ioapic ", known()) == [("PIN", "the pin: a pin, 0 to 119")]
    assert [text for text, _ in what_may_follow("expect last.ret in {", known())] == ["none", "N"]
    assert [text for text, _ in what_may_follow("expect last.ret in {1, ", known())] == ["N"]
    assert what_may_follow("expect last.ret in {none, ", known()) == []
    assert "N|NAME" in dict(what_may_follow("eoifd unmask key=", known()))
    assert [text for text, _ in what_may_follow("mmio ", known())] == ["read", "write"]
    assert all(description for _, description in what_may_follow("", known()))


@given(
    st.sampled_from([example for spec in COMMANDS.values() for example in spec.examples]).flatmap(
        lambda example: st.integers(0, len(example)).map(lambda end: example[:end])
    )
)
def test_a_completion_is_accepted_where_it_stands(line: str) -> None:
    """With a completion put in, what is wrong with the line is at most that it is not whole."""
    for found in complete(line, len(line), known_to_examples()):
        text = line[: found.start] + found.text
        assert wrong_column(text) > len(text), text


def test_an_actor_is_offered_calls_of_its_own_kind() -> None:
    """Where it is said what one returns, too: a thread makes no guest accesses."""
    for line in ("actor vmm: close trigger; ", "actor vmm: close trigger; expect 1:"):
        offered = [found.text for found in complete(line, len(line), known_to_examples())]
        assert "irqfd" in offered and "sti" not in offered


@given(st.text(max_size=60), st.integers(-2, 70))
def test_any_text_can_be_completed(line: str, cursor: int) -> None:
    """Completion answers any text and any cursor, and what it gives begins as the text does."""
    for found in complete(line, cursor, known()):
        assert found.text.startswith(line[found.start : max(0, cursor)])
    what_may_follow(line, known())


def test_completion_is_quick_among_many_names() -> None:
    """A thousand eventfds are completed well within the budget of a keystroke, and not all are shown."""
    scope = Scope()
    for number in range(1000):
        parse_line(f"eventfd e{number}", scope)
    start = time.perf_counter()
    for _ in range(20):
        assert len(texts("irqfd e", scope)) == MOST
    assert time.perf_counter() - start < 20 * 0.02


def test_what_cannot_be_run_yet_says_so() -> None:
    """A command that only parses is offered with that remark, and one that runs is not."""
    offered = dict(what_may_follow("", Scope()))
    assert {verb for verb, text in offered.items() if text.endswith("(not here yet)")} == {
        verb for verb, forms in VERBS.items() if "" in forms and not forms[""].ready
    }
