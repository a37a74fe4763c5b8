"""The trace of a real VM: the kernel's own where it can be read, else a model's, and it says which."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kvmlab.backends.kvm import perf, tracing
from kvmlab.backends.kvm.perf import Layout, Untraceable, Work, layouts, without_prompts
from kvmlab.engine.tracetext import format_event
from tests.engine.lab import Lab

SETUP = "eventfd t; eventfd e; ioapic 11 vector=0x41 level unmasked; irqfd t gsi=11 resample=e"
ROUND = ("write t", "take", "eoi")
FORMAT = """name: kvm_set_irq
ID: 40
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:unsigned int gsi;	offset:8;	size:4;	signed:0;
	field:int level;	offset:12;	size:4;	signed:1;
	field:int irq_source_id;	offset:16;	size:4;	signed:1;
"""


def told(machine: str) -> list[list[str]]:
    """Return the tracepoints of each command of a round."""
    lab = Lab(machine)
    lab.say(SETUP)
    return [list(lab.one(command).events) for command in ROUND]


@pytest.mark.kvm
def test_a_model_rebuilds_what_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Word for word, when somebody looks; the trace says that it is so, and why."""

    def refuse() -> None:
        raise Untraceable("nobody may")

    monkeypatch.setattr(tracing, "tracepoints", refuse)
    assert told("machine backend=kvm") == told("machine kernel=linux-6.x")
    lab = Lab("machine backend=kvm", SETUP, *ROUND)
    shown = [str(line) for line in lab.one("trace").output]
    assert "rebuilt by a model, as nobody may" in shown[0]
    assert "trace rebuilt" in lab.session.backend.status
    assert len(lab.one("trace 3").output) == 4


@pytest.mark.kvm
def test_what_nobody_looks_at_is_given_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the trace says so."""

    def refuse() -> None:
        raise Untraceable("nobody may")

    monkeypatch.setattr(tracing, "tracepoints", refuse)
    monkeypatch.setattr(tracing, "LONGEST", 100)
    lab = Lab("machine backend=kvm", SETUP, "storm 50")
    assert "too much has happened" in str(lab.one("trace").output[0])
    assert "no trace" in lab.session.backend.status


@pytest.mark.kvm
def test_the_kernels_own_tracepoints_are_the_models() -> None:
    """In a mount namespace of its own, which ends with the process; the take of a host may look otherwise.

    Beside another VM, whose irqfds the same workers serve.
    """
    script = "; ".join(("machine backend=kvm", SETUP, *ROUND, "trace"))
    mounted = 'mount -t tracefs nodev /sys/kernel/tracing && exec "$@"'
    words = [
        "unshare",
        "-m",
        "sh",
        "-c",
        mounted,
        "sh",
        sys.executable,
        "-m",
        "kvmlab",
        "run",
        "--json",
        "-c",
        script,
    ]
    other = [sys.executable, "-m", "kvmlab", "run", "-c", f"machine backend=kvm; {SETUP}; storm 1000000"]
    beside = subprocess.Popen(other, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        pytest.skip("unshare(1) is not installed")
    finally:
        beside.kill()
        beside.wait()
    if "mount:" in ran.stderr or "unshare:" in ran.stderr:
        pytest.skip(f"tracefs cannot be mounted here: {ran.stderr.splitlines()[0]}")
    commands = [json.loads(line) for line in ran.stdout.splitlines()]
    if "the kernel's own" not in commands[-1]["output"][0]:
        pytest.skip(commands[-1]["output"][0])
    model = told("machine kernel=linux-6.x")
    by_text = {each["text"]: each["events"] for each in commands}
    assert [by_text["write t"], by_text["eoi"]] == [model[0], model[2]]


def test_a_record_is_read_by_its_layout(tmp_path: Path) -> None:
    """Fields by offset, size and sign; what the wording takes beyond them is 0."""
    folder = tmp_path / "events" / "kvm" / "kvm_set_irq"
    folder.mkdir(parents=True)
    (folder / "format").write_text(FORMAT, "utf-8")
    (layout,) = layouts(tmp_path)
    raw = (
        b"\x28\0\0\0\1\0\0\0"
        + (11).to_bytes(4, "little")
        + (-1).to_bytes(4, "little", signed=True)
        + b"\1\0\0\0"
    )
    assert layout.number == 40
    assert format_event(layout.event(raw), "linux-6.x") == "kvm_set_irq: gsi 11 level -1 source 1"
    accepted = Layout(
        "kvm_apic_accept_irq", 1, ((8, 4, False), (12, 2, False), (14, 2, False), (16, 1, False))
    )
    assert accepted.event(bytes(8) + b"\0\0\0\0\0\0\1\0\x41") == ("kvm_apic_accept_irq", 0, 0, 1, 0x41, 0)


def test_what_a_worker_hits_is_ours_while_it_does_our_work() -> None:
    """Given by us, or by a worker that does our work; no other thread of the machine."""
    work = Work(7)
    queued, begun, done = "workqueue_queue_work", "workqueue_execute_start", "workqueue_execute_end"
    assert work.owns(7, 8, "kvm_set_irq")
    assert not work.owns(0, 50, "kvm_set_irq")
    work.note(queued, 0xA0, 7, 8)
    work.note(queued, 0xB0, 9, 9)
    work.note(begun, 0xB0, 0, 50)
    assert not work.owns(0, 50, "kvm_set_irq")
    work.note(begun, 0xA0, 0, 51)
    assert work.owns(0, 51, "kvm_set_irq")
    work.note(queued, 0xC0, 0, 51)
    work.note(done, 0xA0, 0, 51)
    assert not work.owns(0, 51, "kvm_set_irq")
    work.note(begun, 0xC0, 0, 50)
    assert work.owns(0, 50, "kvm_set_irq")
    work.note(done, 0xC0, 0, 50)
    work.note(begun, 0xA0, 0, 50)
    assert not work.owns(0, 50, "kvm_set_irq")


def test_what_an_ioapic_puts_off_is_ours_when_we_wait_for_it() -> None:
    """It was given by a timer, and hits nothing that leads to a line."""
    work = Work(7)
    begun = "workqueue_execute_start"
    work.note(begun, 0xD0, 0, 50)
    assert not work.owns(0, 50, "kvm_apic_accept_irq")
    assert work.owns(7, 7, "kvm_ioapic_delayed_eoi_inj")
    work.note(begun, 0xE0, 0, 50)
    assert not work.owns(0, 50, "kvm_set_irq")
    assert not work.owns(0, 50, "kvm_apic_accept_irq")
    work.note(begun, 0xD0, 0, 50)
    assert work.owns(0, 50, "kvm_apic_accept_irq")
    work.note("workqueue_execute_end", 0xD0, 0, 50)
    work.note(begun, 0xD0, 0, 50)
    assert not work.owns(0, 50, "kvm_apic_accept_irq")


def test_the_labs_own_events_are_left_out() -> None:
    """The settler's marker with what it hits, and the guest that asks what to do next."""
    assert perf._marks(("kvm_pic_set_irq", 0, 1, 0, 0, 0), skipping=True)
    assert not perf._marks(("kvm_pic_set_irq", 0, 1, 0, 0, 0), skipping=False)
    prompt, out, into = (("kvm_pio", rw, port, 1, 1, 0) for rw, port in ((0, 0x5200), (1, 0x21), (0, 0x21)))
    by_port, by_page, stopped = (("kvm_userspace_exit", *of) for of in ((2, 0), (6, 0), (2, -4)))
    other = ("kvm_eoi", 0, 0x41)
    told = [
        prompt,
        by_page,
        by_port,
        prompt,
        out,
        by_port,
        by_port,
        prompt,
        stopped,
        by_port,
        other,
        into,
        by_port,
    ]
    assert without_prompts(told) == [by_page, out, by_port, by_port, other, into]


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the kernel's reason."""

    def refuse(*_args: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(Untraceable, match="may not be read: Permission denied"):
        layouts(tmp_path)
