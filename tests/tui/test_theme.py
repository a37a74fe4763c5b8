"""Themes on the screen: every colour is tried before Textual sees it, and the palette previews."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.app import ComposeResult
from textual.color import Color
from textual.command import CommandPalette
from textual.widgets import Label

from kvmlab import resources
from kvmlab.render.theme import BASES, STYLES, TERMINAL_COLOURS, Theme
from kvmlab.tui.theme import ThemedApp, all_themes, screen_theme
from tests.tui.stand import Hand, drive, highlighted

CSS = "\n".join(f".s-{style} {{ color: ${style}; }}" for style in STYLES)
COLOURS = ("#6bf", "#6cb0f0", *TERMINAL_COLOURS)


class Sample(ThemedApp):
    """A label in each style."""

    CSS = CSS

    def compose(self) -> ComposeResult:
        """Yield the labels."""
        for style in STYLES:
            yield Label(style, classes=f"s-{style}")


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test a configuration folder of its own, with a folder for themes."""
    monkeypatch.setenv("KVMLAB_CONFIG_DIR", str(tmp_path))
    (tmp_path / "themes").mkdir()
    return tmp_path / "themes"


def drawn(theme: str) -> dict[str, str]:
    """Return the colour that each style has on the screen under a theme."""

    async def run() -> dict[str, str]:
        app = Sample(theme)
        async with app.run_test():
            assert app.theme_problems == []
            return {style: app.query_one(f".s-{style}").styles.color.hex for style in STYLES}

    return asyncio.run(run())


def test_every_shipped_theme_is_registered_without_a_problem() -> None:
    """The folder of themes is what the palette offers."""
    themes, problems = all_themes()
    assert [theme.name for theme in themes] == resources.names("themes")
    assert problems == []


@pytest.mark.parametrize("name", resources.names("themes"))
def test_every_style_is_drawn_in_the_colour_of_the_file(name: str) -> None:
    """A style's variable is defined under each theme, and is the one that was written."""
    found = drawn(name)
    wanted = {theme.name: theme for theme in all_themes()[0]}[name].variables
    styles = set(STYLES) & set(wanted)
    assert {style: Color.parse(wanted[style]).hex for style in styles} == {s: found[s] for s in styles}


@pytest.mark.parametrize("name", ["textual-light", "textual-dark", "ansi-dark", "nord"])
def test_a_theme_that_comes_with_textual_has_the_styles_too(name: str) -> None:
    """What no file says is taken from the theme's own colours, so its CSS is valid."""
    assert set(drawn(name)) == set(STYLES)


def test_every_colour_that_a_file_may_have_can_be_drawn(config: Path) -> None:
    """The trap: Textual ends with a traceback on a colour that it cannot shade, or a ground of its own."""
    names: list[str] = []
    for ground in ("#14171c", "ansi_default"):
        for colour in COLOURS:
            lines = [f'{base} = "{ground if base == "background" else colour}"' for base in BASES]
            names.append(f"own{len(names)}")
            (config / f"{names[-1]}.toml").write_text("\n".join(lines))

    app = Sample()

    async def act(hand: Hand) -> None:
        for name in names:
            app.theme = name
            await hand.pause()
            found = app.query_one(".s-ok").styles.color
            assert found.hex == Color.parse(app.current_theme.variables["ok"]).hex

    drive(app, act)


def test_a_colour_that_the_screen_cannot_show_is_named_and_replaced() -> None:
    """Nothing unreadable is registered, whoever made the theme."""
    made, problems = screen_theme(Theme("t", True, {"primary": "bluish"}, {"ok": "#12345"}))
    assert problems == [
        "theme t: primary: the screen cannot show 'bluish'",
        "theme t: ok: the screen cannot show '#12345'",
    ]
    assert made.primary == "ansi_blue"
    assert made.variables["ok"] == "ansi_default"


def test_an_empty_theme_is_a_theme(config: Path) -> None:
    """Every colour may be left out."""
    (config / "own.toml").write_text("")
    assert set(drawn("own")) == set(STYLES)


def test_a_users_theme_replaces_the_shipped_one_and_a_broken_one_is_reported(config: Path) -> None:
    """The configuration folder wins by name; what is wrong in it costs no other theme."""
    (config / "amber.toml").write_text('primary = "#123456"')
    (config / "broken.toml").write_text("primary = ")
    themes, problems = all_themes()
    assert {theme.name: theme.primary for theme in themes}["amber"] == "#123456"
    assert len(problems) == 1
    assert problems[0].startswith(f"{config / 'broken.toml'}:1: not TOML")


def test_an_unknown_theme_is_reported_and_the_default_stands_in() -> None:
    """A wrong name in the settings ends nothing."""
    app = Sample("no-such")
    assert app.theme == "kvmlab-dark"
    assert app.theme_problems[0].startswith("no theme is called 'no-such'; there is amber, ")


def test_a_theme_is_found_by_its_path(config: Path) -> None:
    """--theme FILE tries a theme that is nowhere installed."""
    path = config.parent / "mine.toml"
    path.write_text('primary = "#123456"')
    app = Sample(str(path))
    assert (app.theme, app.current_theme.primary) == ("mine", "#123456")
    assert Sample(str(config / "none.toml")).theme_problems != []


@pytest.mark.parametrize("theme", ["kvmlab-dark", "kvmlab-light", "ansi"])
def test_no_color_leaves_no_colour_and_keeps_the_attributes(
    theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even greys are sent: the terminal's own two colours, bold and reverse remain."""
    monkeypatch.setenv("NO_COLOR", "1")

    async def run() -> set[str]:
        app = Sample(theme)
        async with app.run_test():
            styles = {
                segment.style
                for strip in app.screen._compositor.render_strips()
                for segment in strip.apply_filter(app._filters[-1], app.screen.styles.background)
                if segment.style is not None
            }
        return {str(colour and colour.name) for style in styles for colour in (style.color, style.bgcolor)}

    assert asyncio.run(run()) == {"default"}


def walk(app: Sample, *keys: str) -> list[str]:
    """Open the palette of themes, press keys, and return the theme after each."""
    seen = []

    async def act(pilot: Hand) -> None:
        app.search_themes()
        await pilot.until(lambda: highlighted(app) != "")
        for key in keys:
            await pilot.press(key)
            seen.append(app.theme)
        await pilot.until(lambda: not isinstance(app.screen, CommandPalette))

    drive(app, act)
    return seen


def test_the_theme_under_the_cursor_is_shown_and_escape_takes_it_back() -> None:
    """Looking is not choosing."""
    first, second, after = walk(Sample("mono"), "down", "down", "escape")
    assert len({first, second, "mono"}) == 3
    assert after == "mono"


def test_enter_keeps_the_theme_under_the_cursor() -> None:
    """What was previewed is what is chosen."""
    shown, kept = walk(Sample("mono"), "down", "enter")
    assert kept == shown != "mono"
