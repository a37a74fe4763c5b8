"""The model behind the backend's protocol: verbs to paths, who stands where, and time."""

from __future__ import annotations

from typing import Any

import pytest

from kvmlab.backends.backend import NONE, Answer, Backend, Planned, Refused
from kvmlab.backends.model import VERBS, Model
from kvmlab.engine.kernel.path import PATHS
from kvmlab.engine.profile import Profile
from kvmlab.language.commands import COMMANDS
from kvmlab.language.verbs.guest import ACTIONS
from tests.engine.lab import Lab, fresh


@pytest.fixture
def model() -> Model:
    """Return a model with an eventfd called `a`."""
    model = Model(Profile(vcpus=2))
    model.perform("eventfd", {"name": "a", "count": 0, "semaphore": False, "blocking": False})
    model.commit()
    return model


def nobody() -> None:
    """Watch nothing."""


def write(model: Model, value: int = 1) -> Answer:
    """Write to `a`."""
    return model.perform("write", {"name": "a", "value": value})


def test_it_is_a_backend(model: Model) -> None:
    """A session needs no more than the protocol says."""
    backend: Backend = model
    assert backend.profile.vcpus == 2


def test_every_verb_is_a_path() -> None:
    """The path that a verb names is registered."""
    assert [verb for verb, spec in VERBS.items() if spec.path not in PATHS] == []


def test_every_call_of_the_language_is_a_verb() -> None:
    """What the language says an actor can do, and each action of a handler, the model can do."""
    calls = {
        spec.ioctl or verb for verb, spec in COMMANDS.items() if spec.is_call and spec.unit and spec.ready
    }
    actions = set(ACTIONS)
    assert sorted(calls - {"handler"} - set(VERBS)) == []
    assert sorted(actions - set(VERBS)) == []


def test_an_errno_is_minus_one_with_a_name_and_a_reason(model: Model) -> None:
    """As libc returns it; the sentence is the kernel function's."""
    answer = model.perform("read", {"name": "a"})
    assert (answer.ret, answer.errno) == (-1, "EAGAIN")
    assert answer.why == "the counter is 0, and the fd does not block"


def test_a_status_of_minus_one_is_no_errno(model: Model) -> None:
    """kvm_set_irq's "ignored" is a result; with a real errno it is told apart."""
    assert model.perform("irq-line", {"irq": 1000, "level": 1}) == Answer(-1)
    model.perform("release", {})
    assert model.perform("irq-line", {"irq": 1000, "level": 1}).errno == "EBADF"
    bare = Model(Profile(without=frozenset({"irqchip"})))
    assert bare.perform("irq-line", {"irq": 1, "level": 1}).errno == "ENXIO"


def test_taking_nothing_is_none(model: Model) -> None:
    """Not 0, which could be a vector."""
    assert model.perform("take", {"vcpu": 0}) == Answer(NONE)


def test_manual_answers_where_the_call_stands(model: Model) -> None:
    """At its first op, and at the next one after each step; the last step has the result."""
    model.set_manual(manual=True)
    assert write(model) == Answer(NONE, "", "user stands at userspace.fd(a)")
    assert model.step("user", 1, nobody).why == "user stands at fds.eventfd_fget(7)"
    assert model.step("user", 2, nobody).why == "user stands at eventfd#1.write(1)"
    assert model.step("user", 9, nobody) == Answer(0, of="write")
    assert model.step("user", 1, nobody).why == "user has nothing to do"


def test_steps_go_on_from_call_to_call(model: Model) -> None:
    """The answer is the last call's if the last step ended one; each op is watched."""
    model.actor("x", [Planned("write", {"name": "a", "value": 1}), Planned("read", {"name": "a"})])
    ops: list[int] = []
    assert model.step("x", 6, lambda: ops.append(1)) == Answer(0, of="write")
    assert model.step("x", 1, lambda: ops.append(1)).ret == NONE
    assert model.step("x", 100, lambda: ops.append(1)) == Answer(1, of="read")
    assert len(ops) == 12
    assert model.step("x", 1, lambda: ops.append(1)).why == "x has nothing to do"
    assert len(ops) == 12


def test_finish_goes_to_the_end_of_all_calls(model: Model) -> None:
    """An actor's last result is the answer; one that is blocked says by what."""
    model.actor("x", [Planned("write", {"name": "a", "value": 1}), Planned("read", {"name": "a"})])
    assert model.finish("x", nobody) == Answer(1, of="read")
    model.actor("x", [Planned("write", {"name": "a", "value": 1})])
    model.set_manual(manual=True)
    write(model)
    model.step("user", 3, nobody)
    assert model.finish("x", nobody).why.endswith("eventfd#1.wqh.lock is held by user")


@pytest.mark.parametrize("method", ["step", "finish"])
def test_an_unknown_context_is_refused(model: Model, method: str) -> None:
    """With the names there are."""
    arguments: tuple[Any, ...] = ("ghost", 1, nobody) if method == "step" else ("ghost", nobody)
    with pytest.raises(Refused, match=r"no context is called ghost; .*user.*irqfd-cleanup"):
        getattr(model, method)(*arguments)


def test_a_second_call_of_a_context_is_refused(model: Model) -> None:
    """While it stands in one; the other contexts go on."""
    model.set_manual(manual=True)
    write(model)
    with pytest.raises(Refused, match="user stands in user_write; 'finish user' first"):
        write(model)
    assert model.perform("take", {"vcpu": 1}).why.startswith("vcpu1 stands at")


def test_an_actor_is_one_thread_or_one_vcpu(model: Model) -> None:
    """Calls of the process and of a guest do not mix."""
    with pytest.raises(Refused, match="an actor is one thread, one vCPU or one device: user, vcpu1"):
        model.actor("x", [Planned("read", {"name": "a"}), Planned("take", {"vcpu": 1})])
    with pytest.raises(Refused):
        model.actor("x", [Planned("take", {"vcpu": 0}), Planned("take", {"vcpu": 1})])


def test_rewind_and_replay_are_a_units_inverse(model: Model) -> None:
    """State and trace; the tracepoints since the last commit are the unit's."""
    before = fresh(model.machine)
    model.perform("irq-line", {"irq": 11, "level": 1})
    unit = model.commit()
    after, trace = fresh(model.machine), list(model.trace(None))
    assert list(model.events(unit)) == trace != []
    model.rewind(unit)
    assert (fresh(model.machine), list(model.trace(None))) == (before, [])
    model.replay(unit)
    assert (fresh(model.machine), list(model.trace(None))) == (after, trace)


def test_the_newest_tracepoints_are_worded(model: Model) -> None:
    """All of them, or the last so many."""
    model.perform("irq-line", {"irq": 11, "level": 1})
    assert list(model.trace(1)) == ["kvm_pic_set_irq: chip 1 pin 3 (edge|masked)"]
    assert len(model.trace(None)) == 3


def test_auto_lets_a_finished_thread_have_its_work_done(model: Model) -> None:
    """A step that queued work in auto is followed by the workers."""
    lab = Lab("machine", "eventfd a; irqfd a gsi=11 level", "manual", "write a", "auto", "finish user")
    assert lab.fact("ioapic", 11, "sources") == frozenset({1})


def test_a_log_line_is_told_with_its_command() -> None:
    """What the kernel prints belongs to the command that caused it, and so do its reports."""
    lab = Lab("machine", *[f"eventfd e{n}; irqfd e{n} gsi=11 level" for n in range(63)], "eventfd last")
    said = lab.one("irqfd last gsi=11 level").output
    assert any("kvm: exhaust allocatable IRQ sources!" in str(line) for line in said)
    assert lab.one("read last").output == ()
