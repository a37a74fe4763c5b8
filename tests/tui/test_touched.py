"""What a line of the trace points at."""

from __future__ import annotations

import pytest

from kvmlab.cli import make_session
from kvmlab.tui.app import KvmlabApp
from kvmlab.tui.items import NAMED
from kvmlab.tui.touched import touched
from tests.tui.stand import LEVEL, Hand, on_screen

LINES = {
    "kvm_set_irq: gsi 3 level 1 source 2": ({("ioapic", "3"), ("routes", "3"), ("sources", "2")}, None),
    "kvm_ioapic_set_irq: pin 11 dst 0 vec=65 (Fixed|physical|level)": ({("ioapic", "11")}, 65),
    "kvm_ack_irq: irqchip IOAPIC pin 11": ({("ioapic", "11")}, None),
    "kvm_ack_irq: irqchip PIC master pin 3": (set(), None),
    "kvm_pic_set_irq: chip 1 pin 3 (edge|masked)": (set(), None),
    "kvm_apic_accept_irq: apicid 0 vec 65 (Fixed|level)": (set(), 65),
    "kvm_eoi: apicid 0 vector 65": (set(), 65),
    "kvm_inj_virq: irq 65": (set(), 65),
    "kvm_mmio: mmio write len 4 gpa 0xfec00000 val 0x26": (set(), None),
}


@pytest.mark.parametrize("event", LINES)
def test_a_line_points_at_what_it_names(event: str) -> None:
    """A GSI leads to its pin, a source to its ID, a vector to the LAPIC; a pin of a PIC is no IOAPIC pin."""
    items, vector = LINES[event]
    found = touched(event, make_session().snapshot())
    assert found.items == items
    assert found.vector == vector


def test_the_line_under_the_cursor_points_into_the_other_panes() -> None:
    """The pin that it names is pointed at until the next command."""

    async def act(app: KvmlabApp, pilot: Hand) -> None:
        app.action_pane("trace")
        pane = app.panes["trace"]
        pane.choose(next(item.key for item in pane.items if item.key.startswith("kvm_ioapic_set_irq")))
        await pilot.pause()
        assert [item.key for item in app.panes["ioapic"].items if item.mark == NAMED] == ["11"]
        assert any("[R]" in item.text for item in app.panes["lapic"].items)
        app.action_say("eventfd other")
        assert not any(item.mark == NAMED for item in app.panes["ioapic"].items)

    on_screen(act, said=LEVEL)
