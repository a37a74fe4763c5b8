"""The three bars of one row: the tabs of the panes, the state with its scrubber, the keys that work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from kvmlab.tui.lines import Lines
from kvmlab.tui.running import Running
from kvmlab.tui.seen import Seen

TRACK = 20
"""Cells of the scrubber."""

SHORTEST = 3
"""As many characters of a tab's name are left where there is room for no more."""


class Part(NamedTuple):
    """Text of a bar, its style, and the app's action that a click on it runs ("" for none)."""

    text: str
    style: str = ""
    action: str = ""


class Bar(Lines):
    """One row of parts, some of which can be clicked."""

    def __init__(self, name: str) -> None:
        super().__init__(id=name, classes="bar")
        self._parts: tuple[Part, ...] = ()

    def put(self, parts: Iterable[Part]) -> None:
        """Show these parts."""
        new = tuple(parts)
        if new != self._parts:
            self._parts = new
            self.refresh()

    @property
    def texts(self) -> list[str]:
        """The row as plain text."""
        return ["".join([part.text for part in self._parts]).rstrip()]

    def render_line(self, y: int) -> Strip:
        """Return the row."""
        if y:
            return Strip.blank(self.size.width, self.style_of(""))
        segments = [
            Segment(text, self.style_of(style) + (Style(meta={"@click": action}) if action else Style()))
            for text, style, action in self._parts
        ]
        return Strip(segments).adjust_cell_length(self.size.width, self.style_of(""))


def tab_parts(
    tabs: Sequence[tuple[str, str, str]], shown: set[str], marks: Mapping[str, str], width: int
) -> list[Part]:
    """Return the tabs of (name, tab, key): those shown are reversed, a mark stands behind its tab.

    Names are cut until all fit.
    """
    most = max((len(tab) for _name, tab, _key in tabs), default=0)
    while most > SHORTEST and sum(len(key) + min(most, len(tab)) + 1 for _name, tab, key in tabs) > width:
        most -= 1
    parts: list[Part] = []
    for name, tab, key in tabs:
        action = f"app.pane('{name}')"
        parts.append(Part(f"{key}{tab[:most]}", "toolbar" if name in shown else "muted", action))
        parts.append(Part(marks[name] or " ", "cue", action))
    return parts


def state_parts(seen: Seen, running: Running | None = None) -> list[Part]:
    """Return the place in time with its scrubber, and what the machine is and does."""
    snapshot = seen.snapshot
    parts = [Part(" ◂", "cue", "app.act('back')"), *_track(seen), Part("▸ ", "cue", "app.act('forward')")]
    parts.append(Part(f"{seen.position}/{seen.total}  "))
    if seen.beside is not None:
        parts.append(Part(f"{seen.status}  ", "muted" if seen.beside == snapshot else "warning"))
    parts.append(Part(f"{snapshot.kernel} {snapshot.api} {snapshot.mode}", "muted"))
    if seen.lab is not None:
        parts.append(Part(f"  {seen.lab.lab.id} {seen.lab.reached}/{seen.lab.of}", "header", "app.lab"))
    if running is not None:
        parts.append(Part(f"  {running.status()}", "cue"))
    if snapshot.quiescent is False:
        parts.append(Part("  work waits", "warning"))
    if snapshot.reports:
        parts.append(Part(f"  {len(snapshot.reports)} report{'s' * (len(snapshot.reports) > 1)}", "error"))
    if seen.status and seen.beside is None:
        parts.append(Part(f"  {seen.status}", "muted"))
    return parts


def _track(seen: Seen) -> list[Part]:
    """Return the scrubber: each cell goes to its part of the history."""
    span = seen.total - seen.first
    at = (seen.position - seen.first) * (TRACK - 1) // span if span else TRACK - 1
    cells = []
    for cell in range(TRACK):
        unit = seen.first + cell * span // (TRACK - 1)
        glyph = "●" if cell == at else "━" if cell < at else "─"
        cells.append(Part(glyph, "cue" if cell <= at else "muted", f"app.say('goto {unit}')"))
    return cells


def key_parts(keys: Sequence[tuple[str, str, str]], width: int) -> list[Part]:
    """Return as many of (key, label, action) as there is room for."""
    parts: list[Part] = []
    for key, label, action in keys:
        more = [Part(f" {key}", "cue", action), Part(f" {label} ", "", action)]
        if sum(len(part.text) for part in (*parts, *more)) > width:
            break
        parts += more
    return parts
