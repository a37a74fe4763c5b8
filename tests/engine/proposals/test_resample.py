"""The resampler: what its irqfds share, held against a few lines that say what they should do."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.engine.kernel.path import describe
from kvmlab.render.cells import line
from kvmlab.render.tables import irqfd_rows
from tests.engine.lab import Lab
from tests.engine.proposals.wiring import serve, wired

ACTS = st.lists(
    st.tuples(st.sampled_from(("assign", "deassign", "write", "serve", "line", "close")), st.integers(0, 2)),
    max_size=24,
)


class Model:
    """Three devices on one GSI, by the book: who is bound, what is asserted, who was told how often."""

    def __init__(self) -> None:
        self.bound: set[int] = set()
        self.told = [0, 0, 0]
        self.asserted = self.line = False

    def assign(self, number: int) -> str:
        """Bind a device."""
        busy = number in self.bound
        self.bound.add(number)
        return f"irqfd t{number} gsi=11 resample=u{number}" if not busy else ""

    def deassign(self, number: int) -> str:
        """Take it back; the last one lowers the line."""
        self.bound.discard(number)
        self.asserted = self.asserted and bool(self.bound)
        return f"irqfd t{number} gsi=11 deassign"

    def close(self, number: int) -> str:
        """The same by a close; the descriptor is opened anew."""
        self.deassign(number)
        return f"close t{number}; eventfd t{number}"

    def write(self, number: int) -> str:
        """Interrupt."""
        self.asserted = self.asserted or number in self.bound
        return f"write t{number}; read t{number}"

    def line_(self) -> str:
        """Pulse the line of another device, without an interrupt taken."""
        return "line 11 1; line 11 0"

    def ended(self) -> None:
        """An EOI: de-assert once, tell everybody who is bound."""
        self.asserted = False
        for number in self.bound:
            self.told[number] += 1


@settings(max_examples=120, deadline=None, derandomize=True)
@given(ACTS, st.sampled_from(("linux-3.6", "linux-6.x")))
def test_any_sequence_does_what_the_book_says(acts: list[tuple[str, int]], kernel: str) -> None:
    """Who is told, and what is asserted, after any sequence of calls and EOIs."""
    lab, book = Lab(f"machine kernel={kernel} api=resample", "ioapic 11 vector=0x41 level unmasked"), Model()
    for number in range(3):
        lab.say(f"eventfd t{number}; eventfd u{number}")
    for act, number in acts:
        if act == "serve":
            if lab.one("take").ret == 0x41:
                lab.say("eoi")
                book.ended()
        elif act == "line":
            lab.say(book.line_())
        else:
            lab.say(getattr(book, act)(number))
        assert [lab.fact("eventfd", f"u{n}", "count") for n in range(3)] == book.told
        assert lab.fact("ioapic", 11, "line") == int(book.asserted)
        assert len(lab.machine.memory.alive("resampler")) == bool(book.bound)
    lab.say("release")
    assert lab.fact("reports") == 0


def test_the_newest_irqfd_is_told_first() -> None:
    """list_add_rcu puts it at the head, and one de-assert comes before all signals."""
    lab = wired("resample")
    lab.say("eventfd t; eventfd u; irqfd t gsi=11 resample=u; write t; take; manual; eoi")
    contexts, ops = lab.machine.contexts, []
    while op := contexts.next_op("vcpu0"):
        ops.append(describe(op))
        contexts.step("vcpu0")
    signals = [op for op in ops if ".signal(" in op]
    assert signals == ["eventfd#4.signal(1)", "eventfd#2.signal(1)"]
    assert [op for op in ops if "copy_routes" in op] == ["routing.copy_routes(1, 11, 0)"]


def test_a_snapshot_shows_who_shares_a_resampler() -> None:
    """Each irqfd names its resampler and what it tells; the table has a line for each resampler."""
    lab = wired("resample")
    lab.say("eventfd t; irqfd t gsi=11 resample=unmask; eventfd plain; irqfd plain gsi=11")
    seen = lab.snapshot()
    assert [(i.name, i.other, i.level, i.resampler) for i in seen.irqfds or ()] == [
        ("trigger", "unmask", True, "resampler#1"),
        ("t", "unmask", True, "resampler#1"),
        ("plain", "", False, ""),
    ]
    assert irqfd_rows(seen)[-1] == line("resampler#1 of gsi 11: trigger, t")
    assert [s.owner for s in (seen.sources.sources if seen.sources else ())] == ["userspace", "resamplers"]


def test_one_eventfd_for_both_asserts_again_for_ever() -> None:
    """resamplefd == irqfd is accepted: each EOI raises the line anew."""
    lab = Lab("machine api=resample", "eventfd t; ioapic 11 vector=0x41 level unmasked")
    assert lab.one("irqfd t gsi=11 resample=t").ret == 0
    lab.say("write t")
    for _ in range(5):
        serve(lab)
    assert lab.fact("lapic", 0, "irr") == frozenset({0x41})


def test_as_merged_gsi_0_follows_a_wild_pointer() -> None:
    """The walk compares 0 with the GSI: for GSI 0 it takes the middle of another resampler for its own."""
    lab = wired("resample", "with=as-merged")
    lab.say("eventfd pit; irqfd pit gsi=0 resample=unmask")
    assert lab.fact("irqfd", "pit") == "active"
    assert len(lab.machine.memory.alive("resampler")) == 1
    lab.say("close pit")
    assert lab.fact("irqfd", "pit") == "shutting-down"
    assert lab.fact("reports", "out-of-bounds") == 2
    # The cleanup worker has stopped for good, so a deassign waits for ever.
    assert lab.one("irqfd trigger gsi=11 deassign").ret == "none"
