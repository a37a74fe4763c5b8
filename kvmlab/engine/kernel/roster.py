"""Who there is: the contexts by name, the second names that actors give them, and their work queues."""

from __future__ import annotations

from kvmlab.engine.kernel.continuation import Call, Context, handle_of
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import touches
from kvmlab.engine.kernel.workqueue import Workqueue


class Roster(Object):
    """The contexts of a machine; ``prompt`` is the one that makes the prompt's calls now.

    ``workqueues`` are all that can be, by their workers; ``queues`` those whose worker is there.
    """

    __slots__ = ("_names", "aliases", "prompt", "queues", "workqueues")

    def __init__(self) -> None:
        super().__init__()
        self.workqueues: dict[str, Workqueue] = {}
        self.names = ()
        self.aliases: dict[str, str] = {}
        self.prompt = "user"

    def add(self, name: str, calls: tuple[Call, ...] = ()) -> Context:
        """Make a context; one of that name with nothing left to do is replaced."""
        context = Context(name, calls)
        old = self.memory.objects.get(handle_of(name))
        if old is not None:
            old.changed()
        self.memory.place(handle_of(name), context)
        if name not in self.names:
            self.changed()
            self.names = (*self.names, name)
        return context

    def staff(self, workqueues: dict[str, Workqueue]) -> None:
        """Take over every work queue there can be; they live as long as the machine."""
        self.workqueues = workqueues
        self.names = self._names

    @property
    def names(self) -> tuple[str, ...]:
        """The contexts there are, in the order they were made."""
        return self._names

    @names.setter
    def names(self, value: tuple[str, ...]) -> None:
        self._names = value
        # A queue whose worker is not there yet costs a call nothing.
        self.queues = tuple([queue for worker, queue in self.workqueues.items() if worker in value])

    @property
    def also_known(self) -> tuple[tuple[str, str], ...]:
        """The state of ``aliases``: (actor, the vCPU that it is)."""
        return tuple(self.aliases.items())

    @also_known.setter
    def also_known(self, value: tuple[tuple[str, str], ...]) -> None:
        self.aliases = dict(value)

    def give(self, name: str, alias: str, calls: tuple[Call, ...]) -> None:
        """Give an idle context calls to make, and a second name."""
        context = self.get(name)
        context.changed()
        context.program = context.calls = calls
        context.started = False
        self.changed()
        self.aliases[alias] = name

    def knows(self, name: str) -> bool:
        """Tell whether a context has that name."""
        return self.find(name) is not None

    def find(self, name: str) -> Context | None:
        """Return a context by name or by alias, or None if nobody is called so."""
        context: Context | None = self.memory.objects.get(handle_of(self.aliases.get(name, name)))
        return context

    def get(self, name: str) -> Context:
        """Return a context, which is there, by name or by alias."""
        context: Context = self.memory.objects[handle_of(self.aliases.get(name, name))]
        return context

    def all(self) -> list[Context]:
        """Return every context, in the order they were made."""
        return [self.get(name) for name in self.names]

    @touches("context-*", "reports")
    def wake(self, name: str) -> None:
        """Start an actor; one that has made all its calls makes them again."""
        if not self.knows(name):
            self.memory.reports.printk(f"kvmlab: nobody is called {name}, so nobody is woken")
            return
        context = self.get(name)
        context.changed()
        context.started = True
        if context.at is None and not context.calls:
            context.calls = context.program

    def new_prompt(self) -> None:
        """Leave the prompt's thread where it is for good, and give the prompt a new one."""
        number = 2
        while f"user{number}" in self.names:
            number += 1
        self.changed()
        self.prompt = f"user{number}"
        self.add(self.prompt)
