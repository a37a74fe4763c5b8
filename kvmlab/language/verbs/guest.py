"""What the guest does, what its handlers do by themselves, and the devices it has."""

from __future__ import annotations

from kvmlab.language.spec import TEXT, CommandSpec, Parameter, flag, key, place, word

GUEST = "The guest"
DEVICES = "Devices"

ACTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "eoi": ((), "write the LAPIC's EOI register"),
    "pic-eoi": ((), "end the interrupt at the 8259 pair"),
    "mask": (("pin",), "mask a pin of the IOAPIC"),
    "unmask": (("pin",), "unmask a pin of the IOAPIC"),
    "lower": (("device",), "make a device lower its line"),
    "service": (("device",), "do the work a device asked for, which lowers its line"),
    "wake": (("thread",), "wake a thread of the guest"),
}
"""What a handler can do: the kinds of the words each action takes, and what it does."""

_VCPU = key("vcpu", "vcpu", "the vCPU that does it", "N", default=0)
_MMIO_LENGTH = key("len", "mmio-length", "bytes", "1|2|4|8", default=4)
_PIO_LENGTH = key("len", "pio-length", "bytes", "1|2|4", default=1)
_ADDRESS = place("addr", "u64", "the guest physical address", "ADDR")
_PORT = place("port", "u16", "the port", "PORT")
_MSR = place("msr", "u32", "the MSR's number", "N")


def _access(verb: str, summary: str, parameters: tuple[Parameter, ...], example: str) -> CommandSpec:
    return CommandSpec(
        verb, GUEST, summary, (*parameters, _VCPU), examples=(f"{verb} {example}",), context="guest"
    )


ACCESSES = (
    _access("mmio read", "read guest memory that a chip answers", (_ADDRESS, _MMIO_LENGTH), "0xfee00020"),
    _access(
        "mmio write",
        "write guest memory that a chip answers",
        (_ADDRESS, place("value", "u64", "the value", "VALUE", bytes_from="len"), _MMIO_LENGTH),
        "0xfee000b0 0",
    ),
    _access("pio read", "read a port", (_PORT, _PIO_LENGTH), "0x20"),
    _access(
        "pio write",
        "write a port",
        (_PORT, place("value", "u32", "the value", "VALUE", bytes_from="len"), _PIO_LENGTH),
        "0x21 0xff",
    ),
    _access("msr read", "read an MSR", (_MSR,), "0x1b"),
    _access("msr write", "write an MSR", (_MSR, place("value", "u64", "the value", "VALUE")), "0x80b 0"),
)

ACTS = (
    CommandSpec(
        "ioapic",
        GUEST,
        "rewrite an entry of the redirection table as Linux does",
        (
            place("pin", "pin", "the pin", "PIN"),
            key("vector", "vector", "the vector", "V"),
            word("trigger", ("edge", "level"), "the trigger mode"),
            word("mask", ("masked", "unmasked"), "the mask bit"),
            key("dest", "u8", "the destination", "D"),
            word("dest_mode", ("logical", "physical"), "what the destination is"),
            key("mode", "mode", "the delivery mode", "fixed|lowest|smi|nmi|init|extint"),
            word("polarity", ("high-active", "low-active"), "the polarity"),
            _VCPU,
        ),
        "Writes only the dwords that hold what is named (dest the high one, everything else the low"
        " one), the high one first; what is not named keeps its value.",
        ("ioapic 11 vector=0x41 level unmasked", "ioapic 11 masked"),
        context="guest",
    ),
    CommandSpec("sti", GUEST, "set the vCPU's interrupt flag", (_VCPU,), context="guest"),
    CommandSpec("cli", GUEST, "clear the vCPU's interrupt flag", (_VCPU,), context="guest"),
    CommandSpec(
        "tpr", GUEST, "write the task priority register", (place("value", "u8", "the priority", "V"), _VCPU),
        examples=("tpr 0x40",), context="guest",
    ),
    CommandSpec(
        "take",
        GUEST,
        "take the next deliverable interrupt",
        (_VCPU,),
        "The vCPU stands at the handler's first instruction. The result is the vector, or none.",
        ("take", "take vcpu=1"),
        context="guest",
    ),
    CommandSpec(
        "idle",
        GUEST,
        "wait for an interrupt that there is a handler for, take it and do what the handler does",
        (_VCPU,),
        "The result is the vector, or none. An actor ('actor guest: idle') does it again and again, as its"
        " last command, so that 'explore' sees what the guest's handlers lead to.",
        ("idle", "idle vcpu=1"),
        context="guest",
        endless=True,
    ),
    CommandSpec("eoi", GUEST, "write the LAPIC's EOI register", (_VCPU,), examples=("eoi",), context="guest"),
    CommandSpec(
        "handler",
        GUEST,
        "say what the guest does by itself when it takes a vector",
        (
            place("vector", "vector", "the vector", "VECTOR"),
            Parameter("actions", "text", TEXT, "actions separated by commas, or none", label="ACTION,…|none"),
            _VCPU,
        ),
        "They happen on 'run', in the order given: " + ", ".join(
            " ".join((name, *map(str.upper, kinds))) for name, (kinds, _summary) in ACTIONS.items()) + ".",
        ("handler 0x41 eoi", "handler 0x41 mask 11, eoi, service nic, unmask 11", "handler 0x41 none"),
        form="handler",
    ),
    CommandSpec(
        "run",
        GUEST,
        "run everything that is runnable until nothing is",
        (place("count", "count", "stop after so many interrupts were taken", "N", required=False),),
        "Workers, vCPUs with handlers, devices.",
        ("run", "run 3"),
    ),
)  # fmt: skip


_DEVICE = place("name", "device", "the device", "NAME")
_MOVED = key("gsi", "gsi", "the GSI of its line", "N", required=True)


def _device(kind: str, name_kind: str, summary: str, detail: str, *more: Parameter) -> CommandSpec:
    return CommandSpec(
        f"device {kind}",
        DEVICES,
        summary,
        (
            place("name", name_kind, "what to call it", "NAME"),
            _MOVED,
            *more,
        ),
        detail,
        (f"device {kind} nic gsi=11",),
        context="user",
    )


DEVICE = (
    _device(
        "vfio", "new-vfio", "a device assigned by VFIO, with INTx",
        "VFIO masks it when it interrupts and signals NAME-trigger; NAME-unmask, or an ioctl, unmasks it, and"
        " a pin that is still asserted signals again. The VMM wires both to KVM with the api in force, in the"
        " order of QEMU. fail= makes one step of that fail, if the api has it: the VMM undoes what was done,"
        " and goes on by itself through its main loop.",
        key("fail", "set-up-step", "the step that fails", "STEP"),
    ),
    _device(
        "emulated", "new-device", "a device that the VMM emulates",
        "Drives its line as source 0, with KVM_IRQ_LINE. One that is eoi-aware is woken at each EOI of its"
        " GSI.",
        flag("eoi-aware", "it is told of EOIs"),
    ),
    _device(
        "virtio", "new-device", "a virtio device with INTx",
        "Drives its line as source 0. Every raise is one buffer used, and one service takes them all.",
    ),
    CommandSpec(
        "raise", DEVICES, "make a device ask for service", (_DEVICE,),
        "The device itself does it: in manual it is a context of its own.", ("raise nic",), context="device",
    ),
    CommandSpec(
        "lower", DEVICES, "make a device withdraw what it asked for", (_DEVICE,),
        examples=("lower nic",), context="device",
    ),
    CommandSpec(
        "service", DEVICES, "have the guest's driver serve a device", (_DEVICE, _VCPU),
        "The result is how many requests were waiting, 0 if it was called for nothing. The device lowers"
        " its line.",
        ("service nic",), context="guest",
    ),
    CommandSpec(
        "move", DEVICES, "lead a device's line to another GSI, as a guest moves a PCI link",
        (_DEVICE, _MOVED),
        "An assigned device is taken out of the kernel and wired anew (vfio_update_irq of QEMU).",
        ("move nic gsi=10",), context="user",
    ),
    CommandSpec(
        "unplug", DEVICES, "take a device away", (_DEVICE,),
        "An assigned device is torn down in the order of QEMU. Its counters go with it.",
        ("unplug nic",), context="user",
    ),
)  # fmt: skip
