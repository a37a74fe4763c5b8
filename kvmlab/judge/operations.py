"""The operations of random programs: each draws one call, as a backend takes it, from a seeded generator.

They use few pins, vectors and descriptors, so that operations meet.
"""

from __future__ import annotations

from random import Random
from typing import Any

Call = tuple[str, dict[str, Any]]
"""A verb and its arguments."""

TRIGGERS, EVENTS = ("a", "b", "c"), ("e", "f")
"""Eventfds that feed irqfds, and eventfds that are told."""

NAMES = (*TRIGGERS, *EVENTS)
PINS = (5, 10, 11)
"""Two above an 8259's master, one that both chips have."""

GSIS = (*PINS, 20, 30)
VECTORS = (0x31, 0x50, 0x51, 0x60)
"""Two of them in one class, and of both remainders, for who hashes."""

PLACE, PORT = 0x1000, 0x510
"""An address and a port where no device is."""

APIC, IOREGSEL, IOWIN = 0xFEE00000, 0xFEC00000, 0xFEC00010


def _vcpu(rng: Random, vcpus: int) -> int:
    return rng.randrange(vcpus) if rng.random() < 0.5 else 0


def _mmio(vcpu: int, addr: int, value: int) -> Call:
    return "mmio write", {"vcpu": vcpu, "addr": addr, "len": 4, "value": value}


# -- descriptors and lines --------------------------------------------------------------------------


def eventfd(rng: Random, _vcpus: int) -> Call:
    """Create an eventfd again, if it was closed; a name that is open is refused."""
    count = rng.choice((0, 0, 0, 1, 3))
    return "eventfd", {
        "name": rng.choice(NAMES),
        "count": count,
        "semaphore": rng.random() < 0.1,
        "blocking": False,
    }


def write(rng: Random, _vcpus: int) -> Call:
    """Signal a trigger; seldom an event, or so much that it does not fit twice."""
    name = rng.choice(TRIGGERS if rng.random() < 0.9 else NAMES)
    return "write", {"name": name, "value": rng.choice((1, 1, 1, 1, 2, 2**64 - 2))}


def read(rng: Random, _vcpus: int) -> Call:
    """Read a counter."""
    return "read", {"name": rng.choice(NAMES)}


def poll(rng: Random, _vcpus: int) -> Call:
    """Ask a counter what it is ready for."""
    return "poll", {"name": rng.choice(NAMES)}


def close(rng: Random, _vcpus: int) -> Call:
    """Close a descriptor."""
    return "close", {"names": (rng.choice(TRIGGERS if rng.random() < 0.8 else NAMES),)}


def dup(rng: Random, _vcpus: int) -> Call:
    """Give a trigger's descriptor to a name that may be free."""
    return "dup", {"name": rng.choice(NAMES), "new": rng.choice(TRIGGERS)}


def line(rng: Random, _vcpus: int) -> Call:
    """Raise or lower a line."""
    return "irq-line", {"irq": rng.choice(GSIS), "level": rng.choice((0, 1, 1))}


def _irqfd(name: str, gsi: int, flags: int, second: str | int) -> Call:
    return "irqfd", {"fd": name, "gsi": gsi, "flags": flags, "resamplefd": second}


def edge_irqfd(rng: Random, _vcpus: int) -> Call:
    """Assign a plain irqfd."""
    return _irqfd(rng.choice(TRIGGERS), rng.choice(GSIS), 0, 0)


def resample_irqfd(rng: Random, _vcpus: int) -> Call:
    """Assign a resampling irqfd; seldom with a trigger for its event."""
    second = rng.choice(EVENTS if rng.random() < 0.95 else TRIGGERS)
    return _irqfd(rng.choice(TRIGGERS), rng.choice(GSIS), 2, second)


def deassign(rng: Random, _vcpus: int) -> Call:
    """Take an irqfd back, perhaps of another GSI; seldom with a flag that is not known."""
    flags = rng.choice((1, 1, 1, 1, 1, 3, 5))
    return _irqfd(rng.choice(TRIGGERS), rng.choice(GSIS), flags, 0)


def ioeventfd(rng: Random, _vcpus: int) -> Call:
    """Have writes to a place signal an eventfd, or no longer: some of a value only, some of any length."""
    made = _ioeventfd(rng)
    return "ioeventfd", made if rng.random() < 0.7 else made | {"flags": made["flags"] | 4}


def _ioeventfd(rng: Random) -> dict[str, Any]:
    """Few kinds of them, as a deassign has to match; seldom a length or a flag that is refused."""
    length, flags = rng.choice(((0, 0), (4, 0), (4, 1), (4, 2), (2, 2), (1, 3), (3, 0), (4, 32)))
    place = PORT if flags & 2 else PLACE
    return {"fd": rng.choice(NAMES), "addr": place, "len": length, "datamatch": flags & 1, "flags": flags}


def kick(rng: Random, vcpus: int) -> Call:
    """Write where an ioeventfd may stand, or beside it."""
    vcpu, value = _vcpu(rng, vcpus), rng.choice((0, 1, 1))
    length = rng.choice((1, 2, 4, 4))
    if rng.random() < 0.5:
        return "pio write", {"vcpu": vcpu, "port": PORT, "len": length, "value": value}
    return "mmio write", {
        "vcpu": vcpu,
        "addr": rng.choice((PLACE, PLACE, PLACE + 4)),
        "len": length,
        "value": value,
    }


# -- the IOAPIC ---------------------------------------------------------------------------------------


def entry(rng: Random, vcpus: int) -> Call:
    """Make an entry one that delivers."""
    return "ioapic", {
        "vcpu": _vcpu(rng, vcpus),
        "pin": rng.choice(PINS),
        "vector": rng.choice(VECTORS),
        "trigger": rng.choice(("level", "level", "edge")),
        "mask": rng.choice(("unmasked", "unmasked", "masked")),
    }


def mask(rng: Random, vcpus: int) -> Call:
    """Mask or unmask a pin."""
    word = rng.choice(("masked", "unmasked"))
    return "ioapic", {"vcpu": _vcpu(rng, vcpus), "pin": rng.choice(PINS), "mask": word}


def trigger(rng: Random, vcpus: int) -> Call:
    """Change a pin's trigger mode."""
    word = rng.choice(("edge", "level"))
    return "ioapic", {"vcpu": _vcpu(rng, vcpus), "pin": rng.choice(PINS), "trigger": word}


def vector(rng: Random, vcpus: int) -> Call:
    """Change a pin's vector."""
    return "ioapic", {"vcpu": _vcpu(rng, vcpus), "pin": rng.choice(PINS), "vector": rng.choice(VECTORS)}


def destination(rng: Random, vcpus: int) -> Call:
    """Send a pin's interrupts somewhere: to one, to many, to nobody, or to one of many.

    One dword at a time: between two, a worker of the kernel may come, whenever it likes.
    """
    made: dict[str, Any] = {"vcpu": _vcpu(rng, vcpus), "pin": rng.choice(PINS)}
    if rng.random() < 0.6:
        return "ioapic", made | {"dest": rng.choice((0, 1, 2, 3, 9, 0xFF, 0x03, 0x0F, 0x11, 0x13, 0xF1))}
    words = {
        "dest_mode": rng.choice(("physical", "logical")),
        "mode": rng.choice(("fixed", "fixed", "lowest")),
    }
    return "ioapic", made | words


def index(rng: Random, vcpus: int) -> Call:
    """Select a register of the IOAPIC."""
    pin = rng.choice(PINS)
    register = rng.choice((0, 1, 2, 0x10 + 2 * pin, 0x11 + 2 * pin))
    return _mmio(_vcpu(rng, vcpus), IOREGSEL, register)


def window(rng: Random, vcpus: int) -> Call:
    """Write whatever register is selected."""
    low = rng.choice(VECTORS) | rng.choice((0, 1 << 15)) | rng.choice((0, 0, 1 << 16))
    stray = rng.choice((0, 0, 0, 1 << 12 | 1 << 14, 1 << 13, 0xFFFE0000))
    return _mmio(_vcpu(rng, vcpus), IOWIN, rng.choice((low | stray, rng.randrange(vcpus) << 24)))


def look(rng: Random, vcpus: int) -> Call:
    """Read whatever register is selected, or one of the LAPIC that can be read.

    The others give what was left in a buffer of the kernel's.
    """
    addr = rng.choice((IOWIN, IOREGSEL, APIC + 0x30, APIC + 0x80, APIC + 0xA0, APIC + 0xD0, APIC + 0x20))
    return "mmio read", {"vcpu": _vcpu(rng, vcpus), "addr": addr, "len": 4}


# -- the vCPUs ----------------------------------------------------------------------------------------


def take(rng: Random, vcpus: int) -> Call:
    """Take what can be taken."""
    return "take", {"vcpu": _vcpu(rng, vcpus)}


def eoi(rng: Random, vcpus: int) -> Call:
    """End what is in service."""
    return "eoi", {"vcpu": _vcpu(rng, vcpus)}


def tpr(rng: Random, vcpus: int) -> Call:
    """Change a priority."""
    value = rng.choice((0, 0, 0x2F, 0x30, 0x3F, 0x50, 0x5F, 0xF0))
    return "tpr", {"vcpu": _vcpu(rng, vcpus), "value": value}


def flag(rng: Random, vcpus: int) -> Call:
    """Set or clear an interrupt flag."""
    return rng.choice(("sti", "sti", "cli")), {"vcpu": _vcpu(rng, vcpus)}


def logical(rng: Random, vcpus: int) -> Call:
    """Give a LAPIC a logical id, or all of them another model."""
    vcpu = _vcpu(rng, vcpus)
    ids = (1 << vcpu, 1 << vcpu, 0x10 << (vcpu & 1) | 1 << (vcpu & 1), 0, 3)
    ldr = _mmio(vcpu, APIC + 0xD0, rng.choice(ids) << 24)
    return rng.choice((ldr, ldr, _mmio(vcpu, APIC + 0xE0, rng.choice((0xFFFFFFFF, 0x0FFFFFFF)))))


def enable(rng: Random, vcpus: int) -> Call:
    """Software-enable a LAPIC, or disable it."""
    return _mmio(_vcpu(rng, vcpus), APIC + 0xF0, rng.choice((0x1FF, 0x1FF, 0xFF, 0x11FF)))


def ipi(rng: Random, vcpus: int) -> Call:
    """Send a fixed IPI, or name whom the next one is for."""
    vcpu = _vcpu(rng, vcpus)
    if rng.random() < 0.3:
        return _mmio(vcpu, APIC + 0x310, rng.choice((0, 1, 3, 9, 0xFF)) << 24)
    shorthand = rng.choice((0, 0, 1, 2, 3)) << 18
    mode = rng.choice((0, 0, 0x100, 0x800))
    return _mmio(vcpu, APIC + 0x300, shorthand | mode | 1 << 14 | rng.choice(VECTORS))


def lint0(rng: Random, _vcpus: int) -> Call:
    """Let the 8259's interrupts through, or not."""
    return _mmio(0, APIC + 0x350, rng.choice((0x700, 0x700, 0x10700, 0x10000)))


def msi(rng: Random, vcpus: int) -> Call:
    """Send a message: edge or level, to one, to many or to nobody."""
    dest = rng.choice((0, rng.randrange(vcpus), 3, 9, 0xFF))
    how = rng.choice((0, 0, 4, 8, 12))
    data = rng.choice(VECTORS) | rng.choice((0, 0, 0x4000, 0xC000, 0x8000)) | rng.choice((0, 0, 0x100))
    return "msi", {
        "address_lo": 0xFEE00000 | dest << 12 | how,
        "address_hi": 0,
        "data": data,
        "flags": rng.choice((0, 0, 0, 0, 2)),
    }


# -- routes and the 8259s -----------------------------------------------------------------------------


def route(rng: Random, vcpus: int) -> Call:
    """Lead a GSI to a pin, an input, a message or nowhere; some tables are refused."""
    pin = rng.choice(PINS)
    address = 0xFEE00000 | rng.randrange(vcpus) << 12
    targets: tuple[tuple[tuple[Any, ...], ...], ...] = (
        (("ioapic", pin),),
        (("ioapic", pin),),
        (("ioapic", pin), ("pic", pin)),
        (("pic", pin),),
        (("msi", address, rng.choice(VECTORS)),),
        (("msi", address, rng.choice(VECTORS) | 0xC000),),
        (("none",),),
    )
    return "route", {"gsi": rng.choice(GSIS), "targets": rng.choice(targets)}


def message(rng: Random, vcpus: int) -> Call:
    """Lead a GSI to a message, mostly a level one."""
    address = 0xFEE00000 | rng.randrange(vcpus) << 12
    data = rng.choice(VECTORS) | rng.choice((0xC000, 0xC000, 0x8000, 0))
    return "route", {"gsi": rng.choice(GSIS), "targets": (("msi", address, data),)}


def default_routes(_rng: Random, _vcpus: int) -> Call:
    """Lead every GSI to where it goes first."""
    return "routes default", {}


def _port(port: int, value: int) -> Call:
    return "pio write", {"vcpu": 0, "port": port, "len": 1, "value": value}


def pic_mask(rng: Random, _vcpus: int) -> Call:
    """Mask and unmask inputs of an 8259."""
    return _port(*rng.choice(((0x21, 0xDB), (0x21, 0xDB), (0x21, 0xFF), (0xA1, 0xF3), (0xA1, 0xFF))))


def pic_command(rng: Random, _vcpus: int) -> Call:
    """End, rotate, poll, choose what is read, or initialise."""
    port = rng.choice((0x20, 0x20, 0xA0))
    ends = (0x20, 0x20, 0x20, 0x65, 0x62, 0x63, 0xA0, 0xE5, 0x80, 0x00, 0xC2)
    others = (0x0A, 0x0B, 0x0C, 0x68, 0x48)
    return _port(port, rng.choice(ends if rng.random() < 0.75 else others))


def pic_initialise(rng: Random, _vcpus: int) -> Call:
    """Write a word of an initialisation, mostly out of order."""
    return _port(
        *rng.choice(((0x20, 0x11), (0x21, 0x20), (0x21, 0x04), (0x21, 0x01), (0x21, 0x03), (0xA0, 0x11)))
    )


def pic_trigger(rng: Random, _vcpus: int) -> Call:
    """Make inputs of an 8259 level or edge."""
    return _port(*rng.choice(((0x4D0, 0x20), (0x4D0, 0), (0x4D1, 0x0C), (0x4D1, 0))))


def pic_look(rng: Random, _vcpus: int) -> Call:
    """Read a port of the 8259s."""
    return "pio read", {"vcpu": 0, "port": rng.choice((0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1)), "len": 1}
