"""HTTP to a back office: what an answer, or none, means for a submission.

| what happens                                              | hand-over       | question        |
|-----------------------------------------------------------|-----------------|-----------------|
| 2xx                                                       | taken           | the answer      |
| no connection: refused, no such host, TLS, time-out       | DestinationDown | DestinationDown |
| no connection free in our own pool                        | Blip            | DestinationDown |
| time-out or break after the request may have gone out     | unclear         | DestinationDown |
| 401, 403, 404, 405, 407: our login or address is wrong    | DestinationDown | DestinationDown |
| 408, 425, 429: not looked at, come again                  | Blip            | DestinationDown |
| 409, 423: the case is in use                              | CaseNotReady    | DestinationDown |
| other 4xx                                                 | Refused         | DestinationDown |
| 503: says itself that it is not at work                   | DestinationDown | DestinationDown |
| all else; 500, 502 and 504 leave open what happened       | unclear         | DestinationDown |

A hand-over has an effect; a question (find, check, a token) has none and may be asked again. A wrong login or address of
ours says nothing about the submission, so it must not be refused for it. Where one office means something else by a
status, its adapter decides before it asks here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final, Protocol, Self

import httpx
from lxml import etree
from pydantic import Field, FilePath, HttpUrl, PositiveFloat, model_validator

from adapters.kit import UnclearAnswer
from infra.settings import Part
from schemas import xml
from schemas.errors import Blip, CaseNotReady, DeliveryFailure, DestinationDown, Refused, Rejected

MAX_CONNECTIONS: Final = 16
"""Requests beyond wait for a free one. Back offices serve few at a time, and httpx slows down with many."""

MAX_ANSWER_BYTES: Final = 1024 * 1024
"""A back office answers with a reference or a reason; what is longer is not an answer."""

_CAUSES: Final[Mapping[int, type[DeliveryFailure]]] = {
    **dict.fromkeys((401, 403, 404, 405, 407, 503), DestinationDown),
    **dict.fromkeys((408, 425, 429), Blip),
    **dict.fromkeys((409, 423), CaseNotReady),
}


class Login(Protocol):
    """How we say who we are: the value of the header `Authorization`."""

    async def header(self, refused: str = "") -> str:
        """The value; another one than `refused`, where there can be another.

        Raises:
            DestinationDown: there is none to be had.
        """

    async def close(self) -> None:
        """Give connections back."""


class HttpSettings(Part):
    """Where a back office is, how long to wait for a connection, and then for the answer. TLS 1.2 at least, and always verified."""

    url: HttpUrl = Field(description="Address of the back office's service.")
    connect_limit_s: PositiveFloat = Field(default=5, description="How long to wait for a connection.")
    answer_limit_s: PositiveFloat = Field(default=30, description="How long to wait for an answer; after it the outcome is unclear.")
    ca_file: FilePath | None = Field(default=None, description="Certificates (PEM) of the authorities to trust, instead of the system's.")
    certificate_file: FilePath | None = Field(default=None, description="Our own certificate (PEM), where the back office asks for one.")
    key_file: FilePath | None = Field(default=None, description="Its key (PEM), where it is not in the same file.")

    @model_validator(mode="after")
    def _certificates_can_be_read(self) -> Self:
        self.tls()
        return self

    def tls(self) -> ssl.SSLContext:
        """Whom we trust, and our own certificate.

        Raises:
            ValueError: a file does not hold what it should.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file is not None:
                context.load_cert_chain(self.certificate_file, self.key_file, password="")
        except OSError as error:  # an ssl.SSLError is one; its text names no secret
            raise ValueError(f"the certificates cannot be used: {error}") from None
        return context

    def login(self) -> Login | None:
        """Who we are to the back office; see `adapters.logins`."""
        return None


class HttpOffice:
    """The way to one back office; connections are kept and shared. Proxies of the environment are not used, redirects not followed."""

    def __init__(self, settings: HttpSettings, login: Login | None = None) -> None:
        self._root = str(settings.url).rstrip("/")
        self._login = login
        self._limit_s = settings.connect_limit_s + settings.answer_limit_s
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(settings.answer_limit_s, connect=settings.connect_limit_s, pool=settings.connect_limit_s),
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS),
            verify=settings.tls(),
            trust_env=False,
        )

    async def hand_over(self, path: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """POST something that has an effect. The status is not judged yet: see `check_taken`.

        Raises:
            Blip, DestinationDown: certainly nothing was handed over; anything else is unclear.
        """
        try:
            return await self._send("POST", path, content, headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise DestinationDown(f"no connection: {type(error).__name__}") from error
        except httpx.PoolTimeout as error:
            raise Blip("no connection free") from error

    async def ask(self, method: str, path: str, content: bytes = b"", headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Ask something that has no effect. The status is not judged yet: see `check_answered`.

        Raises:
            DestinationDown: there is no answer.
        """
        try:
            return await self._send(method, path, content, headers or {})
        except (httpx.TransportError, TimeoutError) as error:
            raise DestinationDown(f"no answer: {type(error).__name__}") from error

    async def _send(self, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """With our login; one that the back office refuses is renewed once, where it can be."""
        url = f"{self._root}/{path}" if path else self._root
        if self._login is None:
            return await self._exchange(method, url, content, headers)
        ours = await self._login.header()
        answer = await self._exchange(method, url, content, {**headers, "Authorization": ours})
        if answer.status_code == httpx.codes.UNAUTHORIZED and (renewed := await self._login.header(refused=ours)) != ours:
            return await self._exchange(method, url, content, {**headers, "Authorization": renewed})
        return answer

    async def _exchange(self, method: str, url: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        # httpx limits each read; a peer that sends byte by byte, or without end, would hold us for ever or fill our memory.
        async with asyncio.timeout(self._limit_s), self._client.stream(method, url, content=content, headers=headers) as answer:
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MAX_ANSWER_BYTES:
                    raise UnclearAnswer(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
            return httpx.Response(
                answer.status_code, headers=_without_encoding(answer.headers), content=bytes(body), request=answer.request
            )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        if self._login is not None:
            await self._login.close()


def _without_encoding(headers: httpx.Headers) -> list[tuple[str, str]]:
    """The body is decoded already."""
    return [(name, value) for name, value in headers.items() if name not in ("content-encoding", "content-length", "transfer-encoding")]


def check_taken(response: httpx.Response) -> None:
    """Return when a hand-over was taken.

    Raises:
        Blip, DestinationDown, CaseNotReady, Refused, UnclearAnswer: as in the table above.
    """
    if response.is_success:
        return
    reason = f"HTTP {response.status_code}"
    if cause := _CAUSES.get(response.status_code):
        raise cause(reason)
    if response.is_client_error:
        raise Refused(reason)
    raise UnclearAnswer(reason)


def check_answered(response: httpx.Response) -> None:
    """Return when a question was answered.

    Raises:
        DestinationDown: it was not.
    """
    if not response.is_success:
        raise DestinationDown(f"HTTP {response.status_code}")


def members(response: httpx.Response) -> dict[str, Any]:
    """What an answer says, by name: the members of a JSON object, or attributes and simple children of an XML root, without namespaces.

    Empty where the answer is something else, such as the error page of a proxy.
    """
    if "xml" in response.headers.get("Content-Type", ""):
        return _members_of_xml(response.content)
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _members_of_xml(content: bytes) -> dict[str, str]:
    try:
        root = xml.parse(content)
    except Rejected:
        return {}
    children = {etree.QName(child).localname: child.text or "" for child in root.iterchildren("*") if len(child) == 0}
    return children | {etree.QName(name).localname: str(value) for name, value in root.attrib.items()}
