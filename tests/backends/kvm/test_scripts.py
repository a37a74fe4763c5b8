"""The scripts of the tests and scenarios on a real kernel: what holds on the model holds there, or is unseen.

A script is taken machine by machine. One that no kernel is (3.6's api, a switch) is left out, and so is what
stands behind a command that a real kernel refuses, up to the next machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from kvmlab.backends.kvm.backend import Kvm
from kvmlab.backends.kvm.unfaithful import UNFAITHFUL
from kvmlab.cli import main, make_session
from kvmlab.engine.profile import Profile
from kvmlab.language.errors import LanguageError
from kvmlab.language.script import parse_script
from kvmlab.scripts import beside, run

ROOT = Path(__file__).parent.parent.parent.parent
SCENARIOS = ROOT / "labs" / "scenarios"
OWN = sorted((SCENARIOS / "kvm").glob("*.kvm"))
SCRIPTS = [
    script
    for folder in (SCENARIOS, SCENARIOS / "bugs", SCENARIOS / "thread", ROOT / "tests" / "contract")
    for script in sorted(folder.glob("*.kvm"))
]
UNABLE = {"full-counter": "eventfd-limits", "source-ids": "source-capacity"}
"""Rows of the table of what the eoifd over a resampler cannot do, that a script for the model meets."""


HURRIED = {"39-eoi-storm": 5}
"""Scripts in which a kernel's work comes 10 ms later by the wall clock, and how often such a one is tried."""


class Said(NamedTuple):
    """One command of one machine, and what it came to."""

    line: int
    text: str
    held: bool | str | None
    result: tuple[object, str]


def machines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each machine's part of a script, and the line it begins at."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if re.match(r"machine\b", line)]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield start + 1, "\n".join(lines[start:end])


def substituted(text: str, backend: str, api: str) -> str:
    """Return a machine's part with another backend; a machine that names no kernel becomes one of 6.x."""
    head, _newline, rest = text.partition("\n")
    bare, _hash, _remark = head.partition("#")
    if "kernel=" not in bare:
        bare += " kernel=linux-6.x" + ("" if "api=" in bare else f" api={api}")
    bare = bare.replace("kernel=linux-3.6", "kernel=linux-6.x")
    return f"{bare} backend={backend}\n{rest}"


def said(text: str, path: Path) -> list[Said]:
    """Run one machine's part up to what a real kernel refuses. LanguageError for a machine that is none."""
    session = make_session()
    commands = parse_script(text.encode(), str(path), session.scope, beside)
    told = []
    for result in run(session, commands):
        refused = result.ret is None and result.held is None and bool(result.why)
        if refused and session.backend.profile.backend == "kvm":
            break
        told.append(Said(result.command.line, result.command.text, result.held, (result.ret, result.errno)))
    return told


def compared(script: Path, parts: list[tuple[int, str]], api: str) -> int:
    """Run parts on the model and on the kernel; return how many verdicts were compared."""
    known = list(parts)
    for _late in range(HURRIED.get(script.stem, 1) - 1):
        with suppress(AssertionError):
            return compared_once(script, known, api)
    return compared_once(script, known, api)


def compared_once(script: Path, parts: list[tuple[int, str]], api: str) -> int:
    """Do so, and fail where they come to something else."""
    verdicts = 0
    for start, part in parts:
        if "mode=smi" in part and "KVM_CAP_X86_SMM" in lacking():
            continue
        try:
            theirs = said(substituted(part, "kvm", api), script)
        except LanguageError:
            continue  # no kernel is that machine, or the api in its place lacks a word
        ours = said(substituted(part, "model", api), script)
        for mine, real in zip(ours, theirs, strict=False):
            if re.search(r"\bfd\.", mine.text):
                continue  # a number of the process
            where = f"{script.name}:{start + mine.line - 1}: {mine.text}"
            if isinstance(real.held, bool):
                verdicts += 1
                assert real.held == mine.held, where
            elif real.held is None:
                assert real.result == mine.result, where
    return verdicts


def parts_of(script: Path, *, own: bool) -> list[tuple[int, str]]:
    """Return the machines of a script that are of this kernel already, or those that are not."""
    parts = machines(script.read_text("utf-8"))
    return [(at, part) for at, part in parts if ("kernel=linux-6.x" in part.partition("\n")[0]) == own]


OF_THIS_KERNEL = [script for script in SCRIPTS if parts_of(script, own=True)]
OF_ANOTHER = [script for script in SCRIPTS if parts_of(script, own=False)]
"""Scripts with machines of this kernel, and those with others: no machine is run for both."""


def lacking() -> tuple[str, ...]:
    """Return what the host's kernel lacks."""
    return Kvm(Profile("linux-6.x", "resample", backend="kvm")).host.quirks.lacks


@pytest.mark.kvm
@pytest.mark.parametrize("script", OF_THIS_KERNEL, ids=lambda script: script.stem)
def test_a_script_of_this_kernel_holds_on_it(script: Path) -> None:
    """Every machine of 6.x as it stands, its backend substituted."""
    assert compared(script, parts_of(script, own=True), "resample") > 0


@pytest.mark.kvm
@pytest.mark.parametrize("script", OF_ANOTHER, ids=lambda script: script.stem)
def test_a_script_of_the_thread_is_the_same_over_a_resampler(script: Path) -> None:
    """Every other machine of v7 or of the resampler, as one of 6.x: the model's verdicts and the kernel's."""
    if script.stem in UNABLE.values():
        pytest.skip("it meets a row of the table of what cannot be done")
    if not compared(script, parts_of(script, own=False), "eoifd-v7"):
        pytest.skip("no machine of it is one that a kernel is")


@pytest.mark.kvm
@pytest.mark.parametrize("script", OWN, ids=lambda script: script.stem)
def test_a_scenario_of_the_real_kernel_holds(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each opens with its claim, and every expectation that can be seen holds."""
    assert script.read_text("utf-8").startswith("# Claim:")
    assert main(["run", str(script)]) == 0
    assert " 0 failed" in capsys.readouterr().err


def test_each_row_of_what_cannot_be_done_has_its_script() -> None:
    """By name; a row says what v7 does and what is done instead."""
    assert {script.stem.partition("-eoifd-")[2] for script in OWN} - {""} == set(UNFAITHFUL)
    assert all(theirs and ours and theirs != ours for theirs, ours in UNFAITHFUL.values())
