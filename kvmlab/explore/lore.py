"""What was learned of a scenario as plain data: what workers are told before they search, and tell of it.

Where a context stands is told by its value, as each process numbers values in its own order.
"""

from __future__ import annotations

from typing import NamedTuple

from kvmlab.explore.carrying import Carrier, Part
from kvmlab.explore.knowledge import NOTHING, Knowledge, Local
from kvmlab.explore.resources import NONE, Access, Names, Queued


class Lore(NamedTuple):
    """What a Knowledge has; places are told once, as ``parts``, and go by their numbers there."""

    parts: tuple[Part, ...] = ()
    stands: tuple[tuple[int, Access, Names, bool], ...] = ()
    ops: tuple[tuple[int, int, Access], ...] = ()
    steps: tuple[tuple[int, Access], ...] = ()
    items: tuple[tuple[Queued, tuple[int, ...]], ...] = ()
    locks: tuple[tuple[str, Names], ...] = ()
    ended: Names = NONE


NOTHING_LEARNED = Lore()


def told(knowledge: Knowledge, carrier: Carrier) -> Lore:
    """Return what is known, as plain data."""
    places: dict[Local, int] = {}

    def at(here: Local) -> int:
        return places.setdefault(here, len(places))

    stands = [
        (at(here), access, knowledge.held.get(here, NONE), here in knowledge.idle)
        for here, access in knowledge.stands.items()
    ]
    ops = [
        (at(here), at(there), access) for here, to in knowledge.ops.items() for there, access in to.items()
    ]
    steps = [(at(here), access) for here, access in knowledge.steps.items()]
    items = [(item, tuple(map(at, sorted(begun)))) for item, begun in knowledge.items.items()]
    return Lore(
        tuple([carrier.part(*here) for here in places]),
        tuple(stands),
        tuple(ops),
        tuple(steps),
        tuple(items),
        tuple(knowledge.locks.items()),
        frozenset(knowledge.ended),
    )


def learn(knowledge: Knowledge, carrier: Carrier, lore: Lore) -> None:
    """Take up what somebody else has learned; ``grown`` tells whether any of it was new."""
    places = [carrier.numbered(part) for part in lore.parts]
    held = {at: locks for at, _access, locks, _idle in lore.stands}
    for at, access, locks, idle in lore.stands:
        knowledge.stand(places[at], access, locks, idle)
    for at, to, access in lore.ops:
        if access == NOTHING:
            knowledge.learn_jump(places[at], places[to])
        else:
            knowledge.learn(places[at], places[to], access, held.get(at, NONE))
    for at, access in lore.steps:
        knowledge.learn_step(places[at], access)
    for item, begun in lore.items:
        for at in begun:
            knowledge.learn_begun(item, places[at])
    for resource, locks in lore.locks:
        knowledge.guard(resource, locks)
    knowledge.end(lore.ended)
