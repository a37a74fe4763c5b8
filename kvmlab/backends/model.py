"""The model as a backend: each verb is a path of the engine, run by its thread or its vCPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NoReturn, overload

from kvmlab.backends.arguments import entry_words, route_words
from kvmlab.backends.backend import NONE, Answer, Args, Planned, Refused, Watch
from kvmlab.backends.parts import Parts
from kvmlab.engine.abi import Fault
from kvmlab.engine.chips.ioapic_registers import MASK
from kvmlab.engine.chips.route_table import DEFAULT_ROUTING
from kvmlab.engine.kernel.continuation import EXPECTING, Call, Context, Place, path_of
from kvmlab.engine.kernel.memory import Change
from kvmlab.engine.kernel.path import describe
from kvmlab.engine.kernel.sanitizers import Report
from kvmlab.engine.machine import APIC_EOI, RUN_LIMIT, Machine
from kvmlab.engine.profile import Profile
from kvmlab.engine.tracepoint import Event, Lost
from kvmlab.engine.tracetext import format_event
from kvmlab.engine.world.devices import DEVICES
from kvmlab.engine.world.expecting import result_of
from kvmlab.engine.world.vcpu import GUEST, Guest, vcpu

if TYPE_CHECKING:
    from kvmlab.snapshot import LastSnapshot, Snapshot


@dataclass(slots=True)
class Unit:
    """One unit of history: what changed, was traced and was lost, the vector taken last or NONE, the news."""

    change: Change
    events: tuple[Event, ...]
    lost: Lost
    taken: int | str
    news: tuple[str, ...]


APIC_TASKPRI = 0xFEE00080

STATUS = frozenset({"irq-line", "msi"})
"""Verbs whose -1 is kvm_set_irq's status, not a no."""


def _fields(*names: str) -> Callable[[Args], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    # Of one name it would return no tuple.
    return lambda args: (args[names[0]],) if names else ()


def _ioctl(path: str, *names: str) -> Callable[[Args], tuple[Any, ...]]:
    return lambda args: (path, *[args[name] for name in names])


def _structure(args: Args) -> tuple[Any, ...]:
    """Return the fields of the api's structure, which are all there, in order."""
    return tuple(args.values())


def _mask(bits: int) -> Callable[[Args], tuple[Any, ...]]:
    return lambda args: (args["vcpu"], args["pin"], ((MASK, bits),), None)


def _emulated(kind: str) -> Callable[[Args], tuple[Any, ...]]:
    return lambda args: (kind, args["name"], args["gsi"], bool(args.get("eoi-aware")))


@dataclass(frozen=True, slots=True)
class Verb:
    """How a verb is performed: the path, its arguments from the command's, and by whom."""

    path: str
    arguments: Callable[[Args], tuple[Any, ...]]
    guest: bool = False
    device: bool = False

    def call(self, args: Args) -> tuple[str, Call]:
        """Return the context that makes the call ("user", a vCPU or a device) and the call."""
        by = vcpu(args["vcpu"]) if self.guest else args["name"] if self.device else "user"
        return by, (self.path, self.arguments(args))


VERBS: dict[str, Verb] = {
    "eventfd": Verb("user_eventfd", _fields("name", "count", "semaphore", "blocking")),
    "dup": Verb("user_dup", _fields("name", "new")),
    "close": Verb("user_close", lambda args: tuple(args["names"])),
    "write": Verb("user_write", _fields("name", "value")),
    "read": Verb("user_read", _fields("name")),
    "poll": Verb("user_poll", _fields("name")),
    "irqfd": Verb("user_irqfd", _structure),
    "eoifd": Verb("user_eoifd", _structure),
    "ioeventfd": Verb("user_ioeventfd", _fields("fd", "addr", "len", "flags", "datamatch")),
    "irq-line": Verb("vm_ioctl", _ioctl("kvm_vm_ioctl_irq_line", "irq", "level")),
    "msi": Verb("vm_ioctl", _ioctl("kvm_send_userspace_msi", "address_lo", "address_hi", "data", "flags")),
    "route": Verb("user_route", route_words),
    "routes default": Verb("user_routes", lambda args: (DEFAULT_ROUTING,)),
    "pit": Verb("vm_ioctl", _ioctl("kvm_create_pit")),
    "release": Verb("close_vm", _fields()),
    "ioapic": Verb("guest_ioapic", entry_words, guest=True),
    "mmio read": Verb("mmio_read", _fields("vcpu", "addr", "len"), guest=True),
    "mmio write": Verb("mmio_write", _fields("vcpu", "addr", "len", "value"), guest=True),
    "pio read": Verb("pio_read", _fields("vcpu", "port", "len"), guest=True),
    "pio write": Verb("pio_write", _fields("vcpu", "port", "len", "value"), guest=True),
    "msr read": Verb("msr_read", _fields("vcpu", "msr"), guest=True),
    "msr write": Verb("msr_write", _fields("vcpu", "msr", "value"), guest=True),
    "sti": Verb("vcpu_set_if", lambda args: (args["vcpu"], 1), guest=True),
    "cli": Verb("vcpu_set_if", lambda args: (args["vcpu"], 0), guest=True),
    "tpr": Verb("mmio_write", lambda args: (args["vcpu"], APIC_TASKPRI, 4, args["value"]), guest=True),
    "take": Verb("vcpu_take", _fields("vcpu"), guest=True),
    "idle": Verb("vcpu_idle", _fields("vcpu"), guest=True),
    "eoi": Verb("mmio_write", lambda args: (args["vcpu"], APIC_EOI, 4, 0), guest=True),
    "pic-eoi": Verb("guest_pic_eoi", _fields("vcpu"), guest=True),
    "mask": Verb("guest_ioapic", _mask(MASK), guest=True),
    "unmask": Verb("guest_ioapic", _mask(0), guest=True),
    "wake": Verb("guest_wake", _fields("vcpu", "thread"), guest=True),
    "service": Verb("device_service", _fields("vcpu", "name"), guest=True),
    "device vfio": Verb("device_vfio", lambda args: (args["name"], args["gsi"], args.get("fail", ""))),
    "device emulated": Verb("device_emulated", _emulated("emulated")),
    "device virtio": Verb("device_emulated", _emulated("virtio")),
    "raise": Verb("device_raise", _fields("name"), device=True),
    "lower": Verb("device_lower", _fields("name"), device=True),
    "move": Verb("device_move", _fields("name", "gsi")),
    "unplug": Verb("device_unplug", _fields("name")),
}
"""Every verb that is a call, and every action of a handler."""


def _planned(planned: Planned) -> tuple[str, Call]:
    """Return who makes a call of an actor, and the call, with what is expected of it."""
    owner, (name, args) = VERBS[planned.verb].call(planned.args)
    if planned.wanted is None:
        return owner, (name, args)
    status = planned.verb in STATUS
    return owner, (EXPECTING, (name, args, planned.wanted, status, planned.text))


_VERB_OF = {verb.path: name for name, verb in reversed(VERBS.items())}
"""By path, the first verb that is performed by it."""


class Worded(Sequence[str]):
    """Tracepoints worded as the kernel words them, each when it is read."""

    __slots__ = ("_events", "_kernel")

    def __init__(self, events: Sequence[Event], kernel: str) -> None:
        self._events, self._kernel = events, kernel

    def __len__(self) -> int:
        return len(self._events)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [format_event(event, self._kernel) for event in self._events[index]]
        return format_event(self._events[index], self._kernel)


class Model:
    """A Machine of the engine behind the Backend protocol."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.machine = Machine(profile)
        guest = self.machine.memory.objects[GUEST]
        assert isinstance(guest, Guest)
        self._guest = guest
        self._parts = Parts()
        self._total = 0
        self._told: tuple[tuple[Report, ...], tuple[str, ...]] = (), ()

    @property
    def status(self) -> str:
        """See :attr:`Backend.status`."""
        return ""

    @property
    def trace_source(self) -> str:
        """See :attr:`Backend.trace_source`."""
        return ""

    def extension(self, number: int) -> int | None:
        """See :meth:`Backend.extension`."""
        return None

    # -- calls --------------------------------------------------------------------------------

    def perform(self, verb: str, args: Args) -> Answer:
        """See :meth:`Backend.perform`."""
        name, call = VERBS[verb].call(args)
        return self._submit(name, call, status=verb in STATUS)

    def _submit(self, name: str, call: Call, *, status: bool = False) -> Answer:
        contexts = self.machine.contexts
        context = contexts.find(contexts.prompt if name == "user" else name)
        if context is None:
            raise Refused(f"no device is called {name} at this moment")
        if context.at is not None or context.stopped:
            self._refuse(context)
        value = self.machine.submit(name, call)
        return Answer(value) if value.__class__ is int else self._answer(context.name, value, status)

    def _refuse(self, context: Context) -> NoReturn:
        name = context.name
        if context.stopped:
            raise Refused(f"{name} has stopped: {context.stopped}; 'undo' goes back before that")
        where = f"stands in {context.at.path}" if context.at else "has calls to make"
        raise Refused(f"{name} {where}; 'finish {name}' first")

    def _answer(self, name: str, value: Any, status: bool = False) -> Answer:
        if isinstance(value, Place):
            return Answer(NONE, "", self._where(name))
        ret, *errno = result_of(value, status)
        told = errno or isinstance(value, Fault)
        return Answer(ret, str(errno[0]) if errno else "", value.why if told else "")

    def _where(self, name: str) -> str:
        contexts = self.machine.contexts
        context = contexts.get(name)
        if context.stopped:
            return f"{name} has stopped: {context.stopped}"
        why = contexts.blocked(name)
        op = contexts.next_op(name)
        if op is None:
            return f"{name} has nothing to do"
        return f"{name} stands at {describe(op)}" + (f": {why[0]}" if why else "")

    def actor(self, name: str, calls: Sequence[Planned]) -> None:
        """See :meth:`Backend.actor`."""
        made = [_planned(call) for call in calls]
        owners = {owner for owner, _call in made}
        if len(owners) > 1:
            raise Refused("an actor is one thread, one vCPU or one device: " + ", ".join(sorted(owners)))
        contexts = self.machine.contexts
        owner, program = made[0][0], tuple(call for _owner, call in made)
        for known in (name, owner):
            if known == owner and not contexts.knows(owner):
                raise Refused(f"no device is called {owner} at this moment")
            if known != "user" and contexts.knows(known):
                context = contexts.get(known)
                if context.at is not None or context.stopped or (context.calls and known == owner):
                    self._refuse(context)
        if owner == "user":
            contexts.add(name, program)
        else:
            contexts.give(owner, name, program)

    def handler(self, number: int, vector: int, text: str, calls: list[tuple[str, Args]]) -> Answer:
        """See :meth:`Backend.handler`."""
        made = tuple(VERBS[verb].call({**args, "vcpu": number})[1] for verb, args in calls)
        return self._submit(vcpu(number), ("vcpu_set_handler", (number, vector, text, made)))

    # -- time ---------------------------------------------------------------------------------

    def set_manual(self, manual: bool) -> None:
        """See :meth:`Backend.set_manual`."""
        contexts = self.machine.contexts
        contexts.set_manual(manual)
        devices = self.machine.memory.objects[DEVICES].load("handles")
        # What the prompt had done is no actor: in auto it runs to its end, and so do those it waits for.
        began = (contexts.prompt, *map(vcpu, range(self.profile.vcpus)), *devices)
        moved = not manual
        while moved:
            moved = any(contexts.finish(name) for name in began if not contexts.get(name).calls)
            moved = contexts.run_workers() or moved

    def step(self, context: str, count: int, watch: Watch) -> Answer:
        """See :meth:`Backend.step`."""
        return self._move(context, count, watch)

    def finish(self, context: str, watch: Watch) -> Answer:
        """See :meth:`Backend.finish`."""
        return self._move(context, None, watch)

    def _move(self, context: str, count: int | None, watch: Watch) -> Answer:
        """Move a context by ``count`` ops, or (None) as far as it goes, on from call to call.

        In auto the workers that it waits for run meanwhile.
        """
        name = self._named(context)
        contexts = self.machine.contexts
        moved, call = 0, ""
        while moved != count:
            here = contexts.get(name)
            call = here.at.path if here.at else path_of(here.calls[0]) if here.calls else call
            if contexts.step(name):
                moved += 1
                watch()
                if count is None and here.at is None and here.calls and not here.goes_on:
                    break  # A guest that idles has come to an end as far as it ever does.
            elif count is not None or contexts.manual or not contexts.run_workers():
                break
        here = contexts.get(name)
        ended = moved > 0 and here.at is None and not here.stopped
        answer = self._answer(name, here.result) if ended else Answer(NONE, "", self._where(name))
        if ended:
            answer = replace(answer, of=_VERB_OF.get(call, ""))
        self._settle()
        return answer

    def _settle(self) -> None:
        if not self.machine.contexts.manual:
            self.machine.contexts.run_workers()

    def _named(self, context: str) -> str:
        contexts = self.machine.contexts
        if not contexts.knows(context):
            raise Refused(f"no context is called {context}; there are {', '.join(contexts.names)}")
        return contexts.get(context).name

    def run(self, limit: int | None) -> Answer:
        """See :meth:`Backend.run`."""
        taken = self.machine.run(limit)
        if limit is None and taken == RUN_LIMIT:
            return Answer(taken, "", "stopped: a line that is never lowered storms for ever; 'run' goes on")
        return Answer(taken, "", "" if taken else self._entered_by_hand())

    def _entered_by_hand(self) -> str:
        """Say which vCPU `run` leaves alone, because `take` began what its handler would do."""
        for number, chip in enumerate(self.machine.lapics):
            vector = chip.find_highest_isr()
            if self.machine.vcpus[number].handler(vector) is not None:
                return (
                    f"vcpu{number} was led into the handler of {vector:#x} by 'take': go on by hand ('eoi')"
                )
        return ""

    def storm(self, count: int) -> Iterator[int]:
        """See :meth:`Backend.storm`."""
        from kvmlab.backends.storm import storm

        return storm(self.machine, count)

    # -- looking ----------------------------------------------------------------------------

    def snapshot(self, last: LastSnapshot | None) -> Snapshot:
        """See :meth:`Backend.snapshot`."""
        # Its records take 12 ms to define, and a script without expectations needs none.
        from kvmlab.backends.observe import observe

        return observe(self.machine, last, self._parts)

    def beside(self, seen: Snapshot) -> None:
        """See :meth:`Backend.beside`: nothing stands there."""

    def events(self, unit: Unit) -> Worded:
        """See :meth:`Backend.events`."""
        return Worded(unit.events, self.profile.kernel)

    def trace(self, count: int | None) -> Worded:
        """See :meth:`Backend.trace`."""
        return Worded(self.machine.trace.last(count), self.profile.kernel)

    # -- history ------------------------------------------------------------------------------

    def commit(self) -> Unit:
        """See :meth:`Backend.commit`."""
        guest, machine = self._guest, self.machine
        taken = NONE if guest.total == self._total else guest.last
        self._total = guest.total
        change = machine.memory.commit()
        events, lost = machine.trace.commit()
        return Unit(change, events, lost, taken, self._news())

    def _news(self) -> tuple[str, ...]:
        """Return the reports and the lines of the log that have not been told yet."""
        reports = self.machine.memory.reports
        made, log = self._told
        if reports.made is made and reports.log is log:
            return ()
        self._told = reports.made, reports.log
        return (*map(str, reports.made[len(made) :]), *reports.log[len(log) :])

    def rewind(self, unit: Unit) -> None:
        """See :meth:`Backend.rewind`."""
        self.machine.memory.revert(unit.change)
        self.machine.trace.revert(unit.events, unit.lost)
        self._recount()

    def replay(self, unit: Unit) -> None:
        """See :meth:`Backend.replay`."""
        self.machine.memory.reapply(unit.change)
        self.machine.trace.reapply(unit.events, unit.lost)
        self._recount()

    def _recount(self) -> None:
        """Take what there is now as told: news and vectors of a unit are what comes after it."""
        reports = self.machine.memory.reports
        self._total, self._told = self._guest.total, (reports.made, reports.log)
