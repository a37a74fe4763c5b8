"""The body of a lab: its prose as Markdown, the commands in it, and its links."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from kvmlab.course.fault import Fault
from kvmlab.course.lab import Fence, Link
from kvmlab.language.errors import nearest

if TYPE_CHECKING:
    from markdown_it.token import Token

LANGUAGE = "kvm"

ROLES = {"": 0, "fresh": 0, "solution": 0, "wrong": 1}
"""What stands behind ``kvm`` at a fence, and how many words behind that."""

SOLUTION, WRONG = "Solution", "A wrong turn"
"""The headings of the two sections at the end, which are shown on request."""

HIDDEN = ("solution", "wrong")
"""Roles of fences that stand in those sections."""

SCHEMES = ("lab", "scenario", "http", "https")


class Body(NamedTuple):
    """What a body holds; ``before`` counts the words before the first commands that can be run."""

    fences: tuple[Fence, ...]
    links: tuple[Link, ...]
    prose: str
    ending: str
    before: int
    words: int
    faults: tuple[Fault, ...]


def read_body(text: str, after: int, file: str) -> Body:
    """Return what a Markdown text holds whose first line is the line ``after`` of a file."""
    from markdown_it import MarkdownIt  # 20 ms that only who reads a lab pays

    tokens = MarkdownIt("commonmark").parse(text)
    faults: list[Fault] = []
    fences: list[Fence] = []
    links: list[Link] = []
    before: int | None = None
    words = 0
    cut = _ending(tokens)
    for token in tokens:
        line = (token.map[0] if token.map else 0) + after
        if token.type == "fence" and token.info.split()[:1] == [LANGUAGE]:
            fence = _fence(token, line, file, faults)
            if fence is not None:
                fences.append(fence)
                faults += _misplaced(fence, cut is not None and line - after >= cut, file)
                if fence.role == "" and before is None:
                    before = words
        elif token.type == "inline":
            links += _links(token, line, file, faults)
            if cut is None or line - after < cut:
                words += len(token.content.split())
    lines = text.split("\n")
    prose, ending = "\n".join(lines[:cut]), "\n".join(lines[cut:]) if cut is not None else ""
    first = words if before is None else before
    return Body(tuple(fences), tuple(links), prose.strip(), ending.strip(), first, words, tuple(faults))


def _ending(tokens: list[Token]) -> int | None:
    """Return the line from 0 on which the part begins that is shown on request, None for none."""
    for heading, inline in pairwise(tokens):
        if heading.type == "heading_open" and inline.content.strip() in (SOLUTION, WRONG) and heading.map:
            return heading.map[0]
    return None


def _fence(token: Token, line: int, file: str, faults: list[Fault]) -> Fence | None:
    _kvm, *said = token.info.split()
    role, operands = (said[0], said[1:]) if said else ("", [])
    if role not in ROLES:
        better = nearest(role, filter(None, ROLES))
        near = f"; did you mean '{better}'?" if better else f"; expected {', '.join(filter(None, ROLES))}"
        faults.append(Fault(file, line, "fence", f"there is no '{LANGUAGE} {role}'{near}"))
        return None
    if len(operands) != ROLES[role]:
        what = "the goal that it misses, and nothing else" if ROLES[role] else "nothing"
        faults.append(Fault(file, line, "fence", f"'{LANGUAGE} {role}' takes {what}"))
        return None
    return Fence(token.content, line + 1, role, *operands)


def _misplaced(fence: Fence, at_the_end: bool, file: str) -> Iterator[Fault]:
    if (fence.role in HIDDEN) != at_the_end:
        where = (
            f"under '## {SOLUTION}' or '## {WRONG}', at the end" if fence.role in HIDDEN else "before them"
        )
        yield Fault(
            file,
            fence.line - 1,
            "fence",
            f"'{LANGUAGE} {fence.role}'".replace(" '", "'") + f" stands {where}",
        )


def _links(token: Token, line: int, file: str, faults: list[Fault]) -> Iterator[Link]:
    for child in token.children or ():
        if child.type == "softbreak":
            line += 1
        if child.type != "link_open":
            continue
        target = str(child.attrs.get("href", ""))
        scheme, _colon, name = target.partition(":")
        if scheme not in SCHEMES:
            what = f"'{target}' is no link; expected lab:ID, scenario:NAME or an address"
            faults.append(Fault(file, line, "link", what))
        elif scheme in ("lab", "scenario"):
            yield Link(scheme, name, line)
