"""Valid messages for tests; each change is a keyword of the model."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from adapters.interface import Submission
from infra.kafka.records import EventRecord
from infra.rows import UtcDateTime
from infra.settings import StoreSettings
from producers.outbox import pending, tables, usage
from producers.outbox.outbox import Outbox
from producers.outbox.pending import Pending
from producers.synthetic import permits
from producers.synthetic.permits import Genuine, Permit
from schemas import message, xml
from schemas.events import EventWriter, State, StatusChange, StatusEvent
from schemas.message import (
    AREA_LIST_ARS,
    DIRECTORY_LIST_VERSION,
    SERVICE_LIST,
    Address,
    Applicant,
    Application,
    Authority,
    Code,
    Filing,
    Form,
    FormField,
    MessageReference,
    Organisation,
    Person,
    Trust,
    Withdrawal,
)

CREATED_AT = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
ADDRESS = Address(street="Hauptstraße", house_number="12 a", postal_code="86150", city="Augsburg")


def application(**changes: Any) -> Application:
    """Wohnsitz anmelden in München, one person, with new ids."""
    return _application(
        {
            "reader": Authority(key="ags:09162000", name="Kreisverwaltungsreferat, Meldewesen"),
            "service": Code(code="99115005104000", list_uri=SERVICE_LIST, list_version=DIRECTORY_LIST_VERSION),
            "area": Code(code="091620000000", list_uri=AREA_LIST_ARS, list_version=DIRECTORY_LIST_VERSION),
            "applicants": (person("Schön", "Łukasz Đặng"),),
            "content": _form("wohnsitz-anmelden", RESIDENCE_FIELDS),
        }
        | changes
    )


def trade_application(**changes: Any) -> Application:
    """Gewerbe anmelden in Augsburg, one company, with new ids."""
    return _application(
        {
            "reader": Authority(key="ags:09761000", name="Ordnungsamt, Gewerbe"),
            "service": Code(code="99050012104000", list_uri=SERVICE_LIST, list_version=DIRECTORY_LIST_VERSION),
            "area": Code(code="097610000000", list_uri=AREA_LIST_ARS, list_version=DIRECTORY_LIST_VERSION),
            "applicants": (company("Bäckerei Schön GmbH"),),
            "content": _form("gewerbe-anmelden", TRADE_FIELDS),
        }
        | changes
    )


IN_MUNICH = {
    "reader": Authority(key="ags:09162000", name="Gewerbeamt"),
    "area": Code(code="091620000000", list_uri=AREA_LIST_ARS, list_version=DIRECTORY_LIST_VERSION),
}
"""What makes a trade application one for an office that takes amendments and withdrawals."""


def later(kind: type[Filing], first: Filing, **changes: Any) -> Filing:
    """What follows on this message in its case: an amendment or withdrawal of it, or the application once more."""
    members = {name: getattr(first, name) for name in Withdrawal.model_fields if hasattr(first, name)}
    content: dict[str, Any] = {"reason": "mistake"} if kind is Withdrawal else {"content": getattr(first, "content", None)}
    about = {"reference": MessageReference(message_id=first.message_id)}
    return kind(**members | content | about | {"message_id": uuid4()} | changes)


def submission(application: Application, office: str) -> Submission:
    """The application as an adapter gets it; the submission id is the message id."""
    body = message.write(application)
    return Submission(application.message_id, application.case_id, office, CREATED_AT, body, xml.parse(body))


def permit() -> Genuine:
    """A building application as a genuine XBau message, which no adapter has to understand."""
    message_id, case_id = uuid4(), uuid4()
    reader, author = Authority(key="bab:09564000", name="Bauordnungsbehörde"), Authority(key="kop:09564000", name="Testportal")
    site = Address(street="Äußere Laufer Gasse", house_number="7", postal_code="90403", city="Nürnberg")
    builder = Person(family_name="Đặng", given_names="Łukasz", address=site)
    body = permits.write(Permit(message_id, case_id, CREATED_AT, reader, author, "Anbau eines Wintergartens", site, builder))
    return Genuine(message_id, case_id, "99012008000000", "095640000000", Trust(level=3, account="bayernid"), body)


def person(family_name: str | None, given_names: str | None, *, account: str = "bayernid", **changes: Any) -> Applicant:
    """A natural person as applicant; a name of None means that there is none."""
    values = {"birth_date": "1990-05-17", "address": ADDRESS} | changes
    return Applicant(person=Person(family_name=family_name, given_names=given_names, **values), trust=Trust(level=3, account=account))


def company(name: str) -> Applicant:
    """An organisation as applicant, logged in with its ELSTER account."""
    organisation = Organisation(name=name, legal_form="GmbH", register_number="HRB 12345", address=ADDRESS)
    return Applicant(organisation=organisation, trust=Trust(level=3, account="unternehmenskonto-elster"))


RESIDENCE_FIELDS = {
    "F99000101": ("2026-03-01",),
    "F99000102": ("Sendlinger Straße",),
    "F99000103": ("8",),
    "F99000104": ("80331",),
    "F99000105": ("München",),
    "F99000106": ("Wohnbau Isar eG",),
    "F99000107": ("deutsch", "polnisch"),
    "F99000108": ("alleinige Wohnung",),
}
TRADE_FIELDS = {
    "F99000201": ("Herstellung von Backwaren; Einzelhandel",),
    "F99000202": ("2026-04-01",),
    "F99000203": ("Maximilianstraße",),
    "F99000204": ("3",),
    "F99000205": ("86150",),
    "F99000206": ("Augsburg",),
    "F99000207": ("4",),
    "F99000208": ("Handwerk", "Handel"),
}


def _form(service: str, fields: dict[str, tuple[str, ...]]) -> Form:
    return Form(
        schema_uri=f"https://stadtbus.example/forms/{service}/1.0",
        fields=tuple(FormField(id=field_id, values=values) for field_id, values in fields.items()),
    )


def _application(values: dict[str, Any]) -> Application:
    common = {
        "message_id": uuid4(),
        "created_at": CREATED_AT,
        "author": Authority(key="kop:00000001", name="Testportal"),
        "case_id": uuid4(),
    }
    return Application(**(common | values))


async def count_pending(box: Outbox, office: str) -> int:
    """How many in an outbox are not on Kafka yet."""
    return sum(one.pending for one in await box.store.read(lambda connection: usage.read(connection, office)))


async def waiting(box: Outbox) -> list[Pending]:
    """Everything in an outbox that is not on Kafka yet, of all offices, in the order of acceptance."""
    query = sa.select(tables.submission.c.seq).where(tables.is_pending)
    return await pending.at(box.store, box.store.read_now(lambda connection: connection.execute(query).scalars().all()))


def event(
    submission_id: UUID, state: State = State.DELIVERED, *, office: str = "muenchen.meldewesen", answers_later: bool = False, **changes: Any
) -> StatusEvent:
    """What the office's process says about a submission; changes are those of `StatusChange`."""
    moment = CREATED_AT.isoformat(timespec="milliseconds")
    values: dict[str, Any] = {"at": moment, "attempt": 1, "begun_at": moment, "reference": "M-1"}
    step = StatusChange(state, **(values | changes))
    return StatusEvent.model_validate_json(
        EventWriter(office, answers_later=answers_later).write(step, str(submission_id), "case", "99115005104000", "portal")
    )


def records(*events: StatusEvent, partition: int = 0, first: int = 0) -> list[EventRecord]:
    """Events as they stand one behind the other in a partition."""
    return [EventRecord(event, partition, offset) for offset, event in enumerate(events, first)]


def first_ledger(settings: StoreSettings, office: str) -> dict[str, UUID]:
    """A ledger as the first version made it, with a submission in each of its states; their ids by state."""
    rows = sa.Table(
        "ledger",
        sa.MetaData(),
        sa.Column("office", sa.Text, primary_key=True),
        sa.Column("submission_id", sa.Uuid, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("reference", sa.Text),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("delivered_at", UtcDateTime),
    )
    engine = sa.create_engine(settings.url_of(f"ledger-{office}"), poolclass=sa.NullPool)
    ids = {state: uuid4() for state in ("started", "not taken", "delivered")}
    began, ended = datetime(2026, 3, 1, 9, 29, tzinfo=UTC), datetime(2026, 3, 1, 9, 30, 0, 250_000, tzinfo=UTC)
    with engine.begin() as connection:
        rows.create(connection)
        for state, one in ids.items():
            last = {"reference": "M-1", "delivered_at": ended} if state == "delivered" else {}
            values = {"office": office, "submission_id": one, "state": state, "attempt": 2, "started_at": began}
            connection.execute(rows.insert().values(values | last))
    return ids
