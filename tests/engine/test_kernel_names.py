"""What a reader of virt/kvm/eventfd.c searches for is there to be found, by the kernel's own name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[2] / "kvmlab" / "engine"
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in sorted(ENGINE.rglob("*.py")))

EVENTFD_C = """
    irqfd_inject irqfd_shutdown irqfd_is_active irqfd_deactivate irqfd_wakeup irqfd_ptable_queue_proc
    irqfd_update kvm_irqfd_assign kvm_irqfd_deassign kvm_irqfd kvm_irqfd_release kvm_irq_routing_update
    kvm_eventfd_init ioeventfd_release ioeventfd_in_range ioeventfd_write ioeventfd_destructor
    ioeventfd_check_collision kvm_assign_ioeventfd kvm_deassign_ioeventfd kvm_ioeventfd
    irqfd_resampler_ack irqfd_resampler_shutdown kvm_notify_irqfd_resampler
"""
THE_PATCH = """
    eoifd_event eoifd_shutdown eoifd_is_active eoifd_deactivate eoifd_wakeup eoifd_ptable_queue_proc
    kvm_assign_eoifd kvm_deassign_eoifd kvm_eoifd kvm_eoifd_release
    _irq_source_alloc _irq_source_get_from_key _irq_source_put
"""
IRQ_COMM_C = """
    kvm_set_irq kvm_set_msi kvm_notify_acked_irq kvm_register_irq_ack_notifier
    kvm_unregister_irq_ack_notifier kvm_request_irq_source_id kvm_free_irq_source_id __kvm_irq_line_state
"""


@pytest.mark.parametrize("name", (EVENTFD_C + THE_PATCH + IRQ_COMM_C).split())
def test_the_kernels_name_is_found(name: str) -> None:
    """As a path, or in the sentence of what stands for the function."""
    assert re.search(rf"(?<!\w){name}(?!\w)", TEXT)
