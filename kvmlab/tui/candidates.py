"""The list of what may follow, over the log and above the command line."""

from __future__ import annotations

from kvmlab.render.cells import Cell, Line
from kvmlab.tui.lines import Drawn, Lines
from kvmlab.tui.placing import crop

MOST = 10
"""As many lines as the list has."""


class Candidates(Lines):
    """Texts with their descriptions; hidden while there are none. A long list is shown by pages."""

    def __init__(self) -> None:
        super().__init__(id="candidates")
        self.display = False
        self._found: list[tuple[str, str]] = []
        self._at = -1
        self._top = 0

    def list(self, found: list[tuple[str, str]], at: int) -> None:
        """Show candidates with the chosen one in sight."""
        self.display = bool(found)
        self._found, self._at, self._top = found, at, 0
        self.styles.height = min(MOST, len(found))
        self._turn_to(at - self._room // 2)

    def page(self, by: int) -> None:
        """Show the page before or behind."""
        self._turn_to(self._top + by * self._room)

    def on_resize(self) -> None:
        """Cut the lines to the width."""
        self._draw()

    @property
    def _room(self) -> int:
        """How many candidates are shown at once: where that is not all, a line says which."""
        return MOST if len(self._found) <= MOST else MOST - 1

    def _turn_to(self, top: int) -> None:
        self._top = max(0, min(top, len(self._found) - self._room))
        self._draw()

    def _draw(self) -> None:
        wide = max((len(text) for text, _ in self._found), default=0)
        width = self.size.width or self.app.size.width
        end = self._top + self._room
        lines = [
            Drawn(
                crop((Cell(" "), Cell(text.ljust(wide), "word-key"), Cell(f"  {what}", "muted")), width),
                (0, width) if number == self._at else None,
            )
            for number, (text, what) in enumerate(self._found)
            if self._top <= number < end
        ]
        self.draw([*lines, Drawn(self._rest(end))] if len(self._found) > MOST else lines)

    def _rest(self, end: int) -> Line:
        """Return the line below a page."""
        return (Cell(f" {self._top + 1} to {end} of {len(self._found)}: PgDn PgUp show the others", "cue"),)
