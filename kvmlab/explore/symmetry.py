"""Contexts that are interchangeable: of states that differ only in who is who, one is searched.

Threads may change places if that leaves the start as it is: they have the same calls to make, and
nothing else names one of them, in words neither. So may vCPUs with equal chips, as long as nothing
tells them apart: no destination reaches one without the other, none is chosen by priority, and no
call of anybody changes a destination (``_STEADY``). The books of 6.x on whose EOIs are told go by the
numbers of vCPUs, and are exchanged with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import permutations, product
from math import factorial, prod
from typing import Any

from kvmlab.backends.model import APIC_TASKPRI
from kvmlab.engine.abi import KVM_IRQ_ROUTING_MSI
from kvmlab.engine.chips.lapic import APIC_DM_FIXED
from kvmlab.engine.chips.pic import PIC
from kvmlab.engine.chips.pic_chip import Registers
from kvmlab.engine.chips.routing import ROUTING
from kvmlab.engine.chips.rtc import RTC_GSI, RTC_STATUS
from kvmlab.engine.kernel.continuation import EXPECTING, Call, Continuation, handle_of
from kvmlab.engine.kernel.sanitizers import Report
from kvmlab.engine.kernel.workqueue import QUEUES
from kvmlab.engine.machine import APIC_EOI
from kvmlab.engine.world.vcpu import lapic, vcpu
from kvmlab.explore.livelock import in_order
from kvmlab.explore.turn import OF_A_VCPU, Orders, Seat, Turn
from kvmlab.explore.world import State, World

_REGISTERS = frozenset({APIC_EOI, APIC_TASKPRI})
"""What such a call may write."""

_STEADY = frozenset(
    {"user_eventfd", "user_dup", "user_close", "user_write", "user_read", "user_poll", "user_irqfd"}
    | {"user_eoifd", "close_vm"}
)
"""Calls of a thread that change no destination."""

MOST = 4
"""As many of the contexts that are alike are exchanged."""


class Symmetry:
    """The interchangeable contexts of a world, in groups; ``turns`` are all ways to exchange them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.groups = _groups(world)
        self._known: dict[Orders, Turn] = {}
        self._numbers = [
            [[world.index(name) for name in seat.names if name in world.first] for seat in group]
            for group in self.groups
        ]
        orders = list(product(*[list(permutations(range(len(group)))) for group in self.groups]))
        self.turns = [self.turn(order) for order in orders[1:]]
        self._onto_first = [
            [
                Turn(world, ((seat, group[0]), (group[0], seat))) if at else None
                for at, seat in enumerate(group)
            ]
            for group in self.groups
        ]

    @property
    def names(self) -> list[str]:
        """Each group as its contexts' names."""
        return [", ".join(seat.context for seat in group) for group in self.groups]

    def alike(self, failures: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return what is wrong, and the same of all who might have been in the place of those named."""
        found = set(failures)
        return found | {
            (kind, in_order((kind, turn.text(text)))) for kind, text in found for turn in self.turns
        }

    def canonical(self, state: State) -> tuple[State, Turn | None]:
        """Return the state that stands for all that differ in who is who, and who went where."""
        orders = tuple([self._order(state, at) for at in range(len(self.groups))])
        if all(order == tuple(range(len(order))) for order in orders):
            return state, None
        turn = self.turn(orders)
        return turn.state(state), turn

    def turn(self, orders: Orders) -> Turn:
        """Return the way in which the seats of each group go into an order."""
        turn = self._known.get(orders)
        if turn is None:
            goes = [
                (group[seat], group[place])
                for group, order in zip(self.groups, orders, strict=True)
                for place, seat in enumerate(order)
            ]
            turn = self._known[orders] = Turn(self._world, goes, orders)
        return turn

    def _order(self, state: State, at: int) -> tuple[int, ...]:
        """Return the seats of a group by what they would be on the first one."""
        keys = []
        for seat, indices in enumerate(self._numbers[at]):
            turn = self._onto_first[at][seat]
            numbers = [(index, state[index] if index < len(state) else 0) for index in indices]
            keys.append([turn.place(*each)[1] for each in numbers] if turn else [n for _index, n in numbers])
        return tuple(sorted(range(len(keys)), key=keys.__getitem__))


def _groups(world: World) -> list[tuple[Seat, ...]]:
    """Return the groups of two and more interchangeable contexts."""
    found: list[list[Seat]] = []
    for seat in _seats(world):
        for group in found:
            if _alike(world, group[0], seat):
                group.append(seat)
                break
        else:
            found.append([seat])
    groups = [tuple(group[:MOST]) for group in found if len(group) > 1]
    # What is learned is learned in every order: too many orders cost more than they save.
    return groups if prod(factorial(len(group)) for group in groups) <= factorial(MOST) else groups[:1]


def _sentences(value: Any) -> Iterable[str]:
    """Yield the strings of several words in a value."""
    if isinstance(value, Continuation):
        yield from _sentences((value.call, tuple(value.received())))
    elif isinstance(value, Report):
        yield value.text
    elif isinstance(value, tuple):
        for each in value:
            yield from _sentences(each)
    elif isinstance(value, str) and " " in value:
        yield value


def _seats(world: World) -> Iterable[Seat]:
    """Yield the contexts that have calls to make, or stand in one."""
    contexts, numbers = world.contexts, {vcpu(n): n for n in range(world.contexts.profile.vcpus)}
    spoken = {
        word for text in _sentences(tuple(world.first.values())) for word in re.findall(r"[\w#-]+", text)
    }
    steady = _nothing_turns(world)
    for name in world.names:
        context = contexts.get(name)
        ready = context.calls or context.at
        if name in QUEUES or name == contexts.prompt or not ready or name in spoken:
            continue
        number = numbers.get(name, -1)
        if number < 0:
            yield Seat(name, (name, handle_of(name)))
        elif steady:
            aliases = [alias for alias, of in contexts.aliases.items() if of == name]
            own = [each for alias in aliases for each in (alias, handle_of(alias))]
            yield Seat(name, (name, handle_of(name), lapic(number), *own), number)


def _alike(world: World, one: Seat, other: Seat) -> bool:
    """Tell whether two seats may be exchanged: the start is the same then."""
    if (one.number < 0) != (other.number < 0) or len(one.names) != len(other.names):
        return False
    if one.number >= 0 and not _reached_together(world, one.number, other.number):
        return False
    turn, first = Turn(world, ((one, other), (other, one))), world.first
    for handle, value in first.items():
        there, moved = turn.object(handle, value)
        if moved != first.get(there) and world.key(moved) != first.get(there):
            return False
    return True


def _nothing_turns(world: World) -> bool:
    """Tell whether no call that is still to be made can change whom an interrupt reaches."""
    objects = world.memory.objects
    calls = [call for name in world.names for call in _calls(world, name)]
    handlers = [objects[vcpu(n)].handlers for n in range(world.contexts.profile.vcpus)]
    chips = world.machine.profile.in_kernel("pic") and all(
        Registers(*chip).imr == 0xFF for chip in objects[PIC].registers
    )
    # Who has taken the RTC's last interrupt is told by number, which one that is masked never asks.
    rtc = chips and world.machine.profile.rules.rtc_eoi_tracking
    if rtc and (objects[RTC_STATUS].dest_map or not world.machine.ioapic.entry(RTC_GSI) >> 16 & 1):
        return False
    return chips and not any(handlers) and all(map(_is_steady, calls))


def _calls(world: World, name: str) -> list[Call]:
    context = world.contexts.get(name)
    return [*context.calls, *context.program, *([context.at.call] if context.at else [])]


def _is_steady(call: Call) -> bool:
    name, args = call
    if name == EXPECTING:
        return _is_steady(args[:2])
    if name == "mmio_write":
        return args[1] in _REGISTERS
    return name in OF_A_VCPU or name in _STEADY or name == "process_one_work"


def _reached_together(world: World, one: int, other: int) -> bool:
    """Tell whether every destination reaches both vCPUs or none, and none is chosen by priority."""
    machine, bits = world.machine, 1 << one | 1 << other
    for pin in range(24):
        entry = machine.ioapic.entry(pin)
        if entry >> 16 & 1 and not machine.profile.rules.handled_vectors_per_vcpu:
            continue
        reached = machine.ioapic.apics.destinations(entry >> 56, entry >> 11 & 1) & bits
        if reached not in {0, bits} or (reached and entry & 0x700 != APIC_DM_FIXED):
            return False
    routes = world.memory.objects[world.memory.objects[ROUTING].table]
    return all(route.type != KVM_IRQ_ROUTING_MSI for route in routes.entries)
