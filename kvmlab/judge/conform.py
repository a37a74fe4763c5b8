"""Is the model true? Recorded behaviour replayed on a machine, every recorded field compared.

Each trace gets a fresh machine in its reset state, its operations go through the same methods
that commands use, and after each one the return value, the whole recorded state, the
acknowledgements and the tracepoint texts are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from kvmlab.engine.abi import ENOENT
from kvmlab.engine.chips.irq_source import IRQ_SOURCES, IrqSources
from kvmlab.engine.chips.pic_chip import Registers
from kvmlab.engine.chips.routing import ROUTING, Routing, kvm_set_irq
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path as KernelPath
from kvmlab.engine.kernel.path import path
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from kvmlab.engine.tracetext import format_event
from kvmlab.judge.recording import Recording, Step, read

TEXT_EVENTS = frozenset(
    {
        "kvm_set_irq",
        "kvm_ioapic_set_irq",
        "kvm_pic_set_irq",
        "kvm_apic_accept_irq",
        "kvm_msi_set_irq",
        "kvm_apic_ipi",
        "kvm_eoi",
        "kvm_ack_irq",
    }
)
"""Tracepoints whose texts are recorded."""

MISSING = "(not visible)"
"""What stands for a recorded field that the machine does not show."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where a machine first differs from its recording."""

    trace: str
    step: int
    op: str
    field: str
    recorded: Any
    seen: Any

    def __str__(self) -> str:
        where = f"{self.trace}, step {self.step} ({self.op}), {self.field}"
        return f"{where}: recorded {_shown(self.recorded)}, seen {_shown(self.seen)}"


@dataclass(slots=True)
class Result:
    """What was compared in how much of a file, and where it differed.

    ``divergences`` has the first one of each trace, which is not replayed any further.
    """

    traces: int = 0
    steps: int = 0
    fields: int = 0
    steps_agreed: int = 0
    fields_agreed: int = 0
    divergences: list[Divergence] = field(default_factory=list)

    @property
    def traces_agreed(self) -> int:
        """How many traces agreed from beginning to end."""
        return self.traces - len(self.divergences)

    def summary(self) -> str:
        """Return one line: how many traces, steps and fields agreed."""
        return (
            f"{self.traces_agreed} of {self.traces} traces, {self.steps_agreed} of {self.steps} steps, "
            f"{self.fields_agreed} of {self.fields} fields agreed"
        )


def conform(file: str | Path, only: Callable[[str], bool] = lambda _name: True) -> Result:
    """Replay a file of recordings, or those of its traces whose name ``only`` accepts.

    Raises BadRecording, with file and line, for a file that cannot be replayed.
    """
    result = Result()
    for recording in read(Path(file)):
        if only(recording.name):
            replay(recording, result)
    return result


def replay(recording: Recording, result: Result) -> None:
    """Replay one trace up to its first divergence and add to a result what was compared."""
    result.traces += 1
    subject = Subject(recording)
    recorded: dict[str, Any] = {}
    for number, step in enumerate(recording.steps):
        result.steps += 1
        mark = subject.machine.trace.mark()
        ret = OPERATIONS[step.op](subject, *step.args)
        recorded.update(step.obs)
        seen = observe(subject.machine)
        pairs = [
            ("ret", step.ret, ret),
            *[(name, value, seen.get(name, MISSING)) for name, value in recorded.items()],
        ]
        pairs += subject.acknowledged(step)
        if recording.text is not None:
            events = [event for event in subject.machine.trace.since(mark) if event[0] in TEXT_EVENTS]
            pairs += _text_pairs(recording.text[number], [format_event(event) for event in events])
        differing = [pair for pair in pairs if pair[1] != pair[2]]
        result.fields += len(pairs)
        result.fields_agreed += len(pairs) - len(differing)
        if differing:
            result.divergences.append(Divergence(recording.name, number, step.op, *differing[0]))
            return
        result.steps_agreed += 1


def _text_pairs(recorded: tuple[str, ...], seen: list[str]) -> Iterator[tuple[str, Any, Any]]:
    for number, (line, own) in enumerate(zip_longest(recorded, seen, fillvalue="(nothing)")):
        yield f"trace.{number}", line, own


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "{" + ", ".join(map(_shown, value)) + "}"
    return hex(value) if isinstance(value, int) and not -1024 <= value < 10 else str(value)


# -- the machine under test, and the operations of a recording -----------------------------------


class Listener(Object):
    """An ack notifier of a recording: it notes its GSI, and may lower a source's line.

    ``heard`` is where it notes it; a source of -1 lowers nothing.
    """

    __slots__ = ("gsi", "heard", "irq_source_id")
    FIELDS = ("gsi", "irq_source_id")
    KIND = "listener"

    def __init__(self, gsi: int, irq_source_id: int, heard: list[int]) -> None:
        super().__init__()
        self.gsi, self.irq_source_id, self.heard = gsi, irq_source_id, heard

    def hear(self) -> tuple[int, int]:
        """Note the GSI; return it and the source to lower."""
        self.heard.append(self.gsi)
        return self.gsi, self.irq_source_id


@path
def conform_irq_acked(profile: Profile, listener: str) -> KernelPath[None]:
    """Note an acknowledgement, then lower the line for the listener's source if it has one."""
    gsi, irq_source_id = yield (Listener.hear, listener)
    if irq_source_id >= 0:
        yield from kvm_set_irq(profile, irq_source_id, gsi, 0)


class Subject:
    """A fresh machine for one recording, and the acknowledgements its listeners heard."""

    def __init__(self, recording: Recording) -> None:
        self.machine = Machine(
            Profile(
                kernel=recording.kernel,
                vcpus=recording.vcpus,
                pit=recording.pit,
                x2apic=recording.x2apic,
                bare=True,
            )
        )
        self.heard: list[int] = []
        self.hears = bool(recording.steps) and recording.steps[0].acks is not None

    def acknowledged(self, step: Step) -> list[tuple[str, Any, Any]]:
        """Return the acknowledgements recorded and heard in a step, if they are recorded at all."""
        heard = list(self.heard)
        self.heard.clear()
        return [("acks", list(step.acks or ()), heard)] if self.hears else []

    def listen(self, gsi: int, irq_source_id: int = -1) -> int:
        """Register a listener on a GSI."""
        listener = self.machine.memory.alloc("listener", Listener(gsi, irq_source_id, self.heard))
        self.machine.call("user", "kvm_register_irq_ack_notifier", gsi, conform_irq_acked.__name__, listener)
        return 0

    def unlisten(self, gsi: int) -> int:
        """Remove a GSI's newest listener; -ENOENT if it has none."""
        routing = self.machine.memory.objects[ROUTING]
        assert isinstance(routing, Routing)
        for of, callback, listener in routing.ack_notifiers:
            if of == gsi:
                self.machine.call("user", "kvm_unregister_irq_ack_notifier", callback, listener)
                return 0
        return -ENOENT

    def free_source(self, irq_source_id: int) -> int:
        """Give a source id back, which returns nothing."""
        self.machine.kvm_free_irq_source_id(irq_source_id)
        return 0


OPERATIONS: dict[str, Callable[..., Any]] = {
    "mmio_write": lambda subject, *args: subject.machine.mmio_write(*args),
    "mmio_read": lambda subject, *args: subject.machine.mmio_read(*args),
    "pio_write": lambda subject, *args: subject.machine.pio_write(*args),
    "pio_read": lambda subject, *args: subject.machine.pio_read(*args),
    "source_new": lambda subject: subject.machine.kvm_request_irq_source_id(),
    "source_free": Subject.free_source,
    "set_irq": lambda subject, *args: subject.machine.kvm_set_irq(*args),
    "msi": lambda subject, *args: subject.machine.signal_msi(*args),
    "set_routing": lambda subject, entries: subject.machine.set_gsi_routing(entries, 0),
    "ack_listen": Subject.listen,
    "ack_deassert": Subject.listen,
    "ack_unlisten": Subject.unlisten,
    "take": lambda subject, vcpu: subject.machine.get_interrupt(vcpu),
    "eoi": lambda subject, vcpu: subject.machine.eoi(vcpu),
}
"""By operation: what is called with the subject and the arguments of the step."""


# -- what is seen of a machine, under the names of a recording -------------------------------------

_LAPIC_FIELDS = {
    **{name: name for name in ("tpr", "ppr", "spiv", "ldr", "dfr", "id", "lvr", "icr", "icr2", "nmi")},
    "arb": "arb_prio",
    "mp": "mp_state",
}


def observe(machine: Machine) -> dict[str, Any]:
    """Return the state of a machine's chips and sources as a recording's dotted fields."""
    ioapic, pic = machine.ioapic, machine.pic
    seen: dict[str, Any] = {
        "ioapic.regsel": ioapic.ioregsel,
        "ioapic.id": ioapic.id,
        "ioapic.irr": ioapic.irr,
        "pic.master.output": pic.output,
    }
    for pin, entry in enumerate(ioapic.redirtbl):
        seen[f"ioapic.redir.{pin}"] = entry
    for number, lapic in enumerate(machine.lapics):
        prefix = f"lapic.{number}."
        for name, attribute in _LAPIC_FIELDS.items():
            seen[prefix + name] = getattr(lapic, attribute)
        for name in ("irr", "isr", "tmr"):
            seen[prefix + name] = _bits(getattr(lapic, name))
        seen[prefix + "lvt0"] = lapic.lvt[3]
    for name, registers in (("master", pic.master), ("slave", pic.slave)):
        for register, value in zip(Registers._fields, registers, strict=True):
            seen[f"pic.{name}.{register}"] = value
    sources = machine.memory.objects[IRQ_SOURCES]
    assert isinstance(sources, IrqSources)
    seen["sources"] = _bits(sources.bitmap)
    return seen


def _bits(value: int) -> list[int]:
    return [bit for bit in range(value.bit_length()) if value >> bit & 1]
