"""Scenarios that the tests of exploring share, and short ways to explore one."""

from __future__ import annotations

from kvmlab.cli import make_session
from kvmlab.explore.explorer import Explorer
from kvmlab.explore.start import Start
from kvmlab.explore.verdict import Asked, Report
from kvmlab.language.parse import parse_line
from kvmlab.result import Result
from kvmlab.session import Session
from kvmlab.snapshot import LastSnapshot

WIRED = (
    "eventfd trigger; eventfd unmask; eventfd spare",
    "ioapic 11 vector=0x41 level unmasked",
    "irqfd trigger gsi=11 level; eoifd unmask key=trigger level",
    "write trigger",
    "take",
)
"""A level irqfd and its eoifd, and the interrupt in service."""

CLOSED = (*WIRED, "actor closer: close unmask", "actor cpu: eoi")
"""The eoifd's descriptor is closed while the vCPU makes its EOI."""

FREED = ("machine without=rcu-wait", *CLOSED)
"""The same where nobody waits for readers: the EOI's walk may touch what was freed."""

SOUND = ("machine", *CLOSED)

SMALL = ("machine", *WIRED, "actor closer: close trigger", "actor cpu: eoi", "never lapic.0.isr == {}")
"""A world of few states, in some of which a property is broken."""

LEFT = ("machine api=eoi-eventfd-2011", "eventfd unmask", "eoifd unmask gsi=11", "actor closer: close unmask")
"""Nobody lets the eoifd go."""

STUCK = ("machine", "eventfd empty blocking", "actor reader: read empty")
"""A thread that nobody wakes."""

DEFAULT = Asked()


def said(*lines: str) -> Session:
    """Return a session with every verb in which some lines were said."""
    session = make_session()
    for line in lines:
        say(session, line)
    return session


def say(session: Session, line: str) -> list[Result]:
    """Say one more line."""
    return [session.execute(command) for command in parse_line(line, session.scope)]


def explorer(session: Session, asked: Asked = DEFAULT) -> Explorer:
    """Return what explores a session's machine."""
    return Explorer(Start.of(session), asked, session.properties, LastSnapshot(*session.last))


def explored(session: Session, asked: Asked = DEFAULT) -> Report:
    """Explore to the end, and return the report."""
    exploring = explorer(session, asked)
    for _progress in exploring.run():
        pass
    return exploring.report()


def things(report: Report) -> set[tuple[str, str]]:
    """Return what was found."""
    return {(example.kind, example.text) for example in report.examples}
