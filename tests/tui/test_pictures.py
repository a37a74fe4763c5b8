"""Laws of the pictures of a GSI and of a LAPIC, over random sessions in auto and in manual."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvmlab.language.errors import LanguageError
from kvmlab.render.cells import Row, layout
from kvmlab.render.lapic_grid import TALL, WIDE, lapic_grid_rows
from kvmlab.render.overview import chosen_gsi, known_gsis, overview_rows
from kvmlab.render.stages import stages
from kvmlab.render.theme import STYLES
from kvmlab.render.timeline import timeline_rows
from kvmlab.scripts import parse_text, run
from kvmlab.session import Session
from kvmlab.tui.samples import Samples
from tests.sayings import ENDS, MOVES, ROUTED, in_turn, sequences

law = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
SAYINGS = sequences(in_turn(ROUTED, ROUTED, MOVES, ENDS))
GSIS = st.sampled_from((0, 4, 9, 11, 23, 24, 1030))


def told(lines: tuple[str, ...]) -> Session:
    """Return the session in which lines were said; wrong text changes nothing."""
    session = Session()
    for text in lines:
        try:
            for _result in run(session, parse_text(session, text)):
                pass
        except LanguageError:
            continue
    return session


def drawn(rows: list[Row]) -> int:
    """Return how many lines rows make, in styles that every theme has."""
    assert {style for row in rows for _text, style in row.cells} <= {"", *STYLES}
    return len(layout(rows))


@law
@given(SAYINGS, GSIS)
def test_whatever_happened_can_be_drawn(lines: tuple[str, ...], gsi: int) -> None:
    """Path, grid and timeline of any GSI, wired or not, after any commands."""
    session = told(lines)
    snapshot = session.snapshot()
    assert drawn(overview_rows(snapshot, gsi)) >= 13
    assert drawn(lapic_grid_rows(snapshot, 1, gsi & 0xFF, WIDE)) == 12
    assert drawn(lapic_grid_rows(snapshot, 0, None, TALL)) == 20
    assert chosen_gsi(snapshot) in known_gsis(snapshot)
    samples = Samples().of(session)
    assert samples[-1].number >= session.history.position
    assert drawn(timeline_rows(samples, gsi, 78, session.history.position)) > 3


@law
@given(SAYINGS)
def test_sampling_the_past_leaves_the_session_as_it_was(lines: tuple[str, ...]) -> None:
    """Also in the middle of a path, with contexts that stand, after undo and after the VM is gone."""
    session = told(lines)
    before = session.snapshot(), tuple(session.backend.trace(None)), session.history.position
    samples = Samples().of(session)
    assert (session.snapshot(), tuple(session.backend.trace(None)), session.history.position) == before
    assert {s.number: s.snapshot for s in samples}[session.history.position] == before[0]


@law
@given(SAYINGS)
def test_a_vector_that_a_lapic_holds_is_somewhere_on_a_path(lines: tuple[str, ...]) -> None:
    """What an IOAPIC pin has sent and no EOI has ended is seen at the IRR or the ISR of its GSI."""
    snapshot = told(lines).snapshot()
    routes = [route for route in snapshot.routes or () if route.kind == "ioapic"]
    for route in routes:
        assert snapshot.ioapic is not None
        vector = snapshot.ioapic.pins[route.pin or 0].vector
        here = {stage.name for stage in stages(snapshot, route.gsi) if stage.here}
        for register, stage in (("irr", "IRR"), ("isr", "ISR")):
            held = any(vector in getattr(lapic, register) for lapic in snapshot.lapics or ())
            assert not held or stage in here
