"""The path of one GSI: what each stage says, and where an interrupt stands, on a real session."""

from __future__ import annotations

import dataclasses

import pytest

from kvmlab.render.overview import chosen_gsi, known_gsis, overview_rows
from kvmlab.render.plain import plain_lines
from kvmlab.render.stages import STAGES, stages
from kvmlab.render.theme import STYLES
from kvmlab.scripts import parse_text, run
from kvmlab.session import Session
from kvmlab.snapshot import IoapicSnapshot, RedirectionEntry, RouteSnapshot, Snapshot
from kvmlab.snapshot_devices import DeviceSnapshot

WIRED = (
    "eventfd trigger; eventfd unmask; ioapic 11 vector=0x41 level unmasked;"
    "irqfd trigger gsi=11 level; eoifd unmask key=trigger level"
)
COLUMN = 68
"""Characters of a pane in the right column of a screen of 120."""


def after(text: str) -> Snapshot:
    """Return what can be seen once commands have run."""
    session = Session()
    for _result in run(session, parse_text(session, text)):
        pass
    return session.snapshot()


def standing(snapshot: Snapshot, gsi: int = 11) -> list[str]:
    """Return the stages at which an interrupt stands."""
    return [stage.name for stage in stages(snapshot, gsi) if stage.here]


def shown(snapshot: Snapshot, gsi: int | None = None) -> list[str]:
    """Return the overview as plain lines."""
    return plain_lines(overview_rows(snapshot, gsi))


@pytest.mark.parametrize(
    ("commands", "stages_held"),
    [
        ("", []),
        ("write trigger", ["IRR"]),
        ("write trigger; take", ["ISR"]),
        ("write trigger; take; eoi", ["eventfd"]),
        ("write trigger; take; eoi; read unmask", []),
        ("ioapic 11 masked; write trigger", ["IOAPIC"]),
        ("ioapic 11 dest=9; write trigger", ["IOAPIC"]),
    ],
)
def test_the_interrupt_is_where_it_stands(commands: str, stages_held: list[str]) -> None:
    """A whole cycle moves along the path stage by stage, and ends with nothing on its way."""
    assert standing(after(f"{WIRED}; {commands}")) == stages_held


def test_two_pins_of_one_vector_are_accepted_once() -> None:
    """The second is coalesced: its pin keeps the interrupt without a remote IRR."""
    snapshot = after(f"{WIRED}; ioapic 12 vector=0x41 level unmasked; write trigger; line 12 1")
    assert "→ IOAPIC   pin 12  AI..  0x41 level dest 0  held: no LAPIC has accepted it" in shown(snapshot, 12)


@pytest.mark.parametrize(
    ("commands", "stages_held"),
    [("", ["IRR"]), ("take", ["ISR"]), ("take; eoi", []), ("take; eoi; ioapic 11 masked", [])],
)
def test_an_edge_is_at_its_pin_no_longer_than_it_takes(commands: str, stages_held: list[str]) -> None:
    """A line that stays high after its edge holds nothing, though the IRR follows it."""
    snapshot = after(f"ioapic 11 vector=0x41 unmasked; line 11 1; {commands}")
    assert "AI" in "".join(shown(snapshot, 11))
    assert standing(snapshot) == stages_held


def test_a_stage_tells_its_state_and_why_the_interrupt_goes_no_further() -> None:
    """The screen answers why an interrupt is stuck."""
    lines = shown(after(f"{WIRED}; ioapic 11 masked; write trigger"))
    assert lines[0] == "GSI 11: stands at IOAPIC (held: the pin is masked)"
    assert lines[1] == " dev─eventfd─irqfd─src─route[IOAPIC]IRR─ISR─EOI─ack─eoifd─eventfd"
    assert "→ IOAPIC   pin 11  AIM.  0x41 level dest 0  held: the pin is masked" in lines
    assert "│ irqfd    trigger  active  level  key 1" in lines
    assert "│ source   1 irqfd trigger, eoifd unmask  A asserts  refs 2" in lines


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("cli", "waits: IF is clear"),
        ("tpr 0x50", "waits: class 4 does not exceed PPR 0x50 (TPR 0x50)"),
        ("ioapic 12 vector=0x91 unmasked; line 12 1; take", "(0x91 in service)"),
        ("ioapic 12 vector=0x91 unmasked; line 12 1", "waits: 0x91 comes first"),
    ],
)
def test_what_holds_a_pending_vector_back_is_named(command: str, why: str) -> None:
    """Flag, task priority, what is in service and what is more urgent are told apart."""
    (text,) = [text for text in shown(after(f"{WIRED}; write trigger; {command}"), 11) if "IRR   " in text]
    assert why in text


def test_a_remote_irr_that_no_lapic_owes_is_stuck() -> None:
    """A LAPIC that lost its ISR leaves the pin waiting for an EOI that never comes."""
    snapshot = after(f"{WIRED}; write trigger; take")
    (lapic,) = snapshot.lapics or ()
    lost = dataclasses.replace(snapshot, lapics=(dataclasses.replace(lapic, isr=()),))
    why = "remote IRR waits for an EOI that no LAPIC owes"
    assert f"→ IOAPIC   pin 11  AI.R  0x41 level dest 0  {why}" in shown(lost)


def test_an_inject_work_that_waits_holds_the_interrupt_at_the_irqfd() -> None:
    """In manual the write has queued the work and no worker has run it."""
    commands = "ioapic 11 vector=0x41 unmasked; eventfd t; irqfd t gsi=11; manual; write t; finish user"
    lines = shown(after(commands))
    assert "→ irqfd    t  active  edge  irqfd_inject(irqfd#1) waits for events" in lines
    assert lines[-1].startswith("events standing  next ")


def test_a_vector_below_another_in_service_waits_for_that_one() -> None:
    """Nested interrupts end from the top."""
    text = "ioapic 12 vector=0x91 unmasked; line 12 1; take"
    lines = shown(after(f"{WIRED}; write trigger; take; {text}"), 11)
    assert "→ ISR      vcpu0  0x41 in service  below 0x91, which is ended first" in lines


def test_a_message_has_no_pin_to_wait_at() -> None:
    """An MSI goes from its route to the LAPIC."""
    lines = shown(after("route 24 msi:0xfee00000:0x41; eventfd t; irqfd t gsi=24; write t"))
    assert "│ route    MSI to 0xfee00000 data 0x41" in lines
    assert "│ IOAPIC   none: the message carries vector 0x41" in lines
    assert "→ IRR      vcpu0  0x41 pending (edge)  taken next" in lines


def test_a_gsi_without_a_route_says_so() -> None:
    """What is signalled there goes nowhere, and that is no error."""
    assert "│ route    no route: what is signalled goes nowhere" in shown(after("route 11 none"), 11)


def test_the_8259_is_a_stage_of_its_own_when_it_holds_the_interrupt() -> None:
    """A GSI that goes to both chips may stand at either."""
    snapshot = after("pio write 0x21 0xfb; ioapic 4 masked; pio write 0x21 0; line 4 1")
    assert "→          8259 pin 4  I..  waits for the acknowledge cycle" in shown(snapshot, 4)


@pytest.mark.parametrize("gsi", [-1, 0, 11, 24, 5000])
def test_every_stage_is_there_whatever_the_snapshot_hides(gsi: int) -> None:
    """A backend that sees little, and a GSI that nothing knows, cost no traceback."""
    for snapshot in (Snapshot("linux-6.x", "resample"), after(WIRED)):
        lines = shown(snapshot, gsi)
        assert [name for name, _read in STAGES] == [s.name for s in stages(snapshot, gsi)]
        assert lines[0] == f"GSI {gsi}: nothing is on its way"


@pytest.mark.parametrize(
    "commands", ["", "write trigger", "write trigger; take; ioapic 11 masked; eoi; write trigger"]
)
def test_the_ribbon_fits_the_smallest_screen_and_every_style_is_known(commands: str) -> None:
    """One line tells the story in half a screen, in styles that every theme has."""
    rows = overview_rows(after(f"{WIRED}; {commands}"), 11)
    assert len(plain_lines(rows)[1]) <= COLUMN
    assert {style for row in rows for _text, style in row.cells} <= {"", *STYLES}


def test_a_split_irqchip_hands_the_eoi_to_userspace() -> None:
    """No GSI is acknowledged in the kernel, and the path says how often userspace was told."""
    machine = "machine kernel=linux-6.x with=split-irqchip"
    text = "\n".join(shown(after(f"{machine}; route 11 msi:0xfee00000:0x8041; line 11 1; take; eoi")))
    assert "GSI 11" in text and "EOI handed to userspace 1 times" in text and "acknowledged" not in text


def test_the_gsi_shown_is_the_latest_wired_then_the_asserted_then_the_unmasked() -> None:
    """Without being asked the overview shows what is likely meant."""
    assert chosen_gsi(Snapshot("linux-3.6", "eoifd-v7")) == 0
    assert chosen_gsi(after("ioapic 9 vector=0x41 unmasked")) == 9
    assert chosen_gsi(after("ioapic 9 vector=0x41 unmasked; line 5 1")) == 5
    assert chosen_gsi(after(f"line 5 1; {WIRED}")) == 11
    assert chosen_gsi(after("route 30 msi:0xfee00000:0x41")) == 30


def test_the_known_gsis_are_those_with_something_on_them() -> None:
    """Going to the next GSI passes those where nothing is."""
    snapshot = after(f"route 24 msi:0xfee00000:0x41; route 40 ioapic:9 pic:5; line 5 1; {WIRED}")
    device = DeviceSnapshot("nic", "vfio", 17, False, 0, 0, 0, 0, 0)
    assert known_gsis(dataclasses.replace(snapshot, devices=(device,))) == (5, 11, 17, 24)
    assert known_gsis(after("machine")) == (0,)


def test_a_whole_cycle_fits_the_smallest_screen() -> None:
    """At 80x24 a pane has 13 lines: verdict, ribbon and one line for each stage but the device."""
    for commands in ("", "write trigger", "write trigger; take", "write trigger; take; eoi"):
        assert len(shown(after(f"{WIRED}; {commands}"), 11)) == 13


def test_a_device_tells_its_line_by_a_glyph() -> None:
    """The first stage is the device's own output."""
    device = DeviceSnapshot("nic", "vfio", 11, True, 3, 2, 1, 0, 4)
    lines = shown(dataclasses.replace(after(WIRED), devices=(device,)))
    assert lines[2] == "│ device   nic (vfio)  A asserted  raised 3"


def test_what_vfio_was_woken_by_waits_for_no_reader() -> None:
    """VFIO reads no counter: after the round trip nothing is on its way, and meanwhile VFIO masks."""
    begun = "ioapic 11 vector=0x41 level unmasked; device vfio nic gsi=11; handler 0x41 service nic, eoi"
    assert "nic (vfio)  A asserted  raised 1  M masked by VFIO" in "\n".join(
        shown(after(f"{begun}; raise nic"))
    )
    served = after(f"{begun}; raise nic; run")
    assert standing(served) == []
    assert "  nic-unmask  count 1" in "\n".join(shown(served))


def test_sources_that_are_hidden_leave_the_line_unknown_and_the_entry_readable() -> None:
    """A real kernel shows the entry but not who asserts it."""
    pins = tuple(RedirectionEntry(0xC041 if n == 11 else 0x10000, 0, None) for n in range(24))
    snapshot = Snapshot(
        "linux-6.x",
        "resample",
        ioapic=IoapicSnapshot(0, 0, 0, pins),
        routes=(RouteSnapshot(11, "ioapic", 11),),
    )
    assert "│ EOI      pin 11  R remote IRR set" in shown(snapshot, 11)
