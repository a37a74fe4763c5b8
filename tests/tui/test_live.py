"""The screen over a machine that changes by itself: fresh, marked for a while, and not to be moved."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kvmlab.attaching import attached
from kvmlab.cli import make_session
from kvmlab.exchange.hmp import read_dump, snapshot_of
from kvmlab.following import Picture
from kvmlab.past import HistoryFile
from kvmlab.render.cells import Cell
from kvmlab.snapshot import Snapshot
from kvmlab.tui.actions import ACTIONS
from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.arrange import ALL, CHIP_LAYOUTS
from kvmlab.tui.live import MARKED, MOST, Pictures
from kvmlab.tui.seen import Seen
from tests.fake_qemu import IRQ, lapic, pic
from tests.tui.stand import Hand, drive, text_of


def snapshot(pins: dict[int, int], irr: str = "(none)") -> Snapshot:
    """Return a QEMU's snapshot with some entries."""
    text = pic(pins) + lapic(0, irr=irr) + lapic(1) + IRQ
    return snapshot_of([read_dump(text)], "QEMU 9.0.1", "qmp", "running")


class Machine:
    """What keeps a session fresh, driven by hand."""

    def __init__(self) -> None:
        self.session, self.qemu = attached(make_session, Picture(snapshot({}), ()))
        self.tell: Callable[[str], None] | None = None
        self.ended = False
        self.text = "qmp:/run/q  connected"

    async def run(self, tell: Callable[[str], None]) -> None:
        """Remember how to tell something, until cancelled."""
        self.tell = tell
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True

    def status(self) -> Sequence[Cell]:
        """Return the row of the state."""
        return [Cell(self.text, "ok")]

    def waits(self, app: KvmlabApp) -> bool:
        """Tell whether the newest picture is still to be shown."""
        return app.driver.now.snapshot.ioapic != self.qemu.picture.ioapic

    def become(self, seen: Snapshot) -> None:
        """Be seen so."""
        self.qemu.picture = seen
        self.session.version += 1


Act = Callable[[KvmlabApp, Hand, Machine], Awaitable[None]]


def on_live_screen(act: Act, size: tuple[int, int] = (120, 40)) -> Machine:
    """Show a machine, do something with it, and return it."""
    machine = Machine()
    past = HistoryFile(Path("/nonexistent/history"), 0)
    app = KvmlabApp(lambda: machine.session, past, live=machine)

    async def acting(hand: Hand) -> None:
        await hand.until(lambda: app.ready and machine.tell is not None)
        await hand.pause()
        await act(app, hand, machine)

    drive(app, acting, size)
    return machine


def test_what_changes_by_itself_is_shown_and_marked_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """The star goes when the change is old."""
    clock = [100.0]
    monkeypatch.setattr("kvmlab.tui.app.monotonic", lambda: clock[0])

    async def act(app: KvmlabApp, pilot: Hand, machine: Machine) -> None:
        pane = app.panes["ioapic"]
        assert [item.key for item in pane.items if item.mark] == []
        clock[0] += 10
        machine.become(snapshot({11: 0xC041}, irr="65(level) "))
        await pilot.until(lambda: [item.key for item in pane.items if item.mark] == ["11"])
        assert any("11  41 fixed  p0  level hi ?..R." in text for text in pane.texts)
        assert any("40  . R ." in text for text in app.panes["lapic"].texts)
        clock[0] += MARKED
        await pilot.until(lambda: not any(item.mark for item in pane.items))

    on_live_screen(act)


def test_the_row_of_the_state_is_that_of_what_keeps_it_fresh() -> None:
    """It is drawn anew also where no picture is."""

    async def act(app: KvmlabApp, pilot: Hand, machine: Machine) -> None:
        assert any("qmp:/run/q  connected" in text for text in text_of(app))
        machine.text = "qmp:/run/q  gone"
        await pilot.until(lambda: any("qmp:/run/q  gone" in text for text in text_of(app)))
        assert machine.tell is not None
        machine.tell("QEMU has ended")
        await pilot.pause()
        assert "QEMU has ended" in app.log_pane.texts

    on_live_screen(act)


def test_nothing_that_would_change_it_is_offered() -> None:
    """A command that is typed all the same is refused in a sentence; expect works."""

    async def act(app: KvmlabApp, pilot: Hand, machine: Machine) -> None:
        machine.become(snapshot({11: 0xC041}, irr="65(level) "))
        await pilot.press("escape", "1")
        shown = [text for text in text_of(app) if "F1 help" in text]
        assert not any(action.label in shown[0] for action in ACTIONS if action.name != "poll")
        assert not {entry.title for entry in app.get_system_commands(app.screen)} & {"Explore", "mask", "run"}
        app.action_say("take; ioapic 3 masked")
        app.action_say("expect ioapic.11.remote_irr == 1")
        await pilot.pause()
        refused = [text for text in app.log_pane.texts if "nothing can be changed from here" in text]
        assert [text.partition(":")[0] for text in refused] == ["take", "ioapic"]
        assert app.log_pane.texts[-1] == "held"

    on_live_screen(act)


def test_the_timeline_has_the_last_pictures() -> None:
    """The newest is the present."""

    async def act(app: KvmlabApp, pilot: Hand, machine: Machine) -> None:
        for mask in (0x10000, 0, 0x10000):
            machine.become(snapshot({0: mask | 0x41}))
            await pilot.until(lambda: not machine.waits(app))
        app.action_pane("timeline")
        await pilot.pause()
        texts = app.panes["timeline"].texts
        assert texts[0].startswith("GSI 0  units 1 to 4 of 4")
        assert any(text.startswith("mask") and "▁" in text for text in texts)

    on_live_screen(act)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_every_pane_can_be_shown(size: tuple[int, int]) -> None:
    """What cannot be seen says so; nothing is empty."""

    async def act(app: KvmlabApp, pilot: Hand, _machine: Machine) -> None:
        for name in ALL:
            app.action_pane(name)
            await pilot.pause()
            assert app.panes[name].display
            assert any(app.panes[name].texts), name

    on_live_screen(act, size)


def test_the_layouts_have_a_place_for_every_pane() -> None:
    """A pane that is asked for is shown in each."""
    for layout in CHIP_LAYOUTS:
        assert sorted(name for column in layout.columns for slot in column.slots for name in slot.panes) == (
            sorted(ALL)
        )


def test_leaving_ends_what_keeps_it_fresh() -> None:
    """No connection is left behind."""

    async def act(_app: KvmlabApp, pilot: Hand, _machine: Machine) -> None:
        await pilot.press("ctrl+q")

    assert on_live_screen(act).ended


def test_pictures_are_compared_with_what_was_seen_a_while_ago() -> None:
    """And no more of them are kept than the timeline has room for."""
    pictures = Pictures()
    assert pictures.before(0.0) is None
    session = Machine().session
    seen = [Seen(replace(snapshot({}), mode=str(n)), (), (), 0, 0, 0, ()) for n in range(MOST + 2)]
    for number, picture in enumerate(seen):
        pictures.add(picture, float(number))
    newest = float(len(seen) - 1)
    assert pictures.before(newest) is seen[-3]
    assert pictures.before(newest + MARKED) is seen[-1]
    assert pictures.before(0.0) is seen[2]
    samples = pictures.of(session)
    assert [sample.number for sample in samples] == list(range(3, MOST + 3))
    assert (samples[-1].label, samples[-2].label) == ("the newest", "1.0 s before the newest")
