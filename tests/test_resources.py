"""Where labs and themes are found, and the settings of a user."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab import resources, settings
from kvmlab.settings import Settings, load_settings, parse_settings

ROOT = Path(__file__).parent.parent

THERE = "there are theme, history_size, fps, layout, keymap"
SIZES = "expected one of auto, 80x24, 120x40, 200x60, narrow, wide, full"


def test_a_checkout_finds_its_own_folders() -> None:
    """Beside the package, without installing anything."""
    assert resources.folder("themes") == ROOT / "themes"
    assert "kvmlab-dark" in resources.names("themes")


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    """The message names the resource and the choice."""
    with pytest.raises(resources.ResourceError, match=r"no theme is called 'x'; there is .*kvmlab-dark"):
        resources.find("themes", "x")


@pytest.mark.parametrize("name", ["../pyproject", "/etc/passwd", ""])
def test_a_name_never_leaves_its_folder(name: str) -> None:
    """Only names that the folder lists are found."""
    with pytest.raises(resources.ResourceError):
        resources.find("themes", name)


def test_a_copy_without_the_folder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the package nor beside it: a sentence, no traceback."""
    monkeypatch.setattr(resources, "PACKAGE", tmp_path)
    with pytest.raises(resources.ResourceError, match="has no labs"):
        resources.folder("labs")


def test_an_archive_finds_what_is_packed_in_it(tmp_path: Path) -> None:
    """Resources have no path of their own inside a zip."""
    archive = tmp_path / "kvmlab.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("kvmlab/__init__.py", "")
        packed.write(ROOT / "kvmlab" / "resources.py", "kvmlab/resources.py")
        packed.writestr("kvmlab/_data/themes/odd.toml", 'error = "#123456"')
    code = "from kvmlab import resources; print(resources.find('themes', 'odd').read_text())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(archive)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == 'error = "#123456"\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("theme = 3\nfps = 5", "c.toml:1: theme: expected a text such as 'kvmlab-dark', found 3"),
        ("history_size = true", "c.toml:1: history_size: expected a number such as 10000, found True"),
        (
            "\nhistory_size = -1",
            "c.toml:2: history_size: expected 0 to 1000000, found -1; the nearest is 0",
        ),
        ("fps = 3", "c.toml:1: fps: expected 4 to 60, found 3; the nearest is 4"),
        ("fps = 61", "c.toml:1: fps: expected 4 to 60, found 61; the nearest is 60"),
        ('theme = "a"\nthem = "b"', f"c.toml:2: them: no such setting; {THERE}; the nearest is 'theme'"),
        ('layout = "100x40"', f"c.toml:1: layout: {SIZES}, found '100x40'; the nearest is '120x40'"),
        ("keymap = 1", "c.toml:1: keymap: expected a table of bindings and their keys, found 1"),
        (
            'theme = "mono"\n[keymap]\ntake = "f5"\ntheme = []',
            "c.toml:4: keymap.theme: expected a key such as 'f5', or a list of keys, found []",
        ),
        ("theme = [", "c.toml:1: not TOML: Invalid value"),
    ],
)
def test_what_is_wrong_is_reported_by_file_line_and_key(text: str, problem: str) -> None:
    """One wrong key is one sentence."""
    assert parse_settings(text, "c.toml")[1] == [problem]


def test_a_setting_knows_where_it_stands() -> None:
    """What only the screen can check is reported with its line; what a command line says has none."""
    found, problems = parse_settings('[keymap]\nmask = ["x", "?"]\ntheme = "f5"\n"take"="a"', "c.toml")
    assert problems == []
    assert found.keymap == {"mask": ("x", "?"), "theme": ("f5",), "take": ("a",)}
    assert found.place("keymap.take") == "c.toml:4: keymap.take: "
    assert found.place("theme") == ""
    themed, _ = parse_settings('layout = "auto"\ntheme = "x"', "c.toml")
    assert themed.place("theme") == "c.toml:2: theme: "
    chosen = themed.chosen(theme="mono")
    assert (chosen.theme, chosen.place("theme"), chosen.place("layout")) == ("mono", "", "c.toml:1: layout: ")


def test_the_rest_of_a_wrong_file_holds() -> None:
    """What is right is used."""
    assert parse_settings("theme = 3\nhistory_size = 5", "c")[0] == Settings(history_size=5)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever stands in the file, there are settings."""
    assert isinstance(parse_settings(text, "c.toml")[0], Settings)


def test_the_folders_can_be_overridden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment decides where files are read and written."""
    monkeypatch.setenv("KVMLAB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("KVMLAB_STATE_DIR", str(tmp_path / "state"))
    assert settings.config_dir() == tmp_path / "config"
    assert settings.state_dir() == tmp_path / "state"
    assert load_settings() == (Settings(), [])


def test_without_an_override_the_folders_are_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    """The XDG folders, or what a system has instead, with kvmlab's name."""
    monkeypatch.delenv("KVMLAB_CONFIG_DIR", raising=False)
    monkeypatch.delenv("KVMLAB_STATE_DIR", raising=False)
    assert "kvmlab" in settings.config_dir().parts
    assert "kvmlab" in settings.state_dir().parts


@pytest.mark.parametrize("data", [b"\xff", b"#" * (2 << 20)])
def test_a_file_that_is_no_text_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    """Binary and huge files cost their settings, not the program."""
    monkeypatch.setenv("KVMLAB_CONFIG_DIR", str(tmp_path))
    (tmp_path / settings.FILE).write_bytes(data)
    found, problems = load_settings()
    assert found == Settings()
    assert len(problems) == 1


def test_a_folder_in_place_of_the_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read is said to be so."""
    monkeypatch.setenv("KVMLAB_CONFIG_DIR", str(tmp_path))
    (tmp_path / settings.FILE).mkdir()
    assert load_settings()[1] == [f"{tmp_path / settings.FILE}: cannot be read: Is a directory"]
