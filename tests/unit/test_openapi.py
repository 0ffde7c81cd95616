"""The OpenAPI document of the gateway: valid, whole, and true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from openapi_spec_validator import validate

from producers.gateway.openapi import EXAMPLE
from schemas import problems
from tests import builders, openapi_contract
from tests.gateway import JSON, PROBLEM, XML, Gateway, as_form, opened

FORM_SCHEMA = {"$ref": "#/components/schemas/SubmissionForm"}
SUBMIT = "/v1/submissions"


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with an empty outbox."""
    yield from opened(tmp_path)


async def served(bus: Gateway) -> dict[str, Any]:
    """The document as everybody gets it."""
    found: dict[str, Any] = (await bus.call("GET", "/openapi.json", portal=None)).json()
    return found


def references(content: Any) -> Iterator[str]:
    """Every `$ref` in a JSON value."""
    for name, member in content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ():
        if name == "$ref":
            yield member
        yield from references(member)


async def test_the_document_is_valid(bus: Gateway) -> None:
    """It is an OpenAPI document, and every reference leads to something in it."""
    document = await served(bus)
    validate(document)
    for reference in references(document):
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
        assert place


async def test_the_document_is_that_of_the_tests(bus: Gateway) -> None:
    """Answers in all tests of the gateway are held against the document that it serves."""
    assert await served(bus) == openapi_contract.document()


async def test_callers_authenticate_by_a_scheme(bus: Gateway) -> None:
    """The token is a bearer token by OpenAPI's own words, and no header parameter, which generators would leave out."""
    document = await served(bus)
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["security"] == [{"bearer": []}]
    for operations in document["paths"].values():
        for operation in operations.values():
            assert "authorization" not in {parameter["name"].lower() for parameter in operation.get("parameters", ())}


async def test_refusals_are_described(bus: Gateway) -> None:
    """Problems are described with their findings, by each status that the gateway answers with; nothing of the web framework is promised."""
    document = await served(bus)
    responses = document["paths"][SUBMIT]["post"]["responses"]
    assert set(responses) == {"202", "401", "403", "408", "409", "413", "415", "422", "429", "500", "503"}
    assert set(document["paths"][SUBMIT + "/{submission_id}"]["get"]["responses"]) == {"200", "401", "404", "429", "500", "503"}
    for status in set(responses) - {"202"}:
        assert responses[status]["content"][PROBLEM]["schema"] == {"$ref": "#/components/schemas/ProblemDetails"}
    assert responses["503"]["headers"].keys() == {"Retry-After"}
    assert responses["429"]["headers"].keys() == {"Retry-After", "RateLimit", "RateLimit-Policy"}
    assert "findings" in document["components"]["schemas"]["ProblemDetails"]["properties"]
    assert "HTTPValidationError" not in json.dumps(document)


async def test_the_form_is_typed(bus: Gateway) -> None:
    """The JSON form comes first, because generators take the first body, and nobody meets words of another language or of the framework."""
    document = await served(bus)
    content = document["paths"][SUBMIT]["post"]["requestBody"]["content"]
    assert list(content) == [JSON, XML]
    assert content[JSON]["schema"] == FORM_SCHEMA
    assert document["info"]["title"] == "Stadtbus gateway"
    assert "None" not in json.dumps(document)


async def test_the_example_is_taken(bus: Gateway) -> None:
    """The example of the document is a form that the gateway takes as it is."""
    response = await bus.post(json.dumps(EXAMPLE).encode(), JSON)
    assert response.status_code == 202


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        pytest.param({}, True, id="as it is"),
        pytest.param({"test": None}, False, id="null for a flag"),
        pytest.param({"service": "1"}, False, id="no LeiKa key"),
        pytest.param({"applicants": []}, False, id="nobody"),
        pytest.param({"colour": 1}, False, id="unknown member"),
        pytest.param({"id": "1"}, False, id="no id"),
    ],
)
async def test_the_document_and_the_gateway_agree_on_forms(bus: Gateway, change: dict[str, Any], valid: bool) -> None:
    """What the document calls a form is one, and what it does not is refused as one that is invalid."""
    content = as_form(builders.application()) | change
    response = await bus.post(json.dumps(content).encode(), JSON)
    assert (openapi_contract.faults(FORM_SCHEMA, content) == []) == valid
    assert (response.status_code == 202) == valid
    assert valid or response.json()["code"] == problems.FORM_INVALID.code


async def test_answers_that_are_not_promised_are_noticed(bus: Gateway) -> None:
    """The check of answers is one: another status, another content type and another content are noticed."""
    response = await bus.call("GET", f"{SUBMIT}/{uuid4()}")
    for change in ({"status_code": 418}, {"headers": {"content-type": "text/html"}}, {"content": b'{"title": 1}'}):
        arguments: dict[str, Any] = {"status_code": 404, "headers": {"content-type": PROBLEM}, "content": response.content} | change
        answer = type(response)(**arguments, request=response.request)
        with pytest.raises(AssertionError):
            openapi_contract.require_promised(answer)
