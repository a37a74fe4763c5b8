"""Numbers: how they are written, and how people write them who are told so."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"(-?)(?:(0[xX][0-9a-fA-F]+)|(0[bB][01]+)|([0-9]+))")
_LONGEST = 80
_ROUND = re.compile(r"([0-9]{1,20})[eE]([0-9]{1,2})")
_GROUPED = re.compile(r"[0-9]{1,3}(?:[_,'.][0-9]{3}){1,6}")


def read_number(word: str) -> int | None:
    """Return the number a word spells in decimal, 0x or 0b, or None when it spells none."""
    match = _NUMBER.fullmatch(word) if len(word) <= _LONGEST else None
    if match is None:
        return None
    sign, hexadecimal, binary, decimal = match.groups()
    value = int(hexadecimal, 16) if hexadecimal else int(binary, 2) if binary else int(decimal)
    return -value if sign else value


def in_digits(word: str, low: int, high: int) -> str:
    """Return in digits what is written as 1e6, 1_000_000 or 1,000,000, "" for anything else."""
    match = _ROUND.fullmatch(word)
    if match:
        value = int(match[1]) * 10 ** int(match[2])
    elif _GROUPED.fullmatch(word):
        value = int(re.sub(r"\D", "", word))
    else:
        return ""
    return str(value) if low <= value <= high else ""
