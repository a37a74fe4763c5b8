"""The units of a search on a cluster: a scheduler and two workers on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from kvmlab.explore.cluster import Cluster
from kvmlab.explore.jobs import NoWorkers, Processes, Sharing
from kvmlab.explore.units import Scenario

SCENARIO = Scenario(
    (
        "machine",
        "eventfd trigger; eventfd unmask",
        "ioapic 11 vector=0x41 level unmasked",
        "irqfd trigger gsi=11 level; eoifd unmask key=trigger level",
        "write trigger",
        "take",
        "manual",
        "actor closer: close unmask",
        "actor cpu: eoi",
    )
)


@pytest.fixture
def address() -> Iterator[str]:
    """Return the address of a scheduler that has two workers."""
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


def test_a_cluster_finds_what_processes_find(address: str) -> None:
    """Also where one of its workers is killed."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        pids = list(client.run(os.getpid).values())
    sharing = Sharing(SCENARIO, Cluster(address))
    for number, _progress in enumerate(sharing.run()):
        if number == 1:
            os.kill(pids[0], signal.SIGKILL)
    processes = Sharing(SCENARIO, Processes(1))
    for _progress in processes.run():
        pass
    assert sharing.outcome.exhausted
    assert sharing.outcome == processes.outcome


def test_without_dask_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else needs it."""
    monkeypatch.setattr("kvmlab.explore.cluster.find_spec", lambda _name: None)
    with pytest.raises(NoWorkers, match="pip install 'kvmlab"):
        Cluster("tcp://127.0.0.1:8786")


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence, when the search begins."""
    pytest.importorskip("distributed", reason="dask.distributed is not installed")
    monkeypatch.setattr("kvmlab.explore.cluster.SECONDS", 0.1)
    with pytest.raises(NoWorkers, match="no scheduler answers at"):
        next(Sharing(SCENARIO, Cluster("tcp://127.0.0.1:1")).run())
    with pytest.raises(NoWorkers, match="no scheduler answers at"):
        next(Sharing(SCENARIO, Cluster("nowhere at all")).run())
