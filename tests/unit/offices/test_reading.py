"""Answers of back offices are read as they declare themselves, however odd."""

from __future__ import annotations

import contextlib
import time
from uuid import uuid4

import httpx
import pytest
from lxml import etree

from adapters import answers, kit, xml_answers
from adapters.interface import Delivered
from adapters.protocols.rest import Rest, RestAdapter
from adapters.protocols.soap import Soap, SoapAdapter, wrap
from schemas.errors import Refused
from tests.offices import CANARY, JSON, NAMESPACE, SOAP, XML, answer, created, document, envelope, latin, rest, soap


@pytest.mark.parametrize(
    ("encoding", "content_type"),
    [
        ("ISO-8859-1", "text/xml; charset=ISO-8859-1"),
        ("ISO-8859-1", "text/xml"),
        ("ISO-8859-15", 'text/xml; charset="iso-8859-15"'),
        ("windows-1252", "application/soap+xml;charset=Windows-1252"),
        ("utf-16", "text/xml"),
        ("utf-16-le", "text/xml; charset=utf-16"),
        ("utf-16-be", "text/xml; charset=utf-16"),
        ("utf-8-sig", "text/xml; charset=utf-8"),
        ("utf-8-sig", "text/xml; charset=ISO-8859-1"),
        ("utf-8", "text/xml"),
        ("utf-8", "text/xml; charset=klingon"),
        ("utf-8", "text/xml; charset=us-ascii"),
    ],
)
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
async def test_xml_is_read_in_its_character_set(encoding: str, content_type: str, declared: bool) -> None:
    """A SOAP answer is read by byte order mark, else charset of the content type, else its declaration, else as UTF-8."""
    name = encoding.removesuffix("-sig").removesuffix("-le").removesuffix("-be")
    declaration = f'<?xml version="1.0" encoding="{name}"?>\n' if declared else ""
    office = soap(answer((declaration + latin(created())).encode(encoding), content_type))
    assert await office.deliver(document(), 1) == Delivered("M-1")


@pytest.mark.parametrize(
    ("content", "content_type", "expected"),
    [
        ("<a>ü</a>".encode("iso-8859-1"), "text/xml; charset=iso-8859-1", "ü"),
        (b"<?xml version='1.0' encoding='utf-8'?><a>\xfc</a>", "text/xml; charset=iso-8859-1", "ü"),
        (b"<?xml version='1.0' encoding='iso-8859-1'?><a>\xfc</a>", "text/xml; charset=utf-8", "ü"),
        (b"\xef\xbb\xbf<?xml version='1.0' encoding='iso-8859-1'?><a>\xc3\xbc</a>", "text/xml; charset=iso-8859-1", "ü"),
        (b"\r\n <?xml version='1.0' encoding='windows-1252'?><a>\x80</a>", "text/xml", "€"),
        (b"<a>\xa4</a>", "text/xml; charset=iso-8859-15", "€"),
        (b"<?xml version='1.0' encoding='utf-16'?><a>\xc3\xbc</a>", "text/xml", "ü"),
        (b"<?xml version='1.0' encoding='utf-16'?><a>\xc3\xbc</a>\n", "text/xml; charset=utf-16", "ü"),
    ],
)
def test_what_wins_where_signs_differ(content: bytes, content_type: str, expected: str) -> None:
    """Byte order mark, charset, declaration, in this order (RFC 7303); one that cannot be right gives way to the next."""
    assert answers.element(content, content_type).text == expected


async def test_letters_that_nobody_can_read() -> None:
    """Where an answer is in no character set that it says, the rest of it holds; a reference with such a letter is none."""
    for content in ("<v><aktenzeichen>K-1</aktenzeichen><ort>Köln</ort></v>", '{"aktenzeichen": "K-1", "ort": "Köln"}'):
        assert await rest(answer(content.encode("cp850"))).deliver(document(), 1) == Delivered("K-1")
        with pytest.raises(kit.UnclearAnswer, match="is no reference"):
            await rest(answer(content.replace("K-1", "Ä-1").encode("latin-1"))).deliver(document(), 1)


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "idna", "hex", "zlib", "raw_unicode_escape", "punycode", "x" * 5000])
def test_only_character_sets_are_decoded(charset: str) -> None:
    """What the language can decode besides, and strange labels, are not applied to a hostile answer."""
    assert answers.text(rb"\u0041+AEE-", f"text/plain; charset={charset}") == r"\u0041+AEE-"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        ('{"aktenzeichen": "K-1", "ort": "Köln"}'.encode("iso-8859-1"), "application/json; charset=ISO-8859-1"),
        ('{"aktenzeichen": "K-1", "ort": "Köln"}'.encode("utf-16"), JSON),
        ('{"aktenzeichen": "K-1", "ort": "Köln"}'.encode("utf-16-le"), JSON),
        ('\ufeff{"aktenzeichen": "K-1", "ort": "Köln"}'.encode(), JSON),
        ('{"aktenzeichen": "K-1", "ort": "Köln"}'.encode(), "text/html"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?><v aktenzeichen="K-1" ort="Köln"/>'.encode("iso-8859-1"), "application/xml"),
        ("<v><aktenzeichen>K-1</aktenzeichen><ort>Köln</ort></v>".encode("iso-8859-1"), "application/vnd.amt+xml; charset=ISO-8859-1"),
        (b"<v><aktenzeichen>K-1</aktenzeichen></v>", None),
    ],
)
async def test_rest_answers_are_read_in_their_character_set(content: bytes, content_type: str | None) -> None:
    """JSON and XML of a REST office are read as they say, and by their first character where the content type says something else."""
    office = rest(answer(content, content_type, 201))
    assert await office.deliver(document(), 1) == await office.find(uuid4()) == Delivered("K-1")


async def test_refusal_in_latin_1() -> None:
    """A refusal ends, and keeps its code, in whatever letters its text is."""
    fault = SOAP.fault("Client", "PLZ_UNGUELTIG")
    body = etree.tostring(etree.fromstring(wrap(fault)), encoding="ISO-8859-1", xml_declaration=True)
    assert "ü".encode("iso-8859-1") in body
    with pytest.raises(Refused, match="PLZ_UNGUELTIG"):
        await soap(answer(body, "text/xml; charset=ISO-8859-1", 500)).deliver(document(), 1)
    with pytest.raises(Refused, match="PLZ_UNGUELTIG"):
        await rest(answer('{"code": "PLZ_UNGUELTIG", "text": "für"}'.encode("latin-1"), "application/json; charset=latin1", 422)).deliver(
            document(), 1
        )


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
        b"<a>" * 200 + b"</a>" * 200,
        b"<a>" + b"<b/>" * 30_000 + b"</a>",
        b"[" * 100_000,
        b"<a",
        b"",
    ],
    ids=["entity", "deep", "many", "deep JSON", "cut", "empty"],
)
async def test_hostile_answers_are_no_answers(content: bytes) -> None:
    """Entities, depth and number are bounded as for portals."""
    with pytest.raises(answers.Unreadable):
        await xml_answers.members(content, "text/xml")


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"<?xml " * 160_000, XML),
        (b"{" + b"<?xml " * 160_000, JSON),
        (b"", 'text/xml; charset="' + ";" * 300_000),
        (b'--x\r\nContent-Type: a/b; c="' + b";" * 900_000 + b"\r\n\r\n<a/>\r\n--x--", "multipart/related; boundary=x"),
        (b"--x\r\n\r\n" * 100_000, "multipart/related; boundary=x"),
        (b"--x" + b" \t" * 500_000, "multipart/related; boundary=x"),
        (b"\r\n" * 500_000, "multipart/related; boundary=x"),
        (b"<a " + b"b='c' " * 160_000, XML),
        (b"[" + b"9" * 1_000_000, JSON),
    ],
    ids=["declarations", "declarations in JSON", "content type", "head of a part", "parts", "blanks", "lines", "attributes", "number"],
)
async def test_no_answer_takes_long_to_read(content: bytes, content_type: str) -> None:
    """The time for an answer grows with its length, not with the square of it."""
    began = time.process_time()
    with contextlib.suppress(answers.Unreadable):
        await xml_answers.members(content, content_type)
    assert time.process_time() - began < 5


async def test_what_cannot_be_read_is_not_quoted() -> None:
    """The sentence about an answer holds nothing of it."""
    for content in (f"<{CANARY}><b>", f"<!DOCTYPE {CANARY}><a/>", CANARY):
        with pytest.raises(answers.Unreadable) as caught:
            await xml_answers.members(content.encode(), XML)
        assert CANARY not in str(caught.value)


def multipart(root: str, *, boundary: str = "uuid:1+2=(x)", start: str = "", headers: str = "", more: str = "") -> httpx.Response:
    """A SOAP answer as a service with MTOM sends it."""
    body = f"preamble\r\n--{boundary}\r\n{headers}\r\n\r\n{root}\r\n{more}--{boundary}--\r\n"
    kind = f'Multipart/Related; type="application/xop+xml"; boundary="{boundary}"; start-info="text/xml"{start}'
    return answer(body.encode("latin-1"), kind)


XOP = 'Content-Type: application/xop+xml; charset=UTF-8; type="text/xml"\r\nContent-ID: <root@office>'


@pytest.mark.parametrize(
    "said",
    [
        multipart(latin(created()), headers='content-type: application/xop+xml; charset=ISO-8859-1; type="text/xml"'),
        multipart(created().encode().decode("latin-1"), headers=XOP, start='; start="<root@office>"'),
        multipart(created().encode().decode("latin-1"), headers=XOP, start='; start="<nowhere@office>"'),
        multipart(created().encode().decode("latin-1")),
        multipart("PDF", headers="Content-ID: <a@office>", start='; start="root@office"', more=f"--uuid:1+2=(x)\r\n{XOP}\r\n\r\n{created('M-1').encode().decode('latin-1')}\r\n"),
        multipart("PDF", headers="Content-ID: <a@office>", start='; start="<root@office>"', more=f"--uuid:1+2=(x)\r\n{XOP}\r\n\r\n{created('M-1').encode().decode('latin-1')}\r\n"),
        multipart(created().encode().decode("latin-1"), headers=XOP, more="--uuid:1+2=(x)\r\nContent-ID: <a@office>\r\n\r\n\x00\xff\r\n"),
        multipart("=3C?xml version=3D'1.0'?>" + created().replace("=", "=3D").encode("ascii", "xmlcharrefreplace").decode(), headers="Content-Transfer-Encoding: Quoted-Printable"),
    ],
    ids=["latin", "start", "start that is not there", "no headers", "start without brackets", "root is second", "attachment", "quoted-printable"],
)  # fmt: skip
async def test_answer_in_parts(said: httpx.Response) -> None:
    """Of an answer in parts the root is read: the one that `start` names, else the first."""
    assert await soap(said).deliver(document(), 1) == Delivered("M-1")


@pytest.mark.parametrize("content_type", ["multipart/related; boundary=x", "multipart/related", "multipart/related; boundary=''"])
async def test_parts_that_are_none(content_type: str) -> None:
    """An answer that only says that it has parts is not read as anything."""
    for content in (b"", b"--x", b"--x--", b"--x\r\n\r\n--x--", b"--y\r\n\r\n<a/>"):
        with pytest.raises(answers.Unreadable):
            await xml_answers.members(content, content_type)


@pytest.mark.parametrize(
    ("said", "reference"),
    [
        ("4711", "4711"),
        ("4711.0", "4711"),
        ("900719925474099312345", "900719925474099312345"),
        ("0", "0"),
        ('"  A-1\\n"', "A-1"),
        ('"A 1/26"', "A 1/26"),
        ('"Ä-1"', "Ä-1"),
    ],
)
async def test_reference_of_json(said: str, reference: str) -> None:
    """A whole number is a reference as well as a text; blanks round it are not part of it."""
    office = rest(answer(f'{{"aktenzeichen": {said}}}', JSON, 201))
    assert await office.deliver(document(), 1) == await office.find(uuid4()) == Delivered(reference)


@pytest.mark.parametrize(
    "said", ['""', '"  "', "true", "null", "[]", "{}", "1.5", "1e400", f'"{"9" * 81}"', '"A\\u0007"', '"A\\nB"', "NaN"]
)
async def test_what_is_no_reference(said: str) -> None:
    """Anything else is none: whether the office has it is asked again, and the sentence names the field."""
    with pytest.raises(kit.UnclearAnswer, match="aktenzeichen"):
        await rest(answer(f'{{"aktenzeichen": {said}}}', JSON, 201)).deliver(document(), 1)


@pytest.mark.parametrize(
    "said",
    [
        answer('{"vorgang": {"aktenzeichen": 4711}}', JSON),
        answer("<antwort><vorgang><aktenzeichen> 4711 </aktenzeichen></vorgang></antwort>", XML),
        answer("<antwort><vorgang aktenzeichen='4711'><x/></vorgang></antwort>", XML),
    ],
)
async def test_reference_that_lies_deeper(said: httpx.Response) -> None:
    """An adapter can say where in an answer the reference lies."""

    class Deeper(RestAdapter):
        rest = Rest(collection="antraege", state="stand", reference="vorgang/aktenzeichen")

    assert await rest(said, adapter=Deeper).deliver(document(), 1) == Delivered("4711")


async def test_reference_of_soap() -> None:
    """Blanks round it are not part of it, also where it lies deeper."""
    assert await soap(answer(created("\n   M-1\t"), XML)).deliver(document(), 1) == Delivered("M-1")

    class Deeper(SoapAdapter):
        soap = Soap(namespace=NAMESPACE, create="anlegen", search="suchen", state="stand", reference="vorgang/nummer")

    with pytest.raises(kit.UnclearAnswer, match="no aktenzeichen"):  # what stands before an element is not all of it
        await soap(answer(created("M-<m:b>1</m:b>"), XML)).deliver(document(), 1)
    said = envelope("<m:suchenAntwort><m:treffer><m:vorgang><m:nummer> M-2 </m:nummer></m:vorgang></m:treffer></m:suchenAntwort>")
    assert await soap(answer(said, XML), adapter=Deeper).find(uuid4()) == Delivered("M-2")
