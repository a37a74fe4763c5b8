"""The guest: what is shipped is what its source says, and every routine is where the host expects it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kvmlab.backends.kvm import guest

SOURCE = Path(guest.__file__).with_name("guest.s")


@pytest.mark.skipif(not (shutil.which("as") and shutil.which("objcopy")), reason="binutils are not installed")
def test_the_shipped_bytes_are_the_source_assembled(tmp_path: Path) -> None:
    """Byte for byte."""
    built, code = tmp_path / "guest.o", tmp_path / "guest.bin"
    words = [shutil.which("as") or "", "--64", "-o", str(built), str(SOURCE)]
    assembled = subprocess.run(words, check=False, capture_output=True)
    if assembled.returncode:
        pytest.skip(f"this assembler is not for x86-64: {assembled.stderr.decode().splitlines()[:1]}")
    words = [shutil.which("objcopy") or "", "-O", "binary", "-j", ".text", str(built), str(code)]
    subprocess.run(words, check=True)
    assert code.read_bytes() == guest.CODE


def test_every_routine_has_its_slot() -> None:
    """In the order of the source, each on a multiple of 32, and none runs into the next."""
    labels = re.findall(r"^(\w+):", SOURCE.read_text(), re.MULTILINE)
    assert ["enter", *labels[1:]] == list(guest.ROUTINES)
    first = guest.ROUTINES["enter"]
    assert list(guest.ROUTINES.values()) == list(range(first, first + 32 * len(labels), 32))
    assert guest.ROUTINES["abort"] < first + len(guest.CODE) < first + 1024


def test_a_stub_tells_its_vector() -> None:
    """By the address that its CALL returns to."""
    first = guest.BASE + 0x8000
    assert [guest.vector_of(first + 5 * (vector + 1)) for vector in (0, 0x41, 255)] == [0, 0x41, 255]
