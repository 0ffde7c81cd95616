"""The OpenAPI document of the gateway: the contract with portals, from which they generate clients.

Written by hand, because bodies are read by intake and not by the web framework; its schemas are those of the models. Tests hold every
answer of the gateway against it, and generators of several languages.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from producers.gateway import answers, views
from producers.intake import assertions, declaration
from producers.intake.form import SubmissionForm
from schemas import message, problems
from schemas.problems import Problem

PROBLEM_JSON: Final = "application/problem+json"
_JSON: Final = "application/json"
_XML: Final = "application/xml"
_TEXT: Final = {"type": "string"}


class ProblemDetails(BaseModel):
    """Why a call was refused (RFC 9457). Members without a value are left out."""

    type: str = Field(description="A URI, stable for each code.")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable, for programs.")
    hint: str = Field(description="What to do next.")
    where: str | None = Field(default=None, description="JSON Pointer into a form, XPath into a message, or the name of an HTTP header.")
    xoev: str | None = Field(default=None, description="Code of the XÖV error lists, where one fits.")
    message_id: str | None = Field(default=None, description="Id of the refused message, where it could be read.")
    findings: list[views.Finding] = Field(
        default=[], description="Everything that was found in the message; the problem is the first error."
    )


EXAMPLE: Final[Mapping[str, Any]] = {
    "id": "3c0e5b1a-7d24-4f0b-9a6c-8e4d2f6015b9",
    "created_at": "2026-03-01T09:30:00.000+01:00",
    "case_id": "8e4d2f60-15b9-4c3e-8a71-2b9d6f0c1c55",
    "service": "99115005104000",
    "area": "091620000000",
    "applicants": [
        {
            "person": {
                "family_name": "Muster",
                "given_names": "Erika",
                "birth_date": "1990-05-17",
                "address": {"street": "Hauptstraße", "house_number": "12 a", "postal_code": "86150", "city": "Augsburg"},
            },
            "trust": {"level": 3, "account": "bayernid"},
        }
    ],
    "form": {
        "schema_uri": "https://stadtbus.example/forms/wohnsitz-anmelden/1.0",
        "fields": [
            {"id": "F99000101", "values": ["2026-03-01"]},
            {"id": "F99000102", "values": ["Sendlinger Straße"]},
            {"id": "F99000103", "values": ["8"]},
            {"id": "F99000104", "values": ["80331"]},
            {"id": "F99000105", "values": ["München"]},
            {"id": "F99000106", "values": ["Wohnbau Isar eG"]},
            {"id": "F99000107", "values": ["deutsch", "polnisch"]},
            {"id": "F99000108", "values": ["alleinige Wohnung"]},
        ],
    },
}
"""A form that the gateway of the demo takes."""


def document(version: str) -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stadtbus gateway",
            "version": version,
            "description": "Portals hand in applications to the back offices of cities and ask what became of them.",
        },
        "security": [{"bearer": []}],
        "paths": {
            "/v1/submissions": {"post": _SUBMIT},
            "/v1/submissions/{submission_id}": {"get": _STATUS},
            "/v1/schemas/einreichung-1.0.xsd": {"get": _SCHEMA},
        },
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "The operator of the bus issues a token to each portal."}
            },
            "headers": _HEADERS,
            "schemas": _schemas(),
        },
    }


def _schemas() -> dict[str, Any]:
    models: list[tuple[type[BaseModel], Any]] = [(SubmissionForm, "validation")]
    models += [(model, "serialization") for model in (views.Receipt, views.SubmissionView, ProblemDetails)]
    found = models_json_schema(models, ref_template="#/components/schemas/{model}")[1]["$defs"]
    found["State"]["description"] = "What a submission has come to."
    return {name: _for_generators(schema) for name, schema in sorted(found.items())}


def _for_generators(schema: Any) -> Any:
    """The same schema in words that generators turn into the types one expects.

    Titles that say the name of a member once more become types of their own, a choice of something and null a type around it, and a
    default a member that has to be given; so these are left out, or said as a list of types.
    """
    if isinstance(schema, list):
        return [_for_generators(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _for_generators(part) for name, part in schema.items() if not (name == "title" and isinstance(part, str))}
    plain.pop("default", None)
    return _nullable(plain)


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """A choice of a simple type and null as one type that may be null."""
    simple, *rest = schema.get("anyOf", [{}])
    if "type" not in simple or rest != [{"type": "null"}]:
        return schema
    around = {name: part for name, part in schema.items() if name != "anyOf"}
    return {**around, **simple, "type": [simple["type"], "null"]}


# --- answers


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _media(schema: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"schema": schema, **more}


def _in_xml(name: str) -> dict[str, Any]:
    return {answers.MEDIA_TYPE: _media(_TEXT | {"description": f"{name}, where Accept names application/xml first"})}


def _answer(description: str, content: Mapping[str, Any], *headers: str) -> dict[str, Any]:
    named = {"headers": {name: _ref("headers", name) for name in headers}} if headers else {}
    return {"description": description, **named, "content": dict(content)}


def _refusals(*problems: Problem, as_message: bool = False) -> dict[str, Any]:
    """The answers of these problems, by status."""
    by_status: dict[int, list[Problem]] = {}
    for problem in problems:
        by_status.setdefault(problem.status, []).append(problem)
    return {str(status): _refusal(status, codes, as_message=as_message) for status, codes in sorted(by_status.items())}


def _refusal(status: int, problems: list[Problem], *, as_message: bool) -> dict[str, Any]:
    content = {PROBLEM_JSON: _media(_ref("schemas", ProblemDetails.__name__))}
    if as_message and status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS):
        content |= _in_xml(message.REJECTION)
    return _answer("; ".join(f"`{problem.code}`: {problem.title}" for problem in problems), content, *_HEADERS_OF.get(status, ()))


_HEADERS: Final = {
    "Location": {"description": "Where to ask what became of it.", "schema": _TEXT},
    "RateLimit": {
        "description": "What the portal may still send, for each policy: `r` requests or bytes, and in `t` seconds there is more"
        " (draft-ietf-httpapi-ratelimit-headers-11). On every answer to a portal that is known.",
        "schema": _TEXT,
    },
    "RateLimit-Policy": {
        "description": "How much it may send, for each policy: `q` requests or bytes (`qu`) in `w` seconds.",
        "schema": _TEXT,
    },
    "Retry-After": {"description": "Seconds after which to send the same again.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "`Bearer`", "schema": _TEXT},
}
_RATES: Final = ("RateLimit", "RateLimit-Policy")
_HEADERS_OF: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After", *_RATES),
    503: ("Retry-After",),
}
_ALWAYS: Final = (problems.UNAUTHENTICATED, problems.RATE_EXCEEDED, problems.PORTAL_BUSY, problems.INTERNAL, problems.STORE_UNREACHABLE)
_AT_INTAKE: Final = (
    *_ALWAYS,
    problems.MEDIA_TYPE,
    problems.TOO_LARGE,
    problems.TOO_SLOW,
    problems.AUTHOR_MISMATCH,
    problems.TRUST_TOO_LOW,
    problems.ACCOUNT_NOT_ACCEPTED,
    problems.ID_CONFLICT,
    problems.INTAKE_FULL,
    problems.READING_STALLED,
    problems.FORM_INVALID,
    problems.NOT_VALID,
    problems.FORM_MISFIT,
    problems.NO_ROUTE,
)


# --- the operations


def _parameter(place: str, name: str, description: str, **schema: Any) -> dict[str, Any]:
    required = {"required": True} if place == "path" else {}
    return {"name": name, "in": place, **required, "description": description, "schema": _TEXT | schema}


_SUBMIT: Final = {
    "operationId": "submit",
    "summary": "Submit an application, an amendment or a withdrawal",
    "description": (
        "A form (JSON) and a message (XML) are two ways to say the same.\n\n"
        "Accepted means durable. Repeat the same call until it is answered: the same content has one effect and gets the same answer."
    ),
    "parameters": [
        _parameter("header", declaration.SERVICE, "LeiKa key of the service; only beside a genuine XÖV message, as the next three."),
        _parameter("header", declaration.AREA, "ARS (12 digits) or AGS (8 digits)."),
        _parameter("header", declaration.CASE, "UUID of the case; without it, that of the message."),
        _parameter(
            "header",
            assertions.HEADER,
            "Where the operator or the city asks for it: a JWT of the identity source for each applicant, in their order, with commas between, `-` where there is none.",
        ),
        _parameter("header", declaration.TRUST, "Level of trust, 1 to 4, and account, for example `3; bayernid`."),
        _parameter("header", "traceparent", "The portal's trace (W3C Trace Context)."),
    ],
    "requestBody": {
        "required": True,
        "content": {
            _JSON: _media(_ref("schemas", SubmissionForm.__name__), example=EXAMPLE),
            _XML: _media(
                _TEXT | {"description": "antrag, nachtrag or ruecknahme (/v1/schemas/einreichung-1.0.xsd), or a genuine XÖV message"}
            ),
        },
    },
    "responses": {
        "202": _answer(
            "Accepted, now or before",
            {_JSON: _media(_ref("schemas", views.Receipt.__name__))} | _in_xml(message.RECEIPT),
            "Location",
            *_RATES,
        ),
        **_refusals(*_AT_INTAKE, as_message=True),
    },
}
_STATUS: Final = {
    "operationId": "getSubmission",
    "summary": "What became of a submission",
    "description": "A portal sees its own submissions only.",
    "parameters": [_parameter("path", "submission_id", "The portal's own id of the submission.", format="uuid")],
    "responses": {
        "200": _answer("What is known", {_JSON: _media(_ref("schemas", views.SubmissionView.__name__))} | _in_xml(message.STATUS), *_RATES),
        **_refusals(*_ALWAYS, problems.NOT_FOUND),
    },
}
_SCHEMA: Final = {
    "operationId": "getMessageSchema",
    "summary": "The schema of the message",
    "security": [],
    "responses": {"200": _answer("An XSD", {_XML: _media(_TEXT)}), **_refusals(problems.INTERNAL)},
}
