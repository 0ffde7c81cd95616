"""Answers of back offices: read as they declare themselves, however odd; what is none of them says nothing about a submission."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from lxml import etree

from adapters import answers, kit
from adapters.http import HttpOffice, HttpSettings, check_answered, check_taken, retry_after_s
from adapters.interface import Delivered, Document
from adapters.protocols.rest import Rest, RestAdapter
from adapters.protocols.soap import CASE_LOCKED, NOT_AVAILABLE, Soap, SoapAdapter, wrap
from schemas.errors import Blip, CaseNotReady, DestinationDown, Refused

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


# --- in which letters


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
def test_hostile_answers_are_no_answers(content: bytes) -> None:
    """Entities, depth and number are bounded as for portals."""
    with pytest.raises(answers.Unreadable):
        answers.members(content, "text/xml")


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
def test_no_answer_takes_long_to_read(content: bytes, content_type: str) -> None:
    """The time for an answer grows with its length, not with the square of it."""
    began = time.process_time()
    with contextlib.suppress(answers.Unreadable):
        answers.members(content, content_type)
    assert time.process_time() - began < 5


def test_what_cannot_be_read_is_not_quoted() -> None:
    """The sentence about an answer holds nothing of it."""
    for content in (f"<{CANARY}><b>", f"<!DOCTYPE {CANARY}><a/>", CANARY):
        with pytest.raises(answers.Unreadable) as caught:
            answers.members(content.encode(), XML)
        assert CANARY not in str(caught.value)


# --- in several parts


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
def test_parts_that_are_none(content_type: str) -> None:
    """An answer that only says that it has parts is not read as anything."""
    for content in (b"", b"--x", b"--x--", b"--x\r\n\r\n--x--", b"--y\r\n\r\n<a/>"):
        with pytest.raises(answers.Unreadable):
            answers.members(content, content_type)


# --- the reference


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


# --- faults

CODE = "<detail><f:fehler xmlns:f='urn:office'><f:code>{}</f:code></f:fehler></detail>"
TWELVE = "http://www.w3.org/2003/05/soap-envelope"


def fault(faultcode: str, detail: str = "", text: str = "Die Anfrage wurde nicht ausgeführt.") -> str:
    """A fault of SOAP 1.1."""
    return envelope(f"<soap:Fault><faultcode>{faultcode}</faultcode><faultstring>{text}</faultstring>{detail}</soap:Fault>")


def fault_of_twelve(value: str, subcode: str) -> str:
    """A fault of SOAP 1.2."""
    return envelope(
        f"<soap:Fault><soap:Code><soap:Value>{value}</soap:Value><soap:Subcode><soap:Value>{subcode}</soap:Value></soap:Subcode></soap:Code>"
        "<soap:Reason><soap:Text xml:lang='de'>Nein.</soap:Text></soap:Reason></soap:Fault>",
        TWELVE,
    )


@pytest.mark.parametrize("status", [200, 202, 400, 422, 500, 503])
async def test_a_fault_is_one_whatever_the_status(status: int) -> None:
    """The envelope decides: a refusal ends at once with its code, an office that says it is away is away."""
    refused = answer(fault("soap:Client", CODE.format("PLZ_UNGUELTIG")), XML, status)
    with pytest.raises(Refused, match="PLZ_UNGUELTIG"):
        await soap(refused).deliver(document(), 1)
    with pytest.raises(DestinationDown, match=NOT_AVAILABLE):
        await soap(answer(fault("soap:Server", CODE.format(NOT_AVAILABLE)), XML, status)).deliver(document(), 1)
    with pytest.raises(CaseNotReady, match=CASE_LOCKED):
        await soap(answer(fault("soap:Server", CODE.format(CASE_LOCKED)), XML, status)).deliver(document(), 1)


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_a_fault_is_no_answer_to_a_question(status: int) -> None:
    """`find` and `check` say what the fault says, and that the office does not answer now."""
    office = soap(answer(fault("soap:Server", CODE.format("DB_WEG")), XML, status))
    for question in (office.find(uuid4()), office.check()):
        with pytest.raises(DestinationDown, match="SOAP fault DB_WEG"):
            await question


@pytest.mark.parametrize(
    ("faultcode", "cause"),
    [
        ("Client", Refused),
        ("soap:Client", Refused),
        (" env:Client.Authentication ", Refused),
        ("soap:Client.MalformedSoap", Refused),
        ("Server", kit.UnclearAnswer),
        ("soap:Server.ServerProxy.ServiceFailed", kit.UnclearAnswer),
        ("soap:Clientele", kit.UnclearAnswer),
        ("soap:VersionMismatch", DestinationDown),
        ("soap:MustUnderstand", DestinationDown),
        ("", kit.UnclearAnswer),
    ],
)
async def test_whose_fault_stands_before_the_first_dot(faultcode: str, cause: type[Exception]) -> None:
    """A fault code is read without prefix, up to its first dot (SOAP 1.1, 4.4.1)."""
    with pytest.raises(cause):
        await soap(answer(fault(faultcode), XML, 500)).deliver(document(), 1)


@pytest.mark.parametrize(
    ("said", "cause", "code"),
    [
        (fault_of_twelve("soap:Sender", "m:PLZ_UNGUELTIG"), Refused, "PLZ_UNGUELTIG"),
        (fault_of_twelve("soap:Receiver", f"m:{NOT_AVAILABLE}"), DestinationDown, NOT_AVAILABLE),
        (fault_of_twelve("soap:Receiver", "m:DB_WEG"), kit.UnclearAnswer, "DB_WEG"),
    ],
)
async def test_faults_of_soap_12(said: str, cause: type[Exception], code: str) -> None:
    """An office that answers in SOAP 1.2 is understood as well."""
    with pytest.raises(cause, match=code):
        await soap(answer(said, "application/soap+xml; charset=utf-8", 400)).deliver(document(), 1)


@pytest.mark.parametrize(
    "said",
    [
        fault("soap:Client", text="PLZ_UNGUELTIG"),
        fault("soap:Client", text="PLZ_UNGUELTIG: die Postleitzahl gibt es nicht"),
        fault("soap:Client.PLZ_UNGUELTIG"),
        fault("soap:Client", "<detail><e:fault xmlns:e='urn:other'><e:nr> PLZ_UNGUELTIG </e:nr></e:fault></detail>"),
    ],
    ids=["faultstring", "faultstring with text", "faultcode", "detail of another kind"],
)
async def test_where_the_code_stands(said: str) -> None:
    """The office's own code is found where the adapter says, else in the usual places; it decides, and stands in the reason."""

    class Elsewhere(SoapAdapter):
        soap = Soap(
            namespace=NAMESPACE, create="anlegen", search="suchen", state="stand", code="detail/fault/nr", causes={"PLZ_UNGUELTIG": Blip}
        )

    with pytest.raises(Blip, match="PLZ_UNGUELTIG"):
        await soap(answer(said, XML, 500), adapter=Elsewhere).deliver(document(), 1)


@pytest.mark.parametrize(
    "said",
    [
        fault("soap:Client", "<detail><fehler><code/></fehler><other/><fehler><code>PLZ_UNGUELTIG</code></fehler></detail>"),
        fault("soap:Client", text="PLZ_UNGUELTIG: die Postleitzahl gibt es nicht"),
        fault_of_twelve(
            "soap:Sender", "m:plz</soap:Value><soap:Subcode><soap:Value>m:PLZ_UNGUELTIG</soap:Value></soap:Subcode><soap:Value>x"
        ),
        envelope(
            "<soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value></soap:Code>"
            "<soap:Reason><soap:Text>Nein.</soap:Text><soap:Text>PLZ_UNGUELTIG: no</soap:Text></soap:Reason></soap:Fault>",
            TWELVE,
        ),
    ],
    ids=["second of the detail", "faultstring", "subcode of a subcode", "second language"],
)
async def test_a_code_is_found_among_others(said: str) -> None:
    """Of several places and several elements in one the first that holds a code counts."""
    with pytest.raises(Refused, match=r"^SOAP fault PLZ_UNGUELTIG$"):
        await soap(answer(said, XML, 500)).deliver(document(), 1)


async def test_a_code_that_the_adapter_knows_is_kept() -> None:
    """A code of another form than ours stands in the reason as well, where the adapter names it."""

    class Hyphens(SoapAdapter):
        soap = Soap(namespace=NAMESPACE, create="anlegen", search="suchen", state="stand", causes={"e-4711.gesperrt": CaseNotReady})

    with pytest.raises(CaseNotReady, match=r"^SOAP fault e-4711\.gesperrt$"):
        await soap(answer(fault("soap:Server", text="e-4711.gesperrt: noch"), XML), adapter=Hyphens).deliver(document(), 1)


async def test_a_fault_never_quotes_free_text() -> None:
    """What is no code does not get into a reason; the fault code, which is a name of the protocol, does."""
    for text in (f"{CANARY} ist gesperrt", f"{CANARY.upper()}: gesperrt", CANARY.upper(), "01701234567"):
        said = fault("soap:Server.Internal", CODE.format(f"Herr {CANARY}"), text=text)
        with pytest.raises(kit.UnclearAnswer, match=r"^SOAP fault UNREADABLE_CODE \(Server\.Internal\)$"):
            await soap(answer(said, XML)).deliver(document(), 1)


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_a_fault_about_our_login_refuses_nothing(status: int) -> None:
    """Who may come, and how often, is not a matter of the submission, even if the fault calls it the client's."""
    with pytest.raises(DestinationDown, match=f"HTTP {status}, SOAP fault LOGIN_FALSCH"):
        await soap(answer(fault("soap:Client", CODE.format("LOGIN_FALSCH")), XML, status)).deliver(document(), 1)


async def test_other_statuses_keep_the_code() -> None:
    """The office's own code stands beside the status, whatever it leads to."""
    for status, cause in ((400, Refused), (409, CaseNotReady), (500, kit.UnclearAnswer), (503, DestinationDown)):
        with pytest.raises(cause, match=f"^HTTP {status} PLZ_UNGUELTIG$"):
            await rest(answer('{"code": " PLZ_UNGUELTIG "}', JSON, status)).deliver(document(), 1)


async def test_numbers_are_codes_too() -> None:
    """A code that an office writes as a number is kept."""
    with pytest.raises(Refused, match="4711"):
        await rest(answer('{"code": 4711}', JSON, 422)).deliver(document(), 1)


# --- what is not the office


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


# --- how long to wait


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


async def test_a_fault_says_how_long() -> None:
    """Also beside the office's own code."""
    with pytest.raises(DestinationDown) as caught:
        await soap(answer(fault("soap:Server", CODE.format(NOT_AVAILABLE)), XML, 503, Retry_After="7")).deliver(document(), 1)
    assert caught.value.retry_after_s == 7


# --- what SOAP sends


async def test_a_document_goes_out_in_its_own_character_set() -> None:
    """An office that wants ISO-8859-1 gets the whole envelope in it, and is told so."""
    sent: list[httpx.Request] = []
    office = OfSoap(SETTINGS)

    def take(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return answer(created(), XML)

    office._office._client = httpx.AsyncClient(transport=httpx.MockTransport(take))
    content = "<?xml version='1.0' encoding='ISO-8859-1'?>\n<m:anlegen xmlns:m='urn:office'><m:ort>Köln</m:ort></m:anlegen>".encode(
        "latin-1"
    )
    assert await office.deliver(document(content, "application/xml; charset=ISO-8859-1"), 1) == Delivered("M-1")
    assert sent[0].headers["Content-Type"].lower() == "text/xml; charset=iso-8859-1"
    assert "Köln".encode("latin-1") in sent[0].content
    assert answers.element(sent[0].content, sent[0].headers["Content-Type"]).findtext(".//{urn:office}ort") == "Köln"


@pytest.mark.parametrize("content", [b"a;b;c", b"<?xml version='1.0' encoding='UTF-8'?><a>\xfc</a>"], ids=["CSV", "wrong letters"])
async def test_a_document_that_cannot_be_read_is_not_sent(content: bytes) -> None:
    """It never will be: nothing has left. Other than in an answer no letter is given up."""
    with pytest.raises(Refused, match="cannot be put into an envelope"):
        await soap(answer(created(), XML)).deliver(document(content, "application/xml"), 1)


async def test_a_document_with_a_byte_order_mark() -> None:
    """The mark does not get into the envelope."""
    content = "\ufeff<m:anlegen xmlns:m='urn:office'/>".encode()
    assert await soap(answer(created(), XML)).deliver(document(content), 1) == Delivered("M-1")
