"""What is wrong with the message that was made of a form, told of the form: problems in words of forms, places as JSON Pointers.

Who sent JSON never saw the message, nor a line or an element of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from producers.intake.form_faults import RULE, pointer
from schemas import message, problems
from schemas.errors import Rejected
from schemas.findings import Finding
from schemas.problems import Problem

_KINDS_OF_FORM: Final = {message.APPLICATION: "application", message.AMENDMENT: "amendment", message.WITHDRAWAL: "withdrawal"}
_LIBRARY_RULE: Final = re.compile(r" \(SCHEMAV_\w+\)$")
_IN_FORMS: Final = {
    problems.NOT_VALID.code: problems.FORM_INVALID,
    problems.TIME_INCOMPLETE.code: replace(
        problems.TIME_INCOMPLETE,
        title="created_at is not accepted",
        hint="Write the time at which the applicant sent the form, with time zone.",
    ),
    problems.CONTENT_NOT_SERVED.code: replace(
        problems.CONTENT_NOT_SERVED,
        title="The office does not take this kind of form",
        hint="Send what the detail names, if it is a kind of form.",
    ),
    problems.EMPTY_TEXT.code: replace(problems.EMPTY_TEXT, hint="Fill it in; where the schema allows, leave the member out."),
    problems.TEST_NOT_ALLOWED.code: replace(problems.TEST_NOT_ALLOWED, hint="Leave 'test' out or set it to false, or use a test system."),
}
"""Problems whose words speak of XML, as they are told of a form."""


@contextmanager
def told_of_form() -> Iterator[None]:
    """In this block a `Rejected` of the message that was made of a form is raised anew as one of the form."""
    try:
        yield
    except Rejected as error:
        place = _place(error.where or "")
        error.problem, error.detail = _told_of_form(error.problem, error.detail, place)
        error.where = place or None
        error.findings = tuple(map(of_form, error.findings))
        raise


def reword(error: Rejected) -> None:
    """Give problems the words of forms once more. Called for what a worker answers: on the way from there a problem is its code alone."""
    error.problem = _IN_FORMS.get(error.problem.code, error.problem)
    error.findings = tuple(replace(one, problem=_IN_FORMS.get(one.problem.code, one.problem)) for one in error.findings)


def of_form(finding: Finding) -> Finding:
    """What was found in the message, told of the form."""
    place = _place(finding.path)
    problem, detail = _told_of_form(finding.problem, finding.detail, place)
    rule = RULE if finding.problem == problems.NOT_VALID else finding.rule
    return replace(finding, problem=problem, rule=rule, detail=detail, path=place, line=None)


def _told_of_form(problem: Problem, detail: str, place: str) -> tuple[Problem, str]:
    """Problem and detail in words that speak of the form."""
    if problem == problems.NOT_VALID:
        detail = "there is no such date" if place.endswith("/birth_date") else _LIBRARY_RULE.sub("", detail)
    elif problem == problems.TEST_NOT_ALLOWED:
        detail = "'test' is true"
    elif problem == problems.CONTENT_NOT_SERVED:
        for name, kind in _KINDS_OF_FORM.items():
            detail = detail.replace(name, kind)
    return _IN_FORMS.get(problem.code, problem), detail


def _place(path: str) -> str:
    """The JSON Pointer to what stands at a place of the message; to what is around it where the form has no such member."""
    steps: list[str | int] = []
    around: _Names = _NAMES
    for step in path.removeprefix("/").split("/"):
        name, _, position = step.rstrip("]").partition("[")
        if name.startswith("e:"):  # the root
            continue
        if name not in around:
            break
        member, is_list, around = around[name]
        steps += [*member, int(position or 1) - 1] if is_list else member
    return pointer(steps)


def element(member: str) -> str:
    """The name of the element that a member of a form or model stands for; empty where it has none of its own."""
    return next(_elements(member, _NAMES), "")


def _elements(member: str, around: _Names) -> Iterator[str]:
    for name, (members, _, inside) in around.items():
        if members == (member,):
            yield name
        yield from _elements(member, inside)


class _Names(dict[str, tuple[tuple[str, ...], bool, "_Names"]]):
    """By the name of an element the steps to the member of the form, whether that is a list, and the same for what stands inside."""


def _one(*members: str, **inside: Any) -> tuple[tuple[str, ...], bool, _Names]:
    return members, False, _Names(inside)


def _list(*members: str, **inside: Any) -> tuple[tuple[str, ...], bool, _Names]:
    return members, True, _Names(inside)


_ADDRESS: Final = _one(
    "address",
    strasse=_one("street"),
    hausnummer=_one("house_number"),
    zusatz=_one("addition"),
    postleitzahl=_one("postal_code"),
    ort=_one("city"),
    staat=_one("country"),
)
_PERSON: Final = _one(
    "person",
    familienname=_one("family_name"),
    vornamen=_one("given_names"),
    geburtsname=_one("birth_name"),
    geburtsdatum=_one("birth_date"),
    anschrift=_ADDRESS,
)
_ORGANISATION: Final = _one(
    "organisation",
    name=_one("name"),
    rechtsform=_one("legal_form"),
    registernummer=_one("register_number"),
    anschrift=_ADDRESS,
)
_TRUST: Final = _one("trust", niveau=_one("level"), konto=_one("account"))
_FIELDS: Final = _list("fields", wert=_list("values"), **{"@id": _one("id")})
_FORM: Final = _one("form", schemaUri=_one("schema_uri"), feld=_FIELDS)
_HEADER: Final = {
    "identifikation.nachricht": _one(nachrichtenUUID=_one("id"), erstellungszeitpunkt=_one("created_at")),
}
_NAMES: Final = _Names(
    {
        "nachrichtenkopf.g2g": _one(**_HEADER),
        "@test": _one("test"),
        "antragsidentifikation": _one("case_id"),
        "rueckkanalVorhanden": _one("answers_wanted"),
        "bezug": _one(bezugNachricht=_one("reference")),
        "grund": _one("reason"),
        "leistung": _one("service"),
        "gebiet": _one("area"),
        "antragsteller": _list("applicants", natuerlichePerson=_PERSON, organisation=_ORGANISATION, vertrauensniveau=_TRUST),
        "inhalt": _one(formular=_FORM),
    }
)
