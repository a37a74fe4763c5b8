"""What holds for every test: no verdict hangs on how fast a machine is, what it lacks, or the test before."""

from __future__ import annotations

import gc
import signal

import pytest
from hypothesis import settings

from kvmlab.backends.backend import Refused
from kvmlab.backends.making import make
from kvmlab.engine.profile import Profile
from tests.second import Beside

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def _pipes() -> None:
    """Begin as Python does: the program, if a test has run it here, dies of a pipe that breaks."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Beside:
    """Return what stands beside the models of this test instead of a kernel."""
    return Beside(monkeypatch)


def pytest_configure() -> None:
    """Have Ctrl+C reach what the tests start, where the suite itself was started in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Have the collector leave alone what lives to the end, and look at the rest a tenth as often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _why_no_kvm() -> str:
    """Return why no VM of /dev/kvm can be made here, "" if one can."""
    try:
        make(Profile("linux-6.x", "resample", backend="kvm"))
    except Refused as refused:
        return str(refused)
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what needs a kernel where there is none."""
    marked = [item for item in items if item.get_closest_marker("kvm")]
    why = _why_no_kvm() if marked else ""
    for item in marked if why else ():
        item.add_marker(pytest.mark.skip(reason=why))
