"""What synthetic messages are made of: names, streets and trades, to be combined at random.

Streets and towns exist, the people and businesses are made up. Spellings keep the letters that people in Bavarian cities have in their
names (DIN 91379, datatype A, NFC).
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Names(NamedTuple):
    """Names of one origin. Family names are those that women and men share; without given names people have one name only."""

    nationality: str
    women: tuple[str, ...]
    men: tuple[str, ...]
    families: tuple[str, ...]


class Town(NamedTuple):
    """A city of the bus with some of its streets, each with a postal code."""

    name: str
    streets: tuple[str, ...]


class Trade(NamedTuple):
    """A trade: what stands on the sign, the kind of business, and what it does, the main activity first."""

    sign: str
    kind: str
    activities: tuple[str, ...]


def _names(nationality: str, women: str, men: str, families: str) -> Names:
    return Names(nationality, *(tuple(part.split(", ")) if part else () for part in (women, men, families)))


def _trades(text: str) -> tuple[Trade, ...]:
    """Paragraphs of a line 'sign, kind' and a line per activity."""
    return tuple(_paragraph(*paragraph.splitlines()) for paragraph in text.strip().split("\n\n"))


def _paragraph(head: str, *activities: str) -> Trade:
    sign, kind = head.split(", ")
    return Trade(sign, kind, activities)


NAMES: Final = (
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

TOWNS: Final = {
    "muenchen": Town(
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
    "nuernberg": Town(
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
    "augsburg": Town(
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

STREETS: Final = ("93047 Bahnhofstraße", "93047 Ludwigstraße", "93049 Prüfeninger Straße", "93051 Äußere Ringstraße", "93053 Am Mühlbach")
"""Streets for any other town."""

ELSEWHERE: Final = (
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

ADDITIONS: Final = ("Hinterhaus", "Rückgebäude, 2. Stock", "3. Stock links", "Erdgeschoss", "Gartenhaus", "Aufgang B, 4. Stock")

# The least number of people, the form, its register.
LEGAL_FORMS: Final = (
    (1, "GmbH", "HRB"),
    (1, "UG (haftungsbeschränkt)", "HRB"),
    (1, "GmbH & Co. KG", "HRA"),
    (2, "OHG", "HRA"),
    (2, "GbR", None),
)

TRADES: Final = _trades("""
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

REMARKS: Final = (
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

PROJECTS: Final = (
    "Neubau eines Einfamilienhauses mit Doppelgarage",
    "Ausbau des Dachgeschosses mit zwei Gauben",
    "Anbau eines Wintergartens an der Südseite",
    "Nutzungsänderung eines Ladens in eine Kindertagesstätte",
    "Neubau einer Wohnanlage mit 18 Wohneinheiten und Tiefgarage",
    "Errichtung einer Werbeanlage an der Fassade",
    "Aufstockung des Rückgebäudes um ein Geschoss",
)
