"""Findings: what is said of something that is not as it must be. Each word means one thing.

    Problem    a kind of error: code, meaning, hint (`schemas.problems`)
    Breach     where a message breaks a rule, as its check yields it: the element, not yet rule and severity
    Finding    what is said of one place in a message: problem, rule, path, severity
    Flaw       what is said of one place in a YAML page that people write (catalogue, mapping): rule, line, hint, severity

An exception (`schemas.errors`) carries a problem, and with it the findings of a message that is refused. `validation_errors` has the
sentences for values that a model does not take; a page's become flaws, those of settings an error.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from lxml import etree

from schemas.problems import Problem

_LONGEST_NAME: Final = 100
"""In characters. No standard has an element with such a name."""


class Severity(StrEnum):
    """Whether a finding refuses the message or is only recorded."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Breach:
    """One place where a rule is broken: an element, or the attribute of it that is named. The value is for `--reveal` only."""

    detail: str
    element: etree._Element
    attribute: str = ""
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that is not as it must be.

    `rule` is a stable name, `path` an XPath of names and positions, `detail` says what, without any value of the message.
    `value` is printed with `--reveal` only; it is never logged or serialised otherwise.
    """

    problem: Problem
    rule: str
    detail: str = ""
    line: int | None = None
    path: str = ""
    severity: Severity = Severity.ERROR
    value: str | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """For programs, without the value and without members that have none."""
        members = {
            "code": self.problem.code,
            "xoev": self.problem.xoev,
            "severity": self.severity.value,
            "rule": self.rule,
            "where": self.path,
            "line": self.line,
            "detail": self.detail or self.problem.title,
            "hint": self.problem.hint,
        }
        return {name: value for name, value in members.items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a page: its name as people call it, and a line, counted from 1."""

    page: str
    line: int

    def __str__(self) -> str:
        return f"{self.page}, line {self.line}"


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong at one place of a page. `rule` is a stable name."""

    rule: str
    spot: Spot
    detail: str
    hint: str
    severity: Severity = Severity.ERROR

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        place = {"page": self.spot.page, "line": self.spot.line}
        return place | {"severity": self.severity, "rule": self.rule, "detail": self.detail, "hint": self.hint}


def line_of(element: etree._Element) -> int | None:
    """The line that an element begins on."""
    return element.sourceline  # type: ignore[return-value] # the stubs have it wrong


class Paths:
    """The paths of elements of one message, which does not change meanwhile. Siblings are counted once, however many of them are asked for."""

    def __init__(self) -> None:
        self._steps: dict[etree._Element, str] = {}

    def of(self, element: etree._Element) -> str:
        """The place of an element as names with prefix, and positions where several siblings have the name."""
        return "/" + "/".join(reversed([self._step(one) for one in (element, *element.iterancestors())]))

    def _step(self, element: etree._Element) -> str:
        around = element.getparent()
        if around is None:
            return _name(element)
        if element not in self._steps:
            same: dict[str, list[etree._Element]] = {}
            for child in around.iterchildren("*"):
                same.setdefault(child.tag, []).append(child)
            for children in same.values():
                self._steps |= {child: f"{_name(child)}[{number}]" for number, child in enumerate(children, 1)}
            self._steps |= {children[0]: _name(children[0]) for children in same.values() if len(children) == 1}
        return self._steps[element]


def path_of(element: etree._Element) -> str:
    """The path of one element alone, as `Paths` has it."""
    return Paths().of(element)


def in_known_names(path: str, known: Container[str]) -> str:
    """A path with `*` for each name of an element or attribute that is not known, and without prefixes that are not: whoever sends a
    message may write anything there, and a path is told and stored.
    """
    elements, _, attribute = path.partition("/@")
    steps = "/".join(_in_known_names(step, known) for step in elements.split("/"))
    return f"{steps}/@{attribute if attribute in known else '*'}" if attribute else steps


def _in_known_names(step: str, known: Container[str]) -> str:
    prefix, _, name = step.rpartition(":")
    if name and name.partition("[")[0] not in known:
        return "*"
    return f"{prefix}:{name}" if prefix in known else name


def _name(element: etree._Element) -> str:
    """Cut off where it is longer than names are: else a few long ones would stand in the path of each element inside them."""
    local_name = etree.QName(element).localname[:_LONGEST_NAME]
    return f"{element.prefix}:{local_name}" if element.prefix else local_name
