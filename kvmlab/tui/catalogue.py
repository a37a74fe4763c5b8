"""What the library lists: the labs with how far they are, then the scenarios. It reads, and draws nothing."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from kvmlab.course.desk import shelf, store
from kvmlab.course.lab import Head
from kvmlab.course.store import DONE, state
from kvmlab.render.cells import Cell, Row, line
from kvmlab.render.library import Chapter, Entry
from kvmlab.scenarios import chapters, paths
from kvmlab.tui.driver import said_cells


def catalogue() -> list[Chapter]:
    """Return every lab by its chapter, then every scenario by what it shows."""
    kept, files = store().labs(), paths()
    labs = []
    for number, title, heads in shelf().chapters():
        entries = [_lab(head, state(head, kept.get(head.id, {}))) for head in heads]
        done = sum(entry.state == DONE for entry in entries)
        labs.append(Chapter(f"{number}. {title}", f"{done} of {len(entries)} done", entries))
    staged = [
        Chapter(
            title,
            "scenarios",
            [
                Entry(name, claim, f"source {name}", text=partial(_script, files[name]))
                for name, claim in found.items()
            ],
        )
        for title, found in chapters().items()
    ]
    return [*labs, *staged]


def _lab(head: Head, how_far: str) -> Entry:
    return Entry(head.id, head.title, f"lab start {head.id}", how_far, f"{head.minutes} min")


def _script(path: str) -> list[Row]:
    """Return the text of a scenario."""
    lines = Path(path).read_text("utf-8").splitlines()
    return [
        line(Cell(text, "word-comment") if text.startswith("#") else Cell(""), *_code(text)) for text in lines
    ]


def _code(text: str) -> list[Cell]:
    return [] if text.startswith("#") else said_cells(text)
