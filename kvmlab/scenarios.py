"""The scenarios that are shipped (labs/scenarios): each stages one claim, with which its script begins."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from kvmlab import resources

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

ENDING = ".kvm"

FOLDERS = {
    "thread/": "The thread, point by point; 'compare' puts the designs side by side",
    "bugs/": "Bugs of the past, and their mending",
    "explore/": "To be explored, schedule by schedule",
    "kvm/": "On a real kernel",
}
"""Where further scenarios are, beside what the scenarios include, and what they show."""

NUMBERED = {
    1: "What was argued in the thread",
    20: "irqfd",
    28: "The IOAPIC",
    35: "The LAPIC, and who is addressed",
    42: "The 8259 pair",
}
"""What the numbered scenarios show, by the number from which on they do."""

FOR_ALL_DESIGNS = "Only for compare:"
"""What a comment begins with in a script that is for every design at once, and is wrong text for one."""

CLAIM = re.compile(r"Claim[^:]*: (.+?)(?=;| \((?:[A-Z][a-z]|[a-z0-9]{2})|\. |\.?$)")
"""What is claimed, without who did and where."""


@lru_cache(maxsize=1)
def claims() -> dict[str, str]:
    """Return what each scenario is about, by its name, in order; {} where none are shipped."""
    return {name: _claim(file) for name, file in sorted(_files().items())}


def chapters() -> dict[str, dict[str, str]]:
    """Return the scenarios and what each is about, by the title of what they show; in order."""
    found: dict[str, dict[str, str]] = {}
    for name, claim in claims().items():
        found.setdefault(_chapter(name), {})[name] = claim
    titles = (*NUMBERED.values(), *FOLDERS.values())
    return {title: found[title] for title in titles if title in found}


def _chapter(name: str) -> str:
    folder, slash, _file = name.rpartition("/")
    if slash:
        return FOLDERS[folder + slash]
    digits = re.match(r"\d+", name)
    number = int(digits[0]) if digits else 0
    return NUMBERED[max((first for first in NUMBERED if first <= number), default=min(NUMBERED))]


def paths() -> dict[str, str]:
    """Return where each scenario's script is, by its name."""
    return {name: str(file) for name, file in _files().items()}


def _files() -> dict[str, Traversable]:
    try:
        folder = resources.folder("labs") / "scenarios"
    except resources.ResourceError:
        return {}
    found = {}
    for within in ("", *FOLDERS):
        there = folder / within if within else folder
        for file in there.iterdir() if there.is_dir() else ():
            if file.name.endswith(ENDING) and FOR_ALL_DESIGNS not in file.read_text(encoding="utf-8"):
                found[within + file.name.removesuffix(ENDING)] = file
    return found


def _claim(file: Traversable) -> str:
    head = re.match(r"(?:#.*\n)*", file.read_text(encoding="utf-8"))
    text = re.sub(r"\s*\n?#\s*", " ", head[0] if head else "").strip()
    claim = CLAIM.match(text)
    return claim[1] if claim else text
