"""The ring: its counts are those of everything that was recorded, whatever has left it or was taken back."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from kvmlab.engine.tracepoint import KEPT, Event, Lost, Trace

MOVES = st.lists(st.sampled_from(["little", "much", "flood", "undo", "redo", "look"]), max_size=20)
"""What happens to a trace: commands that record few events, many, or more than it keeps; undo, redo."""

AMOUNTS = {"little": 3, "much": KEPT - 1, "flood": 3 * KEPT}

Done = tuple[tuple[Event, ...], Lost, int]
"""A command that was done: its events, those that were lost, and how many it recorded."""


@given(MOVES)
def test_counts_are_those_of_what_was_done(moves: list[str]) -> None:
    """However often somebody has looked in between, as many events are counted as were recorded."""
    trace = Trace()
    done: list[Done] = []
    undone: list[Done] = []
    for move in moves:
        if move in AMOUNTS:
            for number in range(AMOUNTS[move]):
                trace.emit(("even" if number % 2 == 0 else "odd", number))
            trace.trim()
            done.append((*trace.commit(), AMOUNTS[move]))
            undone.clear()
        elif move == "undo" and done:
            undone.append(done.pop())
            trace.revert(*undone[-1][:2])
        elif move == "redo" and undone:
            done.append(undone.pop())
            trace.reapply(*done[-1][:2])
        elif move == "look":
            assert trace.counts() == expected(done)
    assert trace.counts() == expected(done)


def expected(done: list[Done]) -> Counter[str]:
    """Return how many events of each name the commands recorded."""
    counts = [count for *_, count in done]
    return +Counter(even=sum((n + 1) // 2 for n in counts), odd=sum(n // 2 for n in counts))
