"""The explorer's screen: it searches between the frames, keeps what it found, and leads to each failure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from kvmlab.cli import make_session
from kvmlab.explore.search import Progress, Search
from kvmlab.settings import Settings
from kvmlab.shell import Shell
from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.explorer import Explorer
from kvmlab.tui.exploring import IDLE, Exploration, Hunt
from kvmlab.tui.running import SLICE
from tests.tui.stand import LEVEL, Hand, on_screen, text_of
from tests.tui.test_goldens import SIZES, compare

DEADLOCK = (
    "machine with=flush-under-lock",
    "eventfd trigger; eventfd unmask",
    "ioapic 11 vector=0x41 level unmasked",
    "irqfd trigger gsi=11 level; eoifd unmask key=trigger level",
    "actor closer: close trigger",
    "actor other: irqfd trigger gsi=11 deassign",
)
"""Deassign waits for the cleanup under a lock that the cleanup waits for."""


class Endless(Search):
    """A search that has never seen everything."""

    def run(self) -> Iterator[Progress]:
        """Go on for ever from where it should have ended."""
        yield from super().run()
        self.outcome.exhausted = False
        while True:
            yield Progress(self.outcome.states, self.outcome.transitions, 1, self.outcome.rounds)


def explorer_of(app: KvmlabApp) -> Explorer:
    """Return the explorer, which is on the screen."""
    assert isinstance(app.screen, Explorer)
    return app.screen


async def explored(app: KvmlabApp, pilot: Hand) -> Explorer:
    """Open the explorer, and have it find what there is: as its timer does, with no frames between."""
    app.action_say("explore")
    await pilot.pause()
    explorer = explorer_of(app)
    while not explorer.hunt.over:
        explorer._go_on()
    await pilot.pause()
    return explorer


def hunting(step: float = SLICE / 100, lines: Sequence[str] = DEADLOCK) -> Hunt:
    """Return a hunt on its own, by a clock that gains a step at every look."""
    session = make_session()
    shell = Shell(session, lambda rows: None)
    for text in lines:
        shell.run_line(text)
    return Hunt(Exploration(session).hunt.search, partial(next, count(0, step)))


@pytest.mark.parametrize("size", SIZES)
def test_the_explorer_is_as_it_was(size: str) -> None:
    """It has found four failures, and the second one is chosen."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.command_line.cursor_blink = False
        hunt = hunting()
        app.push_screen(Explorer(hunt, lambda steps: None))
        await pilot.until(lambda: hunt.over)
        await pilot.press("down")
        compare(f"explorer-{size}.txt", "\n".join(text_of(app)) + "\n")

    on_screen(act, size=SIZES[size], said=DEADLOCK, settings=Settings(theme="kvmlab-dark"))


def test_a_hunt_gives_way_after_a_slice() -> None:
    """However long one step of the search takes, there is one in a slice, and no more than fit."""
    hunt = hunting(step=2 * SLICE)
    looks = []
    for _slice in range(3):
        hunt.slice()
        looks.append(hunt.progress.transitions)
    assert 0 < looks[0] < looks[1] < looks[2]
    assert not hunt.over


def test_a_hunt_finds_what_the_search_finds() -> None:
    """In slices, and on a machine of its own, it comes to the same."""
    hunt, whole = hunting(), hunting().search
    while not hunt.over:
        hunt.slice()
    search = Search(whole.world, whole.judge)
    for _progress in search.run():
        pass
    assert hunt.search.outcome.failures.keys() == search.outcome.failures.keys()
    assert hunt.search.outcome.states == search.outcome.states
    assert hunt.search.outcome.exhausted
    assert hunt.rate > 0


@pytest.mark.parametrize(
    "order", ["x.count == 1 and eventfd.y.count == 0", "y.count == 1 and eventfd.x.count == 0"]
)
def test_a_hunt_sees_what_properties_see(order: str) -> None:
    """Which of two threads comes first, who are none of each other's business."""
    lines = (
        "machine",
        "eventfd x; eventfd y",
        "actor p: write x",
        "actor q: write y",
        f"never eventfd.{order}",
    )
    hunt = hunting(lines=lines)
    while not hunt.over:
        hunt.slice()
    assert [kind for kind, _text in hunt.search.outcome.failures] == ["never"]


def test_enter_leads_to_the_failure_that_is_chosen() -> None:
    """By commands that stand in the log, each a unit of history: undo goes back along the schedule."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        session = app.driver.session
        before, position = session.snapshot(), session.history.position
        explorer = await explored(app, pilot)
        assert session.snapshot() == before, "it searches a machine of its own"
        assert ("deadlock", "closer can never go on: irqfds.lock is held by other") in explorer.found
        await pilot.press("j", "j", "k", "enter")
        assert not isinstance(app.screen, Explorer)
        said = app.driver.said[-1]
        assert said == "manual; step other 12; step closer 6; step irqfd-cleanup 2"
        assert any("step other 12" in text for text in app.log_pane.texts)
        blocked = {each.name: each.state for each in session.snapshot().contexts or ()}
        assert blocked["irqfd-cleanup"] == blocked["closer"] == blocked["other"] == "blocked"
        app.action_say("undo 4")
        assert session.history.position == position
        assert session.snapshot().contexts == before.contexts

    on_screen(act, said=DEADLOCK, size=(120, 40))


def test_the_next_failure_is_opened_from_where_the_search_began() -> None:
    """What was found is kept as long as the session can go back there."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        position = app.driver.session.history.position
        first = await explored(app, pilot)
        await pilot.press("enter")
        assert app.driver.said[-1] == "manual; step other 11"
        second = await explored(app, pilot)
        assert second.hunt is first.hunt
        await pilot.press("down", "enter")
        assert app.driver.said[-1].startswith(f"goto {position}; manual; step other 12")
        app.action_say(f"goto {position - 1}; eventfd more; actor third: close more")
        third = await explored(app, pilot)
        assert third.hunt is not first.hunt

    on_screen(act, said=DEADLOCK, size=(120, 40))


def test_another_question_is_searched_anew() -> None:
    """What was found is shown again only where the session stands, and asks, as it did."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        hunt = (await explored(app, pilot)).hunt
        for said in ("never irqfd.trigger == none", "step other 1", "undo 1", "actor third: close trigger"):
            await pilot.press("escape")
            app.action_say(said)
            before, hunt = hunt, (await explored(app, pilot)).hunt
            assert hunt is not before, said

    on_screen(act, said=(*DEADLOCK, "manual"), size=(120, 40))


def test_escape_stops_and_keeps_what_was_found() -> None:
    """The first stops the search and says so, the second closes the screen."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        search = hunting().search
        hunt = Hunt(Endless(search.world, search.judge, every=1))
        app.push_screen(Explorer(hunt, lambda steps: None))
        await pilot.until(lambda: any("searching: Esc stops" in text for text in text_of(app)))
        await pilot.until(lambda: bool(hunt.progress.states))
        await pilot.press("escape")
        explorer = explorer_of(app)
        assert hunt.over
        seen = hunt.progress
        assert any("not every schedule was tried" in text for text in text_of(app))
        await pilot.pause(0.05)
        assert hunt.progress is seen
        await pilot.press("escape")
        assert app.screen is not explorer

    on_screen(act, said=DEADLOCK)


def test_a_search_that_finds_nothing_says_so() -> None:
    """Enter then does nothing."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        explorer = await explored(app, pilot)
        assert explorer.found == []
        assert any("nothing was seen to go wrong" in text for text in text_of(app))
        await pilot.press("down", "enter")
        assert app.screen is explorer

    on_screen(act, said=("eventfd a", "actor closer: close a"))


@pytest.mark.parametrize(
    ("said", "told"), [((), IDLE), ((*LEVEL[:-1], "storm 100000000"), "storm is under way")]
)
def test_where_nothing_can_be_explored_it_is_told(said: tuple[str, ...], told: str) -> None:
    """In the log, and no screen is opened."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_explore()
        await pilot.pause()
        assert not isinstance(app.screen, Explorer)
        assert told in " ".join(" ".join(app.log_pane.texts).split())
        app.action_stop()

    on_screen(act, said=said, size=(120, 40))


def test_the_command_that_is_typed_opens_the_explorer() -> None:
    """As the menu does."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press(*"explore", "escape", "i")
        app.command_line.value = "explore"
        app.command_line.focus()
        await pilot.press("enter")
        explorer = explorer_of(app)
        assert "> explore" in app.log_pane.texts[-2:]
        await pilot.until(lambda: explorer.hunt.over)
        await pilot.press("escape")
        states = explorer.hunt.search.outcome.states
        told = f"every schedule was tried, {states} states: 4 failures"
        assert app.log_pane.texts[-1] == told
        app.action_say("explore")
        await pilot.until(lambda: app.log_pane.texts.count(told) > 1)
        assert app.log_pane.texts[-2:] == ["> explore", told]

    on_screen(act, said=DEADLOCK)


RACE = ("write trigger; take", "actor cpu: eoi", "actor closer: close unmask")


@pytest.fixture(name="_kept")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVMLAB_STATE_DIR", str(tmp_path))


@pytest.mark.usefixtures("_kept")
def test_what_it_found_is_for_the_lab_that_is_open_and_for_replay() -> None:
    """The goal is told in the log when the search is over, and `replay` takes what was found."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        goal = "goal reached: Let the guest's EOI race"
        await explored(app, pilot)
        assert goal in " ".join(app.log_pane.texts)
        await pilot.press("escape")
        assert app.driver.session.texts[-1] == "explore"
        app.action_say("replay")
        assert "goal reached: Play a schedule that was found" in " ".join(app.log_pane.texts)

    on_screen(act, said=("lab start stress-then-explore", *RACE), size=(120, 40))
