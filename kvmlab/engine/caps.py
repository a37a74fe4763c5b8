"""KVM_CHECK_EXTENSION: capabilities by number, as a kernel with one of the proposals numbers them.

Numbers are those of the kernel's headers, values those of kvm_dev_ioctl_check_extension in
arch/x86/kvm/x86.c of 3.6. What a proposal adds, 81 to 83 for most of them, is in its own file.
"""

from __future__ import annotations

from kvmlab.engine.abi import KVM_MAX_IRQ_ROUTES
from kvmlab.engine.profile import Profile

Caps = dict[str, tuple[int, int]]

COMMON: Caps = {
    "KVM_CAP_IRQCHIP": (0, 1),
    "KVM_CAP_NR_VCPUS": (9, 160),
    "KVM_CAP_PIT": (11, 1),
    "KVM_CAP_MP_STATE": (14, 1),
    "KVM_CAP_REINJECT_CONTROL": (24, 1),
    "KVM_CAP_IRQ_ROUTING": (25, KVM_MAX_IRQ_ROUTES),
    "KVM_CAP_IRQ_INJECT_STATUS": (26, 1),
    "KVM_CAP_ASSIGN_DEV_IRQ": (29, 1),
    "KVM_CAP_IRQFD": (32, 1),
    "KVM_CAP_PIT2": (33, 1),
    "KVM_CAP_PIT_STATE2": (35, 1),
    "KVM_CAP_IOEVENTFD": (36, 1),
    "KVM_CAP_MAX_VCPUS": (66, 254),
    "KVM_CAP_PCI_2_3": (75, 1),
    "KVM_CAP_SIGNAL_MSI": (77, 1),
}
"""What 3.6 has whatever the proposal: name → (number, value)."""


def capabilities(profile: Profile) -> Caps:
    """Return every capability that the lab knows of, by name: (number, value)."""
    return COMMON | dict(profile.proposal.caps)


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
