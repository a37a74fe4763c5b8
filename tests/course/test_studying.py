"""`kvmlab labs`: exit statuses, and what is printed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from kvmlab.cli import main, make_session
from kvmlab.course.recording import Draft, Recorder
from kvmlab.course.standing import Score
from kvmlab.course.store import Store
from kvmlab.repl.adapters import LanguageCompleter
from kvmlab.studying import Recording
from tests.course.stand import GOOD, TRAP, changed

HELD, FAILED, WRONG = 0, 1, 2

Capture = pytest.CaptureFixture[str]


@pytest.fixture(name="own")
def _own(tmp_path: Path) -> Path:
    folder = tmp_path / "config" / "labs"
    folder.mkdir(parents=True)
    (folder / "01-small.md").write_text(GOOD, encoding="utf-8")
    return folder


def test_list_and_show(own: Path, capsys: Capture) -> None:
    """The labs with their state, as text and as JSON; the prose as it is written where nobody draws it."""
    assert main(["labs"]) == HELD
    assert f"read from {own}" in capsys.readouterr().out
    assert main(["labs", "list", "--json"]) == HELD
    labs = {each["id"]: each for each in json.loads(capsys.readouterr().out)["labs"]}
    assert labs["small"]["state"] == "new"
    assert labs["small"]["goals"] == ["sum", "rung", "gentle", "silent"]
    assert main(["labs", "show", "small"]) == HELD
    shown = capsys.readouterr().out
    assert shown.startswith("# A small lab\n\nAn eventfd counts.")
    assert "Solution" not in shown
    assert main(["labs", "show", "smal"]) == WRONG
    assert capsys.readouterr().err == "no lab is called 'smal'; did you mean 'small'?\n"
    assert main(["labs", "show", "--source", "small"]) == HELD
    assert capsys.readouterr().out == GOOD
    assert main(["labs", "show", "--source", "none.md"]) == WRONG
    assert "none.md cannot be shown" in capsys.readouterr().err


def test_a_lab_of_ones_own_is_verified_by_any_path(
    own: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative one names the same file as the folder does, and its ID is its own."""
    monkeypatch.chdir(own)
    assert main(["labs", "verify", "./01-small.md"]) == HELD
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("script", "status", "out", "err"),
    [
        ("lab answer sum 2\nwrite bell 2\nread bell\n", HELD, "● rung: Ring twice.", ""),
        ("write bell\n", FAILED, "    the bell holds another number: eventfd.bell.count is 1", ""),
        (
            "lab answer sum 2\nwrite bell 2\nread bell\nexpect 1 == 2\n",
            FAILED,
            "●",
            "x.kvm:4: expect 1 == 2: ",
        ),
        ("wrte bell\n", WRONG, "", "x.kvm:1:1: no command is called 'wrte'; did you mean 'write'?"),
    ],
)
def test_check_plays_a_script(
    own: Path, tmp_path: Path, capsys: Capture, script: str, status: int, out: str, err: str
) -> None:
    """On the lab's start; what is kept of the learner is left alone."""
    assert own.is_dir()
    path = tmp_path / "x.kvm"
    path.write_text(script, encoding="utf-8")
    assert main(["labs", "check", "small", str(path)]) == status
    told = capsys.readouterr()
    assert out in told.out
    assert err in told.err
    assert not (tmp_path / "state" / "progress.json").exists()


def test_check_of_what_cannot_be_read_is_2(own: Path, capsys: Capture) -> None:
    """The script, or the lab."""
    assert own.is_dir()
    assert main(["labs", "check", "small", "/nonexistent.kvm"]) == WRONG
    assert "/nonexistent.kvm: No such file or directory" in capsys.readouterr().err
    assert main(["labs", "check", "nonexistent.md", "x"]) == WRONG
    assert "nonexistent.md:1: cannot be read: No such file or directory" in capsys.readouterr().err


def test_check_as_json(own: Path, tmp_path: Path, capsys: Capture) -> None:
    """Every goal with its state and why."""
    assert own.is_dir()
    path = tmp_path / "x.kvm"
    path.write_text("write bell 2\n", encoding="utf-8")
    assert main(["labs", "check", "small", str(path), "--json"]) == FAILED
    told = json.loads(capsys.readouterr().out)
    assert (told["lab"], told["reached"], told["score"]) == ("small", 1, {"switches": 0, "steps": 1})
    assert {goal["id"]: goal["state"] for goal in told["goals"]}["rung"] == "reached"


def test_verify_tells_file_and_line(own: Path, capsys: Capture) -> None:
    """A line a fault, or one object; the status is 1."""
    assert main(["labs", "verify", "small"]) == HELD
    capsys.readouterr()
    (own / "01-small.md").write_text(changed(("write door\n", "wrte door\n")), encoding="utf-8")
    assert main(["labs", "verify", str(own / "01-small.md")]) == FAILED
    fault = f"{own}/01-small.md:61: kvm: no command is called 'wrte'; did you mean 'write'? in 'wrte door'\n"
    assert capsys.readouterr().out == fault
    assert main(["labs", "verify", "--json", str(own / "01-small.md")]) == FAILED
    (told,) = json.loads(capsys.readouterr().out)["faults"]
    assert (told["line"], told["key"]) == (61, "kvm")
    assert main(["labs", "verify", "gone.md"]) == WRONG


def test_verify_says_the_same_with_processes(own: Path, capsys: Capture) -> None:
    """In the order of files and lines, whichever process is first."""
    broken = changed(('id = "small"', 'id = "other"'), ("write door\n", "wrte door\nwrit bell\n"))
    (own / "02-other.md").write_text(broken, encoding="utf-8")
    (own / "01-small.md").write_text(changed(("write door\n", "wrte door\n")), encoding="utf-8")
    told = []
    for jobs in ("1", "2"):
        files = [str(own / "02-other.md"), str(own / "01-small.md")]
        assert main(["labs", "verify", "--jobs", jobs, *files]) == FAILED
        told.append(capsys.readouterr())
    assert told[0] == told[1]
    assert told[0].err == "0 of 2 labs are as they should be; 2 faults\n"


def test_verify_as_junit(own: Path, capsys: Capture) -> None:
    """A suite a lab, a case a check: what is wrong fails it, and what was counted is said."""
    broken = changed(("read bell\n", "read bell\nwrite door\n"))
    (own / "01-small.md").write_text(broken, encoding="utf-8")
    assert main(["labs", "verify", "small", "--junit"]) == FAILED
    suites = ET.fromstring(capsys.readouterr().out)  # noqa: S314 - it is our own
    assert suites.attrib == {"name": "kvmlab", "tests": "15", "failures": "1"}
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    assert [name for name, case in cases.items() if case.find("failure") is not None] == ["solution"]
    assert "before its last line" in (cases["solution"].findtext("failure") or "")
    assert (cases["ends"].findtext("system-out") or "").startswith("of 6 states: ")


def test_a_warning_fails_nothing(own: Path, capsys: Capture) -> None:
    """It is told, counted apart, and stands in the object with the counts."""
    (own / "01-small.md").write_text(changed(*TRAP), encoding="utf-8")
    assert main(["labs", "verify", "small"]) == HELD
    told = capsys.readouterr()
    assert ":29: warning: ends: " in told.out
    assert told.err == "1 of 1 labs are as they should be; 1 warning\n"
    assert main(["labs", "verify", "small", "--json"]) == HELD
    read = json.loads(capsys.readouterr().out)
    assert [fault["warns"] for fault in read["faults"]] == [True]
    assert read["states"][0]["ends"] > 0


def git(folder: Path, *words: str) -> None:
    """Run git in a folder, as nobody in particular."""
    who = ["-c", "user.name=x", "-c", "user.email=x@y"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)  # noqa: S607


def test_verify_since_a_commit(own: Path, capsys: Capture) -> None:
    """What has changed since, and what git does not know yet."""
    git(own, "init")
    (own / "02-other.md").write_text(changed(('id = "small"', 'id = "other"')), encoding="utf-8")
    git(own, "add", ".")
    git(own, "commit", "-m", "x")
    assert main(["labs", "verify", "--since", "HEAD", "small", "other"]) == HELD
    assert "0 of 0 labs" in capsys.readouterr().err
    (own / "02-other.md").write_text(
        changed(('id = "small"', 'id = "other"'), ("Ring twice", "Ring 2")), encoding="utf-8"
    )
    assert main(["labs", "verify", "--since", "HEAD", "small", "other"]) == HELD
    assert "1 of 1 labs" in capsys.readouterr().err
    assert main(["labs", "verify", "--since", "nothing", "small"]) == WRONG
    assert capsys.readouterr().err == "kvmlab labs: git knows no 'nothing'\n"


def test_new_writes_a_lab_that_plays(tmp_path: Path, capsys: Capture) -> None:
    """In the user's own folder, under a number that is free; it overwrites nothing."""
    assert main(["labs", "new", "mine", "--chapter", "2"]) == HELD
    path = tmp_path / "config" / "labs" / "09-mine.md"
    assert path.is_file()
    assert main(["labs", "verify", str(path)]) == FAILED
    assert all("TODO: to be written: " in each for each in capsys.readouterr().out.splitlines()[1:])
    assert main(["labs", "new", "mine"]) == WRONG
    assert main(["labs", "new", "Mine"]) == WRONG
    assert main(["labs", "new", "more", "--chapter", "9"]) == WRONG
    assert "there is no chapter 9: they are 1 to 7" in capsys.readouterr().err


def test_a_new_lab_that_is_filled_in_is_listed_verified_and_played(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but words is left to its author, and nothing has to be started anew."""
    assert main(["labs", "new", "mine"]) == HELD
    path = tmp_path / "config" / "labs" / "01-mine.md"
    path.write_text(path.read_text(encoding="utf-8").replace("TODO:", "So:"), encoding="utf-8")
    capsys.readouterr()
    assert main(["labs", "verify", "mine"]) == HELD
    assert capsys.readouterr().err == "1 of 1 labs are as they should be; nothing wrong\n"
    assert main(["labs"]) == HELD
    assert "mine" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO("write bell 2\n"))
    assert main(["labs", "start", "mine", "--plain"]) == HELD
    assert "the lab is done" in capsys.readouterr().out


def test_record_writes_what_was_done(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Start, goals and solution; what is not so is no goal."""
    said = (
        "machine vcpus=2", "eventfd a", "start", "write a", "undo", "write a 2",
        "goal two eventfd.a.count == 3",
        "goal two eventfd.a.count == 2", "goal x eventfd.b", "read a", "goal none eventfd.a.count == 0",
        "write a", "done",
    )  # fmt: skip
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(said)))
    path = tmp_path / "09-recorded.md"
    assert main(["labs", "record", str(path), "--chapter", "2"]) == HELD
    out = capsys.readouterr().out
    assert "it is not so: eventfd.a.count is 2" in out
    assert "no eventfd is called 'b'" in out
    text = path.read_text(encoding="utf-8")
    assert 'vcpus = 2\nscript = """\neventfd a\n"""' in text
    assert "```kvm solution\nwrite a 2\nread a\n```" in text
    assert [f'id = "{name}"' in text for name in ("two", "none", "x")] == [True, True, False]
    assert main(["labs", "record", str(path), "--chapter", "2"]) == WRONG
    assert "it exists and is left as it is" in capsys.readouterr().err


def test_nothing_recorded_writes_nothing(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lab without a goal is none."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("eventfd a\n"))
    assert main(["labs", "record", str(tmp_path / "01-x.md")]) == WRONG
    assert "a lab has at least one goal" in capsys.readouterr().err
    assert not (tmp_path / "01-x.md").exists()


def solved(schedule: tuple[str, ...]) -> None:
    """Keep a way, and a tick at every goal."""
    store = Store()
    for goal in ("sum", "rung", "gentle", "silent"):
        store.reached("small", goal)
    store.solved("small", Score(0, 0), schedule)


def test_report_plays_the_way_and_trusts_no_tick(own: Path, capsys: Capture) -> None:
    """A way that leads to every goal is done; one that does not, or is no text, is told so."""
    assert own.is_dir()
    assert main(["labs", "report", "small"]) == FAILED
    assert "no way to every goal is kept" in capsys.readouterr().out
    solved(("lab answer sum 2", "write bell 2", "read bell"))
    assert main(["labs", "report", "small", "--json"]) == HELD
    (told,) = json.loads(capsys.readouterr().out)["labs"]
    assert told["done"] is True
    assert told["score"] == {"switches": 0, "steps": 2}


def test_a_learners_file_is_left_as_it_is(own: Path, tmp_path: Path, capsys: Capture) -> None:
    """It is read, and never mended."""
    assert own.is_dir()
    solved(("lab answer sum 2", "write bell 2", "read bell"))
    (tmp_path / "state" / "progress.json").rename(tmp_path / "theirs.json")
    assert main(["labs", "report", "small", "--progress", str(tmp_path / "theirs.json")]) == HELD
    (tmp_path / "none.json").write_text("{", encoding="utf-8")
    for name, told in (("none.json", "none.json: Expecting"), ("gone.json", "No such file")):
        capsys.readouterr()
        assert main(["labs", "report", "small", "--progress", str(tmp_path / name)]) == WRONG
        assert told in capsys.readouterr().err
    assert (tmp_path / "none.json").read_text(encoding="utf-8") == "{"
    assert not list(tmp_path.glob("*.bak"))


@pytest.mark.parametrize(
    ("way", "why"),
    [
        (("write bell",), "the bell holds another number: eventfd.bell.count is 1"),
        (("wrte bell",), "command 1 of the way, 'wrte bell', cannot be run: no command is called 'wrte'"),
        (("source /etc/passwd",), "cannot be read: a lab reads no file"),
        (("write bell", "replay /etc/passwd"), "it reaches out of the session"),
    ],
)
def test_a_way_that_was_made_up_is_found_out(
    own: Path, capsys: Capture, way: tuple[str, ...], why: str
) -> None:
    """As JUnit's XML: a case a goal, with its words and why it is open."""
    assert own.is_dir()
    solved(way)
    assert main(["labs", "report", "small", "--junit"]) == FAILED
    suites = ET.fromstring(capsys.readouterr().out)  # noqa: S314 - it is our own
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    assert set(cases) == {"sum", "rung", "gentle", "silent"}
    failure = cases["rung"].find("failure")
    assert failure is not None
    assert failure.get("message") == "Ring twice."
    assert why in (failure.text or "")


def test_start_is_the_prompt_in_the_lab(own: Path) -> None:
    """What is piped in is said there; a lab that is not there is told before any prompt."""
    assert own.is_dir()
    argv = [sys.executable, "-m", "kvmlab", "labs", "start"]
    done = subprocess.run(
        [*argv, "small"], input="write bell 2\n", capture_output=True, text=True, check=False
    )
    assert "goal reached: Ring twice. (1 of 4)" in done.stdout
    assert done.returncode == HELD
    done = subprocess.run([*argv, "smal"], input="", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (WRONG, "")


def test_a_recording_is_completed() -> None:
    """What is understood beside the language, and a goal's expression as that of an `expect`."""
    session = make_session()
    recording = Recording(Recorder(session, Draft("small", 1)))
    completer = LanguageCompleter(session, recording)

    def completed(text: str) -> list[str]:
        found = completer.get_completions(Document(text), CompleteEvent())
        return [text[: len(text) + each.start_position] + each.text for each in found]

    assert "start " in completed("st")
    assert completed("goal rung ioapic.11.li") == ["goal rung ioapic.11.line "]
    assert completed("write") == ["write "]


def test_a_recording_goes_on_where_it_has_no_goal(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`done` is refused, and so is half a goal."""
    typed = "eventfd bell\nstart\ndone\ngoal x\nwrite bell\ngoal x eventfd.bell.count == 1\ndone\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert main(["labs", "record", str(tmp_path / "01-x.md")]) == HELD
    told = capsys.readouterr().out
    assert "a lab has at least one goal" in told
    assert "a goal is 'goal ID EXPRESSION'" in told
    assert "goal 1, behind 1 command\n" in told
    assert main(["labs", "record", str(tmp_path / "x.md")]) == WRONG
    assert capsys.readouterr().err.endswith("x.md: expected NN-ID.md\n")
