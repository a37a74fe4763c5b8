"""The names of the screen's layouts and panes: light, for who names them draws nothing."""

from __future__ import annotations

LAYOUTS = {"auto": "", "80x24": "narrow", "120x40": "wide", "200x60": "full"}
"""The layouts by the size of screen that each is made for, as the screen names them."""

LAYOUT_NAMES = (*LAYOUTS, *filter(None, LAYOUTS.values()))
"""What a user may call a layout: by its size or by its name."""

PANE_NAMES = (
    "path",
    "ioapic",
    "lapic",
    "timeline",
    "sources",
    "eventfds",
    "fds",
    "contexts",
    "trace",
    "reports",
    "pic",
    "routes",
    "devices",
    "history",
)
"""The panes of the screen, the one that is shown first where there is room for one first."""
