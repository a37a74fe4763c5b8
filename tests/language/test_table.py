"""The command table and the help that is made from it."""

from __future__ import annotations

import pytest

from kvmlab.engine.profile import APIS
from kvmlab.engine.switches import SWITCHES
from kvmlab.language.commands import ALIASES, COMMANDS, VERBS, grammar_of
from kvmlab.language.errors import LanguageError
from kvmlab.language.facts import FACTS
from kvmlab.language.help import WIDTH, help_topic
from kvmlab.language.ioctls import ioctls_of
from kvmlab.language.kinds import KINDS
from kvmlab.language.parse import FORMS, parse_line
from kvmlab.language.scope import Scope
from kvmlab.language.spec import CommandSpec
from kvmlab.language.topics import TOPICS, topic_words


def known() -> Scope:
    """Return a scope with the names that the examples use."""
    scope = Scope()
    scope.renew(vcpus=2)
    for name in ("trigger", "unmask", "kick"):
        scope.add("eventfd", name)
    scope.add("device", "nic")
    scope.add("mark", "before")
    return scope


@pytest.mark.parametrize("spec", COMMANDS.values(), ids=list(COMMANDS))
def test_every_example_is_a_command_of_its_verb(spec: CommandSpec) -> None:
    """The examples that help shows parse, each to the command it is an example of."""
    for example in spec.examples:
        assert parse_line(example, known())[0].verb == spec.verb


def test_the_table_names_what_exists() -> None:
    """Kinds, forms, contexts and ioctls that the table refers to are all declared."""
    for spec in COMMANDS.values():
        assert spec.form in FORMS
        assert spec.context in ("user", "guest", "device", "lab")
        assert not spec.ioctl or any(spec.ioctl in ioctls for ioctls in map(ioctls_of, APIS))
        for api in APIS:
            grammar = grammar_of(spec.verb, api)
            assert grammar is None or all(parameter.kind in KINDS for parameter in grammar.parameters)


def test_looking_and_claiming_are_no_units_of_history() -> None:
    """What cannot change the machine is no unit."""
    for verb in (
        "expect",
        "never",
        "always",
        "mark",
        "info",
        "trace",
        "help",
        "goto",
        "undo",
        "redo",
        "machine",
    ):
        assert not COMMANDS[verb].unit, verb
    for verb in ("eventfd", "irqfd", "take", "step", "storm", "handler", "mmio read", "manual"):
        assert COMMANDS[verb].unit, verb


def test_guest_commands_take_a_vcpu() -> None:
    """Every command that a vCPU performs can name the vCPU, and it is 0 when left out."""
    for spec in COMMANDS.values():
        if spec.context == "guest":
            grammar = grammar_of(spec.verb, "eoifd-v7")
            assert grammar is not None
            assert dict(grammar.defaults)["vcpu"] == 0


@pytest.mark.parametrize(
    ("api", "text", "structure"),
    [
        ("eoifd-v7", "irqfd trigger gsi=11 level", {"fd": "trigger", "gsi": 11, "flags": 2}),
        ("eoifd-v7", "irqfd trigger gsi=11 level deassign", {"fd": "trigger", "gsi": 11, "flags": 3}),
        ("eoifd-v7", "eoifd unmask key=trigger level", {"fd": "unmask", "key": "trigger", "flags": 2}),
        ("eoifd-v7", "eoifd unmask key=5 deassign", {"fd": "unmask", "key": 5, "flags": 1}),
        ("eoifd-v4", "eoifd unmask irqfd=trigger level", {"fd": "unmask", "irqfd": "trigger", "flags": 2}),
        ("eoi-eventfd-2011", "eoifd unmask gsi=3 deassert", {"fd": "unmask", "gsi": 3, "flags": 2}),
        ("level-eoi-2012", "irqfd trigger gsi=3 eoi=unmask",
         {"fd": "trigger", "gsi": 3, "flags": 2, "fd2": "unmask"}),
        ("level-eoi-2012", "irqfd trigger gsi=3 deassign", {"fd": "trigger", "gsi": 3, "flags": 1, "fd2": 0}),
        ("resample", "irqfd trigger gsi=3 resample=unmask",
         {"fd": "trigger", "gsi": 3, "flags": 2, "resamplefd": "unmask"}),
        ("eoifd-v7", "ioeventfd kick addr=0x10 len=2 pio datamatch=0",
         {"fd": "kick", "addr": 0x10, "len": 2, "datamatch": 0, "flags": 3}),
        ("eoifd-v7", "ioeventfd kick addr=0x10 len=2 deassign",
         {"fd": "kick", "addr": 0x10, "len": 2, "datamatch": 0, "flags": 4}),
        ("eoifd-v7", "msi addr=0x1fee00000 data=0x41",
         {"address_lo": 0xFEE00000, "address_hi": 1, "data": 0x41, "flags": 0}),
        ("eoifd-v7", "line 11 1", {"irq": 11, "level": 1}),
    ],
)  # fmt: skip
def test_words_fill_the_kernels_structure(api: str, text: str, structure: dict[str, object]) -> None:
    """The words of an api's command become the fields and flags of that api's structure."""
    scope = known()
    scope.api = api
    (command,) = parse_line(text, scope)
    assert ioctls_of(api)[command.spec.ioctl].structure(command.args) == structure


def test_every_topic_has_lines_that_fit() -> None:
    """Every word that help offers is explained, in lines as wide as a terminal; the reference apart."""
    for topic in topic_words():
        lines = help_topic(topic)
        assert lines
        assert topic == "--all" or max(map(len, lines)) <= WIDTH, topic


def test_the_overview_names_every_command() -> None:
    """Help without a topic lists each command under its heading."""
    lines = help_topic()
    for spec in COMMANDS.values():
        assert spec.group in lines
        assert any(line.startswith(f"  {spec.verb} ") for line in lines)


def test_the_reference_tells_everything() -> None:
    """Every command, example, fact and switch stands in the generated reference."""
    reference = "\n".join(help_topic("--all"))
    for spec in COMMANDS.values():
        assert f"### {spec.verb}\n" in reference
        assert all(example in reference for example in spec.examples)
    assert all(f"`{fact.pattern}`" in reference for fact in FACTS)
    assert all(f"`{name}`" in reference for name in SWITCHES)


def test_help_shows_the_words_of_the_api_in_force() -> None:
    """The synopsis of an ioctl is that of the api; one that the api lacks is said to be missing."""
    assert help_topic("irqfd", "resample")[0] == "irqfd NAME gsi=N [resample=NAME2] [deassign]"
    assert help_topic("irqfd")[0] == "irqfd NAME gsi=N [level] [deassign]"
    assert "api resample has no eoifd" in " ".join(help_topic("eoifd", "resample"))


def test_help_names_every_switch_fact_and_api() -> None:
    """The topics are made from the tables that parsing reads."""
    for topic, names in (("switches", SWITCHES), ("apis", APIS), ("facts", [f.pattern for f in FACTS])):
        assert set(names) <= set(" ".join(help_topic(topic)).split()), topic


def test_help_says_where_a_switch_means_something() -> None:
    """A switch of the designs names them, and one that needs another names that."""
    text = " ".join(" ".join(help_topic("switches")).split())
    assert "(with api resample)" in text
    assert "(with api eoifd-v7 and with=source-filter)" in text


def test_help_on_aliases_and_first_words() -> None:
    """An alias is explained as its command, a first word by all its forms."""
    assert help_topic("line") == help_topic("irq-line")
    assert [line for line in help_topic("msr") if line.startswith("msr")] == [
        "msr read N [vcpu=N]",
        "msr write N VALUE [vcpu=N]",
    ]
    assert set(ALIASES) | set(TOPICS) | set(VERBS) <= set(topic_words())


def test_what_help_shows_of_expressions_is_an_expression() -> None:
    """The comparisons that the topic quotes parse, sets of words and of one word among them."""
    scope = known()
    scope.add("eventfd", "a")
    text = " ".join(help_topic("expressions"))
    for shown in ("irqfd.a in {active, shutting-down}", "last.errno not in {EBUSY}", "0x41 in lapic.0.irr"):
        assert shown in text
        assert parse_line(f"expect {shown}", scope)


def test_an_unknown_topic_is_wrong_text() -> None:
    """The nearest topic is named."""
    with pytest.raises(LanguageError, match="there is no help on 'swiches'") as caught:
        help_topic("swiches")
    assert caught.value.nearest == "switches"
