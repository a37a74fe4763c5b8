"""Every fact that an expression can name: its pattern, its type and what it tells."""

from __future__ import annotations

from typing import Any, NamedTuple

from kvmlab.engine.abi import BITS_PER_LONG
from kvmlab.language.errors import LanguageError, clip, nearest
from kvmlab.language.kinds import KINDS, Kind, choice, number
from kvmlab.language.scope import Scope

NUMBER, SET, WORD, RESULT, ERRNO = "number", "set", "word", "number or none", "errno"
"""Types of facts. ERRNO is an errno's name, or 0 when there was none."""

Path = tuple[str | int, ...]
"""A fact as its segments: ("ioapic", 11, "irr")."""

ERRNOS = (
    "EPERM",
    "ENOENT",
    "EINTR",
    "EIO",
    "ENXIO",
    "E2BIG",
    "EBADF",
    "EAGAIN",
    "ENOMEM",
    "EFAULT",
    "EBUSY",
    "EEXIST",
    "ENODEV",
    "EINVAL",
    "ENFILE",
    "EMFILE",
    "ENOTTY",
    "ENOSPC",
    "ERANGE",
    "ENOSYS",
    "EOVERFLOW",
    "EOPNOTSUPP",
)
"""Names of the errnos that eventfds and KVM can give."""

TRACEPOINTS = (
    "kvm_set_irq",
    "kvm_ioapic_set_irq",
    "kvm_pic_set_irq",
    "kvm_apic_accept_irq",
    "kvm_msi_set_irq",
    "kvm_apic_ipi",
    "kvm_ack_irq",
    "kvm_eoi",
    "kvm_pv_eoi",
    "kvm_inj_virq",
    "kvm_ioapic_delayed_eoi_inj",
    "kvm_apic",
    "kvm_mmio",
    "kvm_pio",
    "kvm_msr",
    "kvm_entry",
    "kvm_exit",
    "kvm_userspace_exit",
)
"""Tracepoints that can be counted (arch/x86/kvm/trace.h, include/trace/events/kvm.h)."""

REPORTS = {
    "deadlock": "contexts wait for each other",
    "self-deadlock": "a context waits for itself",
    "lock-order": "locks taken in both orders",
    "atomic-sleep": "a context sleeps while it must not",
    "use-after-free": "freed memory is used",
    "double-free": "freed memory is freed again",
    "out-of-bounds": "memory beside an object is used",
    "null-deref": "a NULL pointer is followed",
    "bug-on": "a BUG_ON condition is true",
    "refcount": "a reference count goes below zero",
    "expect": "an actor's call returned something else than was expected of it",
    "leak": "memory is never freed",
}
"""Kinds of sanitizer reports."""

_STATES = ("active", "shutting-down", "none")


class FactSpec(NamedTuple):
    """One pattern of facts, such as "ioapic.PIN.irr": capital segments are names in SEGMENTS.

    ``words`` are the words its value can be; ``hexadecimal`` says how its numbers are shown.
    """

    pattern: str
    type: str
    summary: str
    words: tuple[str, ...] = ()
    hexadecimal: bool = False

    @property
    def has_number(self) -> bool:
        """Tell whether the value can be a number."""
        return self.type in (NUMBER, RESULT, ERRNO)

    @property
    def has_word(self) -> bool:
        """Tell whether the value can be a word."""
        return self.type in (WORD, RESULT, ERRNO)


def _number(pattern: str, summary: str, hexadecimal: bool = False) -> FactSpec:
    return FactSpec(pattern, NUMBER, summary, hexadecimal=hexadecimal)


def _result(pattern: str, summary: str, hexadecimal: bool = False) -> FactSpec:
    return FactSpec(pattern, RESULT, summary, ("none",), hexadecimal)


def _set(pattern: str, summary: str, hexadecimal: bool = False) -> FactSpec:
    return FactSpec(pattern, SET, summary, hexadecimal=hexadecimal)


FACTS: tuple[FactSpec, ...] = (
    _result("eventfd.NAME.count", "the counter as it stands"),
    _result("fd.NAME", "the descriptor's number"),
    _number("ioapic.PIN.vector", "the entry's vector", True),
    _number("ioapic.PIN.mask", "the entry's mask bit"),
    FactSpec("ioapic.PIN.trigger", WORD, "the entry's trigger mode", ("edge", "level")),
    _number("ioapic.PIN.remote_irr", "the entry's Remote IRR bit"),
    _number("ioapic.PIN.irr", "the chip's IRR bit"),
    _number("ioapic.PIN.line", "1 when any source asserts the pin"),
    _number("ioapic.PIN.dest", "the entry's destination"),
    _set("ioapic.PIN.sources", "the source IDs that assert the pin"),
    _set("lapic.CPU.irr", "vectors requested", True),
    _set("lapic.CPU.isr", "vectors in service", True),
    _set("lapic.CPU.tmr", "vectors last accepted as level-triggered", True),
    _number("lapic.CPU.tpr", "the task priority", True),
    _number("lapic.CPU.ppr", "the processor priority", True),
    _number("lapic.CPU.spiv", "the spurious interrupt vector register", True),
    *(
        _number(f"pic.{chip}.{register}", f"the {chip} 8259's {register.upper()}", True)
        for chip in ("master", "slave")
        for register in ("irr", "imr", "isr", "elcr")
    ),
    _number("source.ID.refs", "references to a source ID, 0 for a free one"),
    _set("sources.used", "source IDs taken, the reserved ones included"),
    _set("sources.free", "source IDs that are free"),
    FactSpec("irqfd.NAME", WORD, "the latest irqfd of that eventfd", _STATES),
    FactSpec("eoifd.NAME", WORD, "the latest eoifd of that eventfd", _STATES),
    FactSpec("ioeventfd.NAME", WORD, "the latest ioeventfd of that eventfd", _STATES),
    _result("key.NAME", "the key that the eventfd's irqfd got last"),
    _number("taken.VECTOR", "how often vCPUs took the vector"),
    _number("acked.GSI", "how often kvm_notify_acked_irq ran for a pin of the GSI"),
    _number("ioapic-eoi.VECTOR", "how often KVM_RUN handed userspace the vector's EOI (KVM_EXIT_IOAPIC_EOI)"),
    _number("device.DEVICE.raised", "how often the device asked for service"),
    _number("device.DEVICE.serviced", "how often it was serviced"),
    _number("device.DEVICE.wakeups", "how often VFIO or the VMM was woken for it"),
    _number("device.DEVICE.spurious", "how often there was nothing to do then"),
    _number("device.DEVICE.polls", "how often VFIO read its pin to unmask it"),
    _number("device.DEVICE.latency", "how many events it waited for its last service ('help devices')"),
    _number("device.DEVICE.asserted", "1 while it asks for service"),
    _number("device.DEVICE.masked", "1 while VFIO has it masked"),
    _number("device.DEVICE.accelerated", "1 while the kernel injects for it, 0 on the VMM's slow path"),
    _number("trace.EVENT", "tracepoints of that name since 'machine'"),
    _number("reports", "sanitizer reports"),
    _number("reports.KIND", "sanitizer reports of a kind"),
    _result("last.ret", "what the last unit returned"),
    FactSpec("last.errno", ERRNO, "the errno of the last unit, 0 for none", ERRNOS),
    _result("last.taken", "the vector that the last unit took", True),
)
"""Every fact, in the order help shows them."""

SEGMENTS: dict[str, Kind] = {
    "NAME": KINDS["eventfd"],
    "DEVICE": KINDS["device"],
    "PIN": number(0, 23, "a pin"),
    "CPU": KINDS["vcpu"],
    "ID": number(0, BITS_PER_LONG - 1, "a source ID"),
    "VECTOR": KINDS["vector"],
    "GSI": KINDS["gsi"],
    "EVENT": choice("tracepoint", dict.fromkeys(TRACEPOINTS, "")),
    "KIND": choice("kind of report", REPORTS),
}
"""What the variable segments of a pattern can be."""

Tree = dict[str, Any]
"""Segments to subtrees; "" leads to the FactSpec of the fact that ends here."""


def _tree() -> Tree:
    tree: Tree = {}
    for fact in FACTS:
        node = tree
        for segment in fact.pattern.split("."):
            node = node.setdefault(segment, {})
        node[""] = fact
    return tree


TREE: Tree = _tree()
"""All patterns by their segments."""


def is_fact(word: str) -> bool:
    """Tell whether a word of an expression is meant as a fact: it has a dot, or is one itself."""
    return "." in word or "" in TREE.get(word, ())


def read_fact(text: str, scope: Scope) -> tuple[Path, FactSpec]:
    """Return a fact's segments and its entry in FACTS.

    Raises LanguageError for an unknown fact; its column is the offset in the text, from 0.
    """
    node, path, at = TREE, [], 0
    for segment in text.split("."):
        value, node = _descend(node, segment, text, at, scope)
        path.append(value)
        at += len(segment) + 1
    if "" not in node:
        raise _not_whole(text, node)
    return tuple(path), node[""]


def unknown_fact(word: str) -> LanguageError:
    """Return the error for a word that stands where only a fact makes sense; column as in ``read_fact``."""
    if word in TREE:
        return _not_whole(word, TREE[word])
    return LanguageError(
        f"no fact is called '{clip(word)}'",
        column=0,
        nearest=nearest(word, TREE),
        expected="a fact; 'help facts' lists them",
    )


def _not_whole(text: str, node: Tree) -> LanguageError:
    return LanguageError(f"'{clip(text)}' is not whole", column=len(text), expected=_next(node))


def _descend(node: Tree, segment: str, text: str, at: int, scope: Scope) -> tuple[str | int, Tree]:
    if segment and segment in node:
        return segment, node[segment]
    variable = next((name for name in node if name in SEGMENTS), "")
    if not variable:
        words = [name for name in node if name]
        what = f"there is no fact '{clip(text)}'" if at else f"no fact begins with '{clip(segment)}'"
        raise LanguageError(what, column=at, nearest=nearest(segment, words), expected=_next(node))
    try:
        return SEGMENTS[variable].read(segment, scope), node[variable]
    except LanguageError as error:
        error.column += at
        raise


def _next(node: Tree) -> str:
    return ", ".join(f".{name}" if node is not TREE else name for name in node if name) or "nothing more"
