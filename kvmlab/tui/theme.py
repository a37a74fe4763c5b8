"""Themes on the screen: the theme files as Textual's themes, and their preview in the palette.

A theme file (kvmlab.render.theme) names a colour for each style; here every style becomes a CSS
variable of its own name (``$irq-asserted``). Textual fails with a traceback on a colour that it
cannot read, so each is tried before its theme is registered. What a style adds to a colour (bold,
reverse) is no part of a theme: it belongs to the widgets' component classes.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import App
from textual.color import Color, ColorParseError
from textual.command import CommandPalette
from textual.theme import BUILTIN_THEMES
from textual.theme import Theme as ScreenTheme

from kvmlab import resources, settings
from kvmlab.render.theme import STYLES, Theme, load_theme

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

FALLBACK_PRIMARY = "ansi_blue"
"""The one colour that Textual insists on, where a theme file leaves it out."""

OWN_COLOURS = {True: "ansi-dark", False: "ansi-light"}
"""Dark or light → Textual's theme of the terminal's own colours, which has variables that it insists on."""

READABLE = {
    base: f"text-{base}" for base in ("primary", "secondary", "accent", "success", "warning", "error")
}
"""Base colour → Textual's variable with a shade of it that can be read as text."""


def screen_theme(theme: Theme) -> tuple[ScreenTheme, list[str]]:
    """Return a theme as Textual knows it, and a sentence for each colour that Textual cannot read."""
    problems = [
        f"theme {theme.name}: {key}: the screen cannot show {colour!r}"
        for key, colour in (*theme.bases.items(), *theme.variables.items())
        if not _reads(colour)
    ]
    bases: dict[str, Any] = {base: colour for base, colour in theme.bases.items() if _reads(colour)}
    # Textual shades colours by arithmetic, which the terminal's own colours do not allow.
    ansi = bases.get("background", "ansi_default").startswith("ansi_")
    primary = bases.pop("primary", FALLBACK_PRIMARY)
    styles = {style: _variable(theme, style) for style in STYLES if style not in READABLE}
    made = ScreenTheme(
        name=theme.name,
        primary=primary,
        dark=theme.dark,
        ansi=ansi,
        variables={**(BUILTIN_THEMES[OWN_COLOURS[theme.dark]].variables if ansi else {}), **styles},
        **bases,
    )
    return made, problems


def all_themes() -> tuple[list[ScreenTheme], list[str]]:
    """Return the shipped themes and the user's own, which win by name; and what is wrong in them."""
    themes: dict[str, ScreenTheme] = {}
    problems: list[str] = []
    for source in (*_shipped(), *sorted((settings.config_dir() / "themes").glob("*.toml"))):
        theme, wrong = load_theme(source)
        made, unreadable = screen_theme(theme)
        problems += [*wrong, *unreadable]
        if theme.name != "plain":
            themes[made.name] = made
    return list(themes.values()), problems


class ThemedApp(App[None]):
    """An app that has the theme files registered, and previews the one highlighted in the palette.

    ``theme_problems`` are the sentences on what was wrong in the files: the app shows them when
    it can. A theme asked for that there is none of is one of them, and the default stands in;
    ``place`` is where it was asked for (Settings.place).
    """

    DEFAULT: ClassVar[str] = settings.Settings().theme

    def __init__(self, theme: str = "", place: str = "") -> None:
        # Under NO_COLOR Textual makes greys of colours, unless it takes them to be the terminal's own.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        themes, self.theme_problems = all_themes()
        for known in themes:
            self.register_theme(known)
        self._chosen = ""
        self.theme = self._wanted(theme or self.DEFAULT, place)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return a colour for each style under a theme that comes with Textual."""
        generated = self.current_theme.to_color_system().generate()
        return {
            style: generated[READABLE.get(base, base)]
            for style, (base, _attributes) in STYLES.items()
            if style not in READABLE
        }

    def _wanted(self, name: str, place: str) -> str:
        """Return the name of a registered theme: the one asked for, by name or path, or the default."""
        if name.endswith(".toml"):
            theme, wrong = load_theme(Path(name))
            made, unreadable = screen_theme(theme)
            self.theme_problems += [*wrong, *unreadable]
            self.register_theme(made)
            return made.name
        if name in self.available_themes:
            return name
        known = sorted(self.available_themes)
        self.theme_problems.append(
            f"{place}no theme is called '{name}'; there is {', '.join(known)}{settings.closest(name, known)}"
        )
        return self.DEFAULT if self.DEFAULT in self.available_themes else "ansi-dark"

    @on(CommandPalette.Opened)
    def _remember_theme(self) -> None:
        self._chosen = self.theme

    @on(CommandPalette.OptionHighlighted)
    def _preview_theme(self, event: CommandPalette.OptionHighlighted) -> None:
        option = event.highlighted_event.option
        name = getattr(getattr(option, "hit", None), "text", None)
        if name in self.available_themes:
            self.theme = str(name)

    @on(CommandPalette.Closed)
    def _settle_theme(self) -> None:
        # Also when a command was chosen: it runs after this, and may be another than the theme's.
        self.theme = self._chosen


@lru_cache(maxsize=256)
def _reads(colour: str) -> bool:
    """Tell whether Textual can show a colour."""
    try:
        Color.parse(colour)
    except ColorParseError:
        return False
    return True


def _variable(theme: Theme, style: str) -> str:
    """Return the colour of a style, or what the text has where the theme says nothing."""
    colour = theme.colour(style)
    return colour if colour and _reads(colour) else theme.bases.get("foreground", "ansi_default")


def _shipped() -> list[Traversable]:
    try:
        return [resources.find("themes", name) for name in resources.names("themes")]
    except resources.ResourceError:
        return []
