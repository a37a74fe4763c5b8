"""The monitor's connection: what is sent, and the sentence for each way in which it cannot be."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kvmlab.backends.monitor import HOW, QUERIES, Declined, Unreachable, monitor_at
from tests.fake_qemu import IRQ, FakeQemu, lapic

pytest.importorskip("qemu.qmp", reason="the extra qemu is not installed")

from qemu.qmp import ConnectError, QMPClient


def reached(path: Path | str, patience: float = 30) -> str:
    """Return the version of the QEMU at a path, or why it cannot be reached, without the path."""

    async def attempt() -> str:
        try:
            async with monitor_at(str(path), patience) as monitor:
                return monitor.version
        except Unreachable as why:
            return str(why).removeprefix(f"{path}: ")

    return asyncio.run(attempt())


def test_what_is_asked_stands_in_the_table(tmp_path: Path) -> None:
    """Beside what the protocol begins with, nothing but the queries is sent, word for word."""
    with FakeQemu(tmp_path / "q", cpus=2) as fake:

        async def ask() -> None:
            async with monitor_at(str(fake.path)) as monitor:
                assert await monitor.ask("info irq") == IRQ
                assert await monitor.ask("info lapic", 1) == lapic(1)
                assert (await monitor.ask("status"))["status"] == "running"
                with pytest.raises(KeyError):
                    await monitor.ask("quit")

        asyncio.run(ask())
    hmp = "human-monitor-command"
    assert [(each["execute"], each.get("arguments", {})) for each in fake.asked[1:]] == [
        (hmp, {"command-line": "info irq"}),
        (hmp, {"command-line": "info lapic", "cpu-index": 1}),
        ("query-status", {}),
    ]
    assert fake.asked[0]["execute"] == "qmp_capabilities"


def test_the_table_only_asks() -> None:
    """Queries, and HMP's info: nothing that QEMU documents as an action."""
    for command, arguments in QUERIES.values():
        assert command.startswith("query-") or arguments["command-line"].startswith("info ")


def test_an_error_is_told_in_the_monitors_words(tmp_path: Path) -> None:
    """The connection stays."""
    with FakeQemu(tmp_path / "q") as fake:
        fake.declines = True

        async def ask() -> None:
            async with monitor_at(str(fake.path)) as monitor:
                with pytest.raises(Declined, match="no such thing"):
                    await monitor.ask("info pic")
                assert await monitor.ask("cpus") == [{"cpu-index": 0}]

        asyncio.run(ask())


def test_a_qemu_that_ends_is_told_at_the_next_question(tmp_path: Path) -> None:
    """Also one that ends while it is asked."""

    async def ask() -> None:
        with FakeQemu(tmp_path / "q") as fake:
            context = monitor_at(str(fake.path))
            monitor = await context.__aenter__()
        with pytest.raises(Unreachable, match="QEMU has ended"):
            await monitor.ask("info pic")
        await context.__aexit__(None, None, None)

    asyncio.run(ask())


@contextmanager
def listening(path: Path, kind: int = socket.SOCK_STREAM) -> Iterator[socket.socket]:
    """Have a socket at a path that accepts nobody."""
    with socket.socket(socket.AF_UNIX, kind) as server:
        server.bind(str(path))
        if kind == socket.SOCK_STREAM:
            server.listen(1)
        yield server


def test_no_such_socket(tmp_path: Path) -> None:
    """The remedy is QEMU's own option."""
    assert reached(tmp_path / "q") == f"ENOENT: there is no such socket; a QEMU makes it: {HOW}"


def test_a_socket_that_nobody_listens_on(tmp_path: Path) -> None:
    """A QEMU that was killed leaves its socket behind."""
    with listening(tmp_path / "q"):
        pass
    assert reached(tmp_path / "q").startswith("ECONNREFUSED: nobody listens on it")


def test_a_file_that_is_no_socket(tmp_path: Path) -> None:
    """The same errno means another thing there."""
    (tmp_path / "q").write_text("")
    assert reached(tmp_path / "q").startswith("ECONNREFUSED: it is a file and no socket")
    assert reached(tmp_path / "q" / "deeper").startswith("ENOTDIR: ")


def test_a_socket_of_another_kind(tmp_path: Path) -> None:
    """Datagrams are no stream."""
    with listening(tmp_path / "q", socket.SOCK_DGRAM):
        assert reached(tmp_path / "q").startswith("EPROTOTYPE: ")


def test_a_socket_that_one_may_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy is the user. The refusal is made up: root, who may run this, can open everything."""

    async def refuse(_client: QMPClient, _path: str) -> None:
        raise ConnectError("", PermissionError(errno.EACCES, "Permission denied"))

    monkeypatch.setattr(QMPClient, "connect", refuse)
    assert reached("/run/q").startswith("EACCES: you may not open it: run this as the user")


@pytest.mark.parametrize("path", ["/" + "x" * 200, "a\0b", ""])
def test_a_path_that_cannot_be_one(path: str) -> None:
    """A sentence, whatever it is."""
    assert reached(path)


def test_a_monitor_that_says_nothing(tmp_path: Path) -> None:
    """A QMP socket serves one client: the next one is accepted by nobody."""
    with listening(tmp_path / "q"):
        why = reached(tmp_path / "q", patience=0.01)
    assert why.startswith("QEMU has said nothing in 0 s: ")
    assert "another client has this monitor" in why


@pytest.mark.parametrize("greeting", ["QEMU 9.0.1 monitor - type 'help'", "{}", "[1]", '{"QMP": 3}'])
def test_a_monitor_that_speaks_no_qmp(tmp_path: Path, greeting: str) -> None:
    """The human monitor, for one."""
    with FakeQemu(tmp_path / "q") as fake:
        fake.greeting = greeting
        assert reached(fake.path) == f"what answers is no QMP monitor; QEMU has one by {HOW}"


def test_without_the_package_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(__import__("sys").modules, "qemu.qmp", None)
    assert "pip install 'kvmlab[qemu]'" in reached("/nowhere")
