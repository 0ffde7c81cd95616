"""The gateway for tests that call it: an ASGI app that never starts, with an outbox to look into."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from infra.settings import KafkaSettings, SchemaSettings, StoreSettings
from producers.gateway import app as gateway
from producers.intake.form import SubmissionForm
from producers.outbox.outbox import Outbox
from producers.portals.register import Register
from producers.portals.tokens import hash_of, today
from producers.settings import GatewaySettings, IdentitySource, PortalSettings, Token
from producers.synthetic.rights import page_of, write_page
from schemas import catalogue, message
from schemas.catalogue import Catalogue
from schemas.message import Authority, Filing
from tests import openapi_contract

XML, JSON, PROBLEM = "application/xml", "application/json", "application/problem+json"
TOKENS = {"portal": "token-of-portal", "other": "token-of-other"}
AUTHORITIES = {"portal": "kop:00000001", "other": "kop:00000002"}
EVERY_ACCOUNT = {name: max(account.levels) for name, account in catalogue.load().accounts.items()}


def page(authority: str, *tokens: str, **changes: Any) -> PortalSettings:
    """The page of a portal that may send everything there is, but for what is changed."""
    known = catalogue.load()
    everything = page_of(Authority(key=authority, name="Testportal"), "", known.routes, known)
    drawn = [Token(sha256=hash_of(one), drawn_on=today(), drawn_by="test", valid_to=date.max) for one in tokens]
    return everything.model_copy(update={"tokens": tuple(drawn), "test": True, "accounts": EVERY_ACCOUNT} | changes)


PORTALS = {name: page(AUTHORITIES[name], token) for name, token in TOKENS.items()}


@dataclass(frozen=True)
class Gateway:
    """The gateway as an ASGI app that never starts, so that nothing looks for Kafka."""

    app: FastAPI
    box: Outbox

    async def call(self, method: str, path: str, *, portal: str | None = "portal", **request: Any) -> httpx.Response:
        """Call as a portal, or as nobody; the answer is one that the OpenAPI document promises."""
        headers = {"Authorization": f"Bearer {TOKENS[portal]}"} if portal else {}
        headers |= request.pop("headers", {})
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://bus", headers=headers) as client:
            response = await client.request(method, path, **request)
        openapi_contract.require_promised(response)
        return response

    async def post(self, body: Any, content_type: str = XML, *, portal: str | None = "portal", **headers: str) -> httpx.Response:
        """Submit a body."""
        headers = {"Content-Type": content_type} | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.call("POST", "/v1/submissions", portal=portal, content=body, headers=headers)


def register_of(folder: Path, portals: Mapping[str, PortalSettings], known: Catalogue | None = None) -> Register:
    """The register of these portals, whose pages are written into a folder."""
    for name, settings in portals.items():
        write_page(folder, name, settings)
    return Register(folder, known or catalogue.load())


def opened(
    folder: Path, *, limit: int = 1000, accept_test: bool = False, schemas: Path | None = None,
    known: Catalogue | None = None, portals: Mapping[str, PortalSettings] = PORTALS, identity: Mapping[str, IdentitySource] | None = None,
) -> Iterator[Gateway]:  # fmt: skip
    """A gateway whose outbox can be looked into. `schemas` is the operator's folder, `known` another catalogue than the one that is there."""
    stores = StoreSettings(folder=folder)
    settings = GatewaySettings(outbox_limit=limit, accept_test=accept_test, identity=dict(identity or {}))
    box = Outbox(stores, limit=limit)
    known = known or catalogue.load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gateway, "Outbox", lambda *_, **__: box)
        app = gateway.create_app(
            known, register_of(folder / "portals", portals, known), settings, KafkaSettings(), stores, SchemaSettings(folder=schemas)
        )
    yield Gateway(app, box)
    app.state.intake.close()
    box.store.close()


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with an empty outbox."""
    yield from opened(tmp_path)


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for everything that is refused: its outbox stays empty."""
    yield from opened(tmp_path_factory.mktemp("refusing"))


def as_xml(application: Filing) -> bytes:
    """What a portal sends that writes XML."""
    return message.write(application)


def as_form(application: Filing) -> dict[str, Any]:
    """What a portal sends that does not, before it becomes JSON."""
    return SubmissionForm.of(application).model_dump(mode="json", exclude_defaults=True)


def as_json(application: Filing) -> bytes:
    """The same as JSON."""
    return json.dumps(as_form(application)).encode()


def problem_of(response: httpx.Response) -> tuple[int, str]:
    """Status and code of an answer that has to be a whole problem (RFC 9457)."""
    assert response.headers["content-type"] == PROBLEM
    problem = response.json()
    assert problem.keys() - {"where", "xoev", "findings", "message_id"} == {"type", "title", "status", "detail", "code", "hint"}
    assert problem["status"] == response.status_code
    assert problem["type"] == f"https://stadtbus.example/problems/{problem['code']}"
    assert all(problem[name] for name in ("title", "detail", "hint"))
    return response.status_code, problem["code"]
