"""Themes: what a file may say, and what the screen and the prompt make of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.styles import Style as PromptStyle
from rich.style import Style as RichStyle

from kvmlab import resources
from kvmlab.render.cells import Cell, line, table
from kvmlab.render.rich_text import colours_wanted, rich_lines, styles_of
from kvmlab.render.theme import (
    BASES,
    STYLES,
    TERMINAL_COLOURS,
    Theme,
    find_theme,
    load_theme,
    parse_theme,
    prompt_styles,
    rich_styles,
)

SHIPPED = resources.names("themes")


def luminance(colour: str) -> float:
    """Return the relative luminance of #rrggbb (WCAG 2, section 1.4.3)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    """Return the contrast of two colours, 1 to 21."""
    dark, light = sorted((luminance(one), luminance(two)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_theme_is_whole(name: str) -> None:
    """It has every base colour and style, and nothing wrong."""
    theme, problems = find_theme(name)
    assert problems == []
    assert set(theme.bases) == set(BASES)
    assert set(theme.variables) == set(STYLES) - set(BASES)


@pytest.mark.parametrize("name", SHIPPED)
def test_text_of_a_shipped_theme_can_be_read(name: str) -> None:
    """Every style but the ghost text has the contrast that body text needs."""
    theme, _problems = find_theme(name)
    ground = theme.bases["background"]
    for style in sorted(set(STYLES) - {"ghost"}):
        colour = theme.colour(style)
        if colour.startswith("#") and ground.startswith("#"):
            assert contrast(colour, ground) >= 4.5, style


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('primary = "blueish"', "t.toml:1: primary: expected a colour such as"),
        ("primary = 7", "t.toml:1: primary: expected a colour such as"),
        ('dark = true\n[variables]\nirq-asserted = "#12345"', "t.toml:3: irq-asserted: expected a colour"),
        ('[variables]\nirq-lost = "#fff"', "t.toml:2: irq-lost: no such style"),
        ('[variables]\nwarning = "#fff"\nheadr = "#fff"', "t.toml:3: headr: no such style"),
        ('warning = "#fff"\n[variables]\nwarning = "#ff"', "t.toml:3: warning: expected a colour"),
        ('\nprimry = "#fff"', "t.toml:2: primry: no such key"),
        ('dark = "yes"', "t.toml:1: dark: expected a bool"),
        ("variables = 3", "t.toml:1: variables: expected a table"),
        ("primary = ", "t.toml:1: not TOML: Invalid value"),
        ('primary = "#fff', "t.toml:1: not TOML"),
    ],
)
def test_what_is_wrong_is_reported_by_file_line_and_key(text: str, problem: str) -> None:
    """A broken theme says where it is broken, and is still a theme."""
    theme, problems = parse_theme(text, "t.toml", "t")
    assert len(problems) == 1
    assert problems[0].startswith(problem)
    assert set(prompt_styles(theme)) == set(STYLES)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ('primry = "#fff"', "primary"),
        ('[variables]\nirq-lost = "#fff"', "irq-asserted"),
        ('error = "ansi_rot"', "ansi_red"),
    ],
)
def test_a_wrong_word_is_answered_with_the_nearest_right_one(text: str, near: str) -> None:
    """Keys, styles and names of colours alike."""
    (problem,) = parse_theme(text, "t.toml", "t")[1]
    assert problem.endswith(f"; the nearest is '{near}'")


def test_the_rest_of_a_broken_theme_holds() -> None:
    """One wrong colour costs one colour."""
    theme, problems = parse_theme('primary = "no"\nerror = "#F00"\n[variables]\nok = "ansi_green"', "t", "t")
    assert len(problems) == 1
    assert (theme.colour("error"), theme.colour("ok"), theme.colour("cue")) == ("#f00", "ansi_green", "")


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever stands in the file, there is a theme and a list of sentences."""
    theme, problems = parse_theme(text, "t.toml", "t")
    assert isinstance(theme, Theme)
    assert all(problem.startswith("t.toml:") for problem in problems)


@pytest.mark.parametrize("colour", ["#6bf", "#6cb0f0", "", *TERMINAL_COLOURS])
def test_every_colour_is_one_that_both_libraries_read(colour: str) -> None:
    """What the reader lets through never fails later, inside a library."""
    theme = Theme("t", True, dict.fromkeys(BASES, colour) if colour else {})
    PromptStyle.from_dict(prompt_styles(theme))
    for text in rich_styles(theme).values():
        RichStyle.parse(text or "none")


def test_an_unknown_theme_is_reported_and_replaced() -> None:
    """A name that no file has costs the colours, nothing else."""
    theme, problems = find_theme("mona", "s.toml:1: theme: ")
    assert theme.colour("error") == ""
    there = f"there is {', '.join(SHIPPED)}; the nearest is 'mono'"
    assert problems == [f"s.toml:1: theme: no theme is called 'mona'; {there}"]


@pytest.mark.parametrize("data", [b"\xff\xfe", b"\0" * (2 << 20)])
def test_a_file_that_is_no_text_is_reported(tmp_path: Path, data: bytes) -> None:
    """Binary and huge files are no themes."""
    path = tmp_path / "t.toml"
    path.write_bytes(data)
    _theme, problems = load_theme(path)
    assert len(problems) == 1
    assert problems[0].startswith(str(path))


def test_a_users_own_theme_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration folder can replace a shipped theme."""
    monkeypatch.setenv("KVMLAB_CONFIG_DIR", str(tmp_path))
    (tmp_path / "themes").mkdir()
    (tmp_path / "themes" / "kvmlab-dark.toml").write_text('error = "#abcdef"')
    assert find_theme("kvmlab-dark")[0].colour("error") == "#abcdef"


def test_rich_lines_carry_the_styles_of_the_theme() -> None:
    """A cell's text is drawn in its colour, at its place."""
    theme, _problems = parse_theme('error = "#ff0000"', "t", "t")
    (text,) = rich_lines([line("a ", Cell("b", "error"))], styles_of(theme))
    assert text.plain == "a b"
    assert [(s.start, s.end, str(s.style)) for s in text.spans if s.style] == [(2, 3, "bold #ff0000")]


def test_no_color_leaves_attributes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR takes the colours; bold and reverse still tell states apart."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours_wanted()
    styles = styles_of(find_theme("kvmlab-dark")[0], colours_wanted())
    assert all(style.color is None for style in styles.values())
    assert styles["irq-asserted"].bold


def test_rich_lines_honour_the_width() -> None:
    """A table wraps its last column where the screen ends."""
    rows = table(("a", "b"), [("1", "several words that do not fit")])
    lines = [text.plain for text in rich_lines(rows, styles_of(Theme("t")), 22)]
    assert max(map(len, lines)) <= 22
