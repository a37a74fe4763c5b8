"""The actions of the screen that act on the machine: each is a key and the text of a command.

An action's text is a template over what is chosen on the screen (``{pin}``, ``{eventfd}``, …). It is
written to the command line's log and run as if it had been typed. ``refuses`` says why it would do
nothing now; such an action is not offered, and says why when its key is pressed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING

from kvmlab.tui.arrange import LESSON

if TYPE_CHECKING:
    from kvmlab.snapshot import RedirectionEntry
    from kvmlab.tui.seen import Seen


@dataclass(frozen=True, slots=True)
class Here:
    """Where an action is asked for: the pane with the focus ("" in the command line), and what is chosen."""

    pane: str
    values: Mapping[str, str]
    seen: Seen


Refuses = Callable[[Here], str]


def _always(_here: Here) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Action:
    """One action: its name, its keys, two words on it, its command, the panes it belongs to (() for all).

    ``warns`` says what would be lost by it here; it is done all the same when the same key follows at
    once. ``{lab}`` in it stands for the key of the lab.
    """

    name: str
    keys: str
    label: str
    text: str
    panes: tuple[str, ...] = ()
    refuses: Refuses = _always
    warns: Refuses = _always

    @property
    def fields(self) -> tuple[str, ...]:
        """What has to be chosen for it."""
        return tuple([name for _, name, _, _ in Formatter().parse(self.text) if name])

    @property
    def usage(self) -> str:
        """Its command with capitals for what has to be chosen."""
        return self.text.format_map({name: name.upper() for name in self.fields})

    def why_not(self, here: Here) -> str:
        """Say why it would do nothing here, "" if it would do something."""
        if self.panes and here.pane not in self.panes:
            return f"{self.label} belongs to the pane {' or '.join(self.panes)}"
        missing = [name for name in self.fields if not here.values.get(name)]
        return f"no {missing[0]} is chosen" if missing else self.refuses(here)

    def command(self, here: Here) -> str:
        """Return the text of its command."""
        return self.text.format_map(here.values)


def _entry(here: Here) -> RedirectionEntry | None:
    ioapic = here.seen.snapshot.ioapic
    return ioapic.pins[int(here.values["pin"])] if ioapic else None


def _pin_is(wanted: Callable[[RedirectionEntry], bool], sentence: str) -> Refuses:
    """Refuse where the pin under the cursor is already so."""

    def refuses(here: Here) -> str:
        entry = _entry(here)
        return sentence if entry is not None and not wanted(entry) else ""

    return refuses


def _own_line(level: int) -> Refuses:
    """Refuse where userspace's source already holds the line so, or not."""

    def refuses(here: Here) -> str:
        entry = _entry(here)
        if entry is None or entry.sources is None or (0 in entry.sources) != bool(level):
            return ""
        return f"source 0 {'asserts the line already' if level else 'does not assert the line'}"

    return refuses


def _open_eventfd(here: Here) -> str:
    names = [fd for eventfd in here.seen.snapshot.eventfds or () for fd, _ in eventfd.fds]
    return "" if here.values["eventfd"] in names else "it is closed"


def _device_is(asserted: bool) -> Refuses:
    """Refuse where the device under the cursor does not ask for service, or (virtio aside) does already."""

    def refuses(here: Here) -> str:
        devices = {device.name: device for device in here.seen.snapshot.devices or ()}
        device = devices.get(here.values["device"])
        if device is None:
            return "it is unplugged"
        if asserted:
            return "" if device.asserted else "it asks for nothing"
        return "it asks for service already" if device.asserted and device.kind != "virtio" else ""

    return refuses


def _mode(mode: str) -> Refuses:
    return lambda here: "" if here.seen.snapshot.mode == mode else f"the machine is not in {mode}"


def _stands(here: Here) -> str:
    contexts = {context.name: context for context in here.seen.snapshot.contexts or ()}
    context = contexts.get(here.values["context"])
    return "it is idle" if context is None or context.state == "idle" else _mode("manual")(here)


def _takes(here: Here) -> str:
    lapic = _lapic(here)
    return "" if lapic is None or lapic[0] else "nothing is requested of its LAPIC"


def _serves(here: Here) -> str:
    lapic = _lapic(here)
    return "" if lapic is None or lapic[1] else "nothing is in service"


def _lapic(here: Here) -> tuple[bool, bool] | None:
    """Tell whether the chosen vCPU's LAPIC has something requested, and in service."""
    for lapic in here.seen.snapshot.lapics or ():
        if str(lapic.vcpu) == here.values.get("vcpu"):
            return bool(lapic.irr), bool(lapic.isr)
    return None


def _in_lab(here: Here) -> str:
    return "" if here.seen.lab is not None else "no lab is open"


def _beside(which: str) -> Refuses:
    def refuses(here: Here) -> str:
        lab = here.seen.lab
        if lab is None:
            return "no lab is open"
        return "" if getattr(lab.position, which) else f"there is no {which} lab"

    return refuses


def _done(here: Here) -> str:
    lab = here.seen.lab
    if lab is not None and not lab.solved:
        return f"{lab.of - lab.reached} of {lab.of} goals are open; 'lab next' begins it all the same"
    return _beside("next")(here)


def _unanswered(here: Here) -> str:
    """Warn where a command of a lab's text takes away a question that is answered before anything is run."""
    lab = here.seen.lab
    if lab is None or here.pane != "lab" or here.values["line"].startswith("lab "):
        return ""
    asked = next((goal for goal, choices in lab.choices.items() if len(choices) > 1), "")
    return f"'{asked}' is answered before anything is run, in the goals ({{lab}})" if asked else ""


def _open_goals(here: Here) -> str:
    """Warn where a key leads away from a lab, or shows its solution, before its goals are reached."""
    lab = here.seen.lab
    return "" if lab is None or lab.solved else f"{lab.of - lab.reached} of {lab.of} goals are open"


def _played(here: Here) -> str:
    """Warn where a lab is begun anew in which something was done."""
    lab = here.seen.lab
    if lab is None or not (here.seen.total or lab.reached):
        return ""
    return "what was done since its start is lost, and undo does not bring it back"


def _past(here: Here) -> str:
    return "" if here.seen.position > here.seen.first else "there is nothing to be undone"


def _future(here: Here) -> str:
    return "" if here.seen.position < here.seen.total else "there is nothing to be done again"


ACTIONS = (
    Action("run-line", "enter", "do it", "{line}", LESSON, warns=_unanswered),
    Action("run-rest", "b", "do block", "{rest}", ("lab",), warns=_unanswered),
    Action("hint", "ctrl+g", "hint", "hint", refuses=_in_lab),
    Action("next-lab", "ctrl+n", "next lab", "lab next", refuses=_done),
    Action("check", "w", "check", "check", LESSON, _in_lab),
    Action("solution", "s", "solution", "lab solution yes", LESSON, _in_lab, _open_goals),
    Action("reset", "R", "reset", "reset", LESSON, _in_lab, _played),
    Action("skip", "N", "next", "lab next", LESSON, _beside("next"), _open_goals),
    Action("previous", "P", "previous", "lab previous", LESSON, _beside("previous"), _open_goals),
    Action("leave-lab", "x", "leave", "lab leave", LESSON, _in_lab, _open_goals),
    Action("assert", "a", "assert", "irq-line gsi={gsi} level=1", ("ioapic",), _own_line(1)),
    Action("deassert", "d", "deassert", "irq-line gsi={gsi} level=0", ("ioapic",), _own_line(0)),
    Action(
        "mask", "m", "mask", "ioapic {pin} masked", ("ioapic",), _pin_is(lambda e: not e.mask, "it is masked")
    ),
    Action(
        "unmask",
        "u",
        "unmask",
        "ioapic {pin} unmasked",
        ("ioapic",),
        _pin_is(lambda e: bool(e.mask), "it is not masked"),
    ),
    Action("signal", "w", "signal", "write {eventfd}", ("eventfds",), _open_eventfd),
    Action("read", "r", "read", "read {eventfd}", ("eventfds",), _open_eventfd),
    Action("poll", "p", "poll", "poll {eventfd}", ("eventfds",), _open_eventfd),
    Action("close", "x", "close", "close {eventfd}", ("eventfds",), _open_eventfd),
    Action("raise", "a", "raise", "raise {device}", ("devices",), _device_is(asserted=False)),
    Action("lower", "d", "lower", "lower {device}", ("devices",), _device_is(asserted=True)),
    Action("serve", "s", "serve", "service {device} vcpu={vcpu}", ("devices",), _device_is(asserted=True)),
    Action("step", "s", "step", "step {context}", ("contexts",), _stands),
    Action("finish", "f", "finish", "finish {context}", ("contexts",), _stands),
    Action("manual", "m", "manual", "manual", ("contexts",), _mode("auto")),
    Action("auto", "a", "auto", "auto", ("contexts",), _mode("manual")),
    Action("goto", "enter", "go there", "goto {unit}", ("history",)),
    Action("goto-column", "enter", "go there", "goto {unit}", ("timeline",)),
    Action("back", "f7", "back", "undo", refuses=_past),
    Action("forward", "f8", "forward", "redo", refuses=_future),
    Action("take", "f5", "take", "take vcpu={vcpu}", refuses=_takes),
    Action("eoi", "f6", "EOI", "eoi vcpu={vcpu}", refuses=_serves),
    Action("run", "f9", "run", "run"),
)
"""Every action, in the order of the bar of keys: those of a pane first, but for the help of a lab."""

NAMED = {action.name: action for action in ACTIONS}


def offered(here: Here) -> Iterator[Action]:
    """Yield the actions that would do something here."""
    for action in ACTIONS:
        if not action.why_not(here):
            yield action
