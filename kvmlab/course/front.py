"""The front matter of a lab: TOML between two lines of ``+++``, checked key by key.

Every table has its keys in a table of :data:`TABLES`; what is wrong is a fault with its line, its
key and the nearest word that would be right, and the rest is read on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from kvmlab.course.fault import Fault
from kvmlab.course.lab import GOAL_KINDS
from kvmlab.engine.kernels import KERNELS
from kvmlab.engine.profile import APIS, MAX_VCPUS
from kvmlab.engine.switches import SWITCHES
from kvmlab.language.errors import clip, nearest
from kvmlab.language.facts import REPORTS
from kvmlab.layouts import PANE_NAMES
from kvmlab.settings import parse_toml

FENCE = "+++"

FORMAT = 1

CHAPTERS = {
    1: "Counters and lines",
    2: "The CPU side",
    3: "irqfd",
    4: "KVM_EOIFD v7",
    5: "The thread",
    6: "What happened after",
    7: "Prove it",
}
"""The chapters of the course, by their numbers."""

VIOLATIONS = (*REPORTS, "never", "always", "lost-interrupt", "livelock")
"""What an exploration can find."""

ID = re.compile(r"[a-z][a-z0-9-]*")

Check = Callable[[Any], str]
"""Says what is wrong with a value, "" for nothing; the value's type is right."""


class Field(NamedTuple):
    """One key: the type of its value, what else is checked of it, and whether it must be there.

    What is ``said`` is read by people: code in it is quoted as in the prose.
    """

    type: type | tuple[str, ...]
    required: bool = False
    check: Check = lambda _value: ""
    said: bool = False


TEXTS = ("texts",)
"""In place of a type: a list of texts."""

_TYPES: dict[object, str] = {str: "a text", int: "a whole number", bool: "true or false"}


def _one_of(words: Iterable[str], what: str) -> Check:
    known = tuple(words)

    def check(value: Any) -> str:
        for each in [value] if isinstance(value, str) else value:
            if each not in known:
                better = nearest(each, known)
                near = f"; did you mean '{better}'?" if better else f"; expected {', '.join(known)}"
                return f"no {what} is called '{clip(each)}'{near}"
        return ""

    return check


def _between(low: int, high: int) -> Check:
    return lambda value: "" if low <= value <= high else f"expected {low} to {high}, found {value}"


def _id(value: str) -> str:
    if ID.fullmatch(value):
        return ""
    return f"'{clip(value)}' is no ID; expected a lower-case letter, then letters, digits or -"


def _three(value: list[str]) -> str:
    if len(value) == 3:
        return ""
    return f"expected three rungs, a nudge, a pointer and the command, found {len(value)}"


def _some(value: str | list[str]) -> str:
    if (isinstance(value, str) and value.strip()) or (value and not isinstance(value, str)):
        return ""
    return "nothing stands here"


def _switches(option: str) -> Field:
    words = [name for name, switch in SWITCHES.items() if switch.option == option]
    return Field(TEXTS, check=_one_of(words, f"switch of {option}="))


def spoken(value: str | list[str]) -> str | list[str]:
    """Return a text, or each of several, without Markdown: quotes round code, and no stars for emphasis."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return _plain(value)


def _plain(text: str) -> str:
    return _STARS.sub(r"\2", _CODE.sub(r"'\2'", text))


_CODE = re.compile(r"(`+)(.+?)\1")
_STARS = re.compile(r"(\*\*?)(\b[^*]+\b)\1")

_SAY = Field(str, required=True, check=_some, said=True)
_WHEN = Field(str, check=_some)
_VIOLATION = Field(str, check=_one_of(VIOLATIONS, "violation"))
_VERDICT = _one_of(("holds", "violated"), "verdict")
_MACHINE = {
    "kernel": Field(str, check=_one_of(KERNELS, "kernel")),
    "api": Field(str, check=_one_of(APIS, "api")),
    "without": _switches("without"),
    "with": _switches("with"),
}
_WHOLE = {**_MACHINE, "vcpus": Field(int, check=_between(1, MAX_VCPUS)), "pit": Field(bool)}

TABLES: dict[str, dict[str, Field]] = {
    "": {
        "format": Field(int, True, lambda value: "" if value == FORMAT else f"this kvmlab reads {FORMAT}"),
        "id": Field(str, True, _id),
        "title": _SAY,
        "chapter": Field(int, True, _between(min(CHAPTERS), max(CHAPTERS))),
        "needs": Field(TEXTS),
        "minutes": Field(int, True, _between(1, 120)),
        "source": Field(TEXTS, True, _some),
        "panes": Field(TEXTS, check=_one_of(PANE_NAMES, "pane")),
    },
    "start": {**_WHOLE, "script": Field(str)},
    "goal": {
        "id": Field(str, True, _id),
        "kind": Field(str, True, _one_of(GOAL_KINDS, "kind of goal")),
        "say": _SAY,
        "when": _WHEN,
        "otherwise": Field(str, check=_some, said=True),
        "violation": _VIOLATION,
        "verdict": Field(str, check=_VERDICT),
        "never": _WHEN,
        "always": _WHEN,
        "given": _WHEN,
        "ready": Field(TEXTS, check=_some),
        "answers": Field(TEXTS, check=_some),
        "answer": Field(str, check=_some),
        "because": Field(str, check=_some, said=True),
        **_MACHINE,
    },
    "mistake": {"when": Field(str, required=True, check=_some), "say": _SAY},
    "hint": {"goal": Field(str), "when": _WHEN, "say": Field(TEXTS, True, _three, said=True)},
    "proof": {
        "claim": _SAY,
        "script": Field(str, required=True, check=_some),
        "verdict": Field(str, True, _VERDICT),
        "violation": _VIOLATION,
        **_WHOLE,
    },
}
"""The keys of every table; "" holds those that stand in none."""

SINGLE, MANY = ("start",), ("goal", "mistake", "hint", "proof")
"""Tables that stand once, as ``[start]``, and those that may stand often, as ``[[goal]]``."""

Table = dict[str, Any]


class Front:
    """The front matter of one file. ``faults`` grows as it is read; ``body`` begins on line ``after``."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []
        lines = text.split("\n")
        self._lines: list[str] = []
        self._places: dict[tuple[str, int, str], int] = {}
        self._tables: dict[str, list[Table]] = {}
        self.body, self.after = text, 1
        self.data: Table = {}
        if lines[0].strip() != FENCE:
            self.fault(1, "", f"a lab begins with a line {FENCE}, and TOML behind it")
            return
        ends = [number for number, line in enumerate(lines) if number and line.strip() == FENCE]
        if not ends:
            self.fault(1, "", f"the TOML has no end: a second line {FENCE} is missing")
            return
        self._lines = ["", *lines[1 : ends[0]]]
        self.body, self.after = "\n".join(lines[ends[0] + 1 :]), ends[0] + 2
        self._places = dict(_places(self._lines))
        self.data, wrong = parse_toml("\n".join(self._lines), file)
        for sentence in wrong:
            place = re.match(r"(\d+): (.*)", sentence.removeprefix(f"{file}:"), re.DOTALL)
            self.fault(int(place[1]) if place else 1, "", place[2] if place else sentence)

    def fault(self, line: int, key: str, message: str) -> None:
        """Note what is wrong."""
        self.faults.append(Fault(self.file, line, key, message))

    def line(self, table: str, number: int = 0, key: str = "") -> int:
        """Return the line of a key of the n-th table of a name, of the table where the key is not there."""
        places = self._places
        # A table that is no table stands as a key, and a key that is none may stand as a table.
        ways = ((table, number, key), (table, number, ""), ("", 0, table), (key, 0, ""))
        return next((places[way] for way in ways if way in places), 1)

    def first_line(self, table: str, number: int, key: str) -> int:
        """Return the line on which a text begins, which may stand on several lines."""
        line = self.line(table, number, key)
        said = self._lines[line - 1] if line <= len(self._lines) else ""
        return line + said.rstrip().endswith(('"""', "'''"))

    def tables(self, name: str) -> list[Table]:
        """Return the tables of a name whose keys and values are right, one that is not as far as it is.

        The keys that stand in no table are the one table "".
        """
        if name not in self._tables:
            self._tables[name] = self._read(name)
        return self._tables[name]

    def _read(self, name: str) -> list[Table]:
        if name == "":
            return [self._checked("", 0, self._own())]
        found = self.data.get(name, [])
        if isinstance(found, dict) and name in SINGLE:
            found = [found]
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            written = f"[{name}]" if name in SINGLE else f"[[{name}]]"
            self.fault(self.line(name), name, f"expected a table, {written}")
            return []
        return [self._checked(name, number, each) for number, each in enumerate(found)]

    def _own(self) -> Table:
        for key in self.data:
            if key not in TABLES[""] and key not in (*SINGLE, *MANY):
                self._unknown("", 0, key, [*TABLES[""], *SINGLE, *MANY])
        return {key: value for key, value in self.data.items() if key in TABLES[""]}

    def _checked(self, name: str, number: int, table: Table) -> Table:
        fields, right = TABLES[name], Table()
        for key, value in table.items():
            if key not in fields:
                self._unknown(name, number, key, fields)
            elif wrong := _wrong(fields[key], value):
                self.fault(self.line(name, number, key), _key(name, key), wrong)
            else:
                right[key] = spoken(value) if fields[key].said else value
        for key, needed in fields.items():
            if needed.required and key not in table:
                self.fault(self.line(name, number), _key(name, key), "it is missing")
        return right

    def _unknown(self, name: str, number: int, key: str, known: Iterable[str]) -> None:
        better = nearest(key, known)
        near = f"did you mean '{better}'?" if better else f"there are {', '.join(known)}"
        self.fault(self.line(name, number, key), _key(name, key), f"there is no such key; {near}")


def _key(table: str, key: str) -> str:
    return f"{table}.{key}" if table else key


def _wrong(field: Field, value: object) -> str:
    if field.type is TEXTS:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            return f"expected a list of texts, found {value!r}"
    elif type(value) is not field.type:
        return f"expected {_TYPES[field.type]}, found {value!r}"
    return field.check(value)


def _places(lines: list[str]) -> Mapping[tuple[str, int, str], int]:
    """Return the lines of tables and keys, by (table, which of its name, key or "")."""
    found: dict[tuple[str, int, str], int] = {}
    counts: dict[str, int] = {}
    table, quote = "", ""
    for number, line in enumerate(lines, 1):
        if quote:
            quote = "" if line.count(quote) % 2 else quote
            continue
        header = re.match(r"\s*\[\[?\s*([\w.-]+)\s*\]\]?", line)
        key = re.match(r"\s*[\"']?([\w-]+)[\"']?\s*=", line)
        if header:
            table = header[1]
            counts[table] = counts.get(table, -1) + 1
            found[table, counts[table], ""] = number
        elif key:
            found.setdefault((table, counts.get(table, 0), key[1]), number)
        quote = next((each for each in ('"""', "'''") if line.count(each) % 2), "")
    return found
