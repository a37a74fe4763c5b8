"""What `kvmlab labs` can be told, as data: light, for the command line offers it whatever it runs."""

from __future__ import annotations

import argparse
from typing import Any

WORDS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "lab": (("lab",), {"metavar": "LAB", "help": "its ID, or its file"}),
    "labs": (("labs",), {"nargs": "*", "metavar": "LAB", "help": "IDs or files; every lab when left out"}),
    "id": (("lab",), {"metavar": "ID", "help": "a lower-case letter, then letters, digits or -"}),
    "script": (("file",), {"metavar": "FILE.kvm", "help": "the script"}),
    "new": (("file",), {"metavar": "FILE.md", "help": "the lab to be written: NN-ID.md"}),
    "json": (("--json",), {"action": "store_true", "help": "everything as one object"}),
    "junit": (("--junit",), {"action": "store_true", "help": "JUnit's XML: a suite a lab"}),
    "plain": (("--plain",), {"action": "store_true", "help": "one line at a time, without completion"}),
    "source": (
        ("--source",),
        {
            "action": "store_true",
            "help": "the file itself, for who writes one: front matter, text and solution",
        },
    ),
    "since": (
        ("--since",),
        {"default": "", "metavar": "REF", "help": "only what changed since a git commit"},
    ),
    "jobs": (
        ("--jobs",),
        {"type": int, "default": 0, "metavar": "N", "help": "in N processes; as many as there are cores"},
    ),
    "chapter": (("--chapter",), {"type": int, "default": 1, "metavar": "N", "help": "1 when left out"}),
    "folder": (("--folder",), {"default": "", "metavar": "DIR", "help": "in place of your own folder"}),
    "progress": (("--progress",), {"default": "", "metavar": "FILE", "help": "a learner's progress file"}),
}
"""What the works of the course take, as argparse has it."""

LABS: dict[str, tuple[str, tuple[str, ...]]] = {
    "list": ("the labs by chapter, and how far you are", ("json",)),
    "show": ("the text of a lab", ("lab", "source")),
    "start": ("the prompt in a lab", ("lab", "plain")),
    "check": (
        "play a script on a lab: which goals it reaches, and why not the others",
        ("lab", "script", "json"),
    ),
    "verify": (
        "every check of the format: is a lab what it says",
        ("labs", "since", "jobs", "json", "junit"),
    ),
    "new": ("write a lab to be filled in", ("id", "chapter", "folder")),
    "record": ("write a lab from what is done at a prompt", ("new", "chapter")),
    "report": ("play what was achieved again, for who teaches", ("labs", "progress", "json", "junit")),
}
"""The works of the course: what each is for, and what it takes."""


def add_works(made: argparse.ArgumentParser, formatter: Any) -> None:
    """Give a parser the works of the course, each with what it takes."""
    made.set_defaults(work="list", json=False)
    works = made.add_subparsers(metavar="WORK")
    for name, (text, arguments) in LABS.items():
        each = works.add_parser(name, help=text, description=text, formatter_class=formatter)
        each.set_defaults(work=name)
        for words in arguments:
            each.add_argument(*WORDS[words][0], **WORDS[words][1])
