"""Actions: each is the text of a command, offered only where it does something."""

from __future__ import annotations

import pytest

from kvmlab.cli import make_session
from kvmlab.language.commands import VERBS
from kvmlab.language.parse import parse_line
from kvmlab.session import Session
from kvmlab.tui.actions import ACTIONS, NAMED, Action, Here, offered
from kvmlab.tui.keys import KEYS
from kvmlab.tui.seen import see
from kvmlab.tui.widgets import SPECS
from tests.tui.stand import LEVEL

CHOSEN = {
    "vcpu": "0",
    "pin": "11",
    "gsi": "11",
    "eventfd": "trigger",
    "device": "nic",
    "context": "user",
    "unit": "2",
    "line": "write trigger",
    "rest": "write trigger",
}


def session_after(*texts: str) -> Session:
    """Return a session in which commands were said."""
    session = make_session()
    for text in texts:
        for command in parse_line(text, session.scope):
            session.execute(command)
    return session


def here_in(session: Session, pane: str) -> Here:
    """Return a place in a pane with everything chosen."""
    return Here(pane, CHOSEN, see(session))


def names(session: Session, pane: str) -> set[str]:
    """Return the names of what is offered in a pane."""
    return {action.name for action in offered(here_in(session, pane))}


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_every_action_is_a_command_of_the_language(action: Action) -> None:
    """Its text parses, with what is chosen filled in."""
    session = session_after(*LEVEL)
    parse_line("device emulated nic gsi=5", session.scope)
    (command,) = parse_line(action.command(here_in(session, next(iter(action.panes), ""))), session.scope)
    assert command.verb.partition(" ")[0] in VERBS


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_no_key_has_two_meanings_in_a_pane(spec: object) -> None:
    """The keys of a pane, of the screen and of the tabs are all different."""
    pane = getattr(spec, "name", "")
    keys = [action.keys for action in ACTIONS if not action.panes or pane in action.panes]
    keys += [key.keys for key in KEYS] + [each.key for each in SPECS if each.key]
    keys += ["up", "down", "left", "right", "h", "j", "k", "l"]
    assert len(keys) == len(set(keys))


def test_a_pin_is_offered_what_changes_it() -> None:
    """A line that is low can be asserted, one that is high deasserted; the mask bit likewise."""
    assert names(session_after(*LEVEL), "ioapic") & {"assert", "deassert", "mask", "unmask"} == {
        "assert",
        "mask",
    }
    after = session_after(*LEVEL, "irq-line gsi=11 level=1", "ioapic 11 masked")
    assert names(after, "ioapic") & {"assert", "deassert", "mask", "unmask"} == {"deassert", "unmask"}


def test_take_and_eoi_are_offered_when_there_is_something() -> None:
    """What is requested can be taken, what is in service can be ended."""
    assert names(session_after(*LEVEL), "") & {"take", "eoi"} == {"take"}
    assert names(session_after(*LEVEL, "take"), "") & {"take", "eoi"} == {"eoi"}


def test_time_goes_only_where_there_is_history() -> None:
    """Nothing can be undone at the start, nor done again at the end."""
    assert not names(session_after(), "") & {"back", "forward"}
    assert names(session_after(*LEVEL), "") & {"back", "forward"} == {"back"}
    assert names(session_after(*LEVEL, "undo"), "") & {"back", "forward"} == {"back", "forward"}


def test_a_context_is_stepped_in_manual_where_it_stands() -> None:
    """In auto nothing stands; in manual the context of a call does."""
    assert not names(session_after(*LEVEL), "contexts") & {"step", "finish", "auto"}
    manual = session_after(*LEVEL[:-1], "manual", "write trigger")
    assert names(manual, "contexts") >= {"step", "finish", "auto"}


def test_a_closed_eventfd_is_offered_nothing() -> None:
    """Its descriptor is gone: what could be done with it would fail."""
    closed = session_after(*LEVEL, "close trigger")
    assert not names(closed, "eventfds") & {"signal", "read", "poll", "close"}


def test_a_device_is_offered_what_changes_it() -> None:
    """One that asks for service can be served; only a queue takes another request."""
    table = {"raise", "lower", "serve"}
    assert names(session_after("device emulated nic gsi=5"), "devices") & table == {"raise"}
    raised = session_after("device emulated nic gsi=5; raise nic")
    assert names(raised, "devices") & table == {"lower", "serve"}
    assert names(session_after("device virtio nic gsi=5; raise nic"), "devices") & table == table
    assert not names(session_after("device virtio nic gsi=5; unplug nic"), "devices") & table


def test_an_action_says_why_it_does_nothing() -> None:
    """Each reason is a sentence about what is missing."""
    session = session_after()
    assert NAMED["eoi"].why_not(here_in(session, "")) == "nothing is in service"
    assert NAMED["step"].why_not(here_in(session, "ioapic")) == "step belongs to the pane contexts"
    assert NAMED["signal"].why_not(Here("eventfds", {}, see(session))) == "no eventfd is chosen"
