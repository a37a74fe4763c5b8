"""KVM_CHECK_EXTENSION in the numbering of the proposal in force."""

from __future__ import annotations

import pytest

from kvmlab.engine.caps import capabilities, check_extension
from kvmlab.engine.profile import Profile
from tests.engine.lab import Lab

V7 = Profile()


@pytest.mark.parametrize(
    ("name", "number", "value"),
    [
        ("KVM_CAP_IRQCHIP", 0, 1),
        ("KVM_CAP_IRQ_ROUTING", 25, 1024),
        ("KVM_CAP_IRQFD", 32, 1),
        ("KVM_CAP_IOEVENTFD", 36, 1),
        ("KVM_CAP_IRQFD_LEVEL", 81, 1),
        ("KVM_CAP_EOIFD", 82, 1),
        ("KVM_CAP_EOIFD_LEVEL_IRQFD", 83, 1),
    ],
)
def test_a_capability_has_its_number_and_value(name: str, number: int, value: int) -> None:
    """By its name with or without the prefix, in any case, and by its number in any base."""
    assert capabilities(V7)[name] == (number, value)
    short = name.removeprefix("KVM_CAP_")
    for asked in (name, short, short.lower(), str(number), hex(number)):
        assert check_extension(V7, asked) == (name, value)


def test_the_proposals_numbers_are_theirs_alone() -> None:
    """81 to 83 come with v7; the kernel without it does not know them."""
    assert set(capabilities(V7)) - set(capabilities(Profile(api="resample"))) >= {
        "KVM_CAP_IRQFD_LEVEL",
        "KVM_CAP_EOIFD",
        "KVM_CAP_EOIFD_LEVEL_IRQFD",
    }


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (25, 4096),
        (29, 0),
        (66, 1024),
        (75, 0),
        (77, 1),
        (81, 1),
        (82, 1),
        (83, 0),
        (97, 1),
        (100, 1),
        (122, 1),
    ],
)
def test_6_x_answers_as_a_running_6_18(number: int, value: int) -> None:
    """With the api as merged the numbers and values are those of a released kernel."""
    assert check_extension(Profile(kernel="linux-6.x", api="resample"), str(number))[1] == value


@pytest.mark.parametrize("unknown", ["KVM_CAP_NO_SUCH", "9999", "84"])
def test_what_the_kernel_does_not_know_is_zero(unknown: str) -> None:
    """As the ioctl says it; no error."""
    assert check_extension(V7, unknown)[1] == 0


def test_numbers_are_given_once() -> None:
    """No two capabilities share one."""
    numbers = [number for number, _value in capabilities(V7).values()]
    assert len(numbers) == len(set(numbers))


def test_caps_is_a_command_with_a_result() -> None:
    """`caps NAME` returns the value, and changes nothing."""
    lab = Lab("machine")
    assert lab.one("expect 1: caps KVM_CAP_EOIFD").held is True
    assert lab.one("expect 1024: caps IRQ_ROUTING").held is True
    assert len(lab.session.history) == 0
