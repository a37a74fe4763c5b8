"""The shipped themes as colours: contrast on every ground, colour vision, and no state by colour alone."""

from __future__ import annotations

from itertools import combinations

import pytest

from kvmlab import resources
from kvmlab.render.ioapic import flags
from kvmlab.render.lapic_grid import STATES as GRID
from kvmlab.render.theme import STYLES, Theme, find_theme
from kvmlab.snapshot import RedirectionEntry

Triple = tuple[float, float, float]

THEMES = {name: find_theme(name)[0] for name in resources.names("themes")}
GROUNDS = ("background", "surface", "panel")
WANTED = {"kvmlab-dark", "kvmlab-light", "amber", "green", "mono", "deuteranopia", "tritanopia", "ansi"}

VISION: dict[str, tuple[Triple, Triple, Triple]] = {
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
"""What an eye makes of linear RGB (Machado, Oliveira and Fernandes 2009, severity 1)."""

XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
"""Linear sRGB to CIE XYZ (IEC 61966-2-1)."""

WHITE = (0.95047, 1.0, 1.08883)

APART = 15.0
"""The CIE 1976 colour difference that two states must have; about 2 can just be seen side by side."""

TOLD_APART = (
    ("ok", "error"),
    ("warning", "error"),
    ("ok", "warning"),
    ("irq-asserted", "irq-in-service"),
    ("irq-asserted", "irq-remote-irr"),
    ("irq-in-service", "irq-remote-irr"),
)


def linear(colour: str) -> Triple:
    """Return #rrggbb as linear RGB, 0 to 1."""
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return red, green, blue


def times(matrix: tuple[Triple, Triple, Triple], vector: Triple) -> Triple:
    """Return a matrix times a vector."""
    x, y, z = [sum(m * v for m, v in zip(row, vector, strict=True)) for row in matrix]
    return x, y, z


def lab(rgb: Triple) -> Triple:
    """Return linear RGB as CIE L*a*b*."""
    ratios = [value / white for value, white in zip(times(XYZ, rgb), WHITE, strict=True)]
    x, y, z = [r ** (1 / 3) if r > 0.008856 else 7.787 * r + 16 / 116 for r in ratios]
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one: str, two: str, eye: str) -> float:
    """Return how far apart two colours are for an eye."""
    clipped = [[min(1.0, max(0.0, v)) for v in times(VISION[eye], linear(colour))] for colour in (one, two)]
    first, second = [lab((red, green, blue)) for red, green, blue in clipped]
    return float(sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5)


def contrast(one: str, two: str) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG 2, section 1.4.3)."""
    dark, light = sorted(times(XYZ, linear(colour))[1] for colour in (one, two))
    return (light + 0.05) / (dark + 0.05)


def test_the_themes_that_were_promised_are_there() -> None:
    """Light, dark, two tubes, greys, two kinds of colour vision, and the terminal's own colours."""
    assert set(THEMES) >= WANTED


@pytest.mark.parametrize("name", sorted(set(THEMES) - {"ansi"}))
@pytest.mark.parametrize("ground", GROUNDS)
def test_every_style_can_be_read_on_every_ground(name: str, ground: str) -> None:
    """Bars and dialogs have other grounds than panes; the ghost text alone may be fainter."""
    theme = THEMES[name]
    least = {style: 3.0 if style == "ghost" else 4.5 for style in STYLES}
    ratios = {style: contrast(theme.colour(style), theme.bases[ground]) for style in STYLES}
    assert {style: ratio for style, ratio in ratios.items() if ratio < least[style]} == {}


@pytest.mark.parametrize(
    ("name", "eye"),
    [("deuteranopia", "deuteranopia"), ("deuteranopia", "protanopia"), ("tritanopia", "tritanopia")],
)
def test_a_theme_for_an_eye_tells_the_states_apart_for_that_eye(name: str, eye: str) -> None:
    """What such an eye sees of two states still differs clearly."""
    theme = THEMES[name]
    found = {pair: difference(theme.colour(pair[0]), theme.colour(pair[1]), eye) for pair in TOLD_APART}
    assert {pair: apart for pair, apart in found.items() if apart < APART} == {}


def test_the_default_theme_is_not_enough_for_every_eye() -> None:
    """The measure above can fail: without the themes for them, two states look alike."""
    theme = THEMES["kvmlab-dark"]
    assert difference(theme.colour("ok"), theme.colour("error"), "deuteranopia") < APART


def test_greys_have_no_hue() -> None:
    """Mono is what it says."""
    mono = THEMES["mono"]
    colours = [*mono.bases.values(), *mono.variables.values()]
    assert all(colour[1:3] == colour[3:5] == colour[5:7] for colour in colours)


def test_the_terminals_own_theme_assumes_no_colour() -> None:
    """Every colour of it is one that the user chose for the terminal."""
    ansi = THEMES["ansi"]
    assert all(colour.startswith("ansi_") for colour in (*ansi.bases.values(), *ansi.variables.values()))


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_light_and_dark_are_what_the_theme_says(theme: Theme) -> None:
    """Textual chooses shades by this word."""
    ground, text = theme.bases["background"], theme.bases["foreground"]
    if ground.startswith("#"):
        assert theme.dark == (times(XYZ, linear(ground))[1] < times(XYZ, linear(text))[1])


def test_no_state_is_told_by_colour_alone() -> None:
    """Any two states of a pin, and of a vector, differ in their glyphs."""
    pins = [RedirectionEntry(mask << 16 | rirr << 14, irr, src) for mask in (0, 1) for rirr in (0, 1)
            for irr in (0, 1) for src in ((), (2,))]  # fmt: skip
    texts = ["".join(part if isinstance(part, str) else part.text for part in flags(pin)) for pin in pins]
    assert all(one != two for one, two in combinations(texts, 2))
    assert len({glyph for glyph, _style in GRID.values()}) == len(GRID)
