"""Rows as Rich text, for the screen and for exported pages. Rich is imported when it is used.

With ``colour`` off only the attributes (bold, reverse) remain; pass what :func:`colours_wanted`
returns to honour NO_COLOR.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kvmlab.render.cells import Row, layout
from kvmlab.render.theme import STYLES, Theme, rich_styles

if TYPE_CHECKING:
    from rich.style import Style
    from rich.text import Text


def colours_wanted() -> bool:
    """Tell whether the user wants colours: NO_COLOR, set to anything, means none (no-color.org)."""
    return not os.environ.get("NO_COLOR")


def styles_of(theme: Theme, colour: bool = True) -> dict[str, Style]:
    """Return the styles of a theme as Rich styles by name, "" being the plain one."""
    from rich.style import Style  # 30 ms that only the screen needs

    texts = rich_styles(theme) if colour else {name: attributes for name, (_, attributes) in STYLES.items()}
    return {"": Style(), **{name: Style.parse(text or "none") for name, text in texts.items()}}


def rich_lines(rows: Iterable[Row], styles: dict[str, Style], width: int | None = None) -> list[Text]:
    """Return rows as one Text a line; ``width`` is where a table's last column wraps."""
    from rich.text import Text  # 30 ms that only the screen needs

    return [
        Text.assemble(*[(text, styles[style]) for text, style in cells], no_wrap=True, end="")
        for cells in layout(rows, width)
    ]
