"""The language as prompt_toolkit asks for it: a completer and a lexer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

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


class Take(Protocol):
    """Who understands more lines than the language does."""

    @property
    def words(self) -> Mapping[str, str]:
        """What such a line begins with, each with a description."""

    def __call__(self, text: str, /) -> bool | None:
        """Take a line: whether the session goes on, or None for one that is the language's."""

    def as_language(self, text: str) -> str:
        """Return a line as one of the language that ends in the same words, for completion."""


class LanguageCompleter(Completer):
    """Completes from the language and the names that the session knows at that moment."""

    def __init__(self, session: Session, take: Take | None = None) -> None:
        self._session, self._take = session, take

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield what can stand at the cursor, with its description."""
        cursor = document.cursor_position
        at_end = not document.text_after_cursor
        text = document.text_before_cursor
        if self._take is not None:
            for word, summary in self._take.words.items():
                if word.startswith(text):
                    yield Completion(word + " " * at_end, -cursor, display=word, display_meta=summary)
            text = self._take.as_language(text)
            cursor = len(text)
        for found in complete(text, cursor, self._session.scope):
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
