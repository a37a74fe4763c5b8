"""The screen without a terminal, for the tests: an app of a size, and what stands on it as text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from unittest.mock import patch

import pytest
from textual.app import App
from textual.command import Command, CommandList
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.pilot import Pilot

from kvmlab.cli import make_session
from kvmlab.past import HistoryFile
from kvmlab.settings import Settings
from kvmlab.tui.app import KvmlabApp

LEVEL = (
    "eventfd trigger",
    "eventfd unmask",
    "ioapic 11 vector=0x41 level unmasked",
    "irqfd trigger gsi=11 level",
    "eoifd unmask key=trigger level",
    "write trigger",
)
"""A level interrupt on its way: accepted by the LAPIC, not yet taken."""

ONE_COMMAND = "\nexpect eventfd.door.count == 1\n```\n\n```kvm fresh"


def small_lab(folder: Path) -> str:
    """Write the lab of the tests of the course, with one command to be run in its text; return its path."""
    from tests.course.stand import changed  # what draws no lab loads nothing of the course

    path = folder / "01-small.md"
    path.write_text(changed((ONE_COMMAND, ONE_COMMAND.partition("1")[2])), "utf-8")
    return str(path)


FRAMES = 8
"""As many frames are drawn one because of another, at most, until nothing is left to be drawn."""

LOOKS = 2_000
"""As often is looked for what has to become so."""

SECONDS = 300
"""No test of the screen is worth more: one that waits for ever fails then."""


_RULES: dict[tuple[object, ...], list[RuleSet]] = {}
"""What Textual has parsed before: the same text with the same variables gives the same rules to every app."""

_parse_rules = Stylesheet._parse_rules


def _parse_once(sheet: Stylesheet, css: str, *place: object, **kind: object) -> list[RuleSet]:
    """Parse a style sheet as Textual does, or find what came of it the last time."""
    key = (css, place, frozenset(kind.items()), frozenset(sheet._variables.items()))
    if key not in _RULES:
        _RULES[key] = _parse_rules(sheet, css, *place, **kind)  # type: ignore[arg-type]
    return _RULES[key]


async def _no_wait(_seconds: float = 0) -> None:
    """Wait for nothing, where Textual waits for a process that takes no time."""


def _left() -> bool:
    """Return whether anything is to be done now, but by who asks: a message or a callback of any widget."""
    return bool(asyncio.get_running_loop()._ready)  # type: ignore[attr-defined]


class Hand(Pilot[None]):
    """A pilot that goes on when the messages are handled, however long a loaded machine takes for it.

    Textual's own takes a process that was given no time for one that has nothing to do.
    """

    async def pause(self, delay: float | None = None) -> None:
        """Let every message be handled, and those that follow from it, and draw what they changed."""
        if delay:
            await asyncio.sleep(delay)
        for _frame in range(FRAMES):
            await self._wait_for_screen()
            self.app.screen._on_timer_update()
            if not _left():
                break

    async def _wait_for_screen(self, timeout: float = 0) -> bool:
        """Wait until nothing is left to do; Textual's own asks every widget, which takes most of a test."""
        await asyncio.sleep(0)
        while _left():
            await asyncio.sleep(0)
        return True

    async def press(self, *keys: str) -> None:
        """Press keys, each when the one before has done what it does."""
        with patch("textual.app.wait_for_idle", _no_wait):
            for key in keys:
                await super().press(key)
                await self.pause()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what a timer or a thread brings about; fails with the screen if it never does."""
        for _look in range(LOOKS):
            if self.app._exception is not None:
                raise self.app._exception
            if holds():
                await self.pause()
                return
            await asyncio.sleep(0.01)
            await self._wait_for_screen()
        pytest.fail("the screen never showed it:\n" + "\n".join(text_of(self.app)))


Act = Callable[[KvmlabApp, Hand], Awaitable[None]]


def drive(app: App[None], act: Callable[[Hand], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> None:
    """Run an app on a screen of a size as long as something is done with it."""

    async def run() -> None:
        async with app.run_test(size=size):
            await act(Hand(app))

    with patch.object(Stylesheet, "_parse_rules", _parse_once):
        asyncio.run(asyncio.wait_for(run(), SECONDS))


def on_screen(
    act: Act,
    *,
    size: tuple[int, int] = (80, 24),
    said: tuple[str, ...] = (),
    folder: Path | None = None,
    settings: Settings | None = None,
) -> KvmlabApp:
    """Run an app with commands said first, do something with it, and return it."""
    past = HistoryFile((folder or Path("/nonexistent")) / "history", 100 if folder else 0)
    app = KvmlabApp(make_session, past, settings=settings, first=said, repl=lambda _session: None)

    async def acting(hand: Hand) -> None:
        await hand.until(lambda: app.ready)
        await hand.pause()
        await act(app, hand)

    drive(app, acting, size)
    return app


def text_of(app: App[None]) -> list[str]:
    """Return the lines of the screen as text."""
    strips = app.screen._compositor.render_strips()
    return ["".join([segment.text for segment in strip]).rstrip() for strip in strips]


def highlighted(app: App[None]) -> str:
    """Return the title of the entry of the palette that Enter would choose, "" where there is none."""
    entries = [listed.highlighted_option for listed in app.screen.query(CommandList)]
    return next((str(entry.hit.text) for entry in entries if isinstance(entry, Command)), "")
