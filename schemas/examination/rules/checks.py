"""The rules that an XSD cannot express, as objects: named, coded, with their words in German and English, and their source.

For messages of our own every breach refuses. In genuine XÖV messages, which travel unchanged, a breach of most header rules is a
recorded warning, because half of the real ones break them; `Rule.genuine` says which. No rule opens anything or reads a clock.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from functools import cache, cached_property
from itertools import islice
from operator import attrgetter
from typing import Any, Final

from lxml import etree

from schemas import ids, message, moments, problems
from schemas.catalogue import Catalogue, Route
from schemas.codelists import AUTHORITY_KEY, SHIPPED
from schemas.din91379 import Datatype, first_disallowed, looks_like_mojibake
from schemas.errors import Rejected
from schemas.examination import forms
from schemas.findings import Breach, Finding, Severity
from schemas.message.header import MessageHeader
from schemas.message.xsd import datatypes, messages
from schemas.message.xsd import fields as fields_of
from schemas.problems import Problem
from schemas.schema_set import MAX_FINDINGS, path_of

ID_USED_ONCE: Final = "id-used-once"
"""Name of rule H7: the same UUID stands for the same content. It is about two messages: the outbox sees to it, and `stadtbus validate`."""
MAX_ATTACHMENTS: Final = 100
MAX_ATTACHMENT_BYTES: Final = 100_000_000
CLOCK_SKEW: Final = timedelta(minutes=10)
"""How far a portal's clock may be ahead of ours."""

_AREA_DIGITS: Final = {message.AREA_LIST_ARS: 12, message.AREA_LIST_AGS: 8}
_LISTS: Final[Mapping[str, tuple[str, ...]]] = {"leistung": (message.SERVICE_LIST,), "gebiet": tuple(_AREA_DIGITS)}
_DIRECTORIES: Final = ("DVDV",)

_AUTHORITY_KEY = re.compile(AUTHORITY_KEY)
_BYTES = re.compile(r"[0-9]{1,12}")
_NO_HEADER: Final = (
    "the first element is none of the headers that the bus reads (nachrichtenkopf.g2g, or nachrichtenkopf with behoerdenkennung)"
)
_MESSAGE_ID: Final = "identifikation.nachricht/nachrichtenUUID"
_KEY: Final = ("", "/kennung", "/behoerdenkennung", "/behoerdenkennung/praefix", "/behoerdenkennung/kennung")
_ONCE: Final = ("", "identifikation.nachricht", _MESSAGE_ID, *(party + part for party in ("leser", "autor") for part in _KEY))
"""What a header says once: who reads it could choose another one than we do. The empty path is the header itself."""
_SHA512 = re.compile(r"[0-9a-f]{128}")
_MIME_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")  # RFC 6838, section 4.2
_FILE_NAME = re.compile(r"""(?![. ])[^\x00-\x1f\x7f/\\:*?"<>|\u202a-\u202e\u2066-\u2069]+(?<![. ])""")

# What a text that was encoded twice is made of: UTF-8's first byte of several, then one that follows it, both read as Windows-1252.
_MOJIBAKE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]")
_MARK = re.compile("[\u0300-\u036f]")
_ASCII: Final = bytes(range(128))
_CONTROLS: Final = (b"\t", b"\n", b"\r", b"\x7f")
"""All of ASCII that is XML without being printable."""


_Select = Callable[[etree._Element], Any]  # noqa: SLF001 - the only name that the type has


@dataclass(frozen=True, slots=True)
class Claim:
    """What a portal says beside a genuine XÖV message: service (LeiKa key) and area (ARS or AGS)."""

    service: str
    area: str


@dataclass(frozen=True)
class Subject:
    """A message with everything that rules may hold it against."""

    root: etree._Element
    body: bytes
    head: MessageHeader | None
    own: bool
    catalogue: Catalogue
    now: datetime
    today: date
    accept_test: bool = False
    claim: Claim | None = None
    needs_header: bool = False
    route: Route | None = None
    """Where it is known already."""

    def in_header(self, path: str, detail: str) -> Iterator[Breach]:
        """A breach at an element of the header, or at what is around it where it is missing."""
        element = self.header(path)
        while element is None and path:
            path = path.rpartition("/")[0]
            element = self.header(path)
        if element is not None:
            yield Breach(detail, element, value=element.text)

    @cached_property
    def attachments(self) -> list[etree._Element]:
        """The attachments of a message of our own."""
        return [one for all_of_them in self.root.iterchildren("anlagen") for one in all_of_them]

    def header(self, path: str) -> etree._Element | None:
        """An element of the header by local names, in whichever namespaces its generation has them."""
        found = next(self.root.iterchildren("*"), None) if self.head else None
        for name in path.split("/") if path else ():
            found = None if found is None else next((child for child in found.iterchildren(f"{{*}}{name}")), None)
        return found

    @cached_property
    def routed(self) -> Route | Rejected | None:
        """Where service and area lead; None where the message has none and the portal did not say."""
        if self.route is not None:
            return self.route
        claim = self.claim
        if self.own:
            coded = {element.tag: element for element in self.root.iterchildren("leistung", "gebiet")}
            sent = [_code_of(element) for element in coded.values()]
            claim = Claim(*sent) if len(sent) == len(fields(Claim)) else None
        return None if claim is None else _route(self.catalogue, claim, self.today)

    def texts(self) -> Iterator[Text]:
        """Every text and attribute value, with the datatype of its field."""
        types: Mapping[str, Datatype] = datatypes() if self.own else {}
        for element in self.root.iter("*"):
            path = _field_path(element)
            for value in (element.text, *(child.tail for child in element)):
                if value and not value.isspace():
                    yield Text(value, types.get(path, "C"), element)
            for name in map(str, element.attrib):
                yield Text(element.get(name, ""), types.get(f"{path}/@{name}".lstrip("/"), "C"), element, name)

    @cached_property
    def inconspicuous(self) -> bool:
        """Whether there is nothing that one of the rules with XPaths is about; told by one XPath for all of them."""
        return not _CONSPICUOUS(self.root)

    @cached_property
    def clean(self) -> bool:
        """Whether all text is surely NFC, of its datatype and encoded once. If not, each text has to be looked at.

        Told from the body as a whole, which is much cheaper: mark-up is ASCII, and all ASCII is of datatype C.
        """
        letters = self.body.translate(None, _ASCII).decode()
        return (
            not (b"&" in self.body and b"&#" in self.body)  # one byte is found much faster than two
            and not _MARK.search(letters)  # a mark is right or wrong by the letter before it, which may be ASCII
            and unicodedata.is_normalized("NFC", letters)
            and first_disallowed(letters, "C") is None
            and not _MOJIBAKE.search(letters)
            and not (self.own and self._breaks_narrow(letters))
        )

    def _breaks_narrow(self, letters: str) -> bool:
        """Whether a text of our own messages may break A, B or D. All printable ASCII is of B, which is a part of D."""
        narrow = _narrow()
        content = self.body.partition(b"?>")[2].lstrip() if self.body.startswith(b"<?xml") else self.body
        if first_disallowed(letters, "B") is None and not any(control in content for control in _CONTROLS):
            narrow = {"A": narrow["A"]}
        return any(first_disallowed(" ".join(texts(self.root)), datatype) for datatype, texts in narrow.items())


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a message and the place that it stands in."""

    value: str
    datatype: Datatype
    element: etree._Element
    attribute: str = ""


Check = Callable[[Subject], Iterable[Breach]]


def findings(rules: Iterable[Rule], subject: Subject) -> list[Finding]:
    """The breaches of these rules in a message, of each up to a number that anybody reads."""
    return [
        rule.finding(breach, severity)
        for rule in rules
        if (severity := rule.own if subject.own else rule.genuine) is not None and not (rule.kept and rule.kept(subject))
        for breach in islice(rule.check(subject), MAX_FINDINGS)
    ]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `number` is that of the XÖV conventions it comes from; the hint in English is that of the problem.

    `genuine` is how a breach counts in genuine XÖV messages, `own` in ours; None where the rule is not for them. `kept` tells cheaply of most messages
    that they keep the rule; of the others it says nothing.
    """

    name: str
    number: str
    problem: Problem
    text_en: str
    text_de: str
    hint_de: str
    source: str
    check: Check
    genuine: Severity | None = Severity.WARNING
    own: Severity | None = Severity.ERROR
    kept: Callable[[Subject], bool] | None = None

    @property
    def hint_en(self) -> str:
        """How to mend it."""
        return self.problem.hint

    def finding(self, breach: Breach, severity: Severity) -> Finding:
        """What is told of a breach."""
        place = f"{path_of(breach.element)}/@{breach.attribute}" if breach.attribute else path_of(breach.element)
        return Finding(self.problem, self.name, breach.detail, line_of(breach.element), place, severity, breach.value)


# --- the checks, in the order of the rules


def _not_in(codes: Iterable[str]) -> str:
    """An XPath condition: the code is none of these."""
    return f"not(contains(' {' '.join(codes)} ', concat(' ', normalize-space(), ' ')))"


def _none_of(texts: Iterable[str]) -> str:
    """An XPath condition: the text is, but for blanks around it, none of these."""
    return " and ".join(f"normalize-space() != '{text}'" for text in texts)


_EMPTY: Final[_Select] = etree.XPath(
    "descendant::*[not(node()) and not(self::wert) and not(ancestor::fachnachricht)]"
    " | descendant-or-self::*/@*[.='' and name() != 'test' and not(ancestor::fachnachricht)]/.."
)


_OF_LISTS: Final = " | ".join(f"{name}[@listURI[{_none_of(uris)}]]" for name, uris in _LISTS.items())
_OF_CODES: Final = " | ".join(
    (
        f"nachrichtenkopf.g2g/*/verzeichnisdienst/code[{_not_in(_DIRECTORIES)}]",
        "nachrichtenkopf.g2g/*/erreichbarkeit/kanal/code",  # which of them are known is the catalogue's
        *(
            f"gebiet[normalize-space(@listURI) = '{uri}']/code[string-length(normalize-space()) != {digits}]"
            for uri, digits in _AREA_DIGITS.items()
        ),
    )
)
_UNKNOWN_LISTS: Final[_Select] = etree.XPath(_OF_LISTS)
_UNKNOWN_CODES: Final[_Select] = etree.XPath(_OF_CODES)
_CONSPICUOUS: Final[_Select] = etree.XPath(f"boolean(anlagen | @test | {_OF_LISTS} | {_OF_CODES})")


def _no_empty_text(subject: Subject) -> Iterator[Breach]:
    within = subject.root if subject.own else next(subject.root.iterchildren("*"), None)
    if within is None or (subject.head is None and not subject.own):
        return
    for element in _EMPTY(within):
        names = [str(name) for name, value in element.attrib.items() if not value]
        yield Breach(f"the attribute {names[0]} is empty" if names else "the element is empty", element, names[0] if names else "")


def _header_there(subject: Subject) -> Iterator[Breach]:
    if subject.head is None and subject.needs_header:
        yield Breach(_NO_HEADER, subject.root)


def _header_once(subject: Subject) -> Iterator[Breach]:
    for path in _ONCE:
        element = subject.header(path)
        again = None if element is None else next(element.itersiblings(f"{{*}}{etree.QName(element).localname}"), None)
        if again is not None:
            yield Breach("this stands there more than once: which of them is meant nobody knows", again)


def _header_read(subject: Subject) -> Iterator[Breach]:
    if subject.head is None and not subject.needs_header:
        yield Breach(_NO_HEADER, subject.root)


def _ids(subject: Subject) -> Iterator[tuple[str, etree._Element | None]]:
    """Every id of a message with its element; of a genuine one that of the message."""
    if subject.own:
        for element in _own_ids()(subject.root):
            yield element.text or "", element
    elif subject.head is not None:
        yield subject.head.message_id, subject.header(_MESSAGE_ID)


def _ids_written(subject: Subject) -> Iterator[Breach]:
    for text, element in _ids(subject):
        if not ids.is_written(text):
            detail = f"expected {ids.WRITTEN}"
            yield from subject.in_header(_MESSAGE_ID, detail) if element is None else (Breach(detail, element, value=text),)


def _ids_identify(subject: Subject) -> Iterator[Breach]:
    for text, element in _ids(subject):
        if element is not None and ids.is_empty(text):
            yield Breach(ids.EMPTY, element, value=text)


def _version_known(subject: Subject) -> Iterator[Breach]:
    sent = subject.root.get("version")
    if sent and sent != message.VERSION:
        yield Breach(f"accepted: {message.VERSION}", subject.root, "version", sent)


def _attachments(subject: Subject, name: str, fits: Callable[[str], bool], detail: str) -> Iterator[Breach]:
    for attachment in subject.attachments:
        element = attachment.find(name)
        if element is not None and element.text and not fits(element.text.strip(" \t\r\n")):
            yield Breach(detail, element, value=element.text)


def _attachment_count(subject: Subject) -> Iterator[Breach]:
    if len(subject.attachments) > MAX_ATTACHMENTS:
        yield Breach(f"{len(subject.attachments)} attachments; the limit is {MAX_ATTACHMENTS}", subject.attachments[MAX_ATTACHMENTS])


def _attachment_hash(subject: Subject) -> Iterator[Breach]:
    return _attachments(subject, "sha512", lambda text: bool(_SHA512.fullmatch(text)), "not 128 hexadecimal digits in lower case")


def _attachment_size(subject: Subject) -> Iterator[Breach]:
    def fits(text: str) -> bool:
        return not _BYTES.fullmatch(text) or 0 < int(text) <= MAX_ATTACHMENT_BYTES  # whatever else it is, the XSD refuses

    return _attachments(subject, "groesseBytes", fits, f"1 to {MAX_ATTACHMENT_BYTES} bytes are accepted")


def _attachment_name(subject: Subject) -> Iterator[Breach]:
    return _attachments(subject, "dateiname", lambda text: bool(_FILE_NAME.fullmatch(text)), "not a plain file name")


def _attachment_type(subject: Subject) -> Iterator[Breach]:
    return _attachments(subject, "mimeType", lambda text: bool(_MIME_TYPE.fullmatch(text)), "not a MIME type")


def _type_matches_root(subject: Subject) -> Iterator[Breach]:
    if subject.head is None:
        return
    name = str(subject.root.tag).rpartition("}")[2]
    number = name.rpartition(".")[2]
    for place, sent, expected in (("code", subject.head.type_code, number), ("name", subject.head.type_name, name)):
        if sent and sent != expected:
            yield from subject.in_header(f"identifikation.nachricht/nachrichtentyp/{place}", f"expected {expected}")


def _time_complete(subject: Subject) -> Iterator[Breach]:
    text = subject.head.created if subject.head else ""
    flaw = _flaw_of_time(text, subject.now) if text else ""
    if flaw:
        yield from subject.in_header("identifikation.nachricht/erstellungszeitpunkt", flaw)


def _flaw_of_time(text: str, now: datetime) -> str:
    try:
        created_at = moments.parse(text)
    except moments.NoMoment as error:
        return str(error)
    if not moments.has_fraction(text):
        return "the milliseconds are missing"
    return "the time lies in the future" if created_at > now + CLOCK_SKEW else ""


def _key_in_directory(subject: Subject) -> Iterator[Breach]:
    """Keys of other directories have other forms; G1 names no directory."""
    if subject.head is None:
        return
    known = subject.catalogue.lists.prefixes
    for party, sent in (("leser", subject.head.reader), ("autor", subject.head.author)):
        written = _AUTHORITY_KEY.fullmatch(sent)
        if not written or sent.partition(":")[0] not in known.codes:
            directory = subject.header(f"{party}/verzeichnisdienst/code")
            if sent and directory is not None and (directory.text or "").strip() in _DIRECTORIES:
                missing = f"the prefix is none of the {len(known.codes)} of {known}"
                yield from subject.in_header(f"{party}/kennung", missing if written else "expected a prefix, a colon and the key")


def _text_in_nfc(subject: Subject) -> Iterator[Breach]:
    for text in subject.texts():
        if not unicodedata.is_normalized("NFC", text.value):
            yield Breach("", text.element, text.attribute, text.value)


def _characters_fit(subject: Subject) -> Iterator[Breach]:
    for text in subject.texts():
        found = first_disallowed(text.value, text.datatype)
        if found is not None:
            yield Breach(found.told(text.datatype), text.element, text.attribute, text.value)


def _encoded_once(subject: Subject) -> Iterator[Breach]:
    for text in subject.texts():
        if looks_like_mojibake(text.value):
            yield Breach("", text.element, text.attribute, text.value)


def _test_flag(subject: Subject) -> Iterator[Breach]:
    if subject.root.get("test") is not None and not subject.accept_test:
        yield Breach("any value counts, even 'false'", subject.root, "test")


def _lists_known(subject: Subject) -> Iterator[Breach]:
    for element in _UNKNOWN_LISTS(subject.root):
        yield Breach(f"expected {' or '.join(_LISTS[element.tag])}", element, "listURI", element.get("listURI"))


def _codes_known(subject: Subject) -> Iterator[Breach]:
    channels = subject.catalogue.lists.channels
    for element in _UNKNOWN_CODES(subject.root):
        around = element.getparent()
        if around.tag == "gebiet":
            detail = f"the codes of this list have {_AREA_DIGITS[around.get('listURI').strip()]} digits"
        elif around.tag == "verzeichnisdienst":
            detail = f"the bus knows authorities by their key in {' or '.join(_DIRECTORIES)}"
        elif (element.text or "").strip() in channels.codes:
            continue
        else:
            detail = f"the codes of {channels}: {', '.join(channels.codes)}"
        yield Breach(detail, element, value=element.text)


def _refused_by_catalogue(problem: Problem, place: str) -> Check:
    """The catalogue does not know a service or an area, or the one is not offered in the other."""

    def check(subject: Subject) -> Iterator[Breach]:
        if isinstance(subject.routed, Rejected) and subject.routed.problem is problem:
            element = subject.root.find(place) if subject.own else None
            yield Breach(subject.routed.detail, subject.root if element is None else element)

    return check


def _reader_agrees(subject: Subject) -> Iterator[Breach]:
    if subject.head is None or not isinstance(subject.routed, Route):
        return
    expected = subject.routed.office_entry.authority
    if subject.head.reader != expected:
        yield from subject.in_header(
            "leser/behoerdenkennung" if subject.head.generation == "G1" else "leser/kennung", f"expected {expected}"
        )


def _form_fits(subject: Subject) -> Iterator[Breach]:
    """Amendments may have a part of the form only."""
    if isinstance(subject.routed, Route):
        whole = etree.QName(subject.root).localname == message.APPLICATION
        yield from forms.breaches(subject.root, subject.routed.service, whole=whole)


# --- what they need


def line_of(element: etree._Element) -> int | None:
    """The line that an element begins on."""
    return element.sourceline  # type: ignore[return-value] # the stubs have it wrong


def _code_of(element: etree._Element) -> str:
    code = next(element.iterchildren("code"), None)
    return "" if code is None else (code.text or "").strip()


def _route(catalogue: Catalogue, claim: Claim, on: date) -> Route | Rejected:
    try:
        return catalogue.route(claim.service, claim.area, on)
    except Rejected as error:
        return error


def _field_path(element: etree._Element) -> str:
    """Local names from the root's child on, as `datatypes` has them; empty for the root."""
    names = [etree.QName(one).localname for one in (element, *element.iterancestors())]
    return "/".join(reversed(names[:-1]))


@cache
def _own_ids() -> _Select:
    """The ids in messages of our own."""
    found = {field.path for name in messages() for field in fields_of(name) if field.type_name == "UUID"}
    return etree.XPath(" | ".join(sorted(found)))


@cache
def _narrow() -> Mapping[Datatype, Callable[[etree._Element], Any]]:
    """The texts of our messages whose datatype takes less than C; joined by blanks, which every datatype takes, they are checked at once.

    Those of D are asked to be of B, which is a part of it: else they are looked at one by one.
    """
    paths: dict[Datatype, list[str]] = {"A": [], "B": []}
    for path, datatype in datatypes().items():
        if datatype != "C":
            paths["A" if datatype == "A" else "B"].append(f"{path}/text()")
    return {datatype: etree.XPath(" | ".join(found), smart_strings=False) for datatype, found in paths.items()}


# --- the rules

_XOEV: Final = "XÖV-Basisnachricht G2G 1.1"

BESIDE_SCHEMA: Final = (
    Rule(
        "no-empty-text",
        "H5",
        problems.EMPTY_TEXT,
        "No element or attribute is empty, but the value of a form field. In genuine messages this is asked of the header alone.",
        "Kein Element und kein Attribut ist leer, außer dem Wert eines Formularfelds. Bei echten XÖV-Nachrichten gilt das nur für den Kopf.",
        "Füllen; oder das Element oder Attribut weglassen, wo das Schema es erlaubt.",
        "XInneres fehlercodes 2, S030",
        _no_empty_text,
    ),
    Rule(
        "id-is-uuid",
        "H7",
        problems.NOT_VALID,
        f"Every id is a UUID of {ids.WRITTEN}. In genuine messages this is asked of nachrichtenUUID.",
        "Jede ID ist eine UUID: 8, 4, 4, 4 und 12 Hexadezimalziffern mit Bindestrichen, nichts davor und dahinter. "
        "Bei echten XÖV-Nachrichten gilt das für nachrichtenUUID.",
        "Jede ID als UUID schreiben, zum Beispiel 3c0e5b1a-7d24-4f0b-9a6c-8e4d2f6015b9.",
        _XOEV,
        _ids_written,
        genuine=Severity.ERROR,
    ),
    Rule(
        "version-known",
        "C2",
        problems.UNKNOWN_VERSION,
        "The attribute version names a version that the bus knows; that of the namespace is the schema table's.",
        "Das Attribut version nennt eine Version, die der Bus kennt; die des Namensraums steht in der Schematabelle.",
        "Eine Nachricht der genannten Version senden.",
        "xbau-fehlerkennzahlen 2.2, V000",
        _version_known,
        genuine=None,
    ),
    Rule(
        "attachment-count",
        "A1",
        problems.ATTACHMENT_COUNT,
        f"A message has at most {MAX_ATTACHMENTS} attachments.",
        f"Eine Nachricht hat höchstens {MAX_ATTACHMENTS} Anlagen.",
        "Die übrigen Anlagen mit einem Nachtrag senden.",
        "Stadtbus",
        _attachment_count,
        genuine=None,
    ),
    Rule(
        "attachment-hash",
        "A1",
        problems.ATTACHMENT_HASH,
        "sha512 is a SHA-512 in hexadecimal digits.",
        "sha512 ist ein SHA-512 in Hexadezimalziffern.",
        "128 Hexadezimalziffern in Kleinschreibung senden.",
        "FIPS 180-4",
        _attachment_hash,
        genuine=None,
    ),
)
"""Rules that say in better words, and with its own code, what an XSD finds as well."""

AFTER_SCHEMA: Final = (
    Rule(
        "header-there",
        "H3",
        problems.HEADER_NOT_READ,
        "A message of a standard that is known to have a header that the bus reads has it; the row of the schema table may say otherwise.",
        "Eine Nachricht eines Standards, der einen Kopf hat, den der Bus liest, hat ihn; die Zeile der Schematabelle kann anderes sagen.",
        "Den Kopf als erstes Element schreiben, mit Namen und Namensraum des Standards.",
        _XOEV,
        _header_there,
        genuine=Severity.ERROR,
        own=None,
    ),
    Rule(
        "header-once",
        "H3",
        problems.NOT_VALID,
        "The header, its UUID, its reader and its author stand once in a genuine message; an XSD says so too, where the row has one.",
        "Kopf, UUID, Leser und Autor stehen in einer echten XÖV-Nachricht einmal; ein XSD sagt das auch, wo die Zeile eines hat.",
        "Das überzählige Element weglassen.",
        _XOEV,
        _header_once,
        genuine=Severity.ERROR,
        own=None,
    ),
    Rule(
        "header-read",
        "H3",
        problems.HEADER_NOT_READ,
        "Of other standards a message without such a header is taken as its portal's call says; nothing in it is checked against the call.",
        "Bei anderen Standards gilt für eine Nachricht ohne solchen Kopf der Aufruf des Portals; nichts in ihr wird gegen ihn geprüft.",
        "Den Absender fragen, ob der Standard einen anderen Kopf hat.",
        "Stadtbus",
        _header_read,
        own=None,
    ),
    Rule(
        "type-matches-root",
        "H1",
        problems.TYPE_MISMATCH,
        "nachrichtentyp/code is the number of the root element; name, if sent, is its full name.",
        "nachrichtentyp/code ist die Nummer des Wurzelelements; name, wenn gesendet, sein ganzer Name.",
        "nachrichtentyp/code auf die Nummer des Wurzelelements setzen, name auf seinen Namen.",
        _XOEV,
        _type_matches_root,
    ),
    Rule(
        "id-identifies",
        "H7",
        problems.ID_EMPTY,
        "No id is the nil UUID, the max UUID, or one digit all along. In genuine messages this is asked of nachrichtenUUID.",
        "Keine ID ist die Null-UUID, die Max-UUID oder durchgehend dieselbe Ziffer. Bei echten XÖV-Nachrichten gilt das für nachrichtenUUID.",
        "Jeder Nachricht und jedem Vorgang eine eigene UUID geben.",
        "RFC 9562, sections 5.9 and 5.10",
        _ids_identify,
        genuine=Severity.ERROR,
    ),
    Rule(
        "time-complete",
        "H2",
        problems.TIME_INCOMPLETE,
        f"erstellungszeitpunkt has milliseconds (any number of digits) and a time zone, exists, lies neither before {moments.EARLIEST.year} nor in the future.",
        f"erstellungszeitpunkt hat Millisekunden (beliebig viele Stellen) und Zeitzone, existiert, liegt weder vor {moments.EARLIEST.year} noch in der Zukunft.",
        "Mit Millisekunden und Zeitzone schreiben, zum Beispiel 2026-03-01T09:30:00.000+01:00.",
        _XOEV,
        _time_complete,
    ),
    Rule(
        "key-in-directory",
        "H4",
        problems.AUTHORITY_KEY,
        "Where the directory is DVDV, kennung is a prefix of the list (below), a colon and the key.",
        "Wo das Verzeichnis DVDV ist, besteht kennung aus einem Präfix der Liste (unten), Doppelpunkt und Schlüssel.",
        "kennung wie im DVDV schreiben, zum Beispiel ags:09162000.",
        f"{SHIPPED.prefixes}",
        _key_in_directory,
    ),
    Rule(
        "text-in-nfc",
        "H6",
        problems.TEXT_NOT_NFC,
        "All text is in Unicode form NFC.",
        "Aller Text ist in der Unicode-Form NFC.",
        "Vor dem Senden nach NFC normalisieren.",
        "DIN 91379:2022-08",
        _text_in_nfc,
        kept=attrgetter("clean"),
    ),
    Rule(
        "din-91379",
        "H6",
        problems.CHARACTER,
        "Each text has only characters of its datatype; texts of genuine messages have datatype C.",
        "Jeder Text hat nur Zeichen seines Datentyps; für Texte echter XÖV-Nachrichten gilt Datentyp C.",
        "Das genannte Zeichen durch eines ersetzen, das DIN 91379 für diesen Datentyp hat.",
        "DIN 91379:2022-08",
        _characters_fit,
        kept=attrgetter("clean"),
    ),
    Rule(
        "encoded-once",
        "H6",
        problems.TWICE_ENCODED,
        "No text looks like UTF-8 that was read as Windows-1252 (MÃ¼nchen). A suspicion, never a refusal.",
        "Kein Text sieht aus wie UTF-8, das als Windows-1252 gelesen wurde (MÃ¼nchen). Ein Verdacht, nie eine Ablehnung.",
        "Den Text mit seiner Quelle vergleichen.",
        "Stadtbus",
        _encoded_once,
        own=Severity.WARNING,
        kept=attrgetter("clean"),
    ),
    Rule(
        "test-flag",
        "H8",
        problems.TEST_NOT_ALLOWED,
        "A message with the attribute test, whatever its value, does not reach a system in production.",
        "Eine Nachricht mit dem Attribut test, gleich mit welchem Wert, erreicht kein System im Betrieb.",
        "Das Attribut weglassen, oder ein Testsystem nutzen.",
        _XOEV,
        _test_flag,
        genuine=Severity.ERROR,
        kept=attrgetter("inconspicuous"),
    ),
    Rule(
        "attachment-size",
        "A1",
        problems.ATTACHMENT_SIZE,
        f"An attachment has 1 to {MAX_ATTACHMENT_BYTES} bytes.",
        f"Eine Anlage hat 1 bis {MAX_ATTACHMENT_BYTES} Bytes.",
        "Dateien dieser Größe senden.",
        "Stadtbus",
        _attachment_size,
        genuine=None,
        kept=attrgetter("inconspicuous"),
    ),
    Rule(
        "attachment-type",
        "A1",
        problems.ATTACHMENT_TYPE,
        "mimeType is a MIME type.",
        "mimeType ist ein MIME-Typ.",
        "Als Typ/Untertyp schreiben, zum Beispiel application/pdf.",
        "RFC 6838, section 4.2",
        _attachment_type,
        genuine=None,
        kept=attrgetter("inconspicuous"),
    ),
    Rule(
        "attachment-name",
        "A1",
        problems.ATTACHMENT_NAME,
        'dateiname is a plain file name: no folder, no control character, none of the signs : * ? " < > |, no dot or blank at its ends.',
        'dateiname ist ein einfacher Dateiname: kein Ordner, kein Steuerzeichen, keines der Zeichen : * ? " < > |, kein Punkt oder Leerzeichen am Rand.',
        "Nur den Namen der Datei senden.",
        "Stadtbus",
        _attachment_name,
        genuine=None,
        kept=attrgetter("inconspicuous"),
    ),
    Rule(
        "code-list-known",
        "C1",
        problems.CODE_LIST,
        "leistung and gebiet name the code lists that the bus knows.",
        "leistung und gebiet nennen die Codelisten, die der Bus kennt.",
        "listURI auf die genannte Liste setzen.",
        "xbau-fehlerkennzahlen 2.2, X010",
        _lists_known,
        genuine=None,
        kept=attrgetter("inconspicuous"),
    ),
    Rule(
        "service-known",
        "C1",
        problems.UNKNOWN_SERVICE,
        "A city of the bus offers the service.",
        "Eine Stadt des Busses bietet die Leistung an.",
        "Einen der genannten LeiKa-Schlüssel verwenden.",
        "catalogue",
        _refused_by_catalogue(problems.UNKNOWN_SERVICE, "leistung/code"),
        genuine=Severity.ERROR,
    ),
    Rule(
        "area-known",
        "C1",
        problems.UNKNOWN_AREA,
        "The area is that of a city of the bus.",
        "Das Gebiet ist das einer Stadt des Busses.",
        "ARS (12 Ziffern) oder AGS (8 Ziffern) einer der genannten Städte verwenden.",
        "catalogue",
        _refused_by_catalogue(problems.UNKNOWN_AREA, "gebiet/code"),
        genuine=Severity.ERROR,
    ),
    Rule(
        "code-known",
        "C1",
        problems.CODE,
        f"The directory is DVDV; codes of channels are in {SHIPPED.channels}; the code of an area has as many digits as its list demands.",
        f"Das Verzeichnis ist DVDV; Codes von Kanälen stehen in {SHIPPED.channels}; der Code eines Gebiets hat so viele Ziffern, wie seine Liste verlangt.",
        "Einen der genannten Codes verwenden.",
        "xbau-fehlerkennzahlen 2.2, X011",
        _codes_known,
        genuine=None,
        kept=attrgetter("inconspicuous"),
    ),
    Rule(
        "service-offered",
        "H3",
        problems.NO_ROUTE,
        "The city offers the service over the bus.",
        "Die Stadt bietet die Leistung über den Bus an.",
        "Die Einzelheit nennt, wo die Leistung angeboten wird.",
        "catalogue",
        _refused_by_catalogue(problems.NO_ROUTE, "gebiet/code"),
        genuine=Severity.ERROR,
    ),
    Rule(
        "reader-agrees",
        "H3",
        problems.READER_MISMATCH,
        "leser is the authority that service and area lead to.",
        "leser ist die Behörde, zu der Leistung und Gebiet führen.",
        "leser/kennung auf die genannte Behörde setzen.",
        "XInneres fehlercodes 2, T080",
        _reader_agrees,
        genuine=Severity.ERROR,
    ),
    Rule(
        "form-fits",
        "C3",
        problems.FORM_MISFIT,
        "The form is the one that the service has in the catalogue, with its required fields, and each value is of its field's kind.",
        "Das Formular ist das, das die Leistung im Katalog hat, mit dessen Pflichtfeldern, und jeder Wert ist von der Art seines Feldes.",
        "Das genannte Feld so füllen, wie der Katalog es beschreibt.",
        "catalogue",
        _form_fits,
        genuine=None,
    ),
)
"""Rules that the XSD knows nothing of. They are asked of invalid messages too, and pass over what is missing."""

RULES: Final = (*BESIDE_SCHEMA, *AFTER_SCHEMA)
