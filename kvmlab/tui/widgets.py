"""Which widget each pane is, and every pane in the order of the tabs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kvmlab.tui.arrange import LESSON
from kvmlab.tui.grid import Grid
from kvmlab.tui.lesson import LessonPane
from kvmlab.tui.overview import STAGE_LINE, Overview
from kvmlab.tui.pane import Pane
from kvmlab.tui.panes import SPECS as LISTED
from kvmlab.tui.panes import PaneSpec
from kvmlab.tui.timeline import TIMELINE, Timeline

if TYPE_CHECKING:
    from kvmlab.session import Session
    from kvmlab.tui.timeline import Past

OWN: dict[str, type[Pane]] = {"lapic": Grid, "path": Overview, **dict.fromkeys(LESSON, LessonPane)}
"""The panes that are more than a list of items."""

AFTER = "path"
"""The pane that the timeline stands behind: it draws the same GSI."""


def _specs() -> tuple[PaneSpec, ...]:
    specs: list[PaneSpec] = []
    for spec in LISTED:
        if spec.name == AFTER:
            specs += [replace(spec, subject="stage", lines=STAGE_LINE), TIMELINE]
        else:
            specs.append(spec)
    return tuple(specs)


SPECS = _specs()
"""Every pane, in the order of the tabs."""


def make_panes(session: Session, past: Past) -> list[Pane]:
    """Return a widget for each pane; the timeline reads the session's past."""
    return [Timeline(session, past) if spec is TIMELINE else OWN.get(spec.name, Pane)(spec) for spec in SPECS]
