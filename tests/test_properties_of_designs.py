"""Laws of a session on every kernel, under every design and switch, with every kind of device."""

from __future__ import annotations

import json

from hypothesis import given

from kvmlab.backends.observe import observe
from kvmlab.snapshot import from_json, to_json
from tests.engine.lab import Lab, fresh
from tests.sayings import DESIGNED, ENDS, MOVES, designed, in_turn
from tests.test_properties import law, tell, told

SAID = designed(in_turn(DESIGNED, DESIGNED, DESIGNED, MOVES, ENDS))


@law
@given(SAID)
def test_nothing_leaves_a_session_and_no_change_goes_unsaid(lines: tuple[str, ...]) -> None:
    """Every result is one; each object's cached value is the value read anew; a snapshot survives JSON."""
    lab = Lab()
    for line in lines:
        for result in tell(lab, line):
            assert isinstance(result.ret, int) or result.ret in (None, "none")
            assert result.ret == -1 or not result.errno
            assert not result.errno or result.why
        memory = lab.machine.memory
        held = {**memory.objects, **memory.quarantine}
        assert {handle: obj.freeze() for handle, obj in held.items()} == fresh(lab.machine)
        seen = lab.snapshot()
        assert seen == observe(lab.machine, seen.last)
    snapshot = lab.snapshot()
    assert from_json(json.loads(json.dumps(to_json(snapshot)))) == snapshot


@law
@given(SAID)
def test_undo_and_redo_are_exact(lines: tuple[str, ...]) -> None:
    """Everything undone is the machine as it was made; everything done again is where it was."""
    lab, made = told(lines), told(lines[:1])
    before, state, history = lab.snapshot(), fresh(lab.machine), lab.session.history
    at = history.position
    history.goto(lab.session, 0)
    assert lab.snapshot() == made.snapshot()
    assert fresh(lab.machine) == fresh(made.machine)
    history.goto(lab.session, at)
    assert lab.snapshot() == before
    assert fresh(lab.machine) == state


@law
@given(SAID)
def test_the_same_sequence_gives_the_same_machine(lines: tuple[str, ...]) -> None:
    """Two sessions that are told the same have equal snapshots and traces."""
    first, second = told(lines), told(lines)
    assert first.snapshot() == second.snapshot()
    assert first.machine.trace.last() == second.machine.trace.last()
