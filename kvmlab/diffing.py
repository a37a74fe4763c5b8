"""`kvmlab diff`: random programs on the model and on a running kernel, until they differ or it is enough.

Exit status: 0 they did not differ, 1 they did, 2 what was asked for cannot be had.
"""

from __future__ import annotations

import json
import secrets
import sys
from argparse import Namespace
from collections.abc import Iterator
from os import cpu_count

from kvmlab.backends.backend import Refused
from kvmlab.judge import crew, diff
from kvmlab.judge.diff import Comparison, Order
from kvmlab.judge.families import FAMILIES
from kvmlab.language.errors import nearest
from kvmlab.progress import Teller
from kvmlab.render.panes import PANES
from kvmlab.render.plain import plain_lines
from kvmlab.run import FAILED, HELD, WRONG
from kvmlab.snapshot import Snapshot

MINUTES = 1.0
"""How long it runs unless a time or a number of operations is asked for."""

FEW = 20_000
"""Operations for which it is not worth while to start other processes."""

SHOWN = ("pic", "lapic", "eventfds", "irqfds")
"""Panes of both machines that a divergence is told with; an object has all of the snapshots."""


def main(options: Namespace) -> int:
    """Compare, and print what came of it."""
    families = options.family.split(",") if options.family else list(FAMILIES)
    unknown = next((name for name in families if name not in FAMILIES), None)
    if unknown is not None:
        near = nearest(unknown, FAMILIES)
        hint = f"did you mean '{near}'?" if near else "expected " + ", ".join(FAMILIES)
        print(f"kvmlab diff: there is no family '{unknown}'; {hint}", file=sys.stderr)
        return WRONG
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    try:
        done = _compare(options, seed, families)
    except Refused as refused:
        print(f"kvmlab diff: {refused}", file=sys.stderr)
        return WRONG
    if options.json:
        print(json.dumps(done.numbers()))
    else:
        print("\n".join(_told(done)))
    return FAILED if done.divergence else HELD


def _compare(options: Namespace, seed: int, families: list[str]) -> Comparison:
    order = Order(seed, tuple(families), options.vcpus)
    minutes = options.minutes or (0 if options.ops else MINUTES)
    jobs = options.jobs or (1 if 0 < options.ops <= FEW else cpu_count() or 1)

    def enough(done: Comparison) -> bool:
        return bool(
            (options.ops and done.operations >= options.ops) or (minutes and done.seconds >= minutes * 60)
        )

    done = Comparison(seed)
    teller = Teller()
    try:
        for done in crew.diff(order, enough, jobs) if jobs > 1 else diff.diff(order, enough):
            teller.tell(done.line)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    finally:
        teller.clear()
    return done


def _told(done: Comparison) -> Iterator[str]:
    """Yield a divergence as a script, with both machines as comments, and how far it came."""
    found = done.divergence
    if found is not None:
        yield f"# {found.family}, program {found.seed}: holds on the kernel, fails on the model"
        yield from found.script()
        yield from _machine("the model", found.model)
        yield from _machine("the kernel", found.kernel)
    yield f"# {done.line()}" if found else done.line()


def _machine(name: str, snapshot: Snapshot) -> Iterator[str]:
    for pane in SHOWN:
        yield f"# {name}, {pane}:"
        yield from (f"#   {text}" for text in plain_lines(PANES[pane](snapshot)))
