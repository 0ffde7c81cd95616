"""From the models to XML: UTF-8, and the same message gives the same bytes.

Genuine XÖV content is not written here: such messages are made by portals and travel as they came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from lxml import etree

from schemas.message.models import (
    AMENDMENT,
    APPLICATION,
    DIRECTORY_LIST,
    DIRECTORY_LIST_VERSION,
    ERROR_LIST,
    NAMESPACE,
    OWN_LIST_VERSION,
    RECEIPT,
    REJECTION,
    STANDARD,
    STATUS,
    STATUS_LIST,
    VERSION,
    WITHDRAWAL,
    WITHDRAWAL_REASON_LIST,
    Address,
    Amendment,
    Applicant,
    Application,
    Attachment,
    Authority,
    Code,
    Filing,
    Form,
    Ground,
    Message,
    Organisation,
    Person,
    Receipt,
    Reference,
    RejectionMessage,
    StatusMessage,
    Withdrawal,
)

NAMES: Final[dict[type[Message], str]] = {
    Application: APPLICATION,
    Amendment: AMENDMENT,
    Withdrawal: WITHDRAWAL,
    StatusMessage: STATUS,
    Receipt: RECEIPT,
    RejectionMessage: REJECTION,
}
"""The root element of each message."""


def write(message: Message) -> bytes:
    """The message as XML.

    Raises:
        TypeError: it carries genuine XÖV content.
        ValueError: a text holds a character that XML cannot carry.
    """
    name = NAMES[type(message)]
    root = etree.Element(f"{{{NAMESPACE}}}{name}", nsmap={"e": NAMESPACE})
    root.set("produkt", message.product)
    root.set("produkthersteller", message.product_maker)
    root.set("standard", STANDARD)
    if message.test:
        root.set("test", "true")
    root.set("version", VERSION)
    _write_header(root, name, message)
    _BODIES[name](root, message)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _write_application(root: etree._Element, message: Application) -> None:
    _write_reference(root, message.reference)
    _write_filing(root, message)
    _write_content(root, message.content)
    _write_attachments(root, message.attachments)


def _write_amendment(root: etree._Element, message: Amendment) -> None:
    _write_reference(root, message.reference)
    _write_filing(root, message)
    if message.content is not None:
        _write_content(root, message.content)
    _write_attachments(root, message.attachments)


def _write_withdrawal(root: etree._Element, message: Withdrawal) -> None:
    _write_reference(root, message.reference)
    _write_filing(root, message)
    _write_code(root, "grund", Code(code=message.reason, list_uri=WITHDRAWAL_REASON_LIST, list_version=OWN_LIST_VERSION))


def _write_status(root: etree._Element, message: StatusMessage) -> None:
    _write_reference(root, message.reference)
    _add(root, "antragsidentifikation", str(message.case_id))
    _write_code(root, "status", Code(code=message.state, list_uri=STATUS_LIST, list_version=OWN_LIST_VERSION))
    _add(root, "zeitpunkt", message.since.isoformat(timespec="milliseconds"))
    _add_if(root, "naechsterSchritt", message.next_step)
    _add_if(root, "text", message.text)


def _write_receipt(root: etree._Element, message: Receipt) -> None:
    _write_reference(root, message.reference)
    _add(root, "antragsidentifikation", str(message.case_id))
    _add(root, "einreichungsID", str(message.submission_id))
    _add(root, "angenommenAm", message.accepted_at.isoformat(timespec="milliseconds"))
    _add(root, "hotlineCode", message.hotline_code)
    _add(root, "sha512", message.content_sha512)


def _write_rejection(root: etree._Element, message: RejectionMessage) -> None:
    _write_reference(root, message.reference)
    for ground in message.grounds:
        _write_ground(_add(root, "grund"), ground)


_BODIES: Final[dict[str, Callable[[etree._Element, Any], None]]] = {
    APPLICATION: _write_application,
    AMENDMENT: _write_amendment,
    WITHDRAWAL: _write_withdrawal,
    STATUS: _write_status,
    RECEIPT: _write_receipt,
    REJECTION: _write_rejection,
}


# --- what several messages have


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, name)
    child.text = text
    return child


def _add_if(parent: etree._Element, name: str, text: str | None) -> None:
    if text is not None:
        _add(parent, name, text)


def _write_header(root: etree._Element, name: str, message: Message) -> None:
    head = _add(root, "nachrichtenkopf.g2g")
    identification = _add(head, "identifikation.nachricht")
    _add(identification, "nachrichtenUUID", str(message.message_id))
    _write_code(identification, "nachrichtentyp", Code(code=name.rsplit(".", 1)[1], name=name))
    _add(identification, "erstellungszeitpunkt", message.created_at.isoformat(timespec="milliseconds"))
    _write_authority(head, "leser", message.reader)
    _write_authority(head, "autor", message.author)


def _write_authority(parent: etree._Element, name: str, authority: Authority) -> None:
    element = _add(parent, name)
    _write_code(
        element,
        "verzeichnisdienst",
        Code(code="DVDV", list_uri=DIRECTORY_LIST, list_version=DIRECTORY_LIST_VERSION),
    )
    _add(element, "kennung", authority.key)
    _add(element, "name", authority.name)


def _write_code(parent: etree._Element, name: str, code: Code) -> None:
    element = _add(parent, name)
    if code.list_uri is not None:
        element.set("listURI", code.list_uri)
    if code.list_version is not None:
        element.set("listVersionID", code.list_version)
    _add(element, "code", code.code)
    _add_if(element, "name", code.name)


def _write_applicant(root: etree._Element, applicant: Applicant) -> None:
    element = _add(root, "antragsteller")
    if applicant.person is not None:
        _write_person(_add(element, "natuerlichePerson"), applicant.person)
    if applicant.organisation is not None:
        _write_organisation(_add(element, "organisation"), applicant.organisation)
    trust = _add(element, "vertrauensniveau")
    _add(trust, "niveau", f"STORK-QAA-Level-{applicant.trust.level}")
    _add(trust, "konto", applicant.trust.account)


def _write_person(element: etree._Element, person: Person) -> None:
    _write_name(_add(element, "familienname"), person.family_name)
    _write_name(_add(element, "vornamen"), person.given_names)
    _add_if(element, "geburtsname", person.birth_name)
    _add_if(element, "geburtsdatum", person.birth_date)
    if person.address is not None:
        _write_address(element, person.address)


def _write_name(element: etree._Element, name: str | None) -> None:
    if name is None:
        _add(element, "nichtVorhanden", "true")
    else:
        _add(element, "name", name)


def _write_organisation(element: etree._Element, organisation: Organisation) -> None:
    _add(element, "name", organisation.name)
    _add_if(element, "rechtsform", organisation.legal_form)
    _add_if(element, "registernummer", organisation.register_number)
    _write_address(element, organisation.address)


def _write_address(parent: etree._Element, address: Address) -> None:
    element = _add(parent, "anschrift")
    _add(element, "strasse", address.street)
    _add(element, "hausnummer", address.house_number)
    _add_if(element, "zusatz", address.addition)
    _add(element, "postleitzahl", address.postal_code)
    _add(element, "ort", address.city)
    _add_if(element, "staat", address.country)


def _write_reference(root: etree._Element, reference: Reference | None) -> None:
    if reference is None:
        return
    element = _add(root, "bezug")
    _add_if(element, "referenz", None if reference.portal_reference is None else str(reference.portal_reference))
    _add_if(element, "vorgang", reference.file_number)
    _add_if(element, "bezugNachricht", None if reference.message_id is None else str(reference.message_id))


def _write_filing(root: etree._Element, filing: Filing) -> None:
    _add(root, "antragsidentifikation", str(filing.case_id))
    _add(root, "rueckkanalVorhanden", "true" if filing.answers_wanted else "false")
    _write_code(root, "leistung", filing.service)
    _write_code(root, "gebiet", filing.area)
    for applicant in filing.applicants:
        _write_applicant(root, applicant)


def _write_content(root: etree._Element, content: Form | str) -> None:
    if isinstance(content, str):
        raise TypeError("genuine XÖV content is not written anew")
    _write_form(_add(root, "inhalt"), content)


def _write_form(parent: etree._Element, form: Form) -> None:
    element = _add(parent, "formular")
    _add(element, "schemaUri", form.schema_uri)
    for field in form.fields:
        field_element = _add(element, "feld")
        field_element.set("id", field.id)
        for value in field.values:
            _add(field_element, "wert", value)


def _write_attachments(root: etree._Element, attachments: tuple[Attachment, ...]) -> None:
    if not attachments:
        return
    parent = _add(root, "anlagen")
    for attachment in attachments:
        element = _add(parent, "anlage")
        _add(element, "anlagenID", str(attachment.id))
        _add(element, "zweck", attachment.purpose)
        _add(element, "dateiname", attachment.file_name)
        _add(element, "mimeType", attachment.media_type)
        _add(element, "groesseBytes", str(attachment.size_bytes))
        _add(element, "sha512", attachment.sha512)


def _write_ground(element: etree._Element, ground: Ground) -> None:
    _write_code(element, "fehler", Code(code=ground.code, name=ground.title, list_uri=ERROR_LIST, list_version=OWN_LIST_VERSION))
    _add_if(element, "fehlerkennzahl", ground.xoev)
    _add_if(element, "ort", ground.where)
    _add_if(element, "einzelheit", ground.detail)
    _add(element, "hinweis", ground.hint)
