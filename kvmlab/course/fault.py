"""What is wrong with a lab: where, which key, and what would be right."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from kvmlab.language.errors import LanguageError


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong: the file, the line (from 1), the check or key, and a sentence.

    One that only ``warns`` leaves the lab one that can be played, and shipped.
    """

    file: str
    line: int
    key: str
    message: str
    warns: bool = False

    def __str__(self) -> str:
        """Return ``file:line: key: message``, with the word "warning" where it is none."""
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}: {'warning: ' * self.warns}{key}{self.message}"

    def as_object(self) -> dict[str, object]:
        """Return the fault as plain data."""
        return asdict(self)


def of_text(error: LanguageError, file: str, key: str, line: int = 0) -> Fault:
    """Return wrong text as a fault; it knows its line in the file unless ``line`` says it."""
    shown = f" in '{error.source.strip()}'" if error.source.strip() and not line else ""
    return Fault(file, line or error.line, key, f"{error.sentence()}{shown}")
