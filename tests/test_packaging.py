"""What is installed is what stands in the checkout: labs and themes come along, by every way."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
KINDS = ("labs", "themes")


def checkout_data() -> set[str]:
    """Return the files of labs/ and themes/ by their names inside a wheel."""
    return {
        f"kvmlab/_data/{path.relative_to(CHECKOUT).as_posix()}"
        for kind in KINDS
        for path in (CHECKOUT / kind).rglob("*")
        if path.is_file()
    }


def build(source: Path, target: str, into: Path) -> Path:
    """Build one target of hatchling and return the file it made."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return next(into.iterdir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the checkout."""
    return build(CHECKOUT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def wheel_of_sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from an unpacked source distribution."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(build(CHECKOUT, "sdist", tmp_path_factory.mktemp("sdist"))) as archive:
        # The argument `filter` came with 3.11.4; the attribute is ignored before that.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(unpacked)
    return build(next(unpacked.iterdir()), "wheel", tmp_path_factory.mktemp("wheel_of_sdist"))


@pytest.mark.parametrize("built", ["wheel", "wheel_of_sdist"])
def test_wheel_holds_package_and_data(built: str, request: pytest.FixtureRequest) -> None:
    """Either wheel holds every lab and theme, every module, and nothing beside the package."""
    with zipfile.ZipFile(request.getfixturevalue(built)) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    modules = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "kvmlab").rglob("*.py*")}
    assert {name for name in names if name.startswith("kvmlab/_data/")} == checkout_data()
    assert {name for name in modules if "__pycache__" not in name} <= names
    assert {name.partition("/")[0] for name in names} == {"kvmlab"}


@pytest.mark.parametrize("built", ["wheel", "wheel_of_sdist"])
def test_installed_package_finds_its_data(built: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Away from the checkout the package finds the labs and themes that were packed with it."""
    with zipfile.ZipFile(request.getfixturevalue(built)) as archive:
        archive.extractall(tmp_path)
    code = "from kvmlab.resources import folder; print(*(folder(kind) for kind in ('labs', 'themes')))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(tmp_path / "kvmlab" / "_data" / kind) for kind in KINDS]


def test_editable_wheel_points_at_the_checkout(tmp_path: Path) -> None:
    """An editable install copies nothing: it is one path entry, so no stale lab can be read."""
    with zipfile.ZipFile(build(CHECKOUT, "wheel:editable", tmp_path)) as archive:
        (entry,) = [name for name in archive.namelist() if ".dist-info/" not in name]
        assert archive.read(entry).decode().strip() == str(CHECKOUT)


def test_ci_runs_the_second_command_of_the_readme() -> None:
    """The commands of the README are the commands that are run."""
    last_line = (CHECKOUT / ".ci" / "run").read_text().splitlines()[-1]
    assert last_line in (CHECKOUT / "README.md").read_text().splitlines()


def test_every_dependency_says_what_it_is_for() -> None:
    """A dependency has a range with an upper bound, and a comment line before it."""
    text = (CHECKOUT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    lines = [line.strip() for line in text.splitlines()]
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        assert "<" in requirement, requirement
        assert lines[lines.index(f'"{requirement}",') - 1].startswith("# "), requirement
