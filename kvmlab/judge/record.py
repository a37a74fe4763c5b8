"""`kvmlab record`: recordings of the running kernel, in the format that `conform` replays.

New ones are of random programs, each recorded twice in fresh VMs and kept only if both are the same.
Again: the operations of a file that is there are made once more, and what the kernel shows now is
written, and compared with what the file has.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from kvmlab.backends.backend import Refused
from kvmlab.judge.families import FAMILIES, program
from kvmlab.judge.operations import APIC, Call
from kvmlab.judge.recorder import Recorder
from kvmlab.judge.recording import BadRecording, arguments, read, read_raw
from kvmlab.judge.translate import Op, Translator
from kvmlab.progress import progress

LENGTH = 40
"""Random operations of a new recording."""

VCPUS = (1, 1, 2, 4)
"""Their vCPUs, in turn."""


def release() -> str:
    """Return the running kernel's version as recordings have it, "6.18"."""
    return ".".join(os.uname().release.split(".")[:2])


# -- again ------------------------------------------------------------------------------------------------


def again(old: Path) -> Iterator[tuple[Op, Op]]:
    """Yield each trace of a file, and what the kernel shows now. Raises BadRecording and Refused."""
    for trace, recording in zip(read_raw(old), read(old), strict=True):
        if recording.kernel != "linux-6.x":
            raise BadRecording(
                old, 0, f"{recording.name} is of {recording.kernel}, and another kernel runs here"
            )
        made = Recorder(recording.vcpus, x2apic=recording.x2apic, pit=recording.pit)
        steps = [
            {"op": was["op"], "ret": made.operate(step.op, step.args), "obs": made.observe()}
            for was, step in zip(trace["steps"], recording.steps, strict=True)
        ]
        yield trace, {**trace, "kernel": release(), "steps": steps}


def differing(old: Op, new: Op) -> str:
    """Return where two recordings of the same operations first differ, "" for nowhere."""
    for number, (was, now) in enumerate(zip(old["steps"], new["steps"], strict=True)):
        if was != now:
            where = f"{old['name']}, step {number} ({was['op']['op']})"
            return f"{where}: recorded {_shown(was)}, now {_shown(now)}"
    return ""


def _shown(step: Op) -> str:
    return json.dumps({"ret": step["ret"], "obs": step["obs"]})


# -- new --------------------------------------------------------------------------------------------------


def fresh(seed: int, count: int, families: list[str], vcpus: int = 0) -> Iterator[Op | None]:
    """Yield recordings of random programs; None for one that did not come out the same twice."""
    for number in range(count):
        family = families[number % len(families)]
        many = vcpus or VCPUS[number // len(families) % len(VCPUS)]
        calls = program(Random(f"{seed}/{number}"), family, many, LENGTH)  # noqa: S311
        first, second = (_recorded(calls, many) for _turn in range(2))
        name = f"{family}-{number // len(families):03}"
        trace = {"name": name, "kernel": release(), "vcpus": many, "pit": False, "family": family}
        yield {**trace, "steps": first} if first == second else None


def _recorded(calls: list[Call], vcpus: int) -> list[Op]:
    """Record a program in a fresh VM, behind what firmware does to it."""
    made = Recorder(vcpus)
    translator = Translator(made)
    ops: list[Op] = [
        {"op": "mmio_write", "vcpu": vcpu, "addr": hex(APIC + 0xF0), "value": "0x1ff"}
        for vcpu in range(vcpus)
    ]
    ops += [{"op": "pio_write", "port": port, "value": "0xff"} for port in ("0x21", "0xa1")]
    steps = [_step(made, op, vcpus) for op in ops]
    for call in calls:
        steps += [_step(made, op, vcpus) for op in translator.operations(call)]
    return steps


def _step(made: Recorder, op: Op, vcpus: int) -> Op:
    name, args = arguments(op, vcpus)
    return {"op": op, "ret": made.operate(name, args), "obs": made.observe()}


# -- the program ------------------------------------------------------------------------------------------


def main(options: Namespace) -> int:
    """Record, and say what came of it: 0, 1 if the kernel shows something else now, 2 if it cannot."""
    target = Path(options.file)
    unknown = [name for name in options.family.split(",") if name and name not in FAMILIES]
    if unknown:
        print(
            f"kvmlab record: there is no family '{unknown[0]}'; there are {', '.join(FAMILIES)}",
            file=sys.stderr,
        )
        return 2
    try:
        with target.open("x", encoding="utf-8") as file:
            seen, text = _again(options, file.write) if options.again else _new(options, file.write)
    except FileExistsError:
        print(f"kvmlab record: {target} exists and is left as it is; give another name", file=sys.stderr)
    except (BadRecording, Refused) as bad:
        target.unlink()
        print(f"kvmlab record: {bad}", file=sys.stderr)
    except OSError as error:
        print(f"kvmlab record: {target} cannot be written: {error.strerror}", file=sys.stderr)
    else:
        print(json.dumps({"file": options.file, **seen}) if options.json else text)
        return 1 if seen.get("differing") else 0
    return 2


def _line(trace: Op) -> str:
    return json.dumps(trace, separators=(",", ":"), ensure_ascii=False) + "\n"


def _again(options: Namespace, write: Callable[[str], object]) -> tuple[Op, str]:
    """Make the operations of a file again; return what came of it, as data and as text."""
    different = []
    steps = 0
    old = Path(options.again)
    for trace, now in again(old):
        write(_line(now))
        steps += len(now["steps"])
        where = differing(trace, now)
        different += [where] if where else []
    text = f"{steps} steps of {old} recorded again, {len(different)} traces differ"
    return {"again": options.again, "steps": steps, "differing": different}, "\n".join([*different, text])


def _new(options: Namespace, write: Callable[[str], object]) -> tuple[Op, str]:
    """Record random programs; return what came of it, as data and as text."""
    families = options.family.split(",") if options.family else list(FAMILIES)
    kept = steps = 0
    with progress(options.traces) as tick:
        for trace in fresh(options.seed, options.traces, families, options.vcpus):
            tick()
            if trace is not None:
                write(_line(trace))
                kept, steps = kept + 1, steps + len(trace["steps"])
    lost = options.traces - kept
    odd = f"; {lost} that did not come out the same twice" if lost else ""
    seen = {"kernel": release(), "traces": kept, "steps": steps, "lost": lost}
    return seen, f"{kept} traces with {steps} steps of {release()} recorded to {options.file}{odd}"
