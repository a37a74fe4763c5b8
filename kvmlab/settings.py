"""A user's configuration and the places where a user's files are.

``config.toml`` in the configuration folder is checked key by key: what is wrong is reported with
file, line and key, its default is used, and the rest goes on. The environment variables
KVMLAB_CONFIG_DIR and KVMLAB_STATE_DIR override the two folders.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

FILE = "config.toml"

LARGEST = 1 << 20
"""A configuration or theme file of more bytes than this is not read."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user can choose: the theme by name or path, and how many lines of history are kept."""

    theme: str = "kvmlab-dark"
    history_size: int = 10_000


RANGES = {"history_size": range(1_000_001)}
"""The values that a number may have."""


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
    settings = Settings()
    for key, value in data.items():
        wrong = _wrong(key, value)
        if wrong:
            problems.append(f"{file}:{line_of(text, key)}: {key}: {wrong}")
        else:
            settings = replace(settings, **{key: value})
    return settings, problems


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


def line_of(text: str, key: str) -> int:
    """Return the line on which a TOML key is assigned, 1 if it cannot be told."""
    found = re.search(
        rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*[=.]|^[ \t]*\[{re.escape(key)}\]", text, re.MULTILINE
    )
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _user_dir(variable: str, kind: str) -> Path:
    override = os.environ.get(variable)
    if override:
        return Path(override)
    import platformdirs  # 10 ms that only a front end's start needs

    return Path(getattr(platformdirs, kind)("kvmlab", appauthor=False))


def _wrong(key: str, value: object) -> str:
    """Say what is wrong with a setting, "" if nothing is."""
    if key not in Settings.__dataclass_fields__:
        return f"no such setting; there are {', '.join(Settings.__dataclass_fields__)}"
    default = getattr(Settings(), key)
    if type(value) is not type(default):
        return f"expected {'a number' if isinstance(default, int) else 'a text'}, found {value!r}"
    if key in RANGES and value not in RANGES[key]:
        return f"expected 0 to {RANGES[key][-1]}, found {value!r}"
    return ""
