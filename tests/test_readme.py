"""What the README shows is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from kvmlab.course.shelf import Shelf

CHECKOUT = Path(__file__).parent.parent
README = (CHECKOUT / "README.md").read_text()
PROMPT = "kvm> "


def blocks(language: str) -> list[str]:
    """Return the README's code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_transcript_is_what_the_prompt_prints(tmp_path: Path) -> None:
    """The session on the first screen, typed again, prints the same."""
    (transcript,) = blocks("console")
    typed = [line.removeprefix(PROMPT) for line in transcript.splitlines() if line.startswith(PROMPT)]
    done = subprocess.run(
        [sys.executable, "-m", "kvmlab", "repl"],
        input="\n".join(typed),
        cwd=CHECKOUT,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == transcript
    assert done.returncode == 0


def test_library_example_runs() -> None:
    """The library example's own assertions hold."""
    (example,) = blocks("python")
    assert example.count("assert") >= 3
    subprocess.run([sys.executable, "-c", example], cwd=CHECKOUT, check=True)


def test_scripts_and_links_are_there() -> None:
    """Every file of the project that the README names exists."""
    named = re.findall(r"(?:labs/[\w/.-]+\.kvm|kvmlab/\w+(?:\.py|/))", README)
    assert named
    assert [name for name in named if not (CHECKOUT / name).exists()] == []


def test_every_lab_it_links_to_is_there_and_the_thread_is_told_in_full() -> None:
    """The table of claims leads to files that exist, and no lab of chapter 5 is left out."""
    links = dict(re.findall(r"\[([a-z0-9-]+)\]\(labs/([\w.-]+\.md)\)", README))
    assert [name for name in links.values() if not (CHECKOUT / "labs" / name).exists()] == []
    assert [lab for lab, name in links.items() if not name.endswith(f"-{lab}.md")] == []
    thread = [head.id for head in list(Shelf(Path("/nonexistent")).chapters())[5 - 1][2]]
    assert thread
    assert [lab for lab in thread if lab not in links] == []
