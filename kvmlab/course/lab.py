"""A lab as data: where it starts, what it asks, and what it says to whom goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from kvmlab.engine.profile import DEFAULT_APIS, DEFAULT_KERNEL
from kvmlab.language.command import Command
from kvmlab.language.truth import Expression

REACH, HOLDS, NEVER, FIND, PROOF, PREDICT = "reach", "holds", "never", "find", "proof", "predict"


class GoalKind(NamedTuple):
    """What a kind of goal must say and may say; ``lasting`` ones are judged when every other is done.

    Of ``one_of`` a goal says at least one key; ``about`` is what it asks, for people.
    """

    about: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    lasting: bool = False


_MACHINE = ("kernel", "api", "without", "with")

GOAL_KINDS: dict[str, GoalKind] = {
    REACH: GoalKind("a state to be reached", ("when",)),
    HOLDS: GoalKind("a state to end in", ("when",), lasting=True),
    NEVER: GoalKind("a state to be avoided", ("when",), lasting=True),
    FIND: GoalKind("an execution that ends in a fault", (), _MACHINE, ("violation", "when")),
    PROOF: GoalKind(
        "an exploration", ("verdict",), ("violation", "never", "always", "given", "ready", *_MACHINE)
    ),
    PREDICT: GoalKind("an answer", ("answers", "answer", "because")),
}
"""Every kind of goal by its name."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Words of a machine, "" or None for what is not said."""

    kernel: str = ""
    api: str = ""
    without: frozenset[str] | None = None
    with_: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """The machine a lab begins with, and the commands that lead to its start; ``line`` is theirs."""

    variant: Variant = Variant()
    vcpus: int = 1
    pit: bool = False
    script: str = ""
    line: int = 1

    def machine(self) -> str:
        """Return the command that makes the machine; it leaves nothing to the options of a program."""
        variant = self.variant
        kernel = variant.kernel or DEFAULT_KERNEL
        api = variant.api or DEFAULT_APIS[kernel]
        words = [f"kernel={kernel}", f"api={api}", f"vcpus={self.vcpus}"]
        words += ["pit"] if self.pit else []
        options = (("without", variant.without), ("with", variant.with_))
        words += [f"{option}={','.join(sorted(names))}" for option, names in options if names]
        return " ".join(("machine", *words))


@dataclass(frozen=True, slots=True)
class Goal:
    """One thing to be done; what its kind has no use for is left at its default.

    ``asked`` is the property, `never` or `always` and its expression, that a proof must be of; ``ready``
    are the calls of which each must stand ready in a context of its own where its search begins.
    """

    id: str
    kind: str
    say: str
    line: int
    when: Expression | None = None
    otherwise: str = ""
    violation: str = ""
    verdict: str = ""
    asked: tuple[str, Expression] | None = None
    given: Expression | None = None
    ready: tuple[tuple[Command, ...], ...] = ()
    machine: Variant = Variant()
    answers: tuple[str, ...] = ()
    answer: str = ""
    because: str = ""

    @property
    def lasting(self) -> bool:
        """Whether it is judged only when every other goal is done."""
        return GOAL_KINDS[self.kind].lasting


@dataclass(frozen=True, slots=True)
class Mistake:
    """A state that shows a wrong turn, and what is said of it."""

    when: Expression
    say: str
    line: int


@dataclass(frozen=True, slots=True)
class Hint:
    """Three rungs of help for a goal ("": for the lab), in certain states (None: in any)."""

    rungs: tuple[str, ...]
    line: int
    goal: str = ""
    when: Expression | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What the author claims, and the explorer can tell: the verdict on what a script makes ready."""

    claim: str
    start: Start
    verdict: str
    line: int
    violation: str = ""


@dataclass(frozen=True, slots=True)
class Fence:
    """Commands in the prose: ``role`` is "", "fresh", "solution" or "wrong", which misses ``goal``.

    ``line`` is where its first command stands in the file.
    """

    text: str
    line: int
    role: str = ""
    goal: str = ""


class Link(NamedTuple):
    """A link to a lab or a scenario: its scheme, its target and where it stands."""

    scheme: str
    target: str
    line: int


@dataclass(frozen=True, slots=True)
class Head:
    """What a list tells of a lab."""

    id: str
    title: str
    chapter: int
    needs: tuple[str, ...]
    minutes: int
    goals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab. ``prose`` is its text as Markdown, ``ending`` the part with its solution, shown on request.

    ``before`` is how many words stand before the first commands that can be run.
    """

    head: Head
    source: tuple[str, ...]
    panes: tuple[str, ...]
    start: Start
    goals: tuple[Goal, ...]
    mistakes: tuple[Mistake, ...]
    hints: tuple[Hint, ...]
    proofs: tuple[Proof, ...]
    fences: tuple[Fence, ...]
    links: tuple[Link, ...]
    prose: str
    ending: str
    before: int
    words: int
    file: str = field(default="", compare=False)

    @property
    def id(self) -> str:
        """Its ID, which never changes."""
        return self.head.id

    @property
    def solution(self) -> Fence:
        """The way to every goal."""
        return next(fence for fence in self.fences if fence.role == "solution")

    def goal(self, name: str) -> Goal | None:
        """Return a goal by its ID, None for none."""
        return next((goal for goal in self.goals if goal.id == name), None)
