"""What is accepted can be published: the whole record is measured before it is stored, as Kafka will measure it."""

from __future__ import annotations

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder

from consumers.delivery import failures
from infra.kafka.outgoing import Outgoing, size_bytes
from producers.outbox.record import likeness_of, record_of
from schemas import headers, topics, xml
from schemas.copies import Place, headers_of_copy
from schemas.headers import CopyHeader, Header
from tests import builders, outboxes
from tests.calls import VALID, VALID_JSON
from tests.gateway import JSON, XML, Gateway, as_json, as_xml, problem_of

OFFICE = "muenchen.meldewesen"
LONGEST = {
    Header.TYPE: "t" * 200,
    Header.DATASCHEMA: "d" * 250,
    Header.PORTAL: "p" * 100,
    Header.SOURCE: "//stadtbus.example/portals/" + "p" * 100,
    Header.OFFICE: f"{'c' * 40}.{'o' * 40}",
    Header.CITY: "c" * 40,
    Header.TRACEPARENT: f"00-{'1' * 32}-{'1' * 16}-00",
}


@pytest.mark.parametrize("value", [None, b"", b"x", b"x" * 63, b"x" * 64, b"x" * 8_191, b"x" * 8_192, b"x" * 1_100_000])
@pytest.mark.parametrize("with_headers", [(), (("a", b"1"), ("b", None), ("ü" * 70, b"x" * 70))])
def test_a_record_is_as_large_as_its_batch(value: bytes | None, with_headers: tuple[tuple[str, bytes | None], ...]) -> None:
    """The size is that of a batch with the record alone, byte for byte."""
    batch = BatchBuilder(256 * 1024, 0, is_transactional=False, key_serializer=None, value_serializer=None)
    batch.append(timestamp=None, key=b"key", value=value, headers=list(with_headers))
    assert size_bytes(Outgoing("t", b"key", value, with_headers)) == batch.size()


@pytest.mark.parametrize(("body", "content_type"), [(VALID, XML), (VALID_JSON, JSON)], ids=["message", "form"])
async def test_one_byte_more_is_refused(bus: Gateway, monkeypatch: pytest.MonkeyPatch, body: bytes, content_type: str) -> None:
    """A record that fits to the byte is accepted, one byte more is refused with code and hint, and nothing of it is stored."""
    assert (await bus.post(body, content_type)).status_code == 202
    size = size_bytes(record_of((await builders.waiting(bus.box))[0]))
    another = builders.application()
    for limit, answer in ((size - 1, (413, "message-too-large")), (size, None)):
        monkeypatch.setattr(topics, "submission_limit_bytes", lambda _, limit=limit: limit)
        response = await bus.post(as_xml(another) if content_type == XML else as_json(another), content_type)
        assert (None if response.status_code == 202 else problem_of(response)) == answer
        assert len(await builders.waiting(bus.box)) == (1 if answer else 2)


def test_the_largest_message_fits_with_the_longest_headers() -> None:
    """What passes the limit of the body and the forms of the headers is never too large for topics as they are described."""
    candidate = outboxes.candidate(content=b"x" * xml.MAX_SIZE_BYTES)
    assert size_bytes(likeness_of(candidate)) + sum(map(len, LONGEST.values())) + 4_096 < topics.submission_limit_bytes(OFFICE)


def test_copies_of_the_largest_record_fit() -> None:
    """With the longest reasons and trace, in letters of four bytes, a copy of it stays within the topics of copies."""
    reason, name = "\N{GRINNING FACE}" * failures._LONGEST_REASON, "n" * 1_000
    block = dict.fromkeys(CopyHeader, name) | dict.fromkeys((CopyHeader.MESSAGE, CopyHeader.SPRING_MESSAGE), reason)
    block[CopyHeader.STACKTRACE] = "\N{GRINNING FACE}" * failures._LONGEST_TRACE
    largest = Outgoing("t", b"k", b"", [])
    copy = largest._replace(headers=headers_of_copy([], Place("t" * 249, 2, 2**62), block))
    assert size_bytes(copy) - size_bytes(largest) <= topics.LONGEST_BLOCK_BYTES
    for topic in topics.of_office(OFFICE)[1:]:
        assert topics.submission_limit_bytes(OFFICE) + topics.LONGEST_BLOCK_BYTES <= topic.max_message_bytes


async def test_no_header_of_any_length_is_stored(bus: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a header ever say what it may not, the submission is refused before it is stored, and the answer names the header only."""
    monkeypatch.setattr(headers, "misfit", lambda _: Header.TYPE)
    response = await bus.post(VALID)
    assert (problem_of(response), "ce_type" in response.text) == ((422, "name-not-carried"), True)
    assert await builders.waiting(bus.box) == []
