"""Synthetic messages for demos, tests and measurements: plausible, varied and the same on every run.

They are made of `producers.synthetic.data`, combined at random. A bus that loses a letter of a name loses a person, so the names have
those that people in Bavarian cities have.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final
from uuid import UUID

from producers.synthetic import data, permits
from producers.synthetic.permits import Genuine
from schemas.catalogue import FieldSpec, Route
from schemas.message import (
    AMENDMENT,
    AREA_LIST_ARS,
    SERVICE_LIST,
    WITHDRAWAL,
    Address,
    Amendment,
    Applicant,
    Application,
    Authority,
    Code,
    Form,
    FormField,
    MessageReference,
    Organisation,
    Person,
    Trust,
    Withdrawal,
)

SERVICE_LIST_VERSION: Final = "2025-07-01"
AREA_LIST_VERSION: Final = "2025-07-31"

_CONTINUES: Final = 1 / 6
_OPEN_CASES: Final = 20
"""Cases that may still get another message; bounded, because the stream is endless."""

Message = Application | Amendment | Withdrawal | Genuine

_Fields = dict[str, tuple[str, ...]]
_Subjects = Sequence[Person | Organisation]


def applications(route: Route, author: Authority, *, seed: int, start: datetime) -> Iterator[Application]:
    """Of `messages` the applications, for those who want no other kind.

    Raises:
        ValueError: also where the office takes genuine messages instead.

    """
    if _takes_permits(route):
        raise ValueError("this office takes no applications of ours")
    return (one for one in messages(route, author, seed=seed, start=start) if isinstance(one, Application))


def messages(route: Route, author: Authority, *, seed: int, start: datetime) -> Iterator[Message]:
    """An endless stream of what the office of a route takes; the same arguments give the same stream, ids included.

    The times inside move on from `start` by milliseconds to seconds, in the offset that `start` has. About every sixth message
    continues an earlier case of the stream, so the order within a case matters.

    Raises:
        ValueError: `start` has no zone offset.

    """
    offset = start.utcoffset()
    if offset is None:
        raise ValueError("start needs a zone offset")
    moment = start.replace(microsecond=start.microsecond // 1000 * 1000, tzinfo=timezone(offset))
    rng = random.Random(f"{route.office} {route.service.id} {author.key} {seed} {start.isoformat()}")  # noqa: S311 - repeatable, guards nothing
    return _stream(rng, route, author, moment)


def _stream(rng: random.Random, route: Route, author: Authority, moment: datetime) -> Iterator[Message]:
    begin = _open_permit if _takes_permits(route) else _open
    cases: deque[Application | Genuine] = deque(maxlen=_OPEN_CASES)
    while True:
        moment += timedelta(milliseconds=rng.randint(20, 5_000))
        if cases and rng.random() < _CONTINUES:
            index = rng.randrange(len(cases))
            earlier = cases[index]
            del cases[index]
            message = _go_on(rng, route, author, earlier, moment)
        else:
            message = begin(rng, route, author, moment)
        if isinstance(message, Application | Genuine):  # other kinds end the case here
            cases.append(message)
        yield message


def _takes_permits(route: Route) -> bool:
    return permits.NAMESPACE in route.office_entry.namespaces


def _go_on(rng: random.Random, route: Route, author: Authority, earlier: Application | Genuine, moment: datetime) -> Message:
    """The next message of a case: what the office has a kind of message for, else the same once more with later dates."""
    if isinstance(earlier, Genuine):
        return _open_permit(rng, route, author, moment, earlier.case_id)
    kinds = route.office_entry.messages
    if WITHDRAWAL in kinds and _chance(rng, 30):
        return Withdrawal(**_about(rng, earlier, moment), reason=rng.choice(("no-longer-needed", "mistake", "applied-anew", "other")))
    later = tuple(_put_off(rng, field) for field in earlier.form.fields if field.id in _dates(route))
    if AMENDMENT in kinds and later:
        return Amendment(**_about(rng, earlier, moment), content=Form(schema_uri=earlier.form.schema_uri, fields=later))
    changed = {field.id: field for field in later}
    form = Form(schema_uri=earlier.form.schema_uri, fields=tuple(changed.get(field.id, field) for field in earlier.form.fields))
    return earlier.model_copy(update={"message_id": _uuid(rng), "created_at": moment, "content": form})


def _about(rng: random.Random, earlier: Application, moment: datetime) -> dict[str, Any]:
    """What a message has in common with the application that it is about."""
    same = {name: getattr(earlier, name) for name in ("reader", "author", "case_id", "service", "area", "applicants")}
    return same | {"message_id": _uuid(rng), "created_at": moment, "reference": MessageReference(message_id=earlier.message_id)}


def _dates(route: Route) -> set[str]:
    """What people correct afterwards: the day they move in, the day they start to trade."""
    return {spec.id for spec in route.service.fields if spec.kind == "date"}


def _open(rng: random.Random, route: Route, author: Authority, moment: datetime) -> Application:
    subjects, known = _CONTENT.get(route.service.id, _anything)(rng, _town(route), moment.date())
    fields = {spec.id: known.get(spec.id) or _values(rng, spec, moment.date()) for spec in route.service.fields}
    trust = _trust(rng, route)
    return Application(
        message_id=_uuid(rng),
        created_at=moment,
        reader=_reader(route),
        author=author,
        case_id=_uuid(rng),
        service=Code(code=route.service.leika[0], name=route.service.name, list_uri=SERVICE_LIST, list_version=SERVICE_LIST_VERSION),
        area=Code(code=route.city.ars, name=route.city.name, list_uri=AREA_LIST_ARS, list_version=AREA_LIST_VERSION),
        applicants=tuple(_applicant(subject, trust) for subject in subjects),
        content=Form(schema_uri=route.service.form, fields=tuple(FormField(id=field, values=values) for field, values in fields.items())),
    )


def _reader(route: Route) -> Authority:
    return Authority(key=route.office_entry.authority, name=f"{route.city.name}, {route.office_entry.name}")


def _trust(rng: random.Random, route: Route) -> Trust:
    """A login that is just good enough: not every account can have a higher level."""
    return Trust(level=route.offer.minimum_level, account=rng.choice(route.offer.accounts))


def _town(route: Route) -> data.Town:
    return data.TOWNS.get(route.city.city) or data.Town(route.city.name, data.STREETS)


def _put_off(rng: random.Random, field: FormField) -> FormField:
    day = date.fromisoformat(field.values[0]) + timedelta(days=rng.randint(1, 14))
    return FormField(id=field.id, values=(day.isoformat(),))


def _chance(rng: random.Random, percent: int) -> bool:
    return rng.randrange(100) < percent


def _uuid(rng: random.Random) -> UUID:
    return UUID(int=rng.getrandbits(128), version=4)


def _applicant(subject: Person | Organisation, trust: Trust) -> Applicant:
    if isinstance(subject, Person):
        return Applicant(person=subject, trust=trust)
    return Applicant(organisation=subject, trust=trust)


def _day_near(rng: random.Random, day: date) -> str:
    return (day + timedelta(days=rng.randint(-14, 14))).isoformat()


# --- wohnsitz-anmelden


def _move(rng: random.Random, town: data.Town, day: date) -> tuple[_Subjects, _Fields]:
    names = _origin(rng)
    german_too = names.nationality != "deutsch" and _chance(rng, 20)
    new = _address_in(rng, town)
    fields: _Fields = {
        "F99000101": (_day_near(rng, day),),
        "F99000102": (new.street,),
        "F99000103": (new.house_number,),
        "F99000104": (new.postal_code,),
        "F99000105": (new.city,),
        "F99000106": (_landlord(rng, town),),
        "F99000107": (names.nationality, "deutsch") if german_too else (names.nationality,),
        "F99000108": (rng.choices(("alleinige Wohnung", "Hauptwohnung", "Nebenwohnung"), (8, 2, 1))[0],),
    }
    return _household(rng, names, day), fields


def _household(rng: random.Random, names: data.Names, day: date) -> list[Person]:
    """One to five people who leave one address together, most of them under one family name."""
    size = rng.choices((1, 2, 3, 4, 5), (2, 2, 4, 5, 3))[0]
    adults = 1 if size == 1 or _chance(rng, 20) else 2
    shared, address = _family_name(rng, names), _old_address(rng)
    people = []
    for number in range(size):
        shares = number == 0 or (bool(names.women) and _chance(rng, 85))
        member = _adult if number < adults else _child
        people.append(member(rng, names, shared if shares else _family_name(rng, names), day, address))
    return people


def _adult(rng: random.Random, names: data.Names, family_name: str, day: date, address: Address) -> Person:
    return Person(
        family_name=family_name,
        given_names=_given_names(rng, names),
        birth_name=rng.choice(_origin(rng).families) if names.women and _chance(rng, 20) else None,
        birth_date=_birth_date(rng, day, 19, 80),
        address=address,
    )


def _child(rng: random.Random, names: data.Names, family_name: str, day: date, address: Address) -> Person:
    return Person(family_name=family_name, given_names=_given_names(rng, names), birth_date=_birth_date(rng, day, 0, 17), address=address)


def _origin(rng: random.Random) -> data.Names:
    return rng.choices(data.NAMES, [len(data.NAMES)] + [1] * (len(data.NAMES) - 1))[0]  # the first, German, is every other


def _family_name(rng: random.Random, names: data.Names) -> str:
    name = rng.choice(names.families)
    return f"{name}-{rng.choice(_origin(rng).families)}" if names.women and _chance(rng, 6) else name


def _given_names(rng: random.Random, names: data.Names) -> str | None:
    """One to three given names, or None for people who have a single name."""
    if not names.women:
        return None
    return " ".join(rng.sample(rng.choice((names.women, names.men)), rng.choices((1, 2, 3), (6, 3, 1))[0]))


def _birth_date(rng: random.Random, day: date, youngest: int, oldest: int) -> str:
    """A date of birth; of some people only the year, or year and month, is on record."""
    known = (day - timedelta(days=rng.randrange(youngest * 366, oldest * 365))).isoformat()
    return known[: rng.choices((10, 7, 4), (30, 1, 1))[0]]


def _old_address(rng: random.Random) -> Address:
    if _chance(rng, 60):
        return _address_in(rng, rng.choice(list(data.TOWNS.values())))
    street, postal_code, city, country = rng.choice(data.ELSEWHERE)
    return Address(street=street, house_number=_house_number(rng), postal_code=postal_code, city=city, country=country)


def _address_in(rng: random.Random, town: data.Town) -> Address:
    postal_code, _, street = rng.choice(town.streets).partition(" ")
    addition = rng.choice(data.ADDITIONS) if _chance(rng, 25) else None
    return Address(street=street, house_number=_house_number(rng), addition=addition, postal_code=postal_code, city=town.name)


def _house_number(rng: random.Random) -> str:
    suffix = rng.choices(("", "a", "b", "c", "d", " 1/2"), (14, 3, 2, 1, 1, 1))[0]
    return f"{rng.randint(1, 120)}{suffix}"


def _landlord(rng: random.Random, town: data.Town) -> str:
    """Who lets the flat, with an address, as the form asks for it."""
    names, home = _origin(rng), _address_in(rng, town)
    family = rng.choice(names.families)
    private = f"{_given_names(rng, names)} {family}" if names.women else family
    who = rng.choice((private, f"Hausverwaltung {family} GmbH & Co. KG", f"{family} Immobilien GmbH", f"Erbengemeinschaft {family}"))
    return f"{who}, {home.street} {home.house_number}, {home.postal_code} {home.city}"


# --- gewerbe-anmelden


def _trade(rng: random.Random, town: data.Town, day: date) -> tuple[_Subjects, _Fields]:
    trade, site = rng.choice(data.TRADES), _address_in(rng, town)
    fields: _Fields = {
        "F99000201": (_activities(rng, trade),),
        "F99000202": (_day_near(rng, day),),
        "F99000203": (site.street,),
        "F99000204": (site.house_number,),
        "F99000205": (site.postal_code,),
        "F99000206": (site.city,),
        "F99000207": (str(rng.choice((0, 0, 0, 1, 1, 2, 3, 4, 6, 9, 14, 25))),),
        "F99000208": (trade.kind,),
    }
    people = [_trader(rng, town, day) for _ in range(rng.choices((1, 2, 3), (4, 3, 2))[0])]
    if len(people) == 1 and _chance(rng, 60):
        return people, fields
    return [_organisation(rng, trade, people, site), *people], fields


def _trader(rng: random.Random, town: data.Town, day: date) -> Person:
    """A sole trader, or someone who acts for an organisation; they live in the city."""
    names = _origin(rng)
    return _adult(rng, names, _family_name(rng, names), day, _address_in(rng, town))


def _organisation(rng: random.Random, trade: data.Trade, people: Sequence[Person], site: Address) -> Organisation:
    legal_form, register = rng.choice([(form, register) for least, form, register in data.LEGAL_FORMS if len(people) >= least])
    name = f"{trade.sign} {people[0].family_name} {legal_form}"
    number = f"{register} {rng.randint(10_000, 42_000)}, Amtsgericht {site.city}" if register else None
    return Organisation(name=name, legal_form=legal_form, register_number=number, address=site)


def _activities(rng: random.Random, trade: data.Trade) -> str:
    """The main activity and some of the others, in the order of the trade, then what else the applicant wants to say."""
    main, *others = trade.activities
    chosen = set(rng.sample(others, rng.randint(1, len(others))))
    activities = "; ".join([main, *(other for other in others if other in chosen)])
    return ". ".join([activities, *rng.sample(data.REMARKS, rng.randint(0, 5))])


# --- building permits, as genuine XBau messages


def _open_permit(rng: random.Random, route: Route, author: Authority, moment: datetime, case_id: UUID | None = None) -> Genuine:
    town, names = _town(route), _origin(rng)
    builder = _adult(rng, names, _family_name(rng, names), moment.date(), _address_in(rng, town))
    message_id, case_id = _uuid(rng), case_id or _uuid(rng)
    project, site = rng.choice(data.PROJECTS), _address_in(rng, town)
    permit = permits.Permit(message_id, case_id, moment, _reader(route), author, project, site, builder)
    return Genuine(message_id, case_id, route.service.leika[0], route.city.ars, _trust(rng, route), permits.write(permit))


# --- every other service


def _anything(rng: random.Random, town: data.Town, day: date) -> tuple[_Subjects, _Fields]:
    """One person who lives in the town; the form is filled in by what the catalogue says of its fields."""
    return [_trader(rng, town, day)], {}


def _values(rng: random.Random, spec: FieldSpec, day: date) -> tuple[str, ...]:
    """Plausible values of a field, by its kind."""
    match spec.kind:
        case "date":
            return (_day_near(rng, day),)
        case "integer":
            return (str(rng.randint(1, 20)),)
        case "code":
            return (rng.choice(spec.codes),)
        case _:
            return spec.examples


_CONTENT: Final[dict[str, Callable[[random.Random, data.Town, date], tuple[_Subjects, _Fields]]]] = {
    "wohnsitz-anmelden": _move,
    "gewerbe-anmelden": _trade,
}
