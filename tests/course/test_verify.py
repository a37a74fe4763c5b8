"""Every lab that is shipped is what it says; and each check finds a lab that was broken for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmlab.cli import make_session
from kvmlab.course.recording import template
from kvmlab.course.shelf import Shelf, Shelved
from kvmlab.course.verify import CHECKS, verify
from tests.course.stand import GOOD, TRAP, changed

SHELF = Shelf(Path("/nonexistent"))

SHIPPED = list(SHELF.all)


@pytest.mark.parametrize("shelved", SHIPPED, ids=[each.name for each in SHIPPED])
def test_every_shipped_lab_is_what_it_says(shelved: Shelved) -> None:
    """Every check of the format."""
    assert [str(fault) for fault in verify(shelved, SHELF, make_session).faults] == []


def faults(
    tmp_path: Path, text: str, name: str = "01-small.md", others: dict[str, str] | None = None
) -> list[str]:
    """Return what is wrong with a text that stands in a folder as a file, as ``line: key: sentence``."""
    for other, said in (others or {}).items():
        (tmp_path / other).write_text(said, encoding="utf-8")
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    shelf = Shelf(tmp_path)
    found = verify(shelf.shelved(str(path)), shelf, make_session).faults
    assert all(fault.file == str(path) for fault in found)
    return [str(fault).removeprefix(f"{path}:") for fault in found]


def test_a_lab_that_is_as_it_should_be_has_no_fault(tmp_path: Path) -> None:
    """Otherwise the tests below would show nothing."""
    assert faults(tmp_path, GOOD) == []


PROOF = """
[[proof]]
claim = "Two closes that race free nothing twice."
script = \"\"\"
eventfd bell
eventfd door
actor one: close bell
actor two: close door
\"\"\"
verdict = "holds"
+++

An eventfd"""

BROKEN = {
    "start, a goal": (
        ('when = "eventfd.bell.count == 2"', 'when = "eventfd.bell.count == 0"'),
        "goal 'rung': it is so at the start already",
    ),
    "start, a mistake": (
        ('[[mistake]]\nwhen = "eventfd.bell.count > 2"', '[[mistake]]\nwhen = "eventfd.bell.count < 9"'),
        "mistake: it is so at the start already",
    ),
    "start, an expectation": (
        ("eventfd door\n", "eventfd door\nexpect eventfd.door.count == 7\n"),
        "16: start.script: expect eventfd.door.count == 7: it did not hold: eventfd.door.count is 0",
    ),
    "prose, an expectation": (
        ("expect eventfd.door.count == 1", "expect eventfd.door.count == 2"),
        "kvm: expect eventfd.door.count == 2: it did not hold: eventfd.door.count is 1",
    ),
    "prose, a goal": (
        ("write door\n", "write door\nwrite bell 2\n"),
        "kvm: 'write bell 2' reaches rung, which is for the learner",
    ),
    "prose, a mistake": (
        ("write door\n", "write door\nwrite bell 3\n"),
        "kvm: it triggers a mistake: ",
    ),
    "prose, what does not run": (
        ("write door\n", "write door\nreplay\n"),
        "kvm: replay: it did not run: there is no schedule 1",
    ),
    "prose, what is not here": (("write door\n", "write door\nlints\n"), "kvm: 'lints' is not yet here"),
    "fresh": (("machine\neventfd own", "eventfd own"), "kvm fresh: it begins with 'machine'"),
    "solution, a goal": (
        ("write bell 2\nread bell\n", "write bell 2\n"),
        "kvm solution: it does not reach 'silent': eventfd.bell.count is 2",
    ),
    "solution, too early": (
        ("read bell\n", "read bell\nwrite door\n"),
        "kvm solution: every goal is reached with 'read bell', before its last line",
    ),
    "solution, a mistake": (
        ("read bell\n", "read bell\nwrite bell 3\nread bell\n"),
        "kvm solution: it triggers a mistake: Too often.",
    ),
    "wrong, a goal": (("write bell 3", "write bell 2"), "kvm wrong rung: 'write bell 2' reaches the goal"),
    "wrong, no mistake": (("write bell 3", "write door 3"), "kvm wrong rung: no mistake is triggered"),
    "mistake": (
        ("[[hint]]\nsay", '[[mistake]]\nwhen = "reports > 0"\nsay = "No."\n\n[[hint]]\nsay'),
        "mistake: no wrong turn triggers it",
    ),
    "hint": (
        ('when = "eventfd.bell.count < 2"', 'when = "eventfd.bell.count == 77"'),
        "hint: it can never be shown",
    ),
    "links, a lab": (("lab:small", "lab:smal"), "link: no lab is called 'smal'; did you mean 'small'?"),
    "links, a scenario": (
        ("lab:small", "scenario:01-masked"),
        "link: no scenario is called '01-masked'; did you mean '01-masked-at-eoi'?",
    ),
    "needs, a lab": (
        ("needs = []", 'needs = ["eventfd-conter"]'),
        "needs: no lab is called 'eventfd-conter'; did you mean 'eventfd-counter'?",
    ),
    "needs, itself": (("needs = []", 'needs = ["small"]'), "needs: it needs itself: small → small"),
    "name": (('id = "small"', 'id = "tiny"'), "id: the file is called NN-tiny.md, not 01-small.md"),
    "number": (("chapter = 1", "chapter = 7"), "id: chapter 7 has the numbers 66 to 79"),
    "filled": (("An eventfd counts.", "TODO: it counts."), "TODO: to be written: TODO: it counts."),
    "proof, found": (
        ("+++\n\nAn eventfd", PROOF.replace('"holds"', '"violated"\nviolation = "deadlock"')),
        "proof: Two closes that race free nothing twice. the explorer found nothing, and no deadlock",
    ),
    "proof, nothing": (
        ("+++\n\nAn eventfd", PROOF.replace("actor one: close bell\nactor two: close door\n", "")),
        "proof: Two closes that race free nothing twice. nothing stood ready to be explored",
    ),
}


@pytest.mark.parametrize(("change", "fault"), BROKEN.values(), ids=BROKEN)
def test_each_check_finds_what_is_broken(tmp_path: Path, change: tuple[str, str], fault: str) -> None:
    """With the line that is to be mended."""
    text = changed(change)
    found = faults(tmp_path, text)
    assert any(fault in each for each in found), found


def test_commands_beside_the_lab_are_no_mistake_where_they_are_typed_in_it(tmp_path: Path) -> None:
    """On a machine that a goal asks for, which the lab watches."""
    reach = 'kind = "reach"\nsay = "Ring twice."\nwhen = "eventfd.bell.count == 2"\n'
    text = changed(
        (reach, reach.replace("reach", "find") + 'api = "eoifd-v7"\n'),
        ("machine\neventfd own", "machine\neventfd bell\nwrite bell 3"),
    )
    wanted = "kvm fresh: typed in the lab it triggers a mistake: Too often."
    assert any(wanted in each for each in faults(tmp_path, text))


def test_a_proof_that_the_explorer_agrees_with_is_no_fault(tmp_path: Path) -> None:
    """The proof that two of the cases above break."""
    assert faults(tmp_path, changed(("+++\n\nAn eventfd", PROOF))) == []


def test_a_dead_end_warns_and_a_mistake_or_a_hint_ends_it(tmp_path: Path) -> None:
    """Which states, how one comes there, and which goals are left; the lab is no worse for it."""
    text = changed(*TRAP)
    (found,) = faults(tmp_path, text)
    assert found.startswith("29: warning: ends: ")
    assert "states are dead ends, such as behind 'finish two': no mistake is told, and" in found
    assert found.endswith("on from there to rung, gentle, silent")
    told = changed(
        ("[[hint]]\nsay", '[[mistake]]\nwhen = "fd.bell == none"\nsay = "Closed."\n\n[[hint]]\nsay'),
        ("```kvm wrong rung\n", "```kvm wrong rung\nfinish two\n```\n\n```kvm wrong rung\n"),
        text=text,
    )
    assert faults(tmp_path, told) == []
    hint = 'when = "fd.bell == none"\nsay = ["a", "b", "goto 0; finish one; read bell; finish user"]'
    led = changed(("[[hint]]\nsay", f"[[hint]]\n{hint}\n\n[[hint]]\nsay"), text=text)
    assert faults(tmp_path, led) == []


def test_what_was_looked_at_is_counted(tmp_path: Path) -> None:
    """States, and in how many a goal is reached or a hint helps."""
    path = tmp_path / "01-small.md"
    path.write_text(GOOD, encoding="utf-8")
    shelf = Shelf(tmp_path)
    done = verify(shelf.shelved(str(path)), shelf, make_session)
    assert done.tried is not None
    assert (done.tried.states, done.tried.goals) == (5, {"sum": 5, "rung": 2, "gentle": 2, "silent": 1})
    assert done.tried.hints == [2, 5]
    assert done.counted.startswith("of 5 states: sum is reached in 5, rung is reached in 2,")
    assert list(done.found) == ["read", *(each.name for each in CHECKS)]


def test_needs_that_go_round_are_told(tmp_path: Path) -> None:
    """With the way round."""
    text = changed(("needs = []", 'needs = ["other"]'))
    other = changed(("needs = []", 'needs = ["small"]'), ('id = "small"', 'id = "other"'))
    found = faults(tmp_path, text, others={"02-other.md": other})
    assert any("needs: it needs itself: small → other → small" in each for each in found)


def test_an_id_is_of_one_lab(tmp_path: Path) -> None:
    """The second file with it is told of the first."""
    assert faults(tmp_path, GOOD, others={"00-small.md": GOOD})[-1].startswith("1: id: 'small' is the ID of ")


def test_prose_is_short_and_comes_to_the_point(tmp_path: Path) -> None:
    """Words before the first commands, and words in all."""
    found = faults(tmp_path, changed(("An eventfd counts.", "word " * 500)))
    assert any("words before the first commands; at most" in each for each in found)
    assert any("words; at most" in each for each in found)


def test_a_template_lacks_nothing_but_words(tmp_path: Path) -> None:
    """It plays, and every fault says what is to be written."""
    found = faults(tmp_path, template("small", 1))
    assert found
    assert all(": TODO: to be written: " in each for each in found)
