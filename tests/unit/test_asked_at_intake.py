"""What an office's translation refuses for good, intake refuses, with a code and a hint; what intake accepts, every shipped translation takes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar
from unittest.mock import Mock
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adapters import dry_run, registry
from adapters.interface import Document, Submission
from adapters.mapping import Mapping
from adapters.protocols.mapped import page_of
from schemas import catalogue, message, problems, xml
from schemas.errors import Refused
from schemas.examination import examine, schema_table
from schemas.examination.examine import Examined
from schemas.message import Address, Amendment, Application, Form, FormField, MessageReference, Organisation, Person, Withdrawal
from tests import builders

CATALOGUE = catalogue.load()
TABLE = schema_table.load(None)
REFUSING = dry_run.refusing(CATALOGUE.offices)
CITIES = {"muenchen": "091620000000", "augsburg": "097610000000", "nuernberg": "095640000000"}
ODD = st.sampled_from(
    ["Ω Όμικρον ΑΕ", "Ромашка ООО", "Łódź", "Müller & Söhne", "€uro", "–", "İpek", "=1+1", "x", "a\u00a0b", "Đặng", "'", "ẞ"]
)
TEXT = ODD | st.text(st.characters(min_codepoint=0x20, max_codepoint=0x17F), min_size=1, max_size=20).filter(str.strip)
FIELD_IDS = [*builders.RESIDENCE_FIELDS, *builders.TRADE_FIELDS]
DATES = st.sampled_from(["1990", "1990-05", "1990-05-17"])


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """It, or nothing."""
    return st.none() | strategy


ADDRESSES = st.builds(Address, street=TEXT, house_number=TEXT, addition=optional(TEXT), postal_code=TEXT, city=TEXT, country=optional(TEXT))
PERSONS = st.builds(
    Person,
    family_name=optional(TEXT),
    given_names=optional(TEXT),
    birth_name=optional(TEXT),
    birth_date=optional(DATES),
    address=optional(ADDRESSES),
)
ORGANISATIONS = st.builds(Organisation, name=TEXT, legal_form=optional(TEXT), register_number=optional(TEXT), address=ADDRESSES)
FORMS = st.builds(
    Form,
    schema_uri=st.just("https://stadtbus.example/forms/x/1.0"),
    fields=st.lists(st.sampled_from(FIELD_IDS), min_size=1, max_size=16, unique=True).flatmap(
        lambda ids: st.tuples(
            *(st.builds(FormField, id=st.just(one), values=st.lists(TEXT | DATES, min_size=1, max_size=3).map(tuple)) for one in ids)
        )
    ),
)
REFERENCE = MessageReference(message_id=uuid4())


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A message of any kind for any office, with any parts; most are refused by a rule before an office is asked."""
    residence = draw(st.booleans())
    first = builders.application() if residence else builders.trade_application()
    area = CITIES[draw(st.sampled_from(sorted(CITIES)))]
    account = "bayernid" if residence else "unternehmenskonto-elster"
    parties: list[dict[str, Any]] = draw(
        st.lists(st.builds(dict, person=PERSONS) | st.builds(dict, organisation=ORGANISATIONS), min_size=1, max_size=4)
    )
    applicants = tuple(first.applicants[0].model_copy(update={"person": None, "organisation": None} | one) for one in parties)
    whole = first.content
    assert isinstance(whole, Form)
    content = draw(st.just(whole) | FORMS)
    values = first.model_dump(include={"message_id", "created_at", "reader", "author", "case_id", "service"}) | {
        "area": first.area.model_copy(update={"code": area}),
        "applicants": tuple(one.model_copy(update={"trust": one.trust.model_copy(update={"account": account})}) for one in applicants),
    }
    kind = draw(st.sampled_from([Application, Application, Amendment, Withdrawal]))
    if kind is Withdrawal:
        reason = draw(st.sampled_from(["no-longer-needed", "mistake", "applied-anew", "other"]))
        return message.write(Withdrawal(reference=REFERENCE, reason=reason, **values))
    if kind is Amendment:
        return message.write(Amendment(reference=REFERENCE, content=content, **values))
    return message.write(Application(content=content, **values))


def examined(body: bytes) -> Examined:
    """As intake and `stadtbus validate` examine it."""
    now = datetime.now(UTC)
    return examine.asked_of_the_office(examine.examine(body, TABLE, CATALOGUE, now), body, now, REFUSING)


@pytest.mark.parametrize("office", ["muenchen.meldewesen", "muenchen.gewerbe", "augsburg.gewerbe", "nuernberg.meldewesen", "nuernberg.bau"])
def test_every_shipped_translation_is_asked(office: str) -> None:
    """None of them needs settings to translate."""
    assert office in REFUSING


@given(messages())
@settings(
    max_examples=200,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_what_translate_refuses_intake_refuses(body: bytes) -> None:
    """And what intake accepts, the office's own mapping translates: messages with any parts, of any kind, for any office."""
    found = examined(body)
    route = found.route
    if route is None or found.root is None or etree_name(found) not in route.office_entry.messages:
        return
    refusal = None
    try:
        TRANSLATIONS[route.office](Submission(uuid4(), uuid4(), route.office, datetime.now(UTC), body, xml.parse(body)))
    except Refused as error:
        refusal = error.reason
    codes = [finding.problem for finding in found.errors]
    assert (refusal is None) or codes, refusal
    assert (problems.OFFICE_REFUSES in codes) <= (refusal is not None)
    if codes == [problems.OFFICE_REFUSES]:
        assert found.errors[0].detail == f"{route.office}: {refusal}"[:300]


def etree_name(found: Examined) -> str:
    """The kind of a message."""
    assert found.root is not None
    return str(found.root.tag).rpartition("}")[2]


TRANSLATIONS = {office: Mapping.load(page).document for office in CATALOGUE.offices if (page := page_of(office)) is not None}
"""Those that lie beside the adapters, as `stadtbus adapter try` finds them."""


REFUSED_BEFORE = [
    pytest.param(
        builders.application(applicants=(builders.company("Muster GmbH"),)),
        "an applicant is an organisation",
        id="organisation, for persons",
    ),
    pytest.param(builders.trade_application(applicants=(builders.company("Όμικρον"),)), "ISO-8859-15", id="Greek name"),
]


@pytest.mark.parametrize(("application", "told"), REFUSED_BEFORE)
def test_what_was_accepted_and_a_dead_letter_is_refused(application: Application, told: str) -> None:
    """With the code of the office, its hint, and a detail that names the rule or the field, and never what the applicant wrote."""
    (finding,) = examined(message.write(application)).errors
    assert (finding.problem, finding.rule, told.casefold() in finding.detail.casefold()) == (
        problems.OFFICE_REFUSES,
        "office-takes-it",
        True,
    ), finding
    assert not [name for name in ("Muster", "Όμικρον") if name in finding.detail]


class Stateless:
    """An adapter in Python whose translation needs no settings."""

    Settings: ClassVar = Mock

    @staticmethod
    def translate(submission: Submission) -> Document:
        if submission.message_type.startswith("einreichung.ruecknahme"):
            raise KeyError("a mistake of ours")
        raise Refused("no cellar")


class Secretive(Stateless):
    """One that needs them."""

    def translate(self, submission: Submission) -> Document:  # type: ignore[override]
        raise Refused("never asked")


def test_adapters_in_python_are_asked_if_they_need_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A static `translate` is; another one is not. A mistake of a translation refuses nothing."""
    known = {"a.static": Stateless, "a.secretive": Secretive}
    monkeypatch.setattr(registry, "load", lambda _, office: known[office])
    asked = dry_run.refusing(known)
    assert list(asked) == ["a.static"]
    root = xml.parse(message.write(builders.application()))
    assert asked["a.static"](root, b"", uuid4(), datetime.now(UTC)) == "a.static: no cellar"
    withdrawal = xml.parse(b'<e:einreichung.ruecknahme.0130 xmlns:e="x"/>')
    assert asked["a.static"](withdrawal, b"", uuid4(), datetime.now(UTC)) is None


def test_an_office_without_an_adapter_here_is_not_asked() -> None:
    """Its adapter runs elsewhere, from a package that is not installed here."""
    assert dry_run.refusing(["nowhere.office"]) == {}
