"""A long line on the screen: in slices, looked at between them, paused, stopped; a storm is then one unit."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import pytest

from kvmlab.cli import make_session
from kvmlab.journal import Journal
from kvmlab.render.cells import Row
from kvmlab.render.plain import plain_lines
from kvmlab.shell import Shell
from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.driver import Driver
from kvmlab.tui.running import SLICE, Running
from tests.tui.stand import LEVEL, Hand, on_screen, text_of

ENDLESS = "storm 100000000"
THREAD = Path(__file__).parents[2] / "labs" / "scenarios" / "thread"


def begun(text: str = ENDLESS, journal: Journal | None = None) -> tuple[Driver, list[Row]]:
    """Return a driver in which a line has run for one slice, and the rows it says."""
    rows: list[Row] = []
    driver = Driver(make_session(), rows.extend, journal, ": F11 pauses it")
    for command in (*LEVEL[:-1], text):
        driver.run(command)
    return driver, rows


def ended(driver: Driver) -> Driver:
    """Run the line that is under way to its end."""
    while driver.running is not None:
        driver.go_on()
    return driver


def done(driver: Driver) -> int:
    """Return how far the command is that is under way."""
    assert driver.running is not None
    assert driver.running.at is not None
    return driver.running.at.done


class Clock:
    """A clock that is set, and gains a ``step`` at every look."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 0.0
        self._step = step

    def __call__(self) -> float:
        """Return the time."""
        self.now += self._step
        return self.now


def running(text: str, clock: Clock) -> Running:
    """Return a line by a clock, behind the commands that a storm needs; nothing of it has run."""
    shell = Shell(make_session(), lambda rows: None)
    for command in LEVEL[:-1]:
        shell.run_line(command)
    return Running(shell.slices(text), clock)


def test_a_storm_ends_as_one_unit_that_returns_its_cycles() -> None:
    """In slices it does what it does at once."""
    driver, rows = begun("storm 3")
    ended(driver)
    at_once = make_session()
    shell = Shell(at_once, lambda rows: None)
    for text in (*LEVEL[:-1], "storm 3"):
        shell.run_line(text)
    assert driver.session.snapshot() == at_once.snapshot()
    assert driver.session.history.position == len(LEVEL)
    assert plain_lines(rows)[-1] == "→ 3"
    assert not driver.session.busy
    assert gc.isenabled()


def test_a_storm_under_way_can_be_looked_at_and_not_disturbed() -> None:
    """Another command is refused, in words that say what to do; the machine is where it was."""
    driver, rows = begun()
    assert driver.session.busy
    assert not gc.isenabled(), "a collection of so much stops the screen"
    assert done(driver)
    before = driver.session.snapshot()
    driver.run("write trigger")
    assert plain_lines(rows)[-1] == "storm is under way: F11 pauses it"
    assert driver.session.snapshot() == before
    driver.run_until("eventfd.trigger.count == 9", "run 1")
    assert plain_lines(rows)[-1] == "storm is under way: F11 pauses it"
    assert driver.session.snapshot() == before
    driver.look()
    assert driver.now.snapshot == before
    driver.stop()


def test_a_paused_storm_does_nothing_until_it_goes_on() -> None:
    """Not one cycle runs in a slice of it."""
    driver, _rows = begun()
    assert driver.running is not None
    driver.running.paused, before = True, done(driver)
    driver.go_on()
    assert done(driver) == before
    assert "paused" in driver.running.status()
    driver.running.paused = False
    driver.go_on()
    assert done(driver) > before
    driver.stop()


def test_a_stopped_storm_is_the_unit_of_what_it_did(tmp_path: Path) -> None:
    """History, `save` and the journal say the cycles that were, so that they can be had again."""
    journal = Journal(tmp_path / "journal")
    driver, _rows = begun(journal=journal)
    cycles, seen = done(driver), driver.session.snapshot()
    (written,) = (tmp_path / "journal").iterdir()
    assert written.read_text().splitlines()[-1] == ENDLESS, "it is written down before it runs"
    driver.stop()
    assert driver.running is None
    assert driver.session.history.units[-1].text == f"storm {cycles}"
    assert driver.session.texts[-1] == f"storm {cycles}"
    assert written.read_text().splitlines()[-2:] == [LEVEL[-2], f"storm {cycles}"]
    assert driver.session.snapshot().eventfds == seen.eventfds
    driver.run("undo")
    driver.run("redo")
    assert driver.session.snapshot().eventfds == seen.eventfds
    journal.close()


@pytest.mark.parametrize(
    "text", [f"eventfd a; {ENDLESS}; eventfd b", f"eventfd a; expect 5: {ENDLESS}; eventfd b"]
)
def test_a_storm_anywhere_on_a_line_runs_in_slices(text: str) -> None:
    """What stands before it is done, what stands behind it waits, and is not run when it is stopped."""
    driver, rows = begun(text)
    assert driver.session.busy
    assert [each.name for each in driver.session.snapshot().eventfds or ()][-1] == "a"
    cycles = done(driver)
    driver.stop()
    assert [unit.text for unit in driver.session.history.units[-2:]] == ["eventfd a", f"storm {cycles}"]
    assert plain_lines(rows)[-2:] == [f"→ {cycles}: stopped", "not run: eventfd b"]
    driver.run("eventfd b")
    assert [each.name for each in driver.session.snapshot().eventfds or ()][-1] == "b"


def test_what_stands_behind_a_storm_runs_when_it_is_over() -> None:
    """A line is a line, however long its parts take."""
    driver, _rows = begun("storm 3; eventfd b; storm 4")
    assert [unit.text for unit in ended(driver).session.history.units[-3:]] == [
        "storm 3",
        "eventfd b",
        "storm 4",
    ]


def test_a_script_runs_in_slices_and_can_be_stopped(tmp_path: Path) -> None:
    """Journal and history have what was run of it, and the log says where it was stopped."""
    script = tmp_path / "s.kvm"
    script.write_text(f"\neventfd a\n{ENDLESS}\neventfd b\n")
    journal = Journal(tmp_path / "journal")
    driver, rows = begun(f'source "{script}"; eventfd c', journal)
    while not driver.session.busy:
        driver.go_on()
    cycles = done(driver)
    driver.stop()
    assert [unit.text for unit in driver.session.history.units[-2:]] == ["eventfd a", f"storm {cycles}"]
    assert plain_lines(rows)[-2:] == [f"stopped before {script}:4: eventfd b", "not run: eventfd c"]
    (written,) = (tmp_path / "journal").iterdir()
    assert written.read_text().splitlines()[-3:] == [LEVEL[-2], "eventfd a", f"storm {cycles}"]
    journal.close()


def test_a_script_gives_way_between_two_commands(tmp_path: Path) -> None:
    """One without a storm, too: after a slice that has time for one it has run one."""
    script = tmp_path / "s.kvm"
    script.write_text("machine\neventfd a\neventfd b\n")
    line = running(f'source "{script}"', Clock(step=2 * SLICE))
    assert not line.slice()
    assert line.at is not None
    assert (line.at.done, line.at.count) == (1, 3)
    assert not line.slice()
    assert line.slice()


def test_a_storm_that_cannot_begin_says_why() -> None:
    """Without an irqfd it is refused, as it is at the prompt."""
    rows: list[Row] = []
    driver = Driver(make_session(), rows.extend, None)
    driver.run("storm 5")
    assert driver.running is None
    assert "irqfd" in plain_lines(rows)[-1]
    driver.run("eventfd a")
    assert driver.session.snapshot().eventfds


def test_a_line_that_ends_the_session_ends_it_behind_its_storm() -> None:
    """The driver is over when the line is."""
    driver, _rows = begun("storm 3; quit")
    assert ended(driver).over


def test_a_rate_bounds_what_a_slice_does() -> None:
    """At one cycle per second the first slice runs one, and one more when a second has gone by."""
    clock = Clock()
    line = running("storm 100 rate=1", clock)
    found = []
    for clock.now in (0.0, 0.5, 1.0, 1.5, 2.0):
        assert not line.slice()
        assert line.at is not None
        found.append(line.at.done)
    assert found == [1, 1, 2, 2, 3]
    line.stop()


def test_a_slice_runs_something_on_a_machine_that_has_no_time() -> None:
    """Also where the clock says that it is over before it began."""
    line = running("storm 100", Clock(step=2 * SLICE))
    for cycles in (1, 2, 3):
        assert not line.slice()
        assert line.at is not None
        assert line.at.done == cycles
    line.stop()


@pytest.mark.parametrize("key", ["ctrl+t", "ctrl+c"])
def test_the_keys_of_a_storm(key: str) -> None:
    """F11 pauses it and the state bar says so; ^t and ^c end it, and commands run again."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_say(ENDLESS)
        assert app.driver.running is not None
        await pilot.pause()
        assert not re.search(" (back|until|save|REPL) ", text_of(app)[-1])
        assert {" F11 pause ", " ^t stop "} <= set(re.findall(r" \S+ (?:pause|stop) ", text_of(app)[-1]))
        entries = {entry.title for entry in app.get_system_commands(app.screen)}
        assert {"pause", "stop", "Theme"} <= entries
        assert not entries & {"back", "run", "until", "REPL", "Scenario 31-edge-masked"}
        await pilot.press("f11")
        assert app.driver.running.paused
        assert any("paused" in text for text in text_of(app))
        await pilot.press(key)
        assert app.driver.running is None
        app.action_say("eventfd after")
        assert any(each.name == "after" for each in app.driver.session.snapshot().eventfds or ())

    on_screen(act, said=LEVEL[:-1], size=(120, 40))


def test_a_line_that_is_entered_meanwhile_is_given_back() -> None:
    """Nothing of it is lost: it stands in the command line again, and what was typed behind it waits."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.command_line.take(["eventfd a", "eventfd b"])
        await pilot.press("enter")
        assert app.command_line.value == "eventfd a"
        app.action_stop()
        await pilot.press("enter", "enter")
        assert app.driver.said[-2:] == ["eventfd a", "eventfd b"]
        assert app.command_line.value == ""

    on_screen(act, said=(*LEVEL[:-1], ENDLESS))


def test_what_was_to_be_said_first_waits_for_a_storm() -> None:
    """The second line is run when the storm of the first is over."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.until(lambda: app.driver.said[-1] == "eventfd behind")
        assert app.driver.session.history.units[-2].text == "storm 3000"

    on_screen(act, said=(*LEVEL[:-1], "storm 3000", "eventfd behind"))


def test_a_storm_of_the_first_commands_runs_and_ends_with_the_program() -> None:
    """The prompt is refused meanwhile; ^q ends the storm where it is, and the program with it."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("f12")
        assert any("under way: F11 pauses it, ^t stops it" in text for text in text_of(app))
        await pilot.press("ctrl+q")

    app = on_screen(act, said=(*LEVEL[:-1], ENDLESS), size=(120, 40))
    assert app.driver.running is None
    assert app.driver.session.history.units[-1].text.startswith("storm ")


def test_a_comparison_runs_in_slices_and_can_be_stopped() -> None:
    """The machine on the screen is left alone by it; stopped, it says so and has no table."""
    driver, rows = begun(f'compare "{THREAD / "10-shared-with-virtio.kvm"}"')
    units = len(driver.session.history)
    assert driver.running is not None
    while not done(driver):
        driver.go_on()
    assert re.match(r"compare [\d,]+ of [\d,]+, [\d,]+ commands/s", driver.running.status())
    driver.stop()
    assert plain_lines(rows)[-1] == "stopped"
    driver.run(f'compare "{THREAD / "12-filter-needs-a-lock.kvm"}" api=eoifd-v7')
    ended(driver)
    assert "nic: wakeups" in "\n".join(plain_lines(rows))
    assert len(driver.session.history) == units
