"""A running QEMU as a backend: it can be looked at, and refuses everything else by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kvmlab.attaching import attached
from kvmlab.backends.backend import Backend, Refused
from kvmlab.backends.model import VERBS
from kvmlab.backends.qemu import READ_ONLY, Qemu
from kvmlab.cli import make_session
from kvmlab.engine.profile import Profile
from kvmlab.exchange.hmp import read_dump, snapshot_of
from kvmlab.following import Picture
from kvmlab.language.commands import COMMANDS
from kvmlab.result import Result
from kvmlab.scripts import parse_text, run
from kvmlab.session import Session
from kvmlab.snapshot import LastSnapshot
from tests.fake_qemu import IRQ, lapic, pic

LEVEL = 0xC041
"""Vector 0x41, level, unmasked, its remote IRR set."""

SEEN = snapshot_of(
    [read_dump(pic({11: LEVEL}, irr=[11]) + lapic(0, irr="65(level) ") + lapic(1) + IRQ)],
    "QEMU 9.0.1",
    "qmp",
    "running",
)


@pytest.fixture
def session() -> Session:
    """Return a session over a QEMU of two CPUs."""
    return attached(make_session, Picture(SEEN, ()))[0]


def say(session: Session, text: str) -> list[Result]:
    """Run commands; return their results."""
    return list(run(session, parse_text(session, text)))


def test_it_is_a_backend() -> None:
    """A session needs no more than the protocol says."""
    backend: Backend = Qemu(SEEN, Profile())
    assert backend.snapshot(LastSnapshot()).ioapic == SEEN.ioapic
    assert list(backend.trace(None)) == []


def nothing() -> None:
    """Watch nothing."""


@pytest.mark.parametrize(
    ("verb", "call"),
    [
        *[(verb, lambda qemu, verb=verb: qemu.perform(verb, {})) for verb in VERBS],
        ("actor", lambda qemu: qemu.actor("a", [])),
        ("handler", lambda qemu: qemu.handler(0, 65, "eoi", [])),
        ("manual", lambda qemu: qemu.set_manual(True)),
        ("auto", lambda qemu: qemu.set_manual(False)),
        ("step", lambda qemu: qemu.step("user", 1, nothing)),
        ("finish", lambda qemu: qemu.finish("user", nothing)),
        ("run", lambda qemu: qemu.run(None)),
        ("storm", lambda qemu: qemu.storm(1)),
    ],
)
def test_everything_that_moves_a_machine_is_refused_by_name(verb: str, call: Callable[[Qemu], Any]) -> None:
    """The sentence says what was asked for, and why it cannot be."""
    with pytest.raises(Refused) as refused:
        call(Qemu(SEEN, Profile()))
    assert str(refused.value) == f"{verb}: {READ_ONLY}"


CHANGES = {
    "machine": "machine vcpus=2",
    "reset": "reset",
    "take": "take",
    "eoi": "eoi",
    "ioapic": "ioapic 3 masked",
    "mmio": "mmio write 0xfec00000 1",
    "msr": "msr read 0x1b",
    "run": "run",
    "manual": "manual",
    "storm": "storm 3",
    "never": "never ioapic.3.mask == 0",
    "always": "always ioapic.3.mask == 1",
    "caps": "caps",
    "trace": "trace",
}


@pytest.mark.parametrize("verb", CHANGES)
def test_a_command_that_would_change_something_changes_nothing(session: Session, verb: str) -> None:
    """It is a sentence, no unit of history, and the picture stays."""
    (result,) = say(session, CHANGES[verb])
    assert result.why.endswith(READ_ONLY)
    assert result.why.startswith(verb)
    assert len(session.history) == 0
    assert session.snapshot().ioapic == SEEN.ioapic


def test_no_command_is_a_traceback(session: Session) -> None:
    """Every example of every command runs, is refused, or is wrong text."""
    from kvmlab.language.errors import LanguageError

    for spec in COMMANDS.values():
        for example in spec.examples:
            try:
                say(session, example)
            except (LanguageError, OSError):
                continue
    assert session.snapshot().lapics == SEEN.lapics


def test_expectations_hold_of_the_picture(session: Session) -> None:
    """What cannot be seen is told so: it neither holds nor fails."""
    text = (
        "expect ioapic.11.remote_irr == 1 and lapic.0.irr == {0x41}; expect lapic.1.irr == {};"
        "expect ioapic.11.line == 1; expect lapic.0.tmr == {};"
        "expect eventfd.a.count == 0; expect taken.65 == 0"
    )
    session.scope.add("eventfd", "a")
    assert [result.held for result in say(session, text)] == [True, True, *["not visible"] * 4]


def test_info_prints_what_qemu_counts(session: Session) -> None:
    """The interrupts of each input of each chip."""
    (result,) = say(session, "info irq")
    lines = ["".join(cell.text for cell in row.cells) for row in result.output]
    assert lines == [
        "IRQ statistics for ioapic:",
        " 0: 59",
        "11: 2",
        "IRQ statistics for isa-i8259:",
        "(none)",
    ]
