"""What each rule looks for: a function per rule that yields the places of a message that break it, in the order of the rules.

A check is asked of invalid messages too, and passes over what is missing. None opens anything or reads a clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from lxml import etree

from schemas import ids, message, moments
from schemas.catalogue import Route
from schemas.codelists import AUTHORITY_KEY
from schemas.din91379 import first_disallowed, looks_like_mojibake
from schemas.errors import Rejected
from schemas.examination import forms
from schemas.examination.rules import xpaths
from schemas.examination.rules.subject import Subject
from schemas.examination.rules.xpaths import AREA_DIGITS, DIRECTORIES, LISTS, Select
from schemas.findings import Breach
from schemas.message import xsd
from schemas.nfc import MAX_MARKS, first_long_run, is_nfc
from schemas.problems import Problem

MAX_ATTACHMENTS: Final = 100
MAX_ATTACHMENT_BYTES: Final = 100_000_000
CLOCK_SKEW: Final = timedelta(minutes=10)
"""How far a portal's clock may be ahead of ours."""

_AUTHORITY_KEY = re.compile(AUTHORITY_KEY)
_BYTES = re.compile(r"[0-9]{1,12}")
_NO_HEADER: Final = (
    "the first element is none of the headers that the bus reads (nachrichtenkopf.g2g, or nachrichtenkopf with behoerdenkennung)"
)
_MESSAGE_ID: Final = "identifikation.nachricht/nachrichtenUUID"
_TYPE: Final = "identifikation.nachricht/nachrichtentyp"
_KEY: Final = ("", "/kennung", "/behoerdenkennung", "/behoerdenkennung/praefix", "/behoerdenkennung/kennung")
_ONCE: Final = ("", "identifikation.nachricht", _MESSAGE_ID, *(party + part for party in ("leser", "autor") for part in _KEY))
"""What a header says once: who reads it could choose another one than we do. The empty path is the header itself."""
_SHA512 = re.compile(r"[0-9a-f]{128}")
_MIME_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")  # RFC 6838, section 4.2
_FILE_NAME = re.compile(r"""(?![. ])[^\x00-\x1f\x7f/\\:*?"<>|\u202a-\u202e\u2066-\u2069]+(?<![. ])""")

Check = Callable[[Subject], Iterable[Breach]]


def no_empty_text(subject: Subject) -> Iterator[Breach]:
    """Empty elements and attributes; of a genuine message those of its header."""
    within = subject.root if subject.own else next(subject.root.iterchildren("*"), None)
    if within is None or (subject.head is None and not subject.own):
        return
    for element in xpaths.EMPTY(within):
        names = [str(name) for name, value in element.attrib.items() if not value]
        if element is within and not names:
            continue  # that it is empty, others say
        yield Breach(f"the attribute {names[0]} is empty" if names else "the element is empty", element, names[0] if names else "")


def header_there(subject: Subject) -> Iterator[Breach]:
    """A header that is missing where one is needed; told at the root."""
    if subject.head is None and subject.needs_header:
        yield Breach(_NO_HEADER, subject.root)


def header_once(subject: Subject) -> Iterator[Breach]:
    """Elements of the header that stand there a second time."""
    for path in _ONCE:
        element = subject.header_element(path)
        again = None if element is None else next(element.itersiblings(f"{{*}}{etree.QName(element).localname}"), None)
        if again is not None:
            yield Breach("this stands there more than once: which of them is meant nobody knows", again)


def header_read(subject: Subject) -> Iterator[Breach]:
    """A header that is missing where none is needed; told at the root."""
    if subject.head is None and not subject.needs_header:
        yield Breach(_NO_HEADER, subject.root)


def _ids(subject: Subject) -> Iterator[tuple[str, etree._Element | None]]:
    """Every id of a message with its element; of a genuine one that of the message."""
    if subject.own:
        for element in _own_ids()(subject.root):
            yield element.text or "", element
    elif subject.head is not None:
        yield subject.head.message_id, subject.header_element(_MESSAGE_ID)


def ids_written(subject: Subject) -> Iterator[Breach]:
    """Ids that are not written as a UUID."""
    for text, element in _ids(subject):
        if not ids.is_written(text):
            detail = f"expected {ids.WRITTEN}"
            yield from subject.in_header(_MESSAGE_ID, detail) if element is None else (Breach(detail, element, value=text),)


def ids_identify(subject: Subject) -> Iterator[Breach]:
    """UUIDs that identify nothing."""
    for text, element in _ids(subject):
        if element is not None and ids.is_empty(text):
            yield Breach(ids.EMPTY, element, value=text)


def version_known(subject: Subject) -> Iterator[Breach]:
    """An attribute version of the root that is not ours."""
    sent = subject.root.get("version")
    if sent and sent != message.VERSION:
        yield Breach(f"accepted: {message.VERSION}", subject.root, "version", sent)


def _attachments(subject: Subject, name: str, fits: Callable[[str], bool], detail: str) -> Iterator[Breach]:
    for attachment in subject.attachments:
        element = attachment.find(name)
        if element is not None and element.text and not fits(element.text.strip(" \t\r\n")):
            yield Breach(detail, element, value=element.text)


def attachment_count(subject: Subject) -> Iterator[Breach]:
    """The first attachment beyond the limit."""
    if len(subject.attachments) > MAX_ATTACHMENTS:
        yield Breach(f"{len(subject.attachments)} attachments; the limit is {MAX_ATTACHMENTS}", subject.attachments[MAX_ATTACHMENTS])


def attachment_hash(subject: Subject) -> Iterator[Breach]:
    """Hashes of attachments that are no SHA-512."""
    return _attachments(subject, "sha512", lambda text: bool(_SHA512.fullmatch(text)), "not 128 hexadecimal digits in lower case")


def attachment_size(subject: Subject) -> Iterator[Breach]:
    """Sizes of attachments that are none or too large."""

    def fits(text: str) -> bool:
        return not _BYTES.fullmatch(text) or 0 < int(text) <= MAX_ATTACHMENT_BYTES  # whatever else it is, the XSD refuses

    return _attachments(subject, "groesseBytes", fits, f"1 to {MAX_ATTACHMENT_BYTES} bytes are accepted")


def attachment_name(subject: Subject) -> Iterator[Breach]:
    """File names of attachments that are no plain names."""
    return _attachments(subject, "dateiname", lambda text: bool(_FILE_NAME.fullmatch(text)), "not a plain file name")


def attachment_type(subject: Subject) -> Iterator[Breach]:
    """Types of attachments that are no MIME types."""
    return _attachments(subject, "mimeType", lambda text: bool(_MIME_TYPE.fullmatch(text)), "not a MIME type")


def type_matches_root(subject: Subject) -> Iterator[Breach]:
    """A nachrichtentyp that is not that of the root element, by number or by name."""
    if subject.head is None:
        return
    name = str(subject.root.tag).rpartition("}")[2]
    number = name.rpartition(".")[2]
    if subject.head.type_code not in ("", number):
        yield from subject.in_header(f"{_TYPE}/code", "expected the number that the name of the root element ends in")
    if subject.head.type_name not in (None, name):
        yield from subject.in_header(f"{_TYPE}/name", "expected the name of the root element")


def time_complete(subject: Subject) -> Iterator[Breach]:
    """An erstellungszeitpunkt that is no complete time, or lies in the future."""
    text = subject.head.created if subject.head else ""
    wrong = _wrong_with_time(text, subject.now) if text else ""
    if wrong:
        yield from subject.in_header("identifikation.nachricht/erstellungszeitpunkt", wrong)


def _wrong_with_time(text: str, now: datetime) -> str:
    """Empty when nothing is."""
    try:
        created_at = moments.parse(text)
    except moments.NoMoment as error:
        return str(error)
    if not moments.has_fraction(text):
        return "the milliseconds are missing"
    return "the time lies in the future" if created_at > now + CLOCK_SKEW else ""


def key_in_directory(subject: Subject) -> Iterator[Breach]:
    """Keys of leser and autor that are none of DVDV, where the header says that they are. Keys of other directories have other forms."""
    if subject.head is None:
        return
    known = subject.catalogue.lists.prefixes
    for party, sent in (("leser", subject.head.reader), ("autor", subject.head.author)):
        written = _AUTHORITY_KEY.fullmatch(sent)
        if not written or sent.partition(":")[0] not in known.codes:
            directory = subject.header_element(f"{party}/verzeichnisdienst/code")
            if sent and directory is not None and (directory.text or "").strip() in DIRECTORIES:
                missing = f"the prefix is none of the {len(known.codes)} of {known}"
                yield from subject.in_header(f"{party}/kennung", missing if written else "expected a prefix, a colon and the key")


def marks_bounded(subject: Subject) -> Iterator[Breach]:
    """Texts with too many combining marks in a row; the first run is told."""
    for text in subject.texts:
        begin = first_long_run(text.value)
        if begin is not None:
            yield Breach(f"more than {MAX_MARKS} in a row, from position {begin + 1}", text.element, text.attribute, text.value)


def text_in_nfc(subject: Subject) -> Iterator[Breach]:
    """Texts that are not in the form NFC."""
    for text in subject.texts:
        if not is_nfc(text.value):
            yield Breach("", text.element, text.attribute, text.value)


def characters_fit(subject: Subject) -> Iterator[Breach]:
    """Texts with a character that their datatype does not have; the first one is told."""
    for text in subject.texts:
        found = first_disallowed(text.value, text.datatype)
        if found is not None:
            yield Breach(found.told(text.datatype), text.element, text.attribute, text.value)


def encoded_once(subject: Subject) -> Iterator[Breach]:
    """Texts that look as if they were encoded twice."""
    for text in subject.texts:
        if looks_like_mojibake(text.value):
            yield Breach("", text.element, text.attribute, text.value)


def test_flag(subject: Subject) -> Iterator[Breach]:
    """The attribute test of the root, where test messages are not taken."""
    if subject.root.get("test") is not None and not subject.accept_test:
        yield Breach("any value counts, even 'false'", subject.root, "test")


def lists_known(subject: Subject) -> Iterator[Breach]:
    """Code lists of leistung and gebiet that are not known."""
    for element in xpaths.UNKNOWN_LISTS(subject.root):
        yield Breach(f"expected {' or '.join(LISTS[element.tag])}", element, "listURI", element.get("listURI"))


def codes_known(subject: Subject) -> Iterator[Breach]:
    """Codes of directories and channels that are not in their list, and of areas with a wrong number of digits."""
    channels = subject.catalogue.lists.channels
    for element in xpaths.UNKNOWN_CODES(subject.root):
        around = element.getparent()
        if around.tag == "gebiet":
            detail = f"the codes of this list have {AREA_DIGITS[around.get('listURI').strip()]} digits"
        elif around.tag == "verzeichnisdienst":
            detail = f"the bus knows authorities by their key in {' or '.join(DIRECTORIES)}"
        elif (element.text or "").strip() in channels.codes:
            continue
        else:
            detail = f"the codes of {channels}: {', '.join(channels.codes)}"
        yield Breach(detail, element, value=element.text)


def refused_by_catalogue(problem: Problem, place: str) -> Check:
    """The check for one problem of the catalogue: it is told at that place, of a genuine message at the root."""

    def check(subject: Subject) -> Iterator[Breach]:
        if isinstance(subject.routed, Rejected) and subject.routed.problem is problem:
            element = subject.root.find(place) if subject.own else None
            yield Breach(subject.routed.detail, subject.root if element is None else element)

    return check


def reader_agrees(subject: Subject) -> Iterator[Breach]:
    """A leser that is not the authority of the route."""
    if subject.head is None or not isinstance(subject.routed, Route):
        return
    expected = subject.routed.office_entry.authority
    if subject.head.reader != expected:
        yield from subject.in_header(
            "leser/behoerdenkennung" if subject.head.generation == "G1" else "leser/kennung", f"expected {expected}"
        )


def form_fits(subject: Subject) -> Iterator[Breach]:
    """What in the form is not as the catalogue has it; amendments may have a part of the form only."""
    if isinstance(subject.routed, Route):
        whole = etree.QName(subject.root).localname == message.APPLICATION
        yield from forms.breaches(subject.root, subject.routed.service, whole=whole)


@cache
def _own_ids() -> Select:
    """The ids in messages of our own, in the order of the XSD."""
    found = (field.path for name in xsd.messages() for field in xsd.fields(name) if field.type_name == "UUID")
    return xpaths.one_by_one(dict.fromkeys(found))
