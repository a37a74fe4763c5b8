"""A small lab that is as it should be, and what breaks it on purpose."""

from __future__ import annotations

from kvmlab.cli import make_session
from kvmlab.course.beginning import begin, set_up
from kvmlab.course.lab import Lab
from kvmlab.course.player import Player
from kvmlab.course.reading import read_lab
from kvmlab.language.parse import parse_line
from kvmlab.render.cells import layout
from kvmlab.render.result import result_rows

GOOD = """\
+++
format = 1
id = "small"
title = "A small lab"
chapter = 1
needs = []
minutes = 3
source = ["fs/eventfd.c"]
panes = ["eventfds"]

[start]
vcpus = 2
script = \"\"\"
eventfd bell
eventfd door
\"\"\"

[[goal]]
id = "sum"
kind = "predict"
say = "What does a read return?"
answers = ["1", "2"]
answer = "2"
because = "A read takes all."

[[goal]]
id = "rung"
kind = "reach"
say = "Ring twice."
when = "eventfd.bell.count == 2"
otherwise = "the bell holds another number"

[[goal]]
id = "gentle"
kind = "never"
say = "Never three."
when = "eventfd.bell.count > 2"

[[goal]]
id = "silent"
kind = "holds"
say = "In the end it is silent."
when = "eventfd.bell.count == 0"

[[mistake]]
when = "eventfd.bell.count > 2"
say = "Too often."

[[hint]]
goal = "rung"
when = "eventfd.bell.count < 2"
say = ["nudge", "pointer", "write bell 2"]

[[hint]]
say = ["a", "b", "c"]
+++

An eventfd counts. See [the other](lab:small).

```kvm
write door
expect eventfd.door.count == 1
```

```kvm fresh
machine
eventfd own
```

## Solution

```kvm solution
lab answer sum 2
write bell 2
read bell
```

## A wrong turn

```kvm wrong rung
write bell 3
```
"""


TRAP = (
    ("eventfd door\n", "eventfd door\nmanual\nactor one: write bell 2\nactor two: close bell\n"),
    ("lab answer sum 2\nwrite bell 2\nread bell\n", "lab answer sum 2\nfinish one\nread bell\nfinish user\n"),
    ('say = ["nudge", "pointer", "write bell 2"]', 'say = ["nudge", "pointer", "finish one"]'),
    ("write door\nexpect eventfd.door.count == 1\n", "contexts\n"),
    ("write bell 3\n", "write bell 3\nfinish user\n"),
)
"""What has a lab lead into a state from which nothing leads on: an actor that closes what the others need."""


def changed(*changes: tuple[str, str], text: str = GOOD) -> str:
    """Return a lab with texts in place of others, each of which is there once."""
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def lab_of(text: str = GOOD, file: str = "01-small.md") -> Lab:
    """Return the lab that a text is."""
    lab, faults = read_lab(text, file)
    assert lab is not None, [str(fault) for fault in faults]
    return lab


def playing(text: str = GOOD) -> Player:
    """Return a lab that is being played, at its start."""
    session, lab = make_session(), lab_of(text)
    set_up(session, lab.start, lab.file)
    return begin(session, lab)


def say(player: Player, *lines: str) -> str:
    """Say lines in the session of a lab; return everything that was shown."""
    shown = []
    for text in lines:
        for command in parse_line(text, player.session.scope):
            rows = result_rows(player.session.execute(command), events=False)
            shown += ["".join(cell.text for cell in each) for each in layout(rows)]
    return "\n".join(shown)
