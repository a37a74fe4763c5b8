"""A schedule as people read it: who did what in which order, and the same as a Mermaid diagram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kvmlab.render.cells import Cell, Part, Row, line, table

if TYPE_CHECKING:
    from kvmlab.explore.sidebyside import SideBySide
    from kvmlab.explore.verdict import Example, Report, Run

SHOWN = 3
"""As many ops of a run are shown whole; of a longer one the first, how many more, and the last."""

LONGEST = 48
"""Characters of an op in a column."""


def report_rows(report: Report) -> list[Row]:
    """Return the verdict, and an account of each thing that was found."""
    count = len(report.examples)
    found = f"{count} thing{'' if count == 1 else 's'} found" if count else "nothing found"
    rows = [line(Cell(found, "error" if count else "ok"))]
    for number, example in enumerate(report.examples, 1):
        rows += account_rows(example, number)
    return rows + [
        line(Cell(text, "" if report.verdict.whole else "warning")) for text in report.verdict.lines()
    ]


COLUMNS = ("reduction", "states", "transitions", "interleavings", "seconds", "found", "seen")
"""What is told of each reduction."""


def side_by_side_rows(compared: SideBySide, meanings: Mapping[str, str]) -> list[Row]:
    """Return what each reduction came to as a table, and whether they agree."""
    body = [
        (
            effort.reduction,
            f"{effort.states:,}",
            f"{effort.transitions:,}",
            effort.ways,
            f"{effort.seconds:.1f}",
            Cell(str(len(effort.failures)), "error" if effort.failures else "ok"),
            Cell("every schedule", "ok") if effort.exhausted else Cell("not exhausted", "warning"),
        )
        for effort in compared.efforts
    ]
    rows = table(COLUMNS, body)
    if not compared.agree:
        rows.append(line(Cell("they do not find the same, which is a fault of the explorer", "error")))
    for effort in compared.efforts:
        rows.append(line(Cell(f"{effort.reduction}: {meanings[effort.reduction]}", "muted")))
    for kind, text in sorted(compared.found):
        rows.append(line(Cell(kind, "error"), f": {text}"))
    return rows


def account_rows(example: Example, number: int = 1) -> list[Row]:
    """Return a schedule as a table with a column for each context, its runs from top to bottom."""
    names = list(dict.fromkeys(run.context for run in example.runs))
    near = "" if example.shortest else "; there may be a shorter one"
    rows = [
        line(Cell(f"{number}. {example.kind}", "error"), f": {example.text}"),
        line(Cell(f"   {example.ops} ops, {max(0, len(example.moves) - 1)} switches{near}", "muted")),
    ]
    if example.impure:
        rows.append(line(Cell(f"   {example.impure}", "error")))
    body: list[tuple[Part, ...]] = []
    for run in example.runs:
        body += [tuple(text if name == run.context else "" for name in names) for text in _told(run)]
    return rows + (table(names, body) if body else [])


def _told(run: Run) -> list[str]:
    """Return the lines of one run in its column."""
    ops = [_short(op) for op in run.ops]
    if len(ops) <= SHOWN:
        return ops
    return [ops[0], f"… {len(ops) - 2} more ops", ops[-1]]


def mermaid(example: Example) -> list[str]:
    """Return a schedule as a Mermaid sequence diagram: a participant a context, a note a run."""
    names = list(dict.fromkeys(run.context for run in example.runs))
    lines = ["sequenceDiagram", f"    title {_safe(f'{example.kind}: {example.text}')}"]
    lines += [f"    participant c{number} as {name}" for number, name in enumerate(names)]
    before = None
    for run in example.runs:
        here = names.index(run.context)
        if before is not None:
            lines.append(f"    c{before}-->>c{here}: switch")
        lines.append(f"    Note over c{here}: {'<br/>'.join(_safe(text) for text in _told(run))}")
        before = here
    return lines


def _safe(text: str) -> str:
    """Return text without what ends a statement of Mermaid's, and what begins an entity spelled as one."""
    return text.replace(";", ",").replace("#", "#35;")


def _short(op: str) -> str:
    return op if len(op) <= LONGEST else op[: LONGEST - 1] + "…"
