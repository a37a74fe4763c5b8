"""What a learner claims, held against what a goal asks to be claimed: by what it says, not by how.

A claim is told by the states that break it. Facts are taken for independent of each other, but for those
of :func:`_possible`; a number is tried at 0, 1 and every number that a claim compares with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

from kvmlab.backends.observe import observe
from kvmlab.explore.explorer import Explorer
from kvmlab.explore.start import Start
from kvmlab.explore.verdict import Asked
from kvmlab.facts import lookup
from kvmlab.language.facts import SET, WORD, Path
from kvmlab.language.truth import Compare, Expression, Fact, Join, Known, Literal, Node, Not
from kvmlab.snapshot import LastSnapshot

if TYPE_CHECKING:
    from kvmlab.result import Property
    from kvmlab.session import Session

MOST = 100_000
"""More valuations than this are not tried; what would need them covers nothing."""

REMEMBERED = 64
"""As many pairs of claims are remembered: the same two are held against each other state after state."""

State = Mapping[Path, Known]


def broken_where(verb: str, expression: Expression) -> Expression:
    """Return what is true in the states that break a `never` or an `always`."""
    return expression if verb == "never" else replace(expression, node=Not(expression.node))


def any_broken(properties: Sequence[Property]) -> Expression | None:
    """Return what is true in the states that break one of several properties, None for no property."""
    if not properties:
        return None
    each = [broken_where(each.command.verb, each.expression) for each in properties]
    facts = {fact.path: fact for one in each for fact in one.facts}
    return Expression(each[0].text, Join("or", tuple(one.node for one in each)), tuple(facts.values()))


@lru_cache(maxsize=REMEMBERED)
def covers(stated: Expression, wanted: Expression) -> bool:
    """Tell whether every state in which ``wanted`` is true is one in which ``stated`` is."""
    values = _values(stated, wanted)
    own = [fact.path for fact in wanted.facts]
    rest = [fact.path for fact in stated.facts if fact.path not in own]
    tried = 0
    for state in _states(own, values, {}):
        tried += 1
        if not wanted.evaluate(state.get).held:
            continue
        for whole in _states(rest, values, state):
            tried += 1
            if tried > MOST or (_possible(whole) and not stated.evaluate(whole.get).held):
                return False
    return True


def _states(paths: Sequence[Path], values: Mapping[Path, Sequence[Known]], state: State) -> Iterator[State]:
    """Yield a state with every combination of the values of facts."""
    for chosen in product(*(values[path] for path in paths)):
        yield {**state, **dict(zip(paths, chosen, strict=True))}


def _possible(state: State) -> bool:
    """Tell whether a state agrees with itself: a pin's line is high while a source asserts it."""
    for path, value in state.items():
        if path[-1] == "line" and (sources := state.get((*path[:-1], "sources"))) is not None:
            if bool(value) != bool(sources):
                return False
    return True


def _values(*expressions: Expression) -> Mapping[Path, Sequence[Known]]:
    """Return which values of each fact can tell expressions apart."""
    facts = {fact.path: fact for each in expressions for fact in each.facts}
    said: dict[Path, list[Known]] = {path: [] for path in facts}
    for compare in (one for each in expressions for one in _compared(each.node)):
        sides = (compare.left, compare.right)
        literals = [value for side in sides if isinstance(side, Literal) for value in _plain(side)]
        for fact in compare.facts:
            # Of two facts that are compared each may have what the other one is compared with.
            said[fact.path] = [*said[fact.path], *literals, *said[compare.facts[0].path]]
    return {path: _domain(fact, said[path]) for path, fact in facts.items()}


def _compared(node: Node) -> Iterator[Compare]:
    if isinstance(node, Compare):
        yield node
    for part in (node.node,) if isinstance(node, Not) else node.parts if isinstance(node, Join) else ():
        yield from _compared(part)


def _plain(literal: Literal) -> Iterable[Known]:
    """Return the values that a literal names, those in a set too."""
    value = literal.value
    if not isinstance(value, frozenset):
        return (value,)
    return (*value, frozenset(each for each in value if isinstance(each, int)))


def _domain(fact: Fact, said: Sequence[Known]) -> Sequence[Known]:
    if fact.spec.type == WORD:
        return fact.spec.words
    if fact.spec.type == SET:
        sets = [each if isinstance(each, frozenset) else frozenset({int(each)}) for each in said]
        members = frozenset[int]().union(*sets)
        other = frozenset({max(members, default=-1) + 1})
        return tuple(dict.fromkeys((frozenset[int](), *sets, members, members | other, other)))
    numbers = (0, 1, *[each for each in said if isinstance(each, int)])
    words = [word for word in fact.spec.words if word == "none" or word in said]
    return tuple(dict.fromkeys((*numbers, *words)))


def shown(session: Session, wanted: Expression) -> bool:
    """Tell whether a schedule that was found ends where an expression is true.

    It is played from where the session stands, in a machine of its own, as far as it can be.
    """
    start, last = Start.of(session), LastSnapshot(*session.last)
    for moves in session.found:
        machine = start.machine()
        for name, count in moves if all(machine.contexts.knows(name) for name, _count in moves) else ():
            for _ in range(count):
                machine.contexts.step(name)
        if wanted.evaluate(lookup(observe(machine, last))).held:
            return True
    return False


def too_strong(session: Session, stated: Expression, wanted: Expression) -> bool:
    """Tell whether a claim excludes what is right: without a preemption it breaks where a goal's does not."""
    if covers(wanted, stated):
        return False
    facts = {fact.path: fact for fact in (*stated.facts, *wanted.facts)}
    beyond = Expression("", Join("and", (stated.node, Not(wanted.node))), tuple(facts.values()))
    claim = replace(session.properties[0], expression=beyond, wanted=False)
    explorer = Explorer(Start.of(session), Asked(bound=0), [claim], LastSnapshot(*session.last))
    failure = claim.command.verb, beyond.text
    for _progress in explorer.run():
        if failure in explorer.found:
            break  # What is left is to make the schedule short, and nobody looks at it.
    return failure in explorer.found
