"""A SOAP 1.1 service: what `adapters.protocols.soap` speaks to. Not idempotent: called twice, it makes two entries."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import ClassVar, Final

from lxml import etree
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters import answers
from adapters.protocols.soap import CASE_LOCKED, CONTENT_TYPE, NOT_AVAILABLE, Soap, wrap
from adapters.twins.book import REFUSAL, VERSION, Mood
from adapters.twins.http import HttpTwin

_TAKES_NOTHING: Final = {
    Mood.REFUSE: ("Client", REFUSAL),
    Mood.BUSY: ("Server", CASE_LOCKED),
    Mood.POISON: ("Server", "INTERNER_FEHLER"),
    Mood.FAIL: ("Server", NOT_AVAILABLE),
}
"""Moods in which a hand-over has no effect, and the fault that says so."""


class SoapTwin(HttpTwin):
    """SOAP on `/soap`. A subclass says `soap`, as its adapter does, and `prefix`."""

    soap: ClassVar[Soap]

    def routes(self) -> list[Route]:
        """The protocol."""
        return [Route("/soap", self._call, methods=["POST"])]

    def office_settings(self) -> dict[str, object]:
        """Settings of the adapter that reaches this twin."""
        return super().office_settings() | {"url": f"{self.url}/soap"}

    async def _call(self, request: Request) -> Response:
        if self.door.turns_away(request):
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        if self.book.mood is Mood.FAIL:
            return _answer(self.soap.fault("Server", NOT_AVAILABLE))
        body, content_type = await request.body(), request.headers.get("Content-Type", "")
        try:
            payload = answers.element(body, content_type).find("{*}Body/*")
        except answers.Unreadable:
            payload = None
        if payload is None:
            return _answer(self.soap.fault("Client", "KEIN_SOAP"))
        operation = etree.QName(payload).localname
        if request.headers.get("SOAPAction") != f'"{self.soap.namespace}/{operation}"':
            return _answer(self.soap.fault("Client", "SOAPACTION_FALSCH"))
        number = payload.findtext(self.soap.name(self.soap.number), "")
        mood = self.book.mood_towards(number)
        answer = await self._create(number, body, content_type, mood) if operation == self.soap.create else self._tell(operation, number)
        return self.strange_answer(mood) or _answer(answer)

    async def _create(self, number: str, body: bytes, content_type: str, mood: Mood) -> etree._Element:
        if mood in _TAKES_NOTHING:
            return self.soap.fault(*_TAKES_NOTHING[mood])
        entry = self.book.enter(number, body, content_type, datetime.now(UTC))
        if mood is Mood.FAIL_AFTER:
            return self.soap.fault("Server", "INTERNER_FEHLER")
        await self.before_answering(mood)
        return self.soap.element(f"{self.soap.create}Antwort", **{self.soap.reference: entry.reference})

    def _tell(self, operation: str, number: str) -> etree._Element:
        if operation == self.soap.search:
            return self._search(number)
        if operation == self.soap.state:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            return self.soap.element(f"{self.soap.state}Antwort", version=VERSION, uhrzeit=now)
        return self.soap.fault("Client", "OPERATION_UNBEKANNT")

    def _search(self, number: str) -> etree._Element:
        answer = self.soap.element(f"{self.soap.search}Antwort")
        hits = (self.soap.element(self.soap.hit, **{self.soap.reference: one.reference}) for one in self.book.entries_of(number))
        answer.extend(hits)
        return answer


def _answer(payload: etree._Element) -> Response:
    """SOAP 1.1 over HTTP sends every fault with status 500."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR if etree.QName(payload).localname == "Fault" else HTTPStatus.OK
    return Response(wrap(payload), status, media_type=CONTENT_TYPE)
