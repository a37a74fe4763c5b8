"""Markdown as rows, for every front end: paragraphs and lists wrapped, commands indented."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from kvmlab.render.cells import Cell, Row, line

if TYPE_CHECKING:
    from markdown_it.token import Token

WIDTH = 78
"""Columns that prose is wrapped to where nobody says how many there are."""


RUN = ("kvm", "kvm solution")
"""What stands behind a fence whose commands can be run where it is read."""

FRESH = "kvm fresh"
"""What stands behind a fence whose commands are shown beside a lab."""

ASIDE = "# a machine of its own; 'reset' leads back"
"""What stands above these where no command is marked, for whoever types them in the lab."""


OPENS = {"lab": "lab start", "scenario": "source"}
"""The command that opens what a link leads to, by the link's scheme."""


def prose_rows(
    text: str, width: int = WIDTH, mark: str = "", titles: Mapping[str, str] = MappingProxyType({})
) -> list[Row]:
    """Return a Markdown text as rows of at most ``width`` columns, but for commands, which stay whole.

    It knows what labs are written in: headings, paragraphs, lists, tables as they are written, fences.
    A ``mark`` stands before each command that can be run where it is read. A link to a lab has its title,
    by its ID in ``titles``, and, where no mark can stand, the command that opens it.
    """
    from markdown_it import MarkdownIt  # 20 ms that only who reads prose pays

    page = _Page(width, mark, titles)
    for token in MarkdownIt("commonmark").parse(text):
        page.take(token)
    return page.rows


class _Page:
    """A text as far as its tokens were taken. A blank row stands between two blocks; a list is one."""

    def __init__(self, width: int, mark: str, titles: Mapping[str, str]) -> None:
        self.rows: list[Row] = []
        self._width, self._mark, self._titles = width, mark, titles
        self._numbers: list[int] = []
        """Of each list that is open the number of its next item, 0 where it has none."""
        self._bullet, self._style, self._new = "", "", False
        self._takes = {
            "bullet_list_open": lambda _token: self._numbers.append(0),
            "ordered_list_open": lambda token: self._numbers.append(int(token.attrs.get("start", 1))),
            "bullet_list_close": self._close,
            "ordered_list_close": self._close,
            "list_item_open": self._item,
            "heading_open": self._heading,
            "inline": self._text,
            "fence": self._commands,
            "code_block": self._commands,
        }

    def take(self, token: Token) -> None:
        """Add what a token stands for; what is not known here has a text that is."""
        if token.level == 0 and token.nesting >= 0:
            self._new = True
        if token.type in self._takes:
            self._takes[token.type](token)

    def _add(self, rows: list[Row]) -> None:
        if self._new and self.rows:
            self.rows.append(line())
        self._new = False
        self.rows += rows

    def _close(self, _token: Token) -> None:
        self._numbers.pop()

    def _item(self, _token: Token) -> None:
        number = self._numbers[-1]
        self._bullet = f"{number}. " if number else "• "
        self._numbers[-1] += bool(number)

    def _heading(self, _token: Token) -> None:
        self._style = "header"

    def _text(self, token: Token) -> None:
        indent = "  " * max(0, len(self._numbers) - 1)
        head = indent + (self._bullet or "  " * bool(self._numbers))
        self._add(_wrapped(_spoken(token, self._linked), self._width, head, self._style))
        self._bullet = self._style = ""

    def _linked(self, said: str, target: str) -> str:
        """Return what stands behind the text of a link: a title that this is not, and how it is opened."""
        scheme, _colon, name = target.partition(":")
        if scheme not in OPENS:
            return f" ({target})"
        title = self._titles.get(name, "")
        told = [f"“{title}”"] * (bool(title) and title != " ".join(said.split()))
        told += [f"'{OPENS[scheme]} {name}'"] * (not self._mark)
        return f" ({': '.join(told)})" if told else ""

    def _commands(self, token: Token) -> None:
        style = "word-verb" if token.info.startswith("kvm") else ""
        mark = self._mark if token.info.strip() in RUN else ""
        rows = [_command(each, style, mark) for each in token.content.rstrip("\n").split("\n")]
        aside = token.info.strip() == FRESH
        self._add([line("    ", Cell(ASIDE, "muted")), *rows] if aside else rows)


def _command(text: str, style: str, mark: str) -> Row:
    runs = mark and text.strip() and not text.lstrip().startswith("#")
    return line("  ", Cell(mark if runs else " " * len(mark), "cue"), "" if mark else "  ", Cell(text, style))


def _wrapped(text: str, width: int, head: str, style: str) -> list[Row]:
    if text.lstrip().startswith("|"):
        return [line(Cell(each, style)) for each in text.split("\n")]
    lines = textwrap.wrap(
        " ".join(text.split()), max(20, width), initial_indent=head, subsequent_indent=" " * len(head),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return [line(Cell(each, style)) for each in lines]


def _spoken(token: Token, linked: Callable[[str, str], str]) -> str:
    """Return the text of an inline token: quotes round code, and behind a link's text what is said of it."""
    parts: list[str] = []
    links: list[tuple[str, int]] = []
    for child in token.children or ():
        if child.type == "link_open":
            links.append((str(child.attrs.get("href", "")), len(parts)))
        elif child.type == "link_close":
            target, start = links.pop()
            parts.append(linked("".join(parts[start:]), target))
        elif child.type == "code_inline":
            parts.append(f"'{child.content}'")
        elif child.type in {"softbreak", "hardbreak"}:
            parts.append("\n")
        else:
            parts.append(child.content)
    return "".join(parts)
