"""Every pane at every size as a grid of text, compared with what stands in goldens/.

With KVMLAB_GOLDENS=write the files are written anew; then read the difference before it is kept.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.pilot import Pilot

from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.widgets import SPECS
from tests.tui.stand import LEVEL, on_screen, text_of

GOLDENS = Path(__file__).parent / "goldens"

SCREENS = {
    **{f"{spec.name}-80x24": ((80, 24), spec.name) for spec in SPECS},
    "start-80x24": ((80, 24), ""),
    "start-120x40": ((120, 40), ""),
    "start-200x60": ((200, 60), ""),
    "timeline-120x40": ((120, 40), "timeline"),
    "lapic-120x40": ((120, 40), "lapic"),
}
"""Name of the file → size of the screen and the pane chosen."""


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_it_was(name: str) -> None:
    """A level interrupt has been accepted and not yet taken."""
    size, pane = SCREENS[name]
    grids: list[str] = []

    async def act(app: KvmlabApp, pilot: Pilot[None]) -> None:
        app.command_line.cursor_blink = False
        if pane:
            app.action_pane(pane)
        await pilot.pause()
        grids.append("\n".join(text_of(app)) + "\n")

    on_screen(act, size=size, said=LEVEL)
    file = GOLDENS / f"{name}.txt"
    if os.environ.get("KVMLAB_GOLDENS") == "write":
        file.write_text(grids[0], "utf-8")
    assert grids[0] == file.read_text("utf-8")
