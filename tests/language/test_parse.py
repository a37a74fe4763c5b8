"""Text of one line to Commands: splitting, words, defaults and forms."""

from __future__ import annotations

import pytest

from kvmlab.language.command import Command
from kvmlab.language.errors import LanguageError
from kvmlab.language.parse import parse_line
from kvmlab.language.scope import Scope


@pytest.fixture
def scope() -> Scope:
    """A scope that knows two eventfds, a mark, an actor and a device."""
    scope = Scope()
    parse_line("eventfd trigger; eventfd unmask; mark here; device vfio nic gsi=10", scope)
    parse_line("actor closer: close trigger", scope)
    return scope


def one(text: str, scope: Scope) -> Command:
    """Return the only command of a line."""
    (command,) = parse_line(text, scope)
    return command


def test_blank_lines_and_comments_hold_no_commands(scope: Scope) -> None:
    """Nothing, spaces, semicolons and a comment are no commands."""
    for text in ("", "   ", "# eoi", "  ;; # x", "\t"):
        assert parse_line(text, scope) == []


def test_semicolons_separate_and_a_comment_ends_the_line(scope: Scope) -> None:
    """Each command has its own text and column, without the spaces round it."""
    commands = parse_line("  eoi ;take vcpu=0 ; # done; eoi", scope, 7)
    assert [(c.text, c.line, c.column) for c in commands] == [("eoi", 7, 3), ("take vcpu=0", 7, 8)]


def test_quotes_protect_separators_and_spaces(scope: Scope) -> None:
    """A quoted word may hold spaces, ; # and =, and loses its quotes."""
    assert one('source "a b;c#d=e.kvm"', scope).args["file"] == "a b;c#d=e.kvm"


@pytest.mark.parametrize(
    ("quoted", "plain"),
    [
        ('"eventfd" new', "eventfd new"),
        ('"mmio" "read" "0"', "mmio read 0"),
        ('eventfd new "count=4"', "eventfd new count=4"),
        ('eventfd "new" "count"=4', "eventfd new count=4"),
        ('irqfd "trigger" gsi="11" "level"', "irqfd trigger gsi=11 level"),
        ('handler 0x41 "vcpu=0" "eoi"', "handler 0x41 vcpu=0 eoi"),
        ('"actor" late: eoi; "take"', "actor late: eoi; take"),
        ('expect 0: "eoi"', "expect 0: eoi"),
    ],
)
def test_quotes_change_no_meaning(quoted: str, plain: str) -> None:
    """Verbs, flags and keys mean the same within quotes."""
    scope = Scope()
    parse_line("eventfd trigger", scope)
    assert parse_line(quoted, scope.copy()) == parse_line(plain, scope.copy())


@pytest.mark.parametrize(
    ("text", "verb", "args"),
    [
        ("eventfd new", "eventfd", {"name": "new", "count": 0, "semaphore": False, "blocking": False}),
        ("eventfd new semaphore count=0x10", "eventfd",
         {"name": "new", "count": 16, "semaphore": True, "blocking": False}),
        ("write trigger", "write", {"name": "trigger", "value": 1}),
        ("signal trigger 0b101", "write", {"name": "trigger", "value": 5}),
        ("close trigger unmask", "close", {"names": ("trigger", "unmask")}),
        ("irqfd trigger gsi=11 level", "irqfd",
         {"name": "trigger", "gsi": 11, "level": True, "deassign": False}),
        ("irqfd gsi=4294967295 deassign trigger", "irqfd",
         {"name": "trigger", "gsi": 0xFFFFFFFF, "level": False, "deassign": True}),
        ("eoifd unmask key=trigger level", "eoifd",
         {"name": "unmask", "key": "trigger", "level": True, "deassign": False}),
        ("eoifd unmask key=99", "eoifd", {"name": "unmask", "key": 99, "level": False, "deassign": False}),
        ("ioeventfd trigger addr=0xfe000000 len=4 pio datamatch=7", "ioeventfd",
         {"name": "trigger", "addr": 0xFE000000, "len": 4, "pio": True, "datamatch": 7, "deassign": False}),
        ("irq-line gsi=11 level=1", "irq-line", {"gsi": 11, "level": 1}),
        ("line 11 0", "irq-line", {"gsi": 11, "level": 0}),
        ("msi addr=0xfee00000 data=0x41", "msi", {"addr": 0xFEE00000, "data": 0x41}),
        ("route 11 ioapic:11 pic:0xb", "route", {"gsi": 11, "targets": (("ioapic", 11), ("pic", 11))}),
        ("route 24 msi:0xfee00000:0x41", "route", {"gsi": 24, "targets": (("msi", 0xFEE00000, 0x41),)}),
        ("route 11 none", "route", {"gsi": 11, "targets": (("none",),)}),
        ("routes default", "routes default", {}),
        ("ioctl irqfd fd=-1 flags=0xffffffff", "ioctl irqfd", {"fd": -1, "gsi": 0, "flags": 0xFFFFFFFF}),
        ("ioctl eoifd fd=unmask key=1 flags=2", "ioctl eoifd", {"fd": "unmask", "key": 1, "flags": 2}),
        ("ioapic 11 vector=0x41 level unmasked", "ioapic",
         {"pin": 11, "vector": 0x41, "trigger": "level", "mask": "unmasked", "vcpu": 0}),
        ("ioapic 24 dest=255 logical mode=lowest low-active", "ioapic",
         {"pin": 24, "dest": 255, "dest_mode": "logical", "mode": "lowest", "polarity": "low-active",
          "vcpu": 0}),
        ("mmio write 0xfee000b0 0", "mmio write", {"addr": 0xFEE000B0, "value": 0, "len": 4, "vcpu": 0}),
        ("pio write 0x20 0x20", "pio write", {"port": 0x20, "value": 0x20, "len": 1, "vcpu": 0}),
        ("msr read 0x1b", "msr read", {"msr": 0x1B, "vcpu": 0}),
        ("handler 0x41 mask 11, eoi,unmask 11", "handler",
         {"vector": 0x41, "actions": (("mask", 11), ("eoi",), ("unmask", 11)), "vcpu": 0}),
        ("handler 65 vcpu=0 service nic", "handler",
         {"vector": 0x41, "actions": (("service", "nic"),), "vcpu": 0}),
        ("handler 0x41 none", "handler", {"vector": 0x41, "actions": (), "vcpu": 0}),
        ("step closer 3", "step", {"context": "closer", "count": 3}),
        ("finish irqfd-cleanup", "finish", {"context": "irqfd-cleanup"}),
        ("goto here", "goto", {"place": "here"}),
        ("goto 7", "goto", {"place": 7}),
        ("undo", "undo", {"count": 1}),
        ("run", "run", {}),
        ("why gsi=11", "why", {"gsi": 11}),
        ("help mmio write", "help", {"topic": "mmio write"}),
        ("help --all", "help", {"topic": "--all"}),
        ("machine vcpus=2 pit without=pollhup,assign-flush", "machine",
         {"vcpus": 2, "pit": True, "x2apic": False, "bare": False, "without": ("pollhup", "assign-flush"),
          "with": ()}),
        ("lab start close-close-assign", "lab start", {"lab": "close-close-assign"}),
        (
            "explore bound=0 atomicity=section",
            "explore",
            {"bound": 0, "atomicity": "section", "side-by-side": False},
        ),
    ],
)  # fmt: skip
def test_a_command_has_its_arguments_and_defaults(
    text: str, verb: str, args: dict[str, object], scope: Scope
) -> None:
    """Canonical verb, and every argument by name; optional ones without default are left out."""
    command = one(text, scope)
    assert (command.verb, dict(command.args)) == (verb, args)


def test_the_order_of_keys_and_flags_is_free(scope: Scope) -> None:
    """Commands that say the same are equal and hash alike, wherever they stand."""
    first = one("irqfd trigger gsi=11 level", scope)
    second = one("   irqfd trigger level gsi=0xb", scope)
    assert first == second
    assert hash(first) == hash(second)
    assert first != one("irqfd trigger gsi=11", scope)
    assert one("ioapic 3 dest=1 vector=2 edge", scope) == one("ioapic 3 edge vector=2 dest=1", scope)


def test_a_name_may_be_a_word_of_its_command(scope: Scope) -> None:
    """An eventfd called like a flag is a name in its place, and the flag elsewhere."""
    parse_line("eventfd level", scope)
    assert one("irqfd level gsi=1 level", scope).args["level"] is True
    assert one("irqfd level gsi=1", scope).args["level"] is False
    parse_line("eventfd gsi", scope)
    assert one("irqfd gsi gsi=1", scope).args["name"] == "gsi"


def test_an_actor_takes_the_rest_of_the_line(scope: Scope) -> None:
    """The semicolons behind `actor NAME:` separate the actor's commands."""
    first, actor = parse_line("eoi; actor late: close trigger; close unmask # both", scope)
    assert first.verb == "eoi"
    assert actor.args == {"name": "late"}
    assert [(c.verb, c.args["names"], c.column) for c in actor.inner] == [
        ("close", ("trigger",), 18),
        ("close", ("unmask",), 33),
    ]


def test_an_expectation_takes_one_command(scope: Scope) -> None:
    """What stands behind the next semicolon is a command of its own."""
    expect, eoi = parse_line("expect ENOENT: eoifd unmask key=99 level; eoi", scope)
    assert (expect.args, eoi.verb) == ({"errno": "ENOENT"}, "eoi")
    assert [c.text for c in expect.inner] == ["eoifd unmask key=99 level"]


@pytest.mark.parametrize(("result", "value"), [("0x41", 0x41), ("-1", -1), ("none", "none"), ("0b1", 1)])
def test_an_expected_value_is_an_integer_or_none(result: str, value: object, scope: Scope) -> None:
    """`expect V: COMMAND` has V as `value`."""
    assert one(f"expect {result}: take", scope).args == {"value": value}


def test_an_expectation_takes_what_has_a_return_value(scope: Scope) -> None:
    """Looking at the machine returns nothing, so it cannot be expected to return something."""
    assert one("expect 0: step user", scope).inner[0].verb == "step"
    assert one("expect 1: caps KVM_CAP_IRQFD", scope).inner[0].verb == "caps"
    for text in ("expect 0: info ioapic", "expect 0: expect 0: eoi", "expect 0: actor a: eoi"):
        with pytest.raises(LanguageError, match="has no return value"):
            parse_line(text, scope)


def test_claims_hold_an_expression(scope: Scope) -> None:
    """expect, never and always of the same expression hold equal expressions."""
    text = "ioapic.11.irr == 1 and {} == lapic.0.irr"
    claims = [one(f"{verb} {text}", scope).args["expression"] for verb in ("expect", "never", "always")]
    assert claims[0] == claims[1] == claims[2]
    assert claims[0].text == text
