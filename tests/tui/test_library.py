"""The course and the scenarios in one list: filtered by typing, opened by Enter or by the mouse."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from kvmlab import scenarios
from kvmlab.course.desk import shelf
from kvmlab.render.cells import line
from kvmlab.render.library import Chapter, Entry
from kvmlab.tui import catalogue
from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.library import Library
from tests.tui.stand import LEVEL, Hand, on_screen, text_of
from tests.tui.test_goldens import SIZES, compare

SMALL = [
    Chapter(
        "1. Counters and lines",
        "1 of 3 done",
        [
            Entry("eventfd-counter", "An eventfd is a counter", "lab start eventfd-counter", "done", "5 min"),
            Entry("edge-line", "An edge pin sees the line rise", "lab start edge-line", "open", "7 min"),
            Entry(
                "level-line", "A level line asks until it is lowered", "lab start level-line", "new", "8 min"
            ),
        ],
    ),
    Chapter(
        "The IOAPIC",
        "scenarios",
        [
            Entry(
                "31-edge-masked",
                "an edge on a masked pin is lost",
                "source 31-edge-masked",
                text=lambda: [line("# Claim: it is lost"), line("machine")],
            )
        ],
    ),
]


@pytest.fixture(name="_small")
def _catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "catalogue", lambda: SMALL)


def library_of(app: KvmlabApp) -> Library:
    """Return the screen of the library."""
    assert isinstance(app.screen, Library)
    return app.screen


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("size", SIZES)
def test_the_library_is_as_it_was(size: str) -> None:
    """Chapters, each lab with how far it is and how long it takes, then the scenarios."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.command_line.cursor_blink = False
        await pilot.press("ctrl+o")
        library_of(app).query_one(Input).cursor_blink = False
        await pilot.press("down")
        compare(f"library-{size}.txt", "\n".join(text_of(app)) + "\n")

    on_screen(act, size=SIZES[size])


@pytest.mark.usefixtures("_small")
def test_what_is_typed_filters_and_enter_begins_the_lab() -> None:
    """Every word has to stand in the name, the title, the state or the chapter; the command is in the log."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+o", *"line")
        assert [entry.name for entry in library_of(app).found] == [
            "eventfd-counter",
            "edge-line",
            "level-line",
        ]
        await pilot.press(*" open")
        assert [entry.name for entry in library_of(app).found] == ["edge-line"]
        await pilot.press("enter")
        await pilot.until(lambda: app.driver.said == ["lab start edge-line"])
        assert app.driver.now.lab is not None
        await pilot.press("up")
        assert app.command_line.value == "lab start edge-line"

    on_screen(act)


@pytest.mark.usefixtures("_small")
def test_words_that_nothing_has_leave_nothing_to_open() -> None:
    """That is said; Enter does nothing, and Escape closes."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+o", *"xyz", "down", "enter")
        assert "nothing has these words; Esc closes" in "".join(text_of(app))
        await pilot.press("escape")
        assert not isinstance(app.screen, Library)
        assert app.driver.said == []

    on_screen(act)


@pytest.mark.usefixtures("_small")
def test_a_scenario_is_read_before_it_is_run() -> None:
    """Enter shows its text, Escape goes back to the list, a second Enter runs it by `source`."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+o", *["down"] * 9, "enter")
        assert any("# Claim: it is lost" in text for text in text_of(app))
        await pilot.press("down", "escape")
        chosen = library_of(app).chosen
        assert chosen is not None
        assert chosen.name == "31-edge-masked"
        await pilot.press("enter", "enter")
        await pilot.until(lambda: app.driver.said == ["source 31-edge-masked"] and not app.driver.running)
        assert not isinstance(app.screen, Library)

    on_screen(act)


@pytest.mark.usefixtures("_small")
def test_the_cursor_goes_by_pages_and_stays_where_the_filter_leaves_it() -> None:
    """PgDn and PgUp stop at the ends; a lab that the filter hides and shows again keeps the cursor."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+o", "pagedown")
        assert getattr(library_of(app).chosen, "name", "") == "31-edge-masked"
        await pilot.press("pageup", "down", *"lev")
        assert getattr(library_of(app).chosen, "name", "") == "level-line"
        await pilot.press(*["backspace"] * 3)
        assert getattr(library_of(app).chosen, "name", "") == "edge-line"

    on_screen(act)


@pytest.mark.usefixtures("_small")
def test_the_mouse_chooses_and_then_opens() -> None:
    """The first click chooses, the second on the same line opens; on a heading it does nothing."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+o")
        for line_number in (0, 2):
            await pilot.click("#library-list", offset=(5, line_number))
            await pilot.pause()
        assert getattr(library_of(app).chosen, "name", "") == "edge-line"
        await pilot.click("#library-list", offset=(5, 2))
        await pilot.until(lambda: app.driver.said == ["lab start edge-line"])

    on_screen(act)


def test_the_keys_of_the_screen_below_go_nowhere() -> None:
    """Neither a second list, nor the help, nor a command behind the list."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+o", "ctrl+o", "f1", "f2", "f4", "f9", "ctrl+g", "ctrl+p")
        assert [type(screen).__name__ for screen in app.screen_stack] == ["Frame", "Library"]
        assert app.driver.said == []
        await pilot.press("escape", "f1")
        assert type(app.screen).__name__ == "Help"

    on_screen(act)


def test_it_lists_every_lab_and_every_scenario() -> None:
    """Each once; where a lab is open the cursor stands on it."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_say("lab start edge-line")
        await pilot.press("ctrl+o")
        names = [entry.name for entry in library_of(app).found]
        assert names == [*shelf().heads, *[name for found in scenarios.chapters().values() for name in found]]
        assert getattr(library_of(app).chosen, "name", "") == "edge-line"
        assert any("> ◐ edge-line" in text for text in text_of(app))

    on_screen(act)


def test_every_scenario_has_one_chapter_and_a_text() -> None:
    """Numbered ones by what they show, those in folders by their folder; the claim begins the text."""
    found = [name for chapter in scenarios.chapters().values() for name in chapter]
    assert sorted(found) == sorted(scenarios.claims())
    for chapter in catalogue.catalogue():
        for entry in chapter.entries:
            if entry.text is not None:
                first = "".join([cell.text for cell in entry.text()[0].cells])
                assert first == Path(scenarios.paths()[entry.name]).read_text("utf-8").splitlines()[0]


def test_nothing_of_the_library_is_opened_while_something_is_under_way() -> None:
    """The storm goes on, and says so."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+o", "enter")
        assert "storm is under way" in app.log_pane.texts[-1]
        assert app.driver.now.lab is None
        app.action_stop()

    on_screen(act, said=(*LEVEL[:-1], "storm 100000000"))
