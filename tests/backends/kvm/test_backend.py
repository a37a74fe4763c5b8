"""A VM of /dev/kvm behind the backend's protocol, as scripts and prompts meet it."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kvmlab.backends.backend import Refused
from kvmlab.backends.kvm.backend import Kvm
from kvmlab.backends.kvm.vcpu import Astray
from kvmlab.backends.kvm.vm import DEVICE_VARIABLE
from kvmlab.cli import main
from kvmlab.engine.profile import Profile
from kvmlab.language.errors import LanguageError
from kvmlab.repl.prompt import status_line
from kvmlab.tui.bars import state_parts
from kvmlab.tui.seen import see
from tests.engine.lab import Lab

KVM = Profile("linux-6.x", "resample", backend="kvm")
CYCLE = (
    "eventfd t; eventfd e; ioapic 11 vector=0x41 level unmasked; irqfd t gsi=11 resample=e",
    "write t",
)


def open_fds() -> set[str]:
    """Return what the process's descriptors are."""
    gc.collect()
    found = set()
    for fd in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{fd.name} {fd.readlink()}")
        except FileNotFoundError:  # the listing's own
            continue
    return found


@pytest.mark.kvm
def test_a_level_interrupt_goes_round() -> None:
    """Assert, take, EOI, resample, as on the model."""
    lab = Lab("machine backend=kvm", *CYCLE)
    assert lab.fact("ioapic", 11, "remote_irr") == 1
    assert lab.fact("lapic", 0, "irr") == frozenset({0x41})
    assert lab.one("take").ret == 0x41
    assert lab.fact("lapic", 0, "isr") == frozenset({0x41})
    assert lab.one("eoi").ret == 0
    assert (lab.fact("eventfd", "e", "count"), lab.fact("ioapic", 11, "irr")) == (1, 0)
    assert lab.fact("taken", 0x41) == 1


@pytest.mark.kvm
def test_an_eoi_leaves_a_split_irqchip() -> None:
    """Its vector is counted, also behind a release; of chips that are not in the kernel nothing is seen."""
    lab = Lab("machine backend=kvm with=split-irqchip vcpus=2", "route 5 msi:0xfee01000:0x8041", "line 5 1")
    assert lab.one("take vcpu=1").ret == 0x41
    assert lab.fact("ioapic-eoi", 0x41) == 0
    lab.say("eoi vcpu=1")
    assert (lab.fact("ioapic-eoi", 0x41), lab.fact("lapic", 1, "isr")) == (1, frozenset())
    assert (lab.fact("ioapic", 5, "irr"), lab.fact("pic", "master", "irr")) == (None, None)
    lab.say("release")
    assert lab.fact("ioapic-eoi", 0x41) == 1


@pytest.mark.kvm
def test_firmware_leaves_the_same_state_as_on_the_model() -> None:
    """Chip by chip; what the kernel hides is None."""
    for words in ("", " vcpus=4", " x2apic", " bare"):
        model = Lab(f"machine kernel=linux-6.x{words}").snapshot()
        real = Lab(f"machine backend=kvm{words}").snapshot()
        assert model.ioapic is not None and real.ioapic is not None
        assert [pin.value for pin in real.ioapic.pins] == [pin.value for pin in model.ioapic.pins]
        assert real.pic is not None and model.pic is not None
        assert (real.pic.master, real.pic.slave) == (model.pic.master, model.pic.slave)
        assert real.vcpus == model.vcpus and real.routes == model.routes
        for ours, theirs in zip(model.lapics or (), real.lapics or (), strict=True):
            shown = {name: getattr(theirs, name) for name in theirs.__slots__}
            hidden = {"arb", "nmi"}
            assert {name for name, value in shown.items() if value is None} == hidden
            # The current count of the timer is the kernel's alone: no time passes in the model.
            common = shown.keys() - hidden - {"tmcct"}
            assert {name: getattr(ours, name) for name in common} == {name: shown[name] for name in common}


@pytest.mark.kvm
@pytest.mark.parametrize(
    ("fact", "wanted"),
    [
        (("ioapic", 11, "sources"), None),
        (("ioapic", 11, "line"), None),
        (("sources", "used"), None),
        (("acked", 11), None),
        (("trace", "kvm_eoi"), None),
        (("reports",), None),
        (("irqfd", "t"), "active"),
        (("fd", "gone"), "none"),
    ],
)
def test_what_no_ioctl_tells_is_not_visible(fact: tuple[str | int, ...], wanted: str | None) -> None:
    """None, which no expectation counts as held or failed."""
    assert Lab("machine backend=kvm", *CYCLE).fact(*fact) == wanted


@pytest.mark.kvm
@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("manual", "cannot be stepped"),
        ("actor a: write t", "cannot be stepped|moved by hand"),
        ("step user", "cannot be stepped"),
        ("device vfio nic gsi=4", "'device vfio' needs what no kernel has"),
        ("undo", "does not go back"),
        ("mmio read 0x100000000", "beyond the 4 GiB"),
        ("mmio write 0xfffff000 1", "memory of the guest itself"),
        ("pio read 0x5200 len=4", "how the guest"),
        ("eventfd b blocking; read b", "would sleep"),
        ("device emulated nic gsi=4; handler 0x41 service nic", "only the model has"),
    ],
)
def test_what_a_kernel_lacks_is_refused_by_name(text: str, named: str) -> None:
    """With what to use instead; nothing has happened then, and the machine goes on."""
    lab = Lab("machine backend=kvm", "eventfd t")
    *before, last = text.split("; ")
    for each in before:
        lab.say(each)
    assert any(word in lab.one(last).why for word in named.split("|"))
    assert lab.one("write t").ret == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("kernel=linux-3.6", "not linux-3.6"),
        ("api=eoifd-v4", "no kernel has api=eoifd-v4"),
        ("api=resample with=as-merged", "as-merged"),
    ],
)
def test_a_machine_that_no_kernel_is_is_refused(words: str, named: str) -> None:
    """Before a device is opened; the machine there was stays, and its names."""
    lab = Lab("eventfd kept")
    with pytest.raises(LanguageError, match=named):
        lab.say(f"machine backend=kvm {words}")
    assert lab.one("write kept").ret == 0


@pytest.mark.parametrize(
    ("path", "number", "remedy"),
    [
        ("/nowhere/kvm", errno.ENOENT, "--device /dev/kvm"),
        ("/dev/null", errno.ENOTTY, "no KVM device"),
    ],
)
def test_no_device_is_one_sentence(
    path: str, number: int, remedy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the errno and what to do; the script ends there, as wrong text does, with status 2."""
    monkeypatch.setenv(DEVICE_VARIABLE, path)
    before = open_fds()
    with pytest.raises(Refused, match=errno.errorcode[number]):
        Kvm(KVM)
    assert open_fds() == before
    assert main(["run", "-c", "machine backend=kvm\nexpect 1 == 2"]) == 2
    told = capsys.readouterr().err
    assert remedy in told and "Traceback" not in told and "0 held, 0 failed" in told


def test_a_device_that_may_not_be_opened_names_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EACCES, which root never sees, and EPERM of a container."""
    for number, remedy in ((errno.EACCES, "group"), (errno.EPERM, "container")):

        def refuse(*_args: object, number: int = number) -> int:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refuse)
            with pytest.raises(Refused, match=f"{errno.errorcode[number]}.*{remedy}"):
                Kvm(KVM)


@pytest.mark.kvm
def test_the_hosts_quirks_stand_in_the_status_lines() -> None:
    """Of the prompt and of the screen, in the same words; the model's have none."""
    lab = Lab("machine backend=kvm vcpus=2")
    quirks = lab.session.backend.status
    assert quirks.startswith(f"/dev/kvm of {os.uname().release}")
    assert quirks in status_line(lab.session)
    assert quirks in "".join(part.text for part in state_parts(see(lab.session)))
    backend = lab.session.backend
    assert isinstance(backend, Kvm)
    assert ("EOI at injection" in quirks) == backend.host.quirks.auto_eoi
    lab.say("machine")
    assert lab.session.backend.status == ""


@pytest.mark.kvm
def test_a_machine_that_is_replaced_leaves_no_descriptor() -> None:
    """Nor one that is released, or forgotten with eventfds open."""
    lab = Lab("machine")
    before = open_fds()
    for text in ("release", "reset", "write t", "close t"):
        lab.say("machine backend=kvm vcpus=2")
        for each in CYCLE:
            lab.say(each)
        lab.say(text)
    lab.say("machine")
    assert open_fds() == before


@pytest.mark.kvm
def test_ten_thousand_assignments_leak_nothing() -> None:
    """Assigned and closed, by both kinds of irqfd."""
    backend = Kvm(KVM)
    made = {"count": 0, "semaphore": False, "blocking": False}
    backend.perform("eventfd", {"name": "e", **made})
    before = open_fds()
    for number in range(10_000):
        backend.perform("eventfd", {"name": "t", **made})
        flags = 2 * (number % 2)
        given = {"fd": "t", "gsi": number % 24, "flags": flags, "resamplefd": "e" if flags else 0}
        assert backend.perform("irqfd", given).ret == 0
        backend.perform("close", {"names": ("t",)})
    assert open_fds() == before
    assert backend.descriptors.ctxs == [backend.descriptors.names["e"]]


@pytest.mark.kvm
def test_a_vcpu_that_waits_for_a_sipi_is_told_of_and_left() -> None:
    """It is stopped by the timer once, and never waited for again; a SIPI brings it back."""
    lab = Lab("machine backend=kvm vcpus=2")
    lab.say("mmio write 0xfee00310 0x01000000")
    lab.say("mmio write 0xfee00300 0x4500")
    assert "waits for a SIPI" in lab.one("mmio read 0xfee00020 vcpu=1").why
    assert lab.one("mmio read 0xfee00020").ret == 0
    lab.say("mmio write 0xfee00300 0x4608")
    assert lab.one("mmio read 0xfee00020 vcpu=1").ret == 0x01000000
    assert lab.fact("lapic", 1, "spiv") == 0xFF


@pytest.mark.kvm
def test_every_machine_is_watched_and_the_signal_is_given_back() -> None:
    """Also the older of two; with the last one the handler there was is back."""
    before = signal.getsignal(signal.SIGALRM)
    first, second = Kvm(KVM), Kvm(KVM)
    for backend in (first, second, first):
        backend.host.vcpus[0].mp_state = 2  # INIT_RECEIVED: KVM_RUN blocks
        with pytest.raises(Astray, match="waits for a SIPI"):
            backend.host.vcpus[0].read("read4", 0xFEE00030)
        backend.host.vcpus[0].mp_state = 0
    del backend, first, second
    gc.collect()
    assert signal.getsignal(signal.SIGALRM) == before


@pytest.mark.kvm
@pytest.mark.parametrize(
    ("text", "errno_"),
    [
        ("ioctl irq-line irq=0xffffffff level=0xffffffff", ""),
        ("ioctl irqfd fd=-1 gsi=0xffffffff flags=0xffffffff resamplefd=-1", "EINVAL"),
        ("ioctl irqfd fd=-1 gsi=4", "EBADF"),
        ("ioctl ioeventfd fd=-1 addr=0xffffffffffffffff len=0xffffffff flags=0xfffffffb", "EINVAL"),
        ("ioctl ioeventfd fd=-1 addr=0x1000 len=4", "EBADF"),
        ("ioctl msi address_lo=0xffffffff address_hi=0xffffffff data=0xffffffff flags=0xffffffff", "EINVAL"),
        ("write t 0xffffffffffffffff", "EINVAL"),
    ],
)
def test_a_structure_takes_whatever_its_fields_hold(text: str, errno_: str) -> None:
    """The kernel answers the rest, as the model does."""
    for machine in ("machine backend=kvm", "machine kernel=linux-6.x"):
        assert Lab(machine, "eventfd t").one(text).errno == errno_


@pytest.mark.kvm
def test_a_reset_boot_cpu_stands_at_its_prompt_again() -> None:
    """An INIT to itself."""
    lab = Lab("machine backend=kvm", "mmio write 0xfee00300 0x4500")
    lab.say("mmio write 0xfee00310 0; mmio write 0xfee00300 0x4500")
    assert lab.one("mmio read 0xfee00030").ret == 0x50014
    assert lab.fact("lapic", 0, "spiv") == 0xFF


@pytest.mark.kvm
def test_an_nmi_is_taken_first_and_without_if() -> None:
    """Whatever was done when it came."""
    lab = Lab("machine backend=kvm", "ioapic 4 mode=nmi unmasked; ioapic 5 vector=0x55 unmasked", "cli")
    lab.say("line 4 1; line 5 1")
    assert lab.one("mmio read 0xfee00020").ret == 0
    assert [lab.one("take").ret for _turn in range(2)] == [2, "none"]
    lab.say("sti")
    assert lab.one("take").ret == 0x55


@pytest.mark.kvm
@pytest.mark.parametrize("machine", ["machine backend=kvm", "machine kernel=linux-6.x"])
def test_of_nmis_that_nobody_takes_two_wait(machine: str) -> None:
    """However often the vCPU has entered the guest in between."""
    lab = Lab(machine)
    sent = "msi addr=0xfee00000 data=0x400; "
    for commands in (sent * 3, (sent + "mmio read 0xfee00020; ") * 4):
        lab.say(commands)
        assert [lab.one("take").ret for _turn in range(3)] == [2, 2, "none"]


@pytest.mark.kvm
def test_an_8259_comes_first_and_leaves_the_lapic_alone() -> None:
    """As in the kernel: both pending, and a vector in service."""
    lab = Lab("machine backend=kvm", "ioapic 11 vector=0x41 level unmasked; ioapic 4 vector=0x31 unmasked")
    lab.say("line 11 1; take; line 4 1")
    lab.say("pio write 0x21 0xfe; line 0 1")
    assert lab.one("take").ret == 0x20
    assert lab.fact("lapic", 0, "isr") == frozenset({0x41})
    assert lab.fact("lapic", 0, "irr") == frozenset({0x31})
    assert lab.fact("ioapic", 11, "remote_irr") == 1
    assert lab.fact("pic", "master", "isr") == 1
    lab.say("handler 0x31 eoi")
    assert lab.one("take").ret == "none"


@pytest.mark.kvm
def test_what_arrives_during_an_8259s_acknowledge_is_kept() -> None:
    """One that ends by itself tells its resampler, whose eventfd feeds another irqfd."""
    setup = (
        "eventfd a; eventfd c; eventfd e; ioapic 11 vector=0x60 edge unmasked",
        "pio write 0x20 0x11; pio write 0x21 0xf8; pio write 0x21 0x04; pio write 0x21 0x03",
        "irqfd a gsi=5 resample=c; irqfd c gsi=11 resample=e",
        "ioapic 5 vector=0x31 level unmasked; line 5 1",
    )
    for machine in ("machine backend=kvm", "machine kernel=linux-6.x"):
        lab = Lab(machine, *setup)
        assert lab.one("take").ret == 0xFD
        assert lab.fact("lapic", 0, "irr") == frozenset({0x31, 0x60})
        assert lab.fact("lapic", 0, "tmr") == frozenset({0x31})


@pytest.mark.kvm
def test_handlers_run_until_nothing_is_pending() -> None:
    """And a storm counts full cycles."""
    lab = Lab("machine backend=kvm", *CYCLE, "handler 0x41 mask 11, eoi, unmask 11")
    assert lab.one("run").ret == 1
    assert lab.fact("eventfd", "e", "count") == 1
    assert lab.one("storm 20").ret == 20
    assert lab.fact("taken", 0x41) == 21


@pytest.mark.kvm
def test_a_general_protection_fault_is_a_result() -> None:
    """And the guest goes on."""
    lab = Lab("machine backend=kvm")
    assert "#GP" in lab.one("msr read 0x123456").why
    assert lab.one("msr read 0x1b").ret == 0xFEE00900


@pytest.mark.kvm
def test_an_interrupt_leaves_a_machine_that_goes_on() -> None:
    """Ctrl+C inside KVM_RUN: the vCPU is booted again."""
    backend = Kvm(KVM)
    vcpu = backend.host.vcpus[0]
    vcpu.mp_state = 2  # INIT_RECEIVED: KVM_RUN blocks
    watching = signal.signal(signal.SIGALRM, lambda *_args: signal.raise_signal(signal.SIGINT))
    try:
        with pytest.raises(KeyboardInterrupt):
            vcpu.go("enter")
    finally:
        signal.signal(signal.SIGALRM, watching)
    vcpu.mp_state = 0
    assert vcpu.read("read4", 0xFEE00030) == 0x50014


@pytest.mark.kvm
@pytest.mark.parametrize("when", ["machine", "write", "storm"])
def test_a_killed_process_leaves_nothing(when: str) -> None:
    """Nothing persists in the kernel: its descriptors were all there was, and the next one starts anew."""
    texts = {"machine": "machine backend=kvm", "write": "; ".join(("machine backend=kvm", *CYCLE))}
    texts["storm"] = texts["write"] + "; take; eoi; read e; storm 1000000"
    child = subprocess.Popen(
        [sys.executable, "-m", "kvmlab", "repl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(f"{texts['write'] if when == 'storm' else texts[when]}; help quit\n")
    child.stdin.flush()
    while "quit" not in child.stdout.readline():
        pass
    if when == "storm":
        child.stdin.write("take; eoi; read e; storm 1000000\n")
        child.stdin.flush()
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()
    assert Lab("machine backend=kvm", *CYCLE).one("take").ret == 0x41


@pytest.mark.kvm
def test_an_eventfd_may_have_several_ioeventfds() -> None:
    """All are shown; the first one's irqfd is waited for as the last one's; a reset takes each back."""
    lab = Lab("machine backend=kvm", "eventfd k; ioapic 11 vector=0x41 edge unmasked; irqfd k gsi=11")
    lab.say("ioeventfd k addr=0x1000 len=4; ioeventfd k addr=0x2000 len=4 datamatch=7")
    shown = lab.snapshot().ioeventfds or ()
    assert [(each.name, each.addr, each.datamatch) for each in shown] == [
        ("", 0x1000, None),
        ("k", 0x2000, 7),
    ]
    lab.say("mmio write 0x1000 1")
    assert lab.one("expect lapic.0.irr == {0x41}").held is True
    lab.say("ioctl ioeventfd fd=k addr=0x1000 len=4 flags=4 datamatch=9")
    assert [each.addr for each in lab.snapshot().ioeventfds or ()] == [0x2000]
    kernel = Kvm(KVM)
    place = {"fd": "k", "addr": 0x1000, "len": 4, "datamatch": 0, "flags": 0}
    for _turn in range(2):
        kernel.perform("eventfd", {"name": "k", "count": 0, "semaphore": False, "blocking": False})
        assert kernel.perform("ioeventfd", place).ret == 0
        assert kernel.perform("ioeventfd", place).errno == "EEXIST"
        kernel.reset()


@pytest.mark.kvm
def test_a_reset_takes_back_what_outlives_its_eventfd() -> None:
    """By a new VM, as nobody has a descriptor to name it by; nothing is left of the old one."""
    kernel = Kvm(KVM)
    place = {"fd": "k", "addr": 0x1000, "len": 4, "datamatch": 0, "flags": 0}
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _turn in range(3):
        kernel.perform("eventfd", {"name": "k", "count": 0, "semaphore": False, "blocking": False})
        assert kernel.perform("ioeventfd", place).ret == 0
        kernel.perform("close", {"names": ("k",)})
        kernel.perform("eventfd", {"name": "k", "count": 0, "semaphore": False, "blocking": False})
        assert kernel.perform("ioeventfd", place).errno == "EEXIST"
        kernel.reset()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
