"""The driver: text in, rows out, and what was seen before and after."""

from __future__ import annotations

from pathlib import Path

from kvmlab.cli import make_session
from kvmlab.journal import Journal
from kvmlab.render.cells import Row
from kvmlab.render.plain import plain_lines
from kvmlab.tui.driver import Driver
from tests.tui.stand import LEVEL


def driver_after(*texts: str) -> tuple[Driver, list[Row]]:
    """Return a driver in which commands were run, and the rows it says."""
    rows: list[Row] = []
    driver = Driver(make_session(), rows.extend, None)
    for text in texts:
        driver.run(text)
    return driver, rows


def test_a_command_is_said_with_what_came_of_it() -> None:
    """The log shows the text, then its tracepoints, then its answer."""
    _driver, rows = driver_after("irq-line gsi=3 level=1")
    said = plain_lines(rows)
    assert said[0] == "> irq-line gsi=3 level=1"
    assert any("kvm_set_irq" in text for text in said)


def test_wrong_text_is_shown_with_a_caret_and_changes_nothing() -> None:
    """The caret stands under the word, and the nearest word is named."""
    driver, rows = driver_after("eventfd trigger")
    seen = driver.now
    driver.run("wrte trigger")
    said = plain_lines(rows)
    assert any("did you mean 'write'" in text for text in said)
    assert any(text.startswith("^") for text in said)
    assert driver.now.snapshot == seen.snapshot


def test_before_and_now_are_one_command_apart() -> None:
    """What a command changed is the difference of two moments."""
    driver, _rows = driver_after(*LEVEL)
    assert driver.before is not None
    assert driver.before.position == driver.now.position - 1
    assert driver.before.snapshot.lapics != driver.now.snapshot.lapics


def test_quit_is_the_end() -> None:
    """After it the driver is over."""
    assert driver_after("quit")[0].over
    assert not driver_after("eventfd a")[0].over


def test_what_was_done_on_a_screen_of_its_own_is_kept(tmp_path: Path) -> None:
    """In the journal, behind what was typed, and for `save`."""
    journal = Journal(tmp_path)
    driver = Driver(make_session(), lambda rows: None, journal)
    driver.run("eventfd a")
    driver.keep("explore")
    assert journal.path.read_text().splitlines()[-2:] == ["eventfd a", "explore"]
    assert driver.session.texts[-1] == "explore"
    journal.close()
