"""Objects and memory: freezing, thawing, commits, and what an allocation and a free leave."""

from __future__ import annotations

import pytest

from kvmlab.engine.kernel.memory import QUARANTINE, Memory
from kvmlab.engine.kernel.object import KINDS, Object
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from tests.engine.kernel.drill import Mine, reports, run
from tests.engine.lab import fresh


class Jar(Object):
    """Something with two fields."""

    __slots__ = ("label", "pieces")
    FIELDS = ("label", "pieces")
    KIND = "jar"

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label
        self.pieces: tuple[int, ...] = ()

    def add(self, piece: int) -> None:
        """Put a piece in."""
        self.changed()
        self.pieces = (*self.pieces, piece)


@pytest.fixture
def memory() -> Memory:
    """Return a memory with two jars, committed."""
    memory = Memory()
    for label in ("plum", "fig"):
        memory.alloc("jar", Jar(label))
    memory.commit()
    return memory


def jar(memory: Memory, number: int = 1) -> Jar:
    """Return the n-th jar."""
    found = memory.objects[f"jar#{number}"]
    assert isinstance(found, Jar)
    return found


def test_handles_are_numbered_by_kind_and_never_used_again(memory: Memory) -> None:
    """A number is given once, also after a free."""
    assert memory.alive("jar") == ["jar#1", "jar#2"]
    memory.free("jar#2")
    assert memory.alloc("jar", Jar("new")) == "jar#3"
    assert memory.alloc("mine", Mine()) == "mine#1"
    assert memory.alive("jar") == ["jar#1", "jar#3"]


def test_the_living_are_listed_by_number(memory: Memory) -> None:
    """Ten comes after nine."""
    for _ in range(9):
        memory.alloc("jar", Jar("more"))
    assert memory.alive("jar") == [f"jar#{number}" for number in range(1, 12)]
    assert memory.alive("ja") == []


def test_an_object_freezes_to_its_class_and_fields(memory: Memory) -> None:
    """The value is hashable, the same object until a change, and a new one after it."""
    one = jar(memory)
    value = one.freeze()
    assert value == (Jar.NAME, "", "plum", ())
    assert one.freeze() is value
    one.add(3)
    assert one.freeze() == (Jar.NAME, "", "plum", (3,))
    assert hash(one.freeze())


def test_a_commit_is_what_changed(memory: Memory) -> None:
    """Each object once, with its value before and after; nothing for one that came back to its value."""
    assert memory.commit() == ()
    jar(memory).add(1)
    jar(memory).add(2)
    jar(memory, 2).add(7)
    jar(memory, 2).pieces = ()
    assert memory.commit() == (("jar#1", (Jar.NAME, "", "plum", ()), (Jar.NAME, "", "plum", (1, 2))),)
    assert memory.commit() == ()


def test_revert_and_reapply_are_each_others_inverse(memory: Memory) -> None:
    """Changes, allocations and frees come and go, in any number of steps."""
    states, changes = [memory.freeze()], []
    for act in (
        lambda: jar(memory).add(1),
        lambda: memory.alloc("jar", Jar("new")),
        lambda: memory.free("jar#1"),
        lambda: jar(memory, 3).add(2),
        lambda: memory.free("jar#3"),
    ):
        act()
        changes.append(memory.commit())
        states.append(memory.freeze())
    assert len(set(states)) == len(states)
    for at in range(len(changes) - 1, -1, -1):
        memory.revert(changes[at])
        assert memory.freeze() == states[at]
    for at, change in enumerate(changes):
        memory.reapply(change)
        assert memory.freeze() == states[at + 1]


def test_thaw_brings_back_any_state(memory: Memory) -> None:
    """What was made since is gone, what was freed is there again."""
    before = memory.freeze()
    memory.free("jar#1")
    memory.alloc("jar", Jar("new"))
    jar(memory, 2).add(9)
    after = memory.freeze()
    memory.thaw(before)
    assert (memory.alive("jar"), jar(memory, 2).pieces) == (["jar#1", "jar#2"], ())
    assert memory.freeze() == before
    memory.thaw(after)
    assert (memory.alive("jar"), jar(memory, 2).pieces) == (["jar#2", "jar#3"], (9,))
    assert memory.freeze() == after
    assert memory.commit() == ()


def test_a_freed_object_stays_in_the_quarantine(memory: Memory) -> None:
    """It is no longer alive, knows who freed it, and leaves when QUARANTINE others came after it."""
    memory.current = "somebody"
    memory.free("jar#1")
    assert memory.get("jar#1") is None
    assert memory.quarantine["jar#1"].freed == "somebody"
    for _ in range(QUARANTINE):
        memory.free(memory.alloc("jar", Jar("x")))
    assert "jar#1" not in memory.quarantine
    assert len(memory.quarantine) == QUARANTINE


def test_leaving_the_quarantine_is_undone_as_well(memory: Memory) -> None:
    """The oldest comes back with its value when the free that drove it out is taken back."""
    memory.free("jar#1")
    for _ in range(QUARANTINE - 1):
        memory.free(memory.alloc("jar", Jar("x")))
    memory.commit()
    before = memory.freeze()
    memory.free("jar#2")
    change = memory.commit()
    assert "jar#1" not in memory.quarantine
    memory.revert(change)
    assert memory.freeze() == before
    assert memory.quarantine["jar#1"].load("label") == "plum"


def test_load_reads_fields_and_deref_follows_a_pointer(memory: Memory) -> None:
    """One name gives a value, several a tuple; a freed target is reported and still read."""
    assert jar(memory).load("label") == "plum"
    assert jar(memory).load("label", "pieces") == ("plum", ())
    assert jar(memory).deref("jar#2") is jar(memory, 2)
    memory.free("jar#2")
    assert jar(memory).deref("jar#2").load("label") == "fig"
    assert [report.kind for report in memory.reports.made] == ["use-after-free"]


def test_a_whole_machine_is_a_hashable_value() -> None:
    """Two new machines of a profile are equal values; a change makes a difference."""
    one, two = Machine(), Machine()
    assert one.freeze() == two.freeze()
    assert hash(one.freeze()) == hash(two.freeze())
    one.eventfd()
    assert one.freeze() != two.freeze()
    two.thaw(one.freeze())
    assert two.read(6) == one.read(6) < 0
    assert one.freeze() == two.freeze()


@pytest.mark.parametrize("words", [{}, {"vcpus": 8}, {"pit": True, "x2apic": True}, {"bare": True}])
def test_a_new_machine_has_nothing_to_undo(words: dict[str, int]) -> None:
    """The set-up is no history and leaves no tracepoint; its cached values are the true ones."""
    machine = Machine(Profile(**words))  # type: ignore[arg-type]
    assert machine.memory.commit() == ()
    assert machine.trace.last() == []
    memory = machine.memory
    assert {handle: obj.freeze() for handle, obj in memory.objects.items()} == fresh(machine)


def test_every_kind_that_is_allocated_is_registered() -> None:
    """kzalloc makes an object by the name of its kind, with its constructor's arguments."""
    machine = Machine()
    assert {"eventfd", "file", "irqfd", "eoifd", "ioeventfd", "irq_source", "routes"} <= set(KINDS)
    assert run(machine, "make", "free eventfd#1") == "done"
    assert reports(machine) == []
