"""A real kernel as a backend: each verb is an ioctl, a syscall or an access of the guest, done at once.

What only a model can do is refused by name: time does not go back in a kernel, nobody steps it, and it
has no proposals but the one that was merged.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from errno import EBADF, errorcode
from typing import TYPE_CHECKING, NamedTuple

from kvmlab.backends.backend import NONE, Answer, Args, Planned, Refused, Watch
from kvmlab.backends.kvm import ioctls as kvm
from kvmlab.backends.kvm.descriptors import Descriptors
from kvmlab.backends.kvm.eoifd import Eoifds
from kvmlab.backends.kvm.host import Host
from kvmlab.backends.kvm.reasons import reason
from kvmlab.backends.kvm.running import run, storm
from kvmlab.backends.kvm.tracing import Tracing, tracing
from kvmlab.backends.kvm.vcpu import Astray, Gp
from kvmlab.backends.kvm.verbs import VERBS, Verb
from kvmlab.backends.routes import route_snapshots
from kvmlab.engine.abi import KVM_IOEVENTFD_FLAG_DEASSIGN, KVM_IRQ_ROUTING_IRQCHIP
from kvmlab.engine.chips.route_table import DEFAULT_ROUTING, Route
from kvmlab.engine.profile import APIS, DEFAULT_APIS, Profile, proposal_of
from kvmlab.engine.switches import IRQCHIP_MODES, SWITCHES

if TYPE_CHECKING:
    from kvmlab.snapshot import LastSnapshot, Snapshot

KERNEL = "linux-6.x"
MERGED = DEFAULT_APIS[KERNEL]
"""The only design that a kernel has."""

FAULT = "the guest gets #GP: no such MSR is there, or it refuses this access"
GONE = "the VM is released, and its vCPUs with it"
ONLY_MODEL = "'machine kernel=linux-6.x' makes a model, which can"


class Unit(NamedTuple):
    """One unit of history, which cannot be undone: the vector taken last or NONE, what was traced."""

    taken: int | str
    news: tuple[str, ...]
    events: Sequence[str]


Handler = tuple[str, list[tuple[str, Args]]]
"""What a vCPU does when it takes a vector: as typed, and as calls."""


class Kvm:
    """A Host and its process's descriptors behind the Backend protocol; closed when nobody has it.

    ``traced`` has it keep a trace, which costs a little with each call.
    """

    def __init__(self, profile: Profile, *, traced: bool = False) -> None:
        check(profile)
        self.profile = profile
        self.host: Host = Host(profile)
        self.descriptors: Descriptors = Descriptors()
        self._default = DEFAULT_ROUTING if profile.in_kernel("ioapic") else ()
        self.routes: tuple[Route, ...] = self._default
        self.eoifds: Eoifds | None = None
        if profile.proposal.over_resampler:
            table = weakref.ref(self)
            self.eoifds = Eoifds(profile, self.host, self.descriptors, lambda: routes_of(table))
        self.rerouted = False
        """The routing table is not the default, or was not."""
        self.left: set[int] = set()
        """GSIs whose pins a resampler may have left high: its GSI led there in a table that was replaced."""
        self.flags = [0 if profile.bare else 1] * profile.vcpus
        """RFLAGS.IF of each vCPU."""
        self.handlers: list[dict[int, Handler]] = [{} for _number in range(profile.vcpus)]
        """By vCPU and vector."""
        self.taken: dict[int, int] = {}
        self._last: int | str = NONE
        self.newest: int = -1
        """The vector taken last, -1 for none."""
        self.tracing: Tracing | None = tracing(profile, self.host.quirks.auto_eoi) if traced else None
        weakref.finalize(self, _close_all, self.host, self.descriptors, self.eoifds)

    @property
    def status(self) -> str:
        """What it runs on, and what is particular to that."""
        words = self.host.quirks.words()
        return " · ".join(words if self.tracing is None else (*words, self.tracing.word))

    def reset(self) -> None:
        """Make everything as it was when the machine was made.

        It takes a tenth of a millisecond; a new VM takes ten, and is made where an ioeventfd has outlived
        its eventfd's descriptors, which nobody can take back. A VM that was released stays so.
        """
        host = self.host
        orphaned = any(not known.ctx.fds for known in self.descriptors.bound)
        for known in () if orphaned else self.descriptors.bound:
            fd = next(iter(known.ctx.fds.values()))
            flags = known.flags | KVM_IOEVENTFD_FLAG_DEASSIGN
            host.vm.ioeventfd(known.datamatch, known.addr, known.length, fd, flags)
        self.descriptors.forget()
        if orphaned:
            host.renew()
        assert host.settler is not None
        host.settler.shut_down()
        if self.rerouted:
            host.vm.set_gsi_routing(self._default)
            host.lower_resamplers(self.left)
            self.routes, self.rerouted = self._default, False
            self.left.clear()
        host.reset()
        host.output_stands = False
        self.flags = [1] * self.profile.vcpus
        self.handlers = [{} for _number in range(self.profile.vcpus)]
        self.taken.clear()

    def extension(self, number: int) -> int | None:
        """See :meth:`Backend.extension`."""
        return self.host.system.extension(number)

    # -- calls ------------------------------------------------------------------------------------

    def perform(self, verb: str, args: Args) -> Answer:
        """See :meth:`Backend.perform`."""
        eoifds = self.eoifds
        known = VERBS.get(verb)
        if known is None or (known.needs_eoifd and eoifds is None):
            raise Refused(f"'{verb}' needs what no kernel has: {known.instead if known else ONLY_MODEL}")
        if known.vm and self.host.released:
            return Answer(-1, errorcode[EBADF], GONE)
        before = () if eoifds is None else eoifds.look()
        if self.tracing is not None:
            self.tracing.begin()
        try:
            ret = known.act(self, args)
        except OSError as error:
            number = error.errno or 0
            why = (error.strerror or "") if verb == "eoifd" else reason(verb, number)
            return Answer(-1, errorcode.get(number, str(number)), why)
        except Gp:
            return Answer(-1, "", FAULT)
        except Astray as astray:
            return Answer(-1, "", str(astray))
        finally:
            self._settle(known, args)
            if self.tracing is not None:
                self.tracing.note(verb, args)
            if eoifds is not None:
                eoifds.pump(before)
        return Answer(NONE) if ret < 0 and verb == "take" else Answer(ret)

    def _settle(self, verb: Verb, args: Args) -> None:
        host = self.host
        settler = host.settler
        if settler is not None:
            if verb.injects is not None and verb.injects(self, args):
                settler.injected()
            if verb.ends:
                settler.shut_down()
            if verb.signals and self.descriptors.chained():
                # What a worker signals is another work item, behind the one that was waited for.
                settler.injected()
                settler.injected()
        if verb.enters:
            host.enter_asked()

    def settle(self) -> None:
        """Wait until every worker has done what it was given, and have every vCPU do what it was asked."""
        settler = self.host.settler
        if settler is not None:
            settler.injected()
            settler.injected()
            settler.shut_down()
        self.host.enter_all()

    def take(self, number: int) -> int:
        """Have a vCPU take what it can: a vector, or -1."""
        vector = self.host.take(number, bool(self.flags[number]))
        if vector >= 0:
            self.taken[vector] = self.taken.get(vector, 0) + 1
            self._last = self.newest = vector
        return vector

    def resampled_pins(self) -> set[int]:
        """Return the pins that resampling irqfds lead to now, each as the GSI that leads there by default."""
        gsis = {ctx.irqfd.gsi for ctx in self.descriptors.ctxs if ctx.irqfd is not None and ctx.irqfd.level}
        return {
            route.pin + 8 * (route.irqchip == kvm.PIC_SLAVE)
            for route in self.routes
            if route.gsi in gsis and route.type == KVM_IRQ_ROUTING_IRQCHIP
        }

    def release(self) -> None:
        """Close the VM, and with it all that was assigned; the process's descriptors stay."""
        if self.eoifds is not None:
            self.eoifds.release()
        self.host.release()
        self.descriptors.released()

    def actor(self, name: str, calls: Sequence[Planned]) -> None:
        """See :meth:`Backend.actor`."""
        raise Refused(f"an actor is moved by hand, which a real kernel is not: {ONLY_MODEL}")

    def handler(self, vcpu: int, vector: int, text: str, calls: list[tuple[str, Args]]) -> Answer:
        """See :meth:`Backend.handler`."""
        for verb, _args in calls:
            if verb not in VERBS:
                raise Refused(f"'{verb}' is for devices and threads, which only the model has: {ONLY_MODEL}")
        known = self.handlers[vcpu]
        known.pop(vector, None)
        if text:
            known[vector] = text, [(verb, {**args, "vcpu": vcpu}) for verb, args in calls]
        return Answer()

    # -- time -------------------------------------------------------------------------------------

    def set_manual(self, manual: bool) -> None:
        """See :meth:`Backend.set_manual`."""
        if manual:
            raise Refused(f"a real kernel runs by itself and cannot be stepped: {ONLY_MODEL}")

    def step(self, context: str, count: int, watch: Watch) -> Answer:
        """See :meth:`Backend.step`."""
        raise Refused(f"a real kernel runs by itself and cannot be stepped: {ONLY_MODEL}")

    def finish(self, context: str, watch: Watch) -> Answer:
        """See :meth:`Backend.finish`."""
        raise Refused(f"a real kernel runs by itself and cannot be stepped: {ONLY_MODEL}")

    def run(self, limit: int | None) -> Answer:
        """See :meth:`Backend.run`."""
        return run(self, limit)

    def storm(self, count: int) -> Iterator[int]:
        """See :meth:`Backend.storm`."""
        return storm(self, count)

    # -- looking ----------------------------------------------------------------------------------

    def snapshot(self, last: LastSnapshot | None) -> Snapshot:
        """See :meth:`Backend.snapshot`."""
        from kvmlab.backends.kvm import observe as see
        from kvmlab.snapshot import Snapshot, VcpuSnapshot
        from kvmlab.snapshot_counters import CountersSnapshot

        host, descriptors = self.host, self.descriptors
        chips = () if host.released else IRQCHIP_MODES[self.profile.irqchip]
        return Snapshot(
            kernel=self.profile.kernel,
            api=self.profile.api,
            irqchip=self.profile.irqchip,
            ioapic=see.ioapic(host) if "ioapic" in chips else None,
            lapics=see.lapics(host) if "lapic" in chips else None,
            vcpus=tuple(
                VcpuSnapshot(
                    number,
                    flag,
                    tuple(sorted((vector, text) for vector, (text, _calls) in self.handlers[number].items())),
                )
                for number, flag in enumerate(self.flags)
            ),
            pic=see.pic(host) if "pic" in chips else None,
            routes=route_snapshots(self.routes),
            eventfds=see.eventfds(descriptors),
            irqfds=see.irqfds(descriptors),
            eoifds=see.eoifds(self.eoifds),
            ioeventfds=see.ioeventfds(descriptors),
            keys=tuple(descriptors.keys.items()),
            counters=CountersSnapshot(
                tuple(sorted(self.taken.items())), None, None, tuple(sorted(host.eoi_exits.items()))
            ),
            last=last,
        )

    def beside(self, seen: Snapshot) -> None:
        """See :meth:`Backend.beside`: nothing stands there."""

    def events(self, unit: Unit) -> Sequence[str]:
        """See :meth:`Backend.events`."""
        return unit.events

    def trace(self, count: int | None) -> Sequence[str]:
        """See :meth:`Backend.trace`."""
        return () if self.tracing is None else self.tracing.last(count)

    @property
    def trace_source(self) -> str:
        """See :attr:`Backend.trace_source`."""
        return "" if self.tracing is None else self.tracing.source

    # -- history ----------------------------------------------------------------------------------

    def commit(self) -> Unit:
        """See :meth:`Backend.commit`."""
        taken, self._last = self._last, NONE
        return Unit(taken, (), () if self.tracing is None else self.tracing.commit())

    def rewind(self, unit: Unit) -> None:
        """See :meth:`Backend.rewind`."""
        raise Refused(f"a real kernel does not go back: {ONLY_MODEL}, and 'reset' begins anew")

    def replay(self, unit: Unit) -> None:
        """See :meth:`Backend.replay`."""
        raise Refused(f"a real kernel does not go back: {ONLY_MODEL}")


def routes_of(backend: weakref.ref[Kvm]) -> tuple[Route, ...]:
    """Return a backend's routing table; nobody may hold it for that."""
    known = backend()
    return () if known is None else known.routes


def _close_all(host: Host, descriptors: Descriptors, eoifds: Eoifds | None) -> None:
    if eoifds is not None:
        eoifds.close()
    descriptors.close_all()
    host.close()


def check(profile: Profile) -> None:
    """Raise Refused for a machine that no kernel is: another kernel, another api, switches."""
    backend = f"backend={profile.backend}"
    if profile.kernel != KERNEL:
        raise Refused(f"{backend} is kernel={KERNEL}, the one that runs here, not {profile.kernel}")
    if profile.api != MERGED and not profile.proposal.over_resampler:
        built = ", ".join(api for api in APIS if proposal_of(api).over_resampler)
        raise Refused(
            f"{backend}: no kernel has api={profile.api}; {MERGED} was merged, {built} is built over that"
        )
    switches = sorted(name for name in profile.with_ | profile.without if not SWITCHES[name].irqchip)
    if switches:
        raise Refused(f"{backend}: {', '.join(switches)}: a real kernel has no such switch; the model has")
