"""Wrong text: where it is wrong, what was expected and what is nearest; and that it changes nothing."""

from __future__ import annotations

import time

import pytest

from kvmlab.language.errors import LanguageError
from kvmlab.language.parse import LONGEST_LINE, parse_line
from kvmlab.language.scope import Scope


@pytest.fixture
def scope() -> Scope:
    """A scope that knows two eventfds."""
    scope = Scope()
    parse_line("eventfd trigger; eventfd unmask", scope)
    return scope


def wrong(text: str, scope: Scope, line: int = 1, file: str = "") -> LanguageError:
    """Return the error that a text raises."""
    with pytest.raises(LanguageError) as caught:
        parse_line(text, scope, line, file)
    return caught.value


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("evntfd a", 1, "no command is called 'evntfd'; did you mean 'eventfd'?"),
        ("signal triger", 8, "no eventfd is called 'triger'; did you mean 'trigger'?"),
        ("eoi; signal triger", 13, "no eventfd is called 'triger'"),
        ("irqfd trigger", 14, "irqfd needs gsi=N; expected a GSI, 0 to 0xffffffff"),
        ("irqfd trigger gsi=", 19, "gsi has no value"),
        ("irqfd trigger gsi=x", 19, "'x' is no number"),
        ("irqfd trigger gsi=4294967296", 19, "4294967296 is out of range"),
        ("irqfd trigger gsi=1 gsi=2", 21, "gsi is given twice"),
        ("irqfd trigger gsi=1 levle", 21, "irqfd has no word 'levle'; did you mean 'level'?"),
        ("irqfd trigger gsi=1 key=1", 21, "irqfd has no word 'key='; expected level, deassign"),
        ("irqfd trigger gsi=1 bogus", 21, "'bogus' is surplus: irqfd has no such word; expected level, d"),
        ("irqfd trigger gsi=1 name", 21, "'name' is surplus: irqfd has no such word"),
        ("irqfd trigger gsi=1 level levels", 27, "'levels' is surplus: irqfd has no such word; expected d"),
        ("line 11 0 0", 11, "'0' is surplus: irq-line has no such word; expected nothing more"),
        ("irqfd trigger gsi", 15, "gsi needs a value; did you mean 'gsi='?"),
        ("irqfd gsi", 7, "gsi needs a value; did you mean 'gsi='?"),
        ("irq-line gsi 11", 10, "gsi needs a value; did you mean 'gsi='?"),
        ("irqfd trigger gsi=1 gsi", 21, "gsi is given twice"),
        ("ioctl irqfd fd", 13, "fd needs a value; did you mean 'fd='?"),
        ('eventfd new "count=x"', 20, "'x' is no number"),
        ('eventfd new "conut=4"', 13, "eventfd has no word 'conut=4'; did you mean 'count='?"),
        ('"evntfd" a', 1, "no command is called 'evntfd'; did you mean 'eventfd'?"),
        ('"" a', 1, "no command is called ''"),
        ("ioapic 11 edge level", 16, "trigger is given twice"),
        ("ioapic 120", 8, "120 is out of range; expected a pin, 0 to 119"),
        ("tpr 256", 5, "256 is out of range; expected an 8-bit number, 0 to 255"),
        ("write trigger -1", 15, "-1 is out of range"),
        ("eventfd Trigger", 9, "'Trigger' is no name"),
        ("eventfd", 8, "eventfd needs NAME"),
        ("close", 6, "close needs NAME…"),
        ("mmio", 5, "mmio needs a second word; expected read, write"),
        ("mmio raed 0", 6, "mmio has no form 'raed'; did you mean 'read'?"),
        ("mmio write 0xfee000b0 0x100000000", 23, "the value does not fit into 4 bytes"),
        ("pio write 0x20 256", 16, "the value does not fit into 1 byte;"),
        ("caps 8x", 6, "'8x' is no capability"),
        ("route 11 ioapic", 16, "'ioapic' is no route; expected ioapic:PIN"),
        ("route 11 none:1", 10, "'none:1' is no route; expected none"),
        ("route 11 none pic:3", 10, "'none' stands alone"),
        ("storm 1e6", 7, "'1e6' is no number; did you mean '1000000'?"),
        ("storm 5 rate=10_000", 14, "'10_000' is no number; did you mean '10000'?"),
        ("storm 1,000,000", 7, "did you mean '1000000'?"),
        ("storm 1e99", 7, "'1e99' is no number; expected a count, 1 to 1000000000"),
        ("storm 0xffffffff", 7, "0xffffffff is out of range; expected a count, 1 to 1000000000"),
        ("goto 1000000001", 6, "expected a unit of history, 0 to 1000000000"),
        ("ioapic 1 vector=1e3", 17, "'1e3' is no number; expected a vector, 0 to 255"),
        ("route 11 msi:0:x", 16, "'x' is no number"),
        ("why", 4, "why needs one of gsi=, vector="),
        ("why gsi=1 vector=2", 19, "why needs one of gsi=, vector="),
        ("take vcpu=1", 11, "there is no vCPU 1: the machine has 1 vCPU"),
        ("step nobody", 6, "no context is called 'nobody'"),
        ("machine kernel=linux-3.7", 16, "no kernel is called 'linux-3.7'; did you mean 'linux-3.6'?"),
        ("machine without=pollhup,flush", 25, "no switch of without= is called 'flush'"),
        ("help irqdf", 6, "there is no help on 'irqdf'; did you mean 'irqfd'?"),
        ("handler 0x41", 13, "handler needs ACTION,…|none"),
        ("handler 0x41 eoi,", 18, "an action is missing"),
        ("handler 0x41 eoi, msak 3", 19, "no action is called 'msak'; did you mean 'mask'?"),
        ("handler 0x41 mask", 18, "mask needs PIN; expected a pin, 0 to 119"),
        ("handler 0x41 mask 3 4", 21, "'4' is surplus: the action is 'mask PIN'; expected ',' before"),
        ("handler 0x41 eoi 3", 18, "'3' is surplus: the action is 'eoi'"),
        ("handler 0x41 vcpu", 14, "vcpu needs a value; did you mean 'vcpu='?"),
        ("handler 0x41 lower nic", 20, "no device is called 'nic'"),
        ("expect ENOET: eoi", 8, "'ENOET' is no result; did you mean 'ENOENT'?"),
        ("expect ENOENT:", 15, "expect ENOENT: needs a command"),
        ("expect ENOENT: eoifd unmask", 28, "eoifd needs key=N|NAME"),
        ("actor a", 8, "actor needs NAME: COMMAND; …"),
        ("actor a:", 9, "actor a needs commands"),
        ("actor user: eoi", 7, "'user' is a context of every machine"),
        ("actor a: eoi; close trigger", 15, "an actor is a thread or a vCPU, not both"),
        ("machine vcpus=2; actor a: eoi vcpu=1; take", 43, "this actor is vCPU 1"),
        ("actor a: expect 0: run", 20, "an actor makes syscalls, ioctls or guest accesses, and 'run'"),
        ("actor a: expect reports == 0", 10, "an actor expects what a call returns"),
        ("actor a: eoi; expect 0: poll trigger", 25, "an actor is a thread or a vCPU, not both"),
        ("actor a: caps", 10, "an actor makes syscalls, ioctls or guest accesses, and 'caps' is none"),
        ('source "a', 8, "a quote is not closed"),
        ("eoi\x00", 4, "a line cannot hold the character U+0000"),
        ("goto there", 6, "no mark is called 'there'"),
    ],
)  # fmt: skip
def test_wrong_text_is_told_by_column_and_sentence(text: str, column: int, says: str, scope: Scope) -> None:
    """The column is that of the word at fault, or just behind a command that is not whole."""
    error = wrong(text, scope)
    assert (error.column, error.line) == (column, 1)
    assert says in error.sentence()


def test_an_error_names_file_line_and_column(scope: Scope) -> None:
    """An error prints as compilers print theirs."""
    error = wrong("signal triger", scope, 3, "script.kvm")
    assert str(error) == "script.kvm:3:8: no eventfd is called 'triger'; did you mean 'trigger'?"
    assert error.caret() == "signal triger\n       ^ expected trigger, unmask"


def test_a_word_of_another_api_is_told_by_name(scope: Scope) -> None:
    """The answer names the api in force, the word, and the apis that have it."""
    error = wrong("irqfd trigger gsi=1 resample=unmask", scope)
    assert error.sentence() == "api eoifd-v7 has no 'resample=' in irqfd: it belongs to resample"
    parse_line("machine api=resample; eventfd trigger", scope)
    error = wrong("eoifd trigger key=1", scope)
    assert error.message.startswith("api resample has no 'eoifd': it belongs to eoi-eventfd-2011,")
    assert wrong("irqfd trigger gsi=1 level", scope).message.startswith("api resample has no 'level'")
    assert "api resample has no 'fd2=' in ioctl irqfd" in wrong("ioctl irqfd fd2=1", scope).message


def test_wrong_text_teaches_the_scope_nothing(scope: Scope) -> None:
    """Names and machines of a line with an error in it are as unknown as before it."""
    wrong("eventfd one; machine vcpus=4 api=resample; eventfd two; take vcpu=4", scope)
    assert dict(scope.names("eventfd")) == {"trigger": "", "unmask": ""}
    assert (scope.api, scope.vcpus) == ("eoifd-v7", 1)


def test_a_machine_drops_every_name(scope: Scope) -> None:
    """What was created before `machine` is a name never created after it."""
    parse_line("machine vcpus=2", scope)
    assert wrong("close trigger", scope).column == 7
    assert parse_line("take vcpu=1", scope)


def test_a_closed_name_is_no_wrong_text(scope: Scope) -> None:
    """Using a name after its close is for the kernel to refuse."""
    assert len(parse_line("close trigger; write trigger; irqfd trigger gsi=1", scope)) == 3


def test_a_vfio_device_brings_its_eventfds(scope: Scope) -> None:
    """NAME-trigger and NAME-unmask are eventfds of a VFIO device."""
    assert len(parse_line("device vfio nic gsi=11; read nic-unmask; write nic-trigger", scope)) == 3


@pytest.mark.parametrize("length", [LONGEST_LINE - 10, 10_000_000])
@pytest.mark.parametrize(
    "filler", ["a", "(", '"', "expect 0: ", "1 ", "a=", "é", "not ", "eventfd a;;;", "  "]
)
def test_a_huge_line_is_answered_at_once(filler: str, length: int, scope: Scope) -> None:
    """However long a line is, the answer comes quickly and shows only a window of it."""
    text = "expect " + filler * (length // len(filler))
    start = time.perf_counter()
    error = wrong(text, scope)
    assert time.perf_counter() - start < 2
    assert len(str(error)) < 1000
    assert len(error.caret()) < 1000
    assert 1 <= error.column <= len(text) + 1


def test_a_line_has_a_greatest_length(scope: Scope) -> None:
    """One character more is wrong text, just behind the last that is allowed."""
    assert parse_line("eoi #".ljust(LONGEST_LINE), scope)
    assert wrong("eoi #".ljust(LONGEST_LINE + 1), scope).column == LONGEST_LINE + 1
