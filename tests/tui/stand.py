"""The screen without a terminal, for the tests: an app of a size, and what stands on it as text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

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

Act = Callable[[KvmlabApp, Pilot[None]], Awaitable[None]]


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
    app = KvmlabApp(make_session, past, settings=settings, first=said)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            while not app.ready:
                await pilot.pause()
            await pilot.pause()
            await act(app, pilot)

    asyncio.run(run())
    return app


def text_of(app: KvmlabApp) -> list[str]:
    """Return the lines of the screen as text."""
    strips = app.screen._compositor.render_strips()
    return ["".join([segment.text for segment in strip]).rstrip() for strip in strips]
