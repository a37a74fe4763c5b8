"""How a VMM wires an assigned device's INTx to a proposal, as data: steps in order, and their undoing.

The orders are those of QEMU's hw/vfio_pci.c (vfio_enable_intx_kvm and vfio_disable_intx_kvm) as the
author of the proposals kept it beside them (reference 1.1). What a proposal's consumer does before
and after its steps is the same for all, and stands in world/vfio_pci.py.
"""

from __future__ import annotations

from dataclasses import dataclass

TRIGGER, UNMASK, DEVICE_GSI, DEVICE, NO_FD = "trigger", "unmask", "gsi", "device", ""
"""What stands in a call for the device's two eventfds by name, its GSI, itself, and no eventfd."""

Call = tuple[str, tuple[int | str, ...]]
"""A path by name and its arguments, the words above among them."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the set-up, by the name that failure injection and reports give it.

    ``undo`` takes it back; ``unwind`` names the earlier steps that are undone, in this order, when
    it fails.
    """

    name: str
    call: Call
    undo: Call
    unwind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Consumer:
    """The steps of the set-up in order, and those that the tear-down undoes, in its order.

    Without steps nothing is put into the kernel, and a device stays on the VMM's slow path.

    ``closes_on_failure`` tells whether a set-up that fails closes its unmask eventfd, and
    ``injects`` whether the kernel listens to the trigger, so that userspace need not.
    """

    steps: tuple[Step, ...] = ()
    teardown: tuple[str, ...] = ()
    closes_on_failure: bool = False
    injects: bool = True

    def step(self, name: str) -> Step:
        """Return a step by its name."""
        return next(step for step in self.steps if step.name == name)


NO_CONSUMER = Consumer()
"""What a design has that no VMM was written for."""


def set_irqs(*unwind: str) -> Step:
    """Return the step that gives VFIO the unmask eventfd (VFIO_DEVICE_SET_IRQS, ACTION_UNMASK)."""
    return Step(
        "set-irqs",
        ("vfio_set_unmask_eventfd", (DEVICE, UNMASK)),
        ("vfio_set_unmask_eventfd", (DEVICE, NO_FD)),
        unwind,
    )
