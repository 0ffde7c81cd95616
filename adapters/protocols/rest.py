"""REST: `POST` hands over, `GET` by submission id finds. Answers are JSON or XML (`adapters.answers`).

The submission id travels as a header: a back office that knows it answers a repeated hand-over as it answered the first, without a
second effect. `find` asks before a repeat all the same, so a back office that does not know it has no second effect either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

import httpx

from adapters import kit
from adapters.http import MAX_CONNECTIONS, HttpOffice, HttpSettings, answer, check_answered, check_taken, members
from adapters.interface import Delivered, Document
from schemas.errors import DestinationDown, Refused


@dataclass(frozen=True, slots=True)
class Rest:
    """The names of one back office. Adapter and twin share them."""

    collection: str
    """Path below the `url` of the settings: `POST` here, `GET` of `<collection>/<submission id>`."""
    state: str
    """Path that tells `version` and `uhrzeit`."""
    id_header: str = "Idempotency-Key"
    """Header of a hand-over that carries the submission id."""
    reference: str = "aktenzeichen"
    """What the answer calls the back office's own number; names from the outside in where it lies deeper, such as `vorgang/aktenzeichen`."""
    unknown: str = "UNBEKANNT"
    """Code beside 404: there is none with this id. A 404 without it may come from anywhere on the way."""
    used: str = "SCHLUESSEL_VERWENDET"
    """Code beside 409: this id came with other content before. Waiting, as for other conflicts, would not help."""


class RestAdapter:
    """Hands over to a REST service. A subclass says `rest`, `translate`, and perhaps another login as `Settings`."""

    rest: ClassVar[Rest]
    max_concurrency = MAX_CONNECTIONS

    def __init__(self, settings: HttpSettings) -> None:
        self.office = HttpOffice(settings, settings.login())

    async def deliver(self, document: Document, attempt: int) -> Delivered:  # noqa: ARG002 - the contract has it
        """Hand over under the submission id.

        Raises:
            Blip, DestinationDown, CaseNotReady, Refused: see `adapters.http`; anything else is unclear.
        """
        headers = {"Content-Type": document.content_type, self.rest.id_header: str(document.submission_id)}
        response = await self.office.deliver(self.rest.collection, document.content, headers)
        code = kit.text((await members(response)).get("code"))
        if response.status_code == httpx.codes.CONFLICT and code == self.rest.used:
            raise Refused(self.rest.used)
        if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            raise Refused(kit.reason_code(code))
        check_taken(response, code and kit.reason_code(code))
        return await self._delivered(response)

    async def find(self, submission_id: UUID) -> Delivered | None:
        """Get by submission id.

        Raises:
            DestinationDown: no answer.
            UnclearAnswer: an answer that does not say it, or somebody else's.
        """
        response = await self.office.ask("GET", f"{self.rest.collection}/{submission_id}")
        if response.status_code == httpx.codes.NOT_FOUND and kit.text((await members(response)).get("code")) == self.rest.unknown:
            return None
        check_answered(response)
        return await self._delivered(response)

    async def check(self) -> str:
        """Version and clock, as the back office states them.

        Raises:
            DestinationDown: no answer.
        """
        response = await self.office.ask("GET", self.rest.state)
        check_answered(response)
        state = await members(response)
        if not state:
            raise DestinationDown("the answer says nothing of its state")
        return f"REST, version {kit.one_line(state.get('version'))}, clock {kit.one_line(state.get('uhrzeit'))}"

    async def close(self) -> None:
        """Give connections back."""
        await self.office.close()

    async def _delivered(self, response: httpx.Response) -> Delivered:
        said: Any = await answer(response)
        for name in self.rest.reference.split("/"):
            said = said.get(name) if isinstance(said, dict) else None
        return kit.delivered(said, self.rest.reference)
