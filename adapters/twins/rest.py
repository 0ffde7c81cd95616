"""An idempotent REST service: what `adapters.protocols.rest` speaks to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import ClassVar, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.protocols.rest import Rest
from adapters.twins.book import REFUSAL, VERSION, BookEntry, Mood
from adapters.twins.http import HttpTwin

TAKES_NOTHING: Final = {
    Mood.REFUSE: (HTTPStatus.UNPROCESSABLE_ENTITY, REFUSAL),
    Mood.BUSY: (HTTPStatus.LOCKED, "VORGANG_GESPERRT"),
    Mood.POISON: (HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNER_FEHLER"),
    Mood.FAIL: (HTTPStatus.SERVICE_UNAVAILABLE, "NICHT_VERFUEGBAR"),
}
"""Moods in which a hand-over has no effect: status and code that say so."""

Handler = Callable[[Request], Awaitable[Response]]


class RestTwin(HttpTwin):
    """`POST` and `GET` of what is handed over, state of the system. A subclass says `rest`, as its adapter does, and `prefix`."""

    rest: ClassVar[Rest]

    def routes(self) -> list[Route]:
        """The protocol."""
        return [
            Route(f"/{self.rest.collection}", self.guarded(self._create), methods=["POST"]),
            Route(f"/{self.rest.collection}/{{number}}", self.guarded(self._show)),
            Route(f"/{self.rest.state}", self.guarded(self._state)),
        ]

    def guarded(self, handler: Handler) -> Handler:
        """Only with the right login, and not at all in the mood `fail`."""

        async def guard(request: Request) -> Response:
            if self.book.mood is Mood.FAIL:
                return Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE)
            if self.door.turns_away(request):
                return Response(status_code=HTTPStatus.UNAUTHORIZED)
            return await handler(request)

        return guard

    async def _create(self, request: Request) -> Response:
        key, body = request.headers.get(self.rest.id_header), await request.body()
        if key is None:
            return JSONResponse({"code": "SCHLUESSEL_FEHLT"}, HTTPStatus.BAD_REQUEST)
        mood = self.book.mood_towards(key)
        if mood in TAKES_NOTHING:
            status, code = TAKES_NOTHING[mood]
            return JSONResponse({"code": code}, status)
        known = self.book.entries_of(key)
        if known and known[0].content != body:
            return JSONResponse({"code": self.rest.used}, HTTPStatus.CONFLICT)
        content_type = request.headers.get("Content-Type", "application/octet-stream")
        entry = known[0] if known else self.book.enter(key, body, content_type, datetime.now(UTC))
        if mood is Mood.FAIL_AFTER:
            return Response(status_code=HTTPStatus.INTERNAL_SERVER_ERROR)
        await self.before_answering(mood)
        return self.strange_answer(mood) or self._tell(entry, HTTPStatus.CREATED)

    async def _show(self, request: Request) -> Response:
        number = request.path_params["number"]
        if strange := self.strange_answer(self.book.mood_towards(number)):
            return strange
        known = self.book.entries_of(number)
        return self._tell(known[0], HTTPStatus.OK) if known else JSONResponse({"code": self.rest.unknown}, HTTPStatus.NOT_FOUND)

    async def _state(self, _: Request) -> Response:
        return JSONResponse({"version": VERSION, "uhrzeit": datetime.now(UTC).isoformat(timespec="seconds")})

    def _tell(self, entry: BookEntry, status: HTTPStatus) -> Response:
        return JSONResponse({self.rest.reference: entry.reference, "id": entry.submission_id, "sha256": entry.sha256}, status)
