"""`kvmlab bench`: the budgets of the design, measured on this machine.

Each figure is the best of many short batches, so that a busy machine does not decide it. Start-up
is measured as whole processes. A real kernel driven from Python does 22 to 25 thousand cycles a
second (6.18, EPYC), which is the peer of the full cycle.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import partial

from kvmlab.engine.machine import Machine
from kvmlab.language.complete import complete
from kvmlab.language.errors import LanguageError
from kvmlab.language.parse import parse_line
from kvmlab.language.scope import Scope
from kvmlab.session import Session

REAL_KERNEL = 25_000
"""Full cycles a second of a real kernel driven from Python."""

ENTRY = ((0xFF, 0x41), (1 << 15, 1 << 15), (1 << 16, 0))
"""Pin 11: vector 0x41, level, unmasked; as (mask, bits) of the low dword."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement: ``most`` is True when the budget is an upper bound; ``note`` names a peer."""

    part: str
    what: str
    value: float
    unit: str
    budget: float
    most: bool
    note: str = ""

    @property
    def kept(self) -> bool:
        """Tell whether the budget is kept."""
        return self.value <= self.budget if self.most else self.value >= self.budget


def best(act: Callable[[], object], batch: int = 50, batches: int = 100) -> float:
    """Return the seconds of one call in the fastest batch."""
    fastest = float("inf")
    for _ in range(batches):
        begun = time.perf_counter()
        for _ in range(batch):
            act()
        fastest = min(fastest, time.perf_counter() - begun)
    return fastest / batch


def cycle(machine: Machine, others: int = 0) -> Callable[[], int]:
    """Wire a level irqfd and its eoifd to pin 11, with other irqfds beside; return one full cycle."""
    for number in range(others):
        machine.irqfd(machine.eventfd(), 100 + number)
    trigger, unmask = machine.eventfd(), machine.eventfd()
    machine.call("vcpu0", "guest_ioapic", 0, 11, ENTRY, None)
    key = machine.irqfd(trigger, 11, 2)
    machine.eoifd(unmask, 2, key)

    def once() -> int:
        machine.write(trigger)
        machine.take()
        machine.eoi()
        return machine.read(unmask)

    return once


def _cycle() -> Iterator[Figure]:
    rate = 1 / best(cycle(Machine()))
    note = f"{rate / REAL_KERNEL:.1f} x a real kernel driven from Python"
    yield Figure("cycle", "full cycle, Machine methods", rate, "/s", 40_000, most=False, note=note)


def _growth() -> Iterator[Figure]:
    alone, crowded = cycle(Machine()), cycle(Machine(), others=999)
    ratio = min(best(crowded, batches=20) / best(alone, batches=20) for _ in range(5))
    yield Figure("growth", "that cycle with 1 000 irqfds against 1", ratio, "x", 1.1, most=True)


def _session() -> Iterator[Figure]:
    session = Session()
    setup = "eventfd t; eventfd u; ioapic 11 vector=0x41 level unmasked; irqfd t gsi=11 level"
    for command in parse_line(f"{setup}; eoifd u key=t level", session.scope):
        session.execute(command)
    commands = parse_line("write t; take; eoi; read u", session.scope)

    def once() -> None:
        for command in commands:
            session.execute(command)

    rate = 1 / best(once)
    yield Figure("session", "full cycle, parsed commands, undo on", rate, "/s", 15_000, most=False)
    for _ in range(2_500):
        once()
    undo, redo = parse_line("undo; redo", session.scope)

    def back_and_forth() -> None:
        session.execute(undo)
        session.execute(redo)

    yield Figure("session", "undo after 10 000 commands", best(back_and_forth) * 500, "ms", 2, most=True)


def _language() -> Iterator[Figure]:
    scope = Scope()
    parse_line("eventfd trigger; eventfd unmask", scope)
    lines = (
        "irqfd trigger gsi=11 level",
        "ioapic 11 vector=0x41 level unmasked",
        "write trigger",
        "expect ioapic.11.remote_irr == 1 and lapic.0.irr == {0x41}",
    )
    slowest = max(best(partial(parse_line, line, scope)) for line in lines)
    yield Figure("language", "parse a line (the slowest of four)", slowest * 1e6, "µs", 50, most=True)
    prefixes = ("", "ir", "irqfd tr", "ioapic 11 ", "expect ioapic.11.")
    slowest = max(best(partial(complete, text, len(text), scope), batch=10) for text in prefixes)
    yield Figure("language", "complete a line (the slowest of five)", slowest * 1e3, "ms", 1, most=True)


def _startup() -> Iterator[Figure]:
    programs: tuple[tuple[str, tuple[str, ...], float], ...] = (
        ("kvmlab --help", ("--help",), 80),
        ("kvmlab run", ("run", "-c", "eventfd a"), 80),
    )
    for what, words, budget in programs:
        command = [sys.executable, "-m", "kvmlab", *words]
        seconds = best(partial(subprocess.run, command, capture_output=True, check=True), 1, 10)
        yield Figure("startup", what, seconds * 1e3, "ms", budget, most=True)
    yield Figure("startup", "the prompt", min(_prompt() for _ in range(5)) * 1e3, "ms", 160, most=True)


def _tui() -> Iterator[Figure]:
    from kvmlab.judge.bench_tui import measure

    for what, value, unit, most, note in measure():
        yield Figure("tui", what, value, unit, most, most=True, note=note)


def _explore() -> Iterator[Figure]:
    from kvmlab.judge.bench_explore import measure

    seconds, note = measure()
    yield Figure("explore", "six contexts of the teardown, exhaustive", seconds, "s", 5, most=True, note=note)


def _prompt() -> float:
    """Return the seconds from exec to the prompt on a terminal of its own."""
    import pty

    begun = time.perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm", PROMPT_TOOLKIT_NO_CPR="1")
        os.execv(sys.executable, [sys.executable, "-m", "kvmlab", "repl"])
    seen = b""
    while b"kvm>" not in seen:
        seen += os.read(terminal, 4096)
    taken = time.perf_counter() - begun
    os.write(terminal, b"\x04")
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:  # the child has closed its side
        pass
    os.waitpid(child, 0)
    os.close(terminal)
    return taken


def _kvm() -> Iterator[Figure]:
    """Measure the same cycle through the same layers, on the model and on the kernel that runs here.

    Raises LanguageError where there is none.
    """
    rates = {backend: _cycles(f"machine kernel=linux-6.x backend={backend}") for backend in ("model", "kvm")}
    ratio = rates["model"] / rates["kvm"]
    note = f"{rates['model']:,.0f} against {rates['kvm']:,.0f} cycles a second"
    yield Figure("kvm", "full cycle, parsed commands, real kernel", rates["kvm"], "/s", 2_000, most=False)
    yield Figure("kvm", "the model against it", ratio, "x", 1, most=False, note=note)


def _cycles(machine: str) -> float:
    """Return cycles a second of a resampling irqfd on a machine, commands parsed before."""
    session = Session()
    setup = "eventfd t; eventfd u; ioapic 11 vector=0x41 level unmasked; irqfd t gsi=11 resample=u"
    for command in parse_line(f"{machine}; {setup}", session.scope):
        session.execute(command)
    commands = parse_line("write t; take; eoi; read u", session.scope)

    def once() -> None:
        for command in commands:
            session.execute(command)

    return 1 / best(once, batches=40)


PARTS: dict[str, Callable[[], Iterator[Figure]]] = {
    "cycle": _cycle,
    "growth": _growth,
    "session": _session,
    "language": _language,
    "startup": _startup,
    "tui": _tui,
    "explore": _explore,
    "kvm": _kvm,
}
"""Every part by its name."""


def main(part: str, as_json: bool = False) -> int:
    """Measure one part, or all; print each figure against its budget. 2 for an unknown part.

    What cannot be measured here is told on stderr.
    """
    if part and part not in PARTS:
        near = get_close_matches(part, PARTS, 1)
        hint = f"did you mean '{near[0]}'?" if near else "expected " + ", ".join(PARTS)
        print(f"kvmlab bench: there is no part '{part}'; {hint}", file=sys.stderr)
        return 2
    for name in [part] if part else PARTS:
        try:
            for figure in PARTS[name]():
                print(json.dumps(asdict(figure)) if as_json else line_of(figure), flush=True)
        except LanguageError as error:  # no machine of that kind is to be had here
            print(f"{name}: not measured: {error.sentence()}", file=sys.stderr)
    return 0


def line_of(figure: Figure) -> str:
    """Return a figure as a line of text."""
    shown = f"{figure.value:,.0f}" if figure.value >= 100 else f"{figure.value:.2f}"
    bound = "≤" if figure.most else "≥"
    verdict = "kept" if figure.kept else "MISSED"
    note = f"  ({figure.note})" if figure.note else ""
    budget = f"{bound} {figure.budget:>6,g} {figure.unit:<3}"
    return f"{figure.what:<42}{shown:>9} {figure.unit:<3} {budget} {verdict}{note}"
