"""The course: labs, their goals and their hints."""

from __future__ import annotations

from kvmlab.language.spec import CommandSpec, flag, place

GROUP = "The course"

_LAB = place("lab", "lab", "the lab", "LAB")

COURSE = (
    CommandSpec(
        "lab", GROUP, "show the lab that is open: its text and its goals", unit=False,
        detail="'lab list' shows those there are, and 'lab start ID' opens one.",
    ),
    CommandSpec(
        "lab list", GROUP, "list the labs by chapter, and how far you are", unit=False, interactive_only=True,
    ),
    CommandSpec(
        "lab start", GROUP, "begin a lab: its machine, and its start below what undo reaches", (_LAB,),
        "What this session was is given up. 'reset' leads back to the start of the lab.",
        ("lab start eventfd-counter",), unit=False, interactive_only=True, outside=("lab",),
    ),
    CommandSpec(
        "lab resume", GROUP, "go on with a lab whose start is the machine at hand", (_LAB,),
        "It stands in the journal of a session, behind what made that machine.",
        unit=False, outside=("lab",),
    ),
    CommandSpec(
        "lab answer", GROUP, "answer what a goal asks, before anything is run",
        (place("goal", "question", "the goal", "GOAL"), place("word", "answer", "the answer", "WORD")),
        "There is one answer; 'reset' gives another try, and keeps one that was right.",
        ("lab answer sum 3",), unit=False,
    ),
    CommandSpec(
        "lab next", GROUP, "begin the lab behind this one", unit=False, interactive_only=True,
        outside=("lab next",),
    ),
    CommandSpec(
        "lab previous", GROUP, "begin the lab before this one", unit=False, interactive_only=True,
        outside=("lab previous",),
    ),
    CommandSpec(
        "lab solution", GROUP, "show a way to every goal, and a wrong turn",
        (flag("yes", "without being asked whether"),),
        "While a goal is open it asks first: say it again.", unit=False, interactive_only=True,
    ),
    CommandSpec(
        "lab leave", GROUP, "end the lab; the machine stays as it is, to be played with", unit=False,
        outside=("lab leave",),
    ),
    CommandSpec(
        "hint", GROUP, "ask for a hint, each a rung higher: a nudge, a pointer, the command",
        (place("goal", "goal", "which goal; the first open one when left out", "GOAL", required=False),),
        examples=("hint", "hint sum"), unit=False,
    ),
    CommandSpec(
        "check", GROUP, "say of every goal whether it is reached, and why not", unit=False,
    ),
)  # fmt: skip
