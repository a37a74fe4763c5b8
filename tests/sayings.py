"""Commands that make sense to each other, as strategies: text for the laws over command sequences."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from kvmlab.engine.kernels import KERNELS
from kvmlab.engine.profile import APIS
from kvmlab.engine.switches import SWITCHES

NAMES = st.sampled_from(("a", "b", "c", "d"))
GSIS = st.sampled_from((11, 11, 11, 4, 9, 0, 23, 24, 25, 1030))
PINS = st.sampled_from((11, 11, 4, 9, 0, 23))
VECTORS = st.sampled_from((0x41, 0x41, 0x51, 0x31, 0x08, 0xFE))
VCPUS = st.sampled_from((0, 0, 1))
KEYS = st.sampled_from(("a", "b", "c", 0, 1, 2, 3, 63, 99))
NUMBERS = st.sampled_from((0, 1, 1, 2, 5, 0xFFFFFFFF, 2**64 - 2, 2**64 - 1))
SERVED = (*range(16), 23)
"""GSIs of the default table that the commands below use."""


def in_turn(*strategies: SearchStrategy[str]) -> SearchStrategy[str]:
    """Draw from each strategy equally often, however many branches it has (one_of counts branches)."""
    return st.sampled_from(strategies).flatmap(lambda strategy: strategy)


def _text(form: str, **parts: SearchStrategy[object]) -> SearchStrategy[str]:
    return st.fixed_dictionaries(parts).map(lambda chosen: " ".join(form.format(**chosen).split()))


def _maybe(*words: str) -> SearchStrategy[str]:
    return st.sampled_from(("", *words))


_DESCRIPTORS = (
    _text(
        "eventfd {name} {kind}",
        name=NAMES,
        kind=_maybe("semaphore", "count=3", "blocking", "semaphore count=1"),
    ),
    _text("dup {name} {new}", name=NAMES, new=NAMES),
    _text("close {name}", name=NAMES),
    _text("close {name} {other}", name=NAMES, other=NAMES),
    _text("write {name} {value}", name=NAMES, value=NUMBERS),
    _text("write {name}", name=NAMES),
    _text("read {name}", name=NAMES),
    _text("poll {name}", name=NAMES),
)
_BINDINGS = (
    _text(
        "irqfd {name} gsi={gsi} {kind}",
        name=NAMES,
        gsi=GSIS,
        kind=_maybe("level", "deassign", "level deassign"),
    ),
    _text("irqfd {name} gsi=11 level", name=NAMES),
    _text("eoifd {name} key={key} level {kind}", name=NAMES, key=KEYS, kind=_maybe("deassign")),
    _text("eoifd {name} key={key}", name=NAMES, key=KEYS),
    _text("ioctl eoifd fd={fd} flags={flags} key=1", fd=st.integers(-1, 12), flags=st.integers(0, 5)),
    _text("ioctl irqfd fd={fd} gsi=11 flags={flags}", fd=st.integers(-1, 12), flags=st.integers(0, 5)),
    _text(
        "ioeventfd {name} addr={addr} len={length} {kind}",
        name=NAMES,
        addr=st.sampled_from((0x70, 0xFE000000)),
        length=st.sampled_from((1, 4)),
        kind=_maybe("pio", "datamatch=1", "pio datamatch=1", "deassign", "pio deassign"),
    ),
)
_LINES = (
    _text("line {gsi} {level}", gsi=GSIS, level=st.sampled_from((0, 1))),
    _text("msi addr={addr} data={data}", addr=st.sampled_from((0xFEE00000, 0xFEE01000)), data=VECTORS),
)
_GUEST = (
    _text(
        "ioapic {pin} vector={vector} {trigger} {mask} dest={dest} {mode} vcpu={vcpu}",
        pin=PINS,
        vector=VECTORS,
        trigger=_maybe("edge", "level", "level"),
        mask=st.sampled_from(("masked", "unmasked", "unmasked")),
        dest=st.sampled_from((0, 0, 1, 0xFF)),
        mode=_maybe("mode=lowest", "mode=nmi", "logical", "low-active"),
        vcpu=VCPUS,
    ),
    _text("ioapic {pin} {mask}", pin=PINS, mask=st.sampled_from(("masked", "unmasked"))),
    _text("take vcpu={vcpu}", vcpu=VCPUS),
    _text("eoi vcpu={vcpu}", vcpu=VCPUS),
    _text("take; eoi"),
    _text("{flag} vcpu={vcpu}", flag=st.sampled_from(("sti", "cli")), vcpu=VCPUS),
    _text("tpr {value}", value=st.sampled_from((0, 0x40, 0xFF))),
    _text(
        "mmio write {addr} {value}",
        addr=st.sampled_from((0xFE000000, 0xFEC00000, 0xFEC00010, 0xFEE000F0, 0xFEE00300)),
        value=st.sampled_from((0, 1, 0x1FF, 0x44051)),
    ),
    _text("mmio read {addr}", addr=st.sampled_from((0xFEC00010, 0xFEE00030, 0xFEE00100))),
    _text(
        "pio write {port} {value}",
        port=st.sampled_from((0x20, 0x21, 0xA0, 0xA1, 0x70, 0x4D1)),
        value=st.sampled_from((0, 0x11, 0x20, 0x38, 0x0C, 0xFF)),
    ),
    _text("pio read {port}", port=st.sampled_from((0x20, 0x21, 0xA0, 0x4D0))),
    _text(
        "msr write {msr} {value}",
        msr=st.sampled_from((0x1B, 0x80B, 0x830)),
        value=st.sampled_from((0, 0xFEE00D00, 0x41)),
    ),
    _text(
        "handler {vector} {actions}",
        vector=VECTORS,
        actions=st.sampled_from(("eoi", "mask 11, eoi, unmask 11", "pic-eoi", "none")),
    ),
    _text("run 3"),
)
_ROUTES = (
    _text("route {gsi} msi:0xfee00000:{vector}", gsi=st.sampled_from((11, 24)), vector=VECTORS),
    _text("route {gsi} none", gsi=st.sampled_from((11, 24))),
    _text("route {gsi} ioapic:{pin}", gsi=GSIS, pin=PINS),
    _text("routes default"),
)
_WORDS = (
    _text("irqfd {name} gsi={gsi} {word}={second} {kind}", name=NAMES, gsi=GSIS, second=NAMES,
          word=st.sampled_from(("resample", "eoi")), kind=_maybe("deassign")),
    _text("eoifd {name} irqfd={second} level {kind}", name=NAMES, second=NAMES, kind=_maybe("deassign")),
    _text("eoifd {name} gsi={gsi} {kind}", name=NAMES, gsi=GSIS, kind=_maybe("deassert", "deassign")),
    _text("ioctl irqfd fd={fd} gsi=11 flags={flags} {field}={second}", fd=NAMES, flags=st.integers(0, 5),
          field=st.sampled_from(("resamplefd", "fd2")), second=NAMES),
    _text("line 8 {level}", level=st.sampled_from((0, 1))),
)  # fmt: skip
_DEVICES = (
    _text("device vfio nic gsi={gsi} {fail}", gsi=st.sampled_from((11, 10, 24)),
          fail=_maybe("", *(f"fail={step}" for step in ("eventfd", "irqfd", "eoifd", "set-irqs")))),
    _text("device emulated uart gsi=11 {aware}", aware=_maybe("eoi-aware")),
    st.just("device virtio disk gsi=11"),
    _text("raise {name}", name=st.sampled_from(("nic", "nic", "uart", "disk"))),
    _text("{act} {name}", act=st.sampled_from(("lower", "service", "unplug", "finish")),
          name=st.sampled_from(("nic", "uart", "disk"))),
    _text("move nic gsi={gsi}", gsi=st.sampled_from((11, 10, 24))),
    st.just("handler 0x41 mask 11, eoi, wake thread"),
    st.just("actor thread: service nic; ioapic 11 unmasked"),
    st.just("handler 0x41 service uart, service nic, service disk, eoi"),
    st.just("run 5"),
)  # fmt: skip
_CONTEXTS = st.sampled_from(("user", "user", "vcpu0", "vcpu1", "events", "irqfd-cleanup", "x", "y"))
CALLS = in_turn(st.one_of(_DESCRIPTORS), st.one_of(_BINDINGS), st.one_of(_LINES), st.one_of(_GUEST))
"""What a thread or a vCPU does; the routing table stays as it is."""

ROUTED = in_turn(CALLS, CALLS, CALLS, CALLS, CALLS, st.one_of(_ROUTES))
"""The same with changes of the routing table."""

DESIGNED = in_turn(ROUTED, ROUTED, st.one_of(_WORDS), st.one_of(_DEVICES))
"""The same with the words of every design, of which a machine takes those it has, and with devices."""

MOVES = in_turn(
    st.sampled_from(("manual", "manual", "auto")),
    _text("step {context} {count}", context=_CONTEXTS, count=st.sampled_from((1, 4, 12))),
    _text("finish {context}", context=_CONTEXTS),
    _text("actor {name}: {first}; {second}", name=st.sampled_from(("x", "y")), first=CALLS, second=CALLS),
)
"""What moves contexts."""

ENDS = st.sampled_from(
    ("release", "undo", "undo 3", "redo", "mark m", "goto m", "goto 2", "expect reports == 0")
)
MACHINES = st.sampled_from(
    ("machine vcpus=2",) * 4
    + ("machine vcpus=2 x2apic", "machine vcpus=2 pit", "machine vcpus=2 bare")
    + tuple(f"machine vcpus=2 without={name}" for name in ("pollhup", "assign-flush"))
)
DESIGNS = st.builds(
    "machine kernel={} api={} vcpus=2 {}".format,
    st.sampled_from(tuple(KERNELS)),
    st.sampled_from(APIS),
    st.sampled_from(("", "", "pit", "x2apic", *(f"{s.option}={s.name}" for s in SWITCHES.values()))),
)
BEGIN = ("eventfd a; eventfd b; eventfd c semaphore; eventfd d", "actor x: read d", "actor y: take vcpu=1")
BOUND = (
    *("irqfd a gsi=11 level", "irqfd a gsi=11 resample=b", "irqfd a gsi=11 eoi=b", "irqfd a gsi=11"),
    *("eoifd b key=a level", "eoifd b irqfd=a level", "eoifd b gsi=11 deassert", "device vfio nic gsi=11"),
)
"""An irqfd and what tells of its EOIs, in the words of every design."""
LEVEL_PAIR = "ioapic 11 vector=0x41 level unmasked; irqfd a gsi=11 level; eoifd b key=a level"


def sequences(lines: SearchStrategy[str], most: int = 25) -> SearchStrategy[tuple[str, ...]]:
    """Return sequences of lines on some machine with four eventfds, often with a level irqfd's pair."""
    begin = st.sampled_from(((*BEGIN, LEVEL_PAIR), BEGIN))
    body = st.lists(lines, min_size=6, max_size=most).map(tuple)
    return st.builds(lambda machine, start, rest: (machine, *start, *rest), MACHINES, begin, body)


def designed(lines: SearchStrategy[str], most: int = 30) -> SearchStrategy[tuple[str, ...]]:
    """Return sequences of lines on some design, which begin with a binding of each and a device."""
    begin = (BEGIN[0], "ioapic 11 vector=0x41 level unmasked", *BOUND)
    body = st.lists(lines, min_size=6, max_size=most).map(tuple)
    return st.builds(lambda machine, rest: (machine, *begin, *rest), DESIGNS, body)
