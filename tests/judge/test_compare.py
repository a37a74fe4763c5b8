"""`compare`: one script under several designs, and the points of the thread."""

from __future__ import annotations

import json
import os
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from kvmlab.cli import main, make_session
from kvmlab.engine.profile import APIS, DEFAULT_APIS, DEFAULT_KERNEL
from kvmlab.judge.compare import Comparison, Design, compare, designs, label, own
from kvmlab.judge.thread import Asked, read_point
from kvmlab.language.errors import LanguageError
from kvmlab.render.comparison import comparison_markdown, comparison_rows
from kvmlab.render.plain import plain_lines
from kvmlab.result import drained
from tests.engine.lab import Lab

POINTS = sorted((Path(__file__).parents[2] / "labs" / "scenarios" / "thread").glob("*.kvm"))
API = DEFAULT_APIS[DEFAULT_KERNEL]
PLAIN, HOOKLESS = Design(DEFAULT_KERNEL, API), Design(DEFAULT_KERNEL, API, ("pollhup",))
LEAK = """
machine
eventfd t; eventfd u
irqfd t gsi=11 level
eoifd u key=t level
close t; close u
eventfd t
irqfd t gsi=11 level  # the next key tells whether the first came back
"""
SHARED = """
ioapic 11 vector=0x41 level unmasked
device vfio nic gsi=11
device virtio disk gsi=11
handler 0x41 service disk, service nic, eoi
raise disk; run
expect taken.0x41 == 1
"""


def compared(text: str, *columns: Design) -> Comparison:
    """Return a text compared under designs, by default with and without the POLLHUP hook."""

    def read(path: str, _by: str) -> tuple[str, str]:
        raise OSError(f"{path} is not read here")

    return drained(compare(text, "a.kvm", read, columns or (PLAIN, HOOKLESS), make_session().handlers))


def figure(comparison: Comparison, name: str) -> tuple[int | None, ...]:
    """Return a figure under each design."""
    return dict(comparison.figures)[name]


def test_only_what_differs_is_a_difference() -> None:
    """The second key tells the designs apart, and so does how many IDs are left."""
    found = compared(LEAK)
    assert [(row.line, [cell.ret for cell in row.cells if cell]) for row in found.differing] == [(8, [1, 2])]
    assert figure(found, "source IDs left") == (62, 61)
    assert not found.failed


def test_a_design_takes_the_place_of_what_the_machine_says() -> None:
    """Its switches are added to those that the script asks for; a script without `machine` has them too."""
    found = compared("machine without=assign-flush vcpus=2\n" + LEAK.replace("machine\n", ""))
    assert figure(found, "source IDs left") == (62, 61)
    assert figure(compared(LEAK.replace("machine\n", "")), "source IDs left") == (62, 61)


def test_a_kernel_that_has_no_such_switch_goes_without() -> None:
    """The script's own switch is left out where it means nothing."""
    designs = Design("linux-3.6", "resample"), Design("linux-6.x", "resample")
    assert [design.knows("split-irqchip") for design in designs] == [False, True]
    assert [design.knows("rcu-wait") for design in designs] == [True, True]


def test_what_a_design_lacks_is_not_applicable() -> None:
    """A command or a word of another api is no failure and no wrong text; the rest of the line runs."""
    found = compared(
        "eventfd t; eventfd u; irqfd t gsi=11 resample=u; irqfd t gsi=11\nexpect 0: irqfd u gsi=5 eoi=t"
    )
    assert [row.text for row in found.rows if row.cells == (None, None)] == [
        "irqfd t gsi=11 resample=u",
        "expect 0: irqfd u gsi=5 eoi=t",
    ]
    assert found.rows[3].cells[0] is not None
    assert not found.failed


def test_an_actor_that_a_design_lacks_is_known_all_the_same() -> None:
    """What is said of it later is refused by the machine, and is no wrong text."""
    found = compared("eventfd u\nactor a: irqfd u gsi=5 eoi=u\nfinish a")
    assert found.rows[1].cells == (None, None)
    assert found.rows[2].cells[0] is not None


@pytest.mark.parametrize("text", ["no such command", "eventfd a\nread b", "device vfio nic", "save x"])
def test_wrong_text_is_wrong_under_every_design(text: str) -> None:
    """Nothing has run, and the place is named."""
    with pytest.raises(LanguageError):
        compared(text)


def test_the_figures_count_devices() -> None:
    """An idle assigned device is woken by another's EOI; nobody is ever woken for the other."""
    found = compared(SHARED)
    assert figure(found, "nic: wakeups") == figure(found, "nic: spurious") == (1, 1)
    assert figure(found, "nic: polls") == (0, 0)
    assert "disk: wakeups" not in dict(found.figures)


def test_an_expectation_that_fails_is_counted_and_told() -> None:
    """It fails the comparison, in the column where it failed."""
    found = compared(LEAK + "expect key.t == 1")
    assert found.failed
    assert figure(found, "expectations failed") == (0, 1)
    assert found.rows[-1].cells[1] is not None
    assert found.rows[-1].cells[1].text == "FAILED"


def test_what_is_not_asked_for_is_what_the_script_says() -> None:
    """Its first `machine` that names a kernel and an api; a wrong name is for the parser to tell."""
    said = own(
        b"# machine api=resample\n machine kernel=linux-6.x api=eoifd-v4 # api=x\nmachine api=resample"
    )
    assert said == ("linux-6.x", "eoifd-v4")
    assert own(b"machine kernel=linux-7 api=; machine api=resample") == ("", "")
    assert designs(said=said) == tuple(Design("linux-6.x", api) for api in APIS)
    assert designs(switches=("pollhup",), said=said)[1] == Design("linux-6.x", "eoifd-v4", ("pollhup",))
    assert designs(kernels=("linux-3.6",), said=said) == (Design("linux-3.6", "eoifd-v4"),)
    assert designs(apis=(API,), said=said) == (Design("linux-6.x", API),)


def test_columns_are_what_was_asked_for() -> None:
    """Each api on each kernel, then the first with each switch; nothing asked for is every design."""
    assert designs() == tuple(Design(DEFAULT_KERNEL, api) for api in APIS)
    assert designs(switches=("pollhup", "pollhup+assign-flush")) == (
        PLAIN,
        HOOKLESS,
        Design(DEFAULT_KERNEL, API, ("pollhup", "assign-flush")),
    )
    assert designs(("resample",), ("linux-3.6", "linux-6.x")) == (
        Design("linux-3.6", "resample"),
        Design("linux-6.x", "resample"),
    )


@pytest.mark.parametrize("text", ["pollhup", "without=pollhup"])
def test_a_switch_may_be_named_with_its_option(
    text: str, script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its name alone says the option."""
    assert (
        main(["compare", script, "--switch", f"{text},with=source-filter+without=filter-lock", "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["designs"][1:] == [
        f"{API} without=pollhup",
        f"{API} without=filter-lock with=source-filter",
    ]


def test_the_options_may_be_said_as_the_command_says_them(
    script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`compare FILE api=… switch=…` is one line at the prompt and in a shell."""
    assert main(["compare", script, f"api={API}", "switch=pollhup", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["designs"] == [API, f"{API} without=pollhup"]
    assert main(["compare", script, "apis=x"]) == 2
    assert capsys.readouterr().err == "kvmlab compare: 'apis=x' is none of api=…, kernel=…, switch=…\n"


def test_a_label_tells_what_differs() -> None:
    """The kernel is named where kernels differ, and where it is not the default one."""
    assert label(HOOKLESS, (PLAIN, HOOKLESS)) == f"{API} without=pollhup"
    two = designs(("resample",), ("linux-3.6", "linux-6.x"))
    assert [label(each, two) for each in two] == ["linux-3.6 resample", "linux-6.x resample"]
    assert label(two[1], two[1:]) == "linux-6.x resample"


def test_the_table_shows_differences_and_figures() -> None:
    """A row for each, n/a and failures in words, and a count of what was the same."""
    lines = plain_lines(comparison_rows(compared(LEAK)))
    assert lines[0].split() == [API, API, "without=pollhup"]
    assert lines[1].split()[-2:] == ["1", "2"]
    assert lines[-1] == "8 of 9 commands came to the same under all 2 designs"


def test_many_designs_are_headed_by_letters() -> None:
    """More than three names are a legend above the table."""
    lines = plain_lines(comparison_rows(compared("eventfd a", *[PLAIN] * 4)))
    assert lines[0] == f"a  {API}"
    assert lines[4].split() == ["a", "b", "c", "d"]
    most = plain_lines(comparison_rows(compared("eventfd a", *[PLAIN] * 29)))
    assert most[29].split()[25:] == ["z", "aa", "ab", "ac"]


def test_markdown_is_a_table() -> None:
    """As many cells in each row as in the head."""
    lines = comparison_markdown(compared(LEAK))
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {4}
    assert "| source IDs left | 62 | 61 |" in table


# -- the program -----------------------------------------------------------------------------------


@pytest.fixture
def script(tmp_path: Path) -> str:
    """Return a script that leaks without the hook."""
    file = tmp_path / "leak.kvm"
    file.write_text(LEAK)
    return str(file)


def test_the_program_prints_json(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command under every design, and the figures by name."""
    assert main(["compare", script, "--switch", "pollhup", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["designs"] == [API, f"{API} without=pollhup"]
    assert len(data["commands"]) == 9
    assert [each["line"] for each in data["commands"] if each["differs"]] == [8]
    assert data["commands"][-1]["cells"][1] == {"ret": 2, "errno": None, "held": None}
    assert data["figures"]["source IDs left"] == [62, 61]


def test_the_exit_status_is_that_of_run(script: str, tmp_path: Path) -> None:
    """0 all held, 1 an expectation did not, 2 wrong text, no such file or no such design."""
    assert main(["compare", script, "--switch", "pollhup", "--markdown"]) == 0
    (tmp_path / "fails.kvm").write_text(LEAK + "expect key.t == 1")
    assert main(["compare", str(tmp_path / "fails.kvm"), "--switch", "pollhup"]) == 1
    (tmp_path / "wrong.kvm").write_text("nonsense")
    assert main(["compare", str(tmp_path / "wrong.kvm")]) == 2
    assert main(["compare", str(tmp_path / "none.kvm")]) == 2
    assert main(["compare", script, "--api", "nonsense"]) == 2
    assert main(["compare"]) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--api", "eoifd-v8"], "no api is called 'eoifd-v8'; did you mean 'eoifd-v7'?"),
        (
            ["--switch", "filter-lock"],
            "without=filter-lock means nothing without with=source-filter; expected",
        ),
        (["--api", "resample", "--switch", "pollhup"], "api resample has nothing that without=pollhup could"),
        (["--thread"], "give either FILE or --thread"),
    ],
)
def test_a_wrong_option_is_told_in_a_sentence(
    options: list[str], said: str, script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no line and no column."""
    assert main(["compare", script, *options]) == 2
    assert capsys.readouterr().err.startswith(f"kvmlab compare: {said}")
    assert main(["compare", "--thread", "--api", API]) == 2


def test_the_verb_compares_and_leaves_the_session_alone(script: str) -> None:
    """The table is the output; the machine and its history are as they were."""
    session = make_session()
    lab = Lab()
    lab.session = session
    lab.say("eventfd mine")
    result = lab.one(f'compare "{script}" switch=pollhup')
    assert "source IDs left" in "\n".join(plain_lines(result.output))
    assert len(session.history) == 1
    with pytest.raises(LanguageError, match="cannot be read"):
        lab.say("compare nowhere.kvm")


def test_a_script_reads_only_beside_itself(tmp_path: Path) -> None:
    """What it sources stands in its folder, as for `run`."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "outer.kvm").write_text("eventfd a")
    (tmp_path / "inner" / "a.kvm").write_text(f"source ..{os.sep}outer.kvm")
    assert main(["compare", str(tmp_path / "inner" / "a.kvm")]) == 2


# -- the points of the thread ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def thread() -> dict[str, Any]:
    """Return what `compare --thread --json` prints, which ends with status 0."""
    with redirect_stdout(StringIO()) as out:
        assert main(["compare", "--thread", "--json"]) == 0
    return dict(json.loads(out.getvalue()))


def test_the_thread_is_staged(thread: dict[str, Any]) -> None:
    """Every point under every design: a cell each, every expectation held."""
    assert [point["script"] for point in thread["points"]] == [each.name for each in POINTS]
    for point in thread["points"]:
        assert point["claim"].startswith('"')
        assert point["failed"] == []
        assert point["rows"]
        assert all(len(row["cells"]) == len(thread["designs"]) for row in point["rows"])


V7 = f"{DEFAULT_KERNEL} {API}"
ARGUED = [
    ("01-threaded-masked", "held pending at the IOAPIC", {V7: "1", f"{V7} with=ack-on-unmask": "0"}),
    (
        "01-threaded-masked",
        "taken in all, for one raise",
        {V7: "2", f"{V7} with=ack-on-unmask": "1", "linux-6.x resample": "1"},
    ),
    (
        "03-irqfd-closed",
        "EOIs that the eventfd is still told of",
        {V7: "1", f"{DEFAULT_KERNEL} eoifd-v4": "0", f"{V7} with=source-filter": "0"},
    ),
    ("04-key-lifetime", "… once the irqfd is closed", {V7: "62", f"{DEFAULT_KERNEL} eoifd-v4": "63"}),
    ("04-key-lifetime", "… once both are closed", {V7: "63", f"{V7} without=pollhup": "62"}),
    (
        "05-close-close-assign",
        "the next device has the kernel's path",
        {V7: "1", f"{V7} without=assign-flush": "0", f"{DEFAULT_KERNEL} eoifd-v4": "0"},
    ),
    (
        "06-closed-without-deassign",
        "source IDs left after 70 rounds",
        {V7: "63", f"{V7} without=pollhup": "0"},
    ),
    (
        "07-ioeventfds-closed",
        "one more ioeventfd returns (-1 is ENOSPC)",
        {V7: "-1", f"{V7} with=ioeventfd-pollhup": "0"},
    ),
    (
        "09-shared-with-emulated",
        "wakeups, for one interrupt of its own",
        {V7: "6", f"{DEFAULT_KERNEL} eoifd-v5": "1", f"{V7} with=source-filter": "1"},
    ),
    (
        "10-shared-with-virtio",
        "wakeups of who serves the idle device",
        {V7: "1000", f"{V7} with=source-filter": "0", f"{DEFAULT_KERNEL} resample": "1000"},
    ),
    ("10-shared-with-virtio", "… for which the device was polled", {V7: "0"}),
    (
        "12-filter-needs-a-lock",
        "the assigned device was served",
        {V7: "1", f"{V7} with=source-filter": "1", f"{V7} without=filter-lock with=source-filter": "0"},
    ),
]


@pytest.mark.parametrize(("script", "what", "wanted"), ARGUED)
def test_what_was_argued_is_what_happens(
    thread: dict[str, Any], script: str, what: str, wanted: dict[str, str]
) -> None:
    """The cells that decide each point."""
    (point,) = [each for each in thread["points"] if each["script"] == f"{script}.kvm"]
    (row,) = [each for each in point["rows"] if each["what"] == what]
    cells = dict(zip(thread["designs"], row["cells"], strict=True))
    assert {design: cells[design] for design in wanted} == wanted


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.stem)
def test_a_point_runs_by_itself(point: Path) -> None:
    """`run` takes it under the default design, unless it is for every design at once."""
    only = "# Only for compare:" in point.read_text()
    assert main(["run", str(point)]) == (2 if only else 0)


def test_a_scenario_is_compared_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """As `source` finds it."""
    assert main(["compare", "10-event-per-eoi", "--switch", "pollhup", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["figures"]["expectations failed"] == [0, 0]


def test_a_head_says_claim_and_rows() -> None:
    """The comments up to the machine: the claim in a line, then a row for each template."""
    point = read_point(
        "a.kvm", "# Claim: it is\n# so\n# Row: a: b: {last.ret} x\n# Row at m: c: 1\nmachine\n# Row: none: 1"
    )
    assert point.claim == "it is so"
    assert point.rows == (Asked("a: b", "{last.ret} x"), Asked("c", "1", "m"))
