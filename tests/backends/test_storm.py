"""A storm: full cycles as one unit, and what it says where none can run."""

from __future__ import annotations

import pytest

from kvmlab.cli import make_session
from kvmlab.language.parse import parse_line
from kvmlab.result import Result
from kvmlab.session import Session

PAIR = "eventfd t; eventfd u; ioapic 11 vector=0x41 level unmasked; irqfd t gsi=11 level; eoifd u key=t level"
EDGE = "eventfd t; ioapic 4 vector=0x41 edge unmasked; irqfd t gsi=4"


def said(session: Session, text: str) -> Result:
    """Execute a line and return the last result."""
    return [session.execute(command) for command in parse_line(text, session.scope)][-1]


@pytest.mark.parametrize("setup", [PAIR, EDGE])
def test_a_storm_takes_and_ends_every_interrupt(setup: str) -> None:
    """Each cycle is one interrupt taken, and nothing is left pending."""
    session = make_session()
    said(session, setup)
    assert said(session, "storm 20").ret == 20
    assert said(session, "expect taken.0x41 == 20 and trace.kvm_eoi == 20 and lapic.0.irr == {}").held is True
    assert said(session, "expect lapic.0.isr == {} and reports == 0").held is True


def test_a_storm_is_one_unit() -> None:
    """Undo takes all of its cycles back, and redo does them again."""
    session = make_session()
    said(session, PAIR)
    units = len(session.history)
    said(session, "storm 3000")
    assert len(session.history) == units + 1
    after = session.snapshot()
    said(session, "undo")
    assert said(session, "expect taken.0x41 == 0 and trace.kvm_set_irq == 0").held is True
    said(session, "redo")
    assert session.snapshot() == after


def test_a_storm_that_nobody_takes_ends_at_once() -> None:
    """With interrupts off the first cycle does not come to its end, and that is said."""
    session = make_session()
    said(session, f"{PAIR}; cli")
    result = said(session, "storm 5")
    assert (result.ret, "no vCPU took" in result.why) == (0, True)


@pytest.mark.parametrize(
    ("setup", "why"), [("eventfd t", "needs an irqfd"), (f"{PAIR}; manual", "needs auto")]
)
def test_a_storm_that_cannot_run_is_refused(setup: str, why: str) -> None:
    """Nothing has run, and it is no unit."""
    session = make_session()
    said(session, setup)
    units = len(session.history)
    assert why in said(session, "storm 5").why
    assert len(session.history) == units
