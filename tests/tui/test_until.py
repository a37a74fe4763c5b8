"""Going on until something holds: who is moved, where it ends, what is said of it, and a wrong expression."""

from __future__ import annotations

import pytest

from kvmlab.cli import make_session
from kvmlab.language.errors import LanguageError
from kvmlab.render.cells import Row
from kvmlab.render.plain import plain_lines
from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.ask import Ask
from kvmlab.tui.driver import Driver
from kvmlab.tui.until import onward
from tests.tui.stand import LEVEL, Hand, on_screen, text_of

WIRED = LEVEL[:-1]
TWO = (*WIRED, "manual", "actor vmm: close trigger; close unmask", "actor other: write unmask")
"""Two threads that have something to do, and nobody else."""

GUEST = ("machine vcpus=2", "manual", "actor a: eventfd x", "actor guest: sti vcpu=1; cli vcpu=1")
"""The same, of which one is a vCPU by another name."""


def driven(*texts: str) -> tuple[Driver, list[Row]]:
    """Return a driver in which commands were said, and the rows it says from then on."""
    rows: list[Row] = []
    driver = Driver(make_session(), rows.extend, None)
    for text in texts:
        driver.run(text)
    rows.clear()
    return driver, rows


def until(driver: Driver, text: str, command: str) -> None:
    """Run a command until an expression holds, to the end."""
    driver.run_until(text, command)
    while driver.running is not None:
        driver.go_on()


@pytest.mark.parametrize(
    ("said", "chosen", "command"),
    [
        ((*WIRED, "manual", "actor vmm: close trigger"), "", "step vmm"),
        ((*WIRED, "manual", "actor vmm: close trigger"), "user", "step vmm"),
        ((*WIRED, "manual"), "", ""),
        (TWO, "", "step vmm"),
        (TWO, "other", "step other"),
        ((*TWO, "step other"), "", "step other"),
        ((*TWO, "step other", "undo"), "", "step vmm"),
        ((*TWO, "finish other"), "", "step vmm"),
        ((*TWO, "step other", "step vmm", "undo"), "", "step other"),
        (("manual", "actor guest: sti vcpu=0", "step guest"), "guest", ""),
        ((*GUEST, "step guest"), "", "step vcpu1"),
        (LEVEL, "", "run 1"),
        ((*LEVEL, "undo"), "", "redo"),
    ],
)  # fmt: skip
def test_what_goes_on_is_who_can(said: tuple[str, ...], chosen: str, command: str) -> None:
    """In manual the only one that can, the chosen one, the one moved last, the first; anew after undo."""
    driver, _rows = driven(*said)
    assert onward(driver.now, chosen) == command


def test_it_ends_where_the_context_has_nothing_to_do() -> None:
    """Not one step more is made than there is one for, and the log says why."""
    driver, rows = driven(*TWO)
    until(driver, "eventfd.unmask.count == 9", "step other")
    steps = driver.said.count("step other")
    assert 0 < steps < 10
    assert plain_lines(rows)[-1] == (
        f"eventfd.unmask.count == 9: does not hold after {steps} × step other: other has nothing to do"
    )


def test_it_ends_where_the_context_is_blocked() -> None:
    """Behind a lock that another context holds, with what it waits for."""
    holding = ("actor one: irqfd trigger gsi=11 level deassign", "actor two: irqfd unmask gsi=12")
    driver, rows = driven("eventfd trigger; eventfd unmask; irqfd trigger gsi=11 level", "manual", *holding)
    while not any(each.holds for each in driver.now.snapshot.contexts or ()):
        driver.run("step one")
    until(driver, "irqfd.unmask == active", "step two")
    assert ": two is blocked: " in plain_lines(rows)[-1]
    assert onward(driver.now) == "step one"


def test_it_ends_where_it_holds() -> None:
    """The units are those steps; where it holds from the beginning there is none."""
    driver, rows = driven(*TWO)
    until(driver, "eventfd.unmask.count == 1", "step other")
    steps = driver.said.count("step other")
    assert plain_lines(rows)[-1] == f"eventfd.unmask.count == 1: holds after {steps} × step other"
    until(driver, "eventfd.unmask.count == 1", "step vmm")
    assert plain_lines(rows)[-1] == "eventfd.unmask.count == 1: holds already"
    assert "step vmm" not in driver.said


@pytest.mark.parametrize(
    ("command", "why"), [("run 1", "nothing changes any more"), ("redo", "there is nothing to be done again")]
)
def test_it_ends_where_nothing_is_ahead(command: str, why: str) -> None:
    """Running, when no interrupt is taken; forward, at the end of the history."""
    driver, rows = driven(*LEVEL, "undo")
    until(driver, "eventfd.trigger.count == 9", command)
    assert plain_lines(rows)[-1].endswith(why)
    assert driver.said.count(command) < 4


def test_until_goes_forward_to_the_first_moment() -> None:
    """It stops as soon as the expression holds, and no later."""
    driver, _rows = driven(*LEVEL, "take", "eoi", "goto 0")
    until(driver, "ioapic.11.remote_irr == 1", "redo")
    assert driver.now.position == len(LEVEL)


def test_until_ends_where_nothing_changes_any_more() -> None:
    """An expression that never holds costs the history and no more."""
    driver, rows = driven(*LEVEL, "goto 0")
    until(driver, "ioapic.11.vector == 0x99", "redo")
    assert "does not hold" in plain_lines(rows)[-1]


def test_until_refuses_wrong_text() -> None:
    """An expression that is none is said to be so, with its column, and nothing runs."""
    driver, _rows = driven(*LEVEL)
    with pytest.raises(LanguageError) as wrong:
        driver.run_until("ioapic.11.colour == 1", "run 1")
    assert wrong.value.column == len("ioapic.11.") + 1
    assert driver.now.position == len(LEVEL)


def test_it_can_be_stopped() -> None:
    """It runs in slices like a storm: the keys of what is long are its own."""
    driver, rows = driven(*TWO)
    driver.run_until("eventfd.unmask.count == 9", "step vmm")
    for _slice in range(100):
        if driver.running is None:
            break
        driver.stop()
    assert driver.running is None
    assert "does not hold after" in plain_lines(rows)[-1]


def test_the_question_names_who_is_moved_and_closes_at_once() -> None:
    """Enter answers it; the steps and what came of them stand in the log."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("f4")
        assert any("step other until this holds" in text for text in text_of(app))
        await pilot.press(*"eventfd.unmask.count == 1", "enter")
        assert not isinstance(app.screen, Ask)
        await pilot.until(lambda: app.driver.running is None)
        assert "count == 1: holds after" in "".join(app.log_pane.texts)

    on_screen(act, said=(*TWO, "step other"))


def test_where_nobody_can_move_the_key_says_so() -> None:
    """No question is asked that has no answer."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("f4")
        assert not isinstance(app.screen, Ask)
        assert app.log_pane.texts[-1].startswith("until: no context can move")

    on_screen(act, said=(*WIRED, "manual"))


def test_a_wrong_expression_stays_with_the_cursor_where_it_is_wrong() -> None:
    """What is wrong stands below it; mended, it is taken."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("f4", *"eventfd.unmask.coun == 1", "enter")
        assert isinstance(app.screen, Ask)
        line = app.screen.line
        assert (line.value, line.cursor_position) == ("eventfd.unmask.coun == 1", len("eventfd.unmask."))
        assert any("did you mean" in text for text in text_of(app))
        line.value = "eventfd.unmask.count =="
        await pilot.press("enter")
        assert line.cursor_position == len(line.value)
        line.value = "eventfd.unmask.count == 0"
        await pilot.press("enter")
        assert not isinstance(app.screen, Ask)
        assert any("holds already" in text for text in app.log_pane.texts)

    on_screen(act, said=TWO)
