"""Adapter to the registration office of Nürnberg: REST and JSON, OAuth 2 client credentials (RFC 6749, 4.4).

The submission id travels as `Idempotency-Key`: the back office answers a repeated hand-over as it answered the first, without
a second effect. Paths and JSON are plausible inventions, not those of a real product.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any, Final
from uuid import UUID

import httpx
from pydantic import Field, SecretStr

from adapters import kit
from adapters.http import MAX_CONNECTIONS, HttpOffice, HttpSettings, check_answered, check_taken
from adapters.interface import Delivered, Document, Submission
from schemas.errors import DestinationDown, Refused
from schemas.message import Address, Form, Person

FIELDS: Final = {
    "F99000101": "einzugsdatum",
    "F99000102": "strasse",
    "F99000103": "hausnummer",
    "F99000104": "postleitzahl",
    "F99000105": "ort",
    "F99000106": "wohnungsgeber",
    "F99000107": "staatsangehoerigkeiten",
    "F99000108": "wohnungsart",
}
"""Field of the form -> member of `wohnung`, each a list of values."""
REQUIRED: Final = ("F99000101", "F99000102", "F99000103", "F99000104", "F99000105")

TOKEN_PATH: Final = "oauth/token"  # noqa: S105 - a path
REGISTRATIONS: Final = "v1/anmeldungen"
SYSTEM: Final = "v1/system"

KEY_USED: Final = "SCHLUESSEL_VERWENDET"
"""Code beside 409: this Idempotency-Key came with other content before."""
UNKNOWN: Final = "UNBEKANNT"
"""Code beside 404: there is no registration with this id. A 404 without it may come from anywhere on the way."""


class NuernbergMeldewesen:
    """Hands registrations of residence (Wohnsitz anmelden) to Nürnberg."""

    at_once = MAX_CONNECTIONS

    class Settings(HttpSettings):
        """`url` is the root that `oauth/token` and `v1/…` hang on."""

        client_id: str = Field(description="OAuth2 client.")
        client_secret: SecretStr = Field(description="Its secret.")

    def __init__(self, settings: Settings) -> None:
        self._root = str(settings.url).rstrip("/")
        self._office = HttpOffice(settings)
        login = HttpOffice(settings, httpx.BasicAuth(settings.client_id, settings.client_secret.get_secret_value()))
        self._tokens = _Tokens(login, f"{self._root}/{TOKEN_PATH}")

    def translate(self, submission: Submission) -> Document:
        """JSON with sorted members, one entry of `personen` per applicant in the order of the application.

        Raises:
            Refused: a required field is missing, or an applicant is not a person.
        """
        application = submission.application
        kit.require(application.form, REQUIRED)
        registration = {
            "antragsnummer": str(submission.id),
            "vorgang": str(submission.case_id),
            "eingang": submission.accepted_at.astimezone(UTC).isoformat(timespec="seconds"),
            "test": application.test,
            "wohnung": _dwelling(application.form),
            "personen": [_person(person) for person in kit.persons(application)],
        }
        content = json.dumps(registration, ensure_ascii=False, sort_keys=True).encode()
        return Document(submission.id, f"{submission.id}.json", "application/json", content)

    async def deliver(self, document: Document, attempt: int) -> Delivered:  # noqa: ARG002 - the contract has it
        """Create the registration, once per submission id.

        Raises:
            Blip, DestinationDown, CaseNotReady, Refused: see `adapters.http`; anything else is unclear.
        """
        headers = {"Content-Type": document.content_type, "Idempotency-Key": str(document.submission_id)}
        url = f"{self._root}/{REGISTRATIONS}"
        response = await self._authorised(lambda bearer: self._office.hand_over(url, document.content, headers | bearer))
        if response.status_code == httpx.codes.CONFLICT and _code(response) == KEY_USED:
            raise Refused(KEY_USED)  # waiting, as for other conflicts, would not help
        if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            raise Refused(kit.reason_code(_code(response)))
        check_taken(response)
        return _delivered(response)

    async def find(self, submission_id: UUID) -> Delivered | None:
        """Get the registration by submission id.

        Raises:
            DestinationDown: no answer.
            UnclearAnswer: an answer that does not say it.
        """
        response = await self._get(f"{REGISTRATIONS}/{submission_id}")
        if response.status_code == httpx.codes.NOT_FOUND and _code(response) == UNKNOWN:
            return None
        check_answered(response)
        return _delivered(response)

    async def check(self) -> str:
        """Version and clock, as the back office states them.

        Raises:
            DestinationDown: no answer.
        """
        response = await self._get(SYSTEM)
        check_answered(response)
        state = _members(response)
        return f"REST, version {state.get('version')}, clock {state.get('uhrzeit')}"

    async def close(self) -> None:
        """Give connections back."""
        await self._office.close()
        await self._tokens.close()

    async def _get(self, path: str) -> httpx.Response:
        return await self._authorised(lambda bearer: self._office.ask("GET", f"{self._root}/{path}", headers=bearer))

    async def _authorised(self, send: Callable[[dict[str, str]], Awaitable[httpx.Response]]) -> httpx.Response:
        """Send with a token; a token that the back office refuses is renewed once."""
        token = await self._tokens.get()
        response = await send({"Authorization": f"Bearer {token}"})
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return response
        return await send({"Authorization": f"Bearer {await self._tokens.get(refused=token)}"})


class _Tokens:
    """The current token, kept for nine tenths of its life. Whoever needs a new one waits for one renewal together."""

    def __init__(self, login: HttpOffice, url: str) -> None:
        self._login = login
        self._url = url
        self._renewal = asyncio.Lock()
        self._token = ""
        self._renew_at = 0.0

    async def get(self, refused: str = "") -> str:
        """A token other than the refused one.

        Raises:
            DestinationDown: there is none to be had.
        """
        async with self._renewal:
            if self._token == refused or time.monotonic() >= self._renew_at:
                await self._renew()
            return self._token

    async def _renew(self) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        asked_at = time.monotonic()
        response = await self._login.ask("POST", self._url, b"grant_type=client_credentials", headers)
        check_answered(response)
        try:
            answer = response.json()
            self._token, self._renew_at = str(answer["access_token"]), asked_at + 0.9 * float(answer["expires_in"])
        except (ValueError, KeyError, TypeError):  # the error holds the answer, and so perhaps a token
            raise DestinationDown("the token endpoint did not answer with a token") from None

    async def close(self) -> None:
        """Give connections back."""
        await self._login.close()


def _dwelling(form: Form) -> dict[str, tuple[str, ...]]:
    return {name: kit.values(form, field_id) for field_id, name in FIELDS.items()}


def _person(person: Person) -> dict[str, object]:
    """A name of null means that the person has no such name."""
    return {
        "familienname": person.family_name,
        "vornamen": person.given_names,
        "geburtsname": person.birth_name,
        "geburtsdatum": person.birth_date,
        "bisherige_anschrift": None if person.address is None else _address(person.address),
    }


def _address(address: Address) -> dict[str, str | None]:
    return {
        "strasse": address.street,
        "hausnummer": address.house_number,
        "zusatz": address.addition,
        "postleitzahl": address.postal_code,
        "ort": address.city,
        "staat": address.country,
    }


def _delivered(response: httpx.Response) -> Delivered:
    reference = _members(response).get("aktenzeichen")
    if not isinstance(reference, str) or not reference:
        raise kit.UnclearAnswer("the answer has no aktenzeichen")
    return Delivered(reference)


def _code(response: httpx.Response) -> object:
    return _members(response).get("code")


def _members(response: httpx.Response) -> dict[str, Any]:
    """The JSON object answered; empty where the answer is something else, such as the error page of a proxy."""
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
