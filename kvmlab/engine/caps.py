"""KVM_CHECK_EXTENSION: capabilities by number, as a kernel with one of the proposals numbers them.

Numbers are those of the kernel's headers, values those of kvm_dev_ioctl_check_extension in
arch/x86/kvm/x86.c of 3.6, and what a running 6.18 answers. What a proposal adds, 81 to 83 for most
of them, is in its own file.
"""

from __future__ import annotations

from kvmlab.engine.profile import APIS, Profile

Caps = dict[str, tuple[int, int]]

COMMON: Caps = {
    "KVM_CAP_IRQCHIP": (0, 1),
    "KVM_CAP_PIT": (11, 1),
    "KVM_CAP_MP_STATE": (14, 1),
    "KVM_CAP_REINJECT_CONTROL": (24, 1),
    "KVM_CAP_IRQ_INJECT_STATUS": (26, 1),
    "KVM_CAP_IRQFD": (32, 1),
    "KVM_CAP_PIT2": (33, 1),
    "KVM_CAP_PIT_STATE2": (35, 1),
    "KVM_CAP_IOEVENTFD": (36, 1),
    "KVM_CAP_SIGNAL_MSI": (77, 1),
}
"""What every kernel has whatever the proposal: name → (number, value)."""

OF_KERNEL: dict[str, Caps] = {
    "linux-3.6": {
        "KVM_CAP_NR_VCPUS": (9, 160),
        "KVM_CAP_IRQ_ROUTING": (25, 1024),
        "KVM_CAP_ASSIGN_DEV_IRQ": (29, 1),
        "KVM_CAP_MAX_VCPUS": (66, 254),
        "KVM_CAP_PCI_2_3": (75, 1),
    },
    "linux-6.x": {
        # As many as the host has CPUs, which were two where 6.18 was asked.
        "KVM_CAP_NR_VCPUS": (9, 2),
        "KVM_CAP_IRQ_ROUTING": (25, 4096),
        "KVM_CAP_ASSIGN_DEV_IRQ": (29, 0),
        "KVM_CAP_MAX_VCPUS": (66, 1024),
        "KVM_CAP_PCI_2_3": (75, 0),
        "KVM_CAP_IOAPIC_POLARITY_IGNORED": (97, 1),
        "KVM_CAP_IOEVENTFD_NO_LENGTH": (100, 1),
        "KVM_CAP_SPLIT_IRQCHIP": (121, 1),
        "KVM_CAP_IOEVENTFD_ANY_LENGTH": (122, 1),
    },
}
"""What each kernel answers in its own way."""


def _number(cap: tuple[str, tuple[int, int]]) -> int:
    return cap[1][0]


def capabilities(profile: Profile) -> Caps:
    """Return every capability that the lab knows of, by name: (number, value); in order of the numbers."""
    return dict(
        sorted((COMMON | OF_KERNEL[profile.kernel] | dict(profile.proposal.caps)).items(), key=_number)
    )


def every_capability() -> frozenset[str]:
    """Return the names of what any kernel has, and any proposal adds."""
    added = [Profile(api=api).proposal.caps for api in APIS]
    return frozenset(name for caps in (COMMON, *OF_KERNEL.values(), *added) for name in caps)


def check_extension(profile: Profile, extension: str) -> tuple[str, int]:
    """Return a capability's name and value by its name (KVM_CAP_ may be left out) or number.

    What the kernel does not know has the value 0, and the name that was asked for.
    """
    known = capabilities(profile)
    wanted = extension.upper()
    name = wanted if wanted.startswith("KVM_CAP_") else f"KVM_CAP_{wanted}"
    if name in known:
        return name, known[name][1]
    number = int(extension, 0) if extension[:1].isdigit() else -1
    return next(((name, value) for name, (at, value) in known.items() if at == number), (name, 0))
