"""Which hints help: for which goal, in which states, and in what order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kvmlab.course.goals import holds

if TYPE_CHECKING:
    from kvmlab.course.lab import Hint, Lab
    from kvmlab.language.truth import Lookup

LATE = "'reset' first, for an answer counts before anything is run. "
"""What a hint for a question begins with where it comes too late."""

ELSEWHERE = "'{back}' first, for a search would begin elsewhere here. "
"""What a hint for a proof begins with in a state that its search may not begin in."""


def helps(hint: Hint, read: Lookup) -> bool:
    """Tell whether a hint is for this state."""
    return hint.when is None or holds(hint.when, read)


def fitting(lab: Lab, goal: str, read: Lookup, given: Mapping[int, int]) -> list[int]:
    """Return the numbers of the hints for a goal ("": for the lab) in this state, the best one first.

    One for this very goal comes before one for the lab, and one that has rungs left, ``given`` counts
    them, before either.
    """
    fit = [at for at, hint in enumerate(lab.hints) if hint.goal in ("", goal) and helps(hint, read)]
    return sorted(fit, key=lambda at: (given.get(at, 0) == len(lab.hints[at].rungs), not lab.hints[at].goal))
