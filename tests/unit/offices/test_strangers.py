"""What is no answer of the back office says nothing about a submission; and how long an office wants to be left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from adapters import kit
from adapters.http import HttpOffice, HttpSettings, check_answered, check_taken, retry_after_s
from adapters.interface import Delivered
from schemas.errors import DestinationDown
from tests.offices import JSON, PAGE, SETTINGS, XML, OfRest, answer, document, envelope, rest, soap


@pytest.mark.parametrize(
    "said",
    [
        answer(PAGE, "text/html"),
        answer(PAGE, "text/html; charset=utf-8", 201),
        answer(b"\n<html lang='de'><head/></html>", JSON),
        answer(b"<html xmlns='http://www.w3.org/1999/xhtml'><head/></html>", "application/xhtml+xml"),
        answer(b"", JSON),
        answer(b"", None, 204),
        answer(b"  \r\n", XML),
        answer("Please log in", "text/plain"),
        answer(b"\x89PNG\r\n", "image/png"),
        answer(b"", None, 302, Location="https://login.example/"),
        answer(PAGE, "text/html", 307),
        answer(PAGE, "text/html", 502),
        answer(b"", None, 504),
    ],
    ids=["page", "page 201", "page as JSON", "XHTML", "empty", "204", "blank", "text", "picture", "302", "307", "502", "504"],
)
@pytest.mark.parametrize("make", [rest, soap])
async def test_somebody_else_answers(make: Callable[..., Any], said: httpx.Response) -> None:
    """A page, nothing, another kind of content: the submission may be there, so `find` is asked first; the office counts as down."""
    office = make(said)
    with pytest.raises(kit.NotTheOffice):
        await office.deliver(document(), 1)
    for question in (office.find(uuid4()), office.check()):
        with pytest.raises((DestinationDown, kit.NotTheOffice)):
            await question


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (rest, answer(b'{"aktenzeichen": ', JSON)),
        (rest, answer('{"error": "maintenance"}', JSON)),
        (soap, answer(b"<soap:Envelope", XML)),
        (soap, answer(envelope(""), XML)),
        (soap, answer(b"", XML, 500)),
        (rest, answer(PAGE, "text/html", 500)),
    ],
)
async def test_a_broken_answer_is_a_matter_of_its_submission(make: Callable[..., Any], said: httpx.Response) -> None:
    """What the office itself answers, and cannot be read, does not stop the others: it is unclear, and a try counts."""
    with pytest.raises(kit.UnclearAnswer) as caught:
        await make(said).deliver(document(), 1)
    assert not isinstance(caught.value, kit.NotTheOffice)


@pytest.mark.parametrize(
    "said", [answer('{"message": "no route"}', JSON), answer("<wartung/>", XML), answer("<error/>", "application/problem+xml")]
)
async def test_what_is_not_soap_is_not_the_soap_office(said: httpx.Response) -> None:
    """JSON, or XML that is no envelope, is what a gateway says: no try counts."""
    for call in (soap(said).deliver(document(), 1), soap(said).find(uuid4())):
        with pytest.raises(kit.NotTheOffice):
            await call


@pytest.mark.parametrize("page", [PAGE, b"<h1>Wartungsarbeiten</h1>", b" <div>Bad Request - Invalid Hostname</div>"])
@pytest.mark.parametrize("status", [400, 406, 410, 413, 451])
@pytest.mark.parametrize("make", [rest, soap])
async def test_a_page_refuses_nothing(make: Callable[..., Any], status: int, page: bytes) -> None:
    """Beside a status of the client's fault too, a page for people is no refusal: it is asked for, and tried again."""
    with pytest.raises(kit.UnclearAnswer, match=f"^HTTP {status} with a page for people$"):
        await make(answer(page, "text/html", status)).deliver(document(), 1)
    with pytest.raises(DestinationDown):
        await make(answer(page, "text/html", status)).find(uuid4())


@pytest.mark.parametrize("page", [b"<!-- " + b"x" * 2000 + b" --><html><head/></html>", b"<h1>Wartung</h1>", b"<center>Wartung</center>"])
@pytest.mark.parametrize("make", [rest, soap])
async def test_pages_without_their_first_line(make: Callable[..., Any], page: bytes) -> None:
    """A page is one behind a long comment, and where it has no `<html>`."""
    with pytest.raises(kit.NotTheOffice):
        await make(answer(page, "text/html")).deliver(document(), 1)


@pytest.mark.parametrize("body", ["", '{"fault": {"faultstring": "Policy"}}', "<error/>"])
async def test_a_soap_office_refuses_by_faults_only(body: str) -> None:
    """A status of the client's fault without a fault is of somebody on the way; it ends no submission at once."""
    with pytest.raises(kit.UnclearAnswer, match=r"^HTTP 400, without a fault$"):
        await soap(answer(body, JSON, 400)).deliver(document(), 1)


@pytest.mark.parametrize("status", [421, 426])
async def test_another_host_or_protocol_is_wanted(status: int) -> None:
    """That our address is wrong says nothing about a submission."""
    with pytest.raises(DestinationDown, match=f"HTTP {status}"):
        await rest(answer("", None, status)).deliver(document(), 1)


def test_pages_are_known_to_every_adapter_of_the_kit() -> None:
    """Who only checks the status is protected as well; a program's answer with the content type of a page is none."""
    with pytest.raises(kit.NotTheOffice):
        check_taken(answer(PAGE, "text/html"))
    with pytest.raises(DestinationDown):
        check_answered(answer(PAGE, "text/html"))
    check_taken(answer('{"aktenzeichen": 1}', "text/html"))
    check_answered(answer("fine", "text/plain"))


@pytest.mark.parametrize("letters", ["über".encode("latin-1"), "über".encode(), b"\x80\xff"])
async def test_letters_in_headers(letters: bytes) -> None:
    """What stands in a header that nobody reads does no harm, in whatever letters."""

    def give(_: httpx.Request) -> httpx.Response:
        headers = [(b"X-Hinweis", letters), (b"Content-Type", b"application/json"), (b"Retry-After", b"1"), (b"Retry-After", b"3")]
        return httpx.Response(200, headers=headers, content=b'{"aktenzeichen": "K-1"}')

    office = OfRest(SETTINGS)
    office.office._client = httpx.AsyncClient(transport=httpx.MockTransport(give))
    assert await office.deliver(document(), 1) == await office.find(uuid4()) == Delivered("K-1")
    assert retry_after_s(await office.office.ask("GET", "")) == 3


async def test_an_answer_that_is_not_packed_as_it_says() -> None:
    """A question whose answer cannot be unpacked has no answer."""

    def give(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"not packed"))

    office = OfRest(SETTINGS)
    office.office._client = httpx.AsyncClient(transport=httpx.MockTransport(give))
    with pytest.raises(DestinationDown, match="DecodingError"):
        await office.find(uuid4())


async def test_why_there_is_no_connection() -> None:
    """The kind of failure is said, not the library's wrapping of it."""
    office = HttpOffice(HttpSettings.model_validate({"url": "http://127.0.0.1:1/"}))
    with pytest.raises(DestinationDown, match=r"^no connection: ConnectionRefusedError$"):
        await office.deliver("", b"", {})
    with pytest.raises(DestinationDown, match=r"^no answer: ConnectionRefusedError$"):
        await office.ask("GET", "")
    await office.close()


@pytest.mark.parametrize(
    ("said", "wait_s"),
    [
        ("25", 25),
        (" 0 ", 0),
        ("Sun, 01 Mar 2026 09:30:25 GMT", 25),
        ("Sun, 01 Mar 2026 09:30:25", 25),
        ("Sun, 01 Mar 2026 09:29:00 GMT", 0),
        ("99999999999999999999999", 1e23),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after(said: str, wait_s: float | None) -> None:
    """Seconds, or a time by the clock of who says it; anything else says nothing."""
    told = retry_after_s(answer("", status=429, Retry_After=said, Date="Sun, 01 Mar 2026 09:30:00 GMT"))
    assert told == (None if wait_s is None else pytest.approx(wait_s))


def test_retry_after_twice() -> None:
    """Where a proxy adds its own, both are kept."""
    said = httpx.Response(429, headers=[("Retry-After", "5"), ("Retry-After", "120"), ("Retry-After", "soon")])
    assert retry_after_s(said) == 120


def test_retry_after_without_a_date() -> None:
    """Without the clock of who says it, ours has to do."""
    told = retry_after_s(answer("", status=503, Retry_After=datetime(2126, 1, 1, tzinfo=UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")))
    assert told is not None
    assert told > 1e9


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("make", [rest, soap])
async def test_the_office_says_how_long(make: Callable[..., Any], status: int) -> None:
    """Who answers 429 or 503 is down for everybody, as long as it says; a question hears the same."""
    said = answer(json.dumps({"code": "ZU_VIELE"}), JSON, status, Retry_After="25")
    office = make(said)
    for call in (office.deliver(document(), 1), office.find(uuid4()), office.check()):
        with pytest.raises(DestinationDown, match=f"HTTP {status}") as caught:
            await call
        assert caught.value.retry_after_s == 25
