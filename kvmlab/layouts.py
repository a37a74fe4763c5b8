"""The names of the screen's layouts: light, for the command line offers them whatever it runs."""

from __future__ import annotations

LAYOUTS = {"auto": "", "80x24": "narrow", "120x40": "wide", "200x60": "full"}
"""The layouts by the size of screen that each is made for, as the screen names them."""

LAYOUT_NAMES = (*LAYOUTS, *filter(None, LAYOUTS.values()))
"""What a user may call a layout: by its size or by its name."""
