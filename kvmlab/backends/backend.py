"""What a session needs of a backend: calls by verb and plain arguments, time, and a snapshot.

A call is ``(verb, arguments)`` with the verbs of LANGUAGE.md; an ioctl's arguments are its
structure's fields. A backend answers with the kernel's return value; it never raises for
anything a kernel could say no to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kvmlab.engine.profile import Profile

if TYPE_CHECKING:
    from kvmlab.snapshot import LastSnapshot, Snapshot

Args = Mapping[str, Any]

Watch = Callable[[], None]
"""Called after each op that is moved by hand."""

NONE = "none"
"""The result of a call that has none: nothing was taken, or it has not come to its end."""


@dataclass(slots=True)
class Answer:
    """What became of a call.

    ``ret`` is the return value (-1 with an ``errno`` name for a kernel's no) or NONE; ``why``
    is a sentence on a no, or on where the call stands now. ``differs`` says what a machine that
    stands beside this one answered, "" where it answered the same.
    ``of`` is the verb of a call that came to its end when a context was moved by hand, "" where the
    command says it.
    """

    ret: int | str = 0
    errno: str = ""
    why: str = ""
    differs: str = ""
    of: str = ""


class Planned(NamedTuple):
    """A call that an actor is to make: its verb and arguments, and how it was said.

    ``wanted`` is what it is expected to return (an int, an errno's name or NONE); None: anything.
    """

    verb: str
    args: Args
    text: str = ""
    wanted: int | str | None = None


class Refused(Exception):
    """Raised for what the lab, not the kernel, refuses: one sentence with the remedy."""


class Committed(Protocol):
    """A unit that has ended: what can be told of it, beside what its backend keeps there to undo it."""

    @property
    def taken(self) -> int | str:
        """The vector that was taken last, or NONE."""

    @property
    def news(self) -> tuple[str, ...]:
        """What the kernel had to say meanwhile: sanitizer reports and lines of its log."""


class Backend(Protocol):
    """One running machine. Everything that a model holds is undone by :meth:`rewind`.

    What a backend holds of the system it gives back when nobody refers to it any more.
    """

    profile: Profile

    @property
    def status(self) -> str:
        """What it runs on and what is particular to that, for a status line; "" for the model."""

    @property
    def trace_source(self) -> str:
        """Where the trace comes from, in a few words; "" where it is the model's own."""

    def extension(self, number: int) -> int | None:
        """Return what KVM_CHECK_EXTENSION says of a capability; None where the profile's table says it."""

    def perform(self, verb: str, args: Args) -> Answer:
        """Make a call now. Raises Refused where its context stands in another one."""

    def actor(self, name: str, calls: Sequence[Planned]) -> None:
        """Give a thread, or a vCPU, calls to make later. Raises Refused for a mixture."""

    def handler(self, vcpu: int, vector: int, text: str, calls: list[tuple[str, Args]]) -> Answer:
        """Say what a vCPU does when it takes a vector; no text removes it."""

    def set_manual(self, manual: bool) -> None:
        """Choose between draining calls and stepping them."""

    def step(self, context: str, count: int, watch: Watch) -> Answer:
        """Move a context by ops, calling ``watch`` after each: NONE unless the last ended a call.

        Raises Refused for no such context.
        """

    def finish(self, context: str, watch: Watch) -> Answer:
        """Move a context to the end of all its calls, or to where it can't go on."""

    def run(self, limit: int | None) -> Answer:
        """Let everything go on until nothing can; the number of interrupts taken."""

    def storm(self, count: int) -> Iterator[int]:
        """Run full cycles, yielding how many are done after each. Raises Refused where none can run."""

    def snapshot(self, last: LastSnapshot | None) -> Snapshot:
        """Return everything that can be seen."""

    def beside(self, seen: Snapshot) -> Snapshot | None:
        """Return what is seen now with what another machine, which does the same, shows in its place.

        None where there is no other one.
        """

    def commit(self) -> Committed:
        """End a unit; return what :meth:`rewind` and :meth:`replay` need for it."""

    def rewind(self, unit: Any) -> None:
        """Undo a unit, the newest that is not undone. Raises Refused where time does not go back."""

    def replay(self, unit: Any) -> None:
        """Redo a unit. Raises Refused where time does not go back."""

    def events(self, unit: Any) -> Sequence[str]:
        """Return the tracepoints that a unit hit, worded as the kernel words them."""

    def trace(self, count: int | None) -> Sequence[str]:
        """Return the newest tracepoints, or all that are kept, each worded when it is read."""
