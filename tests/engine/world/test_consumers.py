"""The consumer of every proposal: set up, torn down, and failing at each of its steps."""

from __future__ import annotations

import pytest

from kvmlab.engine.kernel.path import PATHS
from kvmlab.engine.profile import APIS, proposal_of
from tests.engine.lab import Lab

STEPS = [(api, step.name) for api in APIS for step in proposal_of(api).consumer.steps]
every_api = pytest.mark.parametrize("api", APIS)


def wired(api: str, *words: str) -> Lab:
    """Return a lab with an assigned device on GSI 11, whose handler serves it."""
    return Lab(
        f"machine api={api}",
        "ioapic 11 vector=0x41 level unmasked",
        " ".join(("device vfio nic gsi=11", *words)),
        "handler 0x41 service nic, eoi",
    )


def left(lab: Lab) -> tuple[object, ...]:
    """Return what a machine holds for a device beside its eventfds."""
    seen = lab.snapshot()
    used = lab.fact("sources", "used")
    return seen.irqfds, seen.eoifds, used, lab.machine.memory.alive("virqfd"), lab.fact("ioapic", 11, "line")


@every_api
def test_a_consumer_names_what_there_is(api: str) -> None:
    """Its calls are paths, and what is undone are its own steps."""
    consumer = proposal_of(api).consumer
    names = [step.name for step in consumer.steps]
    assert len(set(names)) == len(names)
    assert set(consumer.teardown) <= set(names)
    for number, step in enumerate(consumer.steps):
        assert {step.call[0], step.undo[0]} <= PATHS.keys()
        assert set(step.unwind) == set(names[:number])


@every_api
def test_an_interrupt_is_served_once(api: str) -> None:
    """It is taken and served, and leaves device and line as they were."""
    lab = wired(api)
    assert lab.fact("device", "nic", "accelerated") == 1
    for times in (1, 2):
        lab.say("raise nic; run")
        assert lab.fact("taken", 0x41) == lab.fact("device", "nic", "serviced") == times
        assert lab.fact("device", "nic", "masked") == lab.fact("ioapic", 11, "line") == 0
    assert lab.fact("device", "nic", "spurious") == lab.fact("reports") == 0


@every_api
def test_a_device_that_is_not_served_interrupts_again(api: str) -> None:
    """Its pin is still asserted at the EOI: VFIO signals again, and the guest takes it again."""
    lab = wired(api)
    lab.say("handler 0x41 eoi; raise nic; run 3")
    assert lab.fact("taken", 0x41) == 3
    lab.say("handler 0x41 service nic, eoi; run")
    assert lab.fact("device", "nic", "serviced") == 1
    assert lab.fact("device", "nic", "masked") == lab.fact("ioapic", 11, "line") == 0


@every_api
def test_the_tear_down_leaves_nothing(api: str) -> None:
    """Neither irqfd nor eoifd, no source, no virqfd, no descriptor; also while it interrupts."""
    bare = left(Lab(f"machine api={api}"))
    for act in ("", "raise nic", "raise nic; take", "raise nic; take; eoi", "move nic gsi=10"):
        lab = wired(api)
        lab.say(act)
        lab.say("unplug nic")
        assert left(lab) == bare
        assert lab.fact("fd", "nic-trigger") == lab.fact("fd", "nic-unmask") == "none"
        assert lab.machine.memory.alive("eventfd") == []
        lab.say("release")
        assert lab.fact("reports") == 0


@pytest.mark.parametrize(("api", "step"), [*STEPS, *((api, "eventfd") for api in APIS)])
def test_a_step_that_fails_is_undone(api: str, step: str) -> None:
    """What the others did is taken back, and an interrupt is served through userspace."""
    lab = wired(api, f"fail={step}")
    assert lab.fact("device", "nic", "accelerated") == 0
    assert left(lab) == left(Lab(f"machine api={api}"))
    closes = proposal_of(api).consumer.closes_on_failure or step == "eventfd"
    assert (lab.fact("fd", "nic-unmask") == "none") == closes
    lab.say("raise nic; run")
    assert lab.fact("device", "nic", "serviced") == 1
    assert lab.fact("device", "nic", "masked") == lab.fact("ioapic", 11, "line") == 0
    assert lab.fact("reports") == 0


@every_api
def test_a_line_shared_with_an_emulated_device_stays_correct(api: str) -> None:
    """Both are served, however often an EOI of one disturbs the other."""
    lab = wired(api)
    lab.say("device virtio disk gsi=11; handler 0x41 service disk, service nic, eoi")
    lab.say("raise disk; raise nic; run; raise nic; raise disk; run; raise disk; run")
    assert lab.fact("device", "disk", "serviced") == 3
    assert lab.fact("device", "nic", "serviced") == 2
    assert lab.fact("ioapic", 11, "line") == lab.fact("device", "nic", "masked") == 0
