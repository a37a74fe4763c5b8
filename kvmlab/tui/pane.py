"""One pane: the items of its registry entry, with a cursor on those that can be chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, NamedTuple

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from kvmlab.render.cells import Cell, Row
from kvmlab.tui.actions import ACTIONS
from kvmlab.tui.items import CHANGED, DIFFERS, Item, items_of, marked, marked_tail, pointed
from kvmlab.tui.keys import KEYS
from kvmlab.tui.lines import Drawn, Lines
from kvmlab.tui.listed import View
from kvmlab.tui.panes import SPECS, PaneSpec
from kvmlab.tui.placing import Span, place


class Listing(NamedTuple):
    """What a pane lists of a moment: its rows, and the items that they are."""

    view: View
    rows: list[Row]
    items: list[Item]


class Pane(Lines, can_focus=True):
    """A pane of the registry. ``key`` names the item under the cursor, "" where there is none.

    ``vector`` is the one that is explained, where a pane has vectors.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False, id="cursor-up"),
        Binding("down,j", "move(1)", "down", show=False, id="cursor-down"),
        Binding("left,h", "jump(-1)", "other column", show=False, id="cursor-left"),
        Binding("right,l", "jump(1)", "other column", show=False, id="cursor-right"),
    ]

    class Chosen(Message):
        """The cursor stands on another item."""

        def __init__(self, pane: Pane) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, spec: PaneSpec) -> None:
        super().__init__(id=spec.name, classes="pane")
        self.spec = spec
        self.items: list[Item] = []
        self._spans: list[tuple[Span, ...]] = []
        self._listed: list[Listing] = []
        self._shown: tuple[object, ...] = ()
        self._cursor = -1
        self._changed = self._differs = False
        self._top = 0
        """The line that was scrolled to: another one is there by somebody's own will, and stays."""
        self.vector: int | None = None
        self.entitle(spec.title)
        self.display = False
        self._bind()

    @property
    def key(self) -> str:
        """What the item under the cursor is about."""
        return self.items[self._cursor].key if 0 <= self._cursor < len(self.items) else ""

    @property
    def values(self) -> dict[str, str]:
        """What the cursor chooses, by the words of an action's command that it fills in."""
        return {self.spec.subject: self.key} if self.spec.subject else {}

    @property
    def heading(self) -> str:
        """What stands in the border."""
        return self.spec.title

    @property
    def changed(self) -> bool:
        """Whether the last command changed anything that is listed."""
        return self._changed

    @property
    def mark(self) -> str:
        """The glyph of what is listed: a machine beside this one has something else, or it has changed."""
        return DIFFERS if self._differs else CHANGED if self.changed else ""

    def show(self, before: View | None, now: View) -> None:
        """List a moment, with what differs from the one before marked."""
        self._listed = [self._list(view) for view in (before, now) if view]
        old, new = self._listed[0].items if before else None, self._listed[-1].items
        beside = self._beside(now)
        keys = {key for pane, key in now.touched if pane == self.spec.name}
        # While a storm blows most panes list the same again and again, which is seen sooner than drawn.
        shown = old, new, beside, keys, self.display, self.has_focus
        if shown != self._shown:
            self._shown = shown
            self._mark(old, new, beside, keys)

    def _beside(self, view: View) -> list[Item] | None:
        """Return what the machine beside this one has where it shows something else, None if it does not."""
        seen = view.seen
        if seen.beside is None or seen.beside == seen.snapshot:
            return None
        rows = self.spec.rows(replace(view, seen=replace(seen, snapshot=seen.beside)))
        return items_of(rows, self.spec.lines)

    def _mark(
        self, old: list[Item] | None, new: list[Item], beside: list[Item] | None, keys: set[str]
    ) -> None:
        """Show items with what has changed and what differs marked, and those of some keys pointed at."""
        key, count = self.key, len(self.items)
        items = marked_tail(old, new) if self.spec.subject == "event" else marked(old, new, beside)
        self._changed = any(item.mark not in ("", DIFFERS) for item in items)
        self._differs = any(item.mark == DIFFERS for item in items)
        self.items = pointed(items, keys) if keys else items
        self._cursor = self._find(key)
        if self.display:
            self.place()
            self._look()
        if self.spec.tail and len(self.items) != count:
            self.scroll_end(animate=False, force=True)

    def _list(self, view: View) -> Listing:
        """Return the items of a moment, those of the two shown last as they were listed then."""
        for known in self._listed:
            if known.view.seen is view.seen and known.view.chosen == view.chosen:
                return known
        rows = self.spec.rows(view)
        for known in self._listed:
            if known.rows == rows:
                return known._replace(view=view)
        return Listing(view, rows, items_of(rows, self.spec.lines))

    def place(self) -> None:
        """Put the items on lines, for the size that the pane has now."""
        size = self.scrollable_content_region.size
        self._spans = place(self.items, size.width, self.size.height, self.spec.flows)
        self.entitle(f"{self.mark} {self.heading}".strip())
        self.draw([self._line(spans) for spans in self._spans])

    def choose(self, key: str) -> None:
        """Put the cursor on the item of a key, if there is one."""
        at = next((i for i, item in enumerate(self.items) if item.key == key), -1)
        if at >= 0:
            self._put(at)

    def pass_by(self, lines: int) -> None:
        """Go behind lines that were done where the cursor stands; a list stays where it is."""

    def action_move(self, by: int) -> None:
        """Move the cursor over the items that can be chosen; scroll where there are none."""
        keys = [i for i, item in enumerate(self.items) if item.key and self.spec.subject]
        if not keys:
            self.scroll_relative(y=by, animate=False)
            return
        place_now = keys.index(self._cursor) if self._cursor in keys else (-1 if by > 0 else 0)
        self._put(keys[min(max(place_now + by, 0), len(keys) - 1)])

    def action_jump(self, by: int) -> None:
        """Move the cursor to the other column of a pane that has two."""
        for spans in self._spans:
            row = [span.item for span in spans if span.first]
            if len(row) == 2 and self._cursor in row:
                self._put(row[1] if by > 0 else row[0])
                return

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse points."""
        at = self.item_at(event)
        if at is not None:
            self._put(at)

    def item_at(self, event: events.Click) -> int | None:
        """Return the number of the item that the mouse points at, None for none that can be chosen."""
        at = event.get_content_offset(self)
        if at is None or not self.spec.subject:
            return None
        y, x = at.y + self.scroll_offset.y, at.x
        for span in self._spans[y] if y < len(self._spans) else ():
            if x < span.width and self.items[span.item].key:
                return span.item
            x -= span.width + 1
        return None

    def _bind(self) -> None:
        """Take the keys of the pane's own actions, and those of the screen where no text is typed."""
        keys = [(a.keys, f"act('{a.name}')", a.name) for a in ACTIONS if self.spec.name in a.panes]
        keys += [(key.keys, key.action, key.name) for key in KEYS if key.panes]
        keys += [(spec.key, f"pane('{spec.name}')", f"pane-{spec.name}") for spec in SPECS if spec.key]
        made = Binding.make_bindings([Binding(key, f"app.{action}", id=name) for key, action, name in keys])
        for binding in made:
            self._bindings.key_to_bindings.setdefault(binding.key, []).append(binding)

    def on_resize(self) -> None:
        """Place the items anew; the end of a tail that was hidden until now comes in sight."""
        self.place()
        self._look()
        if self.spec.tail:
            self._reveal(self._cursor)

    def watch_has_focus(self, _has_focus: bool) -> None:
        """Show the cursor, or hide it."""
        super().watch_has_focus(_has_focus)
        self.place()

    def _put(self, at: int) -> None:
        self._cursor = at
        self.place()
        self._reveal(at)
        self.post_message(self.Chosen(self))

    def _reveal(self, at: int) -> None:
        """Scroll until an item is in sight."""
        line = next((y for y, spans in enumerate(self._spans) if any(span.item == at for span in spans)), 0)
        top, height = self.scroll_offset.y, self.size.height
        if not top <= line < top + height:
            self.scroll_to(y=line if line < top else line - height + 1, animate=False, force=True)

    def _look(self) -> None:
        """Bring in sight what has changed, or else what is not as it always is, where nothing such is."""
        height, top, quiet = self.size.height, round(self.scroll_offset.y), self.spec.quiet
        last = max(0, len(self._spans) - height)
        if quiet is None or not height or self.has_focus or top != min(self._top, last):
            return
        keyed = [(at, item) for at, item in enumerate(self.items) if item.key]
        changed = {at for at, item in keyed if item.mark}
        other = {at for at, item in keyed if not quiet.match(item.text)}
        wanted = changed & other or changed or other
        lines = [y for y, spans in enumerate(self._spans) if any(span.item in wanted for span in spans)]
        if lines and not any(top <= y < top + height for y in lines):
            self._top = max(0, min(lines[0] - 1, last))
            self.call_after_refresh(self.scroll_to, y=self._top, animate=False, force=True)

    def _find(self, key: str) -> int:
        """Return the item that the cursor stands on: the one of before, else the first.

        The cursor of a tail stays at its end until the pane has the focus.
        """
        keys = [i for i, item in enumerate(self.items) if item.key] if self.spec.subject else []
        if not keys:
            return -1
        if self.spec.tail and not self.has_focus:
            return keys[-1]
        same = [i for i in keys if self.items[i].key == key]
        if self._cursor in same:
            return self._cursor
        return next(iter(same), keys[0])

    def _line(self, spans: tuple[Span, ...]) -> Drawn:
        cells: list[Cell] = []
        bright: tuple[int, int] | None = None
        x = 0
        for number, span in enumerate(spans):
            here = self.has_focus and span.item == self._cursor
            if here:
                bright = (x, x + span.width)
            cells += self._span(span, here)
            if number + 1 < len(spans):
                used = 2 + sum(len(cell.text) for cell in span.cells)
                cells.append(Cell(" " * (span.width - used) + "│", "muted"))
            x += span.width + 1
        return Drawn(tuple(cells), bright)

    def _span(self, span: Span, here: bool) -> list[Cell]:
        mark = self.items[span.item].mark if span.first else ""
        cursor = Cell(">" if here and span.first else " ", "cue")
        return [cursor, Cell(mark or " ", "cue"), *span.cells]
