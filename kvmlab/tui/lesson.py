"""The panes of the lab that is open: its text and its goals, with a cursor on the commands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events

from kvmlab.render.course import STATES
from kvmlab.render.lesson import LEGEND
from kvmlab.tui.pane import Listing, Pane

if TYPE_CHECKING:
    from kvmlab.tui.listed import View
    from kvmlab.tui.seen import Lesson

SOLUTION = "Solution"
"""The heading over the solution, once it was asked for."""

AWAY = ("lab start", "source")
"""What a line begins with that leads to another lab, or a script."""

MARKS = {mark: state for state, (mark, _style) in STATES.items()}
"""What a line about a goal begins with, and the state that it stands for."""


def _text_of(view: View) -> tuple[object, ...]:
    """Return what the text of a lab depends on."""
    lesson = view.seen.lab
    return (lesson and id(lesson.lab), lesson and lesson.solution, view.width)


class LessonPane(Pane):
    """Text to be read: the cursor stands on a command in sight, and the text scrolls where there is none."""

    _lesson: Lesson | None = None
    _gained = False

    @property
    def heading(self) -> str:
        """The title of the lab, or how many goals are reached."""
        lesson = self._lesson
        if lesson is None:
            return self.spec.title
        if self.spec.name == "goals":
            return f"Goals: {lesson.reached} of {lesson.of}"
        return f"Lab: {lesson.lab.head.title}"

    @property
    def changed(self) -> bool:
        """Whether the last command reached a goal, or undid one."""
        return self._gained

    @property
    def values(self) -> dict[str, str]:
        """The command under the cursor, and with those below it without a gap, each on a line."""
        block = []
        for item in self.items[max(0, self._cursor) :]:
            if not item.key:
                break
            block.append(item.key)
        return {**super().values, "rest": "\n".join(block)}

    def show(self, before: View | None, now: View) -> None:
        """List a moment; nothing in it is marked. Another lab is read from its beginning."""
        was, lesson = self._lesson, now.seen.lab
        past = before.seen.lab if before is not None else None
        self._lesson = lesson
        if self.spec.name == "goals":
            self.explain(LEGEND if lesson is not None else "")
        self._gained = bool(
            self.spec.name == "goals"
            and past is not None
            and lesson is not None
            and (past.lab, past.reached) != (lesson.lab, lesson.reached)
        )
        super().show(None, now)
        if lesson is None:
            return
        if was is None or was.lab is not lesson.lab:
            self._cursor = next((at for at, item in enumerate(self.items) if item.key), -1)
            self.place()
            self.scroll_home(animate=False, force=True)
        elif self.spec.name == "lab" and lesson.solution and not was.solution:
            self._show_solution()
        if self.spec.name == "goals" and was is not lesson and not self.has_focus:
            self._show_goal()

    def _show_solution(self) -> None:
        """Bring the solution in sight, the cursor on its first command."""
        at = max((at for at, item in enumerate(self.items) if item.text == SOLUTION), default=0)
        self._cursor = next((k for k, item in enumerate(self.items) if item.key and k > at), self._cursor)
        self.place()
        self.call_after_refresh(self.scroll_to, y=self._line_of(at), animate=False, force=True)

    def _show_goal(self) -> None:
        """Bring the first goal that is not reached in sight, whole if there is room, with why it is open."""
        heads = [at for at, item in enumerate(self.items) if item.text[:1] in MARKS]
        first = next((at for at in heads if MARKS[self.items[at].text[0]] != "reached"), None)
        if first is None or not self.size.height:
            return
        behind = next((at for at in (*heads, len(self.items)) if at > first), first)
        top, end = self._line_of(first), self._line_of(behind)
        now, height = round(self.scroll_offset.y), self.size.height
        if top < now or end > now + height:
            self.call_after_refresh(
                self.scroll_to, y=max(0, min(top, end - height)), animate=False, force=True
            )

    def _line_of(self, item: int) -> int:
        """Return the line on which an item begins, for one behind the last that behind the last line."""
        return next((y for y, spans in enumerate(self._spans) if spans[0].item >= item), len(self._spans))

    def _list(self, view: View) -> Listing:
        """Return the items of a moment; a text is the same as long as its lab, and is not read again."""
        last = self._listed[-1] if self._listed else None
        if self.spec.name == "lab" and last is not None and _text_of(last.view) == _text_of(view):
            return last._replace(view=view)
        return super()._list(view)

    def pass_by(self, lines: int) -> None:
        """Put the cursor behind lines that were done; one more Enter begins no other lab."""
        keys = [at for at, item in enumerate(self.items) if item.key and not item.key.startswith(AWAY)]
        if self._cursor in keys:
            self._put(keys[min(keys.index(self._cursor) + lines, len(keys) - 1)])

    def action_move(self, by: int) -> None:
        """Move the cursor to the next command if it is in sight, else scroll."""
        top = round(self.scroll_offset.y)
        seen = {
            span.item for spans in self._spans[top : top + self.size.height] for span in spans if span.first
        }
        keys = [at for at, item in enumerate(self.items) if item.key and at in seen]
        ahead = [at for at in keys if (at - self._cursor) * by > 0 or self._cursor not in seen]
        if ahead:
            self._put(ahead[0] if by > 0 else ahead[-1])
        else:
            self.scroll_relative(y=by, animate=False, force=True)

    def on_click(self, event: events.Click) -> None:
        """Do the command that the mouse points at."""
        at = self.item_at(event)
        if at is not None:
            self._put(at)
            self.call_later(self.run_action, "app.act('run-line')")
