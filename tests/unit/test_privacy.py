"""Personal data stays in the content of a message, whether it is accepted, refused, or something fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from schemas.headers import Header
from schemas.message import (
    Application,
    Authority,
    FormField,
)
from tests import builders, calls
from tests.calls import VALID
from tests.gateway import JSON, XML, Gateway, as_json, as_xml, problem_of

CANARY = "Kanarienvogel"


def private_application() -> Application:
    """An application in which everything about the person is a canary."""
    address = builders.ADDRESS.model_copy(update={"street": CANARY, "city": CANARY, "addition": CANARY})
    form = builders.application().form
    fields = tuple(FormField(id=one.id, values=(CANARY,)) if one.id == "F99000102" else one for one in form.fields)
    return builders.application(
        applicants=(builders.person(CANARY, CANARY, birth_name=CANARY, address=address),),
        reader=Authority(key="ags:09162000", name=CANARY),
        content=form.model_copy(update={"fields": fields}),
    )


@pytest.mark.parametrize(("body", "content_type"), [(as_xml, XML), (as_json, JSON)])
async def test_accepted_submission_tells_nothing(
    bus: Gateway,
    body: Callable[[Application], bytes],
    content_type: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Personal data is in the content and nowhere else: not in headers, key, codes, answers or logs."""
    with capture_logs() as logs:
        receipt = await bus.post(body(private_application()), content_type)
        status = await bus.call("GET", receipt.json()["status_url"])
    (pending,) = (await builders.waiting(bus.box))[:2]
    assert pending.headers.keys() == set(Header) - {Header.TRUST_PROOF, Header.TEST, Header.TRACEPARENT, Header.ABOUT}
    assert CANARY.encode() in pending.content
    told = [
        pending.headers,
        pending.case_key,
        pending.office,
        receipt.headers,
        receipt.text,
        status.text,
        logs,
        caplog.text,
        capfd.readouterr(),
    ]
    assert [place for place in told if CANARY in str(place)] == []


PRIVATE = as_xml(private_application())
PRIVATE_JSON = as_json(private_application())


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(calls.changed(CANARY, CANARY * 30, PRIVATE), XML, id="too long"),
        pytest.param(calls.changed(CANARY, f"{CANARY}\u0001", PRIVATE), XML, id="control character"),
        pytest.param(calls.changed(CANARY, f"{CANARY}o\u0308", PRIVATE), XML, id="NFD"),
        pytest.param(calls.changed("1990-05-17", CANARY, PRIVATE), XML, id="birth date"),
        pytest.param(calls.changed("ags:09162000", CANARY, PRIVATE), XML, id="reader"),
        pytest.param(calls.changed("kop:00000001", CANARY, PRIVATE), XML, id="author"),
        pytest.param(calls.changed("99115005104000", CANARY, PRIVATE), XML, id="service"),
        pytest.param(calls.changed("091620000000", CANARY, PRIVATE), XML, id="area"),
        pytest.param(calls.changed("bayernid", CANARY.lower(), PRIVATE), XML, id="account"),
        pytest.param(PRIVATE_JSON, XML, id="JSON as XML"),
        pytest.param(PRIVATE, JSON, id="XML as JSON"),
        pytest.param(calls.changed(CANARY, CANARY * 30, PRIVATE_JSON), JSON, id="JSON too long"),
        pytest.param(calls.changed(CANARY, f"{CANARY}\\u0001", PRIVATE_JSON), JSON, id="JSON control character"),
        pytest.param(calls.changed(CANARY, f"{CANARY}\\ud800", PRIVATE_JSON), JSON, id="JSON surrogate"),
        pytest.param(calls.changed("1990-05-17", CANARY, PRIVATE_JSON), JSON, id="JSON birth date"),
        pytest.param(calls.changed("091620000000", CANARY, PRIVATE_JSON), JSON, id="JSON area"),
        pytest.param(calls.changed('"level": 3', f'"level": "{CANARY}"', PRIVATE_JSON), JSON, id="JSON level"),
    ],
)
async def test_refusal_tells_nothing(refusing: Gateway, body: bytes, content_type: str, caplog: pytest.LogCaptureFixture) -> None:
    """No value of a refused message is in the problem or in the logs."""
    with capture_logs() as logs:
        response = await refusing.post(body, content_type)
    problem_of(response)
    assert [place for place in (response.text, logs, caplog.text) if CANARY.lower() in str(place).lower()] == []


@pytest.mark.parametrize(
    ("error", "status", "code", "event"),
    [
        pytest.param(RuntimeError(CANARY), 500, "internal-error", "internal_error", id="a mistake of ours"),
        pytest.param(sa.exc.OperationalError(CANARY, {}, Exception(CANARY)), 503, "store-unreachable", "store_failed", id="database"),
    ],
)
async def test_what_nobody_expected(
    bus: Gateway, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str, event: str
) -> None:
    """An exception is answered with a problem and logged by its class; its text goes nowhere."""

    async def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(bus.box, "accept", fail)
    with capture_logs() as logs:
        response = await bus.post(VALID)
    assert problem_of(response) == (status, code)
    assert [(line["event"], line["error"]) for line in logs if "error" in line] == [(event, type(error).__name__)]
    assert CANARY not in f"{response.text} {logs}"
