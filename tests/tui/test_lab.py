"""A lab on the screen: its text, whose commands are run from it, its goals, and every action on them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from textual import events

from kvmlab.course.desk import shelf
from kvmlab.course.player import Player
from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.bars import Bar
from kvmlab.tui.lesson import LessonPane
from tests.course.stand import GOOD
from tests.tui.stand import Hand, on_screen, text_of

WIDE = (120, 40)


@pytest.fixture(name="small")
def _small(tmp_path: Path) -> str:
    """Return the command that begins the small lab of the tests of the course, as it is written there."""
    path = tmp_path / "01-small.md"
    path.write_text(GOOD, "utf-8")
    return f'lab start "{path}"'


def pane_of(app: KvmlabApp, name: str) -> LessonPane:
    """Return the pane of the text or of the goals."""
    pane = app.panes[name]
    assert isinstance(pane, LessonPane)
    return pane


def shown(app: KvmlabApp, name: str) -> str:
    """Return the text of a pane on one line, without its cursor."""
    return " ".join(" ".join([text[2:] for text in pane_of(app, name).texts]).split())


def displayed(app: KvmlabApp) -> set[str]:
    """Return the names of the panes that are shown."""
    return {name for name, pane in app.panes.items() if pane.display}


@pytest.mark.parametrize(
    ("size", "panes"),
    [((80, 24), {"lab"}), (WIDE, {"lab", "goals", "ioapic", "eventfds"})],
    ids=["80x24", "120x40"],
)
def test_a_lab_brings_its_panes_to_the_front(size: tuple[int, int], panes: set[str], small: str) -> None:
    """Its text comes first; when it is left, the screen is as it was, and the machine stays."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        before = displayed(app)
        await pilot.until(lambda: app.driver.said == [])
        app.action_say(small)
        await pilot.pause()
        assert displayed(app) == panes
        assert "lab goa" in app.screen.query_one("#tabs", Bar).texts[0]
        app.action_say("lab leave")
        await pilot.pause()
        assert not displayed(app) & {"lab", "goals"}
        assert len(displayed(app)) == len(before)
        assert "goa" not in app.screen.query_one("#tabs", Bar).texts[0]
        assert [each.name for each in app.driver.now.snapshot.eventfds or ()] == ["bell", "door"]

    on_screen(act, size=size)


def test_the_text_is_not_said_where_it_is_shown(small: str) -> None:
    """The log has the title of the lab, and no line of its text."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.pause()
        assert [text for text in app.log_pane.texts if text.startswith("A small lab  ")]
        assert not [text for text in app.log_pane.texts if "An eventfd counts." in text]
        assert "An eventfd counts." in shown(app, "lab")

    on_screen(act, said=(small,))


def test_goals_tick_live_and_undo_takes_them_back(small: str) -> None:
    """Each has its state and whether it is so now, by signs; an open one says why in terms of the machine."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        goals = shown(app, "goals")
        assert "○ □ rung: Ring twice. the bell holds another number: eventfd.bell.count is 0" in goals
        assert "▸ lab answer sum 1 ▸ lab answer sum 2" in goals
        app.action_say("lab answer sum 2; write bell 2")
        await pilot.pause()
        assert "● ■ rung: Ring twice." in shown(app, "goals")
        assert "Goals: 3 of 4" in "".join(text_of(app))
        app.action_say("write bell")
        assert "✗ □ gentle: Never three. it became so with unit 2" in shown(app, "goals")
        assert "Wrong turns so far • Too often." in shown(app, "goals")
        app.action_say("undo")
        assert "● ■ gentle" in shown(app, "goals")
        app.action_say("undo")
        assert "○ □ rung" in shown(app, "goals")
        app.action_say("redo; read bell")
        await pilot.pause()
        assert "Goals: 4 of 4" in "".join(text_of(app))
        assert "● □ rung" in shown(app, "goals")
        assert "The lab is done." in shown(app, "goals")

    on_screen(act, said=(small,), size=WIDE)


@pytest.mark.parametrize("size", [(80, 24), WIDE], ids=["80x24", "120x40"])
def test_the_signs_of_the_goals_are_explained_where_they_are_seen(size: tuple[int, int]) -> None:
    """In the border, however long the goals are; beside it how much of them is out of sight."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_pane("goals")
        await pilot.pause()
        border = next(text for text in text_of(app) if "so now" in text)
        assert "○ open ● reached ✗ broken ■ so now □ not now" in border
        assert "↓" in border
        app.action_say("lab leave")
        app.action_pane("goals")
        await pilot.pause()
        assert not any("so now" in text for text in text_of(app))

    on_screen(act, size=size, said=("lab start close-close-assign",))


def test_the_goal_to_reach_stays_in_sight(small: str) -> None:
    """With why it is open, where the goals above it leave no room; not while somebody reads them."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        pane = pane_of(app, "goals")
        app.action_say("lab answer sum 2; write bell 2")
        app.action_say("write bell")
        await pilot.pause()
        top = round(pane.scroll_offset.y)
        seen = " ".join(pane.texts[top : top + pane.size.height])
        assert "✗ □ gentle" in seen
        assert "leads back" in seen
        app.action_pane("goals")
        pane.scroll_home(animate=False)
        app.action_say("hint")
        await pilot.pause()
        assert pane.scroll_offset.y == 0

    on_screen(act, said=(small,), size=(110, 34))


def test_a_command_of_the_text_is_done_by_enter_and_the_cursor_goes_on(small: str) -> None:
    """It stands in the log as if it had been typed, and in what up recalls."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+l", "enter")
        assert app.driver.said[2:] == ["write door"]
        assert pane_of(app, "lab").key == "expect eventfd.door.count == 1"
        await pilot.press("enter")
        assert app.driver.said[2:] == ["write door", "expect eventfd.door.count == 1"]
        assert app.log_pane.texts[-1] == "held"
        await pilot.press("escape", "up")
        assert app.command_line.value == "expect eventfd.door.count == 1"

    on_screen(act, said=(small, "lab answer sum 2"))


@pytest.mark.parametrize("key", ["enter", "b"])
def test_a_command_of_the_text_that_takes_a_question_away_is_asked_for_twice(small: str, key: str) -> None:
    """Nothing is run at first; the key has to follow at once, and any other one between ends that."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+l", key)
        said = " ".join(" ".join(app.log_pane.texts).split())
        assert "'sum' is answered before anything is run, in the goals (^l); once more does it all" in said
        assert app.driver.said[1:] == []
        assert pane_of(app, "lab").key == "write door"
        for other in ("up", "f3", "t"):
            await pilot.press(other, key)
            assert app.driver.said[1:] == []
        await pilot.press(key)
        assert app.driver.said[1] == "write door"

    on_screen(act, said=(small,))


def test_an_answered_question_warns_of_nothing(small: str) -> None:
    """Nor does the goals' pane, whose commands are the answers."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+l", "ctrl+l", "enter")
        assert app.driver.said[1:] == ["lab answer sum 1"]
        app.action_pane("lab")
        await pilot.until(lambda: pane_of(app, "lab").has_focus and pane_of(app, "lab").key == "write door")
        await pilot.press("enter")
        await pilot.until(lambda: app.driver.said[2:] == ["write door"])

    on_screen(act, said=(small,))


def test_the_cursor_goes_on_to_no_other_lab() -> None:
    """Behind the last command stand the labs that this one builds on: who chooses one goes there."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        pane = pane_of(app, "lab")
        keys = [item.key for item in pane.items if item.key]
        assert keys[-1].startswith("lab start ")
        await pilot.press("ctrl+l")
        pane.pass_by(len(keys))
        assert pane.key == next(key for key in reversed(keys) if not key.startswith("lab start "))
        for _line in pane.texts:
            await pilot.press("down")
        assert pane.key == keys[-1]

    builds = next(name for name, each in shelf().heads.items() if each.head and each.head.needs)
    on_screen(act, said=(f"lab start {builds}",))


def pressed(app: KvmlabApp, *keys: str) -> None:
    """Press keys faster than anything is done about them."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


def test_keys_are_obeyed_in_the_order_in_which_they_are_pressed(small: str) -> None:
    """A function key waits for what Enter in front of it has begun: in the command line, and in a pane."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_say("lab answer sum 2")
        app.command_line.focus()
        await pilot.pause()
        pressed(app, *"read door", "enter", "f7", *"read bell", "enter", "ctrl+g", "ctrl+l", "enter", "f7")
        await pilot.pause()
        said = ["read door", "undo", "read bell", "hint", "write door", "undo"]
        assert app.driver.said[-6:] == said
        pressed(app, "colon", *"read door", "ctrl+o", "escape", "enter")
        await pilot.pause()
        assert app.driver.said[-1] == "read door"

    on_screen(act, said=(small,), size=WIDE)


def test_a_block_of_the_text_is_done_at_once(small: str) -> None:
    """Line by line, from the cursor on; what cannot be run here has no mark, and is not run."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+l", "b")
        assert app.driver.said[2:] == ["write door", "expect eventfd.door.count == 1"]
        assert "▸ eventfd own" not in shown(app, "lab")
        assert "eventfd own" in shown(app, "lab")

    on_screen(act, said=(small, "lab answer sum 2"), size=WIDE)


def test_a_command_is_done_by_a_click(small: str) -> None:
    """In the text and among the goals; a click beside one does nothing."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        for name, text in (("goals", "lab answer sum 2"), ("lab", "write door")):
            pane = pane_of(app, name)
            at = next(y for y, line in enumerate(pane.texts) if text in line)
            await pilot.click(pane, offset=(8, at + 1))
            await pilot.pause()
            assert app.driver.said[-1] == text
            await pilot.click(pane, offset=(8, 1))
            await pilot.pause()
            assert app.driver.said[-1] == text

    on_screen(act, said=(small,), size=WIDE)


def test_an_answer_is_chosen_and_after_a_run_the_way_back_is_offered(small: str) -> None:
    """A wrong one is told why behind the run; `reset` is what is offered then, and before any answer too."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+l", "ctrl+l", "enter")
        assert app.driver.said[-1] == "lab answer sum 1"
        assert "you said 1; 'reset' gives another try ▸ reset" in shown(app, "goals")
        app.action_say("write bell 2; read bell")
        assert "your answer was wrong: 1, and it is 2. A read takes all." in " ".join(app.log_pane.texts)
        await pilot.press("enter")
        assert app.driver.said[-1] == "reset"
        assert "▸ lab answer sum 1 ▸ lab answer sum 2" in shown(app, "goals")
        app.action_say("write door")
        assert "'reset' leads back to the start ▸ reset" in shown(app, "goals")

    on_screen(act, said=(small,))


def test_hints_come_a_rung_higher_and_stay_in_sight(small: str) -> None:
    """The key asks as the command does."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_say("lab answer sum 2")
        await pilot.press("ctrl+g", "ctrl+g")
        assert app.driver.said[-2:] == ["hint", "hint"]
        assert "Hints so far • nudge • pointer" in shown(app, "goals")

    on_screen(act, said=(small,), size=WIDE)


def test_the_solution_is_shown_after_it_was_asked_for_twice(small: str) -> None:
    """It is brought in sight, the cursor on its first command; it can be run from there."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_pane("ioapic")
        app.action_say("lab solution")
        assert "Solution" not in shown(app, "lab")
        app.action_say("lab solution")
        await pilot.pause()
        assert displayed(app) == {"lab"}
        assert "Solution" in " ".join(text_of(app))
        await pilot.press("ctrl+l", "b")
        assert app.driver.said[-3:] == ["lab answer sum 2", "write bell 2", "read bell"]
        assert app.driver.now.lab is not None
        assert app.driver.now.lab.solved

    on_screen(act, said=(small,))


def test_the_next_lab_is_a_key_when_this_one_is_done() -> None:
    """Before that the key says how much is open; another lab is read from its beginning."""
    first, second, *_rest = shelf().heads

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+n")
        assert "3 of 3 goals are open" in app.log_pane.texts[-1]
        app.action_page(2)
        for text in shelf().lab(first).solution.text.splitlines():
            app.action_say(text)
        await pilot.press("ctrl+n")
        lesson = app.driver.now.lab
        assert lesson is not None
        assert lesson.lab.id == second
        assert pane_of(app, "lab").scroll_offset.y == 0
        await pilot.press("ctrl+l", "P", "P")
        lesson = app.driver.now.lab
        assert lesson is not None
        assert lesson.lab.id == first

    on_screen(act, said=(f"lab start {first}",))


@pytest.mark.parametrize(
    ("key", "command", "why"),
    [
        ("s", "lab solution yes", "solution: 3 of 3 goals are open"),
        ("x", "lab leave", "leave: 3 of 3 goals are open"),
        ("N", "lab next", "next: 3 of 3 goals are open"),
        ("P", "lab previous", "previous: 3 of 3 goals are open"),
        ("R", "reset", "reset: what was done since its start is lost"),
    ],
)
def test_a_letter_that_loses_something_is_pressed_twice_in_a_row(key: str, command: str, why: str) -> None:
    """A command that is typed where the lab has the focus does none of it, though it has a letter twice."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+l", key)
        assert why in " ".join(" ".join(app.log_pane.texts).split())
        await pilot.press("t", key, "q", "u", key, "f3", key)
        assert app.driver.said[2:] == []
        await pilot.press(key)
        assert app.driver.said[2:] == [command]

    on_screen(act, said=(f"lab start {list(shelf().heads)[1]}", "eventfd own"))


def test_one_key_leads_to_the_text_the_goals_and_back(small: str) -> None:
    """Where there is room for one pane, the machine's comes back with the command line."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_pane("sources")
        app.action_command()
        for name in ("lab", "goals"):
            await pilot.press("ctrl+l")
            assert app.focused is app.panes[name]
            assert displayed(app) == {name}
        await pilot.press("ctrl+l")
        assert app.focused is app.command_line
        assert displayed(app) == {"sources"}

    on_screen(act, said=(small,))


def test_without_a_lab_the_key_does_nothing() -> None:
    """It is not offered either."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("ctrl+l")
        assert app.focused is app.command_line
        assert "^l" not in text_of(app)[-1]
        assert "^o course" in text_of(app)[-1]

    on_screen(act)


def test_where_the_goals_are_out_of_sight_the_log_names_the_one_to_reach(small: str) -> None:
    """And the state bar says of which lab how many are reached."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        assert "○ goal 1 of 4: What does a read return?" in "".join(text_of(app))
        assert "small 0/4" in app.screen.query_one("#state", Bar).texts[0]
        app.action_say("lab answer sum 2")
        assert "○ goal 2 of 4: Ring twice." in "".join(text_of(app))
        app.action_pane("goals")
        await pilot.pause()
        assert "─Log─" in "".join(text_of(app))

    on_screen(act, said=(small,))


def test_the_text_is_read_by_arrows_and_from_the_command_line(small: str) -> None:
    """The cursor goes to commands that are in sight, and the text scrolls where none is ahead."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_say("lab solution yes")
        pane = pane_of(app, "lab")
        await pilot.press("pageup", "pageup")
        assert pane.scroll_offset.y == 0
        await pilot.press("pagedown")
        assert pane.scroll_offset.y > 0
        await pilot.press("pageup", "ctrl+l", "up", "up")
        assert pane.key == "write door"
        await pilot.press("down")
        assert pane.key == "expect eventfd.door.count == 1"
        for _line in range(len(pane.texts)):
            await pilot.press("down")
        assert pane.key == "lab start small", "what the text leads to stands behind it"

    on_screen(act, said=(small,))


def test_nobody_works_out_how_a_lab_stands_that_nobody_looks_at(
    small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor twice for one state of the session; what the log's title needs is cheap."""
    asked: list[int] = []
    real = Player.standing

    def standing(player: Player) -> object:
        asked.append(1)
        return real(player)

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        asked.clear()
        monkeypatch.setattr(Player, "standing", standing)
        app.action_say("write door")
        await pilot.pause()
        assert asked == []
        app.action_pane("goals")
        await pilot.pause()
        assert len(asked) == 1
        app.show()
        app._tick()
        assert len(asked) == 1
        app.action_say("write door")
        await pilot.pause()
        assert len(asked) == 2

    on_screen(act, said=(small,))


def test_nothing_of_the_course_is_loaded_before_a_lab_is_begun() -> None:
    """The screen of a session without one imports no lab, no goal and no parser of prose."""
    code = (
        "import sys; from tests.tui.stand import on_screen\n"
        "async def act(app, pilot): app.action_say('eventfd a')\n"
        "on_screen(act)\n"
        "print([name for name in sys.modules if name.startswith(('kvmlab.course.', 'markdown_it'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() in {"[]", "['kvmlab.course.works']"}  # the options of `kvmlab labs`


def test_the_first_frame_waits_for_no_pane() -> None:
    """What draws a lab is loaded with the other panes, when the frame stands; the scenarios are not read."""
    code = "import kvmlab.tui.app, kvmlab.tui.start, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    later = {
        "kvmlab.tui.pane",
        "kvmlab.tui.listed",
        "kvmlab.tui.lesson",
        "kvmlab.tui.opening",
        "kvmlab.scenarios",
    }
    assert not set(done.stdout.split()) & later
