"""What goes on by itself on a real kernel: the guest's handlers until nothing is to be taken, and storms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kvmlab.backends.backend import Answer, Refused
from kvmlab.engine.machine import RUN_LIMIT

if TYPE_CHECKING:
    from kvmlab.backends.kvm.backend import Kvm


def run(kernel: Kvm, limit: int | None) -> Answer:
    """Have vCPUs take what they have handlers for until there is nothing; how many were taken."""
    bound = RUN_LIMIT if limit is None else limit
    taken, moved = 0, True
    while moved and taken < bound:
        moved = False
        for number in range(kernel.profile.vcpus):
            if taken < bound and _handle(kernel, number):
                moved, taken = True, taken + 1
        moved = moved or (any(kernel.handlers) and kernel.host.delayed_work())
    if limit is None and taken == RUN_LIMIT:
        return Answer(taken, "", "stopped: a line that is never lowered storms for ever; 'run' goes on")
    return Answer(taken)


def _handle(kernel: Kvm, number: int) -> bool:
    """Take one interrupt and run its handler, if the vCPU has one for what comes next."""
    handlers, host = kernel.handlers[number], kernel.host
    if not handlers or host.released or not host.profile.in_kernel("lapic"):
        return False
    handler = handlers.get(host.next_vector(number))
    if handler is None or not isinstance(kernel.perform("take", {"vcpu": number}).ret, int):
        return False
    for verb, args in handler[1]:
        kernel.perform(verb, args)
    return True


def storm(kernel: Kvm, count: int) -> Iterator[int]:
    """Run full cycles over the first irqfd, a resampling one if there is any. Raises Refused for none."""
    active = [irqfd for irqfd in kernel.descriptors.irqfds.values() if irqfd.active]
    if not active:
        raise Refused("a storm needs an irqfd: 'irqfd NAME gsi=N' first")
    wired = next((irqfd for irqfd in active if irqfd.second), active[0])
    return _cycles(kernel, wired.name, wired.second, count)


def _cycles(kernel: Kvm, trigger: str, event: str, count: int) -> Iterator[int]:
    for done in range(1, count + 1):
        kernel.perform("write", {"name": trigger, "value": 1})
        if not _serve(kernel):
            return
        if event:
            kernel.perform("read", {"name": event})
        yield done


def _serve(kernel: Kvm) -> bool:
    """Have the first vCPU that can take the interrupt do so and end it; False if none can."""
    for number in range(kernel.profile.vcpus):
        if isinstance(kernel.perform("take", {"vcpu": number}).ret, int):
            kernel.perform("eoi", {"vcpu": number})
            return True
    return False
