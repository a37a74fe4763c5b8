"""kvmlab: an interactive laboratory for the path an interrupt takes through KVM on x86.

`from kvmlab import Machine, Profile` gives the engine to a program. Names are imported when they
are first used, so that `kvmlab --help` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kvmlab.engine.machine import Machine as Machine
    from kvmlab.engine.profile import Profile as Profile
    from kvmlab.session import Session as Session

__version__ = "0.1.0"
__all__ = ["Machine", "Profile", "Session", "__version__"]

_HOMES = {
    "Machine": "kvmlab.engine.machine",
    "Profile": "kvmlab.engine.profile",
    "Session": "kvmlab.session",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kvmlab' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
