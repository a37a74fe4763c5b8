"""What each kind of goal asks of a session, and in what words it is open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from kvmlab.course.lab import FIND, Goal, Variant
from kvmlab.explore.properties import UNSEEN, families
from kvmlab.explore.verdict import EXHAUSTED
from kvmlab.facts import lookup

if TYPE_CHECKING:
    from kvmlab.engine.profile import Profile
    from kvmlab.explore.verdict import Report
    from kvmlab.language.truth import Expression, Lookup
    from kvmlab.session import Session


class Searched(NamedTuple):
    """An exploration: the kinds of what it found, how much it has seen, how far contexts moved at once."""

    kinds: frozenset[str]
    extent: str
    atomicity: str
    transitions: int

    @classmethod
    def of(cls, report: Report) -> Searched:
        """Return what a report says."""
        kinds = frozenset(example.kind for example in report.examples)
        return cls(kinds, report.verdict.extent, report.verdict.atomicity, report.verdict.transitions)


def lacks(profile: Profile, wanted: Variant) -> str:
    """Return which word of `machine` a profile lacks to be a variant, "" for none.

    A list of switches that is said and empty means that there is none.
    """
    for key, want, have in (("kernel", wanted.kernel, profile.kernel), ("api", wanted.api, profile.api)):
        if want and want != have:
            return f"{key}={want}"
    for key, names, given in (
        ("without", wanted.without, profile.without),
        ("with", wanted.with_, profile.with_),
    ):
        if names is not None and (names - given or (given and not names)):
            return f"{key}={','.join(sorted(names))}" if names else f"no {key}="
    return ""


def holds(expression: Expression, read: Lookup) -> bool:
    """Tell whether an expression holds; what nobody can see does not."""
    return expression.evaluate(read).held is True


def failure(expression: Expression, read: Lookup) -> str:
    """Return the facts to blame where an expression does not hold."""
    return expression.describe_failure(expression.evaluate(read))


def so(goal: Goal, session: Session, read: Lookup) -> bool:
    """Tell whether what a goal with a state asks is so at this moment."""
    if lacks(session.backend.profile, goal.machine):
        return False
    if goal.when is not None:
        return holds(goal.when, read)
    return goal.kind == FIND and bool(read(("reports", goal.violation)))


def why_not_so(goal: Goal, session: Session, read: Lookup) -> str:
    """Return why what a goal with a state asks is not so at this moment."""
    missing = lacks(session.backend.profile, goal.machine)
    if missing:
        return _machine(missing)
    told = failure(goal.when, read) if goal.when is not None else f"no {goal.violation} has been reported"
    return f"{goal.otherwise}: {told}" if goal.otherwise else told


def _machine(missing: str) -> str:
    return f"the machine has to be made with {missing}"


def shortfall(goal: Goal, searched: Searched, session: Session) -> str:
    """Return what an exploration lacks to be the proof that a goal asks for, "" for nothing."""
    missing = lacks(session.backend.profile, goal.machine)
    if missing:
        return _machine(missing)
    if goal.given is not None:
        read = lookup(session.snapshot())
        if not holds(goal.given, read):
            return f"the search began elsewhere: {failure(goal.given, read)}"
    if goal.asked is not None:
        verb, claim = goal.asked
        if not any(each.command.verb == verb and each.expression == claim for each in session.properties):
            return f"it was not asked for: {verb} {claim.text}"
    kinds = searched.kinds
    if goal.verdict == "holds":
        return _not_whole(searched, session) or (f"it found {', '.join(sorted(kinds))}" if kinds else "")
    if goal.violation and goal.violation not in kinds:
        return f"it found {', '.join(sorted(kinds)) or 'nothing'}, and no {goal.violation}"
    return "" if kinds else "it found nothing"


def _not_whole(searched: Searched, session: Session) -> str:
    """Return why an exploration that found nothing proves nothing, "" if it does."""
    if searched.extent != EXHAUSTED:
        return f"it has not seen every schedule: {searched.extent}"
    if searched.atomicity != "op":
        return f"at atomicity={searched.atomicity} it has not seen every schedule"
    unseen = [each.command.text for each in session.properties if UNSEEN in families(each)]
    if unseen:
        return f"it could not check '{unseen[0]}'"
    return "" if searched.transitions else "nothing stood ready: give actors calls first"


def settled(goal: Goal, answers: Mapping[str, str]) -> bool:
    """Tell whether a goal that asks was answered rightly."""
    return answers.get(goal.id) == goal.answer
