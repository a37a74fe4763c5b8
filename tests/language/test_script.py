"""Whole scripts: sources inlined, nothing accepted half-way, and bytes that are no text."""

from __future__ import annotations

import pytest

from kvmlab.language.errors import LanguageError
from kvmlab.language.scope import Scope
from kvmlab.language.script import parse_script
from tests.round_trip import ROUND_TRIP


def no_file(path: str, by: str) -> tuple[str, str]:
    """Refuse every file."""
    raise FileNotFoundError(2, "No such file", path)


class Files:
    """Files in memory."""

    def __init__(self, **texts: str | bytes) -> None:
        self.texts = texts

    def __call__(self, path: str, by: str) -> tuple[str, str | bytes]:
        """Return a file as ``parse_script`` asks for it."""
        if path not in self.texts:
            raise FileNotFoundError(2, "No such file", path)
        return path, self.texts[path]


def wrong(text: str | bytes, **texts: str | bytes) -> LanguageError:
    """Return the error that a script raises."""
    with pytest.raises(LanguageError) as caught:
        parse_script(text, "main", Scope(), Files(**texts))
    return caught.value


def wrong_line(text: str) -> int:
    """Return the line of a script that is wrong, or 0."""
    try:
        parse_script(text, "main", Scope(), no_file)
    except LanguageError as error:
        return error.line
    return 0


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_script_is_its_commands_with_their_lines(ending: str) -> None:
    """Every command knows its line, whichever line ending the file has."""
    commands = parse_script(ROUND_TRIP.replace("\n", ending), "round.kvm", Scope(), no_file)
    assert [command.line for command in commands] == list(range(2, 14))
    assert {command.file for command in commands} == {"round.kvm"}
    assert commands[-1].inner[0].text == "eoifd unmask key=99 level"


def test_a_sourced_file_stands_in_place_of_its_command() -> None:
    """Names of a sourced file are known behind it, and its commands keep their own file and line."""
    commands = parse_script("eoi; source setup; read a", "main", Scope(), Files(setup="\neventfd a\n"))
    assert [(c.verb, c.file, c.line) for c in commands] == [
        ("eoi", "main", 1),
        ("eventfd", "setup", 2),
        ("read", "main", 1),
    ]


def test_an_error_in_a_sourced_file_is_told_there() -> None:
    """File, line and column are those of the sourced file, and no name of either is kept."""
    scope = Scope()
    with pytest.raises(LanguageError) as caught:
        parse_script("eventfd a\nsource setup", "main", scope, Files(setup="eventfd b\n\nread c"))
    assert str(caught.value).startswith("setup:3:6: no eventfd is called 'c'")
    assert not scope.names("eventfd")


def test_cycles_and_depth_are_refused_where_they_are_asked_for() -> None:
    """A file that sources itself, and a chain that is too long, are wrong text."""
    assert (
        "'main' sources itself: main → a → main"
        in wrong("source a", a="source main", main="source a").message
    )
    chain: dict[str, str | bytes] = {f"f{n}": f"source f{n + 1}" for n in range(40)}
    assert "more than 16 deep" in wrong("source f0", **chain).message


def test_a_file_that_cannot_be_read_is_wrong_text() -> None:
    """The reason is the reader's, the place that of the source command."""
    error = wrong("eoi\n eoi; source nothing")
    assert str(error) == "main:2:7: 'nothing' cannot be read: No such file"


def test_a_script_cannot_write_files() -> None:
    """Save and export are for the prompt."""
    for text in ("save x.kvm", "export vcd x"):
        assert "that is for the prompt" in wrong(text).message


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"eoi\neoi\xff\n", (2, 4)),
        ("eoi # \u00e9".encode() + b"\xc3", (1, 8)),
        (b"\x7fELF\x02\x01", (1, 1)),
        (b"eoi\nread \x00\n", (2, 6)),
        (b"\xff\xfee\x00", (1, 1)),
        (b"\xef\xbb\xbfeoi\nnonsense", (2, 1)),
    ],
)
def test_bytes_that_are_no_script_are_told_by_line_and_column(data: bytes, place: tuple[int, int]) -> None:
    """Invalid UTF-8, NUL bytes and binary files are wrong text like any other."""
    error = wrong(data)
    assert (error.line, error.column) == place
    assert error.caret().splitlines()[1].startswith(" " * (place[1] - 1) + "^")


def test_a_truncated_script_is_parsed_or_refused_at_its_end() -> None:
    """Cut anywhere, a script is either whole commands or wrong text on its last line."""
    for end in range(len(ROUND_TRIP)):
        text = ROUND_TRIP[:end]
        assert wrong_line(text) in (0, text.count("\n") + 1)
