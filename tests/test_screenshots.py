"""The pictures in README.md can be made again, and are there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.screenshots import CHECKOUT, LAB_SIZE, SCREENS, SIZES, small

NAMES = {f"{width}x{height}.svg": height for width, height in SIZES}
"""Name of each picture of the session → the lines of its screen."""

SHOWN = {**NAMES, "lab.svg": LAB_SIZE[1]}
"""The same of every picture."""

TEXT = "{http://www.w3.org/2000/svg}text"


def words(file: Path) -> str:
    """Return the text of a picture, line by line."""
    texts = ET.parse(file).iter(TEXT)  # noqa: S314  # It was made here, or stands in the repository.
    lines: dict[float, str] = {}
    for text in texts:
        y = float(text.get("y", "0"))
        lines[y] = lines.get(y, "") + (text.text or "").replace("\xa0", " ")
    return "\n".join(lines.values())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the script has written, on a machine that wants no colours."""
    folder = tmp_path_factory.mktemp("screens")
    command = [sys.executable, "-m", "tests.screenshots", str(folder)]
    environment = {**os.environ, "NO_COLOR": "1"}
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_the_script_draws_the_end_of_the_readmes_session(made: Path, name: str) -> None:
    """The last command, its answer, the tabs and the keys are on every picture, in the theme's colours."""
    drawn = words(made / name)
    assert "ENOENT: no level irqfd of this VM has the key 99" in drawn
    assert "1ioapic" in drawn
    assert "help" in drawn
    assert "9/9" in drawn
    assert "not journalled" not in drawn
    assert "#6cb0f0" in (made / name).read_text("utf-8")


def test_the_script_draws_a_lab(made: Path) -> None:
    """Its text, its goals as they stand, and the panes that it wants."""
    drawn = words(made / "lab.svg")
    for text in ("Lab: A level irqfd holds its line", "Goals: 2 of 5", "▸ ", "1 of 3)", "IOAPIC"):
        assert text in drawn


@pytest.mark.parametrize("name", SHOWN)
def test_the_readme_shows_the_picture_and_how_it_is_made(name: str) -> None:
    """Every picture is in the repository, no larger than a page may bear, and needs nothing else."""
    readme = (CHECKOUT / "README.md").read_text("utf-8")
    assert f"](docs/screens/{name})" in readme
    assert "python -m tests.screenshots" in readme
    text = (SCREENS / name).read_text("utf-8")
    assert len(text) < 100_000
    assert "url(" not in text
    assert words(SCREENS / name).count("\n") > SHOWN[name] * 3 // 4


def test_what_is_left_out_is_not_seen() -> None:
    """Text, its place and colours other than the ground's stay."""
    svg = (
        '<!-- by hand --><style>@font-face { src: url("x"); }</style><defs><a/></defs>'
        '<rect fill="#292929" rx="8"/><rect fill="#000000" x="1"/><rect fill="#111111" x="2.4000001"/>'
        '<text class="terminal-123-r1" y="1.5" clip-path="url(#terminal-123-line-1)">a b</text>'
    )
    assert re.sub(r"\s+", " ", small(svg, "#000000")) == (
        '<style></style><rect fill="#000000" rx="8"/><rect fill="#111111" x="2.4"/>'
        '<text class="r1" y="1.5">a b</text>'
    )
