"""The words of a command line and their styles, as far as their shape tells: for colours only.

What a word means is the parser's business; this never refuses a line.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

TOKEN = re.compile(
    r"""(?P<comment>\#.*)
      | (?P<string>"[^"]*"?)
      | (?P<end>[;:])
      | (?P<key>[a-z][a-z0-9_-]*(?==(?!=)))
      | (?P<number>-?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|[0-9]+)(?![\w.-]))
      | (?P<word>[^\s;:\#"={},]+)
      | (?P<other>\s+|.)""",
    re.VERBOSE,
)

STYLES = {"comment": "word-comment", "string": "word-string", "key": "word-key", "number": "word-number"}
"""The style of each shape that has one of its own."""


def lex(text: str, verbs: Container[str]) -> Iterator[tuple[str, str]]:
    """Yield a line as (style, text); a first word that is followed by something and is no verb is wrong."""
    first = True
    for token in TOKEN.finditer(text):
        kind, word = token.lastgroup or "other", token[0]
        style = STYLES.get(kind, "")
        if kind == "word" and first:
            whole = token.end() < len(text)
            style = "word-verb" if word in verbs else "word-wrong" if whole else ""
        first = kind == "end" or (first and not word.strip())
        yield style, word
