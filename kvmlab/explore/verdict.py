"""What was asked of an exploration, what it has looked at, and what it has found; in plain words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from kvmlab.engine.profile import Profile
from kvmlab.explore.search import CAP, REDUCTIONS, Move

ATOMICITIES = {
    "op": "contexts are switched between any two ops",
    "section": "contexts are switched only where they may wait, and between calls: races inside a"
    " section are not seen",
}
"""How far a context moves before another one may, and what that means for a verdict."""

REDUCED = {name: text for name, text in REDUCTIONS.items() if name != "section"}
"""What may be left out at the atomicity "op", all of which find the same."""

EXHAUSTED, BOUNDED, CAPPED, STOPPED = "exhausted", "bounded", "capped", "stopped"


@dataclass(frozen=True, slots=True)
class Asked:
    """What to search: at most ``bound`` preemptions (None: any) and ``cap`` states; ``seed`` is for luck."""

    atomicity: str = "op"
    reduction: str = "reduced"
    bound: int | None = None
    cap: int = CAP
    seed: int = 0

    @property
    def moves(self) -> str:
        """The name in REDUCTIONS of how contexts move."""
        return "section" if self.atomicity == "section" else self.reduction


@dataclass(frozen=True, slots=True)
class Verdict:
    """How much was looked at, so that nobody takes it for more.

    ``extent`` is "exhausted" (every schedule), "bounded" (every one with at most ``bound``
    preemptions), "capped" (there are more states than were allowed) or "stopped" (by a person). Of a
    capped search ``bound`` is the last bound that was seen whole, if one was, and ``walks`` is how many
    random schedules were tried beside. ``notes`` are what else a reader must know.
    """

    atomicity: str
    reduction: str
    kernel: str
    api: str
    switches: tuple[str, ...]
    extent: str = STOPPED
    bound: int | None = None
    walks: int = 0
    states: int = 0
    transitions: int = 0
    rounds: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, asked: Asked, profile: Profile) -> Verdict:
        """Return the verdict on a search of a machine that has not begun."""
        words = (("without", profile.without), ("with", profile.with_))
        switches = tuple(f"{option}={name}" for option, names in words for name in sorted(names))
        # With a bound, and between sections, nothing is left out.
        reduction = asked.reduction if asked.atomicity == "op" and asked.bound is None else "plain"
        return cls(asked.atomicity, reduction, profile.kernel, profile.api, switches)

    @property
    def whole(self) -> bool:
        """Whether all was seen that was asked for."""
        return self.extent in {EXHAUSTED, BOUNDED}

    def lines(self) -> list[str]:
        """Return the verdict as sentences."""
        machine = " ".join((self.kernel, self.api, *self.switches))
        effort = f"{_many(self.states, 'state')}, {_many(self.transitions, 'transition')}"
        if self.rounds > 1:
            effort += f" in the last of {self.rounds} rounds"
        return [
            f"{self._extent()}; {effort}, {self.seconds:.1f} s",
            f"{machine}; atomicity {self.atomicity}: {ATOMICITIES[self.atomicity]}",
            *(
                [f"reduction {self.reduction}: {REDUCED[self.reduction]}"]
                if self.reduction != "plain"
                else []
            ),
            *self.notes,
        ]

    def _extent(self) -> str:
        within = (
            "" if self.bound is None else f"every schedule with at most {_many(self.bound, 'preemption')}"
        )
        if self.extent == EXHAUSTED:
            return "exhausted: every schedule"
        if self.extent == BOUNDED:
            return f"bounded: {within}, and none with more"
        seen = [text for text in (within, f"{self.walks} random schedules" if self.walks else "") if text]
        beside = f"; seen whole: {' and '.join(seen)}" if within else f"; beside: {seen[0]}" if seen else ""
        why = (
            "there are more states than the cap allows" if self.extent == CAPPED else "stopped before the end"
        )
        return f"not exhausted: {why}{beside}"

    def as_object(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        return asdict(self) | {"seconds": round(self.seconds, 3)}

    def noting(self, *notes: str) -> Verdict:
        """Return the verdict with more that a reader must know."""
        return replace(self, notes=(*self.notes, *notes))


@dataclass(frozen=True, slots=True)
class Run:
    """What one context does without a switch: its name, and the ops that it runs, in words."""

    context: str
    ops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A schedule to something wrong: what (kind and sentence), the moves, and what they are in words.

    ``proof`` are the commands that show it at the schedule's end; ``shortest`` tells that no schedule has
    fewer switches, or as few and fewer ops; ``impure`` says what was different when it was run again,
    "" for nothing.
    """

    kind: str
    text: str
    moves: tuple[Move, ...]
    runs: tuple[Run, ...]
    proof: tuple[str, ...]
    shortest: bool
    impure: str = ""

    @property
    def ops(self) -> int:
        """How many ops it has."""
        return sum(ops for _name, ops in self.moves)

    def as_object(self) -> dict[str, Any]:
        """Return the example as plain data."""
        return {
            "kind": self.kind,
            "text": self.text,
            "schedule": [list(move) for move in self.moves],
            "switches": len(self.moves) - 1 if self.moves else 0,
            "ops": self.ops,
            "shortest": self.shortest,
            "impure": self.impure,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What an exploration has come to."""

    verdict: Verdict
    examples: tuple[Example, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing was found in all that was asked for."""
        return self.verdict.whole and not self.examples

    def as_object(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "verdict": self.verdict.as_object(),
            "found": len(self.examples),
            "failures": [example.as_object() for example in self.examples],
        }


def _many(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
