"""Every pane at every size as a grid of text, and the main screens in one theme with their styles.

They are compared with what stands in goldens/. With KVMLAB_GOLDENS=write the files are written anew;
then read the difference before it is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from string import ascii_letters, digits

import pytest
from rich.style import Style

from kvmlab.settings import Settings
from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.arrange import LESSON
from kvmlab.tui.widgets import SPECS
from tests.second import Beside, no_remote_irr, nothing_pending
from tests.tui.stand import LEVEL, Hand, on_screen, small_lab, text_of

GOLDENS = Path(__file__).parent / "goldens"

SIZES = {"80x24": (80, 24), "120x40": (120, 40), "200x60": (200, 60)}
"""Name of each size → columns and lines."""

SCREENS = {
    f"{pane or 'start'}-{size}": (SIZES[size], pane)
    for size in SIZES
    for pane in ("", *[spec.name for spec in SPECS if spec.name not in LESSON])
}
"""Name of the file → size of the screen and the pane chosen."""

PLAYED = ("lab answer sum 2", "write bell 2", "hint rung", "write bell", "lab solution", "lab solution")
"""The small lab of the tests of the course, of which one goal of each state is seen."""

LABS = {f"{pane}-{size}": (SIZES[size], pane) for size in SIZES for pane in LESSON}
"""The same for the panes of a lab."""

STYLED = {
    **{f"start-{size}": (SIZES[size], "", "") for size in SIZES},
    "ioapic-80x24": (SIZES["80x24"], "ioapic", ""),
    "lapic-80x24": (SIZES["80x24"], "lapic", ""),
    "history-80x24": (SIZES["80x24"], "history", ""),
    "timeline-120x40": (SIZES["120x40"], "timeline", ""),
    "trace-120x40": (SIZES["120x40"], "trace", ""),
    "help-80x24": (SIZES["80x24"], "", "f1"),
}
"""Name of the file → size of the screen, the pane chosen, and the key pressed then."""

STYLED_LABS = ("goals-80x24", "lab-120x40")
"""Of LABS those that are held with their styles."""

SHOWN_BESIDE = (("ioapic", "80x24"), ("lapic", "80x24"), ("path", "120x40"), ("eventfds", "200x60"))
"""Panes and sizes of the screen over two machines."""

SIDE_BY_SIDE = (
    "machine backend=both",
    "eventfd trigger; eventfd unmask; irqfd trigger gsi=11 resample=unmask",
    "ioapic 11 vector=0x41 level unmasked",
    "write trigger",
)
"""The level interrupt of LEVEL on two machines."""

LETTERS = ascii_letters + digits


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_it_was(name: str) -> None:
    """A level interrupt has been accepted and not yet taken."""
    size, pane = SCREENS[name]
    compare(f"{name}.txt", seen(size, pane, "", lambda app: "\n".join(text_of(app)) + "\n"))


@pytest.mark.parametrize("name", STYLED)
def test_a_screen_is_styled_as_it_was(name: str) -> None:
    """The same, in the default theme: under each line of text a letter for the style of each cell."""
    compare(f"styles-{name}.txt", seen(*STYLED[name], styles_of))


@pytest.mark.parametrize("name", LABS)
def test_a_lab_is_as_it_was(name: str, tmp_path: Path) -> None:
    """One goal is reached, one is open, one is broken; a hint and the solution were asked for."""
    size, pane = LABS[name]
    compare(f"{name}.txt", studied(size, pane, tmp_path, lambda app: "\n".join(text_of(app)) + "\n"))


@pytest.mark.parametrize("name", STYLED_LABS)
def test_a_lab_is_styled_as_it_was(name: str, tmp_path: Path) -> None:
    """The same with its styles."""
    size, pane = LABS[name]
    compare(f"styles-{name}.txt", studied(size, pane, tmp_path, styles_of))


BESIDE = {f"beside-{pane}-{size}": (SIZES[size], pane) for pane, size in SHOWN_BESIDE}
"""Name of the file → size of the screen and the pane chosen."""


@pytest.mark.parametrize("name", BESIDE)
def test_what_differs_from_a_kernel_is_marked_as_it_was(name: str, beside: Beside) -> None:
    """No remote IRR and nothing pending there: each cell has a style, and a glyph where there is room."""
    beside.plant = lambda second: setattr(second, "fault", lambda seen: nothing_pending(no_remote_irr(seen)))
    size, pane = BESIDE[name]
    compare(f"{name}.txt", seen(size, pane, "", styles_of, SIDE_BY_SIDE))


def test_no_golden_is_left_over() -> None:
    """Every file is compared by one of the tests."""
    wanted = {f"{name}.txt" for name in SCREENS} | {f"styles-{name}.txt" for name in STYLED}
    wanted |= {f"{name}.txt" for name in LABS} | {f"styles-{name}.txt" for name in STYLED_LABS}
    wanted |= {f"{name}.txt" for name in BESIDE}
    wanted |= {f"explorer-{size}.txt" for size in SIZES}  # of test_explorer.py
    wanted |= {f"library-{size}.txt" for size in SIZES}  # of test_library.py
    assert {file.name for file in GOLDENS.iterdir()} == wanted


def studied(size: tuple[int, int], pane: str, folder: Path, look: Callable[[KvmlabApp], str]) -> str:
    """Return what ``look`` makes of the screen of a size while the small lab is played."""
    return seen(size, pane, "", look, (f'lab start "{small_lab(folder)}"', *PLAYED))


def seen(
    size: tuple[int, int],
    pane: str,
    key: str,
    look: Callable[[KvmlabApp], str],
    said: tuple[str, ...] = LEVEL,
) -> str:
    """Return what ``look`` makes of the screen of a size with a pane chosen and a key pressed."""
    found: list[str] = []

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.command_line.cursor_blink = False
        if pane:
            app.action_pane(pane)
        if key:
            await pilot.press(key)
        await pilot.pause()
        found.append(look(app))

    on_screen(act, size=size, said=said, settings=Settings(theme="kvmlab-dark"))
    return found[0]


def styles_of(app: KvmlabApp) -> str:
    """Return the lines of the screen, each with the letters of its styles, and what the letters mean."""
    letters: dict[str, str] = {}
    lines: list[str] = []
    for strip in app.screen._compositor.render_strips():
        lines.append("".join([segment.text for segment in strip]).rstrip())
        cells = [(described(segment.style), segment.cell_length) for segment in strip]
        marks = [
            letters.setdefault(style, LETTERS[len(letters)]) * sum(length for _style, length in run)
            for style, run in groupby(cells, key=lambda cell: cell[0])
        ]
        lines.append("".join(marks))
    legend = [f"{letter} {style}" for style, letter in letters.items()]
    return "\n".join([*lines, "", *legend]) + "\n"


def described(style: Style | None) -> str:
    """Return a style without what a click on it does."""
    return str(style.without_color + Style(color=style.color, bgcolor=style.bgcolor)) if style else "none"


def compare(name: str, text: str) -> None:
    """Hold a text against a golden file, or write the file where that is asked for."""
    file = GOLDENS / name
    if os.environ.get("KVMLAB_GOLDENS") == "write":
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8")
