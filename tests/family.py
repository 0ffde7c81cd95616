"""Hypothesis strategies for every message of the family, with all kinds of letters of DIN 91379, and the shipped samples."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

from hypothesis import strategies as st

from schemas import message
from schemas.events import State
from schemas.message import (
    Address,
    Amendment,
    Applicant,
    Application,
    Attachment,
    Authority,
    Code,
    Form,
    FormField,
    Ground,
    Message,
    MessageReference,
    Organisation,
    Person,
    Receipt,
    Reference,
    RejectionMessage,
    StatusMessage,
    Trust,
    Withdrawal,
)

SAMPLES: Final[Mapping[str, bytes]] = {
    page.name.removesuffix(".xml"): page.read_bytes()
    for page in sorted(files("schemas").joinpath("samples").iterdir(), key=lambda page: page.name)
}
"""The sample of each message, by its root element."""

# Letters of DIN 91379: Latin-1, Latin Extended-A, Vietnamese, and sequences that have no single character.
_LETTERS = [*"AZaz '-", *map(chr, range(0xC0, 0x180)), *map(chr, range(0x1EA0, 0x1EFA)), "M̂", "n̂", "C̆", "k͟h", "Z̧", "ž̦", "ʾ", "ʿ", "ẞ"]
_CODES = st.from_regex(r"[A-Za-z0-9.]{1,30}", fullmatch=True)
_SHA512 = st.from_regex(r"[0-9a-f]{128}", fullmatch=True)


def _milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _texts(limit: int) -> st.SearchStrategy[str]:
    """Text that is not only blanks."""
    return st.lists(st.sampled_from(_LETTERS), min_size=1, max_size=limit // 3).map("".join).filter(str.strip)


def _some(strategy: st.SearchStrategy[Any], limit: int = 3, least: int = 1) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, min_size=least, max_size=limit).map(tuple)


_TEXT, _MAYBE = _texts(250), st.none() | _texts(250)
_MOMENTS = st.datetimes(timezones=st.just(UTC)).map(_milliseconds)
_AUTHORITIES = st.builds(Authority, key=st.from_regex(r"[a-z]{3}:[0-9]{1,12}", fullmatch=True), name=_TEXT)
_ADDRESSES = st.builds(Address, street=_TEXT, house_number=_texts(50), addition=_MAYBE, postal_code=_texts(50), city=_TEXT, country=_MAYBE)
_BIRTH_DATES = st.none() | st.dates().map(str) | st.sampled_from(["1950", "1950-07"])
_PEOPLE = st.builds(
    Person, family_name=_MAYBE, given_names=_MAYBE, birth_name=_MAYBE, birth_date=_BIRTH_DATES, address=st.none() | _ADDRESSES
)
_COMPANIES = st.builds(Organisation, name=_TEXT, legal_form=_MAYBE, register_number=_MAYBE, address=_ADDRESSES)
_TRUSTS = st.builds(Trust, level=st.integers(1, 4), account=st.from_regex(r"[a-z][a-z0-9-]{1,39}", fullmatch=True))
_APPLICANTS = st.builds(Applicant, person=_PEOPLE, trust=_TRUSTS) | st.builds(Applicant, organisation=_COMPANIES, trust=_TRUSTS)
_FIELDS = st.builds(FormField, id=st.from_regex(r"[FG][0-9]{8,11}", fullmatch=True), values=_some(st.just("") | _texts(4000)))
_FORMS = st.builds(Form, schema_uri=st.just("https://stadtbus.example/x"), fields=_some(_FIELDS, 4))
_ATTACHMENTS = st.builds(
    Attachment,
    id=st.uuids(),
    purpose=_texts(50),
    file_name=_TEXT,
    media_type=st.just("application/pdf"),
    size_bytes=st.integers(0, 10**12 - 1),
    sha512=_SHA512,
)
_REFERENCES = st.builds(Reference, portal_reference=st.none() | st.uuids(), file_number=_MAYBE, message_id=st.none() | st.uuids())
_MESSAGE_REFERENCES = st.builds(MessageReference, portal_reference=st.none() | st.uuids(), file_number=_MAYBE, message_id=st.uuids())
_GROUNDS = st.builds(Ground, code=_CODES, title=_TEXT, xoev=st.none() | st.sampled_from(["X001", "S999"]), where=_MAYBE, hint=_texts(1000))


def _list(uri: str) -> st.SearchStrategy[Code]:
    return st.builds(Code, code=_CODES, name=_MAYBE, list_uri=st.just(uri), list_version=st.just("2026-04-30"))


_HEADER: dict[str, Any] = {
    "message_id": st.uuids(),
    "created_at": _MOMENTS,
    "reader": _AUTHORITIES,
    "author": _AUTHORITIES,
    "test": st.booleans(),
    "product": _TEXT,
    "product_maker": _TEXT,
}
_FILING: dict[str, Any] = _HEADER | {
    "case_id": st.uuids(),
    "answers_wanted": st.booleans(),
    "service": _list(message.SERVICE_LIST),
    "area": _list(message.AREA_LIST_AGS),
    "applicants": _some(_APPLICANTS),
}
MESSAGES: Final[Mapping[str, st.SearchStrategy[Message]]] = {
    message.APPLICATION: st.builds(
        Application, **_FILING, reference=st.none() | _REFERENCES, content=_FORMS, attachments=_some(_ATTACHMENTS, least=0)
    ),
    message.AMENDMENT: st.builds(
        Amendment, **_FILING, reference=_MESSAGE_REFERENCES, content=_FORMS, attachments=_some(_ATTACHMENTS, least=0)
    )
    | st.builds(Amendment, **_FILING, reference=_MESSAGE_REFERENCES, attachments=_some(_ATTACHMENTS)),
    message.WITHDRAWAL: st.builds(
        Withdrawal,
        **_FILING,
        reference=_MESSAGE_REFERENCES,
        reason=st.sampled_from(["no-longer-needed", "mistake", "applied-anew", "other"]),
    ),
    message.STATUS: st.builds(
        StatusMessage,
        **_HEADER,
        reference=_MESSAGE_REFERENCES,
        case_id=st.uuids(),
        state=st.sampled_from(State),
        since=_MOMENTS,
        next_step=_MAYBE,
        text=_MAYBE,
    ),
    message.RECEIPT: st.builds(
        Receipt,
        **_HEADER,
        reference=_MESSAGE_REFERENCES,
        case_id=st.uuids(),
        submission_id=st.uuids(),
        accepted_at=_MOMENTS,
        hotline_code=st.from_regex(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", fullmatch=True),
        content_sha512=_SHA512,
    ),
    message.REJECTION: st.builds(
        RejectionMessage, **_HEADER, reference=st.none() | st.builds(MessageReference, message_id=st.uuids()), grounds=_some(_GROUNDS)
    ),
}
"""Any message of each kind, by its root element."""
