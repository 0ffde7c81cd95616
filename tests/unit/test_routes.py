"""Asking the gateway: the status of a submission, and paths and methods that are not there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from pydantic import ValidationError

from infra.settings import KafkaSettings, SchemaSettings, StoreSettings
from producers.gateway.app import create_app
from producers.intake.portals import Portal, Portals
from producers.settings import GatewaySettings
from schemas import catalogue
from tests.calls import VALID, changed
from tests.gateway import PORTALS, XML, Gateway, problem_of, register_of


async def test_status_of_own_submission(bus: Gateway) -> None:
    """A portal reads what became of its submission."""
    receipt = (await bus.post(VALID)).json()
    response = await bus.call("GET", receipt["status_url"])
    assert response.status_code == 200
    assert response.json() == receipt | {
        "final": False,
        "awaiting": "delivery",
        "steps": [{"state": "submitted", "at": receipt["accepted_at"], "reference": None, "reason": None, "next_try_at": None}],
    }


@pytest.mark.parametrize(
    ("path", "portal", "status", "code"),
    [
        pytest.param("{own}", "other", 404, "submission-not-found", id="foreign"),
        pytest.param(str(uuid4()), "portal", 404, "submission-not-found", id="unknown"),
        pytest.param("1", "portal", 404, "submission-not-found", id="malformed"),
        pytest.param("%ff%00", "portal", 404, "submission-not-found", id="binary"),
        pytest.param("{own}", None, 401, "unauthenticated", id="nobody"),
    ],
)
async def test_status_of_nothing(bus: Gateway, path: str, portal: str | None, status: int, code: str) -> None:
    """Submissions of others look like those that do not exist."""
    own = (await bus.post(VALID)).json()["id"]
    assert problem_of(await bus.call("GET", "/v1/submissions/" + path.format(own=own), portal=portal)) == (status, code)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2", 404),
        ("POST", "/v1/submissions/", 404),
        ("GET", "/v1/submissions/x/", 404),
        ("GET", "/v1/submissions", 405),
        ("OPTIONS", "/v1/submissions", 405),
        ("DELETE", "/openapi.json", 405),
    ],
)
async def test_no_such_page(refusing: Gateway, method: str, path: str, status: int) -> None:
    """Wrong addresses and methods are problems too, also by a slash alone: nobody is sent elsewhere; a wrong method learns the right ones (RFC 9110)."""
    response = await refusing.call(method, path)
    assert problem_of(response) == (status, "method-not-allowed" if status == 405 else "no-such-page")
    assert ("Allow" in response.headers) == (status == 405)


@pytest.mark.parametrize("body", [pytest.param(VALID, id="receipt"), pytest.param(changed("Schön", "Scho\u0308n"), id="rejection")])
async def test_a_portal_is_authenticated_once_per_call(bus: Gateway, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    """Whoever was let in is known for the whole call: an answer in XML, which names its reader, does not ask again."""
    asked: list[str | None] = []
    authenticate = Portals.authenticate

    def counted(portals: Portals, authorization: str | None) -> Portal:
        asked.append(authorization)
        return authenticate(portals, authorization)

    monkeypatch.setattr(Portals, "authenticate", counted)
    assert (await bus.post(body, accept=XML)).headers["Content-Type"] == XML
    assert len(asked) == 1


async def test_whom_to_tell_about_a_hole(tmp_path: Path) -> None:
    """`security.txt` has what RFC 9116 demands: a contact, and an end that is ahead and less than a year away; without a contact there is none."""
    for contact, status in (("mailto:sicherheit@stadt.example", 200), (None, 404)):
        settings = GatewaySettings(security_contact=contact)
        app = create_app(
            catalogue.load(),
            register_of(tmp_path / "portals", PORTALS),
            settings,
            KafkaSettings(),
            StoreSettings(folder=tmp_path),
            SchemaSettings(),
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bus") as client:
            response = await client.get("/.well-known/security.txt")
        app.state.intake.close()
        assert response.status_code == status
        if contact:
            assert response.headers["content-type"].startswith("text/plain")
            said = dict(line.split(": ", 1) for line in response.text.splitlines())
            assert said["Contact"] == contact
            assert timedelta(days=30) < datetime.fromisoformat(said["Expires"]) - datetime.now(UTC) < timedelta(days=365)


@pytest.mark.parametrize(
    "contact", ["", "sicherheit@stadt.example", "http://stadt.example", "mailto:a@b.example\nContact: x", "javascript:x"]
)
def test_contacts_that_are_none(contact: str) -> None:
    """What is no address that RFC 9116 takes is a wrong setting; nobody adds lines."""
    with pytest.raises(ValidationError):
        GatewaySettings(security_contact=contact)
