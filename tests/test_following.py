"""Following a QEMU: its picture stays fresh, its end is told, and it is found again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kvmlab.attaching import attached
from kvmlab.backends.monitor import monitor_at
from kvmlab.backends.qemu import Qemu
from kvmlab.cli import make_session
from kvmlab.following import PERIOD, Following, Picture, look, pause
from kvmlab.session import Session
from kvmlab.snapshot import Snapshot
from tests.fake_qemu import FakeQemu, lapic, pic

pytest.importorskip("qemu.qmp", reason="the extra qemu is not installed")

SECONDS = 300
"""No test is worth more: one that waits for ever fails then."""


def seen(fake: FakeQemu) -> Picture:
    """Return one picture of a QEMU."""

    async def once() -> Picture:
        async with monitor_at(str(fake.path)) as monitor:
            return await look(monitor)

    return asyncio.run(once())


class Lab:
    """A session that follows a QEMU, with what was told."""

    def __init__(self, path: Path) -> None:
        self.session: Session
        self.qemu: Qemu
        self.session, self.qemu = attached(make_session, Picture(Snapshot("QEMU 9.0.1", "qmp", ""), ()))
        self.now = 100.0
        self.told: list[str] = []
        self.following = Following(str(path), self.session, self.qemu, lambda: self.now, again=0.01)

    @property
    def status(self) -> str:
        """The row of the state as text."""
        return "".join([cell.text for cell in self.following.status()])

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what the following brings about."""
        while not holds():
            await asyncio.sleep(0.001)

    def run(self, act: Callable[[], Awaitable[None]]) -> None:
        """Follow as long as something is done."""

        async def both() -> None:
            following = asyncio.create_task(self.following.run(self.told.append))
            try:
                await act()
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

        asyncio.run(asyncio.wait_for(both(), SECONDS))


def test_a_picture_has_everything_that_can_be_seen(tmp_path: Path) -> None:
    """Every CPU is asked for its LAPIC, by its index."""
    with FakeQemu(tmp_path / "q", cpus=3) as fake:
        picture = seen(fake)
    snapshot = picture.snapshot
    assert (snapshot.kernel, snapshot.mode, picture.problems) == ("QEMU 9.0.1", "running", ())
    assert [chip.vcpu for chip in snapshot.lapics or ()] == [0, 1, 2]
    assert None not in (snapshot.ioapic, snapshot.pic, snapshot.raised)


def test_what_cannot_be_read_is_told_with_the_command(tmp_path: Path) -> None:
    """The rest is shown."""
    with FakeQemu(tmp_path / "q") as fake:
        fake.answers["info irq"] = "what?\r\n"
        fake.lapics = ["unknown command: 'info lapic'\r\n"]
        picture = seen(fake)
        assert picture.problems[0] == "info irq:1:1: no line that is known: what?"
        assert picture.problems[1].startswith(
            "info lapic (CPU 0):1:1: no line that is known: unknown command"
        )
        assert picture.snapshot.lapics is None
        assert picture.snapshot.ioapic is not None
        fake.declines = True
        assert seen(fake).problems[0] == "info pic: no such thing"


def test_a_session_follows_what_changes(tmp_path: Path) -> None:
    """Its version grows with every picture that differs, and with no other."""
    lab = Lab(tmp_path / "q")
    with FakeQemu(tmp_path / "q", cpus=2) as fake:

        async def act() -> None:
            await lab.until(lambda: lab.session.version == 1)
            assert lab.session.scope.vcpus == 2
            asked = len(fake.asked)
            await lab.until(lambda: len(fake.asked) > asked + 10)
            assert lab.session.version == 1
            fake.answers["info pic"] = pic({3: 0x41})
            await lab.until(lambda: lab.session.version == 2)
            ioapic = lab.session.snapshot().ioapic
            assert ioapic is not None
            assert ioapic.pins[3].vector == 0x41

        lab.run(act)
    assert lab.told == []


def test_a_qemu_that_ends_and_comes_back_is_shown_again(tmp_path: Path) -> None:
    """Its last picture stays meanwhile, and grows older; each is told once."""
    lab = Lab(tmp_path / "q")

    async def act() -> None:
        with FakeQemu(tmp_path / "q"):
            await lab.until(lambda: lab.session.version == 1)
            assert lab.status.endswith("  QEMU 9.0.1 running")
            assert lab.status.startswith(" connected  picture now  qmp:")
        await lab.until(lambda: "gone" in lab.status)
        lab.now += 7
        assert lab.status.startswith(" gone, waiting for it  picture 7 s old  qmp:")
        assert lab.session.snapshot().ioapic is not None
        with FakeQemu(tmp_path / "q") as fake:
            fake.lapics = [lapic(0, irr="48 ")]
            await lab.until(lambda: "connected" in lab.status)
            await lab.until(lambda: lab.session.version == 2)

    lab.run(act)
    assert lab.told == [
        "QEMU has ended, or closed its monitor; it is shown again when it comes back",
        "QEMU 9.0.1 is back",
    ]


def test_a_qemu_that_does_not_answer_is_told_in_the_state(tmp_path: Path) -> None:
    """A process that is stopped keeps its connection."""
    lab = Lab(tmp_path / "q")
    with FakeQemu(tmp_path / "q") as fake:

        async def act() -> None:
            await lab.until(lambda: lab.session.version == 1)
            with fake.stopped():
                asked = len(fake.asked)
                await lab.until(lambda: len(fake.asked) > asked)
                lab.now += 9
                assert lab.status.startswith(" no answer for 9 s  picture 9 s old  qmp:")
            await lab.until(lambda: lab.status.startswith(" connected  picture now  "))

        lab.run(act)
    assert lab.told == []


def test_a_line_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    """Not with every picture."""
    lab = Lab(tmp_path / "q")
    with FakeQemu(tmp_path / "q") as fake:
        fake.answers["info irq"] = "what?\r\n"

        async def act() -> None:
            await lab.until(lambda: len(fake.asked) > 20)

        lab.run(act)
    assert lab.told == ["info irq:1:1: no line that is known: what?"]


def test_a_monitor_is_left_alone_longer_than_it_was_asked() -> None:
    """Five looks a second at most, and a small share of the monitor's time."""
    assert pause(0.0) == PERIOD == 0.2
    assert pause(0.005) == pytest.approx(0.195)
    assert pause(0.5) == 5.0


def test_the_row_of_the_state_fits_a_narrow_screen(tmp_path: Path) -> None:
    """A long path is cut at its beginning."""
    lab = Lab(tmp_path / ("x" * 200) / "the.sock")
    lab.now += 100_000
    assert lab.status.index("xxx/the.sock") < 80
