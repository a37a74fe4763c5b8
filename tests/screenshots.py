"""The pictures in README.md: the app itself, at each size after the session in README.md, and in a lab.

    python -m tests.screenshots [FOLDER]

writes 80x24.svg, 120x40.svg, 200x60.svg and lab.svg into FOLDER, by default docs/screens. Textual's export
names a font on the network, cuts every line by a path of its own and paints every cell's ground; that
is left out here, which makes the files a third as large.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from kvmlab.cli import make_session
from kvmlab.journal import Journal
from kvmlab.past import HistoryFile
from kvmlab.tui.app import KvmlabApp
from tests.tui.stand import Hand

CHECKOUT = Path(__file__).parent.parent
SCREENS = CHECKOUT / "docs" / "screens"
PROMPT = "kvm> "

SIZES = {(80, 24): "path", (120, 40): "timeline", (200, 60): "path"}
"""Size of the screen → the pane chosen on it."""

LAB_SIZE = (120, 40)
LAB = (
    "lab start level-irqfd",
    "lab answer or 1",
    "expect 1: irqfd trigger gsi=11 level",
    "write trigger",
    "hint",
)
"""What is said in the lab that is shown."""

LEFT_OUT = (
    r"<!--.*?-->",
    r"@font-face \{.*?\}",
    r"<defs>.*?</defs>",
    r' clip-path="[^"]*"',
    r' shape-rendering="crispEdges"',
    r"terminal-\d+-",
    r"(?<=\.\d)\d{2,}",
    r"(?m)^\s+",
)
"""What a picture does without."""


def readme_commands() -> list[str]:
    """Return what is typed in the session on the first screen of README.md."""
    lines = (CHECKOUT / "README.md").read_text("utf-8").splitlines()
    return [line.removeprefix(PROMPT) for line in lines if line.startswith(PROMPT)]


async def picture(size: tuple[int, int], pane: str, folder: Path, said: Sequence[str]) -> str:
    """Return the screen of a size as SVG after commands, with a pane chosen."""
    past, journal = HistoryFile(folder / "history", 0), Journal(folder / "journal")
    app = KvmlabApp(make_session, past, journal, first=said)
    async with app.run_test(size=size):
        hand = Hand(app)
        await hand.until(lambda: app.ready)
        app.action_pane(pane)
        app.command_line.cursor_blink = False
        app.action_command()
        await hand.pause()
        drawn = app.export_screenshot(title="kvmlab", simplify=True)
        ground = app.screen.styles.background.hex.lower()
    journal.close()
    return small(drawn, ground)


def small(svg: str, ground: str) -> str:
    """Return a picture without what it does not need, on one ground instead of one for each cell."""
    for pattern in LEFT_OUT:
        svg = re.sub(pattern, "", svg, flags=re.DOTALL)
    svg = re.sub(rf'<rect fill="{ground}"[^>]*/>', "", svg)
    return svg.replace('<rect fill="#292929"', f'<rect fill="{ground}"', 1)


def main(folder: Path) -> None:
    """Write the pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [(f"{size[0]}x{size[1]}", size, pane, readme_commands()) for size, pane in SIZES.items()]
    for name, size, pane, said in (*pictures, ("lab", LAB_SIZE, "lab", LAB)):
        with TemporaryDirectory() as state:
            folders = {"KVMLAB_CONFIG_DIR": state, "KVMLAB_STATE_DIR": state}
            own = {**folders, "TEXTUAL_ANIMATIONS": "none", "NO_COLOR": ""}
            with patch.dict(os.environ, own):
                del os.environ["NO_COLOR"]
                svg = asyncio.run(picture(size, pane, Path(state), said))
        (folder / f"{name}.svg").write_text(svg, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SCREENS)
