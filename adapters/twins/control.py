"""The control port of the twins: what they got, and how they should behave. It stays up in every mood.

    GET  /livez, /readyz
    GET  /twins                                 office -> mood, delay_s, effects
    GET  /twins/{office}/effects?first=N        of each effect from number N on, in order: submission id and Unix time; text lines
    GET  /twins/{office}/received               what arrived, in order, without contents
    GET  /twins/{office}/received/{submission}  the same for one submission, with contents (base64)
    PUT  /twins/{office}/mood                   {"mood": "ok|slow|...", "delay_s": seconds, "share": 0..1, "seed": number}

It has no login and shows contents, so it belongs on the loopback address, beside twins that hold made-up data.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from adapters.twins.book import Book, BookEntry, Mood, Temper

SetTemper = Callable[[str, Temper], Awaitable[None]]


class MoodChange(BaseModel):
    """The body of `PUT /twins/{office}/mood`: a `Temper`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mood: Mood
    delay_s: float = Field(default=0, ge=0, le=3600)
    share: float = Field(default=1, ge=0, le=1)
    seed: int = 0


def app(books: Mapping[str, Book], set_temper: SetTemper) -> Starlette:
    """The control app over the books of all twins, by office."""
    control = _Control(books, set_temper)
    return Starlette(
        routes=[
            Route("/livez", control.alive),
            Route("/readyz", control.alive),
            Route("/twins", control.overview),
            Route("/twins/{office}/effects", control.effects),
            Route("/twins/{office}/received", control.received),
            Route("/twins/{office}/received/{submission_id}", control.received_one),
            Route("/twins/{office}/mood", control.change_mood, methods=["PUT"]),
        ]
    )


class _Control:
    def __init__(self, books: Mapping[str, Book], set_temper: SetTemper) -> None:
        self._books = books
        self._set_temper = set_temper

    async def alive(self, _: Request) -> Response:
        """Ready is the same as alive: this port opens after those of the twins."""
        return JSONResponse({"status": "ok"})

    async def overview(self, _: Request) -> Response:
        return JSONResponse(
            {
                office: {"mood": book.mood, "delay_s": book.temper.delay_s, "effects": len(book.entries)}
                for office, book in self._books.items()
            }
        )

    async def effects(self, request: Request) -> Response:
        """Short lines: after a long run there are 100,000 of them."""
        book, first = self._books.get(request.path_params["office"]), request.query_params.get("first", "0")
        if book is None or not first.isdecimal():
            return _not_found("office or number")
        return PlainTextResponse("".join(f"{one.submission_id} {one.received_at.timestamp()}\n" for one in book.entries[int(first) :]))

    async def received(self, request: Request) -> Response:
        book = self._books.get(request.path_params["office"])
        return _not_found("office") if book is None else JSONResponse([_describe(entry) for entry in book.entries])

    async def received_one(self, request: Request) -> Response:
        book = self._books.get(request.path_params["office"])
        entries = [] if book is None else book.entries_of(request.path_params["submission_id"])
        return JSONResponse([_describe(entry) | _content(entry) for entry in entries]) if entries else _not_found("submission")

    async def change_mood(self, request: Request) -> Response:
        office = request.path_params["office"]
        if office not in self._books:
            return _not_found("office")
        try:
            change = MoodChange.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"errors": error.errors(include_input=False, include_context=False)}, HTTPStatus.UNPROCESSABLE_ENTITY)
        await self._set_temper(office, Temper(**change.model_dump()))
        return JSONResponse(change.model_dump(mode="json"))


def _describe(entry: BookEntry) -> dict[str, object]:
    return {
        "submission_id": entry.submission_id,
        "reference": entry.reference,
        "received_at": entry.received_at.isoformat(),
        "size_bytes": len(entry.content),
        "sha256": entry.sha256,
    }


def _content(entry: BookEntry) -> dict[str, object]:
    return {"content_type": entry.content_type, "content_base64": base64.b64encode(entry.content).decode()}


def _not_found(what: str) -> Response:
    return JSONResponse({"error": f"no such {what}"}, HTTPStatus.NOT_FOUND)
