"""A question of one line, over the screen: Enter answers, Escape withdraws."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from kvmlab.language.errors import LanguageError


class Ask(ModalScreen[str | None]):
    """Asks for one line of text; dismissed with it, or with None.

    ``check`` raises LanguageError for text that is no answer: it stays, with the cursor where it is
    wrong, and below it what is.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "back")]

    def __init__(
        self, question: str, value: str = "", check: Callable[[str], object] = lambda _text: None
    ) -> None:
        super().__init__()
        self._question = question
        self._value = value
        self._check = check

    def compose(self) -> ComposeResult:
        """Yield the line, and what is wrong with it."""
        with Vertical(id="ask") as box:
            box.border_title = self._question
            yield Input(self._value, id="ask-line", compact=True)
            yield Static(id="ask-wrong", markup=False)

    @property
    def line(self) -> Input:
        """The line that is typed in."""
        return self.query_one(Input)

    @on(Input.Submitted)
    def _answer(self, event: Input.Submitted) -> None:
        try:
            if event.value.strip():
                self._check(event.value)
        except LanguageError as error:
            event.input.cursor_position = error.column - 1
            self.query_one("#ask-wrong", Static).update(error.sentence())
        else:
            self.dismiss(event.value)
