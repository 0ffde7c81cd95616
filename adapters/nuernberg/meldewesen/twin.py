"""Twin of Nürnberg's registration office: a token endpoint and an idempotent REST service."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from hmac import compare_digest
from http import HTTPStatus
from typing import Final

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.nuernberg.meldewesen.adapter import KEY_USED, REGISTRATIONS, SYSTEM, TOKEN_PATH, UNKNOWN
from adapters.twins.book import REFUSAL, VERSION, Book, Entry, Mood
from adapters.twins.http import HttpTwin, basic

TOKEN_LIFE_S: Final = 60
_TAKES_NOTHING: Final = {
    Mood.REFUSE: (HTTPStatus.UNPROCESSABLE_ENTITY, REFUSAL),
    Mood.BUSY: (HTTPStatus.LOCKED, "VORGANG_GESPERRT"),
    Mood.FAIL: (HTTPStatus.SERVICE_UNAVAILABLE, "NICHT_VERFUEGBAR"),
}
"""Moods in which a hand-over has no effect: status and code that say so."""

_Handler = Callable[[Request], Awaitable[Response]]


class NuernbergTwin(HttpTwin):
    """OAuth 2 client credentials, `POST` and `GET` of registrations, state of the system."""

    def __init__(self, host: str, port: int, client_id: str, client_secret: SecretStr) -> None:
        routes = [
            Route(f"/{TOKEN_PATH}", self._issue, methods=["POST"]),
            Route(f"/{REGISTRATIONS}", self._guarded(self._create), methods=["POST"]),
            Route(f"/{REGISTRATIONS}/{{number}}", self._guarded(self._show)),
            Route(f"/{SYSTEM}", self._guarded(self._state)),
        ]
        super().__init__(Book("N"), Starlette(routes=routes), host, port)
        self._client_id = client_id
        self._client_secret = client_secret
        self.tokens: dict[str, float] = {}
        """Token -> its end on the monotonic clock."""

    def office_settings(self) -> dict[str, object]:
        """Settings of the adapter that reaches this twin."""
        return {"url": self.url, "client_id": self._client_id, "client_secret": self._client_secret.get_secret_value()}

    async def _issue(self, request: Request) -> Response:
        if self.book.mood is Mood.FAIL:
            return Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE)
        if not compare_digest(request.headers.get("Authorization", ""), basic(self._client_id, self._client_secret)):
            return JSONResponse({"error": "invalid_client"}, HTTPStatus.UNAUTHORIZED)
        if await request.body() != b"grant_type=client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, HTTPStatus.BAD_REQUEST)
        token = secrets.token_urlsafe()
        self.tokens[token] = time.monotonic() + TOKEN_LIFE_S
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIFE_S})

    def _guarded(self, handler: _Handler) -> _Handler:
        async def guard(request: Request) -> Response:
            if self.book.mood is Mood.FAIL:
                return Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE)
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if self.tokens.get(token, 0) < time.monotonic():
                return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})
            return await handler(request)

        return guard

    async def _create(self, request: Request) -> Response:
        key, body = request.headers.get("Idempotency-Key"), await request.body()
        if key is None:
            return JSONResponse({"code": "SCHLUESSEL_FEHLT"}, HTTPStatus.BAD_REQUEST)
        mood = self.book.mood_towards(key)
        if mood in _TAKES_NOTHING:
            status, code = _TAKES_NOTHING[mood]
            return JSONResponse({"code": code}, status)
        known = self.book.entries_of(key)
        if known and known[0].content != body:
            return JSONResponse({"code": KEY_USED}, HTTPStatus.CONFLICT)
        entry = known[0] if known else self.book.enter(key, body, "application/json", datetime.now(UTC))
        return await self._answer_to(mood, entry)

    async def _answer_to(self, mood: Mood, entry: Entry) -> Response:
        if mood is Mood.FAIL_AFTER:
            return Response(status_code=HTTPStatus.INTERNAL_SERVER_ERROR)
        if mood is not self.book.mood and mood is Mood.SLOW:  # a whole twin that is slow holds every answer back elsewhere
            await self.hold_back()
        return self.strange_answer(mood) or _registration(entry, HTTPStatus.CREATED)

    async def _show(self, request: Request) -> Response:
        number = request.path_params["number"]
        if strange := self.strange_answer(self.book.mood_towards(number)):
            return strange
        known = self.book.entries_of(number)
        return _registration(known[0], HTTPStatus.OK) if known else JSONResponse({"code": UNKNOWN}, HTTPStatus.NOT_FOUND)

    async def _state(self, _: Request) -> Response:
        return JSONResponse({"version": VERSION, "uhrzeit": datetime.now(UTC).isoformat(timespec="seconds")})


def _registration(entry: Entry, status: HTTPStatus) -> Response:
    return JSONResponse({"aktenzeichen": entry.reference, "antragsnummer": entry.submission_id}, status)
