"""What runs a machine, by the name that `machine backend=` has for it."""

from __future__ import annotations

from kvmlab.backends.backend import Backend
from kvmlab.backends.model import Model
from kvmlab.engine.profile import Profile


def make(profile: Profile) -> Backend:
    """Return a new machine of a profile. Raises Refused for one that cannot be had here."""
    if profile.backend == "kvm":
        # Who uses the model alone does not pay for what drives a device.
        from kvmlab.backends.kvm.backend import Kvm

        return Kvm(profile, traced=True)
    if profile.backend == "both":
        from kvmlab.backends.both import Both

        return Both(profile)
    return Model(profile)
