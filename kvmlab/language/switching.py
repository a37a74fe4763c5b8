"""Which switches go together, with which kernel and api: one that would do nothing is wrong text."""

from __future__ import annotations

from collections.abc import Mapping

from kvmlab.engine.kernels import KERNELS
from kvmlab.engine.profile import APIS, proposal_of
from kvmlab.engine.switches import IRQCHIP_MODES, SWITCHES, Switch
from kvmlab.language.errors import LanguageError
from kvmlab.language.spec import Value


def check_switches(args: Mapping[str, Value], kernel: str, api: str, column: int) -> None:
    """Raise LanguageError for a switch of ``machine`` that means nothing with the rest of it."""
    given = (*args.get("without", ()), *args.get("with", ()))
    _check_irqchip([SWITCHES[name] for name in given], kernel, bool(args.get("pit")), column)
    for name in given:
        switch = SWITCHES[name]
        if switch.kernels and kernel not in switch.kernels:
            homes = ", ".join(switch.kernels)
            raise LanguageError(
                f"{kernel} has no {switch.option}={name}: it is part of {homes}",
                column=column,
                expected=f"kernel={switch.kernels[0]}",
            )
        if switch.of_api and name not in proposal_of(api).switches:
            homes = ", ".join(other for other in APIS if name in proposal_of(other).switches)
            raise LanguageError(
                f"api {api} has nothing that {switch.option}={name} could change: it belongs to {homes}",
                column=column,
            )
        if switch.needs and switch.needs not in given:
            needed = SWITCHES[switch.needs]
            what = f"{switch.option}={name} means nothing without {needed.option}={needed.name}"
            raise LanguageError(what, column=column, expected=f"{needed.option}={needed.name} too")


def _check_irqchip(given: list[Switch], kernel: str, pit: bool, column: int) -> None:
    """Raise LanguageError for two modes of the irqchip, or for a PIT that has no 8259 in the kernel."""
    modes = [switch for switch in given if switch.irqchip]
    if len(modes) > 1:
        first, second = (f"{switch.option}={switch.name}" for switch in modes[:2])
        what = f"{first} and {second} exclude each other: each says which chips are in the kernel"
        raise LanguageError(what, column=column, expected="one of them")
    if modes and pit and KERNELS[kernel].pit_needs_pic and "pic" not in IRQCHIP_MODES[modes[0].irqchip]:
        mode = f"{modes[0].option}={modes[0].name}"
        what = f"{kernel} has no pit under {mode}: it drives an 8259, and none is in the kernel"
        raise LanguageError(what, column=column)
