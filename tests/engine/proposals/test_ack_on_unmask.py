"""with=ack-on-unmask: the event of a masked pin waits for the unmask."""

from __future__ import annotations

import pytest

from kvmlab.render.cells import line
from kvmlab.render.tables import eoifd_rows
from tests.engine.proposals.wiring import serve, told, wired

DESIGNS = pytest.mark.parametrize("api", ["eoifd-v4", "eoifd-v5", "eoifd-v7"])


@DESIGNS
@pytest.mark.parametrize("kernel", ["linux-3.6", "linux-6.x"])
def test_a_threaded_handler_gets_one_interrupt(api: str, kernel: str) -> None:
    """Mask, EOI, service, unmask: the event comes at the unmask, and nothing was injected twice."""
    lab = wired(api, "with=ack-on-unmask", kernel)
    lab.say("write trigger; take; ioapic 11 masked; eoi")
    assert (told(lab), lab.fact("ioapic", 11, "line")) == (0, 0)
    (eoifd,) = lab.snapshot().eoifds or ()
    assert eoifd.waits
    assert eoifd_rows(lab.snapshot())[-1] == line("unmask: its event waits for the unmask")
    lab.say("ioapic 11 unmasked")
    assert told(lab) == 1
    assert lab.one("take").ret == "none"


@DESIGNS
def test_two_eois_of_a_masked_pin_are_one_event(api: str) -> None:
    """What waits is that there was an EOI, not how many."""
    lab = wired(api, "with=ack-on-unmask")
    for _ in range(2):
        lab.say("ioapic 11 unmasked; write trigger; take; ioapic 11 masked; eoi")
    lab.say("ioapic 11 unmasked")
    assert told(lab) == 2
    lab.say("ioapic 11 masked; ioapic 11 unmasked")
    assert told(lab) == 2


def test_an_unmasked_pin_is_told_of_at_once() -> None:
    """Nothing waits where nothing is masked."""
    lab = wired("eoifd-v7", "with=ack-on-unmask")
    lab.say("write trigger")
    serve(lab)
    assert told(lab) == 1


def test_a_gsi_without_a_pin_has_no_mask() -> None:
    """An EOI of a route that is gone finds no pin that could be masked."""
    lab = wired("eoifd-v7", "with=ack-on-unmask")
    lab.say("route 11 pic:11; pio write 0x21 0xfb; pio write 0xa1 0xf7; write trigger; take")
    lab.say("pio write 0xa0 0x63")
    assert told(lab) == 1
    assert lab.fact("reports") == 0
