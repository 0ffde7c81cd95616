"""XML of a back office, and documents of strangers, meet no parser in the process that holds the logins of the office."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import ValidationError

from adapters import kit, registry, xml_answers
from adapters.interface import Delivered, Received, TranslatesApart
from adapters.nuernberg.bau import NuernbergBau
from infra.process_pool import NotStarted
from schemas import xml
from schemas.errors import Rejected
from schemas.problems import READING_STALLED, TOO_COMPLEX
from tests import builders
from tests.offices import JSON, SOAP, XML, answer, created, document, envelope, rest, soap


@pytest.fixture
def _no_parser_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one place that parses XML fails in this process; workers have started before, or start anew from files."""

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("XML is parsed beside the logins")

    monkeypatch.setattr(xml, "parse", fail)
    monkeypatch.setattr(xml, "_parse", fail)


FOUND = envelope("<m:suchenAntwort><m:treffer><m:aktenzeichen>M-1</m:aktenzeichen></m:treffer></m:suchenAntwort>")


@pytest.mark.usefixtures("_no_parser_here")
async def test_nothing_is_parsed_beside_the_logins() -> None:
    """Answers in XML of both protocols, faults, and the document that goes into an envelope."""
    assert await soap(answer(created(), XML)).deliver(document(), 1) == Delivered("M-1")
    assert await soap(answer(FOUND, XML)).find(uuid4()) == Delivered("M-1")
    office = rest(answer("<v><aktenzeichen>K-1</aktenzeichen></v>", XML))
    assert await office.deliver(document(), 1) == await office.find(uuid4()) == Delivered("K-1")
    fault = envelope("<soap:Fault><faultcode>soap:Server</faultcode></soap:Fault>")
    with pytest.raises(kit.UnclearAnswer, match="SOAP fault"):
        await soap(answer(fault, XML, 500)).deliver(document(), 1)


@pytest.mark.usefixtures("_no_parser_here")
async def test_a_message_that_goes_on_as_it_is_meets_no_parser() -> None:
    """The building office gets the bytes of the portal, whatever they are."""
    adapter = registry.connect("nuernberg.bau", {"url": "https://office.example", "user": "u", "password": "p"})
    assert isinstance(adapter, NuernbergBau)
    assert isinstance(adapter, TranslatesApart)
    body = builders.permit().body
    one = Received(uuid4(), uuid4(), "nuernberg.bau", datetime(2026, 3, 1, tzinfo=UTC), body)
    made = await adapter.translate_apart(one)
    assert (made.content, made.name, made.submission_id) == (body, f"{one.id}.xml", one.id)
    await adapter.close()


async def test_it_is_another_process_and_locked() -> None:
    """Where an answer is parsed no file and no network is within reach."""
    await xml_answers.element(b"<a/>")
    pool = xml_answers._workers()
    assert pool.measures is not None
    assert {"no_new_privs", "limits"} <= set(pool.measures.in_force)
    assert {worker.process for worker in pool._idle}.isdisjoint({os.getpid()})


@pytest.mark.parametrize("error", [NotStarted("none"), Rejected(READING_STALLED, "slow"), RuntimeError("a defect")])
@pytest.mark.parametrize(
    ("make", "said"), [(soap, answer(created(), XML)), (rest, answer("<v><aktenzeichen>K</aktenzeichen></v>", XML, 201))]
)
async def test_without_a_worker_it_is_unclear(
    error: Exception, make: Callable[..., Any], said: httpx.Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The office may have the submission, and has said so; it is asked again, and nothing is refused."""

    async def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(xml_answers._workers(), "run", fail)
    with pytest.raises(kit.UnclearAnswer, match="process"):
        await make(said).deliver(document(), 1)


@pytest.mark.parametrize("length", [900, 400_000])
async def test_a_long_namespace_costs_no_more_than_a_frame(length: int) -> None:
    """A name that stands for each of many elements is not multiplied: such an answer cannot be read."""
    said = f"<v><a xmlns='{'n' * length}'>{'<b/>' * 15_000}</a></v>"
    with pytest.raises(kit.UnclearAnswer, match=TOO_COMPLEX.code):
        await rest(answer(said, XML)).deliver(document(), 1)


def line(depth: object, name: str = "a") -> str:
    """An element as a worker tells it."""
    return f'{{"depth":{depth},"name":"{name}","namespace":"","text":"","attributes":{{}}}}'


@pytest.mark.parametrize(
    "said",
    ["[]", "{}", "null", f"[{line(-1)}]", f"[{line(100)}]", f"[{line('true')}]", '[{"depth":0}]', f"[{','.join([line(0)] * 20_001)}]"],
    ids=["none", "object", "null", "negative", "deep", "no number", "half", "many"],
)
def test_lines_that_are_none(said: str) -> None:
    """What a worker hands back has its form, or is no answer."""
    with pytest.raises(ValidationError):
        xml_answers.READ.answered.validate_json(said, strict=True)


def test_lines_in_no_order() -> None:
    """Whatever depths a worker says, what is made of them is a tree no deeper than a document may be."""
    said = f"[{','.join(map(line, [50, 0, 99, 99, 99, 3, 98, *range(99, 0, -1)]))}]"
    found, deepest = [xml_answers._tree(xml_answers.READ.answered.validate_json(said, strict=True))], 0
    while found := [child for one in found for child in one.children]:
        deepest += 1
    assert deepest <= xml.MAX_DEPTH


async def test_what_json_says_needs_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """An office that answers in JSON starts none."""
    monkeypatch.setattr(xml_answers, "_workers", lambda: pytest.fail("a worker for JSON"))
    assert await rest(answer('{"aktenzeichen": "K-1"}', JSON)).deliver(document(), 1) == Delivered("K-1")


async def test_what_goes_into_an_envelope_stands_there_as_it_is() -> None:
    """Other than by its bytes a document is not touched, so it cannot be changed either."""
    sent: list[bytes] = []
    office = soap(answer(created(), XML))

    def take(request: httpx.Request) -> httpx.Response:
        sent.append(request.content)
        return answer(created(), XML)

    office._office._client = httpx.AsyncClient(transport=httpx.MockTransport(take))
    written = f"<m:{SOAP.create} xmlns:m='{SOAP.namespace}'><![CDATA[a < b]]><m:x  y = 'z' /></m:{SOAP.create}>"
    await office.deliver(document(written.encode()), 1)
    assert written.encode() in sent[0]
