"""`kvmlab explore`, and what it saves: as a person meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from kvmlab.cli import main
from kvmlab.explore.judge import LOST
from kvmlab.explore.schedule import proof
from kvmlab.explore.start import Start
from kvmlab.language.parse import parse_line
from kvmlab.language.scope import Scope
from kvmlab.progress import Pace
from kvmlab.result import Underway
from kvmlab.scripts import run
from kvmlab.shell import Shell
from tests.explore.stand import FREED, LEFT, SMALL, SOUND, STUCK, said, say

HELD, FAILED, WRONG = 0, 1, 2


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVMLAB_STATE_DIR", str(tmp_path / "state"))


def written(tmp_path: Path, *lines: str) -> str:
    """Write a script; return its path."""
    path = tmp_path / "race.kvm"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_nothing_found_in_everything_is_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict is printed in words; no journal stays."""
    assert main(["explore", written(tmp_path, *SOUND), "--atomicity", "section"]) == HELD
    out = capsys.readouterr().out
    assert out.startswith("nothing found\nexhausted: every schedule; ")
    assert "races inside a section are not seen" in out
    assert not list((tmp_path / "state").rglob("*.json"))


def test_something_found_is_1_and_told_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Options fill in what the script's own `explore` leaves out, and go before it."""
    path = written(tmp_path, *FREED, "explore bound=0 atomicity=section", "expect 1 == 2")
    assert main(["explore", path, "--json"]) == HELD
    assert json.loads(capsys.readouterr().out)["verdict"]["bound"] == 0
    assert main(["explore", path, "--json", "--bound", "1"]) == FAILED
    told = json.loads(capsys.readouterr().out)
    assert told["found"] == len(told["failures"]) == 1
    assert told["verdict"]["extent"] == "bounded"
    assert told["failures"][0]["kind"] == "use-after-free"
    assert told["failures"][0]["schedule"][0][0] in {"closer", "vcpu0"}


def test_what_is_beyond_the_cap_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing found in a part is no proof; the journal goes on with a larger cap."""
    path = written(tmp_path, *SOUND)
    assert main(["explore", path, "--atomicity", "section", "--cap", "50"]) == FAILED
    told = capsys.readouterr()
    assert "not exhausted: there are more states than the cap allows" in told.out
    journal = told.err.split("--resume ")[1].split("'")[0]
    assert main(["explore", path, "--atomicity", "section", "--resume", journal]) == HELD
    assert not Path(journal).exists()
    assert main(["explore", path, "--atomicity", "section", "--resume", journal]) == WRONG


@pytest.mark.parametrize(
    ("words", "said_so"),
    [
        (("--bound", "x"), "'x' is no number"),
        (("--atomicity", "secton"), "did you mean 'section'?"),
        (("--atomicity", "section", "--reduction", "fused"), "has no reduction"),
        (("--property", "foo == 1"), "--property:1:8: no fact is called 'foo'"),
        (("--property", "never reports; undo"), "--property:1:"),
        (("--resume", "nowhere"), "No such file"),
        (("--save", "/dev/null/x"), "/dev/null"),
    ],
)
def test_wrong_text_is_2(
    words: tuple[str, ...], said_so: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing has been searched then, and nothing printed."""
    assert main(["explore", written(tmp_path, *SOUND), *words]) == WRONG
    told = capsys.readouterr()
    assert said_so in told.err
    assert told.out == ""


@pytest.mark.parametrize("lines", [SOUND, (*FREED, "explore atomicity=section")], ids=["sound", "freed"])
def test_two_processes_find_what_one_does(
    lines: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same states, transitions and failures, and a property that is checked by the workers."""
    told = []
    for jobs in ([], ["--jobs", "2"]):
        options = ["--atomicity", "section", "--property", "reports == 0", "--json", *jobs]
        main(["explore", written(tmp_path, *lines), *options])
        report = json.loads(capsys.readouterr().out)
        counted = [report["verdict"][name] for name in ("extent", "states", "transitions")]
        told.append((counted, sorted([each["kind"], each["text"]] for each in report["failures"])))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--jobs", "2", "--bound", "1"], "a bound is searched by one process"),
        (["--cluster", "tcp://127.0.0.1:1"], "--cluster needs dask.distributed"),
    ],
)
def test_what_workers_cannot_do_is_2(
    options: list[str],
    why: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One sentence says what."""
    monkeypatch.setattr("kvmlab.explore.cluster.SECONDS", 0.1)
    if "--cluster" in options and find_spec("distributed") is not None:
        why = "no scheduler answers"
    assert main(["explore", written(tmp_path, *SOUND), *options]) == WRONG
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "claim", "reduction"),
    [
        ([], "", "reduced"),
        (["--reduction", "fused"], "", "fused"),
        ([], "never reports.leak > 0", "plain"),
    ],
)
def test_the_verdict_says_what_workers_leave_out(
    options: list[str], claim: str, reduction: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was asked for, unless a property reads reports."""
    path = written(tmp_path, *SMALL, claim)
    assert main(["explore", path, "--jobs", "1", "--json", *options]) == FAILED
    verdict = json.loads(capsys.readouterr().out)["verdict"]
    assert verdict["extent"] == "exhausted"
    assert verdict["reduction"] == reduction


def test_a_schedule_that_cannot_be_saved_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk: with what was found told before, and no half of it left."""

    def full(*_args: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kvmlab.exploring.script", full)
    options = ["--atomicity", "section", "--save", str(tmp_path / "out")]
    assert main(["explore", written(tmp_path, *FREED), *options]) == WRONG
    told = capsys.readouterr()
    assert told.out.startswith("1 thing found")
    assert "race-1-use-after-free.kvm cannot be written: No space left" in told.err
    assert list((tmp_path / "out").iterdir()) == []


def test_a_property_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An expression alone must always hold."""
    path = written(tmp_path, *SOUND)
    words = ["explore", path, "--atomicity", "section", "--json", "--property"]
    assert main([*words, "eventfd.unmask.count == 0"]) == FAILED
    (failure,) = json.loads(capsys.readouterr().out)["failures"]
    assert (failure["kind"], failure["text"]) == ("always", "eventfd.unmask.count == 0")
    assert main([*words, "never eventfd.unmask.count > 5"]) == HELD


BROKEN = (
    (*SOUND, "never eventfd.unmask.count == 1"),
    (*SOUND, "actor vmm: expect 0: read unmask"),
    (*SOUND, "always eoifd.unmask != none"),
)


@pytest.mark.parametrize("lines", [FREED, LEFT, STUCK, *BROKEN])
def test_a_saved_schedule_runs_as_it_stands(
    lines: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its last command expects the failure; `replay` plays its steps in a machine that stands as ready."""
    words = ["explore", written(tmp_path, *lines), "--atomicity", "section", "--save", str(tmp_path / "out")]
    assert main(words) == FAILED
    saved = sorted((tmp_path / "out").iterdir())
    assert saved
    capsys.readouterr()
    for file in saved:
        assert main(["run", str(file)]) == HELD, file.read_text()
        told = capsys.readouterr()
        assert told.out.endswith("held\n")
        (result,) = say(said(*lines[:-1], lines[-1]), f"replay {file}")
        assert "moved" not in result.why
    assert main(words) == FAILED
    assert "exists and is left as it is" in capsys.readouterr().err


def test_a_step_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """Where reality diverges the replay ends; it is one unit, which undo takes back."""
    path = written(
        tmp_path, "machine", "eventfd a", "actor one: write a", "manual", "step one 2", "step one 99"
    )
    session = said("machine", "eventfd a", "actor one: write a")
    before = session.backend.snapshot(None)
    (result,) = say(session, f"replay {path}")
    assert result.held is False
    assert result.why.startswith(f"{path}:6: step one 99: it moved by ")
    say(session, "undo")
    assert session.backend.snapshot(None) == before
    (result,) = say(said("machine"), f"replay {path}")
    assert result.why == f"{path}:5: no context is called one here"


def test_an_exploration_is_no_unit_of_history() -> None:
    """It leaves the machine as it is: what was undone can still be done again, and its result is the last."""
    session = said("machine", "eventfd a", "write a 2", "actor other: write a 3", "actor one: read a")
    say(session, "never eventfd.a.count == 5; undo; explore side-by-side cap=10")
    (told,) = say(session, "explore")
    assert told.ret == 1 and len(session.history) == session.history.position + 1
    say(session, "redo; explore")
    assert session.last[0] == 1
    assert [unit.text for unit in session.history.units][-1] == "actor one: read a"


@pytest.mark.parametrize(("lines", "why"), [(None, "No such file"), (("machine",), "no step in it")])
def test_a_file_that_is_no_schedule_is_wrong_text(
    lines: tuple[str, ...] | None, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends a script, as a `source` that cannot be read does."""
    path = str(tmp_path / "nowhere.kvm") if lines is None else written(tmp_path, *lines)
    assert main(["run", "-c", f"replay {path}"]) == WRONG
    assert why in capsys.readouterr().err


def test_a_diagram_and_an_account(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A participant, or a column, for each context; a note, or some lines, for each run."""
    path = written(tmp_path, *FREED)
    assert main(["explore", path, "--atomicity", "section", "--mermaid"]) == FAILED
    diagram = capsys.readouterr().out.splitlines()
    assert diagram[0] == "sequenceDiagram"
    assert diagram[2:5] == [
        "    participant c0 as vcpu0",
        "    participant c1 as closer",
        "    participant c2 as irqfd-cleanup",
    ]
    assert not any(
        "#" in line.replace("#35;", "") or ";" in line.replace("#35;", "") for line in diagram[:-3]
    )
    assert diagram[-2].startswith("%% exhausted")
    assert main(["explore", path, "--atomicity", "section"]) == FAILED
    account = capsys.readouterr().out
    assert account.startswith("1 thing found\n1. use-after-free: vcpu0 touches eventfd#2")
    assert "\nvcpu0  " in account


def test_progress_has_a_rate_and_an_estimate() -> None:
    """What is counted is named, and so is how long it takes at most; each part is counted by itself."""
    (command,) = parse_line("explore", Scope())
    underway, pace = Underway(command, "states", 5_000, done=1_000, doing="searching"), Pace()
    pace.look(underway, 0.0)
    underway.done, underway.waiting = 3_000, 40
    assert pace.text(underway, 2.0) == "searching: 3,000 states, 1,000/s, 40 wait, at most 2 s more"
    underway.doing, underway.found = "trying luck", 1
    assert pace.text(underway, 9.0) == "trying luck: 3,000 states, 0/s, 40 wait; 1 found"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_long_search_tells_how_far_it_is(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a script and at the prompt; on a terminal alone, and nothing of it is left behind."""
    monkeypatch.setattr("kvmlab.progress.PATIENCE", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    session, shown = said(*FREED), list[str]()
    list(run(session, parse_line("explore reduction=plain", session.scope)))
    Shell(session, lambda _rows: shown.append(capsys.readouterr().err)).run_line("explore reduction=plain")
    assert len(shown) == 1
    assert ("\rsearching: " in shown[0]) == terminal
    assert shown[0].count("searching") > 2 or not terminal
    assert shown[0].endswith("\r\x1b[K") or not terminal


def said_until(terminal: int, word: str = "") -> str:
    """Return what a program says on a terminal up to a word; to its end where there is none."""
    said = b""
    while not word or word.encode() not in said:
        try:
            said += os.read(terminal, 4_096)
        except OSError:  # nobody holds the other end any more
            break
    return said.decode()


def test_ctrl_c_keeps_what_was_found_and_leaves_a_journal(tmp_path: Path) -> None:
    """The verdict says that it was stopped, and stderr how to go on."""
    lines = (*FREED, "actor more: eventfd x; irqfd x gsi=5; close x", "actor other: write spare; read spare")
    words = [sys.executable, "-m", "kvmlab", "explore", written(tmp_path, *lines), "--reduction", "plain"]
    environment = os.environ | {"KVMLAB_STATE_DIR": str(tmp_path / "state"), "PYTHONUNBUFFERED": "1"}
    terminal, stderr = os.openpty()  # on which it tells what it has found
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment
    ) as process:
        os.close(stderr)
        err = said_until(terminal, " found")
        process.send_signal(signal.SIGINT)
        err += said_until(terminal)
        os.close(terminal)
        out, _nothing = process.communicate(timeout=60)
    assert process.returncode == FAILED
    assert "not exhausted: stopped before the end" in out
    assert "stopped: what was found until then is kept" in err
    assert "Traceback" not in err
    journal = Path(err.split("--resume ")[1].split("'")[0])
    assert json.loads(journal.read_text().splitlines()[0])["format"] == "kvmlab explore"


def test_a_lost_interrupt_is_expected_by_its_pin() -> None:
    """What shows it are the two bits that nobody will clear."""
    world = Start.of(said(*SOUND)).world()
    shown = proof(world, (LOST, "pin 11 waits for an EOI that nobody will make"))
    assert shown == ("expect ioapic.11.irr == 1 and ioapic.11.remote_irr == 1",)
