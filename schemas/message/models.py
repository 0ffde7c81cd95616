"""The six messages of the family as frozen models.

The XSD (`schemas/xsd/einreichung-1.0.xsd`) is the contract; these models are its convenient form and hold only valid messages.
Field names are English, element names German as in XÖV; `reading` and `writing` are where the two meet.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from schemas import ids, moments
from schemas.events import State

NAMESPACE: Final = "https://stadtbus.example/schemas/einreichung/1.0"
SCHEMA: Final = "einreichung-1.0"
STANDARD: Final = "Stadtbus-Einreichung"
VERSION: Final = "1.0"

APPLICATION: Final = "einreichung.antrag.0100"
AMENDMENT: Final = "einreichung.nachtrag.0110"
WITHDRAWAL: Final = "einreichung.ruecknahme.0130"
STATUS: Final = "einreichung.status.0170"
RECEIPT: Final = "einreichung.quittung.0180"
REJECTION: Final = "einreichung.rueckweisung.0190"

SERVICE_LIST: Final = "urn:de:fim:leika:leistung"
AREA_LIST_ARS: Final = "urn:de:bund:destatis:bevoelkerungsstatistik:schluessel:rs"
AREA_LIST_AGS: Final = "urn:de:bund:destatis:bevoelkerungsstatistik:schluessel:ags"
DIRECTORY_LIST: Final = "urn:xoev-de:kosit:codeliste:verzeichnisdienst"
DIRECTORY_LIST_VERSION: Final = "3"
WITHDRAWAL_REASON_LIST: Final = "https://stadtbus.example/codes/ruecknahmegrund"
STATUS_LIST: Final = "https://stadtbus.example/codes/status"
ERROR_LIST: Final = "https://stadtbus.example/codes/fehler"
OWN_LIST_VERSION: Final = "1.0"
"""Version of the three lists of our own."""

OWN_WORDS: Final = "own_words"
"""Pydantic type of the errors of these models whose text is ours. It quotes no value, so it may be shown."""

Text1000 = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"\S")]
Text250 = Annotated[str, StringConstraints(min_length=1, max_length=250, pattern=r"\S")]
Text50 = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"\S")]
CodeValue = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^\S+( \S+)*$")]


def _id(value: object) -> object:
    """A UUID in the form that `ids.WRITTEN` describes. Pydantic would take several others."""
    if not isinstance(value, str):
        return value
    try:
        return ids.parse(value)
    except ValueError:
        raise PydanticCustomError(OWN_WORDS, f"expected a UUID: {ids.WRITTEN}") from None


Id = Annotated[UUID, BeforeValidator(_id)]


def _moment(value: object) -> object:
    """A moment as RFC 3339 writes it, which takes small letters too; pydantic would take digits for a time since 1970."""
    if not isinstance(value, str):
        return value
    try:
        return moments.parse(value.upper())
    except moments.NoMoment as error:
        raise PydanticCustomError(OWN_WORDS, str(error)) from None


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]


def _existing(value: str) -> str:
    if not moments.is_partial_date(value):
        raise PydanticCustomError(OWN_WORDS, "there is no such date")
    return value


PartialDate = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$"), AfterValidator(_existing)]
FieldId = Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9]{8,11}$")]
Reason = Literal["no-longer-needed", "mistake", "applied-anew", "other"]
"""Why a submission is withdrawn."""
Sha512 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]


class Model(BaseModel):
    """Base of all models: frozen, and a field that the model does not have is an error."""

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
    """A natural person. A name of null means that the person has no such name, which is not the same as an empty one."""

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
            raise PydanticCustomError(OWN_WORDS, "give exactly one of 'person' and 'organisation'")
        return self


class FormField(Model):
    """One field of a form, with one or more values."""

    id: FieldId
    values: tuple[Annotated[str, StringConstraints(max_length=4000)], ...] = Field(min_length=1, max_length=100)


class Form(Model):
    """What the applicant filled in. Field ids are those of the form's schema."""

    schema_uri: Annotated[str, StringConstraints(min_length=1, max_length=250)]
    fields: tuple[FormField, ...] = Field(min_length=1, max_length=500)


class Attachment(Model):
    """A file that belongs to a message; its bytes lie in the object store."""

    id: Id
    purpose: Text50
    file_name: Text250
    media_type: Text250
    size_bytes: Annotated[int, Field(ge=0, lt=10**12)]
    sha512: Sha512


class Reference(Model):
    """What a message belongs to: the portal's id, the office's number, the id of an earlier message."""

    portal_reference: Id | None = None
    file_number: Text250 | None = None
    message_id: Id | None = None


class MessageReference(Reference):
    """A reference that names the message it means."""

    message_id: Id


# --- the messages


class _Message(Model):
    """What all messages have: the header, and who wrote them."""

    message_id: Id
    created_at: AwareDatetime
    reader: Authority
    author: Authority
    test: bool = False
    product: str = "Stadtbus"
    product_maker: str = "Stadtbus"


class _Filing(_Message):
    """What all messages from portals have; service and area decide where they go, `applicants` are those who file them."""

    case_id: Id
    answers_wanted: bool = True
    service: Code
    area: Code
    applicants: tuple[Applicant, ...] = Field(min_length=1, max_length=20)


class Application(_Filing):
    """One `einreichung.antrag.0100`."""

    reference: Reference | None = None
    content: Form | Literal["fachnachricht"]
    """The form; of a genuine XÖV message inside, only that it is one: such messages travel unchanged."""
    attachments: tuple[Attachment, ...] = Field(default=(), max_length=100)

    @property
    def form(self) -> Form:
        """The form content.

        Raises:
            TypeError: the message carries a genuine XÖV message; intake keeps those from offices that take forms.
        """
        if isinstance(self.content, str):
            raise TypeError("this application carries no form")
        return self.content


class Amendment(_Filing):
    """One `einreichung.nachtrag.0110`: new values of some fields, further attachments, or both."""

    reference: MessageReference
    content: Form | Literal["fachnachricht"] | None = None
    attachments: tuple[Attachment, ...] = Field(default=(), max_length=100)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.content is None and not self.attachments:
            raise PydanticCustomError(OWN_WORDS, "give 'content', 'attachments' or both")
        return self


class Withdrawal(_Filing):
    """One `einreichung.ruecknahme.0130`."""

    reference: MessageReference
    reason: Reason


class StatusMessage(_Message):
    """One `einreichung.status.0170`. `reference.file_number` is the number that the office gave the submission."""

    reference: MessageReference
    case_id: Id
    state: State
    since: AwareDatetime
    next_step: Text250 | None = None
    text: Text250 | None = None


class Receipt(_Message):
    """One `einreichung.quittung.0180`."""

    reference: MessageReference
    case_id: Id
    submission_id: Id
    accepted_at: AwareDatetime
    hotline_code: Annotated[str, StringConstraints(pattern=r"^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$")]
    content_sha512: Sha512


class Ground(Model):
    """One reason for a rejection: code and title of the error, its XÖV code where one fits, where it is, what exactly, how to mend it."""

    code: CodeValue
    title: Text250
    xoev: CodeValue | None = None
    where: Text250 | None = None
    detail: Text1000 | None = None
    hint: Text1000


class RejectionMessage(_Message):
    """One `einreichung.rueckweisung.0190`. It has no reference where the id of the rejected message could not be read."""

    reference: MessageReference | None = None
    grounds: tuple[Ground, ...] = Field(min_length=1, max_length=100)


Filing = Application | Amendment | Withdrawal
"""What portals send."""
Message = Filing | StatusMessage | Receipt | RejectionMessage
