"""What is wrong where a world stands: what sanitizers report, and what an end must not leave behind."""

from __future__ import annotations

from kvmlab.engine.abi import KVM_IRQCHIP_IOAPIC
from kvmlab.engine.chips.routing import ROUTING
from kvmlab.engine.proposals.eoifd import EOIFDS
from kvmlab.explore.world import World

LOST, DEADLOCK, LEAK = "lost-interrupt", "deadlock", "leak"


def sanitizers(world: World, ended: bool) -> list[tuple[str, str]]:
    """Return every report there is, and at an end what can never go on, leaks or is lost."""
    found = world.reports()
    if ended:
        found += deadlocks(world) + lost_interrupts(world) + untold(world)
        if not found:
            found += leaks(world)
    return found


def deadlocks(world: World) -> list[tuple[str, str]]:
    """Name each context that stands in a call and can never go on."""
    contexts, found = world.contexts, list[tuple[str, str]]()
    for name in world.names:
        context = contexts.get(name)
        if context.at is not None and not context.stopped:
            why = contexts.blocked(name)
            found.append((DEADLOCK, f"{name} can never go on: {why[0] if why else 'it waits'}"))
    return found


def lost_interrupts(world: World) -> list[tuple[str, str]]:
    """Name each level pin that waits for an EOI which nobody will ever make."""
    machine = world.machine
    if not machine.profile.in_kernel("ioapic"):
        return []
    pending = 0
    for lapic in machine.lapics:
        pending |= lapic.irr | lapic.isr
    found = []
    for pin in range(24):
        entry = machine.ioapic.entry(pin)
        stuck = entry >> 15 & 1 and entry >> 14 & 1 and not entry >> 16 & 1
        if stuck and machine.ioapic.irr >> pin & 1 and not pending >> (entry & 0xFF) & 1:
            found.append((LOST, f"pin {pin} waits for an EOI that nobody will make"))
    return found


def untold(world: World) -> list[tuple[str, str]]:
    """Name each source that has asserted a pin which is low again, while its eoifd was told of no EOI.

    As long as the pin is high an EOI is still to come; afterwards nobody remembers.
    """
    objects, machine, found = world.memory.objects, world.machine, list[tuple[str, str]]()
    routing = objects[ROUTING]
    if EOIFDS not in objects or not routing.table or not machine.profile.in_kernel("ioapic"):
        return []
    for eoifd in objects[EOIFDS].items:
        source = objects[objects[eoifd].source]
        pin = routing.pin_of(KVM_IRQCHIP_IOAPIC, source.gsi)
        if source.untold and pin >= 0 and not machine.ioapic.irq_states[pin] >> source.id & 1:
            text = (
                f"source {source.id} has asserted pin {pin}, which is low again, and nobody is told of an EOI"
            )
            found.append((LOST, text))
    return found


def leaks(world: World) -> list[tuple[str, str]]:
    """Release the VM and return what outlives it; the world is left as it was."""
    machine = world.machine
    contexts, memory = machine.contexts, machine.memory
    manual, contexts.manual = contexts.manual, False
    try:
        machine.release()
        found = [(report.kind, report.text) for report in memory.reports.made]
    finally:
        contexts.manual = manual
        memory.revert(memory.commit())
    return found
