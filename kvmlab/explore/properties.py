"""What a `never` or an `always` says of every state, and which objects its facts are read from."""

from __future__ import annotations

from collections.abc import Sequence

from kvmlab.backends.observe import observe
from kvmlab.backends.parts import Parts
from kvmlab.explore.judge import sanitizers
from kvmlab.explore.resources import meet
from kvmlab.explore.search import Judge
from kvmlab.explore.world import State, World
from kvmlab.facts import lookup
from kvmlab.result import Property
from kvmlab.session import Session
from kvmlab.snapshot import LastSnapshot

_BOUND = ("eventfd#*", "file#*", "fds", "userspace", "irqfd*", "eoi*", "ioeventfd*", "resampler*")
_SOURCES = ("irq-sources", "irqsources", "irq_source*", "ioapic", "vm", *_BOUND)

READ_FROM: dict[str, tuple[str, ...]] = {
    "eventfd": _BOUND,
    "fd": _BOUND,
    "irqfd": _BOUND,
    "eoifd": _BOUND,
    "ioeventfd": _BOUND,
    "key": _BOUND,
    "ioapic": ("ioapic",),
    "lapic": ("lapic*",),
    "pic": ("pic",),
    "source": _SOURCES,
    "sources": _SOURCES,
    "taken": ("guest",),
    "acked": ("routing",),
    "ioapic-eoi": ("userspace",),
    "device": ("devices", "emulated#*", "virtio#*", "vfio#*", "virqfd#*"),
    "reports": ("reports",),
    "last": (),
    "trace": (),
}
"""By family of facts, the objects that they are read from; a star stands for any end."""

UNSEEN = "trace"
"""The family of facts that no state has: what was traced depends on the way."""

TOLD_BY_LOCKS = "reports"
"""The family that taking a lock may change, which no reduction takes for something to be seen."""


class Claims:
    """Properties, checked in every state of a world: once for all states that they cannot tell apart."""

    def __init__(self, world: World, properties: Sequence[Property], last: LastSnapshot | None) -> None:
        self._world, self._last, self._parts = world, last, Parts()
        self.unseen = [each for each in properties if UNSEEN in families(each)]
        """Those that were not checked."""
        self._properties = [each for each in properties if each not in self.unseen]
        self.patterns = patterns(self._properties)
        self._indices: list[int] = []
        self._known = 0
        self._verdicts: dict[State, list[tuple[str, str]]] = {}

    def broken(self) -> list[tuple[str, str]]:
        """Return the properties that do not hold where the world stands, as (verb, text)."""
        if not self._properties:
            return []
        world = self._world
        handles = world.handles
        for index in range(self._known, len(handles)):
            if matches(handles[index], self.patterns):
                self._indices.append(index)
        self._known = len(handles)
        # An object that was not there has the number 0, at the end of the key as in the state.
        numbers = [world.number(index) for index in self._indices]
        while numbers and not numbers[-1]:
            numbers.pop()
        key = tuple(numbers)
        found = self._verdicts.get(key)
        if found is None:
            found = self._verdicts[key] = self._judge()
        return found

    def _judge(self) -> list[tuple[str, str]]:
        read = lookup(observe(self._world.machine, self._last, self._parts))
        return [
            (each.command.verb, each.expression.text.strip())
            for each in self._properties
            if each.expression.evaluate(read).held is (not each.wanted)
        ]


def judge_of(claims: Claims) -> Judge:
    """Return a judge that reports what the sanitizers do, and every property that is broken."""

    def judge(world: World, ended: bool) -> list[tuple[str, str]]:
        return sanitizers(world, ended) + claims.broken()

    return judge


def judging(session: Session) -> Judge:
    """Return the judge of what a session claims, for a world that is made of its machine later."""
    judges: list[Judge] = []

    def judge(world: World, ended: bool) -> list[tuple[str, str]]:
        if not judges:
            judges.append(judge_of(Claims(world, session.properties, LastSnapshot(*session.last))))
        return judges[0](world, ended)

    return judge


def families(claim: Property) -> set[str]:
    """Return the families of the facts that a property reads."""
    return {str(fact.path[0]) for fact in claim.expression.facts}


def patterns(properties: Sequence[Property]) -> tuple[str, ...]:
    """Return the objects that properties read, each once."""
    named = [
        pattern for each in properties for family in sorted(families(each)) for pattern in READ_FROM[family]
    ]
    return tuple(dict.fromkeys(named))


def matches(handle: str, wanted: Sequence[str]) -> bool:
    """Tell whether a handle is one of those that patterns stand for."""
    return meet((handle,), wanted)
