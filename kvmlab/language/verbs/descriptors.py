"""Commands that are syscalls on descriptors, and the VM's ioctls."""

from __future__ import annotations

from kvmlab.language.spec import MANY, CommandSpec, Parameter, flag, key, place

FDS = "File descriptors"
IOCTL = "VM ioctls"

_NAME = place("name", "eventfd", "the eventfd", "NAME")

DESCRIPTORS = (
    CommandSpec(
        "eventfd",
        FDS,
        "create an eventfd",
        (
            place("name", "new-eventfd", "what to call it", "NAME"),
            key("count", "u64", "the counter's first value", "N", default=0),
            flag("semaphore", "EFD_SEMAPHORE: a read takes 1"),
            flag("blocking", "without EFD_NONBLOCK: a read of 0 waits"),
        ),
        "Non-blocking unless told otherwise, at the lowest free descriptor. A count beyond the"
        " syscall's 32 bits is written after creation.",
        ("eventfd trigger", "eventfd tick count=5 semaphore"),
        context="user",
    ),
    CommandSpec(
        "dup",
        FDS,
        "make a second descriptor of the same eventfd",
        (_NAME, place("new", "new-eventfd", "the second name", "NEW")),
        examples=("dup trigger again",),
        context="user",
    ),
    CommandSpec(
        "close",
        FDS,
        "close descriptors",
        (Parameter("names", "eventfd", MANY, "the eventfds", label="NAME"),),
        "The names are free for new eventfds; closing the last descriptor of an eventfd is what its"
        " irqfds and eoifds see as POLLHUP.",
        ("close trigger", "close trigger unmask"),
        context="user",
    ),
    CommandSpec(
        "write",
        FDS,
        "add to an eventfd's counter",
        (_NAME, place("value", "u64", "what to add", "VALUE", required=False, default=1)),
        "Wakes whoever listens, an irqfd among them.",
        ("write trigger", "signal trigger 5"),
        aliases=("signal",),
        context="user",
    ),
    CommandSpec(
        "read", FDS, "read an eventfd's counter, which clears it", (_NAME,),
        "With EFD_SEMAPHORE it takes 1 away.", ("read unmask",), context="user",
    ),
    CommandSpec(
        "poll", FDS, "ask an eventfd which events it is ready for", (_NAME,),
        "The result is the mask: POLLIN 1, POLLOUT 4, POLLERR 8.", ("poll unmask",), context="user",
    ),
    CommandSpec(
        "irqfd",
        IOCTL,
        "bind an eventfd to a GSI (KVM_IRQFD)",
        detail="Its words depend on the api in force. Where the api has keys, a level irqfd's key is the"
        " result.",
        examples=("irqfd trigger gsi=11 level", "irqfd trigger gsi=11 deassign"),
        context="user",
        ioctl="irqfd",
    ),
    CommandSpec(
        "eoifd",
        IOCTL,
        "have an EOI signal an eventfd (KVM_EOIFD)",
        detail="Its words depend on the api in force: 'help apis' shows them all. key=NAME is the key that"
        " irqfd NAME got last, and level is KVM_EOIFD_FLAG_LEVEL_IRQFD, which is never implied.",
        examples=("eoifd unmask key=trigger level", "eoifd unmask key=1 level deassign"),
        context="user",
        ioctl="eoifd",
    ),
    CommandSpec(
        "ioeventfd",
        IOCTL,
        "have a guest write signal an eventfd (KVM_IOEVENTFD)",
        detail="Without datamatch= any value matches. pio takes a port instead of an address.",
        examples=("ioeventfd kick addr=0xfe000000 len=4", "ioeventfd kick addr=0x70 len=1 pio datamatch=7"),
        context="user",
        ioctl="ioeventfd",
    ),
    CommandSpec(
        "irq-line",
        IOCTL,
        "set the level of a GSI for source 0 (KVM_IRQ_LINE_STATUS)",
        detail="The result is kvm_set_irq's status, of which -1 is one: errno stays 0.",
        examples=("irq-line gsi=11 level=1", "line 11 0"),
        aliases=("line",),
        context="user",
        ioctl="irq-line",
    ),
    CommandSpec(
        "msi",
        IOCTL,
        "send a message (KVM_SIGNAL_MSI)",
        detail="The result is the message's delivery status; -1 is one and leaves errno at 0.",
        examples=("msi addr=0xfee00000 data=0x41",),
        context="user",
        ioctl="msi",
    ),
    CommandSpec(
        "route",
        IOCTL,
        "change the route of a GSI (KVM_SET_GSI_ROUTING)",
        (
            place("gsi", "gsi", "the GSI", "GSI"),
            Parameter("targets", "route", MANY, "where it leads", label="ROUTE", alone=("none",)),
        ),
        "The whole table is set, with this GSI's entries replaced. ROUTE is ioapic:PIN, pic:PIN (0 to"
        " 15, of the pair), msi:ADDRESS:DATA, or none.",
        ("route 24 msi:0xfee00000:0x41", "route 11 ioapic:11 pic:11", "route 11 none"),
        context="user",
    ),
    CommandSpec(
        "routes default", IOCTL, "set the default routes (KVM_SET_GSI_ROUTING)",
        examples=("routes default",), context="user",
    ),
    CommandSpec(
        "pit", IOCTL, "create the in-kernel PIT (KVM_CREATE_PIT2)",
        detail="It takes a source ID; -ENOMEM when none is left, -EEXIST when there is one.",
        examples=("pit",), context="user",
    ),
    CommandSpec(
        "release", IOCTL, "close the VM's descriptor",
        detail="Deactivates every irqfd and eoifd and frees what the VM holds.",
        examples=("release",), context="user",
    ),
)  # fmt: skip


def _raw(name: str, structure: str, example: str) -> CommandSpec:
    return CommandSpec(
        f"ioctl {name}",
        IOCTL,
        f"the raw {structure}",
        detail="Fields have the kernel's names; what is not named is 0. fd= takes a name or a number, -1"
        " included.",
        examples=(f"ioctl {name} {example}",),
        context="user",
        ioctl=name,
        form="fields",
    )


RAW = (
    _raw("irqfd", "struct kvm_irqfd", "fd=trigger gsi=11 flags=2"),
    _raw("eoifd", "struct kvm_eoifd", "fd=unmask key=1 flags=2"),
    _raw("ioeventfd", "struct kvm_ioeventfd", "fd=-1 addr=0x1000 len=3"),
    _raw("irq-line", "struct kvm_irq_level", "irq=11 level=1"),
    _raw("msi", "struct kvm_msi", "address_lo=0xfee00000 data=0x41 flags=1"),
)
