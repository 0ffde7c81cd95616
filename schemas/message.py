"""The message `einreichung.antrag.0100` as frozen models, read from and written to XML.

The XSD (`xsd/einreichung-1.0.xsd`) is the contract; these models are its convenient form and hold only valid messages.
Field names are English, element names German as in XÖV; the two meet in this module and nowhere else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from lxml import etree
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

NAMESPACE: Final = "https://stadtbus.example/schemas/einreichung/1.0"
SCHEMA: Final = "einreichung-1.0"
APPLICATION: Final = "einreichung.antrag.0100"
STANDARD: Final = "Stadtbus-Einreichung"
VERSION: Final = "1.0"

SERVICE_LIST: Final = "urn:de:fim:leika:leistung"
AREA_LIST_ARS: Final = "urn:de:bund:destatis:bevoelkerungsstatistik:schluessel:rs"
AREA_LIST_AGS: Final = "urn:de:bund:destatis:bevoelkerungsstatistik:schluessel:ags"
DIRECTORY_LIST_VERSION: Final = "3"

Text250 = Annotated[str, StringConstraints(min_length=1, max_length=250, pattern=r"\S")]
Text50 = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"\S")]
PartialDate = Annotated[str, StringConstraints(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")]
FieldId = Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9]{8,11}$")]


class Model(BaseModel):
    """Frozen, and strict about names: a field nobody knows is an error, not a shrug."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Code(Model):
    """A value of a code list (XÖV-Code 1.0); list and version are part of the value."""

    code: str
    name: str | None = None
    list_uri: str | None = None
    list_version: str | None = None


class Authority(Model):
    """Reader or author of a message: a key in the directory DVDV, for example `ags:09162000`, and a name."""

    key: str
    name: str


class Address(Model):
    """A postal address."""

    street: Text250
    house_number: Text50
    addition: Text250 | None = None
    postal_code: Text50
    city: Text250
    country: Text250 | None = None


class Person(Model):
    """A natural person. A name of None means that the person has no such name, which is not the same as an empty one."""

    family_name: Text250 | None
    given_names: Text250 | None
    birth_name: Text250 | None = None
    birth_date: PartialDate | None = None
    address: Address | None = None


class Organisation(Model):
    """A legal person or partnership."""

    name: Text250
    legal_form: Text250 | None = None
    register_number: Text250 | None = None
    address: Address


class Trust(Model):
    """How sure the portal is of the applicant: STORK QAA level 1 (registered) to 4 (high), and by which account."""

    level: Annotated[int, Field(ge=1, le=4)]
    account: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,39}$")]


class Applicant(Model):
    """Exactly one of person and organisation, with the trust in that login."""

    person: Person | None = None
    organisation: Organisation | None = None
    trust: Trust

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.person is None) == (self.organisation is None):
            raise ValueError("give exactly one of 'person' and 'organisation'")
        return self


class FormField(Model):
    """One field of a form, with one or more values."""

    id: FieldId
    values: tuple[Annotated[str, StringConstraints(max_length=4000)], ...] = Field(min_length=1, max_length=100)


class Form(Model):
    """What the applicant filled in. Field ids are those of the form's schema."""

    schema_uri: Annotated[str, StringConstraints(min_length=1, max_length=250)]
    fields: tuple[FormField, ...] = Field(min_length=1, max_length=500)

    def value(self, field_id: str) -> str | None:
        """The first value of a field, or None where the form does not have it."""
        return next((field.values[0] for field in self.fields if field.id == field_id), None)


class Application(Model):
    """One `einreichung.antrag.0100`."""

    message_id: UUID
    created_at: AwareDatetime
    reader: Authority
    author: Authority
    case_id: UUID
    answers_wanted: bool = True
    service: Code
    area: Code
    applicants: tuple[Applicant, ...] = Field(min_length=1, max_length=20)
    content: Form | Literal["fachnachricht"]
    """The form; of a genuine XÖV message inside, only that it is one: such messages travel unchanged."""
    has_attachments: bool = False
    test: bool = False
    product: str = "Stadtbus"
    product_maker: str = "Stadtbus"

    @property
    def form(self) -> Form:
        """The form content.

        Raises:
            TypeError: the message carries a genuine XÖV message; intake keeps those from offices that take forms.
        """
        if isinstance(self.content, str):
            raise TypeError("this application carries no form")
        return self.content


# --- reading


def read(root: etree._Element) -> Application:
    """The application in a message that is valid against the XSD."""
    head = _need(root, "nachrichtenkopf.g2g")
    identification = _need(head, "identifikation.nachricht")
    return Application(
        message_id=UUID(_text(identification, "nachrichtenUUID")),
        created_at=datetime.fromisoformat(_text(identification, "erstellungszeitpunkt")),
        reader=_read_authority(_need(head, "leser")),
        author=_read_authority(_need(head, "autor")),
        case_id=UUID(_text(root, "antragsidentifikation")),
        answers_wanted=_token(root, "rueckkanalVorhanden") in ("true", "1"),
        service=_read_code(_need(root, "leistung")),
        area=_read_code(_need(root, "gebiet")),
        applicants=tuple(_read_applicant(element) for element in root.findall("antragsteller")),
        content=_read_content(_need(root, "inhalt")),
        has_attachments=root.find("anlagen") is not None,
        test=root.get("test") is not None,  # present with any value, even "false", means test (XÖV-Basisnachricht)
        product=root.get("produkt", ""),
        product_maker=root.get("produkthersteller", ""),
    )


def _need(parent: etree._Element, name: str) -> etree._Element:
    child = parent.find(name)
    if child is None:  # the XSD was checked before, so this is a fault of ours
        raise LookupError(f"{parent.tag} has no {name}")
    return child


def _text(parent: etree._Element, name: str) -> str:
    return _need(parent, name).text or ""


def _token(parent: etree._Element, name: str) -> str:
    """The value of an xs:token or narrower, whose outer blanks the XSD does not see."""
    return " ".join(_text(parent, name).split())


def _maybe(parent: etree._Element, name: str) -> str | None:
    return parent.findtext(name)


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


# --- writing


def write(application: Application) -> bytes:
    """The message as UTF-8 XML; the same application gives the same bytes.

    Attachments and genuine XÖV content are not written here: such messages are made by portals and travel as they came.
    """
    root = etree.Element(f"{{{NAMESPACE}}}{APPLICATION}", nsmap={"e": NAMESPACE})
    root.set("produkt", application.product)
    root.set("produkthersteller", application.product_maker)
    root.set("standard", STANDARD)
    if application.test:
        root.set("test", "true")
    root.set("version", VERSION)
    _write_header(root, application)
    _add(root, "antragsidentifikation", str(application.case_id))
    _add(root, "rueckkanalVorhanden", "true" if application.answers_wanted else "false")
    _write_code(root, "leistung", application.service)
    _write_code(root, "gebiet", application.area)
    for applicant in application.applicants:
        _write_applicant(root, applicant)
    _write_form(_add(root, "inhalt"), application.form)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, name)
    child.text = text
    return child


def _add_if(parent: etree._Element, name: str, text: str | None) -> None:
    if text is not None:
        _add(parent, name, text)


def _write_header(root: etree._Element, application: Application) -> None:
    head = _add(root, "nachrichtenkopf.g2g")
    identification = _add(head, "identifikation.nachricht")
    _add(identification, "nachrichtenUUID", str(application.message_id))
    _write_code(identification, "nachrichtentyp", Code(code=APPLICATION.rsplit(".", 1)[1], name=APPLICATION))
    _add(identification, "erstellungszeitpunkt", application.created_at.isoformat(timespec="milliseconds"))
    _write_authority(head, "leser", application.reader)
    _write_authority(head, "autor", application.author)


def _write_authority(parent: etree._Element, name: str, authority: Authority) -> None:
    element = _add(parent, name)
    _write_code(
        element,
        "verzeichnisdienst",
        Code(code="DVDV", list_uri="urn:xoev-de:kosit:codeliste:verzeichnisdienst", list_version=DIRECTORY_LIST_VERSION),
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


def _write_form(parent: etree._Element, form: Form) -> None:
    element = _add(parent, "formular")
    _add(element, "schemaUri", form.schema_uri)
    for field in form.fields:
        field_element = _add(element, "feld")
        field_element.set("id", field.id)
        for value in field.values:
            _add(field_element, "wert", value)
