"""What text may name at this point: eventfds, devices, actors, marks, and the kernel and api in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kvmlab.engine.profile import DEFAULT_APIS, DEFAULT_KERNEL, KERNEL_OF_BACKEND

NAMED = ("eventfd", "device", "actor", "mark")
"""Kinds of things that text gives names to."""

WORKERS = {
    "events": "the system work queue's worker",
    "irqfd-cleanup": "the worker of kvm-irqfd-cleanup",
}
"""Contexts that every machine has beside the prompt and the vCPUs."""

DEVICE_WORKERS = {
    "vfio-irqfd-cleanup": "the worker of VFIO's own cleanup queue",
    "main-loop": "the VMM's main loop, which runs the handlers of devices",
}
"""Contexts that come with the first device."""


class Scope:
    """The names known so far, and the machine that the last ``machine`` asked for.

    Parsing adds the names that a text creates; closing a descriptor removes none, because a
    closed name is the kernel's to refuse. ``kernel`` and ``api`` given here are options of
    the program: they fill in what a ``machine`` command leaves out.
    """

    forgiving = False
    """True for a scope in which a command that the api in force lacks is no wrong text."""

    def __init__(self, kernel: str = "", api: str = "") -> None:
        self._options = (kernel, api)
        self.offers: dict[str, Callable[[], Mapping[str, str]]] = {}
        """Words that rooms above the language know: to be offered, never to be checked.

        They stand under their kind, or under it and the word that they may stand behind.
        """
        self._names: dict[str, dict[str, str]] = {kind: {} for kind in NAMED}
        self._journal: list[tuple[str, str]] = []
        self._before: tuple[dict[str, dict[str, str]], str, str, int] | None = None
        self.vcpus = 1
        self.kernel = kernel or DEFAULT_KERNEL
        self.api = api or DEFAULT_APIS[self.kernel]

    def names(self, kind: str) -> Mapping[str, str]:
        """Return the names of a kind in NAMED, or "context", each with a description in one line."""
        return self._contexts() if kind == "context" else self._names[kind]

    def offered(self, kind: str) -> Mapping[str, str]:
        """Return the words of a kind that somebody offers, each with a description; {} where nobody does."""
        return self.offers[kind]() if kind in self.offers else {}

    def _contexts(self) -> dict[str, str]:
        contexts = {"user": "the thread at the prompt"}
        contexts |= {f"vcpu{number}": f"vCPU {number}" for number in range(self.vcpus)}
        contexts |= WORKERS
        if self._names["device"]:
            contexts |= DEVICE_WORKERS | dict.fromkeys(
                self._names["device"], "a device, and its host interrupt"
            )
        contexts |= {name: text or "an actor" for name, text in self._names["actor"].items()}
        return contexts

    def add(self, kind: str, name: str, description: str = "") -> None:
        """Make a name known, or give a known one a new description."""
        known = self._names[kind]
        if name not in known:
            self._journal.append((kind, name))
        known[name] = description

    def forget(self, kind: str, name: str) -> None:
        """Make a name unknown again; nothing happens when it is."""
        self._names[kind].pop(name, None)

    def renew(self, kernel: str = "", api: str = "", vcpus: int = 1, backend: str = "model") -> None:
        """Begin a new machine: no name is known. What is "" comes from the options or the defaults."""
        if self._before is None:
            for kind, name in self._journal:
                self._names[kind].pop(name, None)
            self._before = (self._names, self.kernel, self.api, self.vcpus)
        self._journal.clear()
        self._names = {kind: {} for kind in NAMED}
        self.vcpus = vcpus
        self.kernel = kernel or self._options[0] or KERNEL_OF_BACKEND[backend]
        self.api = api or self._options[1] or DEFAULT_APIS[self.kernel]

    def begin(self) -> None:
        """Mark the point that ``rollback`` returns to."""
        self._journal.clear()
        self._before = None

    def rollback(self) -> None:
        """Forget what was made known since ``begin``: wrong text leaves no names behind."""
        for kind, name in self._journal:
            self._names[kind].pop(name, None)
        if self._before is not None:
            self._names, self.kernel, self.api, self.vcpus = self._before
        self.begin()

    def copy(self) -> Scope:
        """Return an independent scope with the same names and machine."""
        other = Scope(*self._options)
        other._names = {kind: dict(names) for kind, names in self._names.items()}
        other.kernel, other.api, other.vcpus = self.kernel, self.api, self.vcpus
        other.offers = self.offers
        return other
