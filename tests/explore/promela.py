"""Programs of locks, cells and RCU as Promela, one d_step an op, and what spin counts of them.

A context's place is its process's place and what it received so far; one that is done stands at an
end label, as a process that dies would add states of its own.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from random import Random

from tests.explore.programs import CELLS, Program

LOCKS = ("s1", "s2")


def speakable(seed: int) -> Program:
    """Return a random program of what can be said in Promela."""
    random = Random(seed)  # noqa: S311 - seeded, to be the same everywhere
    program = Program(values=tuple([random.choice((0, 1)) for _ in CELLS]))
    for name in ("a", "b", "c", "d")[: random.randint(2, 4)]:
        steps: list[str] = []
        while len(steps) < random.randint(2, 5):
            steps += _block(random)
        program.calls[name] = [tuple(steps)]
    return program


def _block(random: Random) -> list[str]:
    cell, lock = random.choice(CELLS), random.choice(LOCKS)
    access = random.choice(
        (f"load {cell}", f"store {cell} {random.randint(0, 2)}", f"swap {cell} {random.randint(0, 2)}")
    )
    return random.choice(
        (
            [access],
            [f"lock {lock}", access, f"unlock {lock}"],
            ["rcu", access, "unrcu"],
            [f"wait {cell}"],
            [access, "grace", "graced"],
        )
    )


TEARDOWN = Program(
    {
        "eoi": [("rcu", "load cell#1", "lock s2", "swap cell#2 0", "unlock s2", "unrcu")],
        "closer": [("lock s1", "swap cell#1 0", "unlock s1", "store cell#3 1")],
        "worker": [("wait cell#3", "grace", "graced", "lock s2", "store cell#2 2", "unlock s2")],
        "undoer": [("lock s1", "load cell#1", "unlock s1", "wait cell#3")],
        "injector": [("lock s2", "swap cell#2 1", "unlock s2")],
    },
    values=(1, 0, 0),
)
"""A teardown: unlisted under one lock, a grace period waited for by a worker, freed under another."""


def promela(program: Program) -> str:
    """Write a program down in Promela."""
    names = list(program.calls)
    text = [f"byte cell{number} = {value};" for number, value in enumerate(program.values, 1)]
    text += [f"bit {lock};" for lock in LOCKS]
    text += [f"bit reads_{name};" for name in names]
    text += [f"bit waits_{one}_{other};" for one in names for other in names if one != other]
    for name, [steps] in program.calls.items():
        received = "".join([f"  byte r{number};\n" for number in range(len(steps))])
        body = "".join([f"  d_step {{ {_op(step, name, n, names)} }};\n" for n, step in enumerate(steps)])
        text.append(f"active proctype {name}() {{\n{received}{body}end_{name}: false\n}}")
    return "\n".join(text) + "\n"


def _op(step: str, me: str, number: int, names: list[str]) -> str:
    verb, *words = step.split()
    cell = words[0].replace("#", "") if words else ""
    others = [name for name in names if name != me]
    return {
        "load": f"r{number} = {cell}",
        "store": f"{cell} = {words[-1] if words else 0}",
        "swap": f"r{number} = {cell}; {cell} = {words[-1] if words else 0}",
        "wait": f"{cell} != 0 -> skip",
        "lock": f"{cell} == 0 -> {cell} = 1",
        "unlock": f"{cell} = 0",
        "rcu": f"reads_{me} = 1",
        "unrcu": f"reads_{me} = 0; " + "; ".join([f"waits_{other}_{me} = 0" for other in others]),
        "grace": "; ".join([f"waits_{me}_{other} = reads_{other}" for other in others]),
        "graced": " && ".join([f"waits_{me}_{other} == 0" for other in others]) + " -> skip",
    }[verb]


def counted(text: str, folder: Path) -> tuple[int, int]:
    """Return how many states and transitions spin finds, without any reduction of its own."""
    (folder / "twin.pml").write_text(text)
    for command in (
        ["spin", "-a", "-o1", "-o2", "-o3", "twin.pml"],
        ["gcc", "-w", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    ran = subprocess.run(
        [folder / "pan", "-E", "-m100000"], cwd=folder, check=True, capture_output=True, text=True
    )
    states, transitions = (
        re.search(rf"(\d+) {what}", ran.stdout) for what in ("states, stored", "transitions")
    )
    assert states and transitions
    return int(states[1]), int(transitions[1])
