"""Expressions: what they mean, what can never hold, and how a failure is told."""

from __future__ import annotations

import pytest

from kvmlab.language.errors import LanguageError
from kvmlab.language.expressions import parse_expression
from kvmlab.language.facts import Path
from kvmlab.language.parse import parse_line
from kvmlab.language.scope import Scope
from kvmlab.language.truth import Known

SEEN: dict[Path, Known] = {
    ("ioapic", 11, "irr"): 1,
    ("ioapic", 11, "remote_irr"): 0,
    ("ioapic", 11, "trigger"): "level",
    ("ioapic", 11, "sources"): frozenset({0, 1}),
    ("lapic", 0, "irr"): frozenset({0x41, 0x42}),
    ("lapic", 0, "isr"): frozenset(),
    ("eventfd", "nic-trigger", "count"): 3,
    ("irqfd", "nic-trigger"): "shutting-down",
    ("key", "nic-trigger"): "none",
    ("taken", 0x41): 2,
    ("reports",): 0,
    ("reports", "use-after-free"): 0,
    ("trace", "kvm_eoi"): 5,
    ("last", "ret"): "none",
    ("last", "errno"): 0,
    ("last", "taken"): 0x41,
}


@pytest.fixture
def scope() -> Scope:
    """A scope that knows a VFIO device."""
    scope = Scope()
    parse_line("device vfio nic gsi=11", scope)
    return scope


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("ioapic.11.irr == 1", True),
        ("ioapic.0xb.irr == 0b1", True),
        ("1 == ioapic.11.irr", True),
        ("ioapic.11.irr != 1", False),
        ("ioapic.11.irr > ioapic.11.remote_irr", True),
        ("ioapic.11.irr <= -1", False),
        ("ioapic.11.trigger == level", True),
        ("lapic.0.irr == {0x41, 66}", True),
        ("lapic.0.irr == {}", False),
        ("lapic.0.isr == {}", True),
        ("{} != lapic.0.isr", False),
        ("0x41 in lapic.0.irr", True),
        ("0x43 not in lapic.0.irr", True),
        ("last.taken in lapic.0.irr", True),
        ("ioapic.11.irr in {1, 2}", True),
        ("eventfd.nic-trigger.count == 3", True),
        ("irqfd.nic-trigger == shutting-down", True),
        ("irqfd.nic-trigger in {active, shutting-down}", True),
        ("irqfd.nic-trigger in {active,none}", False),
        ("irqfd.nic-trigger not in {active}", True),
        ("ioapic.11.trigger not in {edge, level}", False),
        ("ioapic.11.trigger in {}", False),
        ("last.ret in {none}", True),
        ("last.ret in {0, 1}", False),
        ("last.errno in {EBUSY, ENOENT}", False),
        ("last.errno in {0}", True),
        ("key.nic-trigger == none", True),
        ("key.nic-trigger < 3", False),
        ("taken.0x41==2 and taken.65>1", True),
        ("reports == 0 and reports.use-after-free == 0", True),
        ("trace.kvm_eoi >= 5", True),
        ("last.ret == none", True),
        ("last.ret == 0", False),
        ("last.errno == 0", True),
        ("last.errno == ENOENT", False),
        ("not ioapic.11.irr == 0", True),
        ("not not ioapic.11.irr == 1", True),
        ("ioapic.11.irr == 0 and reports == 1 or taken.65 == 2", True),
        ("ioapic.11.irr == 0 and (reports == 1 or taken.65 == 2)", False),
        ("not (ioapic.11.irr == 0 or reports == 1)", True),
    ],
)
def test_an_expression_holds_as_its_words_say(text: str, held: bool, scope: Scope) -> None:
    """And binds tighter than or, not tighter than both; words, sets and numbers compare as such."""
    expression = parse_expression(text, scope)
    verdict = expression.evaluate(SEEN.get)
    assert verdict.held is held
    assert verdict.values == {fact.path: SEEN[fact.path] for fact in expression.facts}


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("ioapic.11.ir == 1", 11, "did you mean 'irr'?"),
        ("ioapci.11.irr == 1", 1, "no fact begins with 'ioapci'; did you mean 'ioapic'?"),
        ("timer.x == 1", 1, "no fact begins with 'timer'; expected eventfd,"),
        ("foo == 1", 1, "no fact is called 'foo'; expected a fact; 'help facts' lists them"),
        ("1 == report", 6, "no fact is called 'report'; did you mean 'reports'?"),
        ("level == edge", 1, "no fact is called 'level'"),
        ("foo in {1}", 1, "no fact is called 'foo'"),
        ("ioapic == 1", 7, "'ioapic' is not whole; expected .PIN"),
        ("ioapic.24.irr == 1", 8, "24 is out of range"),
        ("ioapic.11 == 1", 10, "'ioapic.11' is not whole"),
        ("lapic.1.irr == {}", 7, "there is no vCPU 1"),
        ("eventfd.nic-triger.count == 1", 9, "did you mean"),
        ("reports.leek == 0", 9, "did you mean 'leak'?"),
        ("trace.kvm_ack_irk == 0", 7, "did you mean 'kvm_ack_irq'?"),
        ("lapic.0.irr == 3", 16, "'3' is a number and 'lapic.0.irr' is a set"),
        ("lapic.0.irr == 0x41", 16, "'0x41' is a number"),
        ("ioapic.11.irr == {1}", 18, "'{1}' is a set of numbers"),
        ("ioapic.11.irr == {0x1,0b1}", 18, "'{0x1, 0b1}' is a set of numbers"),
        (
            "ioapic.11.trigger == {edge}",
            22,
            "is a set of words and 'ioapic.11.trigger' is a word; expected 'in'",
        ),
        ("lapic.0.irr == {edge}", 16, "'{edge}' is a set of words and 'lapic.0.irr' is a set of numbers"),
        ("ioapic.11.trigger in {edge, levle}", 29, "is never 'levle'; did you mean 'level'?"),
        ("last.errno not in {EBSY}", 20, "did you mean 'EBUSY'?"),
        ("last.errno in {0, 2}", 19, "is a name or 0"),
        ("last.errno in {EBUSY, 0}", 23, "'0' is a number and the set began with a word"),
        ("last.ret in {0, none}", 17, "'none' is a word and the set began with a number"),
        ("ioapic.11.irr in {edge}", 1, "'ioapic.11.irr' is no word"),
        ("ioapic.11.trigger in {1}", 1, "'ioapic.11.trigger' is no number"),
        ("ioapic.11.trigger in {last.ret}", 23, "expected an integer, a word or '}'"),
        ("ioapic.11.trigger in {edge,}", 28, "expected a word"),
        ("ioapic.11.irr == edge", 18, "'edge' is a word"),
        ("ioapic.11.trigger == leval", 22, "did you mean 'level'?"),
        ("ioapic.11.trigger < level", 1, "has no order"),
        ("lapic.0.irr < {1}", 1, "has no order"),
        ("irqfd.nic-trigger == 1", 22, "is a number"),
        ("last.errno == ENOET", 15, "did you mean"),
        ("last.errno == 2", 15, "is a name or 0"),
        ("1 in ioapic.11.irr", 6, "is no set"),
        ("edge in lapic.0.irr", 1, "is no number"),
        ("ioapic.11.irr", 14, "the expression is not whole; expected a comparison"),
        ("ioapic.11.irr = 1", 15, "did you mean '=='?"),
        ("ioapic.11.irr == 1 == 1", 20, "expected 'and' between two comparisons"),
        ("ioapic.11.irr == 1 reports == 0", 20, "expected 'and', 'or' or the end"),
        ("ioapic.11.irr == 1 and", 23, "the expression is not whole"),
        ("(ioapic.11.irr == 1", 20, "expected ')'"),
        ("lapic.0.irr == {1,}", 19, "expected an integer"),
        ("lapic.0.irr == {1 2}", 19, "expected ',' or '}'"),
        ("ioapic.11.irr == 1 + 1", 20, "'+' is no part of an expression"),
        ("", 1, "the expression is not whole"),
        ("not " * 60 + "reports == 0", 201, "this nests too deep"),
        ("(" * 60, 51, "this nests too deep"),
    ],
)
def test_what_is_no_expression_is_told_by_column(text: str, column: int, says: str, scope: Scope) -> None:
    """Unknown facts, types that never agree and broken grammar are wrong text."""
    with pytest.raises(LanguageError) as caught:
        parse_expression(text, scope)
    assert says in caught.value.sentence()
    assert caught.value.column == column


def test_one_invisible_fact_leaves_the_verdict_open(scope: Scope) -> None:
    """An expectation is counted apart when a fact of it is not visible, whatever the others are."""
    expression = parse_expression("ioapic.11.irr == 0 and lapic.0.tpr == 0", scope)
    verdict = expression.evaluate(SEEN.get)
    assert verdict.held is None
    assert expression.describe_failure(verdict) == "lapic.0.tpr is not visible"


@pytest.mark.parametrize(
    ("text", "blamed"),
    [
        ("ioapic.11.irr == 0 and eventfd.nic-trigger.count == 0 and reports == 0",
         "ioapic.11.irr is 1, eventfd.nic-trigger.count is 3"),
        ("ioapic.11.irr == 0 or reports == 1", "ioapic.11.irr is 1, reports is 0"),
        ("not (ioapic.11.irr == 1 or reports == 1)", "ioapic.11.irr is 1"),
        ("lapic.0.irr == {0x41}", "lapic.0.irr is {0x41, 0x42}"),
        ("ioapic.11.sources == {}", "ioapic.11.sources is {0, 1}"),
        ("taken.0x41 == 1", "taken.0x41 is 2"),
        ("last.ret == 0", "last.ret is none"),
        ("last.taken == 0", "last.taken is 0x41"),
        ("irqfd.nic-trigger in {active}", "irqfd.nic-trigger is shutting-down"),
        ("1 == 2", "1 == 2 names no fact and never holds"),
        ("not 0x1 in {0x1, 2}", "0x1 in {0x1, 2} names no fact and always holds"),
        ("1 == 2 or reports == 1", "1 == 2 names no fact and never holds, reports is 0"),
    ],
)  # fmt: skip
def test_a_failure_names_the_facts_to_blame(text: str, blamed: str, scope: Scope) -> None:
    """Only facts of the comparisons that made it fail are named, as they were written."""
    expression = parse_expression(text, scope)
    verdict = expression.evaluate(SEEN.get)
    assert verdict.held is False
    assert expression.describe_failure(verdict) == blamed


def test_equal_expressions_ask_the_same(scope: Scope) -> None:
    """Spacing and the base of numbers make no difference; the operands do."""
    first = parse_expression("taken.0x41 == 1 and reports==0", scope)
    assert first == parse_expression("taken.65  ==  0x1 and reports == 0", scope)
    assert hash(first) == hash(parse_expression("taken.65 == 1 and reports == 0", scope))
    assert first != parse_expression("taken.65 == 1 or reports == 0", scope)
    words = parse_expression("last.errno in {EBUSY, ENOENT}", scope)
    assert words == parse_expression("last.errno in {ENOENT,EBUSY,EBUSY}", scope)
    assert words != parse_expression("last.errno in {ENOENT}", scope)
