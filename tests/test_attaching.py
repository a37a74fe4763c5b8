"""`kvmlab attach` without a terminal: text, JSON, and one sentence for everything that goes wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from socket import socketpair

import pytest

from kvmlab.backends.monitor import Monitor, Unreachable
from kvmlab.cli import main
from kvmlab.following import Picture
from kvmlab.snapshot import from_json
from tests.fake_qemu import FakeQemu, pic

pytest.importorskip("qemu.qmp", reason="the extra qemu is not installed")

CHECKOUT = Path(__file__).parent.parent


def test_text_is_what_qemu_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal it is printed once, as info pic, info lapic and info irq."""
    with FakeQemu(tmp_path / "q", cpus=2) as fake:
        fake.answers["info pic"] = pic({11: 0xC041}, irr=[11])
        assert main(["attach", f"qmp:{fake.path}"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert lines[0] == "ioapic0: ver=0x20 id=0x00 sel=0x26 (redir[11])"
    assert lines[12].endswith("level        fixed  physical  ?I.R")
    assert lines[25:29] == [
        "  IRR      11",
        "  Remote IRR 11",
        "pic0: irr=01 imr=b8 isr=00 hprio=0 irq_base=08 rr_sel=0 elcr=00 fnm=0",
        "pic1: irr=00 imr=8e isr=00 hprio=0 irq_base=70 rr_sel=0 elcr=0c fnm=0",
    ]
    assert [line for line in lines if "CPU" in line] == [
        f"dumping local APIC state for CPU {number}" for number in (0, 1)
    ]
    assert " 0: 59" in lines


def test_json_is_a_snapshot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It can be read back; what could not be read of QEMU goes to stderr."""
    with FakeQemu(tmp_path / "q") as fake:
        fake.answers["info irq"] = "what?\r\n"
        assert main(["attach", "--json", f"qmp:{fake.path}"]) == 0
    out, err = capsys.readouterr()
    snapshot = from_json(json.loads(out))
    assert snapshot.ioapic is not None
    assert (snapshot.kernel, snapshot.raised, snapshot.eventfds) == ("QEMU 9.0.1", None, None)
    assert err == "kvmlab attach: info irq:1:1: no line that is known: what?\n"


@pytest.mark.parametrize("target", ["", "q", "qmp:", "vnc:1", "qmp"])
def test_a_target_of_another_kind(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence says how a socket is made."""
    assert main(["attach", target]) == 2
    assert capsys.readouterr().err.startswith(
        f"kvmlab attach: '{target}' is not qmp:PATH, the socket of qemu-"
    )


def test_nobody_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the errno."""
    assert main(["attach", f"qmp:{tmp_path}/q"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"kvmlab attach: {tmp_path}/q: ENOENT: ")


def test_a_qemu_that_ends_while_it_is_asked_does_not_end_the_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written to it then is an error, though the program otherwise dies of a pipe that breaks."""

    async def ending(_monitor: Monitor) -> Picture:
        ours, its = socketpair()
        its.close()
        with ours, pytest.raises(BrokenPipeError):
            ours.send(b"?")
        raise Unreachable("QEMU has ended")

    monkeypatch.setattr("kvmlab.attaching.look", ending)
    with FakeQemu(tmp_path / "q") as fake:
        assert main(["attach", f"qmp:{fake.path}"]) == 2
    assert capsys.readouterr().err == "kvmlab attach: QEMU has ended\n"
    assert signal.getsignal(signal.SIGPIPE) == signal.SIG_DFL


def test_an_interrupt_while_qemu_says_nothing_is_clean(tmp_path: Path) -> None:
    """Ctrl+C at any moment: one word, and the status of an interrupt."""
    with FakeQemu(tmp_path / "q") as fake:
        fake.greeting = ""
        command = [sys.executable, "-m", "kvmlab", "attach", f"qmp:{fake.path}"]
        program = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env={**os.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        fake.came.wait()
        program.send_signal(signal.SIGINT)
        out, err = program.communicate()
    assert (out, err, program.returncode) == ("", "interrupted\n", 128 + signal.SIGINT)
