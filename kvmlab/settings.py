"""A user's settings and the places where a user's files are.

``settings.toml`` in the configuration folder is checked key by key: what is wrong is reported with
file, line, key and the nearest thing that would be right, its default is used, and the rest goes on.
What only a front end can check (whether a theme or a binding is there) keeps its place in the file,
for that front end to report. The environment variables KVMLAB_CONFIG_DIR and KVMLAB_STATE_DIR
override the two folders.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kvmlab.layouts import LAYOUT_NAMES

FILE = "settings.toml"

LARGEST = 1 << 20
"""A configuration or theme file of more bytes than this is not read."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user can choose.

    ``theme`` is a name or a path, ``history_size`` a number of lines, ``fps`` how often a second the
    screen looks for changes, ``layout`` one of LAYOUTS, ``keymap`` the keys of bindings by their IDs.
    ``places`` says where in the file a setting stands (``FILE:LINE: KEY: ``), by its key.
    """

    theme: str = "kvmlab-dark"
    history_size: int = 10_000
    fps: int = 20
    layout: str = "auto"
    keymap: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict, compare=False)

    def place(self, key: str) -> str:
        """Return what stands before a sentence on a setting, "" for one that is in no file."""
        return self.places.get(key, "")

    def chosen(self, theme: str = "", layout: str = "") -> Settings:
        """Return these settings with what a command line says in place of the file, "" for nothing."""
        said = {key: value for key, value in (("theme", theme), ("layout", layout)) if value}
        places = {key: place for key, place in self.places.items() if key not in said}
        return replace(self, theme=theme or self.theme, layout=layout or self.layout, places=places)


KEYS = ("theme", "history_size", "fps", "layout", "keymap")
"""What the file may set."""

RANGES = {"history_size": range(1_000_001), "fps": range(4, 61)}
"""The values that a number may have."""

CHOICES = {"layout": LAYOUT_NAMES}
"""The values that a text may have, where there are few."""


def config_dir() -> Path:
    """Return the folder of the configuration; it need not exist."""
    return _user_dir("KVMLAB_CONFIG_DIR", "user_config_dir")


def state_dir() -> Path:
    """Return the folder of history and journals; it need not exist."""
    return _user_dir("KVMLAB_STATE_DIR", "user_state_dir")


def load_settings() -> tuple[Settings, list[str]]:
    """Return the settings, and a sentence for everything in the file that is wrong."""
    path = config_dir() / FILE
    try:
        text = read_text(path)
    except FileNotFoundError:
        return Settings(), []
    except OSError as error:
        return Settings(), [f"{path}: cannot be read: {error.strerror or error}"]
    except ValueError as error:
        return Settings(), [f"{path}: {error}"]
    return parse_settings(text, str(path))


def parse_settings(text: str, file: str) -> tuple[Settings, list[str]]:
    """Return the settings in a TOML text, and a sentence for everything in it that is wrong."""
    data, problems = parse_toml(text, file)
    found: dict[str, Any] = {"keymap": {}, "places": {}}
    for table, key, value in _entries(data):
        place = f"{file}:{line_of(text, key, table)}: {f'{table}.' if table else ''}{key}: "
        wrong = _wrong_keys(value) if table else _wrong(key, value)
        if wrong:
            problems.append(place + wrong)
            continue
        found["places"][f"{table}.{key}" if table else key] = place
        if table:
            found[table][key] = (value,) if isinstance(value, str) else tuple(value)
        else:
            found[key] = value
    return Settings(**found), problems


def _entries(data: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield every entry as (table, key, value), the table being "" or keymap."""
    for key, value in data.items():
        if key == "keymap" and isinstance(value, dict):
            yield from ((key, name, keys) for name, keys in value.items())
        else:
            yield "", key, value


def parse_toml(text: str, file: str) -> tuple[dict[str, Any], list[str]]:
    """Return a TOML text as a dict, empty with a sentence naming file and line if it is none."""
    import tomllib  # 10 ms that most starts of a program do not need

    try:
        return tomllib.loads(text), []
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        line = place[1] if place and place[1] else str(text.count("\n") + 1)
        sentence = str(error)[: place.start()] if place else str(error)
        return {}, [f"{file}:{line}: not TOML: {sentence}"]


def read_text(path: Path) -> str:
    """Return a small UTF-8 text file; raise OSError, or ValueError with a sentence if it is none."""
    if path.is_fifo():
        raise ValueError("is a pipe and no file")
    with path.open("rb") as stream:
        data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"is larger than {LARGEST} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 at byte {error.start}") from error


def line_of(text: str, key: str, table: str = "") -> int:
    """Return the line on which a TOML key of a table is assigned, else that of the table, else 1."""
    here, line = "", 1
    for number, content in enumerate(text.split("\n"), start=1):
        header = re.fullmatch(r"\s*\[\s*[\"']?([^\[\]\"']+?)[\"']?\s*\]\s*(?:#.*)?", content)
        assigned = re.match(r"\s*[\"']?([^\"'=#\[\].\s]+)[\"']?\s*[=.]", content)
        name = header[1] if header else assigned[1] if assigned else ""
        here = header[1] if header else here
        if name == key and (here if assigned else "") == table:
            return number
        if table and name == table:
            line = number
    return line


def closest(word: str, words: Iterable[str], what: str = "nearest") -> str:
    """Return what stands behind a sentence on a word that is none of ``words``: the one nearest to it."""
    from difflib import get_close_matches  # 1 ms that a file without an error does not need

    by_case = {each.lower(): each for each in words}
    (found,) = get_close_matches(word.lower()[:80], by_case, n=1, cutoff=0.0) or ("",)
    return f"; the {what} is {by_case[found]!r}" if found else ""


def _user_dir(variable: str, kind: str) -> Path:
    override = os.environ.get(variable)
    if override:
        return Path(override)
    import platformdirs  # 10 ms that only a front end's start needs

    return Path(getattr(platformdirs, kind)("kvmlab", appauthor=False))


def _wrong(key: str, value: object) -> str:
    """Say what is wrong with a setting, "" if nothing is."""
    if key not in KEYS:
        return f"no such setting; there are {', '.join(KEYS)}{closest(key, KEYS)}"
    if key == "keymap":
        return f"expected a table of bindings and their keys, found {value!r}"
    default = getattr(Settings(), key)
    if type(value) is not type(default):
        kind = "a number" if isinstance(default, int) else "a text"
        return f"expected {kind} such as {default!r}, found {value!r}"
    return _out_of_range(key, value) if isinstance(value, int) else _no_choice(key, str(value))


def _out_of_range(key: str, value: int) -> str:
    allowed = RANGES[key]
    if value in allowed:
        return ""
    near = min(max(value, allowed[0]), allowed[-1])
    return f"expected {allowed[0]} to {allowed[-1]}, found {value}; the nearest is {near}"


def _no_choice(key: str, value: str) -> str:
    if value in CHOICES.get(key, (value,)):
        return ""
    return f"expected one of {', '.join(CHOICES[key])}, found {value!r}{closest(value, CHOICES[key])}"


def _wrong_keys(value: object) -> str:
    """Say what is wrong with the keys of a binding, "" if they are a text or texts."""
    keys = [value] if isinstance(value, str) else value
    if isinstance(keys, list) and keys and all(isinstance(key, str) and key for key in keys):
        return ""
    return f"expected a key such as 'f5', or a list of keys, found {value!r}"
