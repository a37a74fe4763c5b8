"""The verbs of the course, as a person meets them at a prompt; and what a killed session comes back to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kvmlab.cli import main, make_session
from kvmlab.course.desk import playing, shelf
from kvmlab.journal import Journal
from kvmlab.language.complete import complete
from kvmlab.render.plain import plain_lines
from kvmlab.shell import Shell
from tests.course.stand import GOOD, changed


class Prompt:
    """A shell whose output is kept."""

    def __init__(self, journal: Journal | None = None) -> None:
        self.said: list[str] = []
        self.session = make_session()
        self.shell = Shell(self.session, lambda rows: self.said.extend(plain_lines(rows)), journal)

    def say(self, *lines: str) -> str:
        """Say lines; return what was shown."""
        self.said.clear()
        for text in lines:
            assert self.shell.run_line(text)
        return "\n".join(self.said)


@pytest.fixture(name="own")
def _own(tmp_path: Path) -> Path:
    """Return the folder of the user's labs, which has the small one."""
    folder = tmp_path / "config" / "labs"
    folder.mkdir(parents=True)
    (folder / "01-small.md").write_text(GOOD, encoding="utf-8")
    return folder


@pytest.fixture(name="prompt")
def _prompt(own: Path) -> Prompt:
    assert own.is_dir()
    return Prompt()


def test_a_lab_is_begun_played_and_done(prompt: Prompt, tmp_path: Path) -> None:
    """Its text and goals are shown, each goal is told when it is reached, and all is kept."""
    shown = prompt.say("lab start small")
    assert shown.startswith("A small lab")
    assert "○ rung: Ring twice." in shown
    prompt.say("lab answer sum 2")
    said = prompt.say("write bell 2")
    assert "goal reached: Ring twice. (2 of 4)" in said
    assert "goal reached: Never three. (3 of 4)" in said, "of two that come together each has its number"
    assert "the lab is done: 2 steps, 0 switches." in prompt.say("read bell")
    kept = json.loads((tmp_path / "state" / "progress.json").read_text(encoding="utf-8"))["labs"]["small"]
    assert set(kept["goals"]) == {"sum", "rung", "gentle", "silent"}
    assert kept["schedule"] == ["lab answer sum 2", "write bell 2", "read bell"]
    assert kept["best"] == {"switches": 0, "steps": 2}
    assert kept["attempts"] == 1


def test_the_start_is_below_what_undo_reaches_and_reset_leads_back_to_it(prompt: Prompt) -> None:
    """History begins behind the start script."""
    prompt.say("lab start small", "write bell", "undo 99")
    assert prompt.say("undo") == "there is nothing to be undone"
    assert prompt.say("history") == "·    1 write bell"
    prompt.say("write door 7", "reset")
    assert prompt.say("expect eventfd.door.count == 0 and last.ret == none") == "held"
    assert prompt.say("history") == "nothing has happened yet"


def test_a_right_answer_outlives_a_reset_and_a_wrong_one_does_not(prompt: Prompt, tmp_path: Path) -> None:
    """Who resets can finish the lab, and the way that is kept has the answer."""
    prompt.say("lab start small", "lab answer sum 2", "write bell 3")
    assert prompt.say("reset") == "at the start of small"
    assert "● sum: What does a read return?" in prompt.say("check")
    assert "goal reached: Ring twice. (2 of 4)" in prompt.say("write bell 2")
    assert "the lab is done" in prompt.say("read bell")
    kept = json.loads((tmp_path / "state" / "progress.json").read_text(encoding="utf-8"))["labs"]["small"]
    assert kept["schedule"] == ["lab answer sum 2", "write bell 2", "read bell"]
    prompt.say("lab leave", "lab start small", "lab answer sum 1", "write bell", "reset")
    assert "goal reached: What does a read return?" in prompt.say("lab answer sum 2")


def test_a_right_answer_is_in_the_journal_behind_a_reset(prompt: Prompt, tmp_path: Path) -> None:
    """What was killed comes back with it."""
    journal = Journal(tmp_path / "journal")
    first = Prompt(journal)
    first.say("lab start small", "lab answer sum 2", "write bell", "reset", "write bell 2")
    journal.close()
    prompt.say(f'source "{journal.path}"')
    player = playing(prompt.session)
    assert player is not None
    assert player.schedule() == ("lab answer sum 2", "write bell 2")
    assert {"sum", "rung"} <= player.done()


def test_reset_without_a_lab_is_what_it_was(prompt: Prompt) -> None:
    """The same machine anew."""
    assert (
        prompt.say("eventfd a", "lab leave")
        == "→ 0\nno lab is open: 'lab list' shows them, 'lab start ID' begins one"
    )
    assert "no eventfd is called 'a'" in prompt.say("reset", "write a")


def test_a_way_through_the_course(prompt: Prompt) -> None:
    """Next and previous in the order of the list; at an end it is told."""
    assert prompt.say("lab list").startswith("1. Counters and lines  0 of")
    prompt.say("lab start eventfd-counter", "lab next")
    player = playing(prompt.session)
    assert player is not None and player.position.previous == "eventfd-counter"
    prompt.say("lab previous")
    assert prompt.say("lab previous") == "no lab is before this one"
    assert prompt.say("lab leave") == "left eventfd-counter; the machine stays as it is"
    assert prompt.say("write door", "undo") == "→ 0\nundone: write door"


def test_the_solution_asks_first(prompt: Prompt) -> None:
    """Twice while a goal is open; `yes` is the second time at once."""
    prompt.say("lab start small")
    assert prompt.say("lab solution").startswith("there are goals left")
    assert "    write bell 2" in prompt.say("lab solution")
    assert "    write bell 2" in prompt.say("lab"), "what was shown stays"
    prompt.say("lab leave", "lab start small")
    assert "    write bell 3" in prompt.say("lab solution yes")


def test_hints_survive_a_reset(prompt: Prompt) -> None:
    """They were asked for."""
    prompt.say("lab start small")
    assert prompt.say("hint rung") == "nudge (1 of 3)"
    assert prompt.say("reset", "hint rung").endswith("pointer (2 of 3)")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("lab start smal", "column 1: no lab is called 'smal'; did you mean 'small'?"),
        ("lab strat small", "column 5: lab has no form 'strat'; did you mean 'start'?"),
        (
            "lab start gone.md",
            "gone.md cannot be played\ngone.md:1: cannot be read: No such file or directory",
        ),
        ("hint", "no lab is open: 'lab list' shows them, 'lab start ID' begins one"),
        ("lab start small; hint rang", "column 18: no goal is called 'rang'; did you mean 'rung'?"),
        ("lab start small; lab answer sum 3", "expected one of 1, 2, not 3"),
        ("lab start small; lab answer rung 3", "rung asks nothing: Ring twice."),
        ("lab answer sum", "column 15: lab answer needs WORD; expected one of its answers"),
    ],
)
def test_what_is_wrong_is_told(prompt: Prompt, said: str, told: str) -> None:
    """With the nearest thing that would be right."""
    assert told in prompt.say(said)


def test_a_broken_lab_hides_no_other(prompt: Prompt, own: Path) -> None:
    """It is told in the list, and why it cannot be begun."""
    (own / "02-broken.md").write_text(
        changed(('id = "small"', 'id = "broken"'), ("write door\n", "wrte door\n")), encoding="utf-8"
    )
    (own / "03-bytes.md").write_bytes(b"+++\n\xff")
    shown = prompt.say("lab list")
    assert "A small lab" in shown
    assert "03-bytes.md:1: cannot be read: it is not UTF-8 at byte 4" in shown
    told = prompt.say("lab start broken")
    assert "kvm: no command is called 'wrte'; did you mean 'write'? in 'wrte door'" in told
    assert "A small lab" in prompt.say("lab start small")
    prompt.say(f"lab start {shelf().position('broken').previous}")
    assert "did you mean 'write'? in 'wrte door'" in prompt.say("lab next")


def test_ids_and_goals_are_completed(prompt: Prompt) -> None:
    """Labs from the shelf, goals of the lab that is open."""

    def offered(text: str) -> list[str]:
        return [each.text for each in complete(text, len(text), prompt.session.scope)]

    assert offered("lab start sm") == ["small"]
    assert offered("hint ") == []
    prompt.say("lab start small")
    assert offered("hint ") == ["sum", "rung", "gentle", "silent"]
    assert offered("lab answer ") == ["sum"]
    assert offered("lab answer sum ") == ["1", "2"]
    assert offered("lab answer rung ") == []
    prompt.say("lab leave")
    assert offered("hint ") == offered("lab answer ") == offered("lab answer sum ") == []


def test_a_script_begins_no_lab(prompt: Prompt, tmp_path: Path) -> None:
    """What is sourced stays in the session that sources it."""
    script = tmp_path / "x.kvm"
    script.write_text("lab start small\n", encoding="utf-8")
    assert "a script cannot lab start: that is for the prompt" in prompt.say(f'source "{script}"')


def test_goals_reached_in_a_script_are_told(prompt: Prompt, tmp_path: Path) -> None:
    """Behind the command that reached them."""
    script = tmp_path / "x.kvm"
    script.write_text("write bell 2\nread bell\n", encoding="utf-8")
    prompt.say("lab start small")
    said = prompt.say(f'source "{script}"').split("\n")
    assert said[:3] == ["> write bell 2", "→ 0", "goal reached: Ring twice. (1 of 4)"]


def test_a_journal_leads_back_into_the_lab(prompt: Prompt, tmp_path: Path) -> None:
    """What makes the start stands in it, also that of a reset and of a lab that is on no shelf."""
    journal = Journal(tmp_path / "journal")
    file = tmp_path / "05-other.md"
    file.write_text(changed(('id = "small"', 'id = "other"')), encoding="utf-8")
    first = Prompt(journal)
    first.say(
        "lab start small",
        "write door",
        "reset",
        "lab answer sum 2",
        "write bell",
        f'lab start "{file}"',
        "write bell 2",
    )
    journal.close()
    text = journal.path.read_text(encoding="utf-8")
    assert text.count("lab resume small") == 2
    again = prompt.say(f'source "{journal.path}"')
    assert "goal reached: Ring twice." in again
    player = playing(prompt.session)
    assert player is not None
    assert player.lab.id == "other"
    assert player.schedule() == ("write bell 2",)


def test_a_session_that_was_killed_comes_back_into_its_lab(prompt: Prompt, tmp_path: Path) -> None:
    """Goals, answer and history."""
    argv = [sys.executable, "-m", "kvmlab", "labs", "start", "small", "--plain"]
    running = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdin.write("lab answer sum 2\nwrite bell 2\n")
    running.stdin.flush()
    for line in running.stdout:
        if "goal reached: Ring twice." in line:
            break
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    running.stdin.close()
    running.stdout.close()
    (journal,) = (tmp_path / "state" / "journal").iterdir()
    prompt.say(f'source "{journal}"')
    player = playing(prompt.session)
    assert player is not None
    assert {goal.id for goal in player.standing().goals if goal.state == "reached"} == {
        "sum",
        "rung",
        "gentle",
    }
    assert "open again: Ring twice." in prompt.say("undo")


LONG = (
    "eventfd door\n",
    "eventfd door\nioapic 11 vector=0x41 edge unmasked\nirqfd door gsi=11\nstorm 1000000000\n",
)
"""What makes the start of a lab longer than anybody waits."""


def test_a_start_that_takes_too_long_is_stopped(own: Path, tmp_path: Path) -> None:
    """It runs in slices; what it has done until then is what the journal keeps, and no lab is open."""
    (own / "01-small.md").write_text(changed(LONG), encoding="utf-8")
    journal = Journal(tmp_path / "journal")
    prompt = Prompt(journal)
    slices = prompt.shell.slices("lab start small")
    assert next(slices).things == "cycles"
    next(slices)
    with pytest.raises(StopIteration):
        slices.send(True)
    assert prompt.said[-1] == "stopped: small is not begun"
    assert playing(prompt.session) is None
    journal.close()
    assert "storm 1000000000" not in journal.path.read_text(encoding="utf-8")
    assert "lab resume" not in journal.path.read_text(encoding="utf-8")


def test_an_interrupted_start_leaves_the_session_as_it_was(own: Path) -> None:
    """The lab before stays open, with what was reached in it."""
    (own / "02-long.md").write_text(changed(LONG, ('id = "small"', 'id = "long"')), encoding="utf-8")
    prompt = Prompt()
    prompt.say("lab start small", "write bell 2")
    slices = prompt.shell.slices("lab start long")
    next(slices)
    with pytest.raises(StopIteration):
        slices.throw(KeyboardInterrupt)
    assert prompt.said[-1] == "interrupted: what had not finished is taken back"
    player = playing(prompt.session)
    assert player is not None
    assert player.lab.id == "small"
    assert "● rung: Ring twice." in prompt.say("check")
    assert "open again: Ring twice." in prompt.say("undo")
    assert "goal reached: Ring twice." in prompt.say("write bell 2")


def test_what_a_terminal_obeys_is_spelled_out(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of a lab reaches a terminal but as text."""
    text = changed(
        ("Ring twice.", "Ring \\u001b[2J twice."), ("An eventfd counts.", "An \x1b[2J eventfd counts.")
    )
    (own / "01-small.md").write_text(text, encoding="utf-8")
    shown = Prompt().say("lab start small")
    assert main(["labs", "show", "small"]) == 0
    shown += capsys.readouterr().out
    assert "\x1b" not in shown
    assert shown.count("\\x1b[2J") >= 3
