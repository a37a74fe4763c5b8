"""The panes of one GSI, its path and its timeline, on a screen: keys, mouse, sizes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from textual.app import ComposeResult

from kvmlab.render.overview import overview_rows
from kvmlab.render.stages import STAGES
from kvmlab.scripts import parse_text, run
from kvmlab.session import Session
from kvmlab.tui.frame import Frame
from kvmlab.tui.listed import View
from kvmlab.tui.overview import SHOWN_BY, STAGE_LINE, Overview
from kvmlab.tui.pane import Pane
from kvmlab.tui.panes import PaneSpec
from kvmlab.tui.samples import Samples
from kvmlab.tui.seen import see
from kvmlab.tui.theme import ThemedApp
from kvmlab.tui.timeline import Timeline
from kvmlab.tui.widgets import SPECS
from tests.tui.stand import Hand, drive

WIRED = (
    "eventfd trigger; eventfd unmask; ioapic 11 vector=0x41 level unmasked;"
    "irqfd trigger gsi=11 level; eoifd unmask key=trigger level"
)
PATH = PaneSpec(
    "path",
    "Path",
    "path",
    "",
    lambda view: overview_rows(view.seen.snapshot, view.gsi),
    "",
    subject="stage",
    lines=STAGE_LINE,
)


def say(session: Session, text: str) -> None:
    """Run commands in a session."""
    for _result in run(session, parse_text(session, text)):
        pass


class Host(ThemedApp):
    """A screen with one pane, which notes what the pane asks for."""

    def __init__(self, pane: Pane) -> None:
        super().__init__()
        self.shown = pane
        self.asked: list[object] = []

    def get_default_screen(self) -> Frame:
        """Return the screen that carries the styles of cells."""
        return Frame()

    def compose(self) -> ComposeResult:
        """Yield the pane."""
        yield self.shown

    def on_overview_gsi_wanted(self, event: Overview.GsiWanted) -> None:
        """Note a GSI."""
        self.asked.append(event.gsi)

    def on_overview_pane_wanted(self, event: Overview.PaneWanted) -> None:
        """Note a pane."""
        self.asked.append(event.pane)

    def on_pane_chosen(self, event: Pane.Chosen) -> None:
        """Note a key."""
        self.asked.append(event.pane.key)


def on_screen(host: Host, act: Callable[[Hand], Awaitable[None]], size: tuple[int, int] = (78, 24)) -> None:
    """Run a test's steps on a screen of a size, with the pane in focus."""

    async def acting(pilot: Hand) -> None:
        host.shown.display = True
        await pilot.pause()
        host.shown.focus()
        await act(pilot)

    drive(host, acting, size)


def test_the_arrows_ask_for_the_gsis_that_something_is_wired_to() -> None:
    """Right and left go through them in order, and stop at the ends."""
    session = Session()
    say(session, f"line 5 1; line 17 1; {WIRED}")
    host = Host(Overview(PATH))

    async def act(pilot: Hand) -> None:
        view = View(see(session))
        host.shown.show(None, view)
        await pilot.press("right", "left")
        host.shown.show(None, replace(view, gsi=17))
        await pilot.press("right", "left")

    on_screen(host, act)
    assert host.asked == [17, 5, 11]


def test_enter_asks_for_the_pane_of_the_stage_under_the_cursor() -> None:
    """From a stage one gets to the pane that shows it whole."""
    session = Session()
    say(session, WIRED)
    host = Host(Overview(PATH))

    async def act(pilot: Hand) -> None:
        host.shown.show(None, View(see(session)))
        host.shown.choose("IOAPIC")
        await pilot.press("enter")
        host.shown.choose("IRR")
        await pilot.press("enter")

    on_screen(host, act)
    assert host.asked == ["IOAPIC", "ioapic", "IRR", "lapic"]


def test_every_stage_leads_to_a_pane_that_there_is() -> None:
    """No stage is a dead end."""
    assert set(SHOWN_BY) == {name for name, _read in STAGES}
    assert set(SHOWN_BY.values()) <= {spec.name for spec in SPECS}


def test_what_the_last_command_changed_in_the_path_is_marked() -> None:
    """Marks tell a command's effect, and not that another GSI is looked at."""
    session = Session()
    say(session, WIRED)
    before = View(see(session), 11)
    say(session, "write trigger")
    now = View(see(session), 11)
    host = Host(Overview(PATH))
    marked: list[set[str]] = []

    async def act(_pilot: Hand) -> None:
        for was in (before, replace(before, gsi=5)):
            host.shown.show(was, now)
            marked.append({item.key for item in host.shown.items if item.mark and item.key})

    on_screen(host, act)
    assert marked == [{"eventfd", "source", "IOAPIC", "IRR", "EOI"}, set()]


@pytest.mark.parametrize(("size", "lines"), [((78, 24), 21), ((78, 15), 15)])
def test_the_waves_are_as_tall_as_the_pane_allows(size: tuple[int, int], lines: int) -> None:
    """A low pane draws each signal on one line, so that all are in sight."""
    session = Session()
    say(session, f"{WIRED}; write trigger; take; eoi")
    host = Host(Timeline(session, Samples()))

    async def act(_pilot: Hand) -> None:
        host.shown.show(None, View(see(session)))
        texts = host.shown.texts
        assert ("┌" in "".join(texts)) == (size[1] >= 20)
        assert next(text for text in texts if text.startswith("unmask")) in texts[:lines]

    on_screen(host, act, size)


def test_the_cursor_moves_over_the_units_by_key_and_mouse() -> None:
    """Left and right move by one unit and stop at the ends; a click goes to the column."""
    session = Session()
    say(session, f"{WIRED}; write trigger; take; eoi")
    host = Host(Timeline(session, Samples()))

    async def act(pilot: Hand) -> None:
        host.shown.show(None, View(see(session)))
        await pilot.press("left", "left", "right", "right", "right")
        await pilot.click(Timeline, offset=(12 + 6 * 3 + 1, 4))

    on_screen(host, act)
    assert host.asked == ["7", "6", "7", "8", "3"]
    assert "[3]" in host.shown.texts[1]


def test_after_an_undo_the_present_moves_and_the_waves_stay() -> None:
    """What could be redone is still drawn, to the right of the present."""
    session = Session()
    say(session, f"{WIRED}; write trigger; take; eoi; undo 2")
    host = Host(Timeline(session, Samples()))

    async def act(_pilot: Hand) -> None:
        host.shown.show(None, View(see(session)))

    on_screen(host, act)
    assert "[→6]" in host.shown.texts[1]
    assert host.shown.texts[1].rstrip().endswith("8")
    assert host.shown.key == "6"


def test_a_hidden_timeline_catches_up_when_it_is_looked_at() -> None:
    """While it is hidden it walks no past; shown again it is up to date."""
    session = Session()
    host = Host(Timeline(session, Samples()))

    async def act(pilot: Hand) -> None:
        host.shown.show(None, View(see(session)))
        host.shown.display = False
        await pilot.pause()
        say(session, WIRED)
        host.shown.show(None, View(see(session)))
        assert "of 0" in host.shown.texts[0]
        host.shown.display = True
        await pilot.pause()
        assert host.shown.texts[0].endswith("of 5")

    on_screen(host, act)
