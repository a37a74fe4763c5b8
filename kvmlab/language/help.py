"""Help from the tables: an overview, a command, a topic, and the whole reference in Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator

from kvmlab.engine.profile import APIS, DEFAULT_APIS, DEFAULT_KERNEL, proposal_of
from kvmlab.engine.switches import SWITCHES, Switch
from kvmlab.language.commands import COMMANDS, VERBS, parameters_of
from kvmlab.language.facts import FACTS, REPORTS
from kvmlab.language.ioctls import apis_with
from kvmlab.language.kinds import KINDS
from kvmlab.language.real_kernel import real_kernel
from kvmlab.language.spec import CommandSpec, Parameter
from kvmlab.language.topics import TOPICS, unknown_topic

WIDTH = 78
"""Columns that help is wrapped to."""


def help_topic(topic: str = "", api: str = DEFAULT_APIS[DEFAULT_KERNEL]) -> list[str]:
    """Return the lines that explain a topic: "" for the overview, a command, or a name in TOPICS.

    ``api`` is the one in force, whose words the ioctls show. Raises LanguageError for an
    unknown topic.
    """
    if not topic:
        return _overview()
    if topic in _TOPIC_LINES:
        return _TOPIC_LINES[topic]()
    specs = _specs(topic)
    if not specs:
        raise unknown_topic(topic)
    lines: list[str] = []
    for spec in specs:
        lines += ([""] if lines else []) + _command(spec, api)
    return lines


def usage(spec: CommandSpec, api: str) -> str:
    """Return a command's synopsis under an api; only the verb when the api lacks it."""
    parameters = parameters_of(spec, api) or ()
    if spec.form == "fields":
        return f"{spec.verb} FIELD=VALUE…"
    return " ".join((spec.verb, *(parameter.usage for parameter in parameters)))


def _specs(topic: str) -> list[CommandSpec]:
    if topic in VERBS:
        return list(VERBS[topic].values())
    return [COMMANDS[topic]] if topic in COMMANDS else []


def _wrap(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(rows: list[tuple[str, str]], indent: str = "  ") -> list[str]:
    """Return two columns; the second is wrapped, and a long first one stands on its own line."""
    width = min(24, max((len(left) for left, _right in rows), default=0))
    lines: list[str] = []
    for left, right in rows:
        wrapped = textwrap.wrap(right, WIDTH - width - len(indent) - 2, break_on_hyphens=False) or [""]
        fits = len(left) <= width
        lines += [] if fits else [indent + left]
        lines.append(f"{indent}{left if fits else '':{width}}  {wrapped[0]}".rstrip())
        lines += [f"{indent}{'':{width}}  {more}" for more in wrapped[1:]]
    return lines


def _groups() -> dict[str, list[CommandSpec]]:
    groups: dict[str, list[CommandSpec]] = {}
    for spec in COMMANDS.values():
        groups.setdefault(spec.group, []).append(spec)
    return groups


def _overview() -> list[str]:
    lines: list[str] = []
    for group, specs in _groups().items():
        lines += [group, *_table([(spec.verb, spec.described) for spec in specs]), ""]
    return [*lines, "'help COMMAND' explains one; 'help topics' lists what else there is help on."]


def _command(spec: CommandSpec, api: str) -> list[str]:
    lines = [*_wrap(usage(spec, api)), *_wrap(f"{spec.described}.", "  ")]
    if spec.aliases:
        lines += _wrap(f"Also: {', '.join(spec.aliases)}.", "  ")
    if spec.ioctl and api not in apis_with(spec.ioctl):
        lines += _wrap(
            f"api {api} has no {spec.verb}: it belongs to {', '.join(apis_with(spec.ioctl))}.", "  "
        )
    parameters = parameters_of(spec, api)
    if parameters:
        lines += ["", *_table([_row(parameter) for parameter in parameters])]
    if spec.detail:
        lines += ["", *_wrap(spec.detail, "  ")]
    if spec.examples:
        lines += ["", *(f"  > {example}" for example in spec.examples)]
    return lines


def _row(parameter: Parameter) -> tuple[str, str]:
    text = parameter.summary
    if parameter.kind not in ("flag", "text"):
        text += f" ({KINDS[parameter.kind].expected})"
    if parameter.default not in (None, False, ()):
        text += f"; {parameter.default} when left out"
    return parameter.usage.strip("[]"), text


def _switches() -> list[str]:
    lines = ["Switches deviate from the kernel on purpose: machine without=S,… with=S,…"]
    for option in ("without", "with"):
        rows = [
            (name, switch.text + _conditions(switch))
            for name, switch in SWITCHES.items()
            if switch.option == option
        ]
        lines += ["", f"{option}=", *_table(rows)]
    return lines


def _conditions(switch: Switch) -> str:
    """Return what a switch needs to mean something, in brackets; "" if nothing."""
    apis = [api for api in APIS if switch.name in proposal_of(api).switches]
    needed = [f"api {', '.join(apis)}"] if switch.of_api else []
    if switch.needs:
        needed.append(f"{SWITCHES[switch.needs].option}={switch.needs}")
    return f" (with {' and '.join(needed)})" if needed else ""


def _facts() -> list[str]:
    rows = [(fact.pattern, f"{fact.summary} ({_values(fact.type, fact.words)})") for fact in FACTS]
    return [
        *_wrap("Expressions compare facts. Capital segments stand for a name, or a number in any base."),
        "",
        *_table(rows),
        "",
        *_wrap("KIND, of a report, is one of:"),
        "",
        *_table(list(REPORTS.items())),
    ]


def _values(kind: str, words: tuple[str, ...]) -> str:
    return kind if not words or len(words) > 4 or kind == "number or none" else ", ".join(words)


_EXPRESSIONS = (
    "An expression compares facts: ioapic.11.irr == 0 and 0x41 in lapic.0.irr.",
    "Comparisons are == != < <= > >=, in and not in; they are joined by and, or, not and parentheses.",
    "There is no arithmetic, so - may stand in a name.",
    "Sets are written {0x41, 0x42}; {} is empty. Sets and words are equal or not, and have no order.",
    "Behind in, a set may have words instead, which the fact can be: irqfd.a in {active, shutting-down}.",
    "A set of one is written {EBUSY}, as in last.errno not in {EBUSY}; no set has both words and numbers.",
    "What can never hold (a set against a number, an unknown word) is wrong text.",
    "A fact that the backend cannot see makes the expectation neither held nor failed.",
)
_DEVICES = (
    "A device is a context of its own: its hardware and the host's interrupt handler run there.",
    "raise and lower are what the hardware does; the guest's driver serves a device, from a vCPU.",
    "An assigned device (vfio) is masked when it interrupts. NAME-trigger tells, NAME-unmask unmasks it.",
    "The api in force connects both to the guest's interrupt. Where that fails the VMM's main loop does:",
    "it raises the line by source 0, and when it is told of the EOI it lowers it and unmasks the device.",
    "With a split irqchip KVM_RUN tells it; its IOAPIC has no registers, and a raised line sends a message.",
    "wakeups: how often VFIO or the main loop was woken on behalf of a device.",
    "spurious: how often the device had not interrupted since then.",
    "polls: how often VFIO read its pin to unmask it, which it does only of a device that is masked.",
    "latency (lat.): how many events passed between the last request that was served and its service.",
    "An event is one interrupt taken by a vCPU, one acknowledgement of a GSI, or one wake-up for a device.",
)
_ATTACH = (
    "'kvmlab attach qmp:PATH' shows the IOAPIC, the LAPICs and the 8259s of a running QEMU, live.",
    "QEMU makes the socket: qemu-system-x86_64 … -qmp unix:PATH,server=on,wait=off.",
    "--text prints them once in the wording of QEMU's info commands, --json as one object.",
    "Nothing is changed: only info pic, info lapic, info irq and queries of the state are ever sent.",
    "QEMU is asked up to five times a second, and less often where it takes long to answer.",
    "One row says what is attached, whether it answers, and how old the picture is.",
    "What changed in the last two seconds is marked with a star. The timeline shows the last pictures.",
    "When QEMU ends, its last picture stays; one that makes the same socket again is shown by itself.",
    "expect works on every fact that can be seen; every command that would change something is refused.",
    "Not visible: who asserts a line (shown as ?), IDs of LAPICs, and the TMR but of what is in IRR or ISR.",
    "'info irq' counts how often each input was raised, where QEMU itself has the chip.",
)
_LABS = (
    "A lab begins with a machine of its own, tells something, and asks for goals. 'lab list' shows the labs.",
    "A goal asks for a state, whatever leads there: it is reached when that is first so, and stays reached.",
    "Only going back before that moment (undo, goto) opens it again; redo reaches it again.",
    "Other goals count in the end: what must hold then, and what must not have been so on the way.",
    "Some ask for an answer, 'lab answer GOAL WORD', which comes before anything is run.",
    "Some ask for a proof: 'explore' what stands ready, and see every schedule.",
    "Some ask for a schedule that goes wrong, made by hand, or by 'explore' and then 'replay'.",
    "'check' says why a goal is open, in terms of the state. 'hint' has three rungs: ask again for the next.",
    "What the start of the lab did is below what undo reaches; 'reset' leads back to it.",
    "'machine' makes another machine, and what was reached stays reached.",
    "The score is of the way, not of the keys: its switches between contexts, then its steps.",
    "'kvmlab labs' does all this without a screen, and helps who writes one: new, record, verify.",
    "The lab write-a-lab explains the format.",
)
_TEXT = (
    'One command a line; ; separates several, # starts a comment, "…" quotes.',
    "Quotes keep spaces, ; and # in a word. They change nothing else, and expressions have none.",
    "The order of key=value words and flags is free.",
    "Numbers are decimal, 0x or 0b; negative where the kernel's field is signed.",
    "Names are a lower-case letter and then letters, digits, - or _.",
    "; in 'actor NAME: …' belongs to the actor, to the end of the line.",
    "'expect X: COMMAND' takes one command.",
    "Wrong text runs nothing. A kernel's no is a result: -1 and an errno.",
)


def _paragraphs(sentences: tuple[str, ...]) -> list[str]:
    return [line for sentence in sentences for line in _wrap(sentence)]


def _apis() -> list[str]:
    lines: list[str] = []
    for api in APIS:
        lines += [
            *_wrap(f"{api} - {proposal_of(api).summary}"),
            *(f"  {usage(COMMANDS[verb], api)}" for verb in ("irqfd", "eoifd") if api in apis_with(verb)),
        ]
    return lines


def _scenarios() -> list[str]:
    from kvmlab.scenarios import claims  # 4 ms that no other topic needs

    head = "'source NAME' runs one and says what it shows; undo, redo and goto then walk through it."
    return [*_wrap(head), "", *_table(list(claims().items()))]


def _topics() -> list[str]:
    return _table(list(TOPICS.items()), "")


def _markdown() -> Iterator[str]:
    yield from ("# kvmlab: the command language", "", *(f"- {sentence}" for sentence in _TEXT))
    for group, specs in _groups().items():
        yield from ("", f"## {group}")
        for spec in specs:
            yield from ("", f"### {spec.verb}", "", "```", *_usages(spec), "```", "")
            yield " ".join(filter(None, (spec.described[0].upper() + spec.described[1:] + ".", spec.detail)))
            if spec.examples:
                yield from ("", *(f"    {example}" for example in spec.examples))
    yield from ("", "## How devices are counted", "", *(f"- {sentence}" for sentence in _DEVICES))
    yield from ("", "## A running QEMU", "", *(f"- {sentence}" for sentence in _ATTACH))
    yield from ("", "## A real kernel", "", *(f"- {sentence}" for sentence in real_kernel()))
    yield from ("", "## Expressions", "", *(f"- {sentence}" for sentence in _EXPRESSIONS))
    yield from ("", "## Facts", "", "| fact | value | what it tells |", "|---|---|---|")
    yield from (f"| `{fact.pattern}` | {_values(fact.type, fact.words)} | {fact.summary} |" for fact in FACTS)
    yield from ("", "## Kinds of reports", "", "| fact | what is reported |", "|---|---|")
    yield from (f"| `reports.{kind}` | {text} |" for kind, text in REPORTS.items())
    yield from ("", "## Switches", "", "| switch | option | what it does |", "|---|---|---|")
    for name, switch in SWITCHES.items():
        yield f"| `{name}` | `{switch.option}=` | {switch.text}{_conditions(switch)} |"
    yield from ("", "## APIs", "", "| api | what it is |", "|---|---|")
    yield from (f"| `{api}` | {proposal_of(api).summary} |" for api in APIS)


def _usages(spec: CommandSpec) -> list[str]:
    """Return a command's synopses, each with the apis it is for when they differ."""
    found: dict[str, list[str]] = {}
    for api in APIS:
        if not spec.ioctl or api in apis_with(spec.ioctl):
            found.setdefault(usage(spec, api), []).append(api)
    if len(found) == 1:
        return list(found)
    return [f"{text:<60} # {', '.join(apis)}" for text, apis in found.items()]


_TOPIC_LINES: dict[str, Callable[[], list[str]]] = {
    "topics": _topics,
    "text": lambda: _paragraphs(_TEXT),
    "expressions": lambda: _paragraphs(_EXPRESSIONS),
    "facts": _facts,
    "switches": _switches,
    "scenarios": _scenarios,
    "apis": _apis,
    "labs": lambda: _paragraphs(_LABS),
    "devices": lambda: _paragraphs(_DEVICES),
    "attach": lambda: _paragraphs(_ATTACH),
    "real-kernel": lambda: _paragraphs(real_kernel()),
    "--all": lambda: list(_markdown()),
}
