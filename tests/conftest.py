"""What holds for every test: no verdict hangs on how fast the machine is, and none on the one before."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def _pipes() -> None:
    """Begin as Python does: the program, if a test has run it here, dies of a pipe that breaks."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
