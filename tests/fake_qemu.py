"""A monitor as QEMU's, for tests without one: it speaks QMP on a unix socket and says what it is told to.

The texts are worded as QEMU 7.2 words them, one pin and one CPU at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import MSG_NOSIGNAL, SHUT_RDWR, socket
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

GREETING = {
    "QMP": {
        "version": {"qemu": {"micro": 1, "minor": 0, "major": 9}, "package": ""},
        "capabilities": ["oob"],
    }
}

RESET = 0x10000


def pin(number: int, value: int = RESET) -> str:
    """Return the line of a pin."""
    mode = ("fixed", "lowest", "SMI", "...", "NMI", "INIT", "...", "extINT")[value >> 8 & 7]
    return (
        f"  pin {number:<2} 0x{value:016x} dest={value >> 56:x} vec={value & 0xFF:<3} "
        f"{'active-lo' if value >> 13 & 1 else 'active-hi'} {'level' if value >> 15 & 1 else 'edge':<5} "
        f"{'masked' if value >> 16 & 1 else '':<6} {mode:<6} {'logical' if value >> 11 & 1 else 'physical'}"
    )


def pic(pins: dict[int, int] | None = None, irr: Sequence[int] = ()) -> str:
    """Return the text of ``info pic``: entries by pin, the others at reset, and what the IRR has."""
    entries = {number: (pins or {}).get(number, RESET) for number in range(24)}
    remote = [number for number, value in entries.items() if value >> 14 & 1]
    lists = [
        f"{name:<10} " + (" ".join([f"{each:<2}" for each in found]) + " " if found else "(none)")
        for name, found in (("  IRR", irr), ("  Remote IRR", remote))
    ]
    return "\r\n".join(
        [
            "ioapic0: ver=0x20 id=0x00 sel=0x26 (redir[11])",
            *[pin(number, value) for number, value in entries.items()],
            *lists,
            "pic1: irr=00 imr=8e isr=00 hprio=0 irq_base=70 rr_sel=0 elcr=0c fnm=0",
            "pic0: irr=01 imr=b8 isr=00 hprio=0 irq_base=08 rr_sel=0 elcr=00 fnm=0",
            "",
        ]
    )


def lapic(cpu: int = 0, irr: str = "(none)", isr: str = "(none)") -> str:
    """Return the text of ``info lapic`` for a CPU, with the lists of its IRR and ISR."""
    masked = "active-hi edge  masked                      Fixed  (vec 0)"
    lines = [
        f"dumping local APIC state for CPU {cpu:<2}",
        "",
        "LVT0\t 0x00008700 active-hi level                             ExtINT (vec 0)",
        "LVT1\t 0x00008400 active-hi level                             NMI   ",
        *[f"{name}\t 0x00010000 {masked}" for name in ("LVTPC", "LVTERR", "LVTTHMR")],
        "LVTT\t 0x00010000 active-hi edge  masked         one-shot     Fixed  (vec 0)",
        "Timer\t DCR=0x3 (divide by 16) initial_count = 70 current_count = 7",
        "SPIV\t 0x000001ff APIC enabled, focus=off, spurious vec 255",
        "ICR\t 0x000c4610 physical edge assert all",
        "ICR2\t 0x02000000",
        "ESR\t 0x00000000",
        f"ISR\t {isr}",
        f"IRR\t {irr}",
        "",
        "APR 0x01 TPR 0x10 DFR 0x0f LDR 0x02 PPR 0x20",
        "",
    ]
    return "\r\n".join(lines)


IRQ = "IRQ statistics for ioapic:\r\n 0: 59\r\n11: 2\r\nIRQ statistics for isa-i8259:\r\n"


def _messages(connection: socket) -> Iterator[dict[str, Any]]:
    """Yield what a client says: one object after the other, and no line ends between them."""
    said = ""
    while more := connection.recv(65536).decode():
        said += more
        while said:
            try:
                message, end = json.JSONDecoder().raw_decode(said)
            except ValueError:
                break
            said = said[end:].lstrip()
            yield message


class FakeQemu:
    """A monitor at a path while the context lasts. ``asked`` are the commands that came, as they came.

    ``answers`` are texts by HMP command; "info lapic" has one by CPU. ``greeting`` is what is said
    first (nothing if it is empty); ``declines`` makes every HMP command an error; ``came`` is set when
    somebody is there.
    """

    def __init__(self, path: Path, cpus: int = 1) -> None:
        self.path = path
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, str] = {"info pic": pic(), "info irq": IRQ}
        self.lapics = [lapic(number) for number in range(cpus)]
        self.greeting = json.dumps(GREETING)
        self.declines = False
        self.came = Event()
        self._goes_on = Event()
        self._goes_on.set()
        self._clients: set[socket] = set()
        self._lock = Lock()

    def __enter__(self) -> Self:
        """Listen."""
        fake = self

        class Client(StreamRequestHandler):
            def handle(self) -> None:
                fake.serve(self)

        self._server = ThreadingUnixStreamServer(str(self.path), Client)
        self._server.daemon_threads = False
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End as a QEMU that is killed: every connection breaks, and nobody listens any more."""
        self._server.shutdown()
        self._thread.join()
        with self._lock:
            for client in self._clients:
                client.shutdown(SHUT_RDWR)
        self._server.server_close()
        self.path.unlink()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Answer nothing meanwhile."""
        self._goes_on.clear()
        try:
            yield
        finally:
            self._goes_on.set()

    def serve(self, client: StreamRequestHandler) -> None:
        """Answer one client until it goes, or this ends."""
        connection: socket = client.request
        with self._lock:
            self._clients.add(connection)
        self.came.set()
        try:
            if self.greeting:
                connection.sendall(self.greeting.encode() + b"\r\n", MSG_NOSIGNAL)
            for message in _messages(connection):
                self.asked.append(message)
                self._goes_on.wait()
                answer = {**self._answer(message), "id": message.get("id")}
                connection.sendall(json.dumps(answer).encode() + b"\r\n", MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with self._lock:
                self._clients.discard(connection)

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        arguments = message.get("arguments", {})
        known: dict[str, Any] = {
            "qmp_capabilities": {},
            "query-status": {"status": "running", "running": True},
            "query-cpus-fast": [{"cpu-index": number} for number in range(len(self.lapics))],
        }
        if message["execute"] in known:
            return {"return": known[message["execute"]]}
        if self.declines:
            return {"error": {"class": "GenericError", "desc": "no such thing"}}
        if arguments["command-line"] == "info lapic":
            return {"return": self.lapics[arguments["cpu-index"]]}
        return {"return": self.answers[arguments["command-line"]]}
