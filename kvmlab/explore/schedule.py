"""A schedule as a script: the scenario's own text, `manual`, a `step` for each run, and what it shows.

Such a script is run as any other. `replay` plays only its steps, in the machine at hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kvmlab.engine.kernel.sanitizers import KINDS
from kvmlab.explore.judge import DEADLOCK, LOST
from kvmlab.explore.livelock import LIVELOCK
from kvmlab.explore.shortest import Failure
from kvmlab.explore.verdict import Example
from kvmlab.explore.world import World

_SEARCHES = re.compile(r"(expect\s+\S+:\s*)?explore\b")
_CLAIMS = re.compile(r"(never|always)\b")


def script(scenario: Sequence[str], example: Example) -> str:
    """Return a script that leads to what an example shows, and expects it.

    What the scenario claims of every state stands in it as a comment: it is about to be broken.
    """
    head = [
        f"# {example.kind}: {example.text}",
        f"# {example.ops} ops, {max(0, len(example.moves) - 1)} switches between contexts",
    ]
    said = [f"# {text}" if _CLAIMS.match(text) else text for text in scenario if not _SEARCHES.match(text)]
    steps = ["manual", *(f"step {name} {ops}" for name, ops in example.moves)]
    return "\n".join([*head, *said, *steps, *example.proof]) + "\n"


def proof(world: World, failure: Failure) -> tuple[str, ...]:
    """Return the commands that show a failure where a world stands; the world may be changed."""
    kind, text = failure
    if kind == "never":
        return (f"expect {text}",)
    if kind == "always":
        return (f"expect not ({text})",)
    reported = f"expect reports.{kind} > 0"
    if failure in world.reports():
        return (reported,)
    if kind == DEADLOCK:
        name = text.partition(" ")[0]
        world.step(name)
        told = [each for each, _text in world.reports() if each.endswith(DEADLOCK)]
        return f"finish {name}", f"expect reports.{told[0]} > 0" if told else "expect last.ret == none"
    if kind == LIVELOCK:
        # From here on there is nothing else, but for what was reported on the way.
        return (f"expect {1 + len(set(world.reports()))}: explore",)
    if kind == LOST:
        return (_shows_lost(text),)
    # What is seen only when the VM goes away.
    return ("auto", "release", reported) if kind in KINDS else ()


def _shows_lost(text: str) -> str:
    """Return what expects an interrupt that is lost: a pin that waits, or one that a source does not hold."""
    first, number, *rest = text.split()
    if first == "pin":
        return f"expect ioapic.{number}.irr == 1 and ioapic.{number}.remote_irr == 1"
    pin = rest[rest.index("pin") + 1].rstrip(",")
    return f"expect not {number} in ioapic.{pin}.sources"
