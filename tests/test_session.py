"""A session: what commands answer, expectations, properties, and what is refused without a trace."""

from __future__ import annotations

from typing import NoReturn

import pytest

from kvmlab.backends.backend import Watch
from kvmlab.cli import make_session
from kvmlab.language.commands import COMMANDS
from kvmlab.language.errors import LanguageError
from kvmlab.language.parse import parse_line
from kvmlab.session import Options, Session
from tests.engine.lab import Lab, fresh

NOT_READY = [
    example
    for spec in COMMANDS.values()
    if not spec.ready
    for example in spec.examples or (spec.verb,)
    if not spec.interactive_only
]


@pytest.fixture
def lab() -> Lab:
    """Return a lab with a level irqfd and its eoifd on GSI 11."""
    return Lab(
        "machine vcpus=2",
        "eventfd trigger; eventfd unmask",
        "ioapic 11 vector=0x41 level unmasked",
        "irqfd trigger gsi=11 level; eoifd unmask key=trigger level",
    )


# -- results --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "ret", "errno"),
    [
        ("eventfd other", 0, ""),
        ("dup trigger again", 0, ""),
        ("close trigger unmask", 0, ""),
        ("write trigger 5", 0, ""),
        ("read trigger", -1, "EAGAIN"),
        ("poll trigger", 4, ""),
        ("irqfd unmask gsi=12 level", 2, ""),
        ("irqfd trigger gsi=11 level", -1, "EBUSY"),
        ("eoifd unmask key=99 level", -1, "ENOENT"),
        ("line 11 1", 1, ""),
        ("line 1000 1", -1, ""),
        ("msi addr=0xfee05000 data=0x41", -1, ""),
        ("mmio read 0xfec00000", 0x26, ""),
        ("mmio write 0xfec00000 1", 0, ""),
        ("pio read 0x21", 0xFF, ""),
        ("msr read 0x1b", 0xFEE00900, ""),
        ("take", "none", ""),
        ("take vcpu=1", "none", ""),
        ("eoi", 0, ""),
        ("tpr 0x20", 0, ""),
        ("sti", 0, ""),
        ("route 30 ioapic:3", 0, ""),
        ("run", 0, ""),
        ("handler 0x41 eoi", 0, ""),
        ("release", 0, ""),
        ("contexts", None, ""),
    ],
)
def test_every_command_has_its_result(lab: Lab, line: str, ret: int | str | None, errno: str) -> None:
    """LANGUAGE.md, Results: a return value, an errno's name, "none", or nothing; a status -1 is no errno."""
    result = lab.one(line)
    assert (result.ret, result.errno) == (ret, errno)
    assert bool(result.why) == bool(errno)


def test_a_result_has_the_tracepoints_of_its_command(lab: Lab) -> None:
    """Those of its workers too, in order and worded as the kernel words them."""
    assert list(lab.one("write trigger").events) == [
        "kvm_set_irq: gsi 11 level 1 source 1",
        "kvm_apic_accept_irq: apicid 0 vec 65 (Fixed|level)",
        "kvm_ioapic_set_irq: pin 11 dst 0 vec=65 (Fixed|physical|level)",
        "kvm_pic_set_irq: chip 1 pin 3 (edge|masked)",
    ]
    assert list(lab.one("read unmask").events) == []


def test_pit_is_a_command(lab: Lab) -> None:
    """LANGUAGE.md, The machine: `pit` is KVM_CREATE_PIT2 and takes a source ID; a second one is refused."""
    assert (lab.one("pit").ret, lab.one("pit").errno) == (0, "EEXIST")
    assert lab.fact("sources", "used") == frozenset({0, 1, 2})


def test_last_is_of_the_last_unit_only(lab: Lab) -> None:
    """Looking and expecting leave last.ret as it was; undo and redo bring it along."""
    lab.say("irqfd trigger gsi=11; expect reports == 0; info irqfds; mark here")
    assert (lab.fact("last", "ret"), lab.fact("last", "errno")) == (-1, "EBUSY")
    lab.say("write trigger")
    assert (lab.fact("last", "ret"), lab.fact("last", "errno")) == (0, 0)
    lab.say("undo")
    assert lab.fact("last", "errno") == "EBUSY"
    lab.say("redo")
    assert lab.fact("last", "errno") == 0


# -- what is not here yet ---------------------------------------------------------------------------


def test_nothing_that_runs_is_said_not_to_be_here() -> None:
    """What the program has a handler for, help and completion offer without a remark."""
    assert [verb for verb in make_session().handlers if not COMMANDS[verb].ready] == []


@pytest.mark.parametrize("line", NOT_READY)
def test_what_is_not_here_yet_says_so(line: str) -> None:
    """A command that only parses is a LanguageError, and nothing has happened."""
    lab = Lab()
    commands = parse_line(line, lab.session.scope) if not line.startswith(("raise", "lower")) else []
    version = lab.session.version
    for command in commands:
        with pytest.raises(LanguageError, match="not yet here"):
            lab.session.execute(command)
    assert (lab.session.version, len(lab.session.history), lab.session.texts) == (version, 0, [])


def test_a_bare_session_says_what_it_cannot_do() -> None:
    """A session of the library, without the rooms that draw, has no `info`: that is no KeyError."""
    session = Session()
    for line in ("info ioapic", "trace", "caps", "help", "contexts", "explore", "replay race.kvm"):
        with pytest.raises(LanguageError):
            session.execute(parse_line(line, session.scope)[0])


# -- machines -------------------------------------------------------------------------------------


def test_a_new_machine_drops_everything(lab: Lab) -> None:
    """Names, marks, properties, history, counters and what was said."""
    lab.say("mark here; never last.ret == 7; write trigger; take")
    lab.say("machine")
    session = lab.session
    assert (len(session.history), session.history.marks, session.properties) == (0, {}, [])
    assert session.texts == ["machine"]
    assert lab.snapshot() == Lab("machine").snapshot()
    with pytest.raises(LanguageError, match="no eventfd is called 'trigger'"):
        lab.say("write trigger")


def test_reset_makes_the_same_machine_anew() -> None:
    """With the words that `machine` was last given."""
    lab = Lab("machine vcpus=3 pit x2apic without=pollhup", "eventfd a")
    profile = lab.session.backend.profile
    made = Lab("machine vcpus=3 pit x2apic without=pollhup").snapshot()
    lab.say("reset")
    assert lab.session.backend.profile == profile
    assert lab.snapshot() == made


def test_options_fill_in_what_machine_leaves_out() -> None:
    """`--kernel` and `--api` are the defaults of this session, also for the machine at its start."""
    session = Session(Options("linux-3.6", "eoifd-v7"))
    assert (session.backend.profile.kernel, session.backend.profile.api) == ("linux-3.6", "eoifd-v7")
    session.execute(parse_line("machine vcpus=2", session.scope)[0])
    assert session.backend.profile.vcpus == 2
    assert (session.scope.kernel, session.scope.api) == ("linux-3.6", "eoifd-v7")


def test_quit_ends_the_session(lab: Lab) -> None:
    """Only `quit` does."""
    assert [result.ends for result in lab.say("write trigger; quit")] == [False, True]


# -- expectations -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "held"),
    [
        ("expect ioapic.11.vector == 0x41", True),
        ("expect ioapic.11.vector == 0x42", False),
        ("expect 0: write trigger", True),
        ("expect 1: write trigger", False),
        ("expect none: take", True),
        ("expect 0: take", False),
        ("expect EBUSY: irqfd trigger gsi=3", True),
        ("expect EINVAL: irqfd trigger gsi=3", False),
        ("expect EBUSY: irqfd unmask gsi=3", False),
        ("expect -1: irqfd trigger gsi=3", True),
        ("expect -1: line 1000 1", True),
        ("expect ENOENT: line 1000 1", False),
    ],
)
def test_an_expectation_holds_or_fails(lab: Lab, line: str, held: bool) -> None:
    """An expression, an errno, an integer or none; a failure says what was instead."""
    result = lab.one(line)
    assert result.held is held
    assert held or result.why
    assert (lab.session.tally.held, lab.session.tally.failed) == (int(held), int(not held))


def test_what_cannot_be_seen_is_counted_apart() -> None:
    """Without an irqchip its facts are not visible: neither held nor failed."""
    lab = Lab("machine without=irqchip")
    assert lab.one("expect ioapic.11.vector == 0").held == "not visible"
    assert lab.one("expect reports == 0").held is True
    tally = lab.session.tally
    assert (tally.held, tally.failed, tally.unseen) == (1, 0, 1)


def test_a_failed_expectation_says_what_came_instead(lab: Lab) -> None:
    """The kernel's sentence follows."""
    why = lab.one("expect 0: irqfd trigger gsi=11").why
    assert why == "it returned -1 EBUSY, not 0: this eventfd feeds an irqfd of this VM already"


def test_a_command_in_an_expectation_is_one_unit(lab: Lab) -> None:
    """It runs, whether the expectation holds or not, and is undone by its own text."""
    units = len(lab.session.history)
    lab.say("expect 7: write trigger 3")
    assert len(lab.session.history) == units + 1
    assert lab.one("undo").output == ("undone: write trigger 3",)
    assert lab.fact("eventfd", "trigger", "count") == 0


def test_never_fails_when_it_becomes_true_and_once(lab: Lab) -> None:
    """Each time anew: not while it stays so, again after it was well between."""
    never = lab.one("never eventfd.trigger.count >= 2")
    assert (never.held, never.output) == (None, ("checked after every step from here on, and by explore",))
    assert [lab.one("write trigger").held for _ in range(3)] == [None, False, None]
    assert [lab.one(line).held for line in ("read trigger", "write trigger 5")] == [None, False]
    assert lab.session.tally.failed == 2


def test_always_is_checked_after_the_next_unit(lab: Lab) -> None:
    """Saying it is no step; what is broken then is told by the first unit that finds it so."""
    assert lab.one("always eventfd.trigger.count == 1").held is None
    broken = lab.one("read unmask")
    assert broken.held is False
    assert broken.why.startswith("always eventfd.trigger.count == 1: ")
    assert [lab.one(line).held for line in ("write trigger", "write trigger")] == [None, False]


def test_a_property_is_checked_at_every_op(lab: Lab) -> None:
    """Also between two ops of a path: ioapic.lock dropped, remote_irr still set.

    `finish` is one unit, and does not step over it.
    """
    lab.say("write trigger; take; manual; never eventfd.unmask.count == 1 and ioapic.11.remote_irr == 1")
    lab.say("mark before; eoi")
    verdicts = [lab.one("step vcpu0").held for _ in range(26)]
    assert verdicts.count(False) == 1
    lab.say("goto before; eoi")
    assert lab.one("finish vcpu0").held is False


def test_a_property_and_an_expectation_may_both_speak(lab: Lab) -> None:
    """An expectation that holds has failed all the same when its command broke a property."""
    lab.say("never eventfd.trigger.count > 0")
    assert lab.one("expect 0: write trigger").held is False


# -- refusals and accidents -------------------------------------------------------------------------


def test_a_refused_command_is_no_unit(lab: Lab) -> None:
    """What the lab refuses, not the kernel, changes nothing and says how to go on."""
    lab.say("manual; write trigger; step user")
    units, before = len(lab.session.history), fresh(lab.machine)
    result = lab.one("write trigger")
    assert (result.ret, result.why) == (None, "user stands in user_write; 'finish user' first")
    assert (len(lab.session.history), fresh(lab.machine)) == (units, before)


def test_an_interrupted_command_is_taken_back(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl+C in the middle leaves the machine as it was before the command."""
    backend = lab.session.backend
    before, units = fresh(lab.machine), len(lab.session.history)
    perform = backend.perform

    def interrupted(verb: str, args: dict[str, object]) -> NoReturn:
        perform(verb, args)
        raise KeyboardInterrupt

    monkeypatch.setattr(backend, "perform", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lab.say("write trigger")
    assert (fresh(lab.machine), len(lab.session.history)) == (before, units)
    monkeypatch.undo()
    assert lab.one("write trigger").ret == 0


def test_what_an_interrupted_command_broke_is_forgotten(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its property holds again once it is taken back, and breaks anew when the command is done."""
    backend = lab.session.backend
    lab.say("never eventfd.trigger.count == 1; manual; write trigger")
    finish = backend.finish

    def interrupted(context: str, watch: Watch) -> NoReturn:
        finish(context, watch)
        raise KeyboardInterrupt

    monkeypatch.setattr(backend, "finish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lab.say("finish user")
    monkeypatch.undo()
    assert lab.one("take").held is None
    assert lab.one("finish user").held is False


def test_wrong_text_runs_nothing(lab: Lab) -> None:
    """A line with an error in its second command does not run its first."""
    before = fresh(lab.machine)
    with pytest.raises(LanguageError):
        lab.say("write trigger; wriet trigger")
    assert fresh(lab.machine) == before


def test_what_was_said_is_kept_as_it_was_typed(lab: Lab) -> None:
    """Units and others, without the words that only handle files or end the session."""
    lab.say("machine; eventfd a   count=0x5; expect 5: read  a; info ioapic; undo; quit")
    assert lab.session.texts == [
        "machine",
        "eventfd a   count=0x5",
        "expect 5: read  a",
        "info ioapic",
        "undo",
    ]


def test_every_command_makes_a_new_version(lab: Lab) -> None:
    """A front end draws again when it has changed."""
    versions = [lab.session.version]
    for line in ("write trigger", "undo", "redo", "manual", "machine"):
        lab.say(line)
        versions.append(lab.session.version)
    assert versions == sorted(set(versions))
