"""Commands about the machine as a whole, and about the session that holds it."""

from __future__ import annotations

from kvmlab.engine.profile import DEFAULT_APIS
from kvmlab.language.spec import TEXT, CommandSpec, Parameter, flag, key, place

GROUP = "The machine"

MACHINE = (
    CommandSpec(
        "machine",
        GROUP,
        "make a new VM, and everything else anew",
        (
            key("kernel", "kernel", "the kernel modelled", "K"),
            key("api", "api", "the design of the EOI interface", "A"),
            key("vcpus", "vcpus", "how many vCPUs", "N", default=1),
            flag("pit", "create the in-kernel PIT, which takes a source ID"),
            flag("x2apic", "the guest's CPUID offers x2APIC"),
            flag("bare", "leave the chips in reset state, as no firmware ran"),
            key("without", "without", "switches: what this kernel lacks", "S,…", default=()),
            key("with", "with", "switches: what this kernel has beside", "S,…", default=()),
            key("backend", "backend", "what runs it", "model|kvm|both"),
        ),
        "Every eventfd, name, mark, property and counter is dropped, and history starts anew. Without"
        " bare the firmware has run: every vCPU is runnable with its LAPIC software-enabled and IF set,"
        " and the PICs are initialised and fully masked. The api defaults to"
        f" {' and to '.join(f'{api} on {kernel}' for kernel, api in DEFAULT_APIS.items())};"
        " 'help switches' lists what without= and with= take.",
        ("machine", "machine vcpus=2 pit", "machine without=pollhup,assign-flush"),
        unit=False,
        renews=True,
    ),
    CommandSpec(
        "reset",
        GROUP,
        "make the same machine anew",
        detail="Like 'machine' with the words it was last given. In a lab it leads back to the lab's start.",
        unit=False,
        renews=True,
    ),
    CommandSpec(
        "caps",
        GROUP,
        "ask KVM_CHECK_EXTENSION",
        (place("name", "capability", "a capability's name or number", required=False),),
        "With a name the value is the result; without one it lists names, numbers and values in the"
        " numbering of the api in force.",
        ("caps", "caps KVM_CAP_IRQFD"),
        unit=False,
        context="user",
    ),
    CommandSpec(
        "source",
        GROUP,
        "run the commands of a file, or of a scenario",
        (place("file", "script", "a script", "FILE"),),
        "In a script the file's commands stand in place of this one, before anything runs; its path"
        " is relative to that script.",
        ("source setup.kvm",),
        unit=False,
        outside=("file",),
    ),
    CommandSpec(
        "save",
        GROUP,
        "write the commands of this session to a file",
        (place("file", "path", "the script to write", "FILE"),),
        "Only at the prompt: a script writes nowhere.",
        ("save mine.kvm",),
        unit=False,
        outside=("file",),
        interactive_only=True,
    ),
    CommandSpec("quit", GROUP, "end the session", unit=False, aliases=("exit",), outside=("quit",)),
    CommandSpec(
        "help",
        GROUP,
        "explain a command or a topic",
        (Parameter("topic", "topic", TEXT, "a command or a topic", required=False),),
        "'help topics' lists the topics, 'help --all' is the whole reference.",
        ("help", "help irqfd", "help facts"),
        unit=False,
        form="help",
    ),
)
