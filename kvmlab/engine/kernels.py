"""The kernels as data: every rule that differs between them, each consulted at one named place.

3.6 follows the sources of Linux 3.6 as compiled and recorded; 6.x follows a running 6.18 where it
was recorded, and the sources of 6.3 elsewhere (reference, table 4.8 and section 16).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """What one kernel does where kernels differ. A flag that is off means what the older one did."""

    # -- the IOAPIC: arch/x86/kvm/ioapic.c
    polarity: bool
    """The polarity bit inverts a line; 6.x stores and ignores it (100943c54e09)."""
    pin0_to_bsp: bool
    """Pin 0 goes to the boot CPU, whatever its entry says."""
    reads_past_table: bool
    """A register behind the table reads what lies there (CVE-2013-1798); 6.x reads ones."""
    read_only_bits: bool
    """Delivery status and remote IRR survive a write, and an edge entry has no remote IRR."""
    pending_level: int
    """kvm_set_irq's result for a level pin whose remote IRR is set."""
    unmask_resamples: bool
    """An unmasked pin that waits asks its resampler first (fef8f2b90edb)."""
    storm_limit: int
    """So many re-injections by EOI in a row are delayed (184564efae4d); 0 for no limit."""
    rtc_eoi_tracking: bool
    """KVM_IRQ_LINE_STATUS of pin 8 is merged until its interrupt was ended."""
    hides_delivered_edges: bool
    """The IRR that userspace sees lacks edges that were delivered (irr_delivered)."""
    handled_vectors_per_vcpu: bool
    """Which EOIs reach the IOAPIC is a bitmap of each vCPU, rebuilt when it enters the guest."""
    # -- the LAPIC: arch/x86/kvm/lapic.c
    directed_eoi: bool
    """A guest with x2APIC in its CPUID can suppress the EOI broadcast; 6.x has the bit with a split irqchip
    only, where it sticks and suppresses nothing (recorded)."""
    extint_on_every_vcpu: bool
    """LVT0 is ExtINT at reset on every vCPU; 6.x has it on the boot CPU only."""
    counts_merged: bool
    """Merged vectors and every SIPI count as deliveries, a de-asserting level message as none."""
    checks_apic_base: bool
    """MSR 0x1b refuses reserved bits and mode changes that are none (kvm_apic_set_base)."""
    x2apic_icr_whole: bool
    """ICR is one 64-bit register in x2APIC mode; upper halves and reserved bits must be 0."""
    init_restarts_bsp: bool
    """An INIT resets the boot CPU, and it goes on without a SIPI."""
    disabled_apic_delivers: bool
    """What is pending in a software-disabled LAPIC is still taken."""
    apic_map: bool
    """Messages are delivered by the map of APIC ids, and lowest priority by hashing the vector."""
    # -- the 8259: arch/x86/kvm/i8259.c and irq.c
    pic_first: bool
    """The 8259 is asked before the LAPIC when an interrupt is injected."""
    poll_bit: int
    """What a poll that finds a request adds to the number of the input."""
    pio_value_traced: bool
    """kvm_pio has the value, and comes after a read; 3.6 traces before it, without."""
    # -- the 8254: arch/x86/kvm/x86.c
    pit_needs_pic: bool
    """KVM_CREATE_PIT2 without an 8259 in the kernel is -ENOENT (seen: 6.18)."""
    # -- routing: virt/kvm/irqchip.c
    most_routes: int
    """A routing table has at most so many entries."""
    gsi_limit: int
    """A route's GSI is below that (KVM_MAX_IRQ_ROUTES)."""
    empty_table: bool
    """An empty routing table is accepted; 3.6 says -ENOMEM."""
    pic_route_pins: int
    """How many pins a route may name on one 8259; 3.6 looks only at the sum with the slave's 8."""
    routing_needs_irqchip: bool
    """KVM_SET_GSI_ROUTING without an in-kernel irqchip is -EINVAL."""
    msi_flags: int
    """Flags of KVM_SIGNAL_MSI and of an MSI route that are no error (KVM_MSI_VALID_DEVID)."""
    # -- eventfd, irqfd, ioeventfd: fs/eventfd.c and virt/kvm/eventfd.c
    irqfd_needs_irqchip: bool
    """An irqfd without a LAPIC in the kernel, or a resampling one without an IOAPIC there, is -EINVAL
    (654f1f13ea56); 3.6 oopses."""
    irqfd_drains: bool
    """A wake-up takes what is in the counter, and nobody behind it is woken (b59e00dd8cda)."""
    irqfd_copies_route: bool
    """An irqfd keeps a copy of its GSI's only route; 3.6 points to an MSI entry, sometimes too long."""
    irqfd_srcu: bool
    """Assign is an SRCU reader and polls with no lock held; shutdown waits for it."""
    semaphore_underflow: bool
    """Unhooking from an idle semaphore takes 1 off 0."""
    ioeventfd_by_bus: bool
    """An ioeventfd collides only with those of its bus, and a length of 0 is any length."""
    ioeventfd_flags: int
    """Flags that KVM_IOEVENTFD knows: 6.x two more, for s390's bus and for a bus of its own (seen: 6.18)."""
    ioeventfds_counted: bool
    """An ioeventfd is one of the 1000 devices that a bus can hold (until 6ea34c9b78c1, from memory)."""
    # -- the log
    sources_exhausted: str
    """What the log says when no IRQ source id is left."""


KERNELS: dict[str, Rules] = {
    "linux-3.6": Rules(
        polarity=True,
        pin0_to_bsp=True,
        reads_past_table=True,
        read_only_bits=False,
        pending_level=0,
        unmask_resamples=False,
        storm_limit=0,
        rtc_eoi_tracking=False,
        hides_delivered_edges=False,
        handled_vectors_per_vcpu=False,
        directed_eoi=True,
        extint_on_every_vcpu=True,
        counts_merged=False,
        checks_apic_base=False,
        x2apic_icr_whole=False,
        init_restarts_bsp=False,
        disabled_apic_delivers=False,
        apic_map=False,
        pic_first=False,
        poll_bit=0,
        pio_value_traced=False,
        pit_needs_pic=False,
        most_routes=1023,
        gsi_limit=1024,
        empty_table=False,
        pic_route_pins=1 << 32,
        routing_needs_irqchip=False,
        msi_flags=0,
        irqfd_needs_irqchip=False,
        irqfd_drains=False,
        irqfd_copies_route=False,
        irqfd_srcu=False,
        semaphore_underflow=True,
        ioeventfd_by_bus=False,
        ioeventfd_flags=0x7,
        ioeventfds_counted=True,
        sources_exhausted="kvm: exhaust allocatable IRQ sources!",
    ),
    "linux-6.x": Rules(
        polarity=False,
        pin0_to_bsp=False,
        reads_past_table=False,
        read_only_bits=True,
        pending_level=-1,
        unmask_resamples=True,
        storm_limit=10_000,
        rtc_eoi_tracking=True,
        hides_delivered_edges=True,
        handled_vectors_per_vcpu=True,
        directed_eoi=False,
        extint_on_every_vcpu=False,
        counts_merged=True,
        checks_apic_base=True,
        x2apic_icr_whole=True,
        init_restarts_bsp=True,
        disabled_apic_delivers=True,
        apic_map=True,
        pic_first=True,
        poll_bit=0x80,
        pio_value_traced=True,
        pit_needs_pic=True,
        most_routes=4096,
        gsi_limit=4096,
        empty_table=True,
        pic_route_pins=8,
        routing_needs_irqchip=True,
        msi_flags=1,
        irqfd_needs_irqchip=True,
        irqfd_drains=True,
        irqfd_copies_route=True,
        irqfd_srcu=True,
        semaphore_underflow=False,
        ioeventfd_by_bus=True,
        ioeventfd_flags=0x1F,
        ioeventfds_counted=False,
        sources_exhausted="kvm: exhausted allocatable IRQ sources!",
    ),
}
"""Every kernel by name."""
