"""The colours of a command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.language.commands import VERBS
from kvmlab.render.lexer import lex
from kvmlab.render.theme import STYLES


def styled(text: str) -> dict[str, str]:
    """Return the words of a line that have a style."""
    return {word: style for style, word in lex(text, VERBS) if style}


@given(st.text())
def test_lexing_changes_no_character(text: str) -> None:
    """What is drawn is what was typed, in styles that the theme has."""
    words = list(lex(text, VERBS))
    assert "".join(word for _style, word in words) == text
    assert {style for style, _word in words} <= {"", *STYLES}


@pytest.mark.parametrize(
    ("text", "styles"),
    [
        ("irqfd a gsi=11", {"irqfd": "word-verb", "gsi": "word-key", "11": "word-number"}),
        ("eoi; take # now", {"eoi": "word-verb", "take": "word-verb", "# now": "word-comment"}),
        ("expect 0x41: take", {"expect": "word-verb", "0x41": "word-number", "take": "word-verb"}),
        ('source "my file"', {"source": "word-verb", '"my file"': "word-string"}),
        ("expect fd.a == 3", {"expect": "word-verb", "3": "word-number"}),
        ("reed a", {"reed": "word-wrong"}),
        ("ree", {}),
        ("read nic-11", {"read": "word-verb"}),
    ],
)
def test_words_have_the_style_of_their_shape(text: str, styles: dict[str, str]) -> None:
    """A verb is a verb where a command begins, and half a word is not wrong yet."""
    assert styled(text) == styles
