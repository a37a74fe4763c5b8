"""The list of what may follow, over the log and above the command line."""

from __future__ import annotations

from kvmlab.render.cells import Cell
from kvmlab.tui.lines import Drawn, Lines

MOST = 10
"""As many lines as the list has."""


class Candidates(Lines):
    """Texts with their descriptions; hidden while there are none."""

    def __init__(self) -> None:
        super().__init__(id="candidates")
        self.display = False

    def list(self, found: list[tuple[str, str]], at: int) -> None:
        """Show candidates with the chosen one in sight."""
        self.display = bool(found)
        if not found:
            return
        self.styles.height = min(MOST, len(found))
        wide = max(len(text) for text, _ in found)
        self.draw(
            [
                Drawn(
                    (Cell(" "), Cell(text.ljust(wide), "word-key"), Cell(f"  {what}", "muted")),
                    (0, 10_000) if number == at else None,
                )
                for number, (text, what) in enumerate(found)
            ]
        )
        self.scroll_to(y=max(0, at - MOST // 2), animate=False, force=True)
