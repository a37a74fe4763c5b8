"""The kernel's own kvm:* tracepoints of this process, and of workers that do what it gave them.

A worker serves every VM of the machine: whose work it does, the tracepoints of the work queues tell.

perf_event_open(2) on a tracepoint needs its number and layout from tracefs, which must be mounted
already: nothing is mounted here, and nothing is left behind, as closing the descriptors ends it all.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from struct import Struct, pack_into

from kvmlab.backends.kvm.guest import PORTS
from kvmlab.backends.kvm.ioctls import ioctl
from kvmlab.backends.kvm.settle import GSI as MARKER
from kvmlab.engine.abi import KVM_EXIT_IO
from kvmlab.engine.tracepoint import Event
from kvmlab.engine.tracetext import FORMATS

_PERF_EVENT_OPEN = 298
"""The system call's number on x86-64."""

_TRACEPOINT, _TID, _TIME, _RAW = 2, 1 << 1, 1 << 2, 1 << 10
_ATTR_SIZE = 112
_CLOEXEC = 1 << 3
_SET_OUTPUT, _ENABLE = 0x2405, 0x2400
_PAGES = 256
"""Pages of a ring, a power of two: about 16 000 events."""

_SAMPLE = 9
"""PERF_RECORD_SAMPLE."""

_HEADER, _BODY = Struct("<IHH"), Struct("<IIQI")
_HEADS = Struct("<QQQQ")
_HEADS_AT = 1024

_QUEUED, _BEGUN, _DONE = "workqueue_queue_work", "workqueue_execute_start", "workqueue_execute_end"
"""Tracepoints that say who gives work, and when a worker is at it."""

_PUT_OFF = "kvm_ioapic_delayed_eoi_inj"
"""What is hit when an IOAPIC puts off an injection."""

_WORKS = 1_000
"""Pieces of work at most that are thought to be still waiting."""

_FIELD = re.compile(r"field:[^;]*?(\w+);\s*offset:(\d+);\s*size:(\d+);\s*signed:(\d);")
_CHIPS_OF_MARKER = ("kvm_pic_set_irq", "kvm_ioapic_set_irq")


class Untraceable(Exception):
    """Why the kernel's tracepoints cannot be read: one sentence."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A tracepoint's name, and where its fields are: (offset, size, signed)."""

    name: str
    number: int
    fields: tuple[tuple[int, int, bool], ...]

    def values(self, raw: bytes) -> list[int]:
        """Return the fields of a record."""
        return [
            int.from_bytes(raw[at : at + size], "little", signed=signed) for at, size, signed in self.fields
        ]

    def event(self, raw: bytes) -> Event:
        """Return a record as an event: as many fields as its wording takes, 0 for one that is not there."""
        values = self.values(raw)
        wanted = len(signature(FORMATS["linux-6.x"][self.name]).parameters)
        return (self.name, *values[:wanted], *[0] * (wanted - len(values)))


def tracefs() -> Path:
    """Return where tracefs is mounted. Raises Untraceable."""
    with Path("/proc/self/mounts").open(encoding="utf-8") as mounts:
        for line in mounts:
            _device, where, kind, *_rest = line.split()
            if kind == "tracefs":
                return Path(where)
    raise Untraceable("tracefs is not mounted ('mount -t tracefs nodev /sys/kernel/tracing' as root does it)")


def layouts(folder: Path) -> list[Layout]:
    """Return the tracepoints that there is a wording for, and those of work queues. Raises Untraceable."""
    found = []
    wanted = [("kvm", name) for name in FORMATS["linux-6.x"]]
    wanted += [("workqueue", name) for name in (_QUEUED, _BEGUN, _DONE)]
    for system, name in wanted:
        try:
            text = (folder / "events" / system / name / "format").read_text("utf-8")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise Untraceable(f"{folder} may not be read: {error.strerror}") from None
        number = re.search(r"^ID: (\d+)$", text, re.MULTILINE)
        assert number is not None, "every format says its ID"
        fields = [
            (int(at), int(size), signed == "1")
            for field, at, size, signed in _FIELD.findall(text)
            if not field.startswith("common_")
        ]
        found.append(Layout(name, int(number[1]), tuple(fields)))
    return found


class Ring:
    """What one CPU has hit: the descriptors, the first of which has the ring."""

    def __init__(self, cpu: int, wanted: list[Layout]) -> None:
        self.fds: list[int] = []
        self.memory: mmap.mmap | None = None
        try:
            for layout in wanted:
                self.fds.append(_open(layout.number, cpu))
            self.memory = mmap.mmap(self.fds[0], (1 + _PAGES) * mmap.PAGESIZE)
            for fd in self.fds[1:]:
                ioctl(fd, _SET_OUTPUT, self.fds[0])
            for fd in self.fds:
                ioctl(fd, _ENABLE, 0)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Unmap and close."""
        if self.memory is not None:
            self.memory.close()
            self.memory = None
        for fd in self.fds:
            os.close(fd)
        self.fds.clear()

    def records(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Yield (time, process, thread, raw record) of each sample since the last call."""
        memory = self.memory
        assert memory is not None
        head, tail, start, size = _HEADS.unpack_from(memory, _HEADS_AT)
        while tail < head:
            kind, _misc, length = _HEADER.unpack(_wrapped(memory, start, size, tail, _HEADER.size))
            if kind == _SAMPLE:
                body = _wrapped(memory, start, size, tail + _HEADER.size, length - _HEADER.size)
                process, thread, when, raw = _BODY.unpack_from(body)
                yield when, process, thread, body[_BODY.size : _BODY.size + raw]
            tail += length
        pack_into("<Q", memory, _HEADS_AT + 8, head)


def _wrapped(memory: mmap.mmap, start: int, size: int, at: int, length: int) -> bytes:
    first = at % size
    taken = memory[start + first : start + min(size, first + length)]
    return taken + memory[start : start + length - len(taken)]


def _open(number: int, cpu: int) -> int:
    """perf_event_open(2) on a tracepoint, for every thread on a CPU. Raises OSError."""
    attr = bytearray(_ATTR_SIZE)
    # type, size, config, sample_period, sample_type, read_format, and the bit `disabled`.
    pack_into("<IIQQQQQ", attr, 0, _TRACEPOINT, _ATTR_SIZE, number, 1, _TID | _TIME | _RAW, 0, 1)
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = (ctypes.c_char * _ATTR_SIZE).from_buffer(attr)
    fd: int = libc.syscall(_PERF_EVENT_OPEN, buffer, -1, cpu, -1, _CLOEXEC)
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return fd


class Work:
    """Which workers do at the moment what a process gave them, told by what is hit, in order.

    What an IOAPIC puts off (a pin that storms) a timer gives to a worker. It is told by its first event,
    which no line leads to.
    """

    def __init__(self, process: int) -> None:
        self._process = process
        self._waiting: set[int] = set()
        self._workers: set[int] = set()
        self._strangers: set[int] = set()
        """Workers that have hit nothing yet, since the process waits for what was put off."""
        self._put_off = False

    def owns(self, process: int, thread: int, name: str) -> bool:
        """Tell whether what a thread hits now is done for the process."""
        if thread in self._strangers:
            self._strangers.discard(thread)
            if name == "kvm_apic_accept_irq":
                self._workers.add(thread)
                self._put_off = False
        owned = process == self._process or thread in self._workers
        self._put_off = self._put_off or (owned and name == _PUT_OFF)
        return owned

    def note(self, name: str, work: int, process: int, thread: int) -> None:
        """Follow a piece of work, by its address: given, begun, done."""
        if name == _QUEUED:
            if self.owns(process, thread, name) and len(self._waiting) < _WORKS:
                self._waiting.add(work)
            return
        self._workers.discard(thread)
        self._strangers.discard(thread)
        if name == _BEGUN and work in self._waiting:
            self._waiting.discard(work)
            self._workers.add(thread)
        elif name == _BEGUN and self._put_off:
            self._strangers.add(thread)


class Tracepoints:
    """The rings of every CPU. Raises Untraceable where they cannot be had."""

    def __init__(self) -> None:
        known = layouts(tracefs())
        lacking = {"kvm_set_irq", _QUEUED, _BEGUN, _DONE} - {layout.name for layout in known}
        if lacking:
            raise Untraceable(f"this kernel has no tracepoint {min(lacking)}")
        self._layouts = {layout.number: layout for layout in known}
        self._work = Work(os.getpid())
        self._rings: list[Ring] = []
        try:
            for cpu in sorted(os.sched_getaffinity(0)):
                self._rings.append(Ring(cpu, known))
        except OSError as error:
            self.close()
            raise Untraceable(f"perf_event_open(2) says no: {error.strerror}") from None

    def close(self) -> None:
        """Close everything."""
        for ring in self._rings:
            ring.close()
        self._rings.clear()

    def events(self) -> list[Event]:
        """Return what was hit for this process since the last call, in order."""
        records = sorted(record for ring in self._rings for record in ring.records())
        found: list[Event] = []
        skipping: dict[int, bool] = {}
        for _when, process, thread, raw in records:
            layout = self._layouts.get(int.from_bytes(raw[:2], "little"))
            if layout is None:
                continue
            if layout.name in (_QUEUED, _BEGUN, _DONE):
                self._work.note(layout.name, layout.values(raw)[0], process, thread)
                continue
            if not self._work.owns(process, thread, layout.name):
                continue
            event = layout.event(raw)
            if event[0] == "kvm_set_irq":
                skipping[thread] = event[1] == MARKER
            if not _marks(event, skipping=skipping.get(thread, False)):
                found.append(event)
        return without_prompts(found)


def _marks(event: Event, *, skipping: bool) -> bool:
    """Tell whether an event is of the settler's marker."""
    return skipping and event[0] in ("kvm_set_irq", *_CHIPS_OF_MARKER)


def without_prompts(events: list[Event]) -> list[Event]:
    """Leave out the guest that asks what to do next, and exits that the lab itself brought about.

    It asks by a port, whose access is traced when it goes on: after its exit, if that is not the last one.
    """
    kept: list[Event] = []
    asked = True
    for event in reversed(events):
        if event[0] == "kvm_userspace_exit":
            mine = int(event[2]) < 0 or (asked and event[1] == KVM_EXIT_IO)
            asked = False
        else:
            mine = event[0] == "kvm_pio" and event[2] in PORTS
            asked = mine if event[0] == "kvm_pio" else asked
        if not mine:
            kept.append(event)
    return kept[::-1]
