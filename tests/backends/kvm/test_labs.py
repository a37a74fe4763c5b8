"""The labs of the resampler's chapter, and those of this kernel, on a real one.

What a lab shows on the model is shown there too, in a session as a learner's. Facts that a kernel does not
tell nobody can see there; a lab that needs what no kernel does is left out, with the sentence that says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from kvmlab.backends.backend import Refused
from kvmlab.backends.both import Both
from kvmlab.cli import make_session
from kvmlab.course.beginning import begin
from kvmlab.course.lab import Goal, Lab
from kvmlab.course.player import Player
from kvmlab.course.shelf import Shelf
from kvmlab.course.texts import parse_fence
from kvmlab.facts import lookup
from kvmlab.language.command import Command
from kvmlab.language.errors import LanguageError
from kvmlab.language.parse import parse_line
from kvmlab.result import Result
from kvmlab.session import Session
from tests.backends.kvm.test_side_by_side import of_a_kernel

CHAPTER, KERNEL = 6, "linux-6.x"
SHELF = Shelf(Path("/nonexistent"))
ALL = [SHELF.lab(name) for name in SHELF.heads]
LABS = [lab for lab in ALL if lab.head.chapter == CHAPTER or lab.start.variant.kernel == KERNEL]
FRESH = {
    f"{lab.id}-{fence.line}": text
    for lab in ALL
    for fence in lab.fences
    if fence.role == "fresh" and (text := of_a_kernel(fence.text))
}
"""Fences with a machine that a kernel is, which is now beside the model."""


def execute(session: Session, command: Command) -> Result:
    """Execute a command; a test of what no kernel has or does ends here, with the reason."""
    try:
        result = session.execute(command)
    except (LanguageError, Refused) as refused:
        pytest.skip(f"{command.text}: {refused}")
    if result.ret is None and result.held is None and result.why:
        pytest.skip(f"{command.text}: {result.why}")
    if isinstance(session.backend, Both):
        assert (result.differs, session.backend.differing) == ("", ()), command.text
    return result


def begun(lab: Lab, backend: str) -> Session:
    """Return a session at a lab's start, on a kernel's machine in place of its own."""
    kernel = lab.start.variant.kernel
    words = [word for word in lab.start.machine().split() if not word.startswith("kernel=")]
    session = make_session()
    for command in parse_line(" ".join([*words, f"kernel={KERNEL} backend={backend}"]), session.scope):
        execute(session, command)
    for command in parse_fence(lab.start.script, lab.start.line, lab.file, session.scope):
        result = execute(session, command)
        assert result.held is not False or kernel != KERNEL, f"{command.text}: {result.why}"
    return session


def ways(lab: Lab, backends: Sequence[str]) -> Iterator[list[tuple[Result, Player]]]:
    """Go the way through a lab on machines side by side; yield each command's results."""
    players = [begin(begun(lab, backend), lab) for backend in backends]
    fence = lab.solution
    texts = [parse_fence(fence.text, fence.line, lab.file, each.session.scope) for each in players]
    for commands in zip(*texts, strict=True):
        made = [execute(each.session, command) for each, command in zip(players, commands, strict=True)]
        yield list(zip(made, players, strict=True))


def seen(goal: Goal, player: Player) -> bool | str | None:
    """Return whether what a goal asks for is so now; None where nobody can see it."""
    return None if goal.when is None else goal.when.evaluate(lookup(player.session.snapshot())).held


@pytest.mark.kvm
@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)
def test_the_way_through_a_lab_leads_where_it_leads_on_the_model(lab: Lab) -> None:
    """Every answer, every verdict, and what each goal asks for, as far as it can be seen."""
    own = lab.start.variant.kernel == KERNEL
    player = None
    for (ours, player), (theirs, other) in ways(lab, ("model", "kvm")):
        text = theirs.command.text
        assert (theirs.ret, theirs.errno) == (ours.ret, ours.errno), text
        assert theirs.held in (ours.held, None), text
        assert theirs.held is not False or not own, f"{text}: {theirs.why}"
        for goal in lab.goals:
            assert seen(goal, other) in (seen(goal, player), None), f"{goal.id} after {text}"
    assert player is not None
    assert not own or player.done() == {goal.id for goal in lab.goals}


@pytest.mark.kvm
@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)
def test_no_cell_differs_on_the_way_through_a_lab(lab: Lab) -> None:
    """Model and kernel in lock-step."""
    for _results in ways(lab, ("both",)):
        pass


@pytest.mark.kvm
@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)
def test_what_a_lab_tells_is_so(lab: Lab) -> None:
    """The commands in its prose, in one session, beside the model."""
    session = begun(lab, "both")
    begin(session, lab)
    for fence in [fence for fence in lab.fences if not fence.role]:
        for command in parse_fence(fence.text, fence.line, lab.file, session.scope):
            execute(session, command)


@pytest.mark.kvm
@pytest.mark.parametrize("name", FRESH)
def test_what_a_lab_shows_on_a_machine_of_its_own_is_so(name: str) -> None:
    """Where that machine is one of this kernel, in whatever chapter; every expectation holds."""
    session = make_session()
    for command in parse_fence(FRESH[name], 1, name, session.scope):
        result = execute(session, command)
        assert result.held is not False, f"{command.text}: {result.why}"
