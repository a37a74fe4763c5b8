"""Looking at the machine, and saying what must hold."""

from __future__ import annotations

from kvmlab.language.spec import TEXT, CommandSpec, Parameter, key, place

LOOKING = "Looking"
CLAIMS = "Saying what must hold"


def _later(verb: str, summary: str, *parameters: Parameter) -> CommandSpec:
    return CommandSpec(verb, LOOKING, summary, parameters, unit=False, ready=False)


LOOKS = (
    CommandSpec(
        "info", LOOKING, "show a part of the machine", (place("what", "info", "which part", "TABLE"),),
        "ioapic, lapic, pic and irq are worded as QEMU's monitor words them.",
        ("info ioapic", "info irqfds"), unit=False,
    ),
    CommandSpec(
        "differences", LOOKING, "list the cells in which model and kernel differ (machine backend=both)",
        detail="Each with its value on either side; ≠ marks them in the panes of the screen and in info. The"
        " first one has come again when everything was repeated on a new VM.",
        examples=("differences",), unit=False,
    ),
    CommandSpec(
        "trace", LOOKING, "list the newest tracepoints, worded as the kernel words them",
        (place("count", "count", "how many", "N", required=False),),
        examples=("trace", "trace 5"), unit=False,
    ),
    CommandSpec(
        "why", LOOKING, "say why an interrupt does not arrive",
        (key("gsi", "gsi", "the GSI", "N"), key("vector", "vector", "the vector", "V")),
        examples=("why gsi=11", "why vector=0x41"), unit=False, ready=False, one_of=("gsi", "vector"),
    ),
    _later("lints", "list what looks wrong"),
    _later("timeline", "show what happened in order"),
    CommandSpec(
        "compare", LOOKING, "run a script under several designs and show where they differ",
        (
            place("file", "script", "the script", "FILE"),
            key("api", "apis", "the designs, each a column", "A,…"),
            key("kernel", "kernels", "the kernels", "K,…"),
            key("switch", "switches", "switches, each a column of its own; + joins several", "S,…"),
        ),
        "What the script's 'machine' says of kernel and api gives way to the column's; what is not asked"
        " for is as its first 'machine' says. A command that a design lacks is n/a there. Without api=,"
        " kernel= and switch= every design is a column. The session's own machine is left alone.",
        ("compare race.kvm", "compare race.kvm switch=pollhup,assign-flush"),
        unit=False, interactive_only=True, outside=("file",),
    ),
    CommandSpec(
        "export", LOOKING, "write what happened in another format",
        (place("format", "export-format", "the format", "FORMAT"), place("file", "path", "the file", "FILE")),
        unit=False, ready=False, interactive_only=True, outside=("file",),
    ),
    CommandSpec(
        "storm", LOOKING, "run full cycles, as one unit",
        (place("count", "count", "how many cycles", "N"), key("rate", "count", "cycles a second", "R")),
        examples=("storm 1000",),
    ),
)  # fmt: skip


def _expression(summary: str) -> Parameter:
    return Parameter("expression", "text", TEXT, summary, label="EXPRESSION")


EXPECTATIONS = (
    CommandSpec(
        "expect",
        CLAIMS,
        "say what must hold now, or what a command must return",
        (Parameter("claim", "text", TEXT, "what must hold", label="EXPRESSION|RESULT: COMMAND"),),
        "RESULT is an errno's name, an integer or none, and the command is run. A call of an actor may be"
        " expected so too ('help actor'). 'help expressions' and 'help facts' explain expressions.",
        (
            "expect ioapic.11.remote_irr == 1 and lapic.0.irr == {0x41}",
            "expect irqfd.trigger in {active, shutting-down}",
            "expect 0x41: take",
            "expect ENOENT: eoifd unmask key=99 level",
        ),
        unit=False,
        form="expect",
    ),
    CommandSpec(
        "never", CLAIMS, "say what must not hold after any later step",
        (_expression("what must not hold"),),
        "It is looked at after every command, and after every op that is moved by hand;"
        " 'explore' looks in every state.",
        examples=("never reports > 0",), unit=False, form="claim",
    ),
    CommandSpec(
        "always", CLAIMS, "say what must hold after every later step", (_expression("what must hold"),),
        "As 'never' is.",
        examples=("always eventfd.unmask.count <= 1",), unit=False, form="claim",
    ),
)  # fmt: skip
