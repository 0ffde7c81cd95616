"""What a SOAP office says by faults, and what is sent to it."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from adapters import answers, kit
from adapters.interface import Delivered
from adapters.protocols.soap import CASE_LOCKED, NOT_AVAILABLE, Soap, SoapAdapter
from schemas.errors import Blip, CaseNotReady, DestinationDown, Refused
from tests.offices import CANARY, JSON, NAMESPACE, SETTINGS, XML, OfSoap, answer, created, document, envelope, rest, soap

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


async def test_a_fault_says_how_long() -> None:
    """Also beside the office's own code."""
    with pytest.raises(DestinationDown) as caught:
        await soap(answer(fault("soap:Server", CODE.format(NOT_AVAILABLE)), XML, 503, Retry_After="7")).deliver(document(), 1)
    assert caught.value.retry_after_s == 7
