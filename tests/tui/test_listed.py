"""What the panes list, for the width that they have."""

from __future__ import annotations

from kvmlab.cli import make_session
from kvmlab.shell import Shell
from kvmlab.tui.items import items_of, marked
from kvmlab.tui.listed import View, contexts_rows
from kvmlab.tui.placing import place
from kvmlab.tui.seen import see

STANDING = "eventfd a; eventfd b; irqfd a gsi=5 level; manual; actor vmm: close a; close b"


def lines(width: int) -> list[str]:
    """Return the lines of the contexts' pane of a width, its gutter left out."""
    session = make_session()
    shell = Shell(session, lambda _rows: None)
    for text in (STANDING, "step vmm 3"):
        shell.run_line(text)
    items = items_of(contexts_rows(View(see(session), width=width)))
    return [
        "".join([cell.text for cell in span.cells]).rstrip() for (span,) in place(items, width + 2, 99, False)
    ]


def test_where_there_is_room_the_next_op_stands_in_its_row() -> None:
    """Nothing does where there is none, as on a narrow screen."""
    seen = lines(100)
    assert seen[0].split() == ["context", "state", "in", "holds", "next"]
    assert seen[1].split() == ["user", "idle", "-", "-"]
    assert not [text for text in seen if text.startswith(" ")]


def test_where_there_is_none_the_next_op_has_the_line_below() -> None:
    """Whole, and only for who has one; the heading does not wrap."""
    seen = lines(52)
    assert seen[0].split() == ["context", "state", "in", "holds"]
    assert seen[1].split() == ["user", "idle", "-", "-"]
    at = next(y for y, text in enumerate(seen) if text.startswith("vmm "))
    assert seen[at].split()[:2] == ["vmm", "standing"]
    below = [text for text in seen if text.startswith("  ")]
    assert below == [seen[at + 1]]
    assert len(below[0].split()) == 1


def test_a_row_is_no_other_one_for_having_less_room() -> None:
    """What the last command left alone is not marked when another row's next op needs a line."""
    items = []
    for text in ("manual", STANDING):
        session = make_session()
        shell = Shell(session, lambda _rows: None)
        shell.run_line(text)
        items.append(items_of(contexts_rows(View(see(session), width=52))))
    assert [item.key for item in marked(*items) if item.mark and item.key] == ["vmm"]
