"""The command line: one row with ghost text, history and completion over the session's language."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from kvmlab.language.errors import printable
from kvmlab.tui.keys import BACK, EXPLAIN, TYPE, shown

if TYPE_CHECKING:
    from kvmlab.language.complete import Completion
    from kvmlab.language.scope import Scope
    from kvmlab.past import HistoryFile

OPEN = ("=", ".", ":", ",")
"""A completion that ends so is to be continued: no blank follows it."""


LONGEST = 2_000
"""A longer line has been pasted, and is not completed at every key."""


class Ghost(Suggester):
    """What the rest of a line may be: as it was last typed, else its one completion."""

    def __init__(self, line: CommandLine) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._line = line

    async def get_suggestion(self, value: str) -> str | None:
        """Return the whole line that is suggested."""
        return self._line.guess(value)


class CommandLine(Input):
    """One row of text; Enter runs it. What may follow is posted for the list above it."""

    ID = "command"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "recall(-1)", "earlier", show=False, priority=True, id="recall-earlier"),
        Binding("down", "recall(1)", "later", show=False, priority=True, id="recall-later"),
        Binding("tab", "complete", "complete", show=False, priority=True, id="complete"),
        Binding("pageup", "app.page(-1)", "page up", show=False, priority=True, id="page-up"),
        Binding("pagedown", "app.page(1)", "page down", show=False, priority=True, id="page-down"),
        Binding("escape", "leave", "to the panes", show=False, priority=True, id="leave"),
    ]

    class Candidates(Message):
        """What could stand at the cursor, as (text, description), and which of it is chosen."""

        def __init__(self, found: list[tuple[str, str]], at: int = -1) -> None:
            super().__init__()
            self.found = found
            self.at = at

    def __init__(
        self,
        scope: Callable[[], Scope | None],
        past: HistoryFile,
        keymap: Mapping[str, str],
        enter: Callable[[str], None],
        pressed: Callable[[str, bool], Awaitable[bool]],
    ) -> None:
        complete = shown(keymap.get("complete", "tab")).capitalize()
        explain = shown(keymap.get(EXPLAIN.name, EXPLAIN.keys))
        self._here = f"a command; ? lists what may follow, {complete} completes, {explain} explains"
        back = [shown(keymap.get(key.name, key.keys)).capitalize() for key in (TYPE, BACK)]
        self._there = f"keys go to the {{}}; {' or '.join(back)} types a command"
        super().__init__(
            placeholder=self._here,
            id=self.ID,
            compact=True,
            select_on_focus=False,
            suggester=Ghost(self),
        )
        self._scope, self._enter, self._pressed = scope, enter, pressed
        self._past = past
        self._lines: list[str] = []
        self._at = 0
        self._typed = ""
        self._open: list[Completion] = []
        self._chosen = -1
        self._completed: str | None = None
        self._listed = False
        """Whether the list above the line is open; ``_open`` are those of it that can be chosen."""
        self._waiting: list[str] = []

    def on_mount(self) -> None:
        """Read the history of earlier sessions; a file that cannot be read costs only the history."""
        with suppress(OSError):
            self._lines = self._past.load()
        self._at = len(self._lines)

    def on_paste(self, event: events.Paste) -> None:
        """Take what is pasted, without what no terminal shows."""
        event.prevent_default()
        event.stop()
        self.take([printable(text) for text in event.text.splitlines() if text.strip()])

    def elsewhere(self, name: str) -> None:
        """Say where the keys go: to what has a name, or here where that is ""."""
        placeholder = self._there.format(name) if name else self._here
        if self.placeholder != placeholder:
            self.placeholder = placeholder

    def validate_value(self, value: str) -> str:
        """Leave out the colon that leads here: it can be typed without a look where the keys go."""
        return value.removeprefix(":")

    def take(self, lines: Sequence[str]) -> None:
        """Take lines as if they were typed: each further one when the one before it has been entered."""
        self.replace("".join(lines[:1]), *self.selection)
        self._waiting = [*lines[1:], *self._waiting]
        if self._waiting:
            more = f"{len(self._waiting)} more line{'s' * (len(self._waiting) > 1)}"
            what = "Enter runs this one and brings the next, Escape drops them"
            self._list([(more, what)])

    def give_back(self, text: str) -> None:
        """Take a line back that could not be run now."""
        if self.value:
            self._waiting.insert(0, self.value)
        self.write(text)

    def guess(self, value: str) -> str | None:
        """Return the newest line of the history that begins so, else the line with its only completion."""
        for line in reversed(self._lines):
            if line.startswith(value) and line != value:
                return line
        found = self._complete(value, len(value))
        return value[: found[0].start] + found[0].text if len(found) == 1 else None

    def write(self, text: str) -> None:
        """Put a text in place of the line."""
        self.value = text
        self.cursor_position = len(text)

    async def action_submit(self) -> None:
        """Run the line, and keep it."""
        text = self.value
        self.close_list()
        self.value = ""
        if self._waiting:
            self.write(self._waiting.pop(0))
        if text.strip():
            self.keep(text)
            # Now: as a message it would come behind keys that were pressed after it.
            self._enter(text)

    def keep(self, text: str) -> None:
        """Keep a line in the history, and on disk for later sessions."""
        if not self._lines or self._lines[-1] != text:
            self._lines.append(text)
        self._at = len(self._lines)
        with suppress(OSError):
            self._past.add(text)

    def offer(self, text: str) -> None:
        """Have a line be the first that is recalled, though nobody has typed it."""
        self._lines.append(text)
        self._at = len(self._lines)

    def action_recall(self, by: int) -> None:
        """Go through the open list, or else through the history's lines that begin as the typed one does."""
        if self._open:
            self._choose(self._chosen + by)
            return
        if self._at == len(self._lines):
            self._typed = self.value
        at = self._at + by
        while 0 <= at < len(self._lines) and not self._lines[at].startswith(self._typed):
            at += by
        if 0 <= at <= len(self._lines):
            self._at = at
            self.write(self._lines[at] if at < len(self._lines) else self._typed)

    def action_complete(self) -> None:
        """Complete the word: the only candidate at once, else list them; on an empty line go on."""
        if self._open:
            self._choose(self._chosen + 1)
            return
        if not self.value.strip():
            self.screen.focus_next()
            return
        found = self._complete(self.value, self.cursor_position)
        if len(found) == 1:
            self._insert(found[0], blank=True)
        elif found:
            self._open, self._chosen = found, -1
            self._post()

    def action_copy(self) -> None:
        """Copy what is selected here or on the screen; where nothing is, drop the line as a shell does."""
        selected = self.selected_text or self.screen.get_selected_text()
        if selected:
            self.app.copy_to_clipboard(selected)
        elif self.value:
            self._drop()
        else:
            self.app.action_help_quit()

    def action_leave(self) -> None:
        """Close the list, or clear the line, or leave for the panes."""
        if self._waiting or (self.value and not self._listed):
            self._drop()
        elif not self.close_list():
            self.screen.focus_next()

    def on_blur(self) -> None:
        """Close the list: what it is about is not where the keys go."""
        self.close_list()

    def _drop(self) -> None:
        """Drop the line, and those that wait behind it."""
        self._waiting.clear()
        self.close_list()
        self.value = ""

    def close_list(self) -> bool:
        """Close the list of candidates; tell whether there was one."""
        was, self._open, self._chosen = self._listed, [], -1
        if was:
            self._list([])
        return was

    def _list(self, found: list[tuple[str, str]]) -> None:
        self._listed = bool(found)
        self.post_message(self.Candidates(found, self._chosen))

    async def _on_key(self, event: events.Key) -> None:
        """Take a key in its turn, that of the screen as well: see KvmlabApp.on_event."""
        event.stop()
        event.prevent_default()
        if self.app.focused is not self:
            # A key before this one has led elsewhere.
            self.app.post_message(events.Key(event.key, event.character))
        elif not await self._pressed(event.key, True):
            await self._typed_key(event)

    async def _typed_key(self, event: events.Key) -> None:
        before = self.value[: self.cursor_position]
        if event.character == "?" and "#" not in before and before.count('"') % 2 == 0:
            follow = self._follow(before) or [("", "nothing more may follow")]
            self._open, self._chosen = [], -1
            self._list(follow)
            return
        await super()._on_key(event)
        if not event.is_printable:
            await self._pressed(event.key, False)

    def watch_value(self, value: str) -> None:
        """Close the list when the line is changed by anything but itself."""
        if value != self._completed:
            self.close_list()
        self._completed = None

    def _complete(self, value: str, cursor: int) -> list[Completion]:
        scope = self._scope()
        if scope is None or len(value) > LONGEST:
            return []
        from kvmlab.language.complete import complete  # 15 ms that the first frame does not wait for

        return complete(value, cursor, scope)

    def _follow(self, before: str) -> list[tuple[str, str]]:
        scope = self._scope()
        if scope is None:
            return []
        from kvmlab.language.complete import what_may_follow  # as above

        return what_may_follow(before, scope)

    def _choose(self, at: int) -> None:
        self._chosen = at % len(self._open)
        self._insert(self._open[self._chosen], blank=False)
        self._post()

    def _insert(self, found: Completion, blank: bool) -> None:
        behind = self.value[self.cursor_position :]
        space = " " if blank and not behind and not found.text.endswith(OPEN) else ""
        head = self.value[: found.start] + found.text + space
        self._completed = head + behind
        self.value = self._completed
        self.cursor_position = len(head)

    def _post(self) -> None:
        self._list([(each.text, each.description) for each in self._open])
