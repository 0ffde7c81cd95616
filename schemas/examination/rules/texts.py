"""The words of the rules, in German and English, by the rule's name: what it asks, and in German how to mend a breach.

`docs/reference/rules.md` is made of them. The hint in English is that of the rule's problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from schemas import ids, moments
from schemas.codelists import SHIPPED
from schemas.examination.rules.checks import MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS
from schemas.nfc import MAX_MARKS


class RuleTexts(NamedTuple):
    """What one rule says of itself."""

    en: str
    de: str
    hint_de: str


TEXTS: Final[Mapping[str, RuleTexts]] = {
    "no-empty-text": RuleTexts(
        "No element or attribute is empty, but the value of a form field. In genuine messages this is asked of the header alone.",
        "Kein Element und kein Attribut ist leer, außer dem Wert eines Formularfelds. Bei echten XÖV-Nachrichten gilt das nur für den Kopf.",
        "Füllen; oder das Element oder Attribut weglassen, wo das Schema es erlaubt.",
    ),
    "id-is-uuid": RuleTexts(
        f"Every id is a UUID of {ids.WRITTEN}. In genuine messages this is asked of nachrichtenUUID.",
        "Jede ID ist eine UUID: 8, 4, 4, 4 und 12 Hexadezimalziffern mit Bindestrichen, nichts davor und dahinter. "
        "Bei echten XÖV-Nachrichten gilt das für nachrichtenUUID.",
        "Jede ID als UUID schreiben, zum Beispiel 3c0e5b1a-7d24-4f0b-9a6c-8e4d2f6015b9.",
    ),
    "version-known": RuleTexts(
        "The attribute version names a version that the bus knows; that of the namespace is the schema table's.",
        "Das Attribut version nennt eine Version, die der Bus kennt; die des Namensraums steht in der Schematabelle.",
        "Eine Nachricht der genannten Version senden.",
    ),
    "attachment-count": RuleTexts(
        f"A message has at most {MAX_ATTACHMENTS} attachments.",
        f"Eine Nachricht hat höchstens {MAX_ATTACHMENTS} Anlagen.",
        "Die übrigen Anlagen mit einem Nachtrag senden.",
    ),
    "attachment-hash": RuleTexts(
        "sha512 is a SHA-512 in hexadecimal digits.",
        "sha512 ist ein SHA-512 in Hexadezimalziffern.",
        "128 Hexadezimalziffern in Kleinschreibung senden.",
    ),
    "points-nowhere": RuleTexts(
        "No XInclude, no xml:base, no processing instruction, and no xsi:schemaLocation but for a file beside the message: its reader could follow it.",
        "Kein XInclude, kein xml:base, keine Verarbeitungsanweisung und kein xsi:schemaLocation außer einer Datei neben der Nachricht: "
        "wer sie liest, könnte dem folgen.",
        "Alles weglassen, was beim Lesen etwas nachlädt.",
    ),
    "header-there": RuleTexts(
        "A message has a header that the bus reads, unless the row of the schema table says otherwise.",
        "Eine Nachricht hat einen Kopf, den der Bus liest, wenn die Zeile der Schematabelle nichts anderes sagt.",
        "Den Kopf als erstes Element schreiben, mit Namen und Namensraum des Standards.",
    ),
    "header-once": RuleTexts(
        "The header, its UUID, its reader and its author stand once in a genuine message; an XSD says so too, where the row has one.",
        "Kopf, UUID, Leser und Autor stehen in einer echten XÖV-Nachricht einmal; ein XSD sagt das auch, wo die Zeile eines hat.",
        "Das überzählige Element weglassen.",
    ),
    "header-read": RuleTexts(
        "Where the row says so, a message without such a header is taken as its portal's call says; nothing in it is checked against the call.",
        "Sagt die Zeile es so, gilt für eine Nachricht ohne solchen Kopf der Aufruf des Portals; nichts in ihr wird gegen ihn geprüft.",
        "Den Absender fragen, ob der Standard einen anderen Kopf hat.",
    ),
    "type-matches-root": RuleTexts(
        "nachrichtentyp/code is the number of the root element; name, if sent, is its full name.",
        "nachrichtentyp/code ist die Nummer des Wurzelelements; name, wenn gesendet, sein ganzer Name.",
        "nachrichtentyp/code auf die Nummer des Wurzelelements setzen, name auf seinen Namen.",
    ),
    "id-identifies": RuleTexts(
        "No id is the nil UUID, the max UUID, or one digit all along. In genuine messages this is asked of nachrichtenUUID.",
        "Keine ID ist die Null-UUID, die Max-UUID oder durchgehend dieselbe Ziffer. Bei echten XÖV-Nachrichten gilt das für nachrichtenUUID.",
        "Jeder Nachricht und jedem Vorgang eine eigene UUID geben.",
    ),
    "time-complete": RuleTexts(
        f"erstellungszeitpunkt has milliseconds (any number of digits) and a time zone, exists, lies neither before {moments.EARLIEST.year} nor in the future.",
        f"erstellungszeitpunkt hat Millisekunden (beliebig viele Stellen) und Zeitzone, existiert, liegt weder vor {moments.EARLIEST.year} noch in der Zukunft.",
        "Mit Millisekunden und Zeitzone schreiben, zum Beispiel 2026-03-01T09:30:00.000+01:00.",
    ),
    "key-in-directory": RuleTexts(
        "Where the directory is DVDV, kennung is a prefix of the list (below), a colon and the key.",
        "Wo das Verzeichnis DVDV ist, besteht kennung aus einem Präfix der Liste (unten), Doppelpunkt und Schlüssel.",
        "kennung wie im DVDV schreiben, zum Beispiel ags:09162000.",
    ),
    "marks-bounded": RuleTexts(
        f"No text has more than {MAX_MARKS} combining marks in a row.",
        f"Kein Text hat mehr als {MAX_MARKS} kombinierende Zeichen hintereinander.",
        "Den Text an seiner Quelle ansehen: Keine Sprache setzt so viele Zeichen auf einen Buchstaben.",
    ),
    "text-in-nfc": RuleTexts(
        "All text is in Unicode form NFC.",
        "Aller Text ist in der Unicode-Form NFC.",
        "Vor dem Senden nach NFC normalisieren.",
    ),
    "din-91379": RuleTexts(
        "Each text has only characters of its datatype; texts of genuine messages have datatype C.",
        "Jeder Text hat nur Zeichen seines Datentyps; für Texte echter XÖV-Nachrichten gilt Datentyp C.",
        "Das genannte Zeichen durch eines ersetzen, das DIN 91379 für diesen Datentyp hat.",
    ),
    "encoded-once": RuleTexts(
        "No text looks like UTF-8 that was read as Windows-1252 (MÃ¼nchen). A suspicion, never a refusal.",
        "Kein Text sieht aus wie UTF-8, das als Windows-1252 gelesen wurde (MÃ¼nchen). Ein Verdacht, nie eine Ablehnung.",
        "Den Text mit seiner Quelle vergleichen.",
    ),
    "test-flag": RuleTexts(
        "A message with the attribute test, whatever its value, does not reach a system in production.",
        "Eine Nachricht mit dem Attribut test, gleich mit welchem Wert, erreicht kein System im Betrieb.",
        "Das Attribut weglassen, oder ein Testsystem nutzen.",
    ),
    "attachment-size": RuleTexts(
        f"An attachment has 1 to {MAX_ATTACHMENT_BYTES} bytes.",
        f"Eine Anlage hat 1 bis {MAX_ATTACHMENT_BYTES} Bytes.",
        "Dateien dieser Größe senden.",
    ),
    "attachment-type": RuleTexts(
        "mimeType is a MIME type.",
        "mimeType ist ein MIME-Typ.",
        "Als Typ/Untertyp schreiben, zum Beispiel application/pdf.",
    ),
    "attachment-name": RuleTexts(
        'dateiname is a plain file name: no folder, no control character, none of the signs : * ? " < > |, no dot or blank at its ends.',
        'dateiname ist ein einfacher Dateiname: kein Ordner, kein Steuerzeichen, keines der Zeichen : * ? " < > |, kein Punkt oder Leerzeichen am Rand.',
        "Nur den Namen der Datei senden.",
    ),
    "code-list-known": RuleTexts(
        "leistung and gebiet name the code lists that the bus knows.",
        "leistung und gebiet nennen die Codelisten, die der Bus kennt.",
        "listURI auf die genannte Liste setzen.",
    ),
    "service-known": RuleTexts(
        "A city of the bus offers the service.",
        "Eine Stadt des Busses bietet die Leistung an.",
        "Einen der genannten LeiKa-Schlüssel verwenden.",
    ),
    "area-known": RuleTexts(
        "The area is that of a city of the bus.",
        "Das Gebiet ist das einer Stadt des Busses.",
        "ARS (12 Ziffern) oder AGS (8 Ziffern) einer der genannten Städte verwenden.",
    ),
    "code-known": RuleTexts(
        f"The directory is DVDV; codes of channels are in {SHIPPED.channels}; the code of an area has as many digits as its list demands.",
        f"Das Verzeichnis ist DVDV; Codes von Kanälen stehen in {SHIPPED.channels}; der Code eines Gebiets hat so viele Ziffern, wie seine Liste verlangt.",
        "Einen der genannten Codes verwenden.",
    ),
    "service-offered": RuleTexts(
        "The city offers the service over the bus.",
        "Die Stadt bietet die Leistung über den Bus an.",
        "Die Einzelheit nennt, wo die Leistung angeboten wird.",
    ),
    "reader-agrees": RuleTexts(
        "leser is the authority that service and area lead to.",
        "leser ist die Behörde, zu der Leistung und Gebiet führen.",
        "leser/kennung auf die genannte Behörde setzen.",
    ),
    "form-fits": RuleTexts(
        "The form is the one that the service has in the catalogue, with its required fields, and each value is of its field's kind.",
        "Das Formular ist das, das die Leistung im Katalog hat, mit dessen Pflichtfeldern, und jeder Wert ist von der Art seines Feldes.",
        "Das genannte Feld so füllen, wie der Katalog es beschreibt.",
    ),
}
