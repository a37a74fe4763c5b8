"""What there is help on: the names of the topics, and of the commands."""

from __future__ import annotations

from kvmlab.language.commands import COMMANDS, VERBS
from kvmlab.language.errors import LanguageError, clip, nearest

TOPICS: dict[str, str] = {
    "topics": "what there is help on beside the commands",
    "text": "how commands are written",
    "expressions": "what expect, never and always take",
    "facts": "what expressions can ask for",
    "switches": "deviations that machine can switch on",
    "scenarios": "what was claimed, and 'source NAME' puts to the test",
    "labs": "the course: how a lab is played, and how one is written",
    "devices": "the scripted devices, and what is counted of them",
    "attach": "a running QEMU on the screen: what is seen of it, and how it is reached",
    "apis": "the designs of the EOI interface and their words",
    "real-kernel": "a VM of /dev/kvm in place of the model, and what it cannot show",
    "--all": "the whole reference, in Markdown",
}
"""Topics that are no commands, each with a summary."""


def topic_words() -> dict[str, str]:
    """Return every word that ``help`` explains, with a description."""
    words = dict(TOPICS)
    for spec in COMMANDS.values():
        words[spec.verb] = spec.summary
    for first, forms in VERBS.items():
        words.setdefault(first, next(iter(forms.values())).summary if "" in forms else ", ".join(forms))
    return words


def unknown_topic(topic: str, column: int = 1) -> LanguageError:
    """Return the error for a word that ``help`` does not explain."""
    return LanguageError(
        f"there is no help on '{clip(topic)}'",
        column=column,
        nearest=nearest(topic, topic_words()),
        expected="a command or a topic; 'help topics' lists them",
    )
