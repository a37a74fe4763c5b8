"""`kvmlab attach`: a running QEMU on the screen, or once as text or JSON. Nothing of it is changed.

Exit status: 0 it was seen, 2 it cannot be reached, or the command line is wrong.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kvmlab.backends.monitor import HOW, PATIENCE, Unreachable, monitor_at, silent
from kvmlab.backends.qemu import Qemu, refuse
from kvmlab.following import Following, Picture, look
from kvmlab.language.command import Command
from kvmlab.render.cells import line
from kvmlab.render.panes import PANES
from kvmlab.render.plain import plain_lines
from kvmlab.result import Handler, Result
from kvmlab.session import Session
from kvmlab.snapshot import to_json
from kvmlab.tui.start import drawable, start

SEEN, WRONG = 0, 2

SHOWN = ("pic", "lapic", "irq")
"""What is printed, as ``info`` names it; the 8259s' text begins with the IOAPIC's."""


def _refused(session: Session, command: Command) -> Result:
    refuse(command.verb)


REFUSED: dict[str, Handler] = dict.fromkeys(
    ("machine", "reset", "never", "always", "caps", "trace"), _refused
)
"""The verbs that a session answers without asking its backend, and that mean nothing of a running QEMU."""


def main(make: Callable[[], Session], options: Namespace) -> int:
    """The program `kvmlab attach`: follow a QEMU on a terminal, else show it once."""
    scheme, _colon, path = options.target.partition(":")
    if scheme != "qmp" or not path:
        print(f"kvmlab attach: '{options.target}' is not qmp:PATH, the socket of {HOW}", file=sys.stderr)
        return WRONG
    try:
        with _outliving():
            picture = asyncio.run(_once(path))
    except Unreachable as why:
        print(f"kvmlab attach: {why}", file=sys.stderr)
        return WRONG
    if options.json or options.text or not drawable():
        return _show(picture, as_json=options.json)
    session, qemu = attached(make, picture)
    live = Following(path, session, qemu)
    with _outliving():
        return start(
            lambda: session, "", options.theme, options.layout, mouse=not options.no_mouse, live=live
        )


@contextmanager
def _outliving() -> Iterator[None]:
    """Have a QEMU that ends while it is asked be an error of a socket, and not the end of this program."""
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, before)


def attached(make: Callable[[], Session], picture: Picture) -> tuple[Session, Qemu]:
    """Return a session over a QEMU, of which a picture has been taken, and its backend."""
    session = make()
    qemu = Qemu(picture.snapshot, session.backend.profile)
    session.backend = qemu
    session.handlers |= REFUSED
    session.scope.vcpus = len(picture.snapshot.lapics or ()) or 1
    return session, qemu


async def _once(path: str) -> Picture:
    async with monitor_at(path) as monitor:
        try:
            async with asyncio.timeout(PATIENCE):
                return await look(monitor)
        except TimeoutError:
            raise Unreachable(silent(path, PATIENCE)) from None


def _show(picture: Picture, *, as_json: bool) -> int:
    """Print a picture, and to stderr what could not be read of it."""
    if as_json:
        print(json.dumps(to_json(picture.snapshot)))
    else:
        rows = [row for name in SHOWN for row in [*PANES[name](picture.snapshot), line("")]][:-1]
        print("\n".join(plain_lines(rows)))
    sys.stdout.flush()  # what was seen stands before what was not
    for problem in picture.problems:
        print(f"kvmlab attach: {problem}", file=sys.stderr)
    return SEEN
