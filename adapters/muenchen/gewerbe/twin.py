"""Twin of München's trade office: it takes what comes at once, and decides a while later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

from lxml import etree
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.muenchen.gewerbe.adapter import ACCEPTED, DECISIONS, IN_PROGRESS, REFUSED, REST
from adapters.twins.book import REFUSAL, BookEntry
from adapters.twins.rest import RestTwin
from adapters.twins.twin import Site

DECIDES_AFTER: Final = timedelta(seconds=1)


class MuenchenGewerbeTwin(RestTwin):
    """REST that answers in XML, and says under the number of a Vorgang how far it is."""

    rest = REST
    prefix = "GM"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._told: dict[str, BookEntry] = {}
        """By number; nobody asks for one that nobody was told."""
        self.decides_after = DECIDES_AFTER
        self.turned_down: set[str] = set()
        """Submissions that it takes, and does not accept when it decides."""

    def routes(self) -> list[Route]:
        """The protocol."""
        return [*super().routes(), Route(f"/{DECISIONS}/{{number}}", self.guarded(self._decision))]

    async def _decision(self, request: Request) -> Response:
        entry = self._told.get(request.path_params["number"])
        if entry is None:
            return Response(status_code=HTTPStatus.NOT_FOUND)
        if strange := self.strange_answer(self.book.mood_towards(entry.submission_id)):
            return strange
        return _answer(HTTPStatus.OK, {"nummer": entry.reference, **self._decided(entry)})

    def _decided(self, entry: BookEntry) -> dict[str, str]:
        if datetime.now(UTC) < entry.received_at + self.decides_after:
            return {"zustand": IN_PROGRESS}
        return {"zustand": REFUSED, "code": REFUSAL} if entry.submission_id in self.turned_down else {"zustand": ACCEPTED}

    def _tell(self, entry: BookEntry, status: HTTPStatus) -> Response:
        """Taken, but not decided: 202."""
        self._told[entry.reference] = entry
        return _answer(HTTPStatus.ACCEPTED if status is HTTPStatus.CREATED else status, {"nummer": entry.reference})


def _answer(status: HTTPStatus, attributes: dict[str, str]) -> Response:
    return Response(etree.tostring(etree.Element("vorgang", attributes), encoding="UTF-8"), status, media_type="application/xml")
