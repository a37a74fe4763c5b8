"""Themes: which colour a style has. One TOML file serves the screen, the prompt and exported pages.

A file has flat base colours, ``[variables]`` with a colour for each style, and ``[meta]``. What
is wrong in it is reported with file, line and key; the style then keeps its base colour. What is
bold, dim or reversed is said here and not in a theme, so that it holds without any colour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvmlab import resources, settings

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

BASES = (
    "background",
    "surface",
    "panel",
    "foreground",
    "primary",
    "secondary",
    "accent",
    "success",
    "warning",
    "error",
)
"""The base colours of a theme, by the names that Textual gives them."""

STYLES: dict[str, tuple[str, str]] = {
    "header": ("secondary", "bold"),
    "muted": ("secondary", ""),
    "ok": ("success", ""),
    "warning": ("warning", ""),
    "error": ("error", "bold"),
    "cue": ("primary", "bold"),
    "event": ("foreground", ""),
    "changed": ("foreground", "bold reverse"),
    "differs": ("error", "bold underline"),
    "irq-asserted": ("warning", "bold"),
    "irq-pending": ("warning", ""),
    "irq-in-service": ("primary", "bold"),
    "irq-masked": ("secondary", ""),
    "irq-remote-irr": ("accent", "bold"),
    "word-verb": ("primary", "bold"),
    "word-key": ("accent", ""),
    "word-number": ("warning", ""),
    "word-string": ("success", ""),
    "word-comment": ("secondary", "italic"),
    "word-wrong": ("error", "underline"),
    "prompt": ("success", "bold"),
    "ghost": ("secondary", "italic"),
    "toolbar": ("foreground", "reverse"),
}
"""Every style by name: the base colour it has unless a theme says otherwise, and its attributes."""

ANSI = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")

TERMINAL_COLOURS = {
    "ansi_default": "default",
    **{f"ansi_{name}": name for name in ANSI},
    **{f"ansi_bright_{name}": f"bright_{name}" for name in ANSI},
}
"""The terminal's own colours as a theme writes them, and as Rich does."""

COLOUR = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)
"""A colour of one's own: #rgb or #rrggbb."""

_GREYS = {"white": "ansigray", "bright_white": "ansiwhite", "default": "ansidefault"}
"""The terminal's colours whose names in prompt_toolkit are not built like the others."""


@dataclass(frozen=True, slots=True)
class Theme:
    """A theme: its name, whether it is dark, its base colours, the colours of its styles."""

    name: str
    dark: bool = True
    bases: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def colour(self, style: str) -> str:
        """Return the colour of a style (of STYLES) as the theme writes it, "" for the terminal's own."""
        base, _attributes = STYLES[style]
        return self.variables.get(style, self.bases.get(base, ""))


def find_theme(name: str, place: str = "") -> tuple[Theme, list[str]]:
    """Return a theme by its name or path, and what is wrong with it; a plain one if there is none.

    A user's own themes, in the configuration folder, come before those that kvmlab ships. ``place``
    is where the name stands (Settings.place).
    """
    own = {path.stem: path for path in (settings.config_dir() / "themes").glob("*.toml")}
    try:
        if name.endswith(".toml"):
            return load_theme(Path(name))
        return load_theme(own[name] if name in own else resources.find("themes", name))
    except resources.ResourceError as error:
        return Theme("plain"), [f"{place}{error}{settings.closest(name, [*own, *_shipped()])}"]


def _shipped() -> list[str]:
    try:
        return resources.names("themes")
    except resources.ResourceError:
        return []


def load_theme(source: Traversable) -> tuple[Theme, list[str]]:
    """Return the theme in a file, and a sentence for everything in it that is wrong."""
    file = str(source)
    try:
        text = settings.read_text(source) if isinstance(source, Path) else source.read_text("utf-8")
    except OSError as error:
        return Theme("plain"), [f"{file}: cannot be read: {error.strerror or error}"]
    except ValueError as error:
        return Theme("plain"), [f"{file}: {error}"]
    return parse_theme(text, file, source.name.removesuffix(".toml"))


def parse_theme(text: str, file: str, name: str) -> tuple[Theme, list[str]]:
    """Return the theme in a TOML text, and a sentence for everything in it that is wrong."""
    data, problems = settings.parse_toml(text, file)
    colours: dict[str, dict[str, str]] = {"bases": {}, "variables": {}}
    for part, key, value in _entries(data):
        wrong = _wrong(part, key, value)
        if wrong:
            table = part if part == "variables" else ""
            problems.append(f"{file}:{settings.line_of(text, key, table)}: {key}: {wrong}")
        elif part in colours:
            colours[part][key] = value.lower()
    dark = data.get("dark", True)
    return Theme(name, dark if isinstance(dark, bool) else True, **colours), problems


def _entries(data: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield every entry of a theme as (part, key, value); ``top`` is what is no colour."""
    for key, value in data.items():
        if key == "variables" and isinstance(value, dict):
            yield from (("variables", name, colour) for name, colour in value.items())
        else:
            yield ("bases" if key in BASES else "top"), key, value


TOP: dict[str, tuple[type, str]] = {
    "dark": (bool, "a bool"),
    "meta": (dict, "a table"),
    "variables": (dict, "a table"),
}


def _wrong(part: str, key: str, value: object) -> str:
    """Say what is wrong with an entry, "" if nothing is."""
    if part == "top":
        if key not in TOP:
            known = (*BASES, *TOP)
            return f"no such key; there are {', '.join(known)}{settings.closest(key, known)}"
        kind, words = TOP[key]
        return "" if isinstance(value, kind) else f"expected {words}, found {value!r}"
    if part == "variables" and key not in STYLES:
        return f"no such style; there are {', '.join(STYLES)}{settings.closest(key, STYLES)}"
    if isinstance(value, str) and (COLOUR.fullmatch(value) or value.lower() in TERMINAL_COLOURS):
        return ""
    name = isinstance(value, str) and not value.startswith("#")
    near = settings.closest(str(value), TERMINAL_COLOURS) if name else ""
    return f"expected a colour such as #6cb0f0, #6bf or ansi_blue, found {value!r}{near}"


def prompt_styles(theme: Theme) -> dict[str, str]:
    """Return the styles as prompt_toolkit writes them, by class name."""
    return {style: f"{_prompt_colour(theme.colour(style))} {STYLES[style][1]}".strip() for style in STYLES}


def rich_styles(theme: Theme) -> dict[str, str]:
    """Return the styles as Rich writes them, by name."""
    return {style: f"{STYLES[style][1]} {_rich_colour(theme.colour(style))}".strip() for style in STYLES}


def _prompt_colour(colour: str) -> str:
    if colour.startswith("#") or not colour:
        return _long(colour)
    name = TERMINAL_COLOURS[colour]
    return _GREYS.get(name, "ansi" + name.replace("_", ""))


def _rich_colour(colour: str) -> str:
    return _long(colour) if colour.startswith("#") or not colour else TERMINAL_COLOURS[colour]


def _long(colour: str) -> str:
    """Return #rgb as #rrggbb, which everybody reads."""
    return "#" + "".join(digit * 2 for digit in colour[1:]) if len(colour) == 4 else colour
