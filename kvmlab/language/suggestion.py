"""One thing that could stand at the cursor, and the values of a parameter as such."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kvmlab.language.kinds import KINDS
from kvmlab.language.scope import Scope
from kvmlab.language.spec import Parameter
from kvmlab.language.topics import topic_words


class Suggestion(NamedTuple):
    """A text that could stand at ``start``; one that is not insertable is a placeholder."""

    text: str
    start: int
    kind: str
    description: str
    insertable: bool = True


def values_of(parameter: Parameter, start: int, scope: Scope, before: str = "") -> Iterator[Suggestion]:
    """Yield the values that a parameter's kind can list, and a placeholder when there are others.

    Somebody may offer other values of a kind behind each word that can stand ``before``.
    """
    kind = KINDS[parameter.kind]
    words = topic_words() if parameter.kind == "topic" else kind.words(scope)
    words = scope.offered(f"{parameter.kind} {before}") or words
    for text, description in words.items():
        yield Suggestion(text, start, parameter.kind, description or parameter.summary)
    if not words or kind.partial:
        label = parameter.label or parameter.name.upper()
        yield Suggestion(label, start, parameter.kind, f"{parameter.summary}: {kind.expected}", False)
