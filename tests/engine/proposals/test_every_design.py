"""What holds for every design of the EOI interface, on both kernels."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import kvmlab
from kvmlab.engine.abi import EINVAL
from kvmlab.engine.caps import capabilities, check_extension
from kvmlab.engine.kernel.lists import List
from kvmlab.engine.kernel.path import PATHS
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import APIS, PROPOSALS, Profile, proposal_of
from kvmlab.engine.proposal import DEASSIGN, GSI, IRQFD_FIELDS, NAME, Ioctl, Proposal, Word
from kvmlab.engine.switches import SWITCHES
from kvmlab.language.errors import LanguageError
from kvmlab.language.ioctls import ioctls_of
from kvmlab.language.parse import parse_line
from kvmlab.language.scope import Scope
from kvmlab.render.panes import PANES
from tests.engine.proposals.wiring import KERNELS, WIRING, serve, told, wired

PACKAGE = Path(kvmlab.__path__[0])

every_api = pytest.mark.parametrize("api", APIS)
every_kernel = pytest.mark.parametrize("kernel", KERNELS)


def test_only_the_registry_and_the_designs_name_a_design() -> None:
    """A new design is one file and one line: no other module of the package spells the name of any.

    "resample" is a word of recordings and of a command too; it counts where an api or a module is meant.
    """
    names = "|".join(map(re.escape, {*APIS, *PROPOSALS.values()} - {"resample"}))
    spelled = re.compile(rf"(?<![\w-])({names})(?![\w-])|api *=+ *[\"']?resample|proposals[./]resample\b")
    found = {
        path.relative_to(PACKAGE).as_posix(): match[0]
        for path in sorted(PACKAGE.rglob("*.py"))
        if (match := spelled.search(path.read_text()))
    }
    homes = {"engine/profile.py", *(f"engine/proposals/{module}.py" for module in PROPOSALS.values())}
    assert found.keys() <= homes
    assert "engine/profile.py" in found


@every_api
def test_what_a_design_declares_is_there(api: str) -> None:
    """Its paths are registered, its switches exist, its words fill fields that its structures have."""
    proposal = proposal_of(api)
    named = {ioctl.path for ioctl in proposal.ioctls.values()}
    named |= {proposal.claim, proposal.unclaim, proposal.bind, proposal.unbind}
    named |= {proposal.resample, proposal.release}
    assert named - {""} <= PATHS.keys()
    assert proposal.switches <= {name for name, switch in SWITCHES.items() if switch.of_api}
    assert "irqfd" in proposal.ioctls
    for ioctl in proposal.ioctls.values():
        assert {word.field for word in ioctl.words} - {""} <= {name for name, _kind in ioctl.fields}


def test_every_switch_of_a_design_is_claimed_by_one() -> None:
    """A switch that belongs to designs has at least one that it means something with."""
    claimed = {name for api in APIS for name in proposal_of(api).switches}
    assert claimed == {name for name, switch in SWITCHES.items() if switch.of_api}


@every_api
@every_kernel
def test_the_whole_round(api: str, kernel: str) -> None:
    """Signal, take, EOI: unmask is told once, the line is low, and nothing is pending or reported."""
    lab = wired(api, kernel=kernel)
    for expected in (1, 2, 3):
        lab.say("write trigger")
        serve(lab)
        assert told(lab) == expected
        assert lab.fact("ioapic", 11, "line") == 0
        assert lab.one("take").ret == "none"
    assert lab.fact("reports") == 0


@every_api
@every_kernel
def test_a_shared_line_wakes_userspace_but_in_v5(api: str, kernel: str) -> None:
    """Another device's EOI is an event in every design but the one that filters by the line's state."""
    lab = wired(api, kernel=kernel)
    for _ in range(3):
        lab.say("line 11 1")
        assert lab.one("take").ret == 0x41
        lab.say("line 11 0; eoi")
    assert told(lab) == (0 if api == "eoifd-v5" else 3)


@every_api
@every_kernel
def test_the_end_of_the_vm_frees_everything(api: str, kernel: str) -> None:
    """Release leaves no object of the VM behind, but in 2011, which forgot."""
    lab = wired(api, kernel=kernel)
    lab.say("write trigger; release")
    assert lab.fact("reports", "leak") == (1 if api == "eoi-eventfd-2011" else 0)
    assert lab.fact("reports") == lab.fact("reports", "leak")
    left = [handle for kind in proposal_of(api).kinds for handle in lab.machine.memory.alive(kind)]
    assert len(left) == lab.fact("reports", "leak")


@every_api
@every_kernel
def test_state_is_a_value(api: str, kernel: str) -> None:
    """A frozen machine, thawed into a new one, answers the next EOI the same."""
    lab = wired(api, kernel=kernel)
    lab.say("write trigger; take")
    state = lab.machine.freeze()
    other = Machine(lab.machine.profile)
    other.thaw(state)
    lab.machine.eoi()
    other.eoi()
    assert other.freeze() == lab.machine.freeze()


@every_api
def test_numbers_of_capabilities_are_given_once(api: str) -> None:
    """A design's numbers are no other's, and no kernel's."""
    numbers = [number for number, _value in capabilities(Profile(api=api)).values()]
    assert len(numbers) == len(set(numbers))


@every_api
def test_the_reserved_sources_are_the_apis(api: str) -> None:
    """Only the merged design has a second id taken from the start; the PIT gets the next one."""
    first = {0, 1} if api == "resample" else {0}
    lab = wired(api, options="pit")
    used = lab.fact("sources", "used")
    assert isinstance(used, frozenset)
    assert first | {max(first) + 1} <= used


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("machine api=resample without=pollhup", "resample has nothing that without=pollhup could change"),
        ("machine kernel=linux-6.x without=assign-flush", "api resample has nothing"),
        ("machine with=as-merged", "with=as-merged could change: it belongs to resample"),
        ("machine without=filter-lock", "without=filter-lock means nothing without with=source-filter"),
        ("machine api=eoifd-v5 with=source-filter", "api eoifd-v5 has nothing"),
        ("machine api=level-eoi-2012 with=ack-on-unmask", "it belongs to eoifd-v4, eoifd-v5, eoifd-v7"),
    ],
)  # fmt: skip
def test_a_switch_that_would_change_nothing_is_wrong_text(line: str, message: str) -> None:
    """It names the designs it belongs to, or the switch it needs; the scope stays as it was."""
    scope = Scope()
    with pytest.raises(LanguageError) as caught:
        parse_line(line, scope)
    assert message in caught.value.message
    assert (scope.kernel, scope.api) == ("linux-3.6", "eoifd-v7")


def test_every_design_is_wired_here() -> None:
    """The tests of this folder forget none."""
    assert WIRING.keys() == set(APIS)


@every_api
def test_a_storm_reads_every_event(api: str) -> None:
    """The cycles of a storm find the eventfd that the EOIs signal, whatever binds it."""
    lab = wired(api)
    assert lab.one("storm 50").ret == 50
    # In 2011 nothing ties the eventfd to an irqfd, so nobody reads it.
    assert told(lab) == (50 if api == "eoi-eventfd-2011" else 0)
    assert lab.fact("taken", 0x41) == 50


@every_api
@every_kernel
def test_every_pane_shows_what_there_is(api: str, kernel: str) -> None:
    """The tables and the path of the GSI can be drawn at any op of a round."""
    lab = wired(api, kernel=kernel)
    lab.say("write trigger; take; manual; eoi")
    while lab.machine.contexts.next_op("vcpu0"):
        seen = lab.snapshot()
        for pane in PANES.values():
            assert pane(seen)
        lab.machine.contexts.step("vcpu0")
    (irqfd,) = lab.snapshot().irqfds or ()
    assert irqfd.other == ("" if api == "eoi-eventfd-2011" else "unmask")


def test_a_new_design_is_a_module_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a module declares is there once the registry has its line: words, caps, objects, sources."""
    module = ModuleType("kvmlab.engine.proposals.loud")
    words = (NAME, GSI, Word("volume", "u32", "how loud", "volume", label="N"), DEASSIGN)
    module.__dict__["PROPOSAL"] = Proposal(
        summary="an irqfd with a volume",
        ioctls={"irqfd": Ioctl("kvm_irqfd", (*IRQFD_FIELDS, ("volume", "u32")), words)},
        caps={"KVM_CAP_LOUD": (84, 7)},
        objects={"loudspeakers": List},
        reserved_sources=0b110,
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(PROPOSALS, "loud", "loud")

    machine = Machine(Profile(api="loud"))
    assert machine.memory.objects["loudspeakers"].load("items") == ()
    assert machine.kvm_request_irq_source_id() == 3
    assert check_extension(machine.profile, "84") == ("KVM_CAP_LOUD", 7)
    assert machine.irqfd(machine.eventfd(), 11, flags=2) == -EINVAL
    scope = Scope(api="loud")
    command = parse_line("eventfd a; irqfd a gsi=11 volume=11", scope)[1]
    structure = ioctls_of("loud")["irqfd"].structure(command.args)
    assert structure == {"fd": "a", "gsi": 11, "flags": 0, "volume": 11}
    with pytest.raises(LanguageError, match="api loud has no 'level'"):
        parse_line("irqfd a gsi=11 level", scope)
    with pytest.raises(LanguageError, match="api loud has no 'eoifd'"):
        parse_line("eoifd a gsi=11", scope)
