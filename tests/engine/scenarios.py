"""Scenarios that together run every path of the engine.

A scenario is a machine, what has happened to it before, and calls that several contexts make at
once.
"""

from __future__ import annotations

from dataclasses import dataclass

from kvmlab.engine.kernel.continuation import Call
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.profile import Profile


class Notebook(Object):
    """Notes the masks that a mask notifier of the tests was told of."""

    __slots__ = ("notes",)
    FIELDS = ("notes",)

    def __init__(self) -> None:
        super().__init__()
        self.notes: tuple[int, ...] = ()

    def note(self, mask: int) -> None:
        """Add a note."""
        self.changed()
        self.notes = (*self.notes, mask)


@path
def note_mask(profile: Profile, notebook: str, mask: int) -> Path[None]:
    """A mask notifier that writes down what it is told."""
    yield (Notebook.note, notebook, mask)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is said in auto (``before``), then in manual (``acts``): text, or a context and its call."""

    before: tuple[str, ...]
    acts: tuple[str | tuple[str, Call], ...]


LEVEL_PAIR = (
    "machine vcpus=2",
    "eventfd trigger; eventfd unmask",
    "ioapic 11 vector=0x41 level unmasked",
    "irqfd trigger gsi=11 level; eoifd unmask key=trigger level",
)


def pair(machine: str, irqfd: str, eoifd: str = "") -> tuple[str, ...]:
    """Return what wires trigger and unmask to GSI 11 on a machine, with the words of its api."""
    wired = ("eventfd trigger; eventfd unmask", "ioapic 11 vector=0x41 level unmasked", irqfd)
    return (machine, *wired, *([eoifd] if eoifd else []))


BY_IRQFD = ("irqfd trigger gsi=11 level", "eoifd unmask irqfd=trigger level")
RESAMPLE = "irqfd trigger gsi=11 resample=unmask"

SCENARIOS: dict[str, Scenario] = {
    "the life of an eventfd": Scenario(
        ("machine",),
        ("actor a: eventfd tick count=0x1ffffffff; write tick; poll tick; read tick; read tick; close tick",),
    ),
    "a semaphore with two names": Scenario(
        ("machine", "eventfd tick semaphore count=2"),
        ("actor a: dup tick tock; close tick; read tock; close tock", "actor b: read tick; write tick"),
    ),
    "calls that are expected to return something": Scenario(
        ("machine", "eventfd tick; eventfd tock"),
        (
            "actor a: expect EAGAIN: read tick; write tick 2; expect 2: read tick",
            "actor b: expect 0: write tock",
        ),
    ),
    "a reader sleeps until a write": Scenario(
        ("machine", "eventfd tick blocking"), ("actor reader: read tick", "actor writer: write tick 2")
    ),
    "a writer sleeps until a read": Scenario(
        ("machine", "eventfd tick blocking count=0xfffffffffffffffe"),
        ("actor writer: write tick 2", "actor reader: read tick"),
    ),
    "assign an edge irqfd that was signalled": Scenario(
        ("machine", "eventfd trigger count=1", "ioapic 5 vector=0x35 unmasked"), ("irqfd trigger gsi=5",)
    ),
    "assign a level irqfd": Scenario(("machine", "eventfd trigger"), ("irqfd trigger gsi=11 level",)),
    "assign an eventfd twice": Scenario(LEVEL_PAIR, ("irqfd trigger gsi=12 level",)),
    "assign an eventfd that is no fd": Scenario(("machine",), ("ioctl irqfd fd=-1 gsi=3 flags=2",)),
    "assign and refuse eoifds": Scenario(
        (*LEVEL_PAIR, "eventfd other; irqfd other gsi=12 level"),
        ("actor a: eoifd unmask key=other level; eoifd other key=trigger level; eoifd other key=9 level",),
    ),
    "an edge pulse while the vcpu takes": Scenario(
        ("machine", "eventfd trigger", "ioapic 5 vector=0x35 unmasked", "irqfd trigger gsi=5"),
        ("write trigger", "actor cpu: take vcpu=0; eoi vcpu=0"),
    ),
    "a second request during the EOI": Scenario(
        (*LEVEL_PAIR, "write trigger", "take"), ("write trigger", "eoi", "actor other: read unmask")
    ),
    "deassign while the inject work is queued": Scenario(
        (*LEVEL_PAIR, "manual", "write trigger", "finish user"),
        ("irqfd trigger gsi=11 deassign", "actor other: eoifd unmask key=trigger level deassign"),
    ),
    "close, deassign, end and assign at once": Scenario(
        (*LEVEL_PAIR, "eventfd next", "write trigger", "take"),
        (
            "actor a: close trigger",
            "actor b: eoifd unmask key=trigger level deassign",
            "eoi",
            "actor c: irqfd next gsi=11 level; close unmask",
        ),
    ),
    "close both while the EOI runs": Scenario(
        (*LEVEL_PAIR, "write trigger", "take"), ("actor a: close trigger unmask", "eoi")
    ),
    "a guest halts until there is something to handle": Scenario(
        ("machine", "ioapic 11 vector=0x41 level unmasked", "handler 0x41 mask 11,eoi"),
        ("idle", "actor a: line 11 1; line 11 0"),
    ),
    "an ioeventfd comes and goes": Scenario(
        ("machine", "eventfd kick", "eventfd tock", "ioeventfd kick addr=0xfe000000 len=4"),
        (
            "actor a: ioeventfd tock addr=0xfe000000 len=4 datamatch=3",
            "actor b: ioeventfd tock addr=0x70 len=1 pio; ioeventfd kick addr=0x70 len=1 pio deassign",
            "actor c: ioeventfd kick addr=0xfe000000 len=4 deassign",
            "actor cpu: mmio write 0xfe000000 1; pio write 0x70 7; mmio read 0xfe000000; pio read 0x70",
        ),
    ),
    "6.x: an entry moves while its interrupt is in service": Scenario(
        (
            "machine kernel=linux-6.x api=eoifd-v7 vcpus=2",
            "eventfd trigger; eventfd unmask",
            "ioapic 11 vector=0x41 level unmasked",
            "irqfd trigger gsi=11 level; eoifd unmask key=trigger level",
            "ioapic 12 vector=0x42 level masked; line 12 1",
            "write trigger",
            "take",
        ),
        (
            "actor a: ioapic 11 dest=1 vcpu=1; ioapic 11 masked vcpu=1; ioapic 12 unmasked vcpu=1",
            "eoi",
            "actor b: line 11 1; line 8 1; close unmask",
        ),
    ),
    "6.x: a LAPIC gets other addresses while an entry is written": Scenario(
        ("machine kernel=linux-6.x vcpus=2", "line 11 1"),
        (
            "actor cpu: mmio write 0xfee000d0 0x2000000; msr write 0x1b 0xfee00900; take",
            "actor other: ioapic 11 vector=0x41 level unmasked vcpu=1; mmio write 0xfee000f0 0x1f0 vcpu=1",
        ),
    ),
    "6.x: an EOI leaves a split irqchip while its route is changed": Scenario(
        (
            "machine kernel=linux-6.x with=split-irqchip vcpus=2 x2apic",
            "msr write 0x1b 0xfee00d00",
            "eventfd trigger; irqfd trigger gsi=11",
            "route 11 msi:0xfee00000:0x8041",
            "write trigger",
            "take",
            *("manual", "route 11 msi:0xfee01000:0x8041", "finish user"),
        ),
        (
            "actor a: write trigger; irqfd trigger gsi=11 deassign; route 11 none",
            "actor cpu: msr write 0x80b 0; take",
            "actor other: mmio write 0xfec00000 0x10 vcpu=1; pio read 0x21 vcpu=1; take vcpu=1; eoi vcpu=1",
        ),
    ),
    "6.x: devices hear of an EOI from userspace's IOAPIC": Scenario(
        (
            "machine kernel=linux-6.x with=split-irqchip",
            "route 11 msi:0xfee00000:0x8041",
            "device vfio nic gsi=11",
            "device emulated uart gsi=11 eoi-aware",
            "raise nic",
            "take",
        ),
        ("eoi", "actor a: raise uart", "actor b: unplug uart"),
    ),
    "6.x: messages between x2APICs, and a storm's end": Scenario(
        (
            "machine kernel=linux-6.x api=eoifd-v7 vcpus=2 x2apic",
            "msr write 0x1b 0xfee00d00; msr write 0x1b 0xfee00c00 vcpu=1",
            "ioapic 11 vector=0x41 level unmasked",
        ),
        (
            "actor a: msr write 0x830 0x100000051; msr read 0x830; msr write 0x83f 0x52; take vcpu=0",
            "line 11 1",
            ("events", ("kvm_ioapic_eoi_inject_work", ("ioapic",))),
        ),
    ),
    "routes change under a reader": Scenario(
        (
            *LEVEL_PAIR,
            "write trigger",
            "take",
            "eventfd msi",
            "route 24 msi:0xfee00000:0x51",
            "irqfd msi gsi=24",
        ),
        ("route 24 none", "eoi", "actor a: write msi; irq-line gsi=24 level=1; routes default"),
    ),
    "an MSI through the routing table": Scenario(
        ("machine", "route 24 msi:0xfee00000:0x51"),
        ("actor a: irq-line gsi=24 level=1; line 24 0; msi addr=0xfee00000 data=0x52",),
    ),
    "an irqfd that sends a message": Scenario(
        ("machine", "eventfd trigger", "route 24 msi:0xfee00000:0x51", "irqfd trigger gsi=24"),
        ("actor a: write trigger", "actor b: irqfd trigger gsi=24 deassign"),
    ),
    "release with everything assigned": Scenario(
        (
            "machine vcpus=2 pit",
            *LEVEL_PAIR[1:],
            "eventfd kick; ioeventfd kick addr=0x70 len=1 pio",
            "write trigger",
        ),
        ("release", "actor a: write trigger; irqfd trigger gsi=11 deassign"),
    ),
    "release while an ioctl runs": Scenario(
        ("machine", "eventfd trigger"), ("actor a: irqfd trigger gsi=11 level", "actor b: release")
    ),
    "a PIT answers its ports": Scenario(("machine pit",), ("actor cpu: pio write 0x40 1; pio read 0x40",)),
    "accesses that no chip has": Scenario(
        ("machine",), ("actor cpu: pio write 0x20 1 len=2; pio read 0x20 len=2; mmio write 0xfec000fe 1",)
    ),
    "PITs and lines": Scenario(
        ("machine",), (("user", ("vm_ioctl", ("kvm_create_pit",))), "actor a: line 4 1; line 4 0")
    ),
    "the 8259 pair by hand": Scenario(
        ("machine", "pio write 0x21 0xf8; pio write 0xa1 0; line 9 1; line 9 0"),
        ("actor cpu: take; pio write 0xa0 0x20; pio write 0x20 0x62; pio write 0x20 0x0c; pio read 0x20",),
    ),
    "the 8259 pair ends by itself": Scenario(
        (
            "machine bare",
            "pio write 0x20 0x11; pio write 0x21 0x30; pio write 0x21 4; pio write 0x21 3",
            "pio write 0xa0 0x11; pio write 0xa1 0x38; pio write 0xa1 2; pio write 0xa1 3",
            "line 9 1",
        ),
        ("take",),
    ),
    "an 8259 handler ends both chips": Scenario(
        ("machine", "pio write 0x21 0xf8; pio write 0xa1 0; line 9 1; take"),
        (("vcpu0", ("guest_pic_eoi", (0,))),),
    ),
    "x2APIC registers": Scenario(
        ("machine x2apic", "msr write 0x1b 0xfee00d00"),
        ("actor cpu: msr write 0x830 0x44061; take; msr read 0x830; msr write 0x80b 0; msr read 7",),
    ),
    "an IPI by MMIO": Scenario(
        ("machine vcpus=2",),
        (
            "actor cpu: mmio write 0xfee00310 0x1000000; mmio write 0xfee00300 0x61",
            "actor other: take vcpu=1; eoi vcpu=1",
        ),
    ),
    "registers are read": Scenario(
        ("machine",), ("actor cpu: mmio read 0xfee00020; mmio read 0xfec00010; tpr 0x20; cli; take; sti",)
    ),
    "a handler that wakes a thread": Scenario(
        ("machine", "eventfd tick", "actor thread: write tick", "manual", "finish thread"),
        (
            ("vcpu0", ("guest_wake", (0, "thread"))),
            ("user", ("vcpu_set_handler", (0, 0x41, "eoi", (("mmio_write", (0, 0xFEE000B0, 4, 0)),)))),
        ),
    ),
    "an assigned device comes, interrupts and goes": Scenario(
        ("machine", "ioapic 11 vector=0x41 level unmasked"),
        (
            "actor vmm: device vfio nic gsi=11; unplug nic",
            "actor cpu: take; service nic; eoi",
        ),
    ),
    "the set-up of an assigned device fails": Scenario(
        ("machine",), ("actor vmm: device vfio nic gsi=11 fail=eoifd; move nic gsi=10",)
    ),
    "an assigned device is served while it moves": Scenario(
        ("machine", "ioapic 11 vector=0x41 level unmasked; device vfio nic gsi=11; raise nic; take"),
        ("raise nic", "actor vmm: move nic gsi=10", "actor cpu: eoi; service nic; eoi"),
    ),
    "an assigned device on the slow path": Scenario(
        ("machine", "ioapic 11 vector=0x41 level unmasked; device vfio nic gsi=11 fail=set-irqs"),
        ("raise nic", "actor cpu: take; service nic; eoi; take; eoi", "actor vmm: close nic-unmask"),
    ),
    "the unmask eventfd of an assigned device closes": Scenario(
        ("machine", "device vfio nic gsi=11; raise nic"),
        ("lower nic", "actor vmm: write nic-unmask; close nic-unmask; close nic-trigger"),
    ),
    "emulated devices share a line": Scenario(
        (
            "machine",
            "ioapic 11 vector=0x41 level unmasked",
            "device virtio disk gsi=11; device emulated uart gsi=11 eoi-aware",
        ),
        (
            "raise disk",
            "actor cpu: take; service disk; eoi",
            "actor vmm: move uart gsi=10; unplug uart; device emulated uart gsi=11 eoi-aware",
            ("user", ("device_raise", ("disk",))),
        ),
    ),
    "mask notifiers of the IOAPIC": Scenario(
        ("machine",),
        (
            ("user", ("kvm_register_irq_mask_notifier", (11, "note_mask", "notebook"))),
            "actor cpu: ioapic 11 unmasked; ioapic 11 masked",
        ),
    ),
    "a mask notifier goes while it runs": Scenario(
        ("machine",),
        (
            ("user", ("kvm_unregister_irq_mask_notifier", ("note_mask", "notebook"))),
            "actor cpu: ioapic 11 unmasked; pio write 0x21 0",
        ),
    ),
    "2011: an EOI with an eventfd that goes": Scenario(
        pair(
            "machine vcpus=2 api=eoi-eventfd-2011",
            "irqfd trigger gsi=11",
            "eoifd unmask gsi=11 deassert; line 11 1; take",
        ),
        ("actor a: eoifd trigger gsi=11; eoifd unmask gsi=12 deassign; eoifd trigger gsi=11 deassign", "eoi"),
    ),
    "June 2012: the life of an irqfd with two eventfds": Scenario(
        pair(
            "machine vcpus=2 api=level-eoi-2012",
            "irqfd trigger gsi=11 eoi=unmask",
            "write trigger; take; eventfd other",
        ),
        (
            "actor a: irqfd other gsi=11 eoi=other; irqfd other gsi=12 eoi=trigger",
            "eoi",
            "actor b: irqfd trigger gsi=11 deassign; irqfd trigger gsi=11 eoi=unmask deassign",
        ),
    ),
    "v4: an irqfd takes its eoifd with it": Scenario(
        (*pair("machine vcpus=2 api=eoifd-v4", *BY_IRQFD), "eventfd next; write trigger; take"),
        (
            "actor a: close trigger",
            "eoi",
            "actor b: eoifd next irqfd=unmask level; irqfd next gsi=12 level",
        ),
    ),
    "v4: an eoifd is taken back": Scenario(
        pair("machine vcpus=2 api=eoifd-v4", *BY_IRQFD),
        (
            "actor a: eoifd unmask irqfd=trigger level deassign; eoifd unmask irqfd=trigger level",
            "actor b: write trigger",
        ),
    ),
    "v5: an EOI during another request": Scenario(
        (*pair("machine vcpus=2 api=eoifd-v5", *BY_IRQFD), "write trigger; take"),
        ("write trigger", "eoi", "actor other: eoifd unmask irqfd=trigger level deassign"),
    ),
    "v7: filtered by source": Scenario(
        (*pair("machine vcpus=2 with=source-filter", *LEVEL_PAIR[3].split("; ")), "write trigger; take"),
        ("write trigger", "eoi", "actor other: line 11 1; line 11 0"),
    ),
    "v7: an event waits for the unmask": Scenario(
        (
            *pair("machine vcpus=2 with=ack-on-unmask", *LEVEL_PAIR[3].split("; ")),
            "write trigger; take; ioapic 11 masked",
        ),
        ("actor cpu: eoi; ioapic 11 unmasked", "actor other: close unmask; write trigger"),
    ),
    "resample: one of two irqfds goes": Scenario(
        (
            *pair("machine vcpus=2 api=resample", RESAMPLE),
            "eventfd other; irqfd other gsi=11 resample=unmask; write trigger; take",
        ),
        ("actor a: close trigger", "eoi", "actor b: write other; irqfd other gsi=12 resample=unmask"),
    ),
    "resample on 6.x: assign, close and unmask": Scenario(
        (*pair("machine vcpus=2 kernel=linux-6.x api=resample", RESAMPLE), "eventfd other count=1"),
        (
            "actor a: irqfd other gsi=11 resample=unmask; close other",
            "actor b: write trigger; irqfd trigger gsi=11 deassign",
            ("user", ("kvm_notify_irqfd_resampler", (2, 11))),
        ),
    ),
    "resample as merged: a second resampler of a GSI": Scenario(
        (*pair("machine vcpus=2 api=resample with=as-merged", RESAMPLE), "eventfd other"),
        ("actor a: write trigger", "actor b: close trigger"),
    ),
    "an ioeventfd that a close removes": Scenario(
        ("machine vcpus=2 with=ioeventfd-pollhup", "eventfd kick; ioeventfd kick addr=0xfe000000 len=4"),
        (
            "actor a: ioeventfd kick addr=0x70 len=1 pio; ioeventfd kick addr=0xfe000000 len=4 deassign",
            "actor b: close kick",
            "actor cpu: mmio write 0xfe000000 1",
        ),
    ),
}
"""By name: a claim on what is going on. None depends on another."""
