"""A storm on the screen: in slices, looked at between them, paused, stopped, and then one unit."""

from __future__ import annotations

import gc
from pathlib import Path

from kvmlab.cli import make_session
from kvmlab.journal import Journal
from kvmlab.language.parse import parse_line
from kvmlab.render.cells import Row
from kvmlab.render.plain import plain_lines
from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.driver import Driver
from kvmlab.tui.storm import Storm
from tests.tui.stand import LEVEL, Hand, on_screen, text_of

ENDLESS = "storm 100000000"


def stormy(text: str = ENDLESS, journal: Journal | None = None) -> tuple[Driver, list[Row]]:
    """Return a driver in which a storm has run for one slice, and the rows it says."""
    rows: list[Row] = []
    driver = Driver(make_session(), rows.extend, journal)
    for command in (*LEVEL[:-1], text):
        driver.run(command)
    driver.blow()
    return driver, rows


def test_a_storm_ends_as_one_unit_that_returns_its_cycles() -> None:
    """In slices it does what it does at once."""
    driver, rows = stormy("storm 3")
    while driver.storm is not None:
        driver.blow()
    at_once = make_session()
    for text in (*LEVEL[:-1], "storm 3"):
        at_once.execute(parse_line(text, at_once.scope)[0])
    assert driver.session.snapshot() == at_once.snapshot()
    assert driver.session.history.position == len(LEVEL)
    assert "3" in plain_lines(rows)[-1]
    assert not driver.session.busy
    assert gc.isenabled()


def test_a_storm_under_way_can_be_looked_at_and_not_disturbed() -> None:
    """Another command is refused, in words that say what to do; the machine is where it was."""
    driver, rows = stormy()
    assert driver.storm is not None
    assert driver.session.busy
    assert not gc.isenabled(), "a collection of so much stops the screen"
    done, before = driver.storm.done, driver.session.snapshot()
    assert done
    driver.run("write trigger")
    assert "F11" in plain_lines(rows)[-1]
    assert driver.session.snapshot() == before
    assert not driver.run_until("eventfd.trigger.count == 9", "write trigger")
    assert driver.session.snapshot() == before
    driver.look()
    assert driver.now.snapshot == before


def test_a_paused_storm_does_nothing_until_it_goes_on() -> None:
    """Not one cycle runs in a slice of it."""
    driver, _rows = stormy()
    storm = driver.storm
    assert storm is not None
    storm.paused, done = True, storm.done
    driver.blow()
    assert storm.done == done
    assert "paused" in storm.status()
    storm.paused = False
    driver.blow()
    assert storm.done > done


def test_a_stopped_storm_is_the_unit_of_what_it_did(tmp_path: Path) -> None:
    """History, `save` and the journal say the cycles that were, so that they can be had again."""
    journal = Journal(tmp_path / "journal")
    driver, _rows = stormy(journal=journal)
    assert driver.storm is not None
    done, seen = driver.storm.done, driver.session.snapshot()
    driver.stop_storm()
    assert driver.storm is None
    assert driver.session.history.units[-1].text == f"storm {done}"
    assert driver.session.texts[-1] == f"storm {done}"
    (written,) = (tmp_path / "journal").iterdir()
    assert written.read_text().splitlines()[-1] == f"storm {done}"
    assert driver.session.snapshot().eventfds == seen.eventfds
    driver.run("undo")
    driver.run("redo")
    assert driver.session.snapshot().eventfds == seen.eventfds
    journal.close()


def test_a_storm_that_cannot_begin_says_why() -> None:
    """Without an irqfd it is refused, as it is at the prompt."""
    rows: list[Row] = []
    driver = Driver(make_session(), rows.extend, None)
    driver.run("storm 5")
    driver.blow()
    assert driver.storm is None
    assert "irqfd" in plain_lines(rows)[-1]
    driver.run("eventfd a")
    assert driver.session.snapshot().eventfds


def test_a_rate_bounds_what_a_slice_does() -> None:
    """At one cycle per second the first slice runs one."""
    session = make_session()
    for text in LEVEL[:-1]:
        session.execute(parse_line(text, session.scope)[0])
    storm = Storm(session, parse_line("storm 100 rate=1", session.scope)[0])
    assert storm.slice() is None
    assert storm.done == 1
    assert storm.slice() is None
    assert storm.done == 1
    assert storm.stop().ret == 1


def test_the_keys_of_a_storm() -> None:
    """F11 pauses it and the state bar says so; ^t ends it, and commands run again."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_say(ENDLESS)
        app.driver.blow()
        assert app.driver.storm is not None
        await pilot.press("f11")
        await pilot.pause()
        assert app.driver.storm.paused
        assert any("paused" in text for text in text_of(app))
        await pilot.press("ctrl+t")
        await pilot.pause()
        assert app.driver.storm is None
        app.action_say("eventfd after")
        assert any(each.name == "after" for each in app.driver.session.snapshot().eventfds)

    on_screen(act, said=LEVEL[:-1], size=(120, 40))


def test_a_storm_of_the_first_commands_blows_and_may_be_left() -> None:
    """It begins before the screen is looked at, and the program ends in its middle without a word."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        assert app.driver.storm is not None
        app.driver.blow()
        app.repl = lambda _session: None
        await pilot.press("f12")
        await pilot.pause()
        assert any("under way" in text for text in text_of(app))

    app = on_screen(act, said=(*LEVEL[:-1], ENDLESS), size=(120, 40))
    assert app.driver.storm is not None
