"""Scripts from strangers: what they may read, and that no file and no text hangs or breaks the program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kvmlab.language import script as language_script
from kvmlab.scripts import BIGGEST

PROGRAM = [sys.executable, "-m", "kvmlab"]


def kvmlab(*words: str, folder: Path, **more: str) -> tuple[int, str, str]:
    """Return exit status, stdout and stderr of the program in a folder; it ends within a minute."""
    checkout = str(Path(__file__).parent.parent)
    done = subprocess.run(
        [*PROGRAM, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": checkout, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def refused(folder: Path, name: str = "main.kvm") -> str:
    """Return the first line of stderr of a script that is refused and of which nothing runs."""
    status, out, told = kvmlab("run", name, folder=folder)
    assert (status, out) == (2, "")
    return told.splitlines()[0]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing.kvm", "No such file or directory"),
        (".", "Is a directory"),
        ("pipe", "it is a pipe and nothing comes out of it"),
        ("/dev/zero", f"it has more than {BIGGEST >> 20} MiB"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_file_that_is_no_script_is_refused_at_once(name: str, why: str, tmp_path: Path) -> None:
    """Not waited for, not read for ever, and named."""
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path, name) == f"{name}: the script cannot be read: {why}"


def test_a_pipe_that_is_written_to_is_a_script(tmp_path: Path) -> None:
    """As in `kvmlab run <(generate)`."""
    done = subprocess.run(
        [*PROGRAM, "run", "/dev/stdin"], input="sti\n", capture_output=True, text=True, check=True
    )
    assert done.stdout == "kvm> sti\n→ 0\n"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../outside.kvm", "a script may read only what is in its own folder"),
        ("/etc/passwd", "a script may read only what is in its own folder"),
        ("link.kvm", "a script may read only what is in its own folder"),
        ("loop.kvm", "No such file or directory|Too many levels of symbolic links"),
        ("pipe", "it is no regular file"),
        (".", "it is no regular file"),
        ("none.kvm", "No such file or directory"),
    ],
)
def test_a_script_reads_only_files_of_its_own_folder(path: str, why: str, tmp_path: Path) -> None:
    """The place of the `source` is told, whichever way the path leads out."""
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "outside.kvm").write_text("sti\n")
    (folder / "link.kvm").symlink_to(tmp_path / "outside.kvm")
    (folder / "loop.kvm").symlink_to(folder / "loop.kvm")
    os.mkfifo(folder / "pipe")
    (folder / "main.kvm").write_text(f"sti\nsource {path}\n")
    told = refused(folder)
    assert told in [f"main.kvm:2:1: '{path}' cannot be read: {each}" for each in why.split("|")]


def test_a_cycle_is_told_by_the_names_that_were_written(tmp_path: Path) -> None:
    """Not by paths of this machine, and not one round later."""
    (tmp_path / "main.kvm").write_text("source other.kvm\n")
    (tmp_path / "other.kvm").write_text("source main.kvm\n")
    assert refused(tmp_path) == "other.kvm:1:1: 'main.kvm' sources itself: main.kvm → other.kvm → main.kvm"


def test_scripts_that_multiply_each_other_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifteen small files that come to 10^15 commands end with a sentence."""
    from kvmlab.cli import make_session
    from kvmlab.language.errors import LanguageError
    from kvmlab.scripts import parse_file

    monkeypatch.setattr(language_script, "LONGEST", 10_000)
    for number in range(15):
        (tmp_path / f"{number}.kvm").write_text(f"source {number + 1}.kvm\n" * 10)
    (tmp_path / "15.kvm").write_text("sti\n" * 10)
    with pytest.raises(LanguageError, match="comes to more than 10000 lines and commands"):
        parse_file(make_session(), str(tmp_path / "0.kvm"))


@pytest.mark.parametrize("nested", ["expect 0: ", "actor a: ", "expect ENOENT: actor a: "])
def test_commands_inside_commands_inside_commands_are_wrong_text(nested: str, tmp_path: Path) -> None:
    """However deep; the column is that of the first that cannot stand there."""
    (tmp_path / "main.kvm").write_text(nested * 4_000 + "sti")
    column = nested.index(": ") + 3
    assert refused(tmp_path).startswith(f"main.kvm:1:{column}: ")


@pytest.mark.parametrize("stream", ["<&-", ">&-", "2>&-", ">/dev/full", "2>/dev/full", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", ["run -c sti", "repl", "help --all", "run nothing.kvm"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_closed_and_full_streams_are_no_traceback(
    words: str, stream: str, unbuffered: str, tmp_path: Path
) -> None:
    """The exit status is the verdict, or 2 where the output has no room."""
    command = f"{sys.executable} -m kvmlab {words} {stream}"
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env={**os.environ, "KVMLAB_STATE_DIR": str(tmp_path), "PYTHONUNBUFFERED": unbuffered},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode in ((0, 2) if "nothing" not in words else (2,))
    if stream == ">/dev/full" and words not in {"run nothing.kvm", "repl"}:
        assert (done.returncode, done.stderr) == (2, "kvmlab: No space left on device\n")


def test_a_terminal_without_arrows_is_shown_something_else(tmp_path: Path) -> None:
    """What an encoding lacks is replaced."""
    status, out, _told = kvmlab("run", "-c", "sti", folder=tmp_path, PYTHONIOENCODING="ascii")
    assert (status, out) == (0, "kvm> sti\n? 0\n")


def test_a_failure_is_summed_up_in_a_line(tmp_path: Path) -> None:
    """A command of 90 000 characters is shown by its beginning."""
    (tmp_path / "main.kvm").write_text("expect last.ret == 1" + " and last.ret == 1" * 5_000)
    status, _out, told = kvmlab("run", "main.kvm", folder=tmp_path)
    assert status == 1
    assert told.startswith("main.kvm:1:1: expect last.ret == 1 and ")
    assert len(told) < 250


def test_a_script_waits_for_no_module_that_it_does_not_need() -> None:
    """JSON, the nearest word, paths and the width of the terminal cost 12 ms together."""
    code = (
        "import sys; from kvmlab.cli import main; main(['run', '-c', 'sti']);"
        "print([m for m in ('json', 'difflib', 'pathlib', 'shutil') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
