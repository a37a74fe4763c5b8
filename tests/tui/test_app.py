"""The app: keys, mouse and command line lead to commands, and the panes show what came of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.events import Key

from kvmlab.course.desk import shelf
from kvmlab.tui.actions import ACTIONS, NAMED
from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.arrange import LESSON
from kvmlab.tui.candidates import MOST, Candidates
from kvmlab.tui.keys import KEYS
from kvmlab.tui.lines import Lines
from kvmlab.tui.widgets import SPECS
from tests.tui.stand import LEVEL, Hand, on_screen, small_lab, text_of

HEADER = 1
"""Lines of the IOAPIC pane above its first pin."""


def test_a_typed_line_is_run_logged_and_kept(tmp_path: Path) -> None:
    """Enter runs the line; its text stands in the log and in the history file."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.command_line.value = "eventfd trigger"
        await pilot.press("enter")
        assert app.command_line.value == ""
        assert "> eventfd trigger" in app.log_pane.texts
        assert [item.key for item in app.panes["eventfds"].items if item.key] == ["trigger"]

    on_screen(act, folder=tmp_path)
    assert (tmp_path / "history").read_text() == "eventfd trigger\n"


def test_a_key_writes_the_command_it_stands_for() -> None:
    """Asserting the pin under the cursor is said as irq-line, then done."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("escape", "1", "down", "down", "a")
        assert "> irq-line gsi=2 level=1" in app.log_pane.texts
        pane = app.panes["ioapic"]
        assert [item.key for item in pane.items if item.mark] == ["2"]
        assert any(text.startswith(">* ") and "A" in text for text in pane.texts)

    on_screen(act)


def test_a_click_on_the_bar_does_what_its_key_does() -> None:
    """The bar at the bottom offers what works now, and can be clicked."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        bar = app.screen.query_one("#keys", Lines)
        await pilot.click(bar, offset=(bar.texts[0].index("take"), 0))
        assert "> take vcpu=0" in app.log_pane.texts
        assert app.driver.now.snapshot.lapics is not None
        assert app.driver.now.snapshot.lapics[0].isr == (0x41,)

    on_screen(act, said=LEVEL)


def test_a_key_that_does_nothing_says_why() -> None:
    """An EOI with nothing in service is refused in the log, and no command runs."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("f6")
        assert app.log_pane.texts[-1] == "EOI: nothing is in service"
        assert app.driver.said == []

    on_screen(act)


def test_every_key_of_the_screen_is_an_action_of_the_app() -> None:
    """No entry of the table names an action that is not there."""
    names = {key.action.partition("(")[0] for key in KEYS}
    assert [name for name in names if not hasattr(KvmlabApp, f"action_{name}")] == []


def test_marks_stay_until_the_next_command() -> None:
    """Looking elsewhere leaves them; another command takes them away."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("escape", "2", "1")
        assert app.panes["ioapic"].changed
        app.action_say("eventfd other")
        assert not app.panes["ioapic"].changed
        assert app.panes["eventfds"].changed

    on_screen(act, said=LEVEL)


def test_the_machine_goes_back_and_forward() -> None:
    """F7 undoes the last unit, F8 does it again, and the state is the same as before."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        before = app.driver.now.snapshot
        await pilot.press("f7")
        assert app.driver.now.position == len(LEVEL) - 1
        assert app.driver.now.snapshot != before
        await pilot.press("f8")
        assert app.driver.now.snapshot == before

    on_screen(act, said=LEVEL)


def test_the_history_goes_to_the_unit_under_the_cursor() -> None:
    """The cursor starts at the newest; Enter says goto with the unit's number."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("escape", "0", "up", "up", "enter")
        assert app.driver.said[-1] == "goto 4"
        assert app.driver.now.position == 4

    on_screen(act, said=LEVEL)


def test_a_context_is_stepped_with_one_key() -> None:
    """In manual, s moves the context under the cursor by one op."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("escape", "7", "s")
        assert app.driver.said[-1] == "step user"

    on_screen(act, said=(*LEVEL[:-1], "manual", "write trigger"))


def test_tab_completes_and_lists_what_is_open() -> None:
    """One candidate is inserted at once; several are listed, and Tab goes through them."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        line = app.command_line
        line.write("eventf")
        await pilot.press("tab")
        assert line.value == "eventfd "
        line.write("close ")
        await pilot.press("tab")
        assert app.screen.query_one(Candidates).display
        await pilot.press("tab")
        assert line.value == "close trigger"
        await pilot.press("tab")
        assert line.value == "close unmask"
        await pilot.press("escape")
        assert not app.screen.query_one(Candidates).display

    on_screen(act, said=LEVEL)


def test_a_question_mark_lists_what_may_follow() -> None:
    """It is not typed; the list has descriptions."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.command_line.write("irqfd trigger ")
        await pilot.press("?")
        assert app.command_line.value == "irqfd trigger "
        assert any("gsi=" in text for text in app.screen.query_one(Candidates).texts)

    on_screen(act, said=LEVEL)


def test_the_arrow_recalls_what_begins_so() -> None:
    """With nothing typed every line comes back, with a beginning only its own."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        for text in ("eventfd a", "take", "eventfd b"):
            app.command_line.value = text
            await pilot.press("enter")
        await pilot.press("up", "up")
        assert app.command_line.value == "take"
        await pilot.press("down", "down")
        assert app.command_line.value == ""
        app.command_line.write("ev")
        await pilot.press("up", "up")
        assert app.command_line.value == "eventfd a"

    on_screen(act)


def test_ghost_text_is_the_history_before_the_language() -> None:
    """What was typed last and begins so is suggested, else the only word that fits."""

    async def act(app: KvmlabApp, _pilot: Hand) -> None:
        assert app.command_line.guess("eventf") == "eventfd"
        app.command_line.keep("eventfd trigger")
        assert app.command_line.guess("eventf") == "eventfd trigger"
        assert app.command_line.guess("nothing") is None

    on_screen(act)


def test_jump_mode_goes_to_the_letter() -> None:
    """Every pane that is shown has a letter; any other key ends the mode."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("f2", "a")
        assert app.pane is app.panes["path"]
        await pilot.press("f2", "escape")
        assert app.pane is app.panes["path"]

    on_screen(act)


def test_help_is_about_the_pane_with_the_focus() -> None:
    """F1 opens it, Escape closes it."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("escape", "7", "f1")
        assert any("Contexts and work queues: " in text for text in text_of(app))
        await pilot.press("escape")
        assert not any("Contexts and work queues: " in text for text in text_of(app))

    on_screen(act)


def test_the_trace_is_filtered_by_a_text() -> None:
    """Only the lines with the text are left, and the pane says so."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("escape", "8", "/")
        await pilot.press(*"pic_set", "enter")
        texts = app.panes["trace"].texts
        assert "only lines with 'pic_set'" in texts[0]
        assert all("pic_set" in text for text in texts)

    on_screen(act, said=LEVEL)


def test_until_runs_what_was_undone_to_the_place() -> None:
    """F4 asks for an expression, and goes on until it holds."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_say("goto 0")
        await pilot.press("f4", *"key.trigger == 1", "enter")
        assert app.driver.now.position == 4

    on_screen(act, said=LEVEL)


def test_only_rows_that_changed_are_drawn() -> None:
    """A command that changes one pin redraws that pin's row of the pane, and no other."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("escape", "1")
        pane = app.panes["ioapic"]
        app.action_say("eventfd a")
        await pilot.pause()
        text_of(app)
        strips = dict(pane._strips)
        app.action_say("irq-line gsi=5 level=1")
        assert strips.keys() - pane._strips.keys() == {HEADER + 5}

    on_screen(act)


def test_every_style_has_the_attributes_of_its_name() -> None:
    """What is bold, reversed or underlined without any colour is so on the screen too."""
    from kvmlab.render.theme import STYLES

    async def act(app: KvmlabApp, _pilot: Hand) -> None:
        pane = app.panes["path"]
        for name, (_base, attributes) in STYLES.items():
            style = pane.style_of(name)
            has = {word for word in ("bold", "reverse", "italic", "underline") if getattr(style, word)}
            assert has == set(attributes.split()), name

    on_screen(act)


FIRST = shelf().lab(next(iter(shelf().heads)))
SECOND = shelf().position(FIRST.id).next

PRESSED = {
    "back": ("", "", "undo"),
    "forward": ("", "undo", "redo"),
    "take": ("", "", "take vcpu=0"),
    "eoi": ("", "take", "eoi vcpu=0"),
    "run": ("", "", "run"),
    "assert": ("ioapic", "", "irq-line gsi=11 level=1"),
    "deassert": ("ioapic", "irq-line gsi=11 level=1", "irq-line gsi=11 level=0"),
    "mask": ("ioapic", "", "ioapic 11 masked"),
    "unmask": ("ioapic", "ioapic 11 masked", "ioapic 11 unmasked"),
    "signal": ("eventfds", "", "write trigger"),
    "read": ("eventfds", "", "read trigger"),
    "poll": ("eventfds", "", "poll trigger"),
    "close": ("eventfds", "", "close trigger"),
    "raise": ("devices", "device virtio disk gsi=5", "raise disk"),
    "lower": ("devices", "device virtio disk gsi=5; raise disk", "lower disk"),
    "serve": ("devices", "device virtio disk gsi=5; raise disk", "service disk vcpu=0"),
    "step": ("contexts", "manual; write unmask", "step user"),
    "finish": ("contexts", "manual; write unmask", "finish user"),
    "manual": ("contexts", "", "manual"),
    "auto": ("contexts", "manual", "auto"),
    "goto": ("history", "", "goto 6"),
    "goto-column": ("timeline", "", "goto 6"),
    "hint": ("", "lab start SMALL", "hint"),
    "next-lab": ("", f"lab start {FIRST.id}\n{FIRST.solution.text}", "lab next"),
    "run-line": ("lab", "lab start SMALL\nlab answer sum 2", "write door"),
    "run-rest": ("lab", "lab start SMALL\nlab answer sum 2", "write door"),
    "check": ("goals", "lab start SMALL", "check"),
    "solution": ("goals", "lab start SMALL", "lab solution yes"),
    "reset": ("lab", "lab start SMALL", "reset"),
    "skip": ("lab", f"lab start {FIRST.id}", "lab next"),
    "previous": ("goals", f"lab start {SECOND}", "lab previous"),
    "leave-lab": ("lab", "lab start SMALL", "lab leave"),
}
"""Name of an action → the pane it is asked for in, what is said before, the command that it becomes."""


@pytest.mark.parametrize("name", PRESSED)
def test_every_key_becomes_its_command(name: str, tmp_path: Path) -> None:
    """In its pane, with the first item or pin 11 chosen, the key of an action says its command."""
    pane, before, command = PRESSED[name]
    said = before.replace("SMALL", f'"{small_lab(tmp_path)}"').splitlines()

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        if pane:
            app.action_pane(pane)
            await pilot.pause()
            app.panes[pane].choose("11")
        await pilot.press(*[NAMED[name].keys] * (1 + bool(NAMED[name].warns(app.here()))))
        assert app.driver.said[-1] == command

    on_screen(act, said=(*LEVEL, *said))


def test_every_action_is_pressed() -> None:
    """The table above leaves nothing out."""
    assert {action.name for action in ACTIONS} == set(PRESSED)


def test_the_palette_lists_what_works_here() -> None:
    """Commands of the pane with the focus, every pane and every layout can be found by name."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_pane("ioapic")
        app.panes["ioapic"].choose("11")
        await pilot.pause()
        listed = {(command.title, command.help) for command in app.get_system_commands(app.screen)}
        assert ("assert", "irq-line gsi=11 level=1") in listed
        panes = {spec.title for spec in SPECS if spec.name not in LESSON}
        assert panes <= {title for title, _help in listed}
        assert {"Layout narrow", "Copy as command", "Save session as script"} <= {
            title for title, _ in listed
        }

    on_screen(act, said=LEVEL)


def test_another_theme_keeps_the_screen() -> None:
    """Every theme that is registered can be chosen; what stands on the screen stays the same text."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        before = text_of(app)
        for name in ("kvmlab-light", "mono", "ansi", "textual-light"):
            app.theme = name
            await pilot.pause()
            assert text_of(app) == before

    on_screen(act, said=LEVEL)


def test_escape_goes_between_the_command_line_and_the_panes() -> None:
    """It clears what is typed first, then leaves; in a pane and in the log it comes back."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.command_line.write("ta")
        await pilot.press("escape")
        assert app.command_line.value == ""
        assert app.focused is app.command_line
        await pilot.press("escape")
        assert app.pane is not None
        await pilot.press("escape")
        assert app.focused is app.command_line
        app.log_pane.focus()
        await pilot.press("escape")
        assert app.focused is app.command_line

    on_screen(act)


def test_the_command_line_says_where_the_keys_go() -> None:
    """While something else has the focus; a colon leads back from everywhere, and is no part of a command."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        assert "> a command; " in text_of(app)[-2]
        for name in ("ioapic", "trace", "log"):
            if name == "log":
                app.log_pane.focus()
            else:
                app.action_pane(name)
            await pilot.pause()
            assert text_of(app)[-2] == f"> keys go to the {name}; : or Escape types a command"
            await pilot.press("colon")
            assert app.focused is app.command_line
            assert "> a command; " in text_of(app)[-2]
        await pilot.press("colon", *"mark a", "enter")
        assert app.driver.said == ["mark a"]
        await pilot.press(*"route 30 ioapic:3", "enter")
        assert app.driver.said[-1] == "route 30 ioapic:3"

    on_screen(act)


def test_what_follows_the_colon_at_once_is_typed() -> None:
    """The keys come faster than they are answered: none of them is a pane's any more."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_pane("ioapic")
        await pilot.pause()
        for key in ("colon", *"mark", "space", "m"):
            character = {"colon": ":", "space": " "}.get(key, key)
            app.post_message(Key(key, character))
        await pilot.pause()
        assert app.command_line.value == "mark m"
        assert app.driver.said == []

    on_screen(act)


@pytest.mark.parametrize(
    "ending", ["ctrl+u", "escape", "enter", "ctrl+o", "f1", "f2", "x", "backspace", "f9"]
)
def test_the_list_ends_with_what_it_is_about(ending: str) -> None:
    """With another line, another focus, another screen, or a command; Escape loses nothing else."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        listed = app.screen.query_one(Candidates)
        await pilot.press("?")
        assert listed.display
        await pilot.press("escape", *"mark", "space", "?")
        assert listed.display
        await pilot.press(ending)
        assert not listed.display
        if ending == "escape":
            assert app.command_line.value == "mark "
            assert app.focused is app.command_line

    on_screen(act, said=LEVEL)


def test_the_list_closes_when_the_focus_goes() -> None:
    """By a click too."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("?")
        app.action_pane("ioapic")
        await pilot.pause()
        assert not app.screen.query_one(Candidates).display

    on_screen(act)


def test_a_long_list_says_how_long_it_is_and_goes_on_by_pages() -> None:
    """No description is cut without a sign; the last page has the last candidate."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        listed = app.screen.query_one(Candidates)
        await pilot.press("?")
        count = len(listed._found)
        assert count > MOST
        assert listed.texts[-1] == f" 1 to {MOST - 1} of {count}: PgDn PgUp show the others"
        shown = set(listed.texts[:-1])
        for _page in range(count):
            await pilot.press("pagedown")
            shown |= set(listed.texts[:-1])
        assert len(shown) == count
        assert all(len(text) <= 80 or text.endswith("…") for text in shown)
        assert any(text.endswith("…") for text in shown)
        await pilot.press("escape", *"expect", "space", "?")
        assert len(listed.texts) <= MOST

    on_screen(act)


def test_the_log_says_what_of_an_answer_is_out_of_sight_and_the_key_to_it() -> None:
    """PgUp from the command line, a jump where another pane has that key; a short answer says nothing."""

    def title(app: KvmlabApp) -> str:
        return next(text for text in text_of(app) if text.startswith("─"))

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_say("help devices")
        await pilot.pause()
        found = re.match(r"─(\d+) lines above: PgUp  Log─", title(app))
        assert found is not None
        await pilot.press("pageup")
        less = re.match(r"─(\d+) lines above: PgUp  Log─", title(app))
        assert less is not None
        assert int(less[1]) == int(found[1]) - app.log_pane.size.height + 1
        for _page in range(20):
            await pilot.press("pageup")
        assert title(app).startswith("─Log─")
        app.action_say("mark a")
        await pilot.pause()
        assert title(app).startswith("─Log─")
        app.action_pane("ioapic")
        app.action_say("help devices")
        await pilot.pause()
        keys = re.search(r" lines above: F2 ([a-z])  Log", title(app))
        assert keys is not None
        await pilot.press("f2", keys[1])
        assert app.log_pane.has_focus
        assert " lines above: PgUp  Log" in title(app)

    on_screen(act)


def test_wrong_text_has_its_column_and_no_line() -> None:
    """Nobody counts the lines that were typed."""

    async def act(app: KvmlabApp, _pilot: Hand) -> None:
        app.action_say("eventfd a")
        app.action_say("eventfd b; wriet b")
        assert app.log_pane.texts[-3:-1] == [
            "column 12: no command is called 'wriet'; did you mean 'write'?",
            "eventfd b; wriet b",
        ]

    on_screen(act)
