"""The units of a search on the workers of a dask cluster, which may be on other machines."""

from __future__ import annotations

import logging
from concurrent.futures import Executor
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from kvmlab.explore.jobs import NoWorkers, Workers

if TYPE_CHECKING:
    from distributed import Client

MISSING = "--cluster needs dask.distributed, which is not installed: pip install 'kvmlab[cluster]'"

SECONDS = 5
"""As long is waited for a scheduler to answer."""


class Cluster(Workers):
    """The workers of a cluster, by the address of its scheduler (``tcp://HOST:8786``).

    dask itself gives out again what was lost with a worker. Each worker has the same kvmlab installed.
    """

    def __init__(self, address: str) -> None:
        if find_spec("distributed") is None:
            raise NoWorkers(MISSING)
        self._address = address
        self._client: Client | None = None

    def open(self) -> Executor:
        """Connect; raises NoWorkers where there is no scheduler."""
        from distributed import Client  # It is optional, and takes a second to load.

        # What dask cannot cancel any more where its scheduler is gone would be told as a traceback.
        logging.getLogger("concurrent.futures").setLevel(logging.CRITICAL + 1)
        try:
            self._client = Client(self._address, timeout=SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise NoWorkers(f"no scheduler answers at {self._address}: {error}") from None
        executor: Executor = self._client.get_executor(pure=False)
        return executor

    def gone(self) -> str:
        """Say so where the scheduler is away for longer than dask tries to reach it."""
        closed = self._client is not None and self._client.status == "closed"
        return f"the scheduler at {self._address} does not answer any more" if closed else ""

    def close(self, executor: Executor) -> None:
        """Take back what was given out, and leave the cluster."""
        with suppress(Exception):
            executor.shutdown(wait=False)
        if self._client is not None:
            self._client.close()
