"""Asking the gateway: the status of a submission, and paths and methods that are not there."""

from __future__ import annotations

from uuid import uuid4

import pytest

from producers.intake.portals import Portal, Portals
from tests.calls import VALID, changed
from tests.gateway import XML, Gateway, problem_of


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
