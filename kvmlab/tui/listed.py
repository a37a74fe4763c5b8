"""What each pane lists of a moment: functions from what it is asked to show to rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kvmlab.render.cells import BODY, GAP, HEAD, Cell, Row, hidden, line
from kvmlab.render.ioapic import ioapic_rows
from kvmlab.render.lapic_grid import LABEL, TALL, WIDE, lapic_grid_rows
from kvmlab.render.overview import overview_rows
from kvmlab.render.panes import PANES as RENDERED
from kvmlab.render.pic import pic_rows as pair_rows
from kvmlab.snapshot import Snapshot
from kvmlab.tui.seen import Seen

READABLE = 88
"""Columns beyond which lines of prose are no longer easily read."""


@dataclass(frozen=True, slots=True)
class View:
    """What a pane is asked to show: a moment, and what is chosen on the screen."""

    seen: Seen
    gsi: int | None = None
    vcpu: int = 0
    vector: int | None = None
    wanted: str = ""
    width: int = 80
    touched: frozenset[tuple[str, str]] = frozenset()

    @property
    def chosen(self) -> tuple[object, ...]:
        """What the rows depend on beside the moment."""
        return self.gsi, self.vcpu, self.vector, self.wanted, self.width


Rows = Callable[[View], list[Row]]
"""What lists a moment."""


def rendered(*names: str) -> Rows:
    """Return what lists the panes of kvmlab.render by their names, one below the other."""

    def rows(view: View) -> list[Row]:
        blocks = [RENDERED[name](view.seen.snapshot) for name in names]
        return [row for block in blocks for row in [*block, line("")]][:-1]

    return rows


def of(draw: Callable[[Snapshot], list[Row]]) -> Rows:
    """Return what lists a snapshot by a function over it."""
    return lambda view: draw(view.seen.snapshot)


def grid_rows(view: View) -> list[Row]:
    """Return the grid of the chosen vCPU's LAPIC, as wide as the pane allows."""
    return lapic_grid_rows(view.seen.snapshot, view.vcpu, view.vector, columns_for(view.width))


def columns_for(width: int) -> int:
    """Return how many vectors a row of the LAPIC's grid has in a pane of a width."""
    return WIDE if width >= LABEL + 2 * WIDE else TALL


def path_rows(view: View) -> list[Row]:
    """Return the path of the chosen GSI."""
    return overview_rows(view.seen.snapshot, view.gsi)


def pic_rows(view: View) -> list[Row]:
    """Return the pair alone: the IOAPIC above it has a pane of its own."""
    return pair_rows(view.seen.snapshot)[len(ioapic_rows(view.seen.snapshot)) :]


def trace_rows(view: View) -> list[Row]:
    """Return the newest tracepoints, only those that contain what is wanted."""
    events = [event for event in view.seen.events if view.wanted in event]
    wanted = [line(Cell(f"only lines with {view.wanted!r}; / changes it", "muted"))] if view.wanted else []
    none = [line(Cell("no tracepoint was hit", "muted"))]
    if view.seen.snapshot.counters is None:
        return hidden("trace")
    return wanted + ([line(Cell(event, "event")) for event in events] or none)


def contexts_rows(view: View) -> list[Row]:
    """Return who stands where, and the work queues that are empty."""
    queues = view.seen.snapshot.workqueues
    rows = next_below(RENDERED["contexts"](view.seen.snapshot), view.width)
    if queues is None:
        return rows
    idle = [
        line(Cell(f"{queue.name}: empty", "muted")) for queue in queues if not (queue.items or queue.running)
    ]
    return [*rows, *idle]


def next_below(rows: list[Row], width: int) -> list[Row]:
    """Return a table whose last column stands on a line of its own where a width has no room for it.

    Only rows that have something there get that line: the cell before is widened until the rest folds.
    """
    table = [row for row in rows if row.kind in (HEAD, BODY)]
    if not table:
        return rows
    sizes = [max(len(row.cells[at].text) for row in table) for at in range(len(table[0].cells))]
    gaps = len(GAP) * (len(sizes) - 1)
    fits = sum(sizes) + gaps <= width
    before = 0 if fits else width + 1 - sum(sizes[:-2]) - gaps
    return [_folding(row, before, fits) if row.kind in (HEAD, BODY) else row for row in rows]


def _folding(row: Row, before: int, fits: bool) -> Row:
    *cells, held, rest = row.cells
    if rest.text == "-" or (row.kind == HEAD and not fits):
        return row._replace(cells=(*cells, held))
    return row._replace(cells=(*cells, Cell(held.text.ljust(before), held.style), rest))


def reports_rows(view: View) -> list[Row]:
    """Return what the debugging has found, or that it is nothing."""
    reports = view.seen.snapshot.reports
    if reports is None:
        return hidden("reports")
    if not reports:
        return [line(Cell("the model kernel has nothing to report", "muted"))]
    return RENDERED["reports"](view.seen.snapshot)


def history_rows(view: View) -> list[Row]:
    """Return the units round the present, which an arrow points at."""
    seen = view.seen
    at = {position: name for name, position in seen.marks}
    rows = (
        [line(_arrow(0, seen), f"{0:>5} ", Cell("the machine as it was made", "muted"))]
        if not seen.first
        else []
    )
    for number, text in seen.units:
        style = "muted" if number > seen.position else ""
        mark = f"  [{at[number]}]" if number in at else ""
        rows.append(line(_arrow(number, seen), Cell(f"{number:>5} {text}", style), Cell(mark, "cue")))
    return rows


def _arrow(number: int, seen: Seen) -> Cell:
    glyph = "→" if number == seen.position else " " if number < seen.position else "·"
    return Cell(glyph, "cue")


def lab_rows(view: View) -> list[Row]:
    """Return the text of the lab that is open; [] for none, or where there is no room."""
    lesson = view.seen.lab
    if lesson is None or view.width < 2:
        return []
    from kvmlab.course.desk import shelf  # who is in a lab has loaded it
    from kvmlab.course.front import CHAPTERS
    from kvmlab.render.lesson import lesson_rows

    lab, at, titles = lesson.lab, lesson.position, shelf().titles()
    where = f"{CHAPTERS[lab.head.chapter]}, {at.number} of {at.of}; {lab.head.minutes} min"
    width = min(view.width - 1, READABLE)
    links = [(link.scheme, link.target) for link in lab.links]
    return lesson_rows(where, lab.prose, lesson.solution, lab.head.needs, links, lab.source, width, titles)


def goals_rows(view: View) -> list[Row]:
    """Return the goals of the lab that is open; [] for none, or where nobody looks at them."""
    lesson = view.seen.lab
    if lesson is None or lesson.standing is None:
        return []
    from kvmlab.render.lesson import standing_rows  # the same

    return standing_rows(lesson.standing, lesson.choices)
