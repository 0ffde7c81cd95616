"""What the pages of the catalogue say: services with their fields, accounts, cities with their offices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from schemas.catalogue.expected import Expected
from schemas.codelists import AuthorityKey
from schemas.din91379 import first_disallowed
from schemas.message.models import FieldId
from schemas.yamllines import Day

LEVEL_NAMES: Final = {1: "Basisregistrierung", 2: "normal", 3: "substanziell", 4: "hoch"}
"""The levels of trust of OZG and eIDAS (Vertrauensniveaus), by their STORK QAA number."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
Level = Annotated[int, Field(ge=1, le=4, strict=True)]
"""A number in digits: `yes` and `on` are no level."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=250, pattern=r"\S")]
LeikaKey = Annotated[str, StringConstraints(pattern=r"^99[0-9]{12}$")]
MessageName = Literal["einreichung.antrag.0100", "einreichung.nachtrag.0110", "einreichung.ruecknahme.0130"]
Kind = Literal["text", "date", "integer", "code"]

_CANONICAL: Final[Mapping[Kind, Callable[[str], str]]] = MappingProxyType(
    {"date": lambda value: date.fromisoformat(value).isoformat(), "integer": lambda value: str(int(value))}
)


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldSpec(_Entry):
    """A field of a service's form. `example` is one value, or several where the field may have `many`.

    Dates are written as 2026-04-01 and integers in digits. `datatype` is the type of DIN 91379 that its text has to fit.
    """

    id: FieldId
    name: Text
    kind: Kind = "text"
    required: bool = True
    many: bool = False
    codes: tuple[Text, ...] = ()
    example: Text | tuple[Text, ...]
    datatype: Literal["A", "B", "C", "D", "E"] = "C"

    @property
    def examples(self) -> tuple[str, ...]:
        """The example as the values of a field."""
        return (self.example,) if isinstance(self.example, str) else self.example

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if bool(self.codes) != (self.kind == "code"):
            raise ValueError("a field of kind 'code' has codes, and no other has")
        if self.many == isinstance(self.example, str):
            raise ValueError("the example is a list where 'many' is true, and one value elsewhere")
        for value in self.examples:
            if not self.takes(value):
                raise ValueError(f"the example '{value}' is not of kind '{self.kind}'")
            if first_disallowed(value, self.datatype):
                raise ValueError(f"the example '{value}' is not of datatype {self.datatype}")
        return self

    def takes(self, value: str) -> bool:
        """Whether a value, as a message has it, is of this kind, and one of the codes where there are codes. The datatype is not asked."""
        if self.kind == "text":
            return True
        if self.codes:
            return value in self.codes
        try:
            return value == _CANONICAL[self.kind](value)
        except ValueError:
            return False


class Service(_Entry):
    """A service (Leistung) with every LeiKa key it is known by; the first is the one we write."""

    id: Name
    name: Text
    leika: tuple[LeikaKey, ...] = Field(min_length=1)
    form: Text
    fields: tuple[FieldSpec, ...] = ()

    @cached_property
    def by_field_id(self) -> dict[str, FieldSpec]:
        """The fields by their ids."""
        return {field.id: field for field in self.fields}

    @cached_property
    def required_ids(self) -> frozenset[str]:
        """The fields that have to be filled."""
        return frozenset(field.id for field in self.fields if field.required)


class Account(_Entry):
    """A way to log in (BayernID, ELSTER, …) and the levels of trust that its logins can have."""

    id: Name
    name: Text
    levels: tuple[Level, ...] = Field(min_length=1)


class Offer(_Entry):
    """A service that an office takes, with the city's own minimum of trust and the accounts it accepts.

    `valid_from` and `valid_to` are the first and the last day on which the office takes it.
    """

    service: Name
    minimum_level: Level
    accounts: tuple[Name, ...] = Field(min_length=1)
    after_dead_letter: Literal["hold", "continue"] = "hold"
    """Whether later submissions of a case wait until its dead letter is replayed, settled or discarded (`hold`), or go on (`continue`)."""
    proof: Literal["required"] | None = None
    """Whether the identity source has to have signed each login above level 2 (normal); else the portal's word is enough."""
    valid_from: Day | None = None
    valid_to: Day | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise ValueError("valid_to lies before valid_from")
        return self

    @property
    def first_day(self) -> date:
        """The first day; the beginning of time where none is given."""
        return self.valid_from or date.min

    @property
    def last_day(self) -> date:
        """The last day; the end of time where none is given."""
        return self.valid_to or date.max

    def taken_on(self, day: date) -> bool:
        """Whether the office takes it on that day."""
        return self.first_day <= day <= self.last_day

    def overlaps(self, other: Offer) -> bool:
        """Whether there is a day on which both are taken."""
        return self.first_day <= other.last_day and other.first_day <= self.last_day


class Office(_Entry):
    """One back office of one city. `authority` is its key in DVDV, as `leser/kennung` has it.

    `messages` are those of our own that it takes, `namespaces` those of genuine XÖV messages, which reach it unchanged.
    `expected` is what the lag watch measures it by.
    """

    id: Name
    name: Text
    authority: AuthorityKey
    messages: tuple[MessageName, ...] = ("einreichung.antrag.0100",)
    namespaces: tuple[Text, ...] = ()
    services: tuple[Offer, ...] = Field(min_length=1)
    expected: Expected = Expected()

    @model_validator(mode="after")
    def _takes_something(self) -> Self:
        if not (self.messages or self.namespaces):
            raise ValueError("the office takes neither messages nor namespaces")
        return self


class City(_Entry):
    """One city with its area keys and offices. A service that it has `promised` and that none of its offices takes is a flaw of its page."""

    city: Name
    name: Text
    ags: Annotated[str, StringConstraints(pattern=r"^[0-9]{8}$")]
    ars: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
    promised: tuple[Name, ...] = ()
    offices: tuple[Office, ...]
