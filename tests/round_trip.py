"""The README's first scenario, as text for the tests."""

ROUND_TRIP = """\
# Level irqfd, eoifd v7: the whole round trip
machine
eventfd trigger
eventfd unmask
ioapic 11 vector=0x41 level unmasked
irqfd trigger gsi=11 level
eoifd unmask key=trigger level
write trigger
expect ioapic.11.remote_irr == 1 and lapic.0.irr == {0x41}
expect 0x41: take
eoi
expect eventfd.unmask.count == 1 and ioapic.11.irr == 0
expect ENOENT: eoifd unmask key=99 level
"""
