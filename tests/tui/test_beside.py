"""The screen over two machines: what differs is marked, counted, and can be read."""

from __future__ import annotations

from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.bars import Bar
from tests.second import Beside, no_remote_irr
from tests.tui.stand import Hand, on_screen, text_of

SAID = (
    "machine backend=both",
    "eventfd trigger; eventfd unmask; irqfd trigger gsi=11 resample=unmask",
    "ioapic 11 vector=0x41 level unmasked",
)


def bar(app: KvmlabApp, name: str) -> str:
    """Return the text of a bar."""
    return app.screen_stack[0].query_one(f"#{name}", Bar).texts[0]


def test_what_differs_is_marked_while_it_does(beside: Beside) -> None:
    """In the item, the title, the tab and the row of the state; the change mark is another one."""
    beside.plant = lambda second: setattr(second, "fault", no_remote_irr)

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        pane = app.panes["ioapic"]
        app.action_pane("ioapic")
        await pilot.pause()
        assert "model and kernel agree" in bar(app, "state")
        assert pane.mark != "≠" and not any(item.mark == "≠" for item in pane.items)
        app.action_say("write trigger")
        await pilot.pause()
        assert [item.key for item in pane.items if item.mark == "≠"] == ["11"]
        assert str(pane.border_title) == "≠ IOAPIC"
        assert "model and kernel: 1 cell differs" in bar(app, "state")
        assert "ioapic≠" in bar(app, "tabs") and "evfd " in bar(app, "tabs")
        app.action_say("take")
        await pilot.pause()
        assert [item.mark for item in pane.items if item.key == "11"] == ["≠"]
        app.action_say("differences")
        await pilot.pause()
        assert any(line.split() == ["ioapic.11.remote_irr", "1", "0"] for line in app.log_pane.texts), (
            app.log_pane.texts
        )
        app.action_say("eoi")
        await pilot.pause()
        assert pane.mark == "*" and not any(item.mark == "≠" for item in pane.items)
        assert "model and kernel agree" in bar(app, "state")

    on_screen(act, said=SAID)


def test_what_the_kernel_refuses_is_said(beside: Beside) -> None:
    """Back is a key as before; what comes of it is the kernel's sentence."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        await pilot.press("f7")
        assert any("a real kernel does not go back" in line for line in app.log_pane.texts)
        assert "model and kernel agree" in "".join(text_of(app))

    on_screen(act, said=SAID)
