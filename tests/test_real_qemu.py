"""A real QEMU, whose chips are programmed through its test protocol, is seen as it is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import AF_UNIX, socket
from time import monotonic, sleep

import pytest

from kvmlab.snapshot import Snapshot, from_json

QEMU = shutil.which("qemu-system-x86_64")

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.skipif(QEMU is None, reason="there is no qemu-system-x86_64 on PATH"),
]

pytest.importorskip("qemu.qmp", reason="the extra qemu is not installed")

CHECKOUT = Path(__file__).parent.parent
SECONDS = 60
"""As long is waited for QEMU."""

IOAPIC = "/machine/q35/ioapic"


class Guest:
    """A QEMU of two stopped CPUs: nothing happens but what is told to it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "qmp"
        self._chips = folder / "qtest"
        sockets = [f"unix:{path},server=on,wait=off" for path in (self.path, self._chips)]
        options = ["-accel", "tcg", "-S", "-M", "q35", "-smp", "2", "-nodefaults", "-display", "none"]
        assert QEMU is not None
        self.process = subprocess.Popen([QEMU, *options, "-qmp", sockets[0], "-qtest", sockets[1]])
        self._connection = socket(AF_UNIX)
        self._until(lambda: self.path.exists() and self._connected())

    def _until(self, holds: Callable[[], bool]) -> None:
        end = monotonic() + SECONDS
        while not holds():
            assert monotonic() < end
            assert self.process.poll() is None
            sleep(0.01)

    def _connected(self) -> bool:
        """Connect, if it listens already: the file is there a little earlier."""
        try:
            self._connection.connect(str(self._chips))
        except OSError:
            return False
        return True

    def tell(self, command: str) -> None:
        """Do something to the chips."""
        self._connection.sendall(command.encode() + b"\n")
        assert self._connection.recv(4096).startswith(b"OK")

    def entry(self, pin: int, value: int) -> None:
        """Program a pin's low dword."""
        self.tell(f"writel 0xfec00000 {0x10 + 2 * pin:#x}")
        self.tell(f"writel 0xfec00010 {value:#x}")

    def line(self, pin: int, level: int) -> None:
        """Drive a pin's line."""
        self.tell(f"set_irq_in {IOAPIC} unnamed-gpio-in {pin} {level}")

    def end(self) -> None:
        """Kill it."""
        self._connection.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    """Return a QEMU that is ended with the test."""
    made = Guest(tmp_path)
    yield made
    made.end()


def attach(*options: str) -> str:
    """Return what `kvmlab attach` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "kvmlab", "attach", *options],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    assert done.stderr == ""
    return done.stdout


def seen(guest: Guest) -> Snapshot:
    """Return a QEMU as it is seen now."""
    return from_json(json.loads(attach("--json", f"qmp:{guest.path}")))


def test_a_level_interrupt_is_seen_in_both_chips(guest: Guest) -> None:
    """Raised, it stands in the IOAPIC's IRR with remote IRR, and in the LAPIC's IRR as level."""
    guest.entry(11, 0x8041)
    guest.line(11, 1)
    before = seen(guest)
    assert before.ioapic is not None
    assert before.lapics is not None
    pin = before.ioapic.pins[11]
    assert (pin.vector, pin.trigger, pin.irr, pin.remote_irr, pin.mask) == (0x41, "level", 1, 1, 0)
    assert [(chip.vcpu, chip.irr, chip.tmr) for chip in before.lapics] == [(0, (0x41,), (0x41,)), (1, (), ())]
    guest.line(11, 0)
    after = seen(guest)
    assert after.ioapic is not None
    assert (after.ioapic.pins[11].irr, after.ioapic.pins[11].remote_irr) == (0, 1)
    assert after.raised is not None
    assert {each.chip: dict(each.raised).get(11) for each in after.raised}["ioapic"] == 1


def test_every_line_that_it_prints_is_known(guest: Guest) -> None:
    """Nothing goes to stderr, and every part that QEMU shows is there."""
    text = attach("--text", f"qmp:{guest.path}")
    assert "there is none that can be seen" not in text
    assert text.count("dumping local APIC state for CPU") == 2


def test_looking_changes_nothing(guest: Guest) -> None:
    """Two pictures of a machine that stands still are the same."""
    guest.entry(4, 0x8031)
    assert seen(guest) == seen(guest)
    assert seen(guest).mode == "prelaunch"
