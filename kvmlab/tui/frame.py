"""The screen that everything stands on; it carries the styles of cells for all widgets of lines.

A component class costs a pass over the style sheet for every widget that has it; one widget is
enough for a table of styles that is the same everywhere.
"""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from textual.screen import Screen

from kvmlab.render.theme import STYLES
from kvmlab.tui.command_line import CommandLine


class Frame(Screen[None]):
    """The base screen, with a component class for each style of cells."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"cell--{style}" for style in STYLES} | {"lines--cursor"}

    def on_screen_suspend(self) -> None:
        """Close the list of candidates where another screen takes the keys."""
        line = self.query_one(CommandLine)
        line.call_next(line.close_list)  # What is posted from here goes no farther than here.

    def cell_style(self, name: str) -> Style:
        """Return what a style of cells adds to that of a widget."""
        return self.get_component_rich_style(f"cell--{name}", partial=True)

    @property
    def cursor_style(self) -> Style:
        """What the line under a cursor adds."""
        return self.get_component_rich_style("lines--cursor", partial=True)
