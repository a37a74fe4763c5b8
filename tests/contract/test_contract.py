"""The command language and the programs as a script's author meets them: texts, results and exit statuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kvmlab.cli import main

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden" / "linux-3.6.jsonl"
SCRIPTS = sorted(HERE.glob("*.kvm"))
HELD, FAILED, WRONG = 0, 1, 2


def kvmlab(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program of the package as a user does, with `given` on its standard input."""
    line = (sys.executable, "-m", "kvmlab", *words)
    return subprocess.run(line, input=given, capture_output=True, text=True, check=False, timeout=120)


def commands(ran: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    """Read what `run --json` printed: one object a command."""
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_every_expectation_of_a_contract_script_is_asked_and_holds(
    script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An expectation that was neither held nor failed would be no verdict, so each must say that it held."""
    status = main(["run", "--json", str(script)])
    ran = capsys.readouterr()
    assert status == HELD, ran.err
    answers = [json.loads(line) for line in ran.out.splitlines()]
    expectations = [one for one in answers if one["text"].startswith("expect")]
    assert expectations and all(one["held"] is True for one in expectations)


def test_the_whole_script_is_parsed_before_its_first_command(tmp_path: Path) -> None:
    """Wrong text in the last line keeps the first from running; the message names file, line and column."""
    script = tmp_path / "late.kvm"
    script.write_text("eventfd a\nwrite a\n\n  read other\n", encoding="utf-8")
    ran = kvmlab("run", "--json", str(script))
    assert (ran.returncode, ran.stdout) == (WRONG, "")
    assert ran.stderr.startswith(f"{script}:4:8: ")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("eventfd a; read a; irqfd a gsi=1; irqfd a gsi=1", HELD),
        ("expect 1 == 1", HELD),
        ("expect 1 == 2; eventfd a", FAILED),
        ("eventfd a; expect 1: write a", FAILED),
        ("eventfd a; expect EINVAL: read a", FAILED),
        ("eventfd a; expect EAGAIN: write a", FAILED),
        # A status of -1 is no errno.
        ("expect EAGAIN: line 11 1", FAILED),
        ("expect none: line 11 1", FAILED),
        ("expect 0: take", FAILED),
        ("eventfd a; never eventfd.a.count == 2; write a 2; read a", FAILED),
        ("eventfd a; always eventfd.a.count < 2; write a 2; read a", FAILED),
        ("eventfd a; never eventfd.a.count == 2; write a 1; write a 2", HELD),
        ("eventfd a; never eventfd.a.count == 2; machine; eventfd a; write a 2", HELD),
        ("eventfd a; always 1 == 1; write a; undo; redo", HELD),
        ("caps; history; contexts; trace; info irq; info lapic; help; expect 1 == 1", HELD),
    ],
)
def test_the_exit_status_is_the_verdict(text: str, status: int) -> None:
    """A kernel's no changes nothing; an expectation that did not hold makes it 1."""
    assert main(["run", "-c", text]) == status


def test_a_failed_expectation_does_not_stop_the_script() -> None:
    """What follows runs, and is judged for itself."""
    ran = commands(kvmlab("run", "--json", "-c", "expect 1 == 2; eventfd a; expect EAGAIN: read a"))
    assert [one["held"] for one in ran] == [False, None, True]
    assert [one["ret"] for one in ran] == [None, 0, -1]


@pytest.mark.parametrize("text", ["expect 1 == 2", "expect not 1 in {0x1}", "expect taken.0x41 in {1, 2}"])
def test_a_failed_expectation_says_why(text: str) -> None:
    """The reason is never empty, also when the expression names no fact."""
    ran = kvmlab("run", "-c", text)
    assert ran.returncode == FAILED
    assert re.search(rf"^-c:1:1: {re.escape(text)}: \S", ran.stderr, re.MULTILINE)


def test_json_gives_one_object_a_command() -> None:
    """Line, text, result, errno, output, events and verdict stand in every object, in the script's order."""
    text = "eventfd a # a comment\nexpect EAGAIN: read a; line 11 1\ntake\ninfo sources\n"
    ran = kvmlab("run", "--json", "-c", text)
    found = commands(ran)
    assert all({"line", "text", "ret", "errno", "output", "events", "held"} <= set(one) for one in found)
    assert [one["line"] for one in found] == [1, 2, 2, 3, 4]
    assert [one["ret"] for one in found] == [0, -1, -1, "none", None]
    assert [one["errno"] for one in found][1] == "EAGAIN"
    assert found[2]["events"] == [
        "kvm_set_irq: gsi 11 level 1 source 0",
        "kvm_ioapic_set_irq: pin 11 dst 0 vec=0 (Fixed|physical|edge|masked)",
        "kvm_pic_set_irq: chip 1 pin 3 (edge|masked)",
    ]
    assert found[1]["held"] is True and found[4]["output"]


def test_trace_shows_the_tracepoints_of_a_round_trip_in_the_kernels_words() -> None:
    """Raise, deliver, take, EOI, acknowledge and the notifier's own lowering come in the order of 3.6."""
    text = (
        "ioapic 11 vector=177 level unmasked; eventfd t; irqfd t gsi=11 level; eventfd e;"
        "eoifd e key=t level; write t; take; eoi"
    )
    events = [event for one in commands(kvmlab("run", "--json", "-c", text))[-3:] for event in one["events"]]  # type: ignore[attr-defined]
    assert [event for event in events if not event.startswith(("kvm_mmio", "kvm_apic:"))] == [
        "kvm_set_irq: gsi 11 level 1 source 1",
        "kvm_apic_accept_irq: apicid 0 vec 177 (Fixed|level)",
        "kvm_ioapic_set_irq: pin 11 dst 0 vec=177 (Fixed|physical|level)",
        "kvm_pic_set_irq: chip 1 pin 3 (edge|masked)",
        "kvm_inj_virq: irq 177",
        "kvm_eoi: apicid 0 vector 177",
        "kvm_ack_irq: irqchip IOAPIC pin 11",
        "kvm_set_irq: gsi 11 level 0 source 1",
        "kvm_ioapic_set_irq: pin 11 dst 0 vec=177 (Fixed|physical|level)",
        "kvm_pic_set_irq: chip 1 pin 3 (edge|masked)",
    ]


def test_several_files_have_a_machine_each_and_one_status(tmp_path: Path) -> None:
    """Nothing of one file is seen in the next; the worst status is the program's."""
    texts = {"good": "eventfd a\nexpect EAGAIN: read a\n", "failing": "expect 1 == 2\n", "wrong": "other\n"}
    files = {name: tmp_path / f"{name}.kvm" for name in texts}
    for name, text in texts.items():
        files[name].write_text(text, encoding="utf-8")
    good, failing, wrong = (str(files[name]) for name in ("good", "failing", "wrong"))
    assert kvmlab("run", good, good).returncode == HELD
    assert kvmlab("run", failing, good).returncode == FAILED
    assert kvmlab("run", good, failing, wrong).returncode == WRONG


def test_options_fill_in_only_what_machine_leaves_out() -> None:
    """A script that names its kernel and api keeps them whatever the options say."""
    text = "machine kernel=linux-3.6 api=eoifd-v7; eventfd a; expect 1: irqfd a gsi=11 level"
    assert kvmlab("run", "--kernel", "linux-3.6", "--api", "eoifd-v7", "-c", text).returncode == HELD
    assert kvmlab("run", "--kernel", "linux-9", "-c", text).returncode == WRONG


@pytest.mark.parametrize("words", [(), ("-c", "sti", "-c", "cli"), ("-c", "sti", "file.kvm")])
def test_run_is_given_files_or_one_text_and_drops_nothing(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is given twice, or besides, is not left out in silence."""
    assert main(["run", *words]) == WRONG
    ran = capsys.readouterr()
    assert ran.out == "" and "either FILE… or one -c COMMANDS" in ran.err


def test_a_script_that_cannot_be_read_is_wrong_text(tmp_path: Path) -> None:
    """A missing file, a folder and bytes that are no text end with status 2 and a sentence, no traceback."""
    binary = tmp_path / "binary.kvm"
    binary.write_bytes(b"eventfd a\xff\n")
    for place in (tmp_path / "missing.kvm", tmp_path, binary):
        ran = kvmlab("run", str(place))
        assert ran.returncode == WRONG and ran.stderr.startswith(str(place))


def test_source_stands_in_place_and_stays_in_its_folder(tmp_path: Path) -> None:
    """An included file's commands run there; what lies outside the script's folder is not read."""
    inner = tmp_path / "scripts"
    inner.mkdir()
    (tmp_path / "outside.kvm").write_text("eventfd b\n", encoding="utf-8")
    (inner / "part.kvm").write_text("write a 2\n", encoding="utf-8")
    whole = inner / "whole.kvm"
    whole.write_text("eventfd a\nsource part.kvm\nexpect 2: read a\n", encoding="utf-8")
    assert kvmlab("run", str(whole)).returncode == HELD
    whole.write_text("source ../outside.kvm\n", encoding="utf-8")
    assert kvmlab("run", str(whole)).returncode == WRONG


def test_repl_reads_commands_from_a_pipe() -> None:
    """It answers each command, ends at `quit`, and its status is the verdict."""
    ran = kvmlab("repl", given="eventfd a\nwrite a 3\nexpect 3: read a\n")
    assert ran.returncode == HELD and "held" in ran.stdout
    assert kvmlab("repl", given="expect 1 == 2\n").returncode == FAILED
    assert kvmlab("repl", given="quit\nexpect 1 == 2\n").returncode == HELD


def test_help_knows_every_command_and_no_other() -> None:
    """Each verb of the language has its page; an unknown topic is an error with status 2."""
    verbs = (
        "machine caps eventfd dup close write read poll irqfd eoifd ioeventfd irq-line msi route release pit "
        "ioapic sti cli tpr take eoi handler run undo redo history mark goto auto manual actor contexts step "
        "finish info trace expect never always source save reset quit"
    )
    whole = kvmlab("help", "--all").stdout
    assert all(f"\n### {verb}" in whole for verb in verbs.split())
    for topic in ("irqfd", "switches", "facts"):
        page = kvmlab("help", topic)
        assert page.returncode == HELD and page.stdout
    assert kvmlab("help", "other").returncode == WRONG


def test_conform_agrees_with_a_recording_and_names_the_first_divergence(tmp_path: Path) -> None:
    """One changed number is found, by trace, step and field, and makes the status 1."""
    recorded = [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()[:2]]
    copy = tmp_path / "copy.jsonl"

    def write() -> None:
        copy.write_text("".join(json.dumps(trace) + "\n" for trace in recorded), encoding="utf-8")

    write()
    agreed = kvmlab("conform", str(copy))
    assert agreed.returncode == HELD and "2 of 2 traces" in agreed.stdout
    recorded[1]["steps"][3]["ret"] = 77
    write()
    differs = kvmlab("conform", str(copy))
    assert differs.returncode == FAILED and "1 of 2 traces" in differs.stdout
    assert f"{recorded[1]['name']}, step 3" in differs.stdout
    found = json.loads(kvmlab("conform", "--json", str(copy)).stdout)
    assert (found["traces"], found["traces_agreed"]) == (2, 1)
    copy.write_text("no recording\n", encoding="utf-8")
    assert kvmlab("conform", str(copy)).returncode == WRONG
