"""Keeps the picture of a running QEMU fresh: asks its monitor politely, and again when it comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kvmlab.backends.monitor import Declined, Monitor, Unreachable, monitor_at
from kvmlab.exchange.hmp import Dump, read_dump, snapshot_of
from kvmlab.render.cells import Cell
from kvmlab.snapshot import Snapshot

if TYPE_CHECKING:
    from kvmlab.backends.qemu import Qemu
    from kvmlab.session import Session

PERIOD = 0.2
"""Seconds between the beginnings of two looks at least: five a second."""

SHARE = 10
"""A look that takes QEMU's monitor long is followed by so many times its length without one."""

QUIET = 2.0
"""Seconds after which a QEMU that has been asked, and has not answered, is said to be quiet."""

AGAIN = 1.0
"""Seconds between two attempts to reach a QEMU that has gone."""

SHOWN = 30
"""Characters of a path that the status shows, its end."""

API = "qmp"
"""What stands in a picture where a model's snapshot names its api."""

Tell = Callable[[str], None]


class Picture:
    """What one look at a QEMU found: the snapshot, and a sentence on every line that could not be read."""

    def __init__(self, snapshot: Snapshot, problems: tuple[str, ...]) -> None:
        self.snapshot = snapshot
        self.problems = problems


async def look(monitor: Monitor) -> Picture:
    """Ask a monitor for everything that can be seen; raise Unreachable where it has gone."""
    problems: list[str] = []
    dumps: list[Dump] = []

    async def ask(command: str, cpu: int | None = None) -> None:
        of = f"{command} (CPU {cpu})" if cpu is not None else command
        try:
            dump = read_dump(str(await monitor.ask(command, cpu)))
        except Declined as declined:
            problems.append(f"{of}: {declined}")
        else:
            dumps.append(dump)
            problems.extend([f"{of}:{problem}" for problem in dump.problems])

    for command in ("info pic", "info irq"):
        await ask(command)
    for cpu in _numbers(await _asked(monitor, "cpus")):
        await ask("info lapic", cpu)
    status = await _asked(monitor, "status")
    mode = str(status.get("status", "")) if isinstance(status, dict) else ""
    return Picture(snapshot_of(dumps, f"QEMU {monitor.version}", API, mode), tuple(problems))


async def _asked(monitor: Monitor, query: str) -> Any:
    try:
        return await monitor.ask(query)
    except Declined:
        return None


def _numbers(cpus: Any) -> list[int]:
    """Return the indices of the CPUs of a ``query-cpus-fast``."""
    found = [cpu.get("cpu-index") for cpu in cpus if isinstance(cpu, dict)] if isinstance(cpus, list) else []
    return [number for number in found if isinstance(number, int)]


def pause(took: float) -> float:
    """Return how long to leave a monitor alone after a look that took so many seconds."""
    return max(PERIOD - took, took * SHARE)


class Following:
    """The monitor at a path, followed into a session's backend for as long as :meth:`run` runs.

    The session's version grows with every picture that differs from the one before.
    """

    def __init__(
        self,
        path: str,
        session: Session,
        qemu: Qemu,
        clock: Callable[[], float] = time.monotonic,
        again: float = AGAIN,
    ) -> None:
        self._path = path
        self._session, self._qemu = session, qemu
        self._clock, self._again = clock, again
        self._taken = clock()
        self._began: float | None = None
        self._away = ""
        self._problems: tuple[str, ...] = ()

    def status(self) -> list[Cell]:
        """Return what is attached, whether it answers, and how old the picture is."""
        seen, age = self._qemu.picture, self._clock() - self._taken
        path = self._path if len(self._path) <= SHOWN else f"…{self._path[1 - SHOWN :]}"
        old = "now" if age < 1 else f"{age:.0f} s old"
        return [
            Cell(" "),
            self._connection(),
            Cell(f"  picture {old}", "warning" if age >= 1 else "muted"),
            Cell(f"  qmp:{path}  "),
            Cell(f"{seen.kernel} {seen.mode}", "muted"),
        ]

    def _connection(self) -> Cell:
        if self._away:
            return Cell("gone, waiting for it", "error")
        waited = 0.0 if self._began is None else self._clock() - self._began
        return (
            Cell(f"no answer for {waited:.0f} s", "warning") if waited >= QUIET else Cell("connected", "ok")
        )

    async def run(self, tell: Tell) -> None:
        """Follow until cancelled; what a person should know is told in sentences."""
        while True:
            try:
                async with monitor_at(self._path) as monitor:
                    await self._follow(monitor, tell)
            except Unreachable as why:
                if not self._away:
                    tell(f"{why}; it is shown again when it comes back")
                self._away = str(why)
            await asyncio.sleep(self._again)

    async def _follow(self, monitor: Monitor, tell: Tell) -> None:
        """Look again and again, until the monitor has gone."""
        while True:
            began = self._began = self._clock()
            picture = await look(monitor)
            self._began = None
            took = self._clock() - began
            if self._away:
                tell(f"{self._qemu.picture.kernel} is back")
                self._away = ""
            self._take(picture, tell)
            await asyncio.sleep(pause(took))

    def _take(self, picture: Picture, tell: Tell) -> None:
        """Put a picture into the backend, and tell of lines that could not be read, once each."""
        self._taken = self._clock()
        for problem in picture.problems:
            if problem not in self._problems:
                tell(problem)
        self._problems = picture.problems
        self._session.scope.vcpus = len(picture.snapshot.lapics or ()) or 1
        if picture.snapshot != self._qemu.picture:
            self._qemu.picture = picture.snapshot
            self._session.version += 1
