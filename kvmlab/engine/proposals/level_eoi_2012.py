"""LEVEL_EOI of June 2012 (the author's tree, virt/kvm/eventfd.c at 08833b37f5b1): one KVM_IRQFD does both.

An irqfd with a second eventfd asserts a source of its own, and an EOI of its GSI, whoever asserted
it, de-asserts that source and signals the second eventfd. Unknown flags are ignored; deassign has to
name both eventfds, and answers 0 when nothing matches. The notifier listens before the first
eventfd is looked at, so that an EOI in between signals for an irqfd that may never be.
Which posted version of the series this was is inferred: one before v4.
"""

from __future__ import annotations

from kvmlab.engine.abi import EINVAL, KVM_IRQFD_FLAG_DEASSIGN, KVM_IRQFD_FLAG_LEVEL_EOI, Errno
from kvmlab.engine.chips.irq_source import kvm_free_irq_source_id, kvm_request_irq_source_id
from kvmlab.engine.chips.routing import (
    kvm_register_irq_ack_notifier,
    kvm_set_irq,
    kvm_unregister_irq_ack_notifier,
)
from kvmlab.engine.consumer import DEVICE_GSI, TRIGGER, UNMASK, Consumer, Step, set_irqs
from kvmlab.engine.fds.eventfd import eventfd_ctx_put, eventfd_signal
from kvmlab.engine.fds.files import eventfd_ctx_fdget
from kvmlab.engine.fds.irqfd import Irqfd
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.profile import Profile
from kvmlab.engine.proposal import DEASSIGN, GSI, IRQFD_FIELDS, NAME, Ioctl, Proposal, Word


@path
def irqfd_claim_level_eoi(profile: Profile, irqfd: str, second: int) -> Path[int]:
    """Take a source id, hold the second eventfd, listen: 0; -EFAULT, -EBADF, -EINVAL."""
    irq_source_id: int = yield from kvm_request_irq_source_id(profile)
    if irq_source_id < 0:
        return irq_source_id
    eoi_eventfd = yield from eventfd_ctx_fdget(profile, second)
    if isinstance(eoi_eventfd, Errno):
        yield from kvm_free_irq_source_id(profile, irq_source_id)
        return eoi_eventfd
    yield (Irqfd.set_level, irqfd, "irqfd_inject_level", irq_source_id, "", eoi_eventfd)
    gsi = yield (Irqfd.load, irqfd, "gsi")
    yield from kvm_register_irq_ack_notifier(profile, gsi, "irqfd_ack_level", irqfd)
    return 0


@path
def irqfd_unclaim_level_eoi(profile: Profile, irqfd: str, assigned: bool) -> Path[None]:
    """Stop listening, let go of the second eventfd and the source; one that was assigned lowers the line."""
    irq_source_id, gsi, eoi_eventfd = yield (Irqfd.load, irqfd, "irq_source_id", "gsi", "second")
    yield from kvm_unregister_irq_ack_notifier(profile, "irqfd_ack_level", irqfd)
    yield from eventfd_ctx_put(profile, eoi_eventfd)
    if assigned:
        yield from kvm_set_irq(profile, irq_source_id, gsi, 0)
    yield from kvm_free_irq_source_id(profile, irq_source_id)


@path
def irqfd_check_eoi_eventfd(profile: Profile, irqfd: str, second: int) -> Path[int]:
    """One eventfd for both is -EINVAL."""
    eventfd, eoi_eventfd = yield (Irqfd.load, irqfd, "eventfd", "second")
    if eventfd == eoi_eventfd:
        return Errno(EINVAL, "the two eventfds are one: it would trigger itself")
    return 0


@path
def irqfd_ack_level(profile: Profile, irqfd: str) -> Path[None]:
    """The ack notifier: de-assert the source, then signal, whoever had asserted."""
    irq_source_id, gsi, eoi_eventfd = yield (Irqfd.load, irqfd, "irq_source_id", "gsi", "second")
    yield from kvm_set_irq(profile, irq_source_id, gsi, 0)
    yield from eventfd_signal(profile, eoi_eventfd, 1)


ONE_IOCTL = Consumer(
    steps=(
        Step(
            "irqfd",
            ("user_irqfd", (TRIGGER, DEVICE_GSI, KVM_IRQFD_FLAG_LEVEL_EOI, UNMASK)),
            (
                "user_irqfd",
                (TRIGGER, DEVICE_GSI, KVM_IRQFD_FLAG_LEVEL_EOI | KVM_IRQFD_FLAG_DEASSIGN, UNMASK),
            ),
        ),
        set_irqs("irqfd"),
    ),
    teardown=("set-irqs", "irqfd"),
)
"""The consumer of one KVM_IRQFD with a second eventfd (hw/vfio_pci.c of 22 June 2012)."""

PROPOSAL = Proposal(
    summary="June 2012: one KVM_IRQFD with a second eventfd for the EOIs",
    ioctls={
        "irqfd": Ioctl(
            "kvm_irqfd",
            (*IRQFD_FIELDS, ("fd2", "fd")),
            (
                NAME,
                GSI,
                Word(
                    "eoi",
                    "eventfd",
                    "the eventfd that an EOI signals",
                    "fd2",
                    KVM_IRQFD_FLAG_LEVEL_EOI,
                    "NAME2",
                ),
                DEASSIGN,
            ),
        )
    },
    caps={"KVM_CAP_IRQFD_LEVEL_EOI": (81, 1)},
    consumer=ONE_IOCTL,
    flag="LEVEL_EOI",
    checks_flags=False,
    second_identifies=True,
    claim="irqfd_claim_level_eoi",
    unclaim="irqfd_unclaim_level_eoi",
    bind="irqfd_check_eoi_eventfd",
)
"""The design before the ioctl was split in two."""
