"""The monitor of a running QEMU, by QMP over a unix socket: what may be asked of it, and why it cannot be.

Whatever is sent stands in QUERIES: nothing there changes the machine. The package ``qemu.qmp`` speaks
the protocol and is loaded only here.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qemu.qmp import QMPClient

HMP = "human-monitor-command"

QUERIES: dict[str, tuple[str, dict[str, str]]] = {
    "status": ("query-status", {}),
    "cpus": ("query-cpus-fast", {}),
    "info pic": (HMP, {"command-line": "info pic"}),
    "info irq": (HMP, {"command-line": "info irq"}),
    "info lapic": (HMP, {"command-line": "info lapic"}),
}
"""Everything that is ever asked: its name here → (QMP command, arguments)."""

PATIENCE = 5.0
"""Seconds after which a monitor that says nothing is given up."""

HOW = "qemu-system-x86_64 … -qmp unix:PATH,server=on,wait=off"

BUSY = "others wait for this monitor, which serves one client at a time; give QEMU a second -qmp"

REMEDIES = {
    errno.ENOENT: f"there is no such socket; a QEMU makes it: {HOW}",
    errno.ECONNREFUSED: "nobody listens on it: the QEMU that made it has ended; start it again",
    errno.EACCES: "you may not open it: run this as the user that QEMU runs as",
    errno.EPERM: "you may not open it: run this as the user that QEMU runs as",
    errno.ENOTDIR: "a part of the path is no folder; name the socket's path",
    errno.EPROTOTYPE: f"it is a socket of another kind than QEMU makes: {HOW}",
    **dict.fromkeys((errno.EAGAIN, errno.EINVAL, errno.ENOTCONN), BUSY),
}
"""What can be done about an errno. A queue that is full is EAGAIN, or found out by what is tried next."""

NO_QMP = f"what answers is no QMP monitor; QEMU has one by {HOW}"


class Unreachable(Exception):
    """A monitor that cannot be asked: one sentence, with the errno where there is one, and the remedy."""


class Declined(Exception):
    """A question that the monitor answers with an error, in its words."""


class Monitor:
    """A connection to the monitor of one QEMU; ``version`` is its version, such as "7.2.22"."""

    def __init__(self, client: QMPClient) -> None:
        self._client = client
        greeting = client.greeting
        version: Any = greeting.QMP.version if greeting is not None else {}
        numbers = version.get("qemu", {}) if isinstance(version, dict) else {}
        self.version = ".".join([str(numbers.get(part, "?")) for part in ("major", "minor", "micro")])

    async def ask(self, query: str, cpu: int | None = None) -> Any:
        """Return the answer to an entry of QUERIES, of one CPU if its index is given.

        Raises KeyError for what is no entry, Declined where the monitor answers with an error, and
        Unreachable where it has gone.
        """
        from qemu.qmp import ExecuteError, QMPError

        command, arguments = QUERIES[query]
        of: dict[str, object] = {} if cpu is None else {"cpu-index": cpu}
        try:
            return await self._client.execute(command, {**arguments, **of})
        except ExecuteError as error:
            raise Declined(str(error)) from None
        except (QMPError, OSError, EOFError):
            raise Unreachable("QEMU has ended, or closed its monitor") from None


@asynccontextmanager
async def monitor_at(path: str, patience: float = PATIENCE) -> AsyncIterator[Monitor]:
    """Connect to the QMP socket at a path for as long as the context lasts; raise Unreachable if not."""
    try:
        from qemu.qmp import ConnectError, QMPClient
    except ImportError:
        why = "the package qemu.qmp is not installed: pip install 'kvmlab[qemu]' does it"
        raise Unreachable(why) from None
    # What goes wrong is told in a sentence, and the screen has no room for a log.
    logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL + 1)
    client = QMPClient("kvmlab")
    try:
        try:
            async with asyncio.timeout(patience):
                await client.connect(path)
        except TimeoutError:
            raise Unreachable(silent(path, patience)) from None
        except ConnectError as error:
            raise Unreachable(f"{path}: {_why(path, error.exc)}") from None
        yield Monitor(client)
    finally:
        with suppress(Exception):  # Why it has gone was told where it was asked.
            await client.disconnect()


def silent(path: str, seconds: float) -> str:
    """Return the sentence on a monitor that does not answer."""
    why = "the process is stopped, or another client has this monitor, which serves one at a time"
    return f"{path}: QEMU has said nothing in {seconds:.0f} s: {why}; give QEMU a second -qmp"


def _why(path: str, error: Exception) -> str:
    """Return one sentence on why a connection failed, with the errno and the remedy."""
    if isinstance(error, EOFError):
        return "the connection was closed before anything was said: QEMU is just ending"
    if isinstance(error, ValueError) and "\0" in path:
        return "no path has a NUL in it"
    if not isinstance(error, OSError):
        return NO_QMP
    if error.errno is None:
        return f"{error}; a shorter path does it"
    name = errno.errorcode.get(error.errno, str(error.errno))
    if error.errno == errno.ECONNREFUSED and not _is_socket(path):
        return f"{name}: it is a file and no socket; QEMU makes one by {HOW}"
    return f"{name}: {REMEDIES.get(error.errno, error.strerror)}"


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(Path(path).stat().st_mode)
    except OSError:
        return True
