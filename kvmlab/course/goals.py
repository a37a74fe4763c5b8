"""What each kind of goal asks of a session, and in what words it is open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from kvmlab.course.claims import any_broken, broken_where, covers, shown, too_strong
from kvmlab.course.lab import FIND, Goal, Variant
from kvmlab.course.staged import elsewhere
from kvmlab.explore.properties import UNSEEN, families
from kvmlab.explore.verdict import EXHAUSTED
from kvmlab.facts import lookup

if TYPE_CHECKING:
    from kvmlab.engine.profile import Profile
    from kvmlab.explore.verdict import Report
    from kvmlab.language.truth import Expression, Lookup
    from kvmlab.session import Session

CLAIMED = frozenset({"never", "always"})
"""The words that claim something, and the kinds of what breaks it."""


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


def asked_for(goals: Iterable[Goal], profile: Profile) -> bool:
    """Tell whether one of several goals asks for a machine, and a profile is one."""
    return any(goal.machine != Variant() and not lacks(profile, goal.machine) for goal in goals)


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
    """Return what an exploration lacks to be the proof that a goal asks for, "" for nothing.

    Whether a claim that was refuted claims too much is left to :func:`excess`, which looks at what was found.
    """
    missing = lacks(session.backend.profile, goal.machine)
    if missing:
        return _machine(missing)
    read = lookup(session.snapshot())
    return elsewhere(goal, session, read) or _verdict(goal, searched, session) or _claimed(goal, session)


def _verdict(goal: Goal, searched: Searched, session: Session) -> str:
    """Return in what an exploration came to another verdict than a goal asks for, "" for nothing."""
    kinds = searched.kinds
    found = ", ".join(sorted(kinds))
    if goal.verdict == "holds":
        return _not_whole(searched, session) or (f"it found {found}" if kinds else "")
    # A claim may be said with either word.
    if goal.violation and not kinds & (CLAIMED if goal.violation in CLAIMED else {goal.violation}):
        return f"it found {found or 'nothing'}, and no {goal.violation}"
    return "" if kinds else "it found nothing"


def _claimed(goal: Goal, session: Session) -> str:
    """Return why what was claimed is not what a goal asks for, which never tells its words; "" if it is."""
    if goal.asked is None:
        return ""
    stated = any_broken(session.properties)
    if stated is None:
        return "nothing was claimed: state with 'never' or 'always' what must hold"
    wanted = broken_where(*goal.asked)
    if not covers(stated, wanted):
        return goal.otherwise or "what was claimed leaves out something of what is asked for"
    return ""


def excess(goal: Goal, session: Session) -> str:
    """Return in what a claim that was refuted claims more than a goal asks for, "" for nothing."""
    stated = any_broken(session.properties)
    if goal.asked is None or goal.verdict == "holds" or stated is None:
        return ""
    wanted = broken_where(*goal.asked)
    if not shown(session, wanted):
        return "what was found breaks what you claimed, and not what is asked for: you claim too much"
    if too_strong(session, stated, wanted):
        return "a schedule in which all is well breaks what was claimed too: you claim too much"
    return ""


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
