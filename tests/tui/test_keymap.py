"""A user's settings on the screen: keys, layout, and how often it looks for changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.timer import Timer

from kvmlab.settings import Settings, parse_settings
from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.keymap import BOUND, FIXED, NAMES, checked, normal
from tests.tui.stand import LEVEL, Hand, on_screen, text_of


def read(*lines: str) -> Settings:
    """Return the settings with these lines in the table of keys."""
    settings, problems = parse_settings("\n".join(("[keymap]", *lines)), "s.toml")
    assert problems == []
    return settings


def test_every_binding_has_an_id_and_a_key_that_is_one() -> None:
    """IDs are words joined by hyphens, and every shipped key would pass as a user's."""
    assert len(BOUND) > 50
    assert [name for name in BOUND if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name)] == []
    keys = {key for bound in BOUND.values() for key in bound.keys}
    assert {key for key in keys if key.rpartition("+")[2] not in NAMES} == set()


def test_the_shipped_keys_are_a_keymap_without_a_clash() -> None:
    """Whoever writes down every default gets it."""
    shipped = {name: bound.keys for name, bound in BOUND.items()}
    own = {name: keys for name, keys in shipped.items() if name not in {"open-stage", "cursor-left"}}
    assert checked(Settings(keymap=own))[1] == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('maks = "x"', "no such binding; the nearest is 'mask'"),
        ('jump = "f99"', "there is no key 'f99'; the nearest is 'f9'"),
        ('jump = "hyper+a"', "there is no key 'hyper+a'; the nearest is"),
        ('jump = "CTRL+X"', "there is no key 'CTRL+X'; the nearest is 'ctrl+x'"),
        ('mask = "u"', "'u' is the key of 'unmask'; the nearest free key is 'ctrl+u'"),
        ('mask = "c"', "'c' is the key of 'copy-command'; the nearest free key is"),
        ('step = "f5"', "'f5' is the key of 'take'; the nearest free key is 'f6'"),
        ('take = "t"', "'t' types a character in the command line; the nearest free key is"),
        ('take = "ctrl+k"', "'ctrl+k' is a key for moving, copying or editing there; the nearest free"),
        ('mask = "pageup"', "'pageup' is a key for moving, copying or editing there; the nearest free"),
    ],
)
def test_what_is_wrong_is_reported_and_the_shipped_key_stays(line: str, problem: str) -> None:
    """With file and line, and what would be right."""
    keymap, (told,) = checked(read("", 'vcpu = "n"', line))
    assert told.startswith(
        f"s.toml:4: keymap.{line.partition(' ')[0]}: {problem.partition(chr(39) + 'f6')[0]}"
    )
    assert keymap == {"vcpu": "n"}


def test_bindings_may_swap_their_keys_and_share_one_in_different_panes() -> None:
    """Only what can be pressed in one place clashes."""
    swapped = read(
        'mask = "u"', 'unmask = "m"', 'take = "f6"', 'eoi = "f5"', 'step = "u"', 'poll = ["b", "?"]'
    )
    keymap, problems = checked(swapped)
    assert problems == []
    assert keymap["poll"] == "b,question_mark"


def test_a_swap_with_one_half_refused_is_refused_whole() -> None:
    """The other half would have a key that is taken again."""
    assert checked(read('mask = "u"', 'unmask = "m"', 'vcpu = "m"'))[0] == {"mask": "u", "unmask": "m"}
    keymap, problems = checked(read('mask = "u"', 'unmask = "tab"'))
    assert keymap == {}
    assert [problem.partition(": ")[0] for problem in problems] == ["s.toml:2", "s.toml:3"]


def test_no_binding_of_the_screen_types_or_edits() -> None:
    """As shipped, nothing that works in the command line is one of its editing keys."""
    everywhere = {key for bound in BOUND.values() if "command line" in bound.where for key in bound.keys}
    assert everywhere & FIXED["command line"] <= {"tab", "ctrl+q", "up", "down", "ctrl+p"}
    assert normal("a,?") == ("a", "question_mark")


def test_the_readmes_settings_are_right() -> None:
    """Whoever copies them is told nothing."""
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text("utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    settings, problems = parse_settings(example, "README.md")
    assert problems + checked(settings)[1] == []
    assert {*settings.places} >= {"theme", "layout", "fps", "history_size"}
    assert settings == Settings(keymap=settings.keymap)


def test_a_binding_works_by_its_new_key_alone() -> None:
    """On the whole screen, in a pane and in the command line; bar and help show the new keys."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        assert "^y completes, F2 explains" in text_of(app)[-2]
        assert any("F2 helps" in text for text in app.log_pane.texts)
        await pilot.press("f5")
        assert app.driver.now.position == len(LEVEL)
        await pilot.press("ctrl+r")
        assert app.driver.now.position == len(LEVEL) + 1
        app.command_line.write("mar")
        await pilot.press("ctrl+y")
        assert app.command_line.value == "mark "
        app.action_pane("ioapic")
        app.panes["ioapic"].choose("11")
        await pilot.pause()
        bar = text_of(app)[-1]
        assert " ! mask " in bar
        assert " F1 help " not in bar
        await pilot.press("m")
        assert app.driver.now.position == len(LEVEL) + 1
        await pilot.press("!")
        assert app.driver.now.position == len(LEVEL) + 2
        await pilot.press("f2")
        await pilot.pause()
        assert any(re.search(r"\^r +take", text) for text in text_of(app))

    lines = ('take = "ctrl+r"', 'mask = "!"', 'complete = "ctrl+y"', 'explain = "f2"', 'jump = "f1"')
    app = on_screen(act, said=LEVEL, settings=read(*lines))
    assert app.theme_problems == []


@pytest.mark.parametrize(("layout", "panes"), [("auto", 9), ("narrow", 1), ("80x24", 1), ("120x40", 3)])
def test_the_layout_of_the_settings_is_the_one_used(layout: str, panes: int) -> None:
    """On a screen that has room for each of them."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        assert len([pane for pane in app.panes.values() if pane.display]) == panes

    on_screen(act, size=(200, 60), settings=Settings(layout=layout))


def test_the_screen_looks_as_often_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interval of its timer is that of the frames."""
    intervals: dict[str, float] = {}
    begin = KvmlabApp.set_interval

    def set_interval(app: KvmlabApp, seconds: float, call: Callable[[], None], **more: bool) -> Timer:
        intervals[call.__name__] = seconds
        return begin(app, seconds, call, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(KvmlabApp, "set_interval", set_interval)

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.pause()

    on_screen(act, settings=Settings(fps=50))
    assert intervals["_tick"] == 1 / 50


def test_the_screen_starts_whatever_the_settings_say_and_tells_it() -> None:
    """Theme and keymap are checked by the screen; each sentence stands in the log."""
    settings, _ = parse_settings('theme = "mona"\n[keymap]\nmaks = "x"', "s.toml")

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        told = " ".join(" ".join(app.log_pane.texts).split())
        assert "s.toml:1: theme: no theme is called 'mona'; there is amber, " in told
        assert "the nearest is 'mono'" in told
        assert "s.toml:3: keymap.maks: no such binding; the nearest is 'mask'" in told

    on_screen(act, size=(120, 40), settings=settings)
