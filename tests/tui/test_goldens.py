"""Every pane at every size as a grid of text, and the main screens in one theme with their styles.

They are compared with what stands in goldens/. With KVMLAB_GOLDENS=write the files are written anew;
then read the difference before it is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
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

PANES = ("", *[spec.name for spec in SPECS if spec.name not in LESSON])
"""The panes that are chosen in turn; "" for none."""

PLAYED = ("lab answer sum 2", "write bell 2", "hint rung", "write bell", "lab solution", "lab solution")
"""The small lab of the tests of the course, of which one goal of each state is seen."""

STYLED = {
    *[f"start-{size}" for size in SIZES],
    "ioapic-80x24",
    "lapic-80x24",
    "history-80x24",
    "timeline-120x40",
    "trace-120x40",
    "goals-80x24",
    "lab-120x40",
}
"""What is held with its styles too."""

HELP = "styles-help-80x24.txt"
"""The first page of the help, with its styles."""

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

SETTINGS = Settings(theme="kvmlab-dark")


@pytest.mark.parametrize("size", SIZES)
def test_every_pane_is_as_it_was(size: str) -> None:
    """A level interrupt has been accepted and not yet taken; the main screens with their styles."""
    compare_panes(size, PANES, LEVEL)


@pytest.mark.parametrize("size", SIZES)
def test_a_lab_is_as_it_was(size: str, tmp_path: Path) -> None:
    """One goal is reached, one is open, one is broken; a hint and the solution were asked for."""
    compare_panes(size, LESSON, (f'lab start "{small_lab(tmp_path)}"', *PLAYED))


def test_the_help_is_styled_as_it_was() -> None:
    """Under each line of text a letter for the style of each cell."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.command_line.cursor_blink = False
        await pilot.press("f1")
        compare(HELP, styles_of(app))

    on_screen(act, said=LEVEL, settings=SETTINGS)


BESIDE = {f"beside-{pane}-{size}": (SIZES[size], pane) for pane, size in SHOWN_BESIDE}
"""Name of the file → size of the screen and the pane chosen."""


@pytest.mark.parametrize("name", BESIDE)
def test_what_differs_from_a_kernel_is_marked_as_it_was(name: str, beside: Beside) -> None:
    """No remote IRR and nothing pending there: each cell has a style, and a glyph where there is room."""
    beside.plant = lambda second: setattr(second, "fault", lambda seen: nothing_pending(no_remote_irr(seen)))
    size, pane = BESIDE[name]

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.command_line.cursor_blink = False
        app.action_pane(pane)
        await pilot.pause()
        compare(f"{name}.txt", styles_of(app))

    on_screen(act, size=size, said=SIDE_BY_SIDE, settings=SETTINGS)


def test_no_golden_is_left_over() -> None:
    """Every file is compared by one of the tests."""
    wanted = {f"{pane or 'start'}-{size}.txt" for pane in (*PANES, *LESSON) for size in SIZES}
    wanted |= {f"styles-{name}.txt" for name in STYLED} | {HELP}
    wanted |= {f"{name}.txt" for name in BESIDE}
    wanted |= {f"explorer-{size}.txt" for size in SIZES}  # of test_explorer.py
    wanted |= {f"library-{size}.txt" for size in SIZES}  # of test_library.py
    assert {file.name for file in GOLDENS.iterdir()} == wanted


def compare_panes(size: str, panes: Iterable[str], said: tuple[str, ...]) -> None:
    """Hold the screen of a size against its files with each pane chosen, as if it were the first to be."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.command_line.cursor_blink = False
        before = app.chosen
        for pane in panes:
            app.chosen = list(before)
            if pane:
                app.action_pane(pane)
            await pilot.pause()
            name = f"{pane or 'start'}-{size}"
            compare(f"{name}.txt", "\n".join(text_of(app)) + "\n")
            if name in STYLED:
                compare(f"styles-{name}.txt", styles_of(app))

    on_screen(act, size=SIZES[size], said=said, settings=SETTINGS)


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
