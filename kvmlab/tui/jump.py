"""Jump mode: a letter on everything that can have the focus; typing it goes there."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase

from textual import events
from textual.app import ComposeResult
from textual.geometry import Region
from textual.screen import ModalScreen
from textual.widgets import Label


class Jump(ModalScreen[str | None]):
    """Letters over the regions of widgets; dismissed with the ID of the one chosen, or with None."""

    def __init__(self, targets: Sequence[tuple[str, Region]]) -> None:
        super().__init__()
        self._targets = dict(zip(ascii_lowercase, targets, strict=False))

    def compose(self) -> ComposeResult:
        """Yield a letter on the corner of each."""
        for letter, (_name, region) in self._targets.items():
            label = Label(f" {letter} ", classes="jump")
            label.styles.offset = (region.x + 1, region.y)
            yield label

    def on_key(self, event: events.Key) -> None:
        """Take the letter; any other key ends the mode."""
        event.stop()
        name, _region = self._targets.get(event.key, (None, None))
        self.dismiss(name)
