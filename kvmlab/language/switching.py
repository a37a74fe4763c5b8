"""Which switches go together, and with which api: one that would do nothing is wrong text."""

from __future__ import annotations

from collections.abc import Mapping

from kvmlab.engine.profile import APIS, proposal_of
from kvmlab.engine.switches import SWITCHES
from kvmlab.language.errors import LanguageError
from kvmlab.language.spec import Value


def check_switches(args: Mapping[str, Value], api: str, column: int) -> None:
    """Raise LanguageError for a switch of ``machine`` that means nothing with the others or the api."""
    given = (*args.get("without", ()), *args.get("with", ()))
    for name in given:
        switch = SWITCHES[name]
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
