"""Model and kernel in lock-step, with a machine in the kernel's place that does as it is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from kvmlab.backends.backend import Answer
from kvmlab.backends.both import Both
from kvmlab.backends.kvm.vm import DEVICE_VARIABLE
from kvmlab.language.errors import LanguageError
from kvmlab.render.plain import plain_lines
from kvmlab.result import Result
from kvmlab.snapshot import Snapshot
from tests.engine.lab import Lab
from tests.second import Beside, Second, no_remote_irr, nothing_pending

CYCLE = (
    "machine backend=both",
    "eventfd t; eventfd e; ioapic 11 vector=0x41 level unmasked; irqfd t gsi=11 resample=e",
)


def both(lab: Lab) -> Both:
    """Return the two machines of a session."""
    assert isinstance(lab.session.backend, Both)
    return lab.session.backend


def told(result: Result) -> list[str]:
    """Return what a command prints, as text."""
    return plain_lines([row for row in result.output if not isinstance(row, str)]) + [
        text for text in result.output if isinstance(text, str)
    ]


def faulty(second: Second) -> None:
    """Have a machine show no remote IRR."""
    second.fault = no_remote_irr


def test_what_agrees_is_not_spoken_of(beside: Beside) -> None:
    """A round trip: the model's answers, what the second one hides is nothing that differs."""
    lab = Lab(*CYCLE)
    said = [lab.one(line) for line in ("write t", "take", "eoi", "read e")]
    assert [(result.ret, result.output, result.differs) for result in said] == [
        (0, (), ""),
        (0x41, (), ""),
        (0, (), ""),
        (1, (), ""),
    ]
    assert told(lab.one("differences")) == ["model and kernel agree"]
    assert both(lab).status.startswith("model and kernel agree")
    assert len(beside.made) == 1


def test_a_cell_that_differs_is_told_once(beside: Beside) -> None:
    """With both values, and again only when there is more or nothing."""
    beside.plant = faulty
    lab = Lab(*CYCLE)
    (text,) = told(lab.one("write t"))
    assert text == "model and kernel: 1 cell differs: ioapic.11.remote_irr is 1 in the model, 0 in the kernel"
    assert both(lab).status.startswith("model and kernel: 1 cell differs")
    assert told(lab.one("differences")) == [
        "cell                  model  kernel",
        "ioapic.11.remote_irr  1      0",
    ]
    assert told(lab.one("take")) == []
    assert told(lab.one("eoi")) == ["model and kernel agree again"]


def test_a_worker_that_is_late_makes_no_difference(beside: Beside) -> None:
    """What has gone when everything has settled is not told, and nothing is repeated for it."""
    lab = Lab(*CYCLE)
    beside.made[0].late = nothing_pending
    assert told(lab.one("write t")) == []
    assert len(beside.made) == 1


def test_what_does_not_come_again_is_no_difference(beside: Beside) -> None:
    """All is done again on a new machine, which takes the place of the one that was wrong."""
    lab = Lab(*CYCLE)
    beside.made[0].fault = nothing_pending
    assert told(lab.one("write t")) == []
    assert both(lab).kernel is beside.made[1]
    assert [lab.one(line).ret for line in ("take", "eoi", "read e")] == [0x41, 0, 1]
    assert len(beside.made) == 2


def test_behind_a_difference_nothing_is_repeated(beside: Beside) -> None:
    """What follows from it comes again each time, and each time would take longer."""
    beside.plant = faulty
    lab = Lab(*CYCLE, "write t")
    made = len(beside.made)
    assert made == 3
    lab.say("take; eoi; write t; take; eoi")
    assert len(beside.made) == made


def test_another_answer_is_told_in_one_sentence(beside: Beside) -> None:
    """The result is the model's; an expectation of it fails, and says what the kernel did."""
    beside.plant = lambda second: second.answers.update({"read": Answer(-1, "EAGAIN", "it is 0")})
    lab = Lab(*CYCLE, "write t", "take", "eoi")
    result = lab.one("read e")
    assert (result.ret, result.errno) == (1, "")
    assert result.why == result.differs == "the kernel returned -1 EAGAIN: it is 0"
    assert lab.one("expect last.errno == EAGAIN").why == "in the model: last.errno is 0"
    assert lab.one("expect last.ret == 1").why == "in the kernel: last.ret is -1"
    result = lab.one("expect EAGAIN: read e")
    assert result.held is True
    lab.say("write t; take; eoi")
    result = lab.one("expect 1: read e")
    assert (result.held, result.why) == (
        False,
        "the model returned 1, and the kernel returned -1 EAGAIN: it is 0",
    )


def test_an_answer_that_does_not_come_again_is_the_models(beside: Beside) -> None:
    """The machine of the repetition goes on."""
    lab = Lab(*CYCLE, "write t", "take", "eoi")
    beside.made[0].answers["read"] = Answer(-1, "EAGAIN")
    result = lab.one("read e")
    assert (result.ret, result.why, result.differs) == (1, "", "")
    assert both(lab).kernel is beside.made[1]


def test_what_must_hold_must_hold_on_both(beside: Beside) -> None:
    """The sentence says which side failed; what the kernel hides is the model's alone."""
    beside.plant = faulty
    lab = Lab(*CYCLE, "write t")
    assert lab.one("expect ioapic.11.remote_irr == 1").why == "in the kernel: ioapic.11.remote_irr is 0"
    assert lab.one("expect ioapic.11.remote_irr == 0").why == "in the model: ioapic.11.remote_irr is 1"
    both_wrong = lab.one("expect ioapic.11.remote_irr == 2").why
    assert both_wrong == "in the model: ioapic.11.remote_irr is 1; in the kernel: ioapic.11.remote_irr is 0"
    assert lab.one("expect ioapic.11.irr == 0").why == "ioapic.11.irr is 1"
    assert lab.one("expect lapic.0.irr == {0x41} and ioapic.11.sources == {1}").held is True
    assert (lab.session.tally.held, lab.session.tally.failed) == (1, 4)


def test_a_property_is_watched_on_both(beside: Beside) -> None:
    """An `always` that only the model keeps is broken."""
    beside.plant = faulty
    lab = Lab(*CYCLE, "always ioapic.11.remote_irr == ioapic.11.irr")
    result = lab.one("write t")
    assert result.held is False
    assert "in the kernel: ioapic.11.remote_irr is 0" in result.why


@pytest.mark.parametrize("line", ["undo", "device vfio nic gsi=10"])
def test_what_the_kernel_refuses_leaves_the_model_as_it_was(beside: Beside, line: str) -> None:
    """The refusal is the kernel's sentence, and they agree after it."""
    lab = Lab(*CYCLE, "write t")
    before = lab.snapshot()
    result = lab.one(line)
    assert result.ret is None and "kernel" in result.why
    assert lab.snapshot() == before
    assert lab.one("take").ret == 0x41
    assert told(lab.one("differences")) == ["model and kernel agree"]


def test_a_call_that_is_broken_off_leaves_both_as_they_were(
    beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model goes back, and what was done before is done again on a new kernel."""
    lab = Lab(*CYCLE, "write t")

    def broken_off(*_args: object) -> Answer:
        raise KeyboardInterrupt

    beside.made[0].perform = broken_off  # type: ignore[method-assign,assignment]
    before = lab.snapshot()
    with pytest.raises(KeyboardInterrupt):
        lab.say("take")
    assert replace(lab.snapshot(), last=None) == replace(before, last=None)
    assert both(lab).kernel is beside.made[1]
    assert (lab.one("take").ret, told(lab.one("differences"))) == (0x41, ["model and kernel agree"])


def test_a_storm_that_is_broken_off_leaves_both_as_they_were(
    beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model stands within a cycle that the other one has not begun, and goes back."""
    lab = Lab(*CYCLE)

    def broken_off(_count: int) -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    monkeypatch.setattr(beside.made[0], "storm", broken_off)
    before = lab.snapshot()
    with pytest.raises(KeyboardInterrupt):
        lab.say("storm 10")
    assert replace(lab.snapshot(), last=None) == replace(before, last=None)
    assert told(lab.one("differences")) == ["model and kernel agree"]


def test_a_number_is_the_models_descriptor(beside: Beside) -> None:
    """What has that number in this process is something else: the second one gets the name."""
    lab = Lab(*CYCLE)
    asked: list[object] = []
    perform = beside.made[0].perform

    def noted(verb: str, args: dict[str, object]) -> Answer:
        asked.append(args["fd"])
        return perform(verb, args)

    beside.made[0].perform = noted  # type: ignore[method-assign,assignment]
    number = lab.fact("fd", "e")
    lab.say(f"ioctl irqfd fd={number} gsi=3; ioctl irqfd fd=-1 gsi=3")
    assert asked == ["e", -1]


def test_storms_and_handlers_run_on_both(beside: Beside) -> None:
    """They are compared at their end, and can be repeated."""
    lab = Lab(*CYCLE, "handler 0x41 eoi")
    assert lab.one(["write t", " run"][0]).ret == 0
    assert lab.one("run").ret == 1
    assert lab.one("storm 50").ret == 50
    assert told(lab.one("differences")) == ["model and kernel agree"]
    beside.made[0].fault = no_remote_irr
    assert told(lab.one("write t")) == []
    assert both(lab).kernel is beside.made[1]


def test_differences_of_one_machine_are_refused() -> None:
    """With what to do instead."""
    result = Lab().one("differences")
    assert "machine backend=both" in result.why


def test_a_machine_that_cannot_be_had_leaves_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /dev/kvm there is one sentence with the errno, and the names and the history stay."""
    monkeypatch.setenv(DEVICE_VARIABLE, "/nonexistent/kvm")
    lab = Lab("eventfd t", "write t")
    before: Snapshot = lab.snapshot()
    with pytest.raises(LanguageError, match="ENOENT") as refused:
        lab.say("machine backend=both")
    assert "Traceback" not in str(refused.value)
    assert lab.snapshot() == before
    assert lab.one("read t").ret == 1


@pytest.mark.parametrize("words", ["kernel=linux-3.6", "api=eoifd-v4", "without=rcu-wait"])
def test_a_machine_that_no_kernel_is_is_refused_by_name(words: str) -> None:
    """The sentence names what was asked for."""
    with pytest.raises(LanguageError, match="backend=both"):
        Lab(f"machine backend=both {words}")
