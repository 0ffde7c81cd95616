"""Tokens of OAuth 2: what a token endpoint may leave out, and what is said where it gives none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from adapters.http import HttpOffice
from adapters.logins import ClientSettings, Tokens
from schemas.errors import DestinationDown

CANARY = "Kanarienvogel"
URL = "https://office.example/api"


class Network:
    """An office and its token endpoint, without sockets."""

    def __init__(self, **granted: Any) -> None:
        self.answers: list[httpx.Response] = []
        """Of the token endpoint, instead of `granted`."""
        self.granted = granted
        self.asked: list[httpx.Request] = []
        self.issued = 0
        self.refused: set[str] = set()
        """Tokens that the office does not take."""

    async def answer(self, request: httpx.Request) -> httpx.Response:
        if "token" in request.url.path:
            self.asked.append(request)
            if self.answers:
                return self.answers.pop(0)
            self.issued += 1
            return httpx.Response(200, json={"access_token": f"t{self.issued}", **self.granted})
        known = request.headers.get("Authorization") not in {f"Bearer {token}" for token in self.refused}
        return httpx.Response(200 if known else 401, json={})


Connect = Callable[..., HttpOffice]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """An office behind a network, with settings."""
    made: list[HttpOffice] = []

    def office(network: Network, **settings: Any) -> HttpOffice:
        read = ClientSettings.model_validate({"url": URL, "client_id": "bus", "client_secret": CANARY} | settings)
        login = read.login()
        assert isinstance(login, Tokens)
        one = HttpOffice(read, login)
        one._client = httpx.AsyncClient(transport=httpx.MockTransport(network.answer))
        login._endpoint._client = httpx.AsyncClient(transport=httpx.MockTransport(network.answer))
        made.append(one)
        return one

    yield office
    for one in made:
        await one.close()


NO_LIFE = ["null", '""', '"soon"', "0", "-1", "-0.5", '"0"', "[]", "{}", "true", "NaN", "Infinity", "1e400", f'"{"9" * 400}"']


@pytest.mark.parametrize("more", ["", *(f', "expires_in": {said}' for said in NO_LIFE)])
async def test_nobody_says_how_long_a_token_lives(connect: Connect, more: str) -> None:
    """`expires_in` may be missing (RFC 6749, 5.1) or say nothing: the token is used until it is refused, then there is one new one."""
    network = Network()
    for token in ("a", "b"):
        said = f'{{"access_token": "{token}", "token_type": "BEARER"{more}}}'
        network.answers.append(httpx.Response(200, content=said, headers={"Content-Type": "application/json"}))
    office = connect(network)
    for _ in range(3):
        assert (await office.ask("GET", "x")).status_code == 200
    assert len(network.asked) == 1
    network.refused = {"a"}
    assert (await office.ask("GET", "x")).status_code == 200
    assert len(network.asked) == 2


@pytest.mark.parametrize("life", [3600, "3600", 3600.5, " 3600 "])
async def test_a_token_is_renewed_before_it_ends(connect: Connect, monkeypatch: pytest.MonkeyPatch, life: object) -> None:
    """A life in seconds counts, as number or text."""
    now_s = [1000.0]
    monkeypatch.setattr("adapters.logins.time.monotonic", lambda: now_s[0])
    network = Network(expires_in=life)
    office = connect(network)
    for later_s, asked in ((0, 1), (3200, 1), (100, 2)):
        now_s[0] += later_s
        await office.ask("GET", "x")
        assert len(network.asked) == asked


async def test_a_refused_token_is_renewed_once(connect: Connect) -> None:
    """An office that takes no token is asked twice, not for ever."""
    network = Network()
    network.refused = {f"t{number}" for number in range(1, 10)}
    assert (await connect(network).ask("GET", "x")).status_code == 401
    assert network.issued == 2


async def test_token_endpoint_elsewhere(connect: Connect) -> None:
    """The token endpoint may be another service, want a scope, and the client's login in the body."""
    network = Network()
    await connect(network, token_url="https://login.example/realms/stadt/token", scope="antraege a+b", client_login="post").ask("GET", "x")
    (asked,) = network.asked
    assert str(asked.url) == "https://login.example/realms/stadt/token"
    assert parse_qs(asked.content.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["antraege a+b"],
        "client_id": ["bus"],
        "client_secret": [CANARY],
    }
    assert "Authorization" not in asked.headers


async def test_token_endpoint_at_the_office(connect: Connect) -> None:
    """Without more it hangs on the office's root, the login is HTTP Basic, and nothing else is sent."""
    network = Network()
    await connect(network).ask("GET", "x")
    (asked,) = network.asked
    assert (str(asked.url), asked.content) == (f"{URL}/oauth/token", b"grant_type=client_credentials")
    assert asked.headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(401, json={"error": "invalid_client", "error_description": CANARY}), "token endpoint: HTTP 401 invalid_client"),
        (httpx.Response(400, json={"error": "invalid_scope"}), "token endpoint: HTTP 400 invalid_scope"),
        (httpx.Response(200, json={"error": "unauthorized_client"}), "token endpoint: HTTP 200 unauthorized_client"),
        (httpx.Response(400, json={"error": CANARY}), "token endpoint: HTTP 400"),
        (httpx.Response(302, headers={"Location": "https://login.example"}), "token endpoint: HTTP 302"),
        (httpx.Response(200, json={"id_token": CANARY}), "token endpoint: the answer has no access_token"),
        (httpx.Response(200, json={"access_token": None}), "token endpoint: the answer has no access_token"),
        (httpx.Response(200, json={"access_token": f"{CANARY}\r\nX: y"}), "token endpoint: the answer has no access_token"),
        (httpx.Response(200, json=[CANARY]), "token endpoint: the answer has no access_token"),
        (httpx.Response(200, content=CANARY.encode()), "token endpoint: the answer has no access_token"),
        (httpx.Response(200, html=f"<html>{CANARY}</html>"), "token endpoint: HTTP 200 with a page for people"),
        (httpx.Response(200, content=b"x" * 2_000_000), "token endpoint: an answer of more than 1048576 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_why_there_is_no_token(connect: Connect, answer: httpx.Response, said: str) -> None:
    """The sentence says what is wrong with the token endpoint, and quotes neither secret nor answer; nothing was handed over."""
    network = Network()
    network.answers = [answer]
    with pytest.raises(DestinationDown) as caught:
        await connect(network).deliver("x", b"", {})
    assert str(caught.value) == said


async def test_a_busy_token_endpoint_says_how_long(connect: Connect) -> None:
    """429 of the token endpoint pauses the office as long as it says."""
    network = Network()
    network.answers = [httpx.Response(429, headers={"Retry-After": "9"})]
    with pytest.raises(DestinationDown, match="token endpoint: HTTP 429") as caught:
        await connect(network).deliver("x", b"", {})
    assert caught.value.retry_after_s == 9


async def test_latin_token_answer(connect: Connect) -> None:
    """The answer is read as it declares itself."""
    network = Network()
    said = '{"access_token": "t1", "hinweis": "für"}'.encode("latin-1")
    network.answers = [httpx.Response(200, content=said, headers={"Content-Type": "application/json; charset=ISO-8859-1"})]
    assert (await connect(network).ask("GET", "x")).status_code == 200
