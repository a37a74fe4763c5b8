"""A pane shows what there is to be seen: what has changed, else what is not as it always is."""

from __future__ import annotations

import pytest

from kvmlab.tui.app import KvmlabApp
from tests.tui.stand import Hand, on_screen

SHARED = ("machine kernel=linux-3.6", *[f"eventfd e{n}; irqfd e{n} gsi=16 level" for n in range(30)])
"""Thirty sources, of which none is held by more than its owner."""


def in_sight(app: KvmlabApp, name: str) -> set[str]:
    """Return the keys of the items of a pane that can be seen."""
    pane = app.panes[name]
    top = round(pane.scroll_offset.y)
    seen = {span.item for spans in pane._spans[top : top + pane.size.height] for span in spans}
    return {pane.items[at].key for at in seen}


@pytest.mark.parametrize(
    ("pane", "said", "key"),
    [
        ("ioapic", ("ioapic 20 vector=0x41 level unmasked", "mark a"), "20"),
        ("ioapic", ("ioapic 2 vector=0x41 unmasked", "irq-line gsi=22 level=1"), "22"),
        ("sources", (*SHARED, "eventfd ack; eoifd ack key=e25 level", "mark a"), "27"),
        (
            "sources",
            (*SHARED, "eventfd ack; eoifd ack key=e25 level", "eventfd b; eoifd b key=e2 level"),
            "4",
        ),
        ("sources", ("; ".join([*SHARED[1:], "eventfd ack", "eoifd ack key=e25 level"]),), "27"),
        ("eventfds", (*SHARED, "write e28"), "e28"),
    ],
)
def test_what_is_worth_a_look_is_in_sight(pane: str, said: tuple[str, ...], key: str) -> None:
    """What the last command changed; where that is nothing here, what is not at rest."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_pane(pane)
        app.action_command()
        for text in said:
            app.action_say(text)
            await pilot.pause()
        assert key in in_sight(app, pane)

    on_screen(act, size=(60, 20))


def test_what_is_in_sight_stays_where_it_is() -> None:
    """Nothing moves while something worth a look is seen."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_pane("ioapic")
        app.action_command()
        await pilot.pause()
        top = app.panes["ioapic"].scroll_offset.y
        for text in ("ioapic 2 vector=0x41 unmasked", "mark a", "ioapic 4 vector=0x42 unmasked", "undo"):
            app.action_say(text)
            await pilot.pause()
            assert app.panes["ioapic"].scroll_offset.y == top

    on_screen(act, size=(60, 20), said=("ioapic 3 vector=0x43 unmasked",))


def test_who_has_scrolled_is_left_alone() -> None:
    """By the wheel, or by the cursor of the pane."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        pane = app.panes["ioapic"]
        app.action_pane("ioapic")
        await pilot.pause()
        pane.scroll_to(y=5, animate=False, force=True)
        app.action_command()
        await pilot.pause()
        app.action_say("ioapic 23 vector=0x41 unmasked")
        await pilot.pause()
        assert pane.scroll_offset.y == 5
        app.action_pane("ioapic")
        pane.choose("1")
        app.action_say("ioapic 23 masked")
        await pilot.pause()
        assert "1" in in_sight(app, "ioapic")

    on_screen(act, size=(60, 20))
