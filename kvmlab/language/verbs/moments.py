"""History, contexts and steps: when things happen, and who does them."""

from __future__ import annotations

from kvmlab.language.spec import TEXT, CommandSpec, Parameter, flag, key, place

GROUP = "Time and contexts"


def _count(summary: str) -> Parameter:
    return place("count", "count", summary, "N", required=False, default=1)


MOMENTS = (
    CommandSpec(
        "undo", GROUP, "go back by units of history", (_count("how many"),),
        "A unit is one command that may change the machine, or one step in manual.",
        ("undo", "undo 3"), unit=False,
    ),
    CommandSpec(
        "redo", GROUP, "go forward again", (_count("how many"),), examples=("redo", "redo 3"), unit=False,
    ),
    CommandSpec("history", GROUP, "list the units of history", unit=False),
    CommandSpec(
        "mark", GROUP, "give this moment a name", (place("name", "new-mark", "the name", "NAME"),),
        examples=("mark before",), unit=False,
    ),
    CommandSpec(
        "goto", GROUP, "go to a moment", (place("place", "place", "a mark, or a unit's number", "MARK|N"),),
        "N is the N-th unit of 'history'.", ("goto before", "goto 7"), unit=False,
    ),
    CommandSpec(
        "auto", GROUP, "let commands run to their end and the workers drain", examples=("auto",),
    ),
    CommandSpec(
        "manual", GROUP, "let nothing move but what is stepped",
        detail="A syscall or guest command stands at its first op; a second one for the same context is"
        " refused.",
        examples=("manual",),
    ),
    CommandSpec(
        "actor",
        GROUP,
        "give a thread, or a vCPU, calls to make later",
        (
            place("name", "new-actor", "what to call it", "NAME:"),
            Parameter("commands", "text", TEXT, "its commands", label="COMMAND; …"),
        ),
        "The commands go to the end of the line, ';' included, and none is started. A second line for an"
        " actor that has not begun replaces the calls of the first. An actor with guest commands is that"
        " vCPU, and then has guest commands only. 'expect X: COMMAND' says what a call must return whenever"
        " it is made: what else it returns is a report of the kind expect ('reports.expect'), which 'explore'"
        " finds.",
        (
            "actor closer: close trigger; close unmask",
            "actor cpu: take vcpu=1; eoi vcpu=1",
            "actor guest: idle",
            "actor vmm: close trigger; expect 1: irqfd trigger gsi=11 level",
        ),
        form="actor",
    ),
    CommandSpec("contexts", GROUP, "list who stands where, the next op and what blocks it", unit=False),
    CommandSpec(
        "step",
        GROUP,
        "move a context by ops",
        (place("context", "context", "the context", "CONTEXT"), _count("how many ops")),
        "Contexts are user (the prompt), actors by name, vcpuN, events and irqfd-cleanup.",
        ("step user", "step irqfd-cleanup 4"),
    ),
    CommandSpec(
        "finish", GROUP, "move a context to its end",
        (place("context", "context", "the context", "CONTEXT"),), examples=("finish user",),
    ),
    CommandSpec(
        "explore", GROUP, "try every schedule of what stands ready",
        (
            key("bound", "bound", "the most preemptions a schedule may have", "N"),
            key("atomicity", "atomicity", "how far a context moves before another one may", "A"),
            key("reduction", "reduction", "what is left out because it finds nothing else", "R"),
            key("cap", "count", "the most states", "N"),
            key("seed", "seed", "for the random schedules beyond the cap", "N"),
            flag("side-by-side", "a table of what each reduction has to look at, and nothing else"),
        ),
        "The machine is left as it is, and the result is how many different things were found: reports,"
        " deadlocks, livelocks (somebody can always go on, and it never ends), leaks, interrupts that nobody"
        " is told of, calls of actors that return what was not expected, and what 'never' and 'always' say,"
        " checked in every state. The verdict says how much was seen. Beyond the cap it tries 0, 1 and 2"
        " preemptions, then random schedules. 'side-by-side' searches once under each reduction, and"
        " tells states, transitions and interleavings of each.",
        ("explore", "explore bound=2", "explore atomicity=section", "explore side-by-side"),
    ),
    CommandSpec(
        "replay", GROUP, "play a schedule: one that 'explore' has just found, or a saved one",
        (
            place("file", "path", "a saved schedule", "FILE", required=False),
            key("found", "count", "which of those that 'explore' found; the first when left out", "N"),
        ),
        "Only the steps of the file are played, in the machine at hand, as one unit. It ends at the first"
        " step that cannot be made.",
        ("replay", "replay found=2", "replay race.kvm"), outside=("file",),
    ),
)  # fmt: skip
