"""The language as prompt_toolkit asks for it: a completer and a lexer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.lexers import Lexer

from kvmlab.language.commands import VERBS
from kvmlab.language.complete import complete
from kvmlab.render.lexer import lex

if TYPE_CHECKING:
    from kvmlab.session import Session


OPEN = ("=", ".", ":", ",")
"""A completion that ends so is to be continued: no blank follows it."""


class LanguageCompleter(Completer):
    """Completes from the language and the names that the session knows at that moment."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield what can stand at the cursor, with its description."""
        cursor = document.cursor_position
        at_end = not document.text_after_cursor
        for found in complete(document.text, cursor, self._session.scope):
            blank = " " if at_end and not found.text.endswith(OPEN) else ""
            yield Completion(
                found.text + blank, found.start - cursor, display=found.text, display_meta=found.description
            )


class LanguageLexer(Lexer):
    """Colours the words of a line by their shape."""

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        """Return a function from a line's number to its styled words."""

        def line(number: int) -> StyleAndTextTuples:
            words = lex(document.lines[number], VERBS)
            return [(f"class:{style}" if style else "", text) for style, text in words]

        return line
