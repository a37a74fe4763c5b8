"""A command line that is wrong is told with the nearest word that would be right."""

from __future__ import annotations

import json

import pytest

from kvmlab.cli import main


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("labs verfy", "kvmlab labs: error: argument WORK: there is no 'verfy'; did you mean 'verify'?"),
        ("exlpore x", "kvmlab: error: argument PROGRAM: there is no 'exlpore'; did you mean 'explore'?"),
        ("zzz", "there is no 'zzz'; expected tui, repl, run, compare, "),
        ("explore --bond 2", "kvmlab explore: error: there is no option --bond; did you mean '--bound'?"),
        ("explore --bond=2", "kvmlab explore: error: there is no option --bond; did you mean '--bound'?"),
        ("labs verify --jsn", "kvmlab labs verify: error: there is no option --jsn; did you mean '--json'?"),
        ("tui --layout 80x25", "argument --layout: there is no '80x25'; did you mean '80x24'?"),
        ("labs list more", "kvmlab labs list: error: nothing is expected at 'more'"),
        ("--zzz", "kvmlab: error: there is no option --zzz"),
    ],
)
def test_what_is_misspelt_is_told_with_the_nearest_word(
    said: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the program that it was said to, behind the usage of that one; the status is 2."""
    with pytest.raises(SystemExit) as ended:
        main(said.split())
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_the_beginning_of_an_option_is_still_one(capsys: pytest.CaptureFixture[str]) -> None:
    """As long as no other begins so; and what stands behind -- is none."""
    assert main(["run", "--js", "-c", "eventfd a"]) == 0
    assert main(["run", "--", "--jsn"]) == 2
    assert "--jsn: the script cannot be read: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    "program", ["run", "conform", "compare", "explore", "diff", "record", "attach", "bench", "help"]
)
def test_what_is_scripted_answers_in_json_too(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every program that is no screen and no prompt has the option."""
    with pytest.raises(SystemExit):
        main([program, "--help"])
    assert "--json" in capsys.readouterr().out


def test_help_as_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    """The topic, and the lines that are printed without it."""
    assert main(["help", "irqfd"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert main(["help", "irqfd", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"topic": "irqfd", "lines": lines}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("KVM_CAP_IRQFDD", "this kernel does not know KVM_CAP_IRQFDD; did you mean 'KVM_CAP_IRQFD'?"),
        ("eoifds", "this kernel does not know KVM_CAP_EOIFDS; did you mean 'KVM_CAP_EOIFD'?"),
        ("KVM_CAP_IRQFD_RESAMPLE", "this kernel does not know KVM_CAP_IRQFD_RESAMPLE\n"),
        ("200", "this kernel does not know KVM_CAP_200\n"),
    ],
)
def test_a_capability_that_nobody_has_is_told_with_the_nearest(
    name: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that another kernel has is no slip."""
    assert main(["run", "-c", f"caps {name}"]) == 0
    assert told in capsys.readouterr().out
