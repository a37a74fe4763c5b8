"""Scenarios that together run every path of the engine, and a driver that moves them op by op.

A scenario is a machine, what has happened to it before, and calls that several contexts make at
once. Which context moves next depends only on the state and on how many ops have run, so that a
run can be taken up again at any op.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kvmlab.engine.kernel.contexts import Call
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Op, Path, path
from kvmlab.engine.kernel.workqueue import QUEUES
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from tests.engine.lab import Lab

Policy = Callable[[list[str], int], str]
"""Which of the contexts that can go on moves, by the number of ops run so far."""

POLICIES: dict[str, Policy] = {
    "first": lambda names, _op: names[0],
    "last": lambda names, _op: names[-1],
    "in-turn": lambda names, op: names[op % len(names)],
}


class Notebook(Object):
    """Notes the masks that a mask notifier of the tests was told of."""

    __slots__ = ("notes",)
    FIELDS = ("notes",)

    def __init__(self) -> None:
        super().__init__()
        self.notes: tuple[int, ...] = ()

    def note(self, mask: int) -> None:
        """Add a note."""
        self.changed()
        self.notes = (*self.notes, mask)


@path
def note_mask(profile: Profile, notebook: str, mask: int) -> Path[None]:
    """A mask notifier that writes down what it is told."""
    yield (Notebook.note, notebook, mask)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is said in auto (``before``), then in manual (``acts``): text, or a context and its call."""

    before: tuple[str, ...]
    acts: tuple[str | tuple[str, Call], ...]


LEVEL_PAIR = (
    "machine vcpus=2",
    "eventfd trigger; eventfd unmask",
    "ioapic 11 vector=0x41 level unmasked",
    "irqfd trigger gsi=11 level; eoifd unmask key=trigger level",
)

SCENARIOS: dict[str, Scenario] = {
    "the life of an eventfd": Scenario(
        ("machine",),
        ("actor a: eventfd tick count=0x1ffffffff; write tick 3; poll tick; read tick; read tick; close tick",),
    ),
    "a semaphore with two names": Scenario(
        ("machine", "eventfd tick semaphore count=2"),
        ("actor a: dup tick tock; close tick; read tock; close tock", "actor b: read tick; write tick"),
    ),
    "a reader sleeps until a write": Scenario(
        ("machine", "eventfd tick blocking"), ("actor reader: read tick", "actor writer: write tick 2")
    ),
    "a writer sleeps until a read": Scenario(
        ("machine", "eventfd tick blocking count=0xfffffffffffffffe"),
        ("actor writer: write tick 2", "actor reader: read tick"),
    ),
    "assign an edge irqfd that was signalled": Scenario(
        ("machine", "eventfd trigger count=1", "ioapic 5 vector=0x35 unmasked"), ("irqfd trigger gsi=5",)
    ),
    "assign a level irqfd": Scenario(("machine", "eventfd trigger"), ("irqfd trigger gsi=11 level",)),
    "assign an eventfd twice": Scenario(LEVEL_PAIR, ("irqfd trigger gsi=12 level",)),
    "assign an eventfd that is no fd": Scenario(("machine",), ("ioctl irqfd fd=-1 gsi=3 flags=2",)),
    "assign and refuse eoifds": Scenario(
        (*LEVEL_PAIR, "eventfd other; irqfd other gsi=12 level"),
        ("actor a: eoifd unmask key=other level; eoifd other key=trigger level; eoifd other key=9 level",),
    ),
    "an edge pulse while the vcpu takes": Scenario(
        ("machine", "eventfd trigger", "ioapic 5 vector=0x35 unmasked", "irqfd trigger gsi=5"),
        ("write trigger", "actor cpu: take vcpu=0; eoi vcpu=0"),
    ),
    "a second request during the EOI": Scenario(
        (*LEVEL_PAIR, "write trigger", "take"), ("write trigger", "eoi", "actor other: read unmask")
    ),
    "deassign while the inject work is queued": Scenario(
        (*LEVEL_PAIR, "manual", "write trigger", "finish user"),
        ("irqfd trigger gsi=11 deassign", "actor other: eoifd unmask key=trigger level deassign"),
    ),
    "close, deassign, end and assign at once": Scenario(
        (*LEVEL_PAIR, "eventfd next", "write trigger", "take"),
        (
            "actor a: close trigger",
            "actor b: eoifd unmask key=trigger level deassign",
            "eoi",
            "actor c: irqfd next gsi=11 level; close unmask",
        ),
    ),
    "close both while the EOI runs": Scenario(
        (*LEVEL_PAIR, "write trigger", "take"), ("actor a: close trigger unmask", "eoi")
    ),
    "an ioeventfd comes and goes": Scenario(
        ("machine", "eventfd kick", "eventfd tock"),
        (
            "actor a: ioeventfd kick addr=0xfe000000 len=4; ioeventfd tock addr=0xfe000000 len=4 datamatch=3; "
            "ioeventfd tock addr=0x70 len=1 pio datamatch=7; ioeventfd kick addr=0xfe000000 len=4 deassign; "
            "ioeventfd kick addr=0xfe000000 len=4 deassign",
            "actor cpu: mmio write 0xfe000000 1; pio write 0x70 7; mmio read 0xfe000000; pio read 0x70",
        ),
    ),
    "routes change under a reader": Scenario(
        (*LEVEL_PAIR, "write trigger", "take", "eventfd msi", "route 24 msi:0xfee00000:0x51", "irqfd msi gsi=24"),
        ("route 24 none", "eoi", "actor a: write msi; irq-line gsi=24 level=1; routes default"),
    ),
    "an MSI through the routing table": Scenario(
        ("machine", "route 24 msi:0xfee00000:0x51"), ("actor a: irq-line gsi=24 level=1; line 24 0; msi addr=0xfee00000 data=0x52",)
    ),
    "release with everything assigned": Scenario(
        ("machine vcpus=2 pit", *LEVEL_PAIR[1:], "eventfd kick; ioeventfd kick addr=0x70 len=1 pio", "write trigger"),
        ("release", "actor a: write trigger; irqfd trigger gsi=11 deassign"),
    ),
    "release while an ioctl runs": Scenario(
        ("machine", "eventfd trigger"), ("actor a: irqfd trigger gsi=11 level", "actor b: release")
    ),
    "PITs and lines": Scenario(("machine",), (("user", ("vm_ioctl", ("kvm_create_pit",))), "actor a: line 4 1; line 4 0")),
    "the 8259 pair by hand": Scenario(
        ("machine", "pio write 0x21 0xf8; pio write 0xa1 0; line 9 1; line 9 0"),
        ("actor cpu: take vcpu=0; pio write 0xa0 0x20; pio write 0x20 0x62; pio read 0x21; pio write 0x20 0x0c; pio read 0x20",),
    ),
    "the 8259 pair ends by itself": Scenario(
        (
            "machine bare", "pio write 0x20 0x11; pio write 0x21 0x30; pio write 0x21 4; pio write 0x21 3",
            "pio write 0xa0 0x11; pio write 0xa1 0x38; pio write 0xa1 2; pio write 0xa1 3", "line 9 1",
        ),
        ("take",),
    ),
    "an 8259 handler ends both chips": Scenario(
        ("machine", "pio write 0x21 0xf8; pio write 0xa1 0; line 9 1; take"), (("vcpu0", ("guest_pic_eoi", (0,))),)
    ),
    "x2APIC registers": Scenario(
        ("machine x2apic", "msr write 0x1b 0xfee00d00"),
        ("actor cpu: msr write 0x830 0x44061; take vcpu=0; msr read 0x830; msr read 0x802; msr write 0x80b 0; msr write 0x7 0; msr read 7",),
    ),
    "an IPI by MMIO": Scenario(
        ("machine vcpus=2",),
        ("actor cpu: mmio write 0xfee00310 0x1000000; mmio write 0xfee00300 0x61", "actor other: take vcpu=1; eoi vcpu=1"),
    ),
    "registers are read": Scenario(
        ("machine",), ("actor cpu: mmio read 0xfee00020; mmio read 0xfec00010; tpr 0x20; cli; take; sti",)
    ),
    "a handler that wakes a thread": Scenario(
        ("machine", "eventfd tick", "actor thread: write tick", "manual", "finish thread"),
        (
            ("vcpu0", ("guest_wake", (0, "thread"))),
            ("user", ("vcpu_set_handler", (0, 0x41, "eoi", (("mmio_write", (0, 0xFEE000B0, 4, 0)),)))),
        ),
    ),
    "mask notifiers of the IOAPIC": Scenario(
        ("machine",),
        (
            ("user", ("kvm_register_irq_mask_notifier", (11, "note_mask", "notebook"))),
            "actor cpu: ioapic 11 unmasked; ioapic 11 masked",
        ),
    ),
    "a mask notifier goes while it runs": Scenario(
        ("machine",),
        (
            ("user", ("kvm_unregister_irq_mask_notifier", ("note_mask", "notebook"))),
            "actor cpu: ioapic 11 unmasked; pio write 0x21 0",
        ),
    ),
}  # fmt: skip
"""By name: a claim on what is going on. None depends on another."""


class Stage:
    """A scenario under way: the lab it plays in and how many ops have run since the acts began."""

    def __init__(self, scenario: Scenario) -> None:
        self.lab = Lab()
        self.ops = 0
        for line in scenario.before:
            self.lab.say(line)
            if "notebook" not in self.machine.memory.objects:
                self.machine.memory.place("notebook", Notebook())
        if ("user", ("kvm_unregister_irq_mask_notifier", ("note_mask", "notebook"))) in scenario.acts:
            self.machine.call("user", "kvm_register_irq_mask_notifier", 11, "note_mask", "notebook")
        self.lab.say("manual")
        for act in scenario.acts:
            if isinstance(act, str):
                self.lab.say(act)
            else:
                self.machine.submit(*act)
        self.lab.session.backend.commit()

    @property
    def machine(self) -> Machine:
        """The machine of the scenario."""
        return self.lab.machine

    def runnable(self, machine: Machine) -> list[str]:
        """Return the contexts that can go on, in the order they were made."""
        contexts = machine.contexts
        return [name for name in contexts.names if contexts.next_op(name) and contexts.blocked(name) is None]

    def run(self, machine: Machine, policy: Policy, start: int = 0) -> None:
        """Let a machine go on, as after ``start`` ops, until nothing can."""
        ops = start
        while names := self.runnable(machine):
            machine.contexts.step(policy(names, ops))
            ops += 1


@dataclass(slots=True)
class Made:
    """One call that a context made: the ops it yielded and the values it received."""

    call: Call
    ops: list[Op]
    values: list[Any]


def call_of(machine: Machine, name: str) -> Call:
    """Return the call that a context stands in or is about to begin."""
    context = machine.contexts.get(name)
    if context.at is not None:
        return context.at.call
    return ("process_one_work", (QUEUES[name],)) if name in QUEUES else context.calls[0]


def record(stage: Stage, policy: Policy) -> list[Made]:
    """Run a scenario to its end and return every call that was made in it."""
    machine = stage.machine
    made: list[Made] = []
    under_way: dict[str, Made] = {}
    ops = 0
    while names := stage.runnable(machine):
        name = policy(names, ops)
        if name not in under_way:
            under_way[name] = Made(call_of(machine, name), [], [])
            made.append(under_way[name])
        here, op = under_way[name], machine.contexts.next_op(name)
        assert op is not None
        here.ops.append(op)
        machine.contexts.step(name)
        place = machine.contexts.get(name).at
        if place is None:
            del under_way[name]
        else:
            here.values = place.received()
        ops += 1
    return made
