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

Fields = dict[str, tuple[str, ...]]


class _Names(NamedTuple):
    """Names of one origin. Family names are those that women and men share; without given names people have one name only."""

    nationality: str
    women: tuple[str, ...]
    men: tuple[str, ...]
    families: tuple[str, ...]


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
        service=Code(
            code=route.service.leika[0], name=route.service.name, list_uri=SERVICE_LIST, list_version=SERVICE_LIST_VERSION
        ),
        area=Code(code=route.city.ars, name=route.city.name, list_uri=AREA_LIST_ARS, list_version=AREA_LIST_VERSION),
        applicants=tuple(_applicant(subject, trust) for subject in subjects),
        content=Form(
            schema_uri=route.service.form, fields=tuple(FormField(id=field, values=values) for field, values in fields.items())
        ),
    )


def _continue(rng: random.Random, earlier: Application, moment: datetime) -> Application:
    """The same application once more, with another date: the later message has to win."""
    day = (_day_near(rng, moment.date()),)
    fields = tuple(FormField(id=field.id, values=day) if field.id in _DATE_FIELDS else field for field in earlier.form.fields)
    form = Form(schema_uri=earlier.form.schema_uri, fields=fields)
    return earlier.model_copy(update={"message_id": _uuid(rng), "created_at": moment, "content": form})


def _uuid(rng: random.Random) -> UUID:
    return UUID(int=rng.getrandbits(128), version=4)


def _applicant(subject: Person | Organisation, trust: Trust) -> Applicant:
    if isinstance(subject, Person):
        return Applicant(person=subject, trust=trust)
    return Applicant(organisation=subject, trust=trust)


def _day_near(rng: random.Random, day: date) -> str:
    return (day + timedelta(days=rng.randint(-14, 14))).isoformat()


# --- wohnsitz-anmelden


def _move(rng: random.Random, city: str, day: date) -> tuple[Sequence[Person], Fields]:
    names = _origin(rng)
    german_too = names.nationality != "deutsch" and rng.random() < 0.2
    new = _address_in(rng, city)
    fields: Fields = {
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
    size = rng.choices((1, 2, 3, 4, 5), (7, 6, 4, 3, 1))[0]
    adults = 1 if size == 1 or rng.random() < 0.2 else 2
    shared, address = _family_name(rng, names), _old_address(rng)
    people = []
    for number in range(size):
        shares = number == 0 or (bool(names.women) and rng.random() < 0.85)
        family_name = shared if shares else _family_name(rng, names)
        people.append(_adult(rng, names, family_name, day, address) if number < adults else _child(rng, names, family_name, day, address))
    return people


def _adult(rng: random.Random, names: _Names, family_name: str, day: date, address: Address) -> Person:
    return Person(
        family_name=family_name,
        given_names=_given_names(rng, names),
        birth_name=rng.choice(_origin(rng).families) if names.women and rng.random() < 0.2 else None,
        birth_date=_birth_date(rng, day, 19, 80),
        address=address,
    )


def _child(rng: random.Random, names: _Names, family_name: str, day: date, address: Address) -> Person:
    return Person(
        family_name=family_name, given_names=_given_names(rng, names), birth_date=_birth_date(rng, day, 0, 17), address=address
    )


def _origin(rng: random.Random) -> _Names:
    return rng.choices(_NAMES, [len(_NAMES)] + [1] * (len(_NAMES) - 1))[0]  # the first, German, is every other


def _family_name(rng: random.Random, names: _Names) -> str:
    name = rng.choice(names.families)
    return f"{name}-{rng.choice(_origin(rng).families)}" if names.women and rng.random() < 0.06 else name


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
    if rng.random() < 0.6:
        return _address_in(rng, rng.choice(list(_STREETS)))
    street, postal_code, town, country = rng.choice(_ELSEWHERE)
    return Address(street=street, house_number=_house_number(rng), postal_code=postal_code, city=town, country=country)


def _address_in(rng: random.Random, city: str) -> Address:
    town, streets = _STREETS[city]
    postal_code, _, street = rng.choice(streets).partition(" ")
    addition = rng.choice(_ADDITIONS) if rng.random() < 0.25 else None
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


def _trade(rng: random.Random, city: str, day: date) -> tuple[Sequence[Person | Organisation], Fields]:
    trade, site = rng.choice(_TRADES), _address_in(rng, city)
    names = _origin(rng)
    family_name = _family_name(rng, names)
    subject: Person | Organisation
    if rng.random() < 0.5:
        subject = _organisation(rng, f"{trade.sign} {family_name}", site)
    else:
        subject = _adult(rng, names, family_name, day, _address_in(rng, city))
    fields: Fields = {
        "F99000201": (_activities(rng, trade),),
        "F99000202": (_day_near(rng, day),),
        "F99000203": (site.street,),
        "F99000204": (site.house_number,),
        "F99000205": (site.postal_code,),
        "F99000206": (site.city,),
        "F99000207": (str(rng.choice((0, 0, 0, 1, 1, 2, 3, 4, 6, 9, 14, 25))),),
        "F99000208": (trade.kind,),
    }
    return [subject], fields


def _organisation(rng: random.Random, sign: str, site: Address) -> Organisation:
    legal_form, register = rng.choice(_LEGAL_FORMS)
    number = f"{register} {rng.randint(10_000, 42_000)}, Amtsgericht {site.city}" if register else None
    return Organisation(name=f"{sign} {legal_form}", legal_form=legal_form, register_number=number, address=site)


def _activities(rng: random.Random, trade: _Trade) -> str:
    """The main activity and some of the others, in the order of the trade."""
    main, *others = trade.activities
    chosen = set(rng.sample(others, rng.randint(1, len(others))))
    return "; ".join([main, *(other for other in others if other in chosen)])


_CONTENT: Final[dict[str, Callable[[random.Random, str, date], tuple[Sequence[Person | Organisation], Fields]]]] = {
    "wohnsitz-anmelden": _move,
    "gewerbe-anmelden": _trade,
}


# --- data


def _names(nationality: str, women: str, men: str, families: str) -> _Names:
    return _Names(nationality, *(tuple(part.split(", ")) if part else () for part in (women, men, families)))


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
        "Eléni, Ioánna, Déspoina, Zōḗ, Styliani",
        "Geṓrgios, Kōnstantínos, Dīmī́trios, Spýros, Níkos",
        "Papageōrgíou, Oikonómou, Athanasíou, Vasileíou, Dīmītríou",
    ),
    _names(
        "ukrainisch",
        "Oksana, Ljudmyla, Natalija, Zlatoslava, Nadežda",
        "Andrij, Serhij, Mykola, Ľubomyr, Oleksij",
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
        "Nicolò, Giosuè, Matteo, Salvatore, Gesù",
        "D’Angelo, Dell’Orto, Cantù, Nardò, Pellegrini",
    ),
    _names(
        "dänisch",
        "Åse, Kirsten, Bodil, Inge-Lise, Dagnӕ".replace("ӕ", "y"),
        "Søren, Jørgen, Asbjørn, Pål, Aage",
        "Kjær, Bødker, Nørgaard, Sjælland, Østergård",
    ),
    _names("indonesisch", "", "", "Nurhayati, Sulistyowati, Hartono, Wahyuningsih, Parwoto"),
)

_STREETS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "muenchen": (
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
    "nuernberg": (
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
    "augsburg": (
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

_LEGAL_FORMS: Final = (
    ("GmbH", "HRB"),
    ("UG (haftungsbeschränkt)", "HRB"),
    ("GmbH & Co. KG", "HRA"),
    ("OHG", "HRA"),
    ("e. K.", "HRA"),
    ("GbR", None),
)

_TRADES: Final = (
    _Trade(
        "Bäckerei",
        "Handwerk",
        (
            "Herstellung und Verkauf von Backwaren und Konditoreierzeugnissen",
            "Betrieb eines Cafés mit Außensitzplätzen ohne Ausschank alkoholischer Getränke",
            "Lieferung belegter Semmeln an Kantinen, Schulen und Kindertagesstätten im Stadtgebiet",
            "Vermietung von Geschirr und Tischwäsche für Feiern",
        ),
    ),
    _Trade(
        "Schreinerei",
        "Handwerk",
        (
            "Anfertigung und Einbau von Möbeln, Küchen, Türen und Treppen",
            "Restaurierung historischer Fenster und Vertäfelungen nach Vorgaben der Denkmalpflege",
            "Verlegen, Schleifen und Ölen von Holzböden",
            "Handel mit Beschlägen, Leuchten und Pflegemitteln für Massivholz",
        ),
    ),
    _Trade(
        "Friseursalon",
        "Handwerk",
        (
            "Friseurhandwerk für Damen, Herren und Kinder",
            "Anfertigung und Pflege von Perücken und Haarteilen, auch als Leistung der gesetzlichen Krankenkassen",
            "Maniküre und kosmetische Behandlungen ohne Eingriffe in die Haut",
            "Verkauf von Haarpflegeprodukten",
        ),
    ),
    _Trade(
        "Elektrotechnik",
        "Handwerk",
        (
            "Elektroinstallation in Neu- und Altbauten, eingetragen in der Handwerksrolle",
            "Planung, Montage und Wartung von Photovoltaikanlagen mit Speicher bis 30 Kilowatt",
            "Einrichtung von Ladepunkten für Elektrofahrzeuge in Tiefgaragen von Wohnungseigentümergemeinschaften",
            "Prüfung ortsveränderlicher elektrischer Betriebsmittel in Büros und Werkstätten",
        ),
    ),
    _Trade(
        "Malerbetrieb",
        "Handwerk",
        (
            "Maler- und Lackiererarbeiten an Fassaden und in Innenräumen",
            "Wärmedämmung von Außenwänden einschließlich Gerüststellung für eigene Arbeiten",
            "Beseitigung von Schimmel und Feuchteschäden mit Ursachenprüfung",
            "Gestaltung von Ladenräumen mit Kalk-, Lehm- und Spachteltechniken",
        ),
    ),
    _Trade(
        "Fahrradwerkstatt",
        "Handwerk",
        (
            "Instandsetzung und Wartung von Fahrrädern, Lastenrädern und Pedelecs",
            "An- und Verkauf gebrauchter Fahrräder mit Prüfung der Rahmennummer",
            "Verleih von Lastenrädern und Kinderanhängern tage- und wochenweise",
            "Kurse zur Reparatur in der eigenen Werkstatt",
        ),
    ),
    _Trade(
        "Änderungsschneiderei",
        "Handwerk",
        (
            "Änderung und Ausbesserung von Oberbekleidung, Tracht und Heimtextilien",
            "Maßanfertigung von Dirndln, Brautkleidern und Bühnenkostümen",
            "Annahmestelle für chemische Reinigung und Lederpflege",
            "Nähkurse für Anfängerinnen und Anfänger in Gruppen bis acht Personen",
        ),
    ),
    _Trade(
        "Kfz-Service",
        "Handwerk",
        (
            "Wartung und Instandsetzung von Kraftfahrzeugen als Meisterbetrieb",
            "Einlagerung, Wechsel und Verkauf von Reifen und Felgen",
            "Aufbereitung und Pflege von Fahrzeugen mit Abwasserbehandlung auf dem Betriebsgelände",
            "Vermittlung von Gebrauchtwagen im Auftrag Dritter",
        ),
    ),
    _Trade(
        "Gebäudereinigung",
        "Handwerk",
        (
            "Unterhalts-, Glas- und Fassadenreinigung in Büros, Praxen und Treppenhäusern",
            "Winterdienst und Gehwegreinigung für Hausverwaltungen",
            "Grünpflege ohne Fällungen und Entsorgung von Schnittgut über zugelassene Betriebe",
            "Endreinigung nach Bauarbeiten einschließlich Entfernen von Kleberesten und Baustaub",
        ),
    ),
    _Trade(
        "Feinkost",
        "Handel",
        (
            "Einzelhandel mit Lebensmitteln aus dem Mittelmeerraum, Südosteuropa und Vorderasien",
            "Zubereitung von Vorspeisen und warmen Gerichten zum Mitnehmen",
            "Handel mit Wein, Spirituosen und alkoholfreien Getränken in verschlossenen Flaschen",
            "Stand auf Wochenmärkten im Stadtgebiet an drei Tagen der Woche",
        ),
    ),
    _Trade(
        "Blumen",
        "Handel",
        (
            "Einzelhandel mit Schnittblumen, Topfpflanzen, Gestecken und Zubehör",
            "Floristik für Hochzeiten, Trauerfeiern und Veranstaltungen mit Aufbau vor Ort",
            "Pflege von Gräbern auf den städtischen Friedhöfen im Jahresauftrag",
            "Bepflanzung und Bewässerung von Balkonen, Innenhöfen und Dachgärten",
        ),
    ),
    _Trade(
        "Buchhandlung",
        "Handel",
        (
            "Einzelhandel mit Büchern, Zeitschriften, Noten und Schreibwaren",
            "Versand antiquarischer Bücher und Landkarten über das Internet",
            "Lesungen und Schreibwerkstätten in den Geschäftsräumen, teils gegen Eintritt",
            "Belieferung von Schulen und Bibliotheken nach dem Buchpreisbindungsgesetz",
        ),
    ),
    _Trade(
        "Onlinehandel",
        "Handel",
        (
            "Versandhandel mit Spielwaren, Haushaltsartikeln und Gartenbedarf über eigene und fremde Internetplattformen",
            "Entwicklung von Verpackungen und Vertrieb unter eigener Marke",
            "Lagerung, Kommissionierung und Versand für andere Händler",
            "Annahme und Aufbereitung von Rücksendungen einschließlich Verkauf von Restposten",
        ),
    ),
    _Trade(
        "Gaststätte",
        "Sonstiges",
        (
            "Betrieb einer Schank- und Speisewirtschaft mit regionaler und internationaler Küche",
            "Bewirtung im Biergarten mit 60 Plätzen von April bis Oktober, täglich bis 22 Uhr",
            "Partyservice mit Lieferung und Bedienung außer Haus",
            "Vermietung eines Nebenraums für Familienfeiern und Vereinsversammlungen",
        ),
    ),
    _Trade(
        "Software",
        "Sonstiges",
        (
            "Entwicklung, Vertrieb und Wartung von Software für Handwerks- und Handelsbetriebe",
            "Beratung bei der Einführung von Warenwirtschafts- und Buchhaltungssystemen",
            "Betrieb von Webanwendungen und Datensicherung in Rechenzentren innerhalb der Europäischen Union",
            "Schulungen zu Informationssicherheit und Datenschutz für kleine Unternehmen",
        ),
    ),
    _Trade(
        "Umzüge",
        "Sonstiges",
        (
            "Durchführung von Umzügen mit Fahrzeugen bis 3,5 Tonnen zulässiger Gesamtmasse",
            "Möbelmontage, Ein- und Auspacken, Aufbau von Küchen ohne Anschlussarbeiten",
            "Haushaltsauflösungen mit Verwertung über Gebrauchtwarenhändler",
            "Vermietung von Kartons, Außenaufzügen und Lagerabteilen",
        ),
    ),
    _Trade(
        "Hausmeisterdienste",
        "Sonstiges",
        (
            "Hausmeisterservice für Wohn- und Geschäftshäuser ohne handwerksrollenpflichtige Tätigkeiten",
            "Kleinreparaturen, Austausch von Leuchtmitteln und Pflege von Außenanlagen",
            "Bereitstellen von Mülltonnen und Kontrolle technischer Anlagen nach Plan",
            "Wohnungsübergaben und Ablesung von Zählerständen im Auftrag von Verwaltungen",
        ),
    ),
    _Trade(
        "Fotostudio",
        "Sonstiges",
        (
            "Fotografie für Familien, Hochzeiten, Bewerbungen und Ausweise",
            "Werbe- und Architekturaufnahmen, auch mit unbemannten Luftfahrzeugen unter 2 Kilogramm",
            "Bildbearbeitung, Abzüge und Einrahmungen",
            "Vermietung des Studios mit Beleuchtung stundenweise an Dritte",
        ),
    ),
    _Trade(
        "Übersetzungsbüro",
        "Sonstiges",
        (
            "Vermittlung von Übersetzungen und Dolmetschleistungen in europäischen und asiatischen Sprachen",
            "Sprachkurse für Unternehmen in Präsenz und über das Internet",
            "Lektorat und Satz mehrsprachiger Gebrauchsanleitungen und Kataloge",
            "Begleitung bei Terminen in Ämtern, Arztpraxen und Schulen",
        ),
    ),
    _Trade(
        "Tanzstudio",
        "Sonstiges",
        (
            "Tanz- und Bewegungsunterricht für Kinder, Jugendliche und Erwachsene",
            "Veranstaltung von Aufführungen und Tanzabenden mit bis zu 120 Gästen",
            "Verkauf von Tanzschuhen, Kleidung und alkoholfreien Getränken an Teilnehmende",
            "Überlassung der Räume an Vereine und freie Gruppen am Wochenende",
        ),
    ),
)
