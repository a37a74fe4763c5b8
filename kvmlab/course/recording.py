"""New labs: a template to be filled in, and a lab written from what was done.

Both are labs in which `verify` finds nothing but what is still to be written, marked TODO.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kvmlab.backends.backend import Refused
from kvmlab.course.beginning import begin
from kvmlab.course.front import CHAPTERS, FENCE, FORMAT, ID
from kvmlab.course.lab import Head, Lab, Start, Variant
from kvmlab.course.memory import way
from kvmlab.course.player import Player
from kvmlab.course.shelf import ENDING
from kvmlab.course.verify import NUMBERS
from kvmlab.language.expressions import parse_expression

if TYPE_CHECKING:
    from kvmlab.session import Session


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known of a lab that is not written yet: goals as (ID, expression), commands as texts.

    ``shown`` are commands for the prose, ``wrong`` those of a wrong turn, whose mistake ``mistaken`` is.
    """

    id: str
    chapter: int
    start: Start = field(default_factory=Start)
    goals: tuple[tuple[str, str], ...] = (("rung", "eventfd.bell.count == 2"),)
    solution: tuple[str, ...] = ("write bell 2",)
    shown: tuple[str, ...] = ("expect eventfd.bell.count == 0",)
    wrong: tuple[str, ...] = ("write bell 3",)
    mistaken: str = "eventfd.bell.count > 2"


EXAMPLE = Start(script="eventfd bell")
"""The start of the template: small, and it plays."""


def file_name(name: str, chapter: int, taken: Iterable[str]) -> str:
    """Return the name of a new lab's file: the first number of its chapter that no file has.

    Raises ValueError with a sentence for an ID that is none, and where no number is left.
    """
    if not ID.fullmatch(name):
        raise ValueError(f"'{name}' is no ID: a lower-case letter, then letters, digits or -")
    if chapter not in CHAPTERS:
        raise ValueError(f"there is no chapter {chapter}: they are {min(CHAPTERS)} to {max(CHAPTERS)}")
    low, high = NUMBERS[chapter]
    used = {each[:2] for each in taken}
    free = [number for number in range(low, high + 1) if f"{number:02}" not in used]
    if not free:
        raise ValueError(f"chapter {chapter} has no number left from {low:02} to {high:02}")
    return f"{free[0]:02}-{name}{ENDING}"


def template(name: str, chapter: int) -> str:
    """Return the text of a new lab that plays, with TODO wherever its author is to write."""
    return written(Draft(name, chapter, EXAMPLE))


def written(draft: Draft) -> str:
    """Return a draft as the text of a lab."""
    goals = "\n".join(_goal(*goal) for goal in draft.goals)
    return _TEXT.format(
        fence=FENCE,
        format=FORMAT,
        id=draft.id,
        chapter=draft.chapter,
        start=_start(draft.start),
        goals=goals,
        mistaken=draft.mistaken,
        shown=_lines(draft.shown),
        solution=_lines(draft.solution),
        wrong=_lines(draft.wrong),
        first=draft.goals[0][0],
    )


def _lines(texts: Sequence[str]) -> str:
    return "\n".join(texts)


def _start(start: Start) -> str:
    """Return the keys of a start that say more than what is so anyway."""
    variant = start.variant
    said = [
        f'{key} = "{value}"' for key, value in (("kernel", variant.kernel), ("api", variant.api)) if value
    ]
    said += [f"vcpus = {start.vcpus}"] if start.vcpus > 1 else []
    said += ["pit = true"] if start.pit else []
    for key, names in (("without", variant.without), ("with", variant.with_)):
        if names:
            said.append(f"{key} = [{', '.join(f'{each!r}' for each in sorted(names))}]".replace("'", '"'))
    if start.script:
        said.append(f'script = """\n{start.script}\n"""')
    return "\n".join(said)


def _goal(name: str, expression: str) -> str:
    return _GOAL.format(name=name, expression=expression)


_GOAL = """\
[[goal]]
id = "{name}"
kind = "reach"
say = "TODO: what the learner is to do for: {expression}"
when = "{expression}"

[[hint]]
goal = "{name}"
say = ["TODO: a nudge", "TODO: a pointer", "TODO: the command"]
"""

_TEXT = """\
{fence}
format = {format}
id = "{id}"
title = "TODO: what it shows, in a few words"
chapter = {chapter}
needs = []                      # IDs of labs to be done before
minutes = 5
source = ["TODO: the mail, the function of the kernel, the section of a data sheet"]
panes = ["eventfds"]            # what the screen shows beside the lab

[start]
{start}

{goals}
[[mistake]]                     # shown once, when it is first so
when = "{mistaken}"
say = "TODO: what is wrong with that, in terms of the state"
{fence}

TODO: one paragraph on what came before, then the concept, why it matters, and the kernel's function for it.
What the prose claims, its commands show:

```kvm
{shown}
```

TODO: what the learner is asked, and when it is done.

## Solution

```kvm solution
{solution}
```

## A wrong turn

TODO: what this tries.

```kvm wrong {first}
{wrong}
```
"""


class Recorder:
    """A lab that comes into being from what is done in a session.

    What is done up to :meth:`start` makes the start; every :meth:`goal` ends the solution so far.
    """

    def __init__(self, session: Session, draft: Draft) -> None:
        self.session = session
        self.draft = replace(draft, goals=(), solution=(), shown=(), wrong=(), mistaken="reports > 0")
        self._player = self._watch()

    def _watch(self) -> Player:
        """Have a lab without goals keep the way from here."""
        self.draft = replace(self.draft, start=_machine(self.session))
        head = Head(self.draft.id, "", self.draft.chapter, (), 1, ())
        return begin(self.session, Lab(head, (), (), self.draft.start, *((),) * 6, "", "", 0, 0))

    def start(self) -> str:
        """Take what was done so far as the start; return a sentence. Raises Refused for a second one."""
        if self.draft.goals or self.draft.start.script:
            raise Refused("the lab has its start; 'reset' and 'undo' lead back to it")
        script = "\n".join(way(self._player.state))
        self._player = self._watch()
        self.draft = replace(self.draft, start=replace(self.draft.start, script=script))
        return f"the lab starts here, behind {_commands(script.splitlines())}"

    def goal(self, name: str, text: str) -> str:
        """Take a state as a goal, which has to be so now; return a sentence.

        Raises LanguageError for what is no expression, Refused for one that is not so.
        """
        expression = parse_expression(text, self.session.scope)
        held, why = self.session.judge(expression)
        if held is not True:
            raise Refused(f"it is not so: {why}")
        if not ID.fullmatch(name) or name in dict(self.draft.goals):
            raise Refused(f"'{name}' is no ID that is free: a lower-case letter, then letters, digits or -")
        goals = (*self.draft.goals, (name, expression.text))
        self.draft = replace(self.draft, goals=goals, solution=self._player.schedule())
        return f"goal {len(goals)}, behind {_commands(self.draft.solution)}"

    def text(self) -> str:
        """Return the lab; raises Refused where it has no goal."""
        if not self.draft.goals:
            raise Refused("a lab has at least one goal: 'goal ID EXPRESSION' when it is reached")
        return written(self.draft)


def _commands(texts: Sequence[str]) -> str:
    return f"{len(texts)} command{'s' * (len(texts) != 1)}"


def _machine(session: Session) -> Start:
    """Return the machine of a session as the start of a lab."""
    profile = session.backend.profile
    if profile.bare or profile.x2apic:
        raise Refused("a lab begins with a machine that is neither bare nor x2apic")
    variant = Variant(profile.kernel, profile.api, profile.without, profile.with_)
    return Start(variant, profile.vcpus, profile.pit)
