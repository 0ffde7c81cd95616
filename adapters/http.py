"""HTTP to a back office: what an answer, or none, means for a submission.

| what happens                                              | hand-over         | question        |
|-----------------------------------------------------------|-------------------|-----------------|
| 2xx                                                       | taken             | the answer      |
| no connection: refused, no such host, TLS, time-out       | DestinationDown   | DestinationDown |
| no connection free in our own pool                        | Blip              | DestinationDown |
| time-out or break after the request may have gone out     | unclear           | DestinationDown |
| 401, 403, 404, 405, 407: our login or address is wrong    | DestinationDown   | DestinationDown |
| 429: too much comes from us                               | DestinationDown   | DestinationDown |
| 503: says itself that it is not at work                   | DestinationDown   | DestinationDown |
| 511: the network wants a login                            | DestinationDown   | DestinationDown |
| 408, 425: not looked at, come again                       | Blip              | DestinationDown |
| 409, 423: the case is in use                              | CaseNotReady      | DestinationDown |
| 421, 426: not this host, not this protocol                | DestinationDown   | DestinationDown |
| other 4xx with a page for people, which refuses nothing   | unclear           | DestinationDown |
| other 4xx                                                 | Refused           | DestinationDown |
| 3xx: a login page, another place                          | unclear, and down | DestinationDown |
| 502, 504: somebody on the way did not get to it           | unclear, and down | DestinationDown |
| 2xx with what is not of the protocol: a page for people,  | unclear, and down | DestinationDown |
| nothing, another kind of content                          |                   |                 |
| 2xx of the protocol's kind of content that cannot be read | unclear           | unclear         |
| all else; 500 leaves open what happened                   | unclear           | DestinationDown |

A hand-over has an effect; a question (find, check, a token) has none and may be asked again. A wrong login or address of
ours says nothing about the submission, so it must not be refused for it. *Unclear, and down* is `kit.NotTheOffice`: no try counts, the
office waits, and it is asked before anything is sent again. Where an answer has `Retry-After`, a DestinationDown lasts as long.
Where one office means something else by a status, its adapter decides before it asks here.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Final, Protocol, Self, cast

import httpx
from pydantic import AfterValidator, Field, FilePath, HttpUrl, PositiveFloat, ValidationInfo, model_validator

from adapters import answers, xml_answers
from adapters.kit import NotTheOffice, UnclearAnswer
from adapters.unpacking import PACKINGS, TooLong, Unpacking
from infra.addresses import is_loopback
from infra.settings import Part
from schemas.errors import Blip, CaseNotReady, DeliveryFailure, DestinationDown, Refused

MAX_CONNECTIONS: Final = 16
"""Requests beyond wait for a free one. Back offices serve few at a time, and httpx slows down with many."""

MAX_ANSWER_BYTES: Final = 1024 * 1024
"""A back office answers with a reference or a reason; what is longer is not an answer."""

_CAUSES: Final[Mapping[int, type[DeliveryFailure]]] = {
    **dict.fromkeys((401, 403, 404, 405, 407, 421, 426, 429, 503, 511), DestinationDown),
    **dict.fromkeys((408, 425), Blip),
    **dict.fromkeys((409, 423), CaseNotReady),
}
_FROM_ON_THE_WAY: Final = (502, 504)
DATA: Final = re.compile(r"(application|text)/(xml|json)|[^/]+/[^/]+\+(xml|json)|multipart/.+")
"""Kinds of content that programs answer with."""
_OF_THE_BODY: Final = (b"content-encoding", b"content-length", b"transfer-encoding")
_PAGES: Final = ("text/html", "application/xhtml+xml")
_PAGE: Final = re.compile(rb"<(!doctype\s+html|html)\b|\A\s*<(head|title|body|h[1-6]|p|div|center)\b", re.IGNORECASE)
_PAGE_WITHIN_BYTES: Final = 1024


class Login(Protocol):
    """How we say who we are: the value of the header `Authorization`. Called by `HttpOffice`, for many requests at the same time."""

    async def header(self, refused: str = "") -> str:
        """The value. Called before each request, and once more, with the value that was refused, after a 401: where another one comes then,
        the request is sent again with it. It may wait for a token endpoint, but must not block the loop.

        Raises:
            DestinationDown: there is none to be had; the request is not sent.
        """

    async def close(self) -> None:
        """Give connections back. Called once, after the last request."""


def _safe(url: HttpUrl, given: ValidationInfo) -> HttpUrl:
    """Raises ValueError for an address with a login in it, and for clear text beyond this machine. What stands there is not quoted."""
    if url.username is not None or url.password is not None:
        raise ValueError("there is a login in the address, which stands in logs of others: write it into the settings beside it")
    if url.scheme != "https" and not is_loopback(url.host or "") and not given.data.get("allow_clear_text"):
        raise ValueError(
            "content and login would travel in clear: write https://, or, where the network is yours alone, allow_clear_text: true"
        )
    return url


SafeUrl = Annotated[HttpUrl, AfterValidator(_safe)]
"""An address for logins and contents: https, and http only on this machine or where `allow_clear_text` of the same settings says so."""


class HttpSettings(Part):
    """Where a back office is, how long to wait for a connection, and then for the answer. TLS 1.2 at least, and always verified."""

    allow_clear_text: bool = Field(
        default=False, description="Take http:// beyond this machine. Whoever sees the network then reads contents and logins."
    )
    url: SafeUrl = Field(description="Address of the back office's service: https://, on this machine also http://.")
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
        """The authorities that we trust, and our own certificate, for TLS.

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
        """How requests log in, called once for each adapter; None for requests without a login. `adapters.logins` has others."""
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
            headers={"Accept-Encoding": ", ".join(PACKINGS)},
            trust_env=False,
        )

    async def deliver(self, path: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """POST something that has an effect. The status is not judged yet: see `check_taken`.

        Raises:
            Blip, DestinationDown: certainly nothing was handed over; anything else is unclear.
        """
        try:
            return await self._send("POST", path, content, headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise DestinationDown(f"no connection: {_kind(error)}") from error
        except httpx.PoolTimeout as error:
            raise Blip("no connection free") from error

    async def ask(self, method: str, path: str, content: bytes = b"", headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Ask something that has no effect. The status is not judged yet: see `check_answered`.

        Raises:
            DestinationDown: there is no answer.
        """
        try:
            return await self._send(method, path, content, headers or {})
        except (httpx.RequestError, TimeoutError) as error:
            raise DestinationDown(f"no answer: {_kind(error)}") from error

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
            body = await _body(answer)
            return httpx.Response(answer.status_code, headers=_without_encoding(answer.headers), content=body, request=answer.request)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        if self._login is not None:
            await self._login.close()


async def _body(answer: httpx.Response) -> bytes:
    unpacking = Unpacking(answer.headers.get("Content-Encoding", ""), MAX_ANSWER_BYTES)
    try:
        async for part in cast("httpx.AsyncByteStream", answer.stream):  # as it comes: httpx would unpack a whole part at once
            unpacking.add(part)
    except TooLong:
        raise UnclearAnswer(f"an answer of more than {MAX_ANSWER_BYTES} bytes") from None
    except zlib.error:
        raise httpx.DecodingError("the answer cannot be unpacked") from None
    return unpacking.body()


def _kind(error: BaseException) -> str:
    """The class of what failed in the system below, where it is known: an untrusted certificate is another matter than a closed port."""
    kind, below = type(error), error.__cause__ or error.__context__
    while below is not None:
        if isinstance(below, OSError) and type(below) not in (OSError, TimeoutError):
            kind = type(below)
        below = below.__cause__ or below.__context__
    return kind.__name__


def _without_encoding(headers: httpx.Headers) -> list[tuple[bytes, bytes]]:
    """The headers without those that speak of the encoded body. As bytes, because a value may have letters that are not ASCII."""
    return [(name, value) for name, value in headers.raw if name.lower() not in _OF_THE_BODY]


def check_taken(response: httpx.Response, code: str = "") -> None:
    """Return when a hand-over was taken. `code` is the back office's own, fit for logs (`kit.reason_code`), where it gave one.

    Raises:
        Blip, DestinationDown, CaseNotReady, Refused, UnclearAnswer, NotTheOffice: as in the table above.
    """
    reason = f"HTTP {response.status_code} {code}".strip()
    if response.is_success:
        if _is_page(response):
            raise NotTheOffice(f"{reason} with a page for people")
        return
    if (cause := by_status(response, reason)) is not None:
        raise cause
    if _is_page(response):
        raise UnclearAnswer(f"{reason} with a page for people")
    raise Refused(reason) if response.is_client_error else UnclearAnswer(reason)


def by_status(response: httpx.Response, reason: str) -> DeliveryFailure | NotTheOffice | None:
    """What a status by itself means for a hand-over, as in the table above; None where that depends on who says it."""
    cause = _CAUSES.get(response.status_code)
    if cause is DestinationDown:
        return DestinationDown(reason, retry_after_s(response))
    if cause is not None:
        return cause(reason)
    on_the_way = response.is_redirect or response.status_code in _FROM_ON_THE_WAY
    return NotTheOffice(reason) if on_the_way else None


def check_answered(response: httpx.Response) -> None:
    """Return when a question was answered.

    Raises:
        DestinationDown: it was not.
    """
    reason = f"HTTP {response.status_code}"
    if not response.is_success:
        raise DestinationDown(reason, retry_after_s(response))
    if _is_page(response):
        raise DestinationDown(f"{reason} with a page for people")


def retry_after_s(response: httpx.Response) -> float | None:
    """How long the back office wants to be left alone, where it says so: `Retry-After` in seconds or as a time of its own clock."""
    now = _time(response.headers.get("Date", "")) or datetime.now(UTC)
    told = (_wait_s(said.strip(), now) for said in response.headers.get_list("Retry-After"))  # a proxy may add one of its own
    return max((wait_s for wait_s in told if wait_s is not None), default=None)


def _wait_s(said: str, now: datetime) -> float | None:
    if said.isascii() and said.isdigit():
        return float(said)
    until = _time(said)
    return None if until is None else max(0.0, (until - now).total_seconds())


def _time(text: str) -> datetime | None:
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return time.replace(tzinfo=time.tzinfo or UTC)


async def members(response: httpx.Response) -> dict[str, Any]:
    """What an answer says, by name (`xml_answers.members`); empty where it cannot be read, such as the error page of a proxy."""
    try:
        return await answer(response)
    except UnclearAnswer:
        return {}


async def answer(response: httpx.Response) -> dict[str, Any]:
    """What an answer says, by name (`xml_answers.members`).

    Raises:
        UnclearAnswer: it cannot be read; NotTheOffice where it is not one of the back office.
    """
    try:
        return await xml_answers.members(response.content, response.headers.get("Content-Type", ""))
    except answers.Unreadable as error:
        raise unreadable(response, error) from None


def unreadable(response: httpx.Response, error: answers.Unreadable, data: re.Pattern[str] = DATA) -> UnclearAnswer:
    """What it means that an answer cannot be read: by its kind of content, it is the back office's or somebody else's. `data` are the
    kinds of content that the back office answers with.
    """
    reason = f"HTTP {response.status_code}, and the answer is {error}"
    content_type = _media_type(response)
    foreign = isinstance(error, answers.Foreign) or content_type in _PAGES or _looks_like_a_page(response)
    if response.content.strip() and data.fullmatch(content_type) and not foreign:
        return UnclearAnswer(reason)
    return NotTheOffice(reason)


def _is_page(response: httpx.Response) -> bool:
    return _media_type(response) in _PAGES and _looks_like_a_page(response)


def _looks_like_a_page(response: httpx.Response) -> bool:
    return _PAGE.search(response.content[:_PAGE_WITHIN_BYTES]) is not None


def _media_type(response: httpx.Response) -> str:
    content_type: str = response.headers.get("Content-Type", "")
    return content_type.partition(";")[0].strip().lower()
