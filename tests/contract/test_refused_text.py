"""Wrong text as a script's author meets it: its place, the nearest word, and that nothing runs."""

from __future__ import annotations

import pytest

from kvmlab.cli import main

WRONG = 2

WRONG_TEXT = (
    # text, and the column (of line 1) at which it goes wrong.
    ("nonsense", 1),
    ("machine kernel=linux-9", 16),
    ("machine api=nothing", 13),
    ("machine vcpus=0", 15),
    ("machine vcpus=", 15),
    ("machine vcpus=1 vcpus=2", 17),
    ("machine with=nothing", 14),
    ("machine other", 9),
    ("eventfd", 8),
    ("eventfd Upper", 9),
    ("eventfd 9a", 9),
    ("eventfd a b", 11),
    ("eventfd a count=x", 17),
    ("eventfd a count=-1", 17),
    ("eventfd a count=0x10000000000000000", 17),
    ("write a", 7),
    ("close", 6),
    ("eventfd a; dup a", 17),
    ("eventfd a; write a -1", 20),
    ("irqfd a gsi=1; eventfd a", 7),
    ("eventfd a; irqfd a", 19),
    ("eventfd a; irqfd a gsi=-1", 24),
    ("eventfd a; irqfd a gsi=0x100000000", 24),
    ("eventfd a; irqfd a gsi=11 resample=a", 27),
    ("eventfd a; irqfd a gsi=11 eoi=a", 27),
    ("eventfd a; eoifd a level", 25),
    ("eventfd a; eoifd a gsi=11", 20),
    ("eventfd a; eoifd a irqfd=a", 20),
    ("eventfd a; eoifd a key=other level", 24),
    ("irq-line gsi=11", 16),
    ("line 11 2", 9),
    ("msi addr=0xfee00000", 20),
    ("route 1", 8),
    ("route 1 other:1", 9),
    ("routes other", 8),
    ("ioctl irqfd key=1", 13),
    ("ioctl irqfd fd=a", 16),
    ("ioctl irqfd flags=0x100000000", 19),
    ("ioapic 11 other", 11),
    ("ioapic 11 vector=256", 18),
    ("ioapic 11 vector=0x41 vcpu=1", 28),
    ("mmio read", 10),
    ("pio read 0x10000", 10),
    ("take vcpu=1", 11),
    ("tpr 256", 5),
    ("handler 0x41 other", 14),
    ("goto nowhere", 6),
    ("mark 5", 6),
    ("actor a: other", 10),
    ("actor a: undo", 10),
    ("step nobody", 6),
    ("info other", 6),
    ("eventfd a; irqfd a gsi", 20),
    ("eventfd a; irqfd a gsi=11 bogus", 27),
    ("line 11 0 0", 11),
    ("ioctl irqfd fd", 13),
    ("handler 0x41 mask", 18),
    ("handler 0x41 mask 11 12", 22),
    ("pio write 0x20 256", 16),
    ("expect 1 ==", 12),
    ("expect foo == 1", 8),
    ("expect timer.x == 1", 8),
    ("expect lapic.0.irr == 0x41", 23),
    ("expect ioapic.11.trigger == {edge}", 29),
    ("expect ioapic.11.trigger in {edge, 1}", 36),
    ("expect last.errno not in {EBUSY, other}", 34),
    ("expect 1 + 1 == 2", 10),
    ("expect ioapic.11.other == 1", 18),
    ("expect ioapic.24.mask == 1", 15),
    ("expect eventfd.a.count == 0", 16),
    ("expect lapic.1.irr == {}", 14),
    ("expect reports.other == 0", 16),
    ("expect trace.other == 0", 14),
    ("expect EOTHER: take", 8),
    ("expect 0: other", 11),
    ("never other.x == 1", 7),
    ("help other", 6),
    ('eventfd "a', 9),
    ("eventfd a; machine; write a", 27),
    ("mark m; machine; goto m", 23),
    ("machine without=filter-lock", 28),
    ("machine api=resample without=filter-lock", 41),
    ("machine without=pollhup with=pollhup", 30),
    ("machine without=pollhup,", 25),
    ("eventfd a; eoifd a key=1 level level", 32),
    ("eventfd a; irqfd a gsi= 1", 24),
    ("eventfd a; ioeventfd a addr=0x10000000000000000 len=1", 29),
    ("eventfd a; ioeventfd a len=1", 29),
    ("eventfd a; close a nobody", 20),
    ("ioctl nosuch", 7),
    ("ioctl irqfd fd=-2147483649", 16),
    ("ioctl irq-line gsi=11 level=1", 16),
    ("ioapic 5 masked unmasked", 17),
    ("ioapic 5 edge level", 15),
    ("mmio write 1 0x100000000", 14),
    ("route 3 none ioapic:3", 9),
    ("handler 0x41 eoi,", 18),
    ("handler 0x41 eoi eoi", 18),
    ("handler 0x41 none, eoi", 14),
    ("handler 0x41 lower nobody", 20),
    ("device vfio nic", 16),
    ("device other nic gsi=1", 8),
    ("device vfio nic gsi=1 eoi-aware", 23),
    ("raise nobody", 7),
    ("actor vcpu0: take", 7),
    ("actor a: take vcpu=0; eoi vcpu=1", 32),
    ("actor a: actor b: take", 10),
    ("run 0", 5),
    ("undo 0", 6),
    ("goto -1", 6),
    ("storm 1 rate=0", 14),
    ("explore bound=-1", 15),
    ("why gsi=1 vector=2", 19),
    ("expect 1 == 1: take", 14),
    ("expect EBUSY: expect 1 == 1", 15),
    ("never 1: take", 8),
    ("expect 1 < 2 < 3", 14),
    ("expect {1,} == {1}", 11),
    ("expect (1 == 1", 15),
    ("expect ioapic.11.irr.x == 0", 22),
    ("expect lapic.8.irr == {}", 14),
    ("expect source.64.refs == 0", 15),
    ("expect taken.256 == 0", 14),
    ("expect device.nic.raised == 0", 15),
    ("eventfd a; expect irqfd.a == edge", 30),
    ("expect last.errno == EFOO", 22),
    ('eventfd "a b"', 9),
    ('eventfd ""', 9),
    ("eventfd a\u0000", 10),
    ("expect " + "(" * 400 + "1 == 1" + ")" * 400, 58),
    ("#" * 100_001, 100_001),
)
NEAREST = (
    ("evntfd a", "eventfd"),
    ("machine wihout=pollhup", "without="),
    ("machine without=polhup", "pollhup"),
    ("machine kernel=linux-3.7", "linux-3.6"),
    ("eventfd trigger; write triger", "trigger"),
    ("eventfd a; irqfd a gsi=11 levle", "level"),
    ("info source", "sources"),
    ("expect ioapic.11.remot_irr == 1", "remote_irr"),
    ("expect EBSY: take", "EBUSY"),
    ("eventfd a; irqfd a gsi", "gsi="),
    ("expect ioapic.11.trigger in {edge, levle}", "level"),
    ("expect report == 1", "reports"),
)


@pytest.mark.parametrize(("text", "column"), WRONG_TEXT)
def test_wrong_text_names_its_place_and_runs_nothing(
    text: str, column: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The status is 2, the message starts with line and column, and not one command is answered."""
    status = main(["run", "--json", "-c", text])
    ran = capsys.readouterr()
    assert (status, ran.out) == (WRONG, "")
    assert ran.err.startswith(f"1:{column}: ")


@pytest.mark.parametrize(("text", "nearest"), NEAREST)
def test_wrong_text_names_the_nearest_word(
    text: str, nearest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip of one or two letters is answered with the word that was meant."""
    assert main(["run", "-c", text]) == WRONG
    assert f"'{nearest}'" in capsys.readouterr().err.splitlines()[0]
