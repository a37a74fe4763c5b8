"""How fast an exploration is: the six contexts of the teardown on the whole engine, next to spin.

Spin's twin is the teardown with one step for each kernel primitive and nothing of the chips, so that
the ratio says what exploring the real paths costs beside exploring a model that was written for it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from kvmlab.explore.judge import sanitizers
from kvmlab.explore.search import Search
from kvmlab.explore.sidebyside import SideBySide
from kvmlab.explore.start import Start
from kvmlab.explore.verdict import Asked
from kvmlab.language.parse import parse_line
from kvmlab.session import Session

FEW = 20_000
"""As many states each reduction is given."""

CAPACITY = 62
"""As many more level irqfds leave no source ID free."""

TEARDOWN = (
    "eventfd trigger; eventfd unmask; eventfd spare",
    "ioapic 11 vector=0x41 level unmasked",
    "irqfd trigger gsi=11 level; eoifd unmask key=trigger level",
    *(f"eventfd other{number}; irqfd other{number} gsi={16 + number} level" for number in range(CAPACITY)),
    "write trigger; take",
    "actor closes-irqfd: close trigger",
    "actor closes-eoifd: close unmask",
    "actor deassigns: eoifd unmask key=trigger level deassign",
    "actor cpu: eoi",
    "actor assigns: irqfd spare gsi=12 level",
)
"""close(irqfd), close(eoifd), deassign, EOI and assign at capacity; the cleanup worker is there anyway."""

TWIN = """
bool irqfds, eoifds, sources, wqh1, wqh2, irqfd_on = true, eoifd_on = true;
byte ref = 2, readers, queued, done;
#define LOCK(l) d_step { !l -> l = true }
#define UNLOCK(l) l = false
inline deactivate(on) {
    LOCK(wqh1);
    if :: d_step { on -> on = false }; queued++ :: else fi;
    UNLOCK(wqh1)
}
active proctype closes_irqfd() { LOCK(irqfds); deactivate(irqfd_on); UNLOCK(irqfds) }
active proctype closes_eoifd() { LOCK(eoifds); deactivate(eoifd_on); UNLOCK(eoifds) }
active proctype deassigns() {
    LOCK(sources); ref++; UNLOCK(sources);
    LOCK(eoifds); deactivate(eoifd_on); UNLOCK(eoifds);
    queued == done; LOCK(sources); ref--; UNLOCK(sources)
}
active proctype eoi() {
    readers++; if :: eoifd_on -> LOCK(wqh2); UNLOCK(wqh2) :: else fi; readers--
}
active proctype worker() {
end: do :: done < queued; readers == 0; LOCK(wqh2); UNLOCK(wqh2);
        LOCK(sources); ref--; UNLOCK(sources); done++ od
}
active proctype assigns() { queued == done; LOCK(sources); ref = ref; UNLOCK(sources) }
"""


def measure() -> tuple[float, str]:
    """Return how many seconds of a core the whole teardown takes, and what there is to say of it."""
    start = ready()
    world = start.world()
    search = Search(world, sanitizers, "section")
    begun = time.process_time()
    for _progress in search.run():
        world.machine.trace.clear()
    seconds = time.process_time() - begun
    outcome = search.outcome
    seen = "every schedule" if outcome.exhausted else "NOT every schedule"
    rate = outcome.states / seconds
    note = f"{seen}, atomicity section: {outcome.states:,} states, {rate:,.0f}/s; {beside(rate)}"
    return seconds, "\n".join([note, *op_by_op(start)])


def ready() -> Start:
    """Return where the teardown stands ready."""
    session = Session()
    for text in TEARDOWN:
        for command in parse_line(text, session.scope):
            session.execute(command)
    return Start.of(session)


def op_by_op(start: Start) -> Iterator[str]:
    """Yield what each reduction has to look at, as far as a few seconds go."""
    compared = SideBySide(start, Asked(cap=FEW), ())
    for _progress in compared.run():
        pass
    for effort in compared.efforts:
        seen = "" if effort.exhausted else ", not exhausted"
        counts = f"{effort.states:,} states, {effort.transitions:,} transitions, {effort.ways} interleavings"
        yield f"{effort.reduction:>9}: {counts}, {effort.seconds:.1f} s{seen}"


def beside(rate: float) -> str:
    """Return how a rate compares with spin's, or why it cannot be compared."""
    if not (shutil.which("spin") and shutil.which("cc")):
        return "not compared: spin, or a C compiler, is not installed"
    try:
        states, seconds = _spin()
    except (OSError, subprocess.SubprocessError, AttributeError) as error:
        return f"not compared: spin failed: {error}"
    theirs = states / max(seconds, 0.01)
    return f"1/{theirs / rate:,.0f} of spin's {theirs:,.0f} states/s on its abstract twin of {states:,.0f}"


def _spin() -> tuple[float, float]:
    """Let spin go through its twin; return how many states and how many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "twin.pml").write_text(TWIN, encoding="utf-8")
        for words in ("spin -a twin.pml", "cc -O2 -DSAFETY -DNOREDUCE -w -o pan pan.c"):
            subprocess.run(words.split(), cwd=folder, check=True, capture_output=True, timeout=120)
        ran = subprocess.run(
            ["./pan", "-m100000", "-c0"], cwd=folder, check=True, capture_output=True, text=True, timeout=120
        )
    states = re.search(r"([\d.e+]+) states, stored", ran.stdout)
    seconds = re.search(r"elapsed time ([\d.]+) seconds", ran.stdout)
    assert states is not None, "pan always says how many states it stored"
    return float(states[1]), float(seconds[1]) if seconds else 0.01
