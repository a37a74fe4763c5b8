"""The language as prompt_toolkit asks for it: a completer, a lexer and a history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.lexers import Lexer

from kvmlab.language.commands import VERBS
from kvmlab.language.complete import complete
from kvmlab.repl.history import HistoryFile
from kvmlab.repl.lexer import lex

if TYPE_CHECKING:
    from kvmlab.session import Session


class LanguageCompleter(Completer):
    """Completes from the language and the names that the session knows at that moment."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002
        """Yield what can stand at the cursor, with its description."""
        cursor = document.cursor_position
        for found in complete(document.text, cursor, self._session.scope):
            yield Completion(found.text, found.start - cursor, display_meta=found.description)


class LanguageLexer(Lexer):
    """Colours the words of a line by their shape."""

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        """Return a function from a line's number to its styled words."""

        def line(number: int) -> StyleAndTextTuples:
            words = lex(document.lines[number], VERBS)
            return [(f"class:{style}" if style else "", text) for style, text in words]

        return line


class SavedHistory(History):
    """The history file as prompt_toolkit reads it; a file that cannot be used costs only itself."""

    def __init__(self, file: HistoryFile) -> None:
        super().__init__()
        self._file = file

    def load_history_strings(self) -> Iterable[str]:
        """Return the lines of earlier sessions, newest first."""
        with suppress(OSError):
            return reversed(self._file.load())
        return ()

    def store_string(self, string: str) -> None:
        """Keep a line for later sessions."""
        with suppress(OSError):
            self._file.add(string)
