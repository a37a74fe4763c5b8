"""Is the model true? Recorded behaviour replayed on a machine, every recorded field compared.

Each trace gets a fresh machine in its reset state, its operations go through the same methods
that commands use, and after each one the return value, the whole recorded state, the
acknowledgements and the tracepoint texts are compared.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from kvmlab.engine.tracetext import format_event
from kvmlab.judge.recording import BadRecording, Recording, read
from kvmlab.judge.subject import OPERATIONS, Subject, observe
from kvmlab.progress import progress

TEXT_EVENTS = frozenset(
    {
        "kvm_set_irq",
        "kvm_ioapic_set_irq",
        "kvm_pic_set_irq",
        "kvm_apic_accept_irq",
        "kvm_msi_set_irq",
        "kvm_apic_ipi",
        "kvm_eoi",
        "kvm_ack_irq",
    }
)
"""Tracepoints whose texts are recorded."""

MISSING = "(not visible)"
"""What stands for a recorded field that the machine does not show."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where a machine first differs from its recording."""

    trace: str
    step: int
    op: str
    field: str
    recorded: Any
    seen: Any

    def __str__(self) -> str:
        where = f"{self.trace}, step {self.step} ({self.op}), {self.field}"
        return f"{where}: recorded {_shown(self.recorded)}, seen {_shown(self.seen)}"


@dataclass(slots=True)
class Result:
    """What was compared in how much of a file, and where it differed.

    ``divergences`` has the first one of each trace, which is not replayed any further.
    """

    traces: int = 0
    steps: int = 0
    fields: int = 0
    steps_agreed: int = 0
    fields_agreed: int = 0
    divergences: list[Divergence] = field(default_factory=list)

    @property
    def traces_agreed(self) -> int:
        """How many traces agreed from beginning to end."""
        return self.traces - len(self.divergences)

    def summary(self) -> str:
        """Return one line: how many traces, steps and fields agreed."""
        return (
            f"{self.traces_agreed} of {self.traces} traces, {self.steps_agreed} of {self.steps} steps, "
            f"{self.fields_agreed} of {self.fields} fields agreed"
        )

    def text(self, file: str) -> str:
        """Return the divergences, one a line, and the summary under a file's name."""
        return "\n".join([*map(str, self.divergences), f"{file}: {self.summary()}"])

    def numbers(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {**asdict(self), "traces_agreed": self.traces_agreed}


def conform(
    file: str | Path,
    only: Callable[[str], bool] = lambda _name: True,
    tick: Callable[[], None] = lambda: None,
) -> Result:
    """Replay a file of recordings, or those of its traces whose name ``only`` accepts.

    ``tick`` is called after each. Raises BadRecording, with file and line, for a file that cannot
    be replayed.
    """
    result = Result()
    for recording in read(Path(file)):
        if only(recording.name):
            replay(recording, result)
        tick()
    return result


def replay(recording: Recording, result: Result) -> None:
    """Replay one trace up to its first divergence and add to a result what was compared."""
    result.traces += 1
    subject = Subject(recording)
    operations = OPERATIONS[recording.kernel]
    recorded: dict[str, Any] = {}
    for number, step in enumerate(recording.steps):
        result.steps += 1
        subject.machine.trace.commit()
        ret = operations[step.op](subject, *step.args)
        recorded.update(step.obs)
        seen = observe(subject)
        pairs = [
            ("ret", step.ret, ret),
            *[(name, value, seen.get(name, MISSING)) for name, value in recorded.items()],
        ]
        pairs += subject.acknowledged(step)
        if recording.text is not None:
            traced, _lost = subject.machine.trace.commit()
            texts = [format_event(event, recording.kernel) for event in traced if event[0] in TEXT_EVENTS]
            pairs += _text_pairs(recording.text[number], texts)
        differing = [pair for pair in pairs if pair[1] != pair[2]]
        result.fields += len(pairs)
        result.fields_agreed += len(pairs) - len(differing)
        if differing:
            result.divergences.append(Divergence(recording.name, number, step.op, *differing[0]))
            return
        result.steps_agreed += 1


def main(files: Sequence[str], *, as_json: bool = False) -> int:
    """Replay files and print what was found: 0 if all agreed, 1 if not, 2 for a bad file.

    A bad file is told on stderr (with ``as_json``: in its object), and the rest goes on.
    """
    status = 0
    for file in files:
        try:
            with progress(_lines(file)) as tick:
                result = conform(file, tick=tick)
        except BadRecording as bad:
            status = 2
            line = json.dumps({"file": file, "error": str(bad)}) if as_json else ""
            if not as_json:
                sys.stderr.write(f"{bad}\n")
        else:
            status = max(status, 1 if result.divergences else 0)
            line = json.dumps({"file": file, **result.numbers()}) if as_json else result.text(file)
        if line:
            sys.stdout.write(f"{line}\n")
    return status


def _lines(file: str) -> int:
    """Return how many traces a file has; 0 for one that can't be read, which reading it will tell."""
    if not Path(file).is_file():
        return 0
    try:
        with Path(file).open("rb") as lines:
            return sum(1 for _line in lines)
    except OSError:
        return 0


def _text_pairs(recorded: tuple[str, ...], seen: list[str]) -> Iterator[tuple[str, Any, Any]]:
    for number, (line, own) in enumerate(zip_longest(recorded, seen, fillvalue="(nothing)")):
        yield f"trace.{number}", line, own


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "{" + ", ".join(map(_shown, value)) + "}"
    return hex(value) if isinstance(value, int) and not -1024 <= value < 10 else str(value)
