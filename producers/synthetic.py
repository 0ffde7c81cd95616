"""Synthetic applications for demos, tests and measurements: plausible, varied and the same on every run.

Names, streets and trades are combined at random. Streets and towns exist, the people and businesses are made up. Spellings keep
the letters that people in Bavarian cities have in their names (DIN 91379, datatype A, NFC): a bus that loses one loses a person.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Final, NamedTuple
from uuid import UUID

from schemas.catalogue import Route
from schemas.message import (
    AREA_LIST_ARS,
    SERVICE_LIST,
    Address,
    Applicant,
    Application,
    Authority,
    Code,
    Form,
    FormField,
    Organisation,
    Person,
    Trust,
)

SERVICE_LIST_VERSION: Final = "2025-07-01"
AREA_LIST_VERSION: Final = "2025-07-31"

_CONTINUES: Final = 1 / 6
_OPEN_CASES: Final = 20
"""Cases that may still get another message; bounded, because the stream is endless."""
_DATE_FIELDS: Final = ("F99000101", "F99000202")
"""What people correct afterwards: the day they move in, the day they start to trade."""

_Fields = dict[str, tuple[str, ...]]
_Subjects = Sequence[Person | Organisation]


class _Names(NamedTuple):
    """Names of one origin. Family names are those that women and men share; without given names people have one name only."""

    nationality: str
    women: tuple[str, ...]
    men: tuple[str, ...]
    families: tuple[str, ...]


class _Town(NamedTuple):
    """A city of the bus with some of its streets, each with a postal code."""

    name: str
    streets: tuple[str, ...]


class _Trade(NamedTuple):
    """A trade: what stands on the sign, the kind of business, and what it does, the main activity first."""

    sign: str
    kind: str
    activities: tuple[str, ...]


def applications(route: Route, author: Authority, *, seed: int, start: datetime) -> Iterator[Application]:
    """An endless stream of applications for one route; the same arguments give the same stream, ids included.

    `created_at` moves on from `start` by milliseconds to seconds, in the offset that `start` has. About every sixth application
    continues an earlier case of the stream, so the order within a case matters.

    Raises:
        ValueError: `start` has no zone offset.
        KeyError: there is no data for this service or city.

    """
    offset = start.utcoffset()
    if offset is None:
        raise ValueError("start needs a zone offset")
    moment = start.replace(microsecond=start.microsecond // 1000 * 1000, tzinfo=timezone(offset))
    rng = random.Random(f"{route.office} {route.service.id} {author.key} {seed} {start.isoformat()}")  # noqa: S311 - repeatable, guards nothing
    cases: deque[Application] = deque(maxlen=_OPEN_CASES)
    while True:
        moment += timedelta(milliseconds=rng.randint(20, 5_000))
        if cases and rng.random() < _CONTINUES:
            index = rng.randrange(len(cases))
            cases[index] = application = _continue(rng, cases[index], moment)
        else:
            application = _open(rng, route, author, moment)
            cases.append(application)
        yield application


def _open(rng: random.Random, route: Route, author: Authority, moment: datetime) -> Application:
    subjects, fields = _CONTENT[route.service.id](rng, route.city.city, moment.date())
    trust = Trust(level=rng.randint(route.offer.minimum_level, 4), account=rng.choice(route.offer.accounts))
    return Application(
        message_id=_uuid(rng),
        created_at=moment,
        reader=Authority(key=route.office_entry.authority, name=f"{route.city.name}, {route.office_entry.name}"),
        author=author,
        case_id=_uuid(rng),
        service=Code(code=route.service.leika[0], name=route.service.name, list_uri=SERVICE_LIST, list_version=SERVICE_LIST_VERSION),
        area=Code(code=route.city.ars, name=route.city.name, list_uri=AREA_LIST_ARS, list_version=AREA_LIST_VERSION),
        applicants=tuple(_applicant(subject, trust) for subject in subjects),
        content=Form(schema_uri=route.service.form, fields=tuple(FormField(id=field, values=values) for field, values in fields.items())),
    )


def _continue(rng: random.Random, earlier: Application, moment: datetime) -> Application:
    """The same application once more, with a later date: the last message has to win."""
    fields = tuple(_put_off(rng, field) if field.id in _DATE_FIELDS else field for field in earlier.form.fields)
    form = Form(schema_uri=earlier.form.schema_uri, fields=fields)
    return earlier.model_copy(update={"message_id": _uuid(rng), "created_at": moment, "content": form})


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


def _move(rng: random.Random, city: str, day: date) -> tuple[_Subjects, _Fields]:
    names = _origin(rng)
    german_too = names.nationality != "deutsch" and _chance(rng, 20)
    new = _address_in(rng, city)
    fields: _Fields = {
        "F99000101": (_day_near(rng, day),),
        "F99000102": (new.street,),
        "F99000103": (new.house_number,),
        "F99000104": (new.postal_code,),
        "F99000105": (new.city,),
        "F99000106": (_landlord(rng, city),),
        "F99000107": (names.nationality, "deutsch") if german_too else (names.nationality,),
        "F99000108": (rng.choices(("alleinige Wohnung", "Hauptwohnung", "Nebenwohnung"), (8, 2, 1))[0],),
    }
    return _household(rng, names, day), fields


def _household(rng: random.Random, names: _Names, day: date) -> list[Person]:
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


def _adult(rng: random.Random, names: _Names, family_name: str, day: date, address: Address) -> Person:
    return Person(
        family_name=family_name,
        given_names=_given_names(rng, names),
        birth_name=rng.choice(_origin(rng).families) if names.women and _chance(rng, 20) else None,
        birth_date=_birth_date(rng, day, 19, 80),
        address=address,
    )


def _child(rng: random.Random, names: _Names, family_name: str, day: date, address: Address) -> Person:
    return Person(family_name=family_name, given_names=_given_names(rng, names), birth_date=_birth_date(rng, day, 0, 17), address=address)


def _origin(rng: random.Random) -> _Names:
    return rng.choices(_NAMES, [len(_NAMES)] + [1] * (len(_NAMES) - 1))[0]  # the first, German, is every other


def _family_name(rng: random.Random, names: _Names) -> str:
    name = rng.choice(names.families)
    return f"{name}-{rng.choice(_origin(rng).families)}" if names.women and _chance(rng, 6) else name


def _given_names(rng: random.Random, names: _Names) -> str | None:
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
        return _address_in(rng, rng.choice(list(_STREETS)))
    street, postal_code, town, country = rng.choice(_ELSEWHERE)
    return Address(street=street, house_number=_house_number(rng), postal_code=postal_code, city=town, country=country)


def _address_in(rng: random.Random, city: str) -> Address:
    town, streets = _STREETS[city]
    postal_code, _, street = rng.choice(streets).partition(" ")
    addition = rng.choice(_ADDITIONS) if _chance(rng, 25) else None
    return Address(street=street, house_number=_house_number(rng), addition=addition, postal_code=postal_code, city=town)


def _house_number(rng: random.Random) -> str:
    suffix = rng.choices(("", "a", "b", "c", "d", " 1/2"), (14, 3, 2, 1, 1, 1))[0]
    return f"{rng.randint(1, 120)}{suffix}"


def _landlord(rng: random.Random, city: str) -> str:
    """Who lets the flat, with an address, as the form asks for it."""
    names, home = _origin(rng), _address_in(rng, city)
    family = rng.choice(names.families)
    private = f"{_given_names(rng, names)} {family}" if names.women else family
    who = rng.choice((private, f"Hausverwaltung {family} GmbH & Co. KG", f"{family} Immobilien GmbH", f"Erbengemeinschaft {family}"))
    return f"{who}, {home.street} {home.house_number}, {home.postal_code} {home.city}"


# --- gewerbe-anmelden


def _trade(rng: random.Random, city: str, day: date) -> tuple[_Subjects, _Fields]:
    trade, site = rng.choice(_TRADES), _address_in(rng, city)
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
    people = [_trader(rng, city, day) for _ in range(rng.choices((1, 2, 3), (4, 3, 2))[0])]
    if len(people) == 1 and _chance(rng, 60):
        return people, fields
    return [_organisation(rng, trade, people, site), *people], fields


def _trader(rng: random.Random, city: str, day: date) -> Person:
    """A sole trader, or someone who acts for an organisation; they live in the city."""
    names = _origin(rng)
    return _adult(rng, names, _family_name(rng, names), day, _address_in(rng, city))


def _organisation(rng: random.Random, trade: _Trade, people: Sequence[Person], site: Address) -> Organisation:
    legal_form, register = rng.choice([(form, register) for least, form, register in _LEGAL_FORMS if len(people) >= least])
    name = f"{trade.sign} {people[0].family_name} {legal_form}"
    number = f"{register} {rng.randint(10_000, 42_000)}, Amtsgericht {site.city}" if register else None
    return Organisation(name=name, legal_form=legal_form, register_number=number, address=site)


def _activities(rng: random.Random, trade: _Trade) -> str:
    """The main activity and some of the others, in the order of the trade, then what else the applicant wants to say."""
    main, *others = trade.activities
    chosen = set(rng.sample(others, rng.randint(1, len(others))))
    activities = "; ".join([main, *(other for other in others if other in chosen)])
    return ". ".join([activities, *rng.sample(_REMARKS, rng.randint(0, 5))])


_CONTENT: Final[dict[str, Callable[[random.Random, str, date], tuple[_Subjects, _Fields]]]] = {
    "wohnsitz-anmelden": _move,
    "gewerbe-anmelden": _trade,
}


# --- data


def _names(nationality: str, women: str, men: str, families: str) -> _Names:
    return _Names(nationality, *(tuple(part.split(", ")) if part else () for part in (women, men, families)))


def _trades(text: str) -> tuple[_Trade, ...]:
    """Paragraphs of a line 'sign, kind' and a line per activity."""
    return tuple(_paragraph(*paragraph.splitlines()) for paragraph in text.strip().split("\n\n"))


def _paragraph(head: str, *activities: str) -> _Trade:
    sign, kind = head.split(", ")
    return _Trade(sign, kind, activities)


_NAMES: Final = (
    _names(
        "deutsch",
        "Käthe, Zoë, Renée, Anaïs, Bärbel, Franziska, Walburga, Jördis, Theresia, Magdalena, Lena, Sophia-Marie",
        "Jürgen, Günther, Björn, Jörg, Xaver, Korbinian, André, Götz, Ludwig, Sebastian, Jonas, Karl-Heinz",
        "Müller, Huber, Weiß, Gößwein, Schäfer, Bäumler, Lößl, Schlögl, Strauß, Kühn, Böhm, Obermayer, Aßmann, von der Grün, Dörfler",
    ),
    _names(
        "türkisch",
        "Ayşe, Gülşen, Çiğdem, Özlem, Işıl, Elif, Şule",
        "İbrahim, Ömer, Oğuz, Barış, Şükrü, Çağlar, Mehmet",
        "Yıldız, Öztürk, Şahin, Çelik, Kılıç, Doğan, Güneş, İnce, Ağaoğlu",
    ),
    _names(
        "polnisch",
        "Małgorzata, Elżbieta, Bożena, Agnieszka, Grażyna",
        "Łukasz, Paweł, Michał, Stanisław, Błażej",
        "Wójcik, Gołąb, Wróbel, Zając, Żak, Pająk, Kozieł, Źrebiec, Sęk",
    ),
    _names(
        "kroatisch",
        "Željka, Đurđica, Nikolina, Mirjana, Višnja",
        "Krešimir, Željko, Siniša, Hrvoje, Đuro",
        "Kovačević, Đurić, Šimić, Perišić, Žanić, Blažević, Vuković",
    ),
    _names(
        "rumänisch",
        "Mădălina, Ștefania, Ruxandra, Crina, Ioana",
        "Răzvan, Ionuț, Ștefan, Cătălin, Bogdan",
        "Mureșan, Țurcanu, Bălan, Crăciun, Lupașcu, Păun, Brânză",
    ),
    _names(
        "vietnamesisch",
        "Thị Hương, Ngọc Ánh, Thu Thủy, Bảo Trâm, Mỹ Duyên",
        "Văn Đức, Quốc Hưng, Minh Tuấn, Hữu Phước, Thế Vũ",
        "Nguyễn, Trần, Phạm, Đặng, Bùi, Hoàng, Dương, Lê",
    ),
    _names(
        "tschechisch",
        "Růžena, Zdeňka, Markéta, Božena, Lucie",
        "Jiří, Ondřej, Zdeněk, Matěj, Luboš",
        "Krejčí, Petrů, Janů, Hořejší, Tachecí, Jirků",
    ),
    _names(
        "ungarisch",
        "Zsófia, Ágnes, Boglárka, Erzsébet, Réka",
        "László, Győző, Ödön, Dezső, Bálint",
        "Szűcs, Kovács, Szőke, Győri, Tóth, Fodor, Kőműves",
    ),
    _names(
        "griechisch",
        "Eléni, Ioánna, Déspoina, Sofía, Styliani",
        "Geōrgios, Kōnstantínos, Dīmos, Spýros, Níkos",
        "Papageōrgíou, Oikonómou, Athanasíou, Vasileíou, Dīmītríou",
    ),
    _names(
        "ukrainisch",
        "Oksana, Ljudmyla, Natalija, Zlatoslava, Žanna",
        "Andrij, Serhij, Mykola, Ljubomyr, Oleksij",
        "Ševčuk, Kovalenko, Bondarčuk, Šapoval, Hryščenko, Tkačuk",
    ),
    _names(
        "isländisch",
        "Guðrún, Sigríður, Þórunn, Ásdís, Æsa",
        "Þórður, Hafþór, Ægir, Guðmundur, Ólafur",
        "Blöndal, Thorarensen, Möller, Hafstað, Kværan",
    ),
    _names(
        "portugiesisch",
        "Conceição, Inês, Beatriz, Antónia, Luísa",
        "João, Simão, Estêvão, Tomás, Gonçalo",
        "Gonçalves, Simões, Magalhães, Araújo, Brandão, da Conceição",
    ),
    _names(
        "spanisch",
        "Begoña, María José, Lucía, Nuria, Mónica",
        "Íñigo, Andrés, Joaquín, Ramón, Jesús",
        "Ibáñez, Núñez, Peña, Agüero, Martínez, Castaño",
    ),
    _names(
        "italienisch",
        "Chiara, Letizia, Noemi, Desirè, Fiorella",
        "Nicolò, Giosuè, Matteo, Salvatore, Niccolò",
        "D’Angelo, Dell’Orto, Cantù, Nardò, Pellegrini",
    ),
    _names(
        "dänisch",
        "Åse, Kirsten, Birte, Inge-Lise, Bente",
        "Søren, Jørgen, Asbjørn, Pål, Aage",
        "Kjær, Bødker, Nørgaard, Sjælland, Østergård",
    ),
    _names("indonesisch", "", "", "Nurhayati, Sulistyowati, Hartono, Wahyuningsih, Parwoto"),
)

_STREETS: Final = {
    "muenchen": _Town(
        "München",
        (
            "80337 Lindwurmstraße",
            "80802 Leopoldstraße",
            "80797 Schleißheimer Straße",
            "80636 Nymphenburger Straße",
            "81541 Tegernseer Landstraße",
            "81667 Wörthstraße",
            "81667 Rosenheimer Straße",
            "80339 Landsberger Straße",
            "80799 Schellingstraße",
            "81369 Plinganserstraße",
            "80686 Fürstenrieder Straße",
            "80798 Görresstraße",
            "81547 Säbener Straße",
        ),
    ),
    "nuernberg": _Town(
        "Nürnberg",
        (
            "90429 Fürther Straße",
            "90491 Äußere Bayreuther Straße",
            "90443 Gibitzenhofstraße",
            "90408 Pirckheimerstraße",
            "90443 Rothenburger Straße",
            "90489 Sulzbacher Straße",
            "90459 Wölckernstraße",
            "90408 Bucher Straße",
            "90461 Allersberger Straße",
            "90441 Schweinauer Hauptstraße",
            "90402 Königstraße",
            "90403 Äußere Laufer Gasse",
        ),
    ),
    "augsburg": _Town(
        "Augsburg",
        (
            "86150 Maximilianstraße",
            "86150 Bürgermeister-Fischer-Straße",
            "86150 Karolinenstraße",
            "86150 Vorderer Lech",
            "86152 Jakoberstraße",
            "86152 Frauentorstraße",
            "86154 Donauwörther Straße",
            "86156 Ulmer Straße",
            "86159 Gögginger Straße",
            "86161 Haunstetter Straße",
            "86163 Zugspitzstraße",
            "86167 Neuburger Straße",
        ),
    ),
}

_ELSEWHERE: Final = (
    ("Karl-Liebknecht-Straße", "04107", "Leipzig", None),
    ("Königsallee", "40212", "Düsseldorf", None),
    ("Große Bergstraße", "22767", "Hamburg", None),
    ("Mariahilfer Straße", "1060", "Wien", "Österreich"),
    ("Piotrkowska", "90-004", "Łódź", "Polen"),
    ("Bağdat Caddesi", "34728", "İstanbul", "Türkei"),
    ("Ilica", "10000", "Zagreb", "Kroatien"),
    ("Calea Victoriei", "010061", "București", "Rumänien"),
    ("Phố Huế", "100000", "Hà Nội", "Vietnam"),
    ("Vinohradská", "120 00", "Praha", "Tschechien"),
    ("Váci utca", "1052", "Budapest", "Ungarn"),
    ("Laugavegur", "101", "Reykjavík", "Island"),
    ("Rua de Santa Catarina", "4000-447", "Porto", "Portugal"),
    ("Chreščatyk", "01001", "Kyïv", "Ukraine"),
)

_ADDITIONS: Final = ("Hinterhaus", "Rückgebäude, 2. Stock", "3. Stock links", "Erdgeschoss", "Gartenhaus", "Aufgang B, 4. Stock")

# The least number of people, the form, its register.
_LEGAL_FORMS: Final = (
    (1, "GmbH", "HRB"),
    (1, "UG (haftungsbeschränkt)", "HRB"),
    (1, "GmbH & Co. KG", "HRA"),
    (2, "OHG", "HRA"),
    (2, "GbR", None),
)

_TRADES: Final = _trades("""
Bäckerei, Handwerk
Herstellung und Verkauf von Backwaren und Konditoreierzeugnissen
Betrieb eines Cafés mit Außensitzplätzen ohne Ausschank alkoholischer Getränke
Lieferung belegter Semmeln an Kantinen, Schulen und Kindertagesstätten im Stadtgebiet
Vermietung von Geschirr und Tischwäsche für Feiern

Schreinerei, Handwerk
Anfertigung und Einbau von Möbeln, Küchen, Türen und Treppen
Restaurierung historischer Fenster und Vertäfelungen nach Vorgaben der Denkmalpflege
Verlegen, Schleifen und Ölen von Holzböden
Handel mit Beschlägen, Leuchten und Pflegemitteln für Massivholz

Friseursalon, Handwerk
Friseurhandwerk für Damen, Herren und Kinder
Anfertigung und Pflege von Perücken und Haarteilen, auch als Leistung der gesetzlichen Krankenkassen
Maniküre und kosmetische Behandlungen ohne Eingriffe in die Haut
Verkauf von Haarpflegeprodukten

Elektrotechnik, Handwerk
Elektroinstallation in Neu- und Altbauten, eingetragen in der Handwerksrolle
Planung, Montage und Wartung von Photovoltaikanlagen mit Speicher bis 30 Kilowatt
Einrichtung von Ladepunkten für Elektrofahrzeuge in Tiefgaragen von Wohnungseigentümergemeinschaften
Prüfung ortsveränderlicher elektrischer Betriebsmittel in Büros und Werkstätten

Malerbetrieb, Handwerk
Maler- und Lackiererarbeiten an Fassaden und in Innenräumen
Wärmedämmung von Außenwänden einschließlich Gerüststellung für eigene Arbeiten
Beseitigung von Schimmel und Feuchteschäden mit Ursachenprüfung
Gestaltung von Ladenräumen mit Kalk-, Lehm- und Spachteltechniken

Fahrradwerkstatt, Handwerk
Instandsetzung und Wartung von Fahrrädern, Lastenrädern und Pedelecs
An- und Verkauf gebrauchter Fahrräder mit Prüfung der Rahmennummer
Verleih von Lastenrädern und Kinderanhängern tage- und wochenweise
Kurse zur Reparatur in der eigenen Werkstatt

Änderungsschneiderei, Handwerk
Änderung und Ausbesserung von Oberbekleidung, Tracht und Heimtextilien
Maßanfertigung von Dirndln, Brautkleidern und Bühnenkostümen
Annahmestelle für chemische Reinigung und Lederpflege
Nähkurse für Anfängerinnen und Anfänger in Gruppen bis acht Personen

Kfz-Service, Handwerk
Wartung und Instandsetzung von Kraftfahrzeugen als Meisterbetrieb
Einlagerung, Wechsel und Verkauf von Reifen und Felgen
Aufbereitung und Pflege von Fahrzeugen mit Abwasserbehandlung auf dem Betriebsgelände
Vermittlung von Gebrauchtwagen im Auftrag Dritter

Gebäudereinigung, Handwerk
Unterhalts-, Glas- und Fassadenreinigung in Büros, Praxen und Treppenhäusern
Winterdienst und Gehwegreinigung für Hausverwaltungen
Grünpflege ohne Fällungen und Entsorgung von Schnittgut über zugelassene Betriebe
Endreinigung nach Bauarbeiten einschließlich Entfernen von Kleberesten und Baustaub

Feinkost, Handel
Einzelhandel mit Lebensmitteln aus dem Mittelmeerraum, Südosteuropa und Vorderasien
Zubereitung von Vorspeisen und warmen Gerichten zum Mitnehmen
Handel mit Wein, Spirituosen und alkoholfreien Getränken in verschlossenen Flaschen
Stand auf Wochenmärkten im Stadtgebiet an drei Tagen der Woche

Blumen, Handel
Einzelhandel mit Schnittblumen, Topfpflanzen, Gestecken und Zubehör
Floristik für Hochzeiten, Trauerfeiern und Veranstaltungen mit Aufbau vor Ort
Pflege von Gräbern auf den städtischen Friedhöfen im Jahresauftrag
Bepflanzung und Bewässerung von Balkonen, Innenhöfen und Dachgärten

Buchhandlung, Handel
Einzelhandel mit Büchern, Zeitschriften, Noten und Schreibwaren
Versand antiquarischer Bücher und Landkarten über das Internet
Lesungen und Schreibwerkstätten in den Geschäftsräumen, teils gegen Eintritt
Belieferung von Schulen und Bibliotheken nach dem Buchpreisbindungsgesetz

Onlinehandel, Handel
Versandhandel mit Spielwaren, Haushaltsartikeln und Gartenbedarf über eigene und fremde Internetplattformen
Entwicklung von Verpackungen und Vertrieb unter eigener Marke
Lagerung, Kommissionierung und Versand für andere Händler
Annahme und Aufbereitung von Rücksendungen einschließlich Verkauf von Restposten

Gaststätte, Sonstiges
Betrieb einer Schank- und Speisewirtschaft mit regionaler und internationaler Küche
Bewirtung im Biergarten mit 60 Plätzen von April bis Oktober, täglich bis 22 Uhr
Partyservice mit Lieferung und Bedienung außer Haus
Vermietung eines Nebenraums für Familienfeiern und Vereinsversammlungen

Software, Sonstiges
Entwicklung, Vertrieb und Wartung von Software für Handwerks- und Handelsbetriebe
Beratung bei der Einführung von Warenwirtschafts- und Buchhaltungssystemen
Betrieb von Webanwendungen und Datensicherung in Rechenzentren innerhalb der Europäischen Union
Schulungen zu Informationssicherheit und Datenschutz für kleine Unternehmen

Umzüge, Sonstiges
Durchführung von Umzügen mit Fahrzeugen bis 3,5 Tonnen zulässiger Gesamtmasse
Möbelmontage, Ein- und Auspacken, Aufbau von Küchen ohne Anschlussarbeiten
Haushaltsauflösungen mit Verwertung über Gebrauchtwarenhändler
Vermietung von Kartons, Außenaufzügen und Lagerabteilen

Hausmeisterdienste, Sonstiges
Hausmeisterservice für Wohn- und Geschäftshäuser ohne handwerksrollenpflichtige Tätigkeiten
Kleinreparaturen, Austausch von Leuchtmitteln und Pflege von Außenanlagen
Bereitstellen von Mülltonnen und Kontrolle technischer Anlagen nach Plan
Wohnungsübergaben und Ablesung von Zählerständen im Auftrag von Verwaltungen

Fotostudio, Sonstiges
Fotografie für Familien, Hochzeiten, Bewerbungen und Ausweise
Werbe- und Architekturaufnahmen, auch mit unbemannten Luftfahrzeugen unter 2 Kilogramm
Bildbearbeitung, Abzüge und Einrahmungen
Vermietung des Studios mit Beleuchtung stundenweise an Dritte

Übersetzungsbüro, Sonstiges
Vermittlung von Übersetzungen und Dolmetschleistungen in europäischen und asiatischen Sprachen
Sprachkurse für Unternehmen in Präsenz und über das Internet
Lektorat und Satz mehrsprachiger Gebrauchsanleitungen und Kataloge
Begleitung bei Terminen in Ämtern, Arztpraxen und Schulen

Tanzstudio, Sonstiges
Tanz- und Bewegungsunterricht für Kinder, Jugendliche und Erwachsene
Veranstaltung von Aufführungen und Tanzabenden mit bis zu 120 Gästen
Verkauf von Tanzschuhen, Kleidung und alkoholfreien Getränken an Teilnehmende
Überlassung der Räume an Vereine und freie Gruppen am Wochenende
""")

_REMARKS: Final = (
    "Die Betriebsstätte wird von einem bestehenden Betrieb übernommen, die Beschäftigten werden weiterbeschäftigt",
    "Öffnungszeiten Montag bis Freitag 8 bis 18 Uhr, Samstag 9 bis 14 Uhr, an Sonn- und Feiertagen geschlossen",
    "Die Tätigkeit wird zunächst im Nebenerwerb an höchstens 15 Stunden in der Woche ausgeübt",
    "Ein Teil der Räume wird an einen anderen Betrieb untervermietet; beide Betriebe haben getrennte Eingänge und Briefkästen",
    "Die Erlaubnis zur Sondernutzung von öffentlichem Grund für Auslagen und Fahrradständer vor dem Geschäft ist beantragt",
    "Eine Nutzungsänderung ist nicht nötig, die Räume wurden schon bisher gewerblich genutzt (Bescheid der Bauaufsicht liegt vor)",
    "Der Betrieb war bisher in einer Nachbargemeinde angemeldet und wird dort zum Ende des Vormonats abgemeldet",
    "An der Betriebsstätte werden weder Gefahrstoffe noch überwachungsbedürftige Anlagen verwendet",
    "Die Eintragung in das zuständige Register und die Anmeldung bei der Berufsgenossenschaft sind veranlasst",
    "Die geschäftlichen Unterlagen werden am Ort der Betriebsstätte aufbewahrt, die Buchführung übernimmt ein Steuerbüro",
)
