"""How far a reader has to go: the files that an EOI passes, from `take` to the eoifd's counter."""

from __future__ import annotations

import traceback
from pathlib import Path

from kvmlab.engine.fds.eventfd import Eventfd
from kvmlab.engine.kernel.path import PATHS
from kvmlab.engine.profile import Profile
from tests.engine.scenarios import Scenario
from tests.engine.sequence import IN_SERVICE
from tests.engine.stage import POLICIES, Made, Stage, record


class HereError(Exception):
    """Thrown into a path, to be told where it stands."""


def files_down_to(made: Made, method: object, profile: Profile) -> list[str]:
    """Return the files of the paths that stand in one another where a call comes to an op."""
    name, args = made.call
    path = PATHS[name](profile, *args)
    op = path.send(None)
    for value in made.values:
        if op[0] is method:
            break
        op = path.send(value)
    assert op[0] is method
    try:
        path.throw(HereError())
    except HereError as here:
        # The first frame is this one.
        return [Path(frame.filename).name for frame in traceback.extract_tb(here.__traceback__)[1:]]
    raise AssertionError("a path swallowed the question")


def test_five_files_lead_from_take_to_the_eoifds_counter() -> None:
    """In the order in which they call each other; none is gone back to."""
    stage = Stage(Scenario(IN_SERVICE, ("eoi",)))
    [write] = record(stage, POLICIES["first"])
    files = list(dict.fromkeys(files_down_to(write, Eventfd.signal, stage.machine.profile)))
    assert files == ["guest.py", "lapic_io.py", "eoi.py", "eoifd_v7.py", "eventfd.py"]
    assert Path(PATHS["vcpu_take"].__code__.co_filename).name == "guest.py"
