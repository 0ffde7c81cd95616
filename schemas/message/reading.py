"""From XML to the models. What is read is valid against the XSD; where it is not, that is a mistake of the caller."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from lxml import etree

from schemas.events import State
from schemas.message.models import (
    AMENDMENT,
    APPLICATION,
    RECEIPT,
    REJECTION,
    STATUS,
    WITHDRAWAL,
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


def read(root: etree._Element) -> Message:
    """The message in a root element that is valid against the XSD.

    Raises:
        LookupError: not a message of ours.
        ValidationError: the XSD was not checked before.
    """
    return _READERS[etree.QName(root).localname](root)


def _application(root: etree._Element) -> Application:
    return Application(
        **_filing(root),
        reference=_maybe_reference(root),
        content=_read_content(_need(root, "inhalt")),
        attachments=_read_attachments(root),
    )


def _amendment(root: etree._Element) -> Amendment:
    content = root.find("inhalt")
    return Amendment(
        **_filing(root),
        reference=_message_reference(_need(root, "bezug")),
        content=None if content is None else _read_content(content),
        attachments=_read_attachments(root),
    )


def _withdrawal(root: etree._Element) -> Withdrawal:
    reason: Any = _token(_need(root, "grund"), "code")  # the model knows which there are
    return Withdrawal(**_filing(root), reference=_message_reference(_need(root, "bezug")), reason=reason)


def _status(root: etree._Element) -> StatusMessage:
    return StatusMessage(
        **_header(root),
        reference=_message_reference(_need(root, "bezug")),
        case_id=UUID(_text(root, "antragsidentifikation")),
        state=State(_token(_need(root, "status"), "code")),
        since=_moment(root, "zeitpunkt"),
        next_step=_maybe(root, "naechsterSchritt"),
        text=_maybe(root, "text"),
    )


def _receipt(root: etree._Element) -> Receipt:
    return Receipt(
        **_header(root),
        reference=_message_reference(_need(root, "bezug")),
        case_id=UUID(_text(root, "antragsidentifikation")),
        submission_id=UUID(_text(root, "einreichungsID")),
        accepted_at=_moment(root, "angenommenAm"),
        hotline_code=_token(root, "hotlineCode"),
        content_sha512=_token(root, "sha512"),
    )


def _rejection(root: etree._Element) -> RejectionMessage:
    reference = root.find("bezug")
    return RejectionMessage(
        **_header(root),
        reference=None if reference is None else _message_reference(reference),
        grounds=tuple(_read_ground(element) for element in root.findall("grund")),
    )


_READERS: Final[dict[str, Callable[[etree._Element], Message]]] = {
    APPLICATION: _application,
    AMENDMENT: _amendment,
    WITHDRAWAL: _withdrawal,
    STATUS: _status,
    RECEIPT: _receipt,
    REJECTION: _rejection,
}


# --- what several messages have


def _header(root: etree._Element) -> dict[str, Any]:
    head = _need(root, "nachrichtenkopf.g2g")
    identification = _need(head, "identifikation.nachricht")
    return {
        "message_id": UUID(_text(identification, "nachrichtenUUID")),
        "created_at": _moment(identification, "erstellungszeitpunkt"),
        "reader": _read_authority(_need(head, "leser")),
        "author": _read_authority(_need(head, "autor")),
        "test": root.get("test") is not None,  # present with any value, even "false", means test (XÖV-Basisnachricht)
        "product": root.get("produkt", ""),
        "product_maker": root.get("produkthersteller", ""),
    }


def _filing(root: etree._Element) -> dict[str, Any]:
    return _header(root) | {
        "case_id": UUID(_text(root, "antragsidentifikation")),
        "answers_wanted": _token(root, "rueckkanalVorhanden") in ("true", "1"),
        "service": _read_code(_need(root, "leistung")),
        "area": _read_code(_need(root, "gebiet")),
        "applicants": tuple(_read_applicant(element) for element in root.findall("antragsteller")),
    }


def _maybe_reference(root: etree._Element) -> Reference | None:
    element = root.find("bezug")
    return None if element is None else Reference(**_read_reference(element))


def _message_reference(element: etree._Element) -> MessageReference:
    return MessageReference(**_read_reference(element))


def _read_reference(element: etree._Element) -> dict[str, Any]:
    return {
        "portal_reference": _maybe(element, "referenz"),
        "file_number": _maybe(element, "vorgang"),
        "message_id": _maybe(element, "bezugNachricht"),
    }


def _read_attachments(root: etree._Element) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(
            id=UUID(_text(element, "anlagenID")),
            purpose=_text(element, "zweck"),
            file_name=_text(element, "dateiname"),
            media_type=_text(element, "mimeType"),
            size_bytes=int(_token(element, "groesseBytes")),
            sha512=_token(element, "sha512"),
        )
        for element in root.iterfind("anlagen/anlage")
    )


def _read_ground(element: etree._Element) -> Ground:
    error = _read_code(_need(element, "fehler"))
    xoev = element.find("fehlerkennzahl")
    return Ground(
        code=error.code,
        title=error.name or error.code,
        xoev=None if xoev is None else _token(element, "fehlerkennzahl"),
        where=_maybe(element, "ort"),
        detail=_maybe(element, "einzelheit"),
        hint=_text(element, "hinweis"),
    )


def _need(parent: etree._Element, name: str) -> etree._Element:
    for child in parent.iterchildren(name):  # not `find`, which takes names for paths and several times as long
        return child
    raise LookupError(f"{parent.tag} has no {name}")  # the XSD was checked before, so this is a fault of ours


def _text(parent: etree._Element, name: str) -> str:
    return _need(parent, name).text or ""


def _token(parent: etree._Element, name: str) -> str:
    """The value of an xs:token or narrower, whose outer blanks the XSD does not see."""
    return " ".join(_text(parent, name).split())


def _moment(parent: etree._Element, name: str) -> datetime:
    return datetime.fromisoformat(_token(parent, name))


def _maybe(parent: etree._Element, name: str) -> str | None:
    for child in parent.iterchildren(name):
        return child.text or ""
    return None


def _read_code(element: etree._Element) -> Code:
    return Code(
        code=_token(element, "code"),
        name=_maybe(element, "name"),
        list_uri=element.get("listURI"),
        list_version=element.get("listVersionID"),
    )


def _read_authority(element: etree._Element) -> Authority:
    return Authority(key=_token(element, "kennung"), name=_text(element, "name"))


def _read_applicant(element: etree._Element) -> Applicant:
    person, organisation = element.find("natuerlichePerson"), element.find("organisation")
    trust = _need(element, "vertrauensniveau")
    return Applicant(
        person=None if person is None else _read_person(person),
        organisation=None if organisation is None else _read_organisation(organisation),
        trust=Trust(level=int(_token(trust, "niveau")[-1]), account=_token(trust, "konto")),
    )


def _read_person(element: etree._Element) -> Person:
    address = element.find("anschrift")
    return Person(
        family_name=_maybe(_need(element, "familienname"), "name"),
        given_names=_maybe(_need(element, "vornamen"), "name"),
        birth_name=_maybe(element, "geburtsname"),
        birth_date=None if element.find("geburtsdatum") is None else _token(element, "geburtsdatum"),
        address=None if address is None else _read_address(address),
    )


def _read_organisation(element: etree._Element) -> Organisation:
    return Organisation(
        name=_text(element, "name"),
        legal_form=_maybe(element, "rechtsform"),
        register_number=_maybe(element, "registernummer"),
        address=_read_address(_need(element, "anschrift")),
    )


def _read_address(element: etree._Element) -> Address:
    return Address(
        street=_text(element, "strasse"),
        house_number=_text(element, "hausnummer"),
        addition=_maybe(element, "zusatz"),
        postal_code=_text(element, "postleitzahl"),
        city=_text(element, "ort"),
        country=_maybe(element, "staat"),
    )


def _read_content(element: etree._Element) -> Form | Literal["fachnachricht"]:
    form = element.find("formular")
    if form is None:
        return "fachnachricht"
    return Form(
        schema_uri=_token(form, "schemaUri"),
        fields=tuple(
            FormField(id=field.get("id", "").strip(), values=tuple(value.text or "" for value in field.findall("wert")))
            for field in form.findall("feld")
        ),
    )
