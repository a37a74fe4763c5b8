"""Laws of a session over random sequences of commands, in auto and in manual."""

from __future__ import annotations

import json
import re

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kvmlab.backends.observe import observe
from kvmlab.engine.machine import Machine
from kvmlab.language.commands import COMMANDS
from kvmlab.language.errors import LanguageError
from kvmlab.result import Result
from kvmlab.snapshot import Snapshot, from_json, to_json
from tests.engine.lab import Lab, fresh
from tests.sayings import CALLS, ENDS, MOVES, ROUTED, SERVED, in_turn, sequences

law = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

EXAMPLES = st.sampled_from(
    [example for spec in COMMANDS.values() for example in spec.examples if not spec.interactive_only]
)
OF_A_VM = ("irqfd", "eoifd", "irq_source", "ioeventfd", "routes")


def tell(lab: Lab, line: str) -> list[Result]:
    """Say a line; wrong text is no result."""
    try:
        return lab.say(line)
    except LanguageError:
        return []


def told(lines: tuple[str, ...]) -> Lab:
    """Return the lab in which lines were said."""
    lab = Lab()
    for line in lines:
        tell(lab, line)
    return lab


def stopped(machine: Machine) -> bool:
    """Tell whether a context will never go on: the VM it works for can't be let go then."""
    return any(context.stopped for context in machine.contexts.all())


def let_go(lab: Lab) -> None:
    """Let everybody come to an end, release the VM and close every descriptor."""
    lab.say("auto")
    for _ in range(3):
        for name in lab.machine.contexts.names:
            if not name.startswith("user") or name == "user":
                lab.say(f"finish {name}")
    lab.say("release; close a b c d")


@law
@given(sequences(in_turn(ROUTED, ROUTED, MOVES, ENDS, EXAMPLES)))
def test_nothing_leaves_a_session_but_wrong_text(lines: tuple[str, ...]) -> None:
    """A command is performed or is wrong text; each result is an integer, "none" or nothing."""
    lab = Lab()
    for line in lines:
        for result in tell(lab, line):
            assert isinstance(result.ret, int) or result.ret in (None, "none")
            assert result.ret == -1 or not result.errno
            assert not result.errno or result.why
    assert lab.snapshot().kernel == "linux-3.6"


@law
@given(sequences(in_turn(ROUTED, ROUTED, MOVES, ENDS)))
def test_what_is_frozen_is_what_is_there(lines: tuple[str, ...]) -> None:
    """After every command each object's cached value is the value read anew: no change went unsaid.

    And the picture that keeps the parts of the one before is the picture taken anew.
    """
    lab = Lab()
    for line in lines:
        tell(lab, line)
        memory = lab.machine.memory
        held = {**memory.objects, **memory.quarantine}
        assert {handle: obj.freeze() for handle, obj in held.items()} == fresh(lab.machine)
        seen = lab.snapshot()
        assert seen == observe(lab.machine, seen.last)


SET_IRQ = re.compile(r"kvm_set_irq: gsi (\d+) level (\d) source (\d+)")


@law
@given(sequences(CALLS))
def test_a_line_is_the_or_of_its_sources(lines: tuple[str, ...]) -> None:
    """A pin and an 8259 input hold the sources that last raised their GSI and were not freed since."""
    lab = Lab()
    raised: set[tuple[int, int]] = set()
    for line in lines:
        for result in tell(lab, line):
            for event in map(SET_IRQ.match, result.events):
                if event:
                    gsi, level, source = map(int, event.groups())
                    (set.add if level else set.discard)(raised, (gsi, source))
        snapshot = lab.snapshot()
        assert snapshot.ioapic is not None and snapshot.sources is not None
        raised = {(gsi, source) for gsi, source in raised if source in snapshot.sources.used}
        for gsi in SERVED:
            asserting = {source for pin, source in raised if pin == gsi}
            assert set(snapshot.ioapic.pins[gsi].sources or ()) == asserting
            assert snapshot.ioapic.pins[gsi].line == int(bool(asserting))
            assert lab.machine.pic.irq_states[gsi % 16] == sum(1 << n for n in asserting) or gsi > 15


@law
@given(sequences(in_turn(ROUTED, ROUTED, MOVES, MOVES, st.just("release"))))
def test_a_freed_source_asserts_nothing(lines: tuple[str, ...]) -> None:
    """While nobody is freeing one, no pin and no 8259 input has the bit of an id that is free."""
    lab = Lab()
    for line in lines:
        tell(lab, line)
        if not lab.machine.memory.objects["locks"].load("mutex"):
            used = lab.machine.memory.objects["irq-sources"].load("bitmap")
            states = (*lab.machine.ioapic.irq_states, *lab.machine.pic.irq_states)
            assert [state for state in states if state & ~used] == []


@law
@given(sequences(in_turn(ROUTED, ROUTED, MOVES, MOVES, st.just("release"))))
def test_references_balance_when_the_vm_is_released(lines: tuple[str, ...]) -> None:
    """After the last call, the release and the last close nothing is alive, and nothing was leaked."""
    lab = told(lines)
    let_go(lab)
    machine = lab.machine
    assume(not stopped(machine))
    leaks = [
        report for report in machine.memory.reports.made if report.kind in ("leak", "refcount", "double-free")
    ]
    assert leaks == []
    assert [handle for kind in OF_A_VM for handle in machine.memory.alive(kind)] == []
    assert machine.memory.objects["vm"].load("refs") == 0
    assert machine.memory.alive("file") == []
    assert machine.memory.alive("eventfd") == []


@law
@given(sequences(in_turn(ROUTED, ROUTED, MOVES, st.just("release"))))
def test_undo_then_redo_gives_an_equal_snapshot(lines: tuple[str, ...]) -> None:
    """Everything undone is the machine as it was made; everything done again is where it was."""
    lab = told(lines)
    made = Lab(lines[0])
    before, trace, history = lab.snapshot(), lab.machine.trace.last(), lab.one("history").output
    state = fresh(lab.machine)
    lab.say(f"undo {len(lab.session.history) or 1}")
    assert lab.snapshot() == made.snapshot()
    assert fresh(lab.machine) == fresh(made.machine)
    assert lab.machine.trace.last() == made.machine.trace.last() == []
    lab.say(f"redo {len(lab.session.history) or 1}")
    assert lab.snapshot() == before
    assert fresh(lab.machine) == state
    assert lab.machine.trace.last() == trace
    assert lab.one("history").output == history


@law
@given(sequences(in_turn(ROUTED, ROUTED, MOVES, ENDS)), st.data())
def test_undo_and_redo_walk_through_the_same_snapshots(lines: tuple[str, ...], data: st.DataObject) -> None:
    """Every unit of history has one snapshot, whichever way it is come to."""
    lab = Lab()
    seen: dict[int, Snapshot] = {}
    for text in (part for line in lines for part in ([line] if "actor" in line else line.split(";"))):
        tell(lab, text)
        history = lab.session.history
        if history.position == len(history):
            seen = {at: snapshot for at, snapshot in seen.items() if at < history.position}
            seen[history.position] = lab.snapshot()
    for place in data.draw(st.lists(st.sampled_from(sorted(seen)), max_size=5)):
        lab.session.history.goto(lab.session, place)
        assert lab.snapshot() == seen[place]


@law
@given(sequences(in_turn(ROUTED, ROUTED, MOVES, ENDS)))
def test_the_same_sequence_gives_the_same_machine(lines: tuple[str, ...]) -> None:
    """Two sessions that are told the same have equal snapshots, traces and answers."""
    first, second = Lab(), Lab()
    for line in lines:
        answers, again = tell(first, line), tell(second, line)
        assert [(r.ret, r.errno, r.why, list(r.events)) for r in answers] == [
            (r.ret, r.errno, r.why, list(r.events)) for r in again
        ]
    assert first.snapshot() == second.snapshot()
    assert first.machine.trace.last() == second.machine.trace.last()


@law
@given(sequences(in_turn(ROUTED, ROUTED, MOVES)))
def test_a_snapshot_survives_json(lines: tuple[str, ...]) -> None:
    """A snapshot written as JSON and read back is equal to it."""
    snapshot = told(lines).snapshot()
    assert from_json(json.loads(json.dumps(to_json(snapshot)))) == snapshot


@law
@given(sequences(in_turn(ROUTED, ROUTED, MOVES)))
def test_looking_changes_nothing(lines: tuple[str, ...]) -> None:
    """A snapshot, an expectation and `info` leave every object as it was."""
    lab = told(lines)
    state = fresh(lab.machine)
    lab.snapshot()
    lab.say("expect reports == 0; info contexts; info irqfds; trace 3; contexts; caps; never last.ret == 99")
    assert fresh(lab.machine) == state
