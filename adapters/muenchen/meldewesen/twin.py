"""Twin of München's registration office. `anmeldungAnlegen` is not idempotent: called twice, it makes two entries."""

from __future__ import annotations

from datetime import UTC, datetime
from hmac import compare_digest
from http import HTTPStatus
from typing import Final

from lxml import etree
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.muenchen.meldewesen import soap
from adapters.twins.book import REFUSAL, VERSION, Book, Mood
from adapters.twins.http import HttpTwin, basic
from schemas.errors import Rejected

_TAKES_NOTHING: Final = {
    Mood.REFUSE: ("Client", REFUSAL),
    Mood.BUSY: ("Server", soap.CASE_LOCKED),
    Mood.FAIL: ("Server", soap.NOT_AVAILABLE),
}
"""Moods in which a hand-over has no effect, and the fault that says so."""


class MuenchenTwin(HttpTwin):
    """SOAP 1.1 on `/meldewesen`, HTTP Basic."""

    def __init__(self, host: str, port: int, user: str, password: SecretStr) -> None:
        app = Starlette(routes=[Route("/meldewesen", self._call, methods=["POST"])])
        super().__init__(Book("M"), app, host, port)
        self._user = user
        self._password = password

    def office_settings(self) -> dict[str, object]:
        """Settings of the adapter that reaches this twin."""
        return {"url": f"{self.url}/meldewesen", "user": self._user, "password": self._password.get_secret_value()}

    async def _call(self, request: Request) -> Response:
        if not compare_digest(request.headers.get("Authorization", ""), basic(self._user, self._password)):
            return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": 'Basic realm="meldewesen"'})
        if self.book.mood is Mood.FAIL:
            return _answer(soap.fault("Server", soap.NOT_AVAILABLE))
        body = await request.body()
        try:
            payload = soap.unwrap(body)
        except (Rejected, ValueError):
            return _answer(soap.fault("Client", "KEIN_SOAP"))
        operation = etree.QName(payload).localname
        if request.headers.get("SOAPAction") != f'"{soap.NAMESPACE}/{operation}"':
            return _answer(soap.fault("Client", "SOAPACTION_FALSCH"))
        number = payload.findtext(soap.name("antragsnummer"), "")
        mood = self.book.mood_towards(number)
        answer = await self._create(number, body, mood) if operation == soap.CREATE else self._tell(operation, number)
        return self.strange_answer(mood) or _answer(answer)

    def _tell(self, operation: str, number: str) -> etree._Element:
        match operation:
            case soap.SEARCH:
                return self._search(number)
            case soap.STATE:
                return soap.element("systemstandAntwort", version=VERSION, uhrzeit=datetime.now(UTC).isoformat(timespec="seconds"))
        return soap.fault("Client", "OPERATION_UNBEKANNT")

    async def _create(self, number: str, body: bytes, mood: Mood) -> etree._Element:
        if mood in _TAKES_NOTHING:
            return soap.fault(*_TAKES_NOTHING[mood])
        entry = self.book.enter(number, body, soap.CONTENT_TYPE, datetime.now(UTC))
        if mood is Mood.FAIL_AFTER:
            return soap.fault("Server", "INTERNER_FEHLER")
        if mood is not self.book.mood and mood is Mood.SLOW:  # a whole twin that is slow holds every answer back elsewhere
            await self.hold_back()
        return soap.element("anmeldungAnlegenAntwort", aktenzeichen=entry.reference)

    def _search(self, number: str) -> etree._Element:
        answer = soap.element("anmeldungSuchenAntwort")
        answer.extend(soap.element("treffer", aktenzeichen=entry.reference) for entry in self.book.entries_of(number))
        return answer


def _answer(payload: etree._Element) -> Response:
    """SOAP 1.1 over HTTP sends every fault with status 500."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR if etree.QName(payload).localname == "Fault" else HTTPStatus.OK
    return Response(soap.wrap(payload), status, media_type=soap.CONTENT_TYPE)
