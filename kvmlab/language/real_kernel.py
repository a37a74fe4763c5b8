"""What `help real-kernel` tells."""

from __future__ import annotations

from kvmlab.backends.kvm.unfaithful import UNFAITHFUL
from kvmlab.engine.profile import APIS, proposal_of

_REAL_KERNEL = (
    "machine backend=kvm [vcpus=N] [x2apic] [pit] [bare] makes a VM of /dev/kvm: the kernel that runs here.",
    "without=irqchip and with=split-irqchip are ways to make one too; no other switch is.",
    "It is kernel=linux-6.x with the api that was merged; what such a kernel has works, on real eventfds.",
    "What no ioctl tells cannot be seen: source IDs and lines, acknowledgements, contexts, work queues.",
    "An expectation of such a fact is counted apart, neither held nor failed.",
    "The states of irqfds and ioeventfds are the VMM's books, kept from what the kernel has answered.",
    "undo, manual, actors and devices are refused by name: time does not go back, and nobody steps a kernel.",
    "What is particular to the host is tried when the VM is made, and told in the status line.",
    "Where a host ends interrupts at their injection, take acknowledges by KVM_SET_LAPIC instead.",
    "With api=@OVER@ userspace builds KVM_EOIFD over resampling irqfds. Where that is not true comes last.",
    "'source kvm/02-eoifd-key' and the scripts beside it show each.",
    "trace shows the kernel's own kvm:* events, none of another program's VM, where tracefs may be read.",
    "Elsewhere it shows what a model says they would be, and tells so.",
    "Without the device, or the right to open it, machine says so with the errno and the remedy.",
    "machine backend=both has a model make each call too. It answers, and the panes show it.",
    "Each cell in which the kernel differs is marked with ≠, and 'differences' lists them with both values.",
    "What differs is settled and repeated on a new VM first; a result says where the kernel's is another.",
    "expect, never and always must hold on both; what the kernel does not show is the model's alone.",
    "kvmlab diff compares model and kernel on random programs; kvmlab record writes recordings.",
)


def real_kernel() -> tuple[str, ...]:
    """Return sentences on a VM of /dev/kvm, and on what cannot be built over it."""
    over = ", ".join(api for api in APIS if proposal_of(api).over_resampler)
    told = tuple(sentence.replace("@OVER@", over) for sentence in _REAL_KERNEL)
    return *told, *(f"{row}: in v7 {theirs}; here {ours}." for row, (theirs, ours) in UNFAITHFUL.items())
