"""JUnit's XML, as every system that runs tests reads it: a suite a lab."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kvmlab.render.cells import visible


class Case(NamedTuple):
    """One thing that was tested: its name, and, where it failed, the message and the whole story.

    ``said`` is what there is to say of one that did not fail.
    """

    name: str
    message: str = ""
    story: str = ""
    said: str = ""


def junit(suites: Sequence[tuple[str, Sequence[Case]]]) -> str:
    """Return suites, each a name and its cases, as a text of XML."""
    from xml.etree.ElementTree import Element, SubElement, indent, tostring

    top = Element(
        "testsuites", {"name": "kvmlab", **_counts(case for _name, cases in suites for case in cases)}
    )
    for name, cases in suites:
        suite = SubElement(top, "testsuite", {"name": visible(name), **_counts(cases)})
        for case in cases:
            made = SubElement(suite, "testcase", {"classname": visible(name), "name": case.name})
            if case.message:
                SubElement(made, "failure", {"message": visible(case.message)}).text = _lines(case.story)
            if case.said:
                SubElement(made, "system-out").text = _lines(case.said)
    indent(top)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{tostring(top, encoding='unicode')}"


def _lines(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))


def _counts(cases: Iterable[Case]) -> dict[str, str]:
    failed = [bool(case.message) for case in cases]
    return {"tests": str(len(failed)), "failures": str(sum(failed))}
