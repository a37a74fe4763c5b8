"""The model against a running kernel: no divergence, and every planted fault found and shrunk."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import suppress
from multiprocessing import active_children
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kvmlab.backends.backend import Refused
from kvmlab.backends.kvm.backend import Kvm
from kvmlab.backends.kvm.vcpu import Vcpu
from kvmlab.backends.kvm.vm import DEVICE_VARIABLE
from kvmlab.cli import main, make_session
from kvmlab.engine.chips import apic_map
from kvmlab.engine.chips.apics import Apics
from kvmlab.engine.chips.ioapic import Ioapic
from kvmlab.engine.chips.ioapic_registers import MASK, REMOTE_IRR, TRIG_MODE
from kvmlab.engine.chips.lapic import Lapic
from kvmlab.engine.chips.pic_chip import PicChip
from kvmlab.engine.chips.routing import Routing
from kvmlab.engine.proposals.resample import Resampler
from kvmlab.explore.pool import Pool
from kvmlab.judge import crew
from kvmlab.judge.diff import Comparison, Differ, Divergence, Order, Part, Stopped, diff
from kvmlab.judge.families import FAMILIES, program
from kvmlab.judge.operations import Call
from kvmlab.judge.shrink import shrink
from kvmlab.judge.wording import command, commands
from kvmlab.language.parse import parse_line
from kvmlab.language.scope import Scope
from kvmlab.scripts import parse_text, run
from kvmlab.verbs import call_of

drawn_from = Random
TEN_SECONDS = 50_000
"""Operations, at 5 000 a second."""


# -- planted faults: each makes one method of the model wrong -----------------------------------------


def _routes_one_chip(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *args: original(self, *args)[:1]


def _forgets_in_service(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_irq(self: PicChip) -> int:
        kept, self.isr = self.isr, 0
        line: int = original(self)
        self.isr = kept
        return line

    return get_irq


def _ppr_of_tpr_alone(_original: Callable[..., Any]) -> Callable[..., Any]:
    def update(self: Lapic) -> None:
        self.ppr = self.tpr

    return update


def _tmr_stays(original: Callable[..., Any]) -> Callable[..., Any]:
    def accept(self: Lapic, mode: int, vector: int, level: int, trigger: int) -> int:
        before = self.tmr
        ret: int = original(self, mode, vector, level, trigger)
        self.tmr |= before
        return ret

    return accept


def _ignores_notifiers(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, vcpu, _notified: original(self, vcpu, ())


def _delivers_masked(original: Callable[..., Any]) -> Callable[..., Any]:
    def service(self: Ioapic, pin: int, line_status: bool = False) -> int:
        masked = self._entries[pin] & MASK
        self._entries[pin] &= ~MASK
        ret: int = original(self, pin, line_status)
        self._entries[pin] |= masked
        return ret

    return service


def _edge_keeps_remote_irr(original: Callable[..., Any]) -> Callable[..., Any]:
    def write(self: Ioapic, value: int) -> Any:
        answer = original(self, value)
        pin, _mask, before = answer
        if pin >= 0 and before & REMOTE_IRR and not self._entries[pin] & TRIG_MODE:
            self._entries[pin] |= REMOTE_IRR
        return answer

    return write


def _first_of_several(_original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _vector, bits: (bits & -bits).bit_length() - 1


def _lowers_another_line(original: Callable[..., Any]) -> Callable[..., Any]:
    def load(self: Resampler, *names: str) -> Any:
        return 4000 if names == ("gsi",) and not self.irqfds else original(self, *names)

    return load


FAULTS: dict[str, tuple[Any, str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = {
    "routing": (Routing, "copy_routes", _routes_one_chip),
    "pic": (PicChip, "get_irq", _forgets_in_service),
    "ppr": (Lapic, "_update_ppr", _ppr_of_tpr_alone),
    "tmr": (Lapic, "accept_irq", _tmr_stays),
    "handled-vectors": (Ioapic, "scan_entry", _ignores_notifiers),
    "mask": (Ioapic, "service", _delivers_masked),
    "trigger-change": (Ioapic, "_write_indirect", _edge_keeps_remote_irr),
    "destination": (apic_map, "hashed", _first_of_several),
    "routes-scanned": (Apics, "scan_messages", lambda _original: lambda _self, _vcpu, _messages: (0, -1)),
    "resampler-shutdown": (Resampler, "load", _lowers_another_line),
}


def last(comparison: Iterator[Comparison]) -> Comparison:
    """Return how far it came in the end."""
    *_before, done = comparison
    return done


def enough(done: Comparison) -> bool:
    """Stop after as much as ten seconds take."""
    return done.operations >= TEN_SECONDS


@pytest.mark.kvm
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_shrunk(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within ten seconds, to at most 12 operations; its script holds on the kernel and fails on the model."""
    where, name, make = FAULTS[fault]
    monkeypatch.setattr(where, name, make(getattr(where, name)))
    found = last(diff(Order(11), enough)).divergence
    assert found is not None
    assert len(found.program) <= 12
    assert found.cells and found.model != found.kernel
    assert verdict(found, "kernel=linux-6.x") is not True
    monkeypatch.undo()
    assert verdict(found, "kernel=linux-6.x backend=kvm") is not False


def verdict(found: Divergence, machine: str) -> bool | None:
    """Run a divergence's script on a machine: whether all expectations held, None if there are none."""
    session = make_session()
    text = "\n".join(found.script()).replace("kernel=linux-6.x", machine)
    results = [each.held for each in run(session, parse_text(session, text)) if each.held is not None]
    return None if not results else all(held is True for held in results)


@pytest.mark.kvm
@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_is_the_kernel(family: str) -> None:
    """A few thousand operations of each family."""
    done = last(diff(Order(5, (family,)), lambda done: done.operations >= 4_000))
    assert done.divergence is None, "\n".join(done.divergence.script())
    assert done.unrepeatable <= 1


@pytest.mark.kvm
def test_a_pair_is_as_new_after_each_program() -> None:
    """Whatever a program has left: routes, lines that nobody lowers, LAPICs that are off."""
    differ = Differ()
    pair = differ.pair(2)
    pair.reset()
    fresh = pair.kernel.snapshot(None)
    for number in range(40):
        differ.first_difference(program(drawn_from(number), "all", 2, 60), 2)
        pair.reset()
        assert pair.kernel.snapshot(None) == fresh
        for gsi in range(24):
            pair.kernel.host.vm.irq_line(gsi, 0)
        assert pair.kernel.snapshot(None) == fresh


@pytest.mark.kvm
def test_the_program_tells_how_far_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    """As a line, and as an object; the seed is told, and makes the same programs again."""
    words = ["diff", "--seed", "3", "--ops", "500", "--family", "pins,pic", "--vcpus", "2"]
    assert main(words) == 0
    assert "seed 3: no divergence" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["seed"] == 3 and told["operations"] >= 500 and told["divergence"] is None


def test_what_cannot_be_had_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown family with the nearest one; no device, with the errno and the remedy."""
    assert main(["diff", "--family", "pci"]) == 2
    assert "did you mean 'pic'?" in capsys.readouterr().err
    monkeypatch.setenv(DEVICE_VARIABLE, "/nowhere/kvm")
    assert main(["diff", "--ops", "10"]) == 2
    assert "ENOENT" in capsys.readouterr().err


@pytest.mark.kvm
def test_several_processes_compare_the_same_programs() -> None:
    """Counted in their order, whoever has compared them; nobody is left."""
    order = Order(3, ("pins", "pic"), 2, 30)
    alone = last(diff(order, lambda done: done.programs == 12))
    shared = next(done for done in crew.diff(order, lambda _done: False, 2) if done.programs == 12)
    assert shared.operations == alone.operations
    assert not active_children()


class Given(Pool):
    """A pool whose processes have done it all already: the third program differs, and one is lost."""

    def submit(self, _do: Callable[..., Any], /, *given: Any, **_named: Any) -> Future[Any]:
        """See :meth:`Pool.submit`."""
        future = Future[Any]()
        _order, number = given
        if number == 5:
            future.set_exception(BrokenExecutor("it died"))
        else:
            future.set_result(Part(10, 0, DIFFERS if number == 2 else None))
        return future


SEEN = make_session("linux-6.x").snapshot()
DIFFERS = Divergence("pins", "1/2", 1, (("take", {"vcpu": 0}),), (), SEEN, SEEN)


def test_what_is_found_first_is_what_has_the_lowest_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing behind it counts; what was begun when it was enough does, and who is lost is told."""
    monkeypatch.setattr(crew, "Pool", Given)
    done = last(crew.diff(Order(1), lambda _done: False, 4))
    assert (done.programs, done.operations, done.divergence) == (3, 30, DIFFERS)
    done = last(crew.diff(Order(1), lambda done: done.programs >= 1, 4))
    assert (done.programs, done.divergence) == (3, DIFFERS)
    monkeypatch.setattr(crew, "AHEAD", 2)
    monkeypatch.setattr(sys.modules[__name__], "DIFFERS", None)
    with pytest.raises(Refused, match="it died"):
        last(crew.diff(Order(1), lambda _done: False, 4))


def test_nobody_goes_on_that_nobody_waits_for() -> None:
    """Not even before there is a machine."""
    with pytest.raises(Stopped):
        Differ(stopped=lambda: True).part(Order(1), 0)


def machines_below(process: int) -> int:
    """Return how many of a process's children have a VM."""
    found = 0
    with suppress(OSError):
        for listed in Path(f"/proc/{process}/task").glob("*/children"):
            for child in listed.read_text("ascii").split():
                names = [each.readlink().name for each in Path(f"/proc/{child}/fd").iterdir()]
                found += "anon_inode:kvm-vm" in names
    return found


@pytest.mark.kvm
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_who_is_killed_leaves_nobody_behind(number: signal.Signals) -> None:
    """The pipe that all of its processes have ends with the last of them."""
    words = [sys.executable, "-m", "kvmlab", "diff", "--minutes", "9", "--jobs", "2"]
    ran = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while ran.poll() is None and machines_below(ran.pid) < 2:
        os.sched_yield()
    ran.send_signal(number)
    told, _nothing = ran.communicate(timeout=60)
    assert "Traceback" not in told
    assert ran.returncode == (0 if number == signal.SIGINT else -number)


@pytest.mark.parametrize(
    "text",
    [
        *("diff --ops 0", "diff --ops -5", "diff --minutes 0", "diff --minutes -1", "diff --minutes nan"),
        *(
            "diff --minutes inf",
            "diff --minutes soon",
            "record it.jsonl --traces 0",
            "record it.jsonl --traces -3",
        ),
    ],
)
def test_so_little_that_it_is_nothing_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Not taken for what is done unless told otherwise."""
    with pytest.raises(SystemExit, match="2"):
        main(text.split())
    assert f"not {text.rsplit(maxsplit=1)[-1]}" in capsys.readouterr().err


@pytest.mark.kvm
def test_a_machine_that_cannot_be_brought_back_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the errno and the remedy, and no divergence of what is compared."""

    def refuse(*_args: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Kvm, "reset", refuse)
    assert main(["diff", "--ops", "10"]) == 2
    told = capsys.readouterr().err
    assert "brought back: EMFILE, Too many open files; raise the limit" in told


def test_a_program_shrinks_to_what_fails() -> None:
    """To parts that are far apart, to one, and to nothing."""
    numbers = list(range(100))
    assert shrink(numbers, lambda part: {3, 50, 97} <= set(part)) == [3, 50, 97]
    assert shrink(numbers, lambda part: 99 in part) == [99]
    assert shrink(numbers, lambda _part: True) == []
    assert shrink(numbers, lambda part: len(part) == 100) == numbers


@pytest.mark.parametrize("family", FAMILIES)
def test_every_call_is_said_as_the_command_that_makes_it(family: str) -> None:
    """Read back, it is the same call, and a program is never wrong text."""
    session = make_session("linux-6.x")
    for number in range(20):
        calls = program(drawn_from(number), family, 4, 40)
        scope = Scope("linux-6.x")
        parse_line("machine vcpus=4; eventfd a; eventfd b; eventfd c; eventfd e; eventfd f", scope)
        for call in calls:
            (said,) = parse_line(command(call), scope)
            verb, args = call_of(session, said)
            assert verb == call[0]
            assert {name: value for name, value in args.items() if value is not None} == call[1]
        parse_text(make_session("linux-6.x"), "\n".join(["machine vcpus=4", *commands(calls[5:])]))


def test_the_same_seed_makes_the_same_programs() -> None:
    """Drawn from a generator of its own."""
    drawn: list[list[Call]] = [program(drawn_from("7/1"), "all", 2, 60) for _turn in range(2)]
    assert drawn[0] == drawn[1] != program(drawn_from("7/2"), "all", 2, 60)


@pytest.mark.kvm
def test_only_who_was_asked_enters_the_guest(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry's new vector is for whom it is sent to; a resampler's first irqfd for everybody."""
    pair = Differ().pair(4)
    pair.reset()
    entered: list[int] = []
    enter = Vcpu.enter

    def noted(self: Vcpu) -> None:
        entered.append(self.number)
        enter(self)

    monkeypatch.setattr(Vcpu, "enter", noted)
    entry = {"vcpu": 0, "pin": 10, "vector": 0x50, "trigger": "level", "mask": "unmasked"}
    for call, numbers in (
        (("ioapic", entry), [0]),
        (("eventfd", {"name": "a", "count": 0, "semaphore": False, "blocking": False}), []),
        (("irqfd", {"fd": "a", "gsi": 20, "flags": 0, "resamplefd": 0}), []),
        (("irqfd", {"fd": "a", "gsi": 20, "flags": 1, "resamplefd": 0}), []),
        (("irqfd", {"fd": "a", "gsi": 10, "flags": 2, "resamplefd": "a"}), [0, 1, 2, 3]),
        (("eoi", {"vcpu": 2}), []),
    ):
        entered.clear()
        assert not pair.differs(call)
        assert entered == numbers, call


@pytest.mark.kvm
def test_what_is_put_aside_for_the_8259_makes_the_books_of_the_rtc_anew() -> None:
    """Also where nothing comes of it: vector 0, which its masked entry has, waits in the LAPIC."""
    pair = Differ().pair(1)
    pair.reset()
    for call in (
        ("ioapic", {"vcpu": 0, "pin": 11, "vector": 0x60, "trigger": "level", "mask": "unmasked"}),
        ("mmio write", {"vcpu": 0, "addr": 0xFEC00010, "len": 4, "value": 0}),
        ("pio read", {"vcpu": 0, "port": 0xA1, "len": 1}),
        ("irq-line", {"irq": 11, "level": 1}),
        ("take", {"vcpu": 0}),
        ("irq-line", {"irq": 8, "level": 1}),
    ):
        assert not pair.differs(call), call
