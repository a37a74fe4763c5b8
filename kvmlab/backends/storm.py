"""A storm: the same full cycle again and again, as fast as the machine can.

A cycle is what one interrupt costs: the device's write, the injection, the vCPU's take, its EOI,
and the read of the event, if the irqfd has an eoifd.
"""

from __future__ import annotations

from collections.abc import Iterator

from kvmlab.backends.backend import Refused
from kvmlab.engine.fds.files import FDS
from kvmlab.engine.fds.irqfd import IRQFDS
from kvmlab.engine.machine import APIC_EOI, Machine
from kvmlab.engine.world.userspace import USERSPACE, Userspace
from kvmlab.engine.world.vcpu import vcpu


def storm(machine: Machine, count: int) -> Iterator[int]:
    """Run cycles over the first irqfd, one with an eoifd if there is any; yield after each.

    Yields how many cycles are done; it ends early where no vCPU takes the interrupt. Raises
    Refused, before anything has run, in manual or where no irqfd is assigned.
    """
    if machine.contexts.manual:
        raise Refused("a storm needs auto: in manual nothing moves but what is stepped")
    trigger, event = wired(machine)
    for done in range(1, count + 1):
        machine.call("user", "user_write", trigger, 1)
        if not _serve(machine):
            return
        if event:
            machine.call("user", "user_read", event)
        yield done


def _serve(machine: Machine) -> bool:
    """Have the first vCPU that can take the interrupt do so and end it; False if none can."""
    for number in range(machine.profile.vcpus):
        if machine.take(number) is not None:
            machine.call(vcpu(number), "mmio_write", number, APIC_EOI, 4, 0)
            return True
    return False


def wired(machine: Machine) -> tuple[str, str]:
    """Return the names of an irqfd's eventfd and of its eoifd's ("" if it has none)."""
    objects = machine.memory.objects
    user = objects[USERSPACE]
    assert isinstance(user, Userspace)
    active = [
        (name, objects[handle]) for name, handle in user.irqfds.items() if handle in objects[IRQFDS].items
    ]
    events = {objects[handle].source: name for name, handle in user.eoifds.items() if handle in objects}
    events |= {ctx: name for name, ctx in opened(machine).items()}
    for name, irqfd in active:
        for told in (irqfd.second, irqfd.source):
            if told and told in events:
                return name, events[told]
    if not active:
        raise Refused("a storm needs an irqfd: 'irqfd NAME gsi=N' first")
    return active[0][0], ""


def opened(machine: Machine) -> dict[str, str]:
    """Return the eventfd behind each name that is open."""
    objects = machine.memory.objects
    table = objects[FDS].load("open")
    return {
        name: objects[table[fd]].ctx for name, fd in objects[USERSPACE].load("fds").items() if fd in table
    }
