"""Labs that are broken on purpose, each told with its line, its key and what would be right."""

from __future__ import annotations

import pytest

from kvmlab.course.reading import read_lab
from tests.course.stand import GOOD, changed, lab_of


def line_of(text: str, part: str) -> int:
    """Return the line on which a part of a text stands first."""
    return text[: text.index(part)].count("\n") + 1


def test_a_lab_is_what_its_text_says() -> None:
    """Every part of it is there, and the prose ends where the solution begins."""
    lab = lab_of()
    assert (lab.id, lab.head.chapter, lab.panes) == ("small", 1, ("eventfds",))
    assert [goal.kind for goal in lab.goals] == ["predict", "reach", "never", "holds"]
    assert lab.start.machine() == "machine kernel=linux-3.6 api=eoifd-v7 vcpus=2"
    assert [fence.role for fence in lab.fences] == ["", "fresh", "solution", "wrong"]
    assert lab.prose.startswith("An eventfd counts.")
    assert "## Solution" not in lab.prose
    assert lab.ending.startswith("## Solution")
    assert lab.before == 6


BROKEN = [
    # what is changed, the line by a text that stands on it, and the fault
    (("chapter = 1\n", "chaptr = 1\n"), "chaptr", "chaptr: there is no such key; did you mean 'chapter'?"),
    (("chapter = 1\n", ""), "+++", "chapter: it is missing"),
    (("chapter = 1\n", "chapter = 9\n"), "chapter", "chapter: expected 1 to 7, found 9"),
    (("minutes = 3\n", 'minutes = "3"\n'), "minutes", "minutes: expected a whole number, found '3'"),
    (('title = "A small lab"\n', 'title = " "\n'), "title", "title: nothing stands here"),
    (("format = 1\n", "format = 2\n"), "format", "format: this kvmlab reads 1"),
    (('id = "small"', 'id = "Small"'), "Small", "id: 'Small' is no ID"),
    (("needs = []", 'needs = "none"'), "needs", "needs: expected a list of texts, found 'none'"),
    (
        ('panes = ["eventfds"]', 'panes = ["eventfd"]'),
        "panes",
        "panes: no pane is called 'eventfd'; did you mean 'eventfds'?",
    ),
    (
        ("vcpus = 2\n", 'vcpus = 2\nkernel = "linux-3.7"\n'),
        "linux-3.7",
        "start.kernel: no kernel is called 'linux-3.7'; did you mean 'linux-3.6'?",
    ),
    (
        ("vcpus = 2\n", 'vcpus = 2\napi = "eoifd-v8"\n'),
        "eoifd-v8",
        "start.api: no api is called 'eoifd-v8'; did you mean",
    ),
    (
        ("vcpus = 2\n", 'vcpus = 2\nwithout = ["polhup"]\n'),
        "polhup",
        "start.without: no switch of without= is called 'polhup'; did you mean 'pollhup'?",
    ),
    (
        ("vcpus = 2\n", 'vcpus = 2\napi = "resample"\nwithout = ["pollhup"]\n'),
        "[start]",
        "start: api resample has nothing that without=pollhup could change",
    ),
    (("vcpus = 2\n", "vcpus = 99\n"), "vcpus", "start.vcpus: expected 1 to"),
    (("[start]", "[strat]"), "[strat]", "strat: there is no such key; did you mean 'start'?"),
    (
        ("eventfd door\n", "evntfd door\n"),
        "evntfd",
        "start.script: no command is called 'evntfd'; did you mean 'eventfd'? in 'evntfd door'",
    ),
    (
        ("eventfd door\n", "source x.kvm\n"),
        "source x",
        "start.script: 'x.kvm' cannot be read: a lab reads no file",
    ),
    (
        ("write bell 2\n", "replay x.kvm\n"),
        "replay x",
        "kvm solution: a lab cannot replay x.kvm: it reaches out of the session",
    ),
    (
        ("write bell 2\n", "expect 0: replay x.kvm\n"),
        "replay x",
        "kvm solution: a lab cannot replay x.kvm: it reaches out of the session",
    ),
    (
        ("write bell 2\n", "save x.kvm\n"),
        "save x",
        "kvm solution: a script cannot save: that is for the prompt",
    ),
    (("write bell 2\n", "quit\n"), "quit", "kvm solution: a lab cannot quit: it reaches out of the session"),
    (
        ("write bell 2\n", "lab start small\n"),
        "lab start",
        "kvm solution: a script cannot lab start: that is for the prompt",
    ),
    (
        ("write door\n", "write dor\n"),
        "write dor",
        "kvm: no eventfd is called 'dor'; did you mean 'door'? in 'write dor'",
    ),
    (("eventfd own\n", "write bell\n"), "machine\nwrite bell", "kvm fresh: no eventfd is called 'bell'"),
    (
        ('kind = "reach"', 'kind = "reech"'),
        "reech",
        "goal.kind: no kind of goal is called 'reech'; did you mean 'reach'?",
    ),
    (
        ('"eventfd.bell.count == 2"', '"eventfd.bel.count == 2"'),
        "eventfd.bel.",
        "goal.when: no eventfd is called 'bel'; did you mean 'bell'?",
    ),
    (
        ('"eventfd.bell.count == 2"', '"eventfd.bell.cont == 2"'),
        "eventfd.bell.cont",
        "goal.when: there is no fact 'eventfd.bell.cont'; did you mean 'count'?",
    ),
    (
        ('"eventfd.bell.count == 2"', '"eventfd.bell.count ="'),
        'count ="',
        "goal.when: '=' is no part of an expression; did you mean '=='?",
    ),
    (
        (
            'kind = "reach"\nsay = "Ring twice."\nwhen = "eventfd.bell.count == 2"',
            'kind = "find"\nsay = "x"\nviolation = "never"',
        ),
        "violation =",
        "goal.violation: an execution ends in a report: one of deadlock",
    ),
    (
        (
            'kind = "reach"\nsay = "Ring twice."\nwhen = "eventfd.bell.count == 2"',
            'kind = "proof"\nsay = "x"\nverdict = "holds"\nready = ["write bel"]',
        ),
        "ready =",
        "goal.ready: no eventfd is called 'bel'; did you mean 'bell'?",
    ),
    (
        (
            'kind = "reach"\nsay = "Ring twice."\nwhen = "eventfd.bell.count == 2"',
            'kind = "proof"\nsay = "x"\nverdict = "holds"\nready = ["write bell; contexts"]',
        ),
        "ready =",
        "goal.ready: 'contexts' is no call of an actor",
    ),
    (
        ('id = "rung"', 'id = "sum"'),
        '[[goal]]\nid = "sum"\nkind = "reach"',
        "goal.id: 'sum' is the ID of another goal",
    ),
    (('say = "Ring twice."\n', ""), 'id = "rung"', "goal.say: it is missing"),
    (("otherwise = ", "answer = "), 'answer = "the', "goal.answer: a goal of kind reach has no such key"),
    (
        ('answer = "2"', 'answer = "3"'),
        'answer = "3"',
        "goal.answer: '3' is none of the answers; expected 1, 2",
    ),
    (('because = "A read takes all."\n', ""), 'id = "sum"', "goal.because: a goal of kind predict needs it"),
    (('goal = "rung"', 'goal = "rang"'), "rang", "hint.goal: no goal is called 'rang'; did you mean 'rung'?"),
    (
        ('["a", "b", "c"]', '["a", "b"]'),
        '["a", "b"]',
        "hint.say: expected three rungs, a nudge, a pointer and the command, found 2",
    ),
    (
        ("kvm wrong rung", "kvm wrong rang"),
        "kvm wrong",
        "fence: no goal is called 'rang'; did you mean 'rung'?",
    ),
    (
        ("kvm wrong rung", "kvm wrong"),
        "kvm wrong",
        "fence: 'kvm wrong' takes the goal that it misses, and nothing else",
    ),
    (
        ("kvm solution", "kvm soluton"),
        "kvm soluton",
        "fence: there is no 'kvm soluton'; did you mean 'solution'?",
    ),
    (("```kvm solution", "```text"), "+++", "fence: a lab has one 'kvm solution', not 0"),
    (
        ("```kvm fresh", "```kvm wrong rung"),
        "kvm wrong",
        "stands under '## Solution' or '## A wrong turn', at the end",
    ),
    (
        ("(lab:small)", "(labs/small.md)"),
        "An eventfd",
        "link: 'labs/small.md' is no link; expected lab:ID, scenario:NAME or an address",
    ),
]


@pytest.mark.parametrize(("change", "stands", "fault"), BROKEN, ids=[each[2][:40] for each in BROKEN])
def test_every_fault_has_its_line_and_its_words(change: tuple[str, str], stands: str, fault: str) -> None:
    """``file:line: key: sentence``."""
    text = changed(change)
    lab, faults = read_lab(text, "x.md")
    assert lab is None
    told = {each.line: str(each) for each in faults}
    lines = {number for number, said in told.items() if fault in said}
    assert lines, told
    assert all(told[number].startswith(f"x.md:{number}: ") for number in lines)
    around = line_of(text, stands) if stands in text else line_of(GOOD, stands)
    assert any(abs(number - around) <= 1 for number in lines), (lines, around)


def test_all_faults_are_told_at_once() -> None:
    """A lab with three of them has three."""
    text = changed(
        ("chapter = 1\n", "chapter = 9\n"), ("minutes = 3", "minutes = 0"), ("write door\n", "wrte door\n")
    )
    _lab, faults = read_lab(text, "x.md")
    assert [fault.key for fault in faults] == ["chapter", "minutes", "kvm"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "x.md:1: a lab begins with a line +++, and TOML behind it"),
        ("# Prose\n", "x.md:1: a lab begins with a line +++, and TOML behind it"),
        ("+++\nformat = 1\n", "x.md:1: the TOML has no end: a second line +++ is missing"),
        ("+++\nformat = 1\nid = \n+++\n", "x.md:3: not TOML: Invalid value"),
        ("+++\n+++\n", "x.md:1: there is nothing between the +++"),
        ("+++\ngoal = 3\n+++\n", "x.md:2: goal: expected a table, [[goal]]"),
        ("+++\n[goal]\nid = 'a'\n+++\n", "x.md:2: goal: expected a table, [[goal]]"),
        ("+++\nstart = [1]\n+++\n", "x.md:2: start: expected a table, [start]"),
    ],
)
def test_what_is_no_lab_is_told_so(text: str, fault: str) -> None:
    """No traceback, whatever a file holds."""
    lab, faults = read_lab(text, "x.md")
    assert lab is None
    assert fault in [str(each) for each in faults]


def test_any_part_of_a_lab_is_read_without_a_traceback() -> None:
    """A file that was cut off anywhere is told to be one, and nothing is raised."""
    for end in range(0, len(GOOD), 7):
        lab, faults = read_lab(GOOD[:end], "x.md")
        assert (lab is None) == bool(faults)


def test_code_in_what_is_said_is_quoted_as_in_the_prose() -> None:
    """Goals, mistakes, hints, and why an answer is right."""
    lab = lab_of(
        changed(
            ('say = "Ring twice."', 'say = "Ring `bell` twice."'),
            ('say = "Too often."', 'say = "``x`` is not `y`."'),
            ('["nudge", "pointer"', '["`a` nudge", "pointer"'),
            ("A read takes all.", "`read` takes all."),
        )
    )
    assert lab.goals[1].say == "Ring 'bell' twice."
    stars = lab_of(changed(('say = "Ring twice."', 'say = "Ring *it twice*, **not** 2 * 3 * 4."')))
    assert stars.goals[1].say == "Ring it twice, not 2 * 3 * 4."
    assert lab.goals[0].because == "'read' takes all."
    assert lab.mistakes[0].say == "'x' is not 'y'."
    assert lab.hints[0].rungs[0] == "'a' nudge"
