"""REST and SOAP offices without sockets, whose answers a test gives."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx

from adapters.http import HttpSettings
from adapters.interface import Document
from adapters.protocols.rest import Rest, RestAdapter
from adapters.protocols.soap import Soap, SoapAdapter

CANARY = "Kanarienvogel"

NAMESPACE = "urn:office"

SOAP = Soap(namespace=NAMESPACE, create="anlegen", search="suchen", state="stand")

SETTINGS = HttpSettings.model_validate({"url": "https://office.example/dienst"})

PAGE = b"<!DOCTYPE html><html><body>Wartungsarbeiten bis 6 Uhr</body></html>"

XML, JSON = "text/xml; charset=utf-8", "application/json"


class OfRest(RestAdapter):
    """A REST office."""

    rest = Rest(collection="antraege", state="stand")


class OfSoap(SoapAdapter):
    """A SOAP office."""

    soap = SOAP


def answer(content: bytes | str, content_type: str | None = None, status: int = 200, **headers: str) -> httpx.Response:
    """What an office answers; without a content type unless one is given."""
    body = content.encode() if isinstance(content, str) else content
    more = {} if content_type is None else {"Content-Type": content_type}
    return httpx.Response(status, headers=more | {name.replace("_", "-"): value for name, value in headers.items()}, content=body)


def rest(*said: httpx.Response, adapter: type[RestAdapter] = OfRest) -> RestAdapter:
    """An adapter whose office answers so, one after the other."""
    made: RestAdapter = connected(adapter)
    made.office._client = client(said)
    return made


def soap(*said: httpx.Response, adapter: type[SoapAdapter] = OfSoap) -> SoapAdapter:
    """The same for SOAP."""
    made: SoapAdapter = connected(adapter)
    made._office._client = client(said)
    return made


def connected(adapter: Any) -> Any:
    """One for all tests: to read the certificates takes a tenth of a second."""
    if adapter not in _CONNECTED:
        _CONNECTED[adapter] = adapter(SETTINGS)
    return _CONNECTED[adapter]


_CONNECTED: dict[Any, Any] = {}


def client(said: tuple[httpx.Response, ...]) -> httpx.AsyncClient:
    """Answers that come from no socket; the last one again and again."""
    left = list(said)

    def give(_: httpx.Request) -> httpx.Response:
        one = left.pop(0) if len(left) > 1 else left[0]
        return httpx.Response(one.status_code, headers=one.headers, content=one.content)

    return httpx.AsyncClient(transport=httpx.MockTransport(give))


def document(content: bytes = b"<m:anlegen xmlns:m='urn:office'/>", content_type: str = "application/xml") -> Document:
    """Something to hand over."""
    number = uuid4()
    return Document(number, f"{number}.xml", content_type, content)


def envelope(inner: str, version: str = "http://schemas.xmlsoap.org/soap/envelope/") -> str:
    """An envelope, without a declaration."""
    return f'<soap:Envelope xmlns:soap="{version}" xmlns:m="{NAMESPACE}"><soap:Body>{inner}</soap:Body></soap:Envelope>'


def created(reference: str = "M-1") -> str:
    """The answer to `anlegen`, with letters in a field that nobody reads."""
    return envelope(
        f"<m:anlegenAntwort><m:hinweis>Für Köln: Łódź?</m:hinweis><m:aktenzeichen>{reference}</m:aktenzeichen></m:anlegenAntwort>"
    )


def latin(text: str) -> str:
    """Letters that ISO-8859-1 has."""
    return text.replace("Łódź", "Lodz")
