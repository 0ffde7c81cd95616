"""Adapter to the trade office of Augsburg: CSV files over SFTP. Folders and columns are plausible inventions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC
from typing import ClassVar, Final

from adapters import kit
from adapters.augsburg.gewerbe import latin9
from adapters.interface import Document, Submission
from adapters.protocols.drop import Drop
from adapters.protocols.sftp import SftpAdapter
from schemas.errors import Refused
from schemas.message import Address, Applicant, Application, Organisation, Person

FIELDS: Final = {
    "F99000201": "Taetigkeit",
    "F99000202": "Beginn",
    "F99000203": "Betrieb_Strasse",
    "F99000204": "Betrieb_Hausnummer",
    "F99000205": "Betrieb_PLZ",
    "F99000206": "Betrieb_Ort",
    "F99000207": "Beschaeftigte",
    "F99000208": "Betriebsart",
}
"""Field of the form -> column."""
REQUIRED: Final = ("F99000201", "F99000202", "F99000203", "F99000204", "F99000205", "F99000206")
COLUMNS: Final = (
    *("Antragsnummer", "Vorgang", "Eingang", "Test", "Umschrift", "Nummer", "Art", "Name", "Vornamen", "Geburtsname", "Geburtsdatum"),
    *("Rechtsform", "Registernummer", "Strasse", "Hausnummer", "Zusatz", "PLZ", "Ort", "Staat"),
    *FIELDS.values(),
)
"""One row per applicant. `Umschrift` says `ja` where a value of the row had to be transliterated (see `latin9`)."""
VALUE_SEPARATOR: Final = " / "
"""Between several values of one field, which share a cell."""


class AugsburgGewerbe(SftpAdapter):
    """Hands trade registrations (Gewerbe anmelden) to Augsburg."""

    drop: ClassVar = Drop(suffix=".csv")

    def translate(self, submission: Submission) -> Document:
        """CSV with `;` and a header line, in ISO-8859-15. An empty name means that the person has no such name.

        Raises:
            Refused: a required field is missing, or a column holds a character that ISO-8859-15 cannot represent.
        """
        application = kit.application(submission)
        kit.require(application.form, REQUIRED)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, delimiter=";")
        writer.writeheader()
        writer.writerows(_fit_row(row) for row in _rows(submission, application))
        content = text.getvalue().encode(latin9.CHARSET)
        return Document(submission.id, f"{submission.id}.csv", f"text/csv; charset={latin9.CHARSET}", content)


def _rows(submission: Submission, application: Application) -> Iterator[dict[str, str]]:
    common = {
        "Antragsnummer": str(submission.id),
        "Vorgang": str(submission.case_id),
        "Eingang": submission.accepted_at.astimezone(UTC).isoformat(timespec="seconds"),
        "Test": "ja" if application.test else "nein",
    } | {column: VALUE_SEPARATOR.join(kit.values(application.form, field_id)) for field_id, column in FIELDS.items()}
    for number, applicant in enumerate(application.applicants, start=1):
        yield common | {"Nummer": str(number)} | {column: value or "" for column, value in _applicant(applicant).items()}


def _applicant(applicant: Applicant) -> dict[str, str | None]:
    person, organisation = applicant.person, applicant.organisation
    return (_person(person) if person else {}) | (_organisation(organisation) if organisation else {})


def _person(person: Person) -> dict[str, str | None]:
    return {
        "Art": "Person",
        "Name": person.family_name,
        "Vornamen": person.given_names,
        "Geburtsname": person.birth_name,
        "Geburtsdatum": person.birth_date,
    } | (_address(person.address) if person.address else {})


def _organisation(organisation: Organisation) -> dict[str, str | None]:
    return {
        "Art": "Organisation",
        "Name": organisation.name,
        "Rechtsform": organisation.legal_form,
        "Registernummer": organisation.register_number,
    } | _address(organisation.address)


def _address(address: Address) -> dict[str, str | None]:
    return {
        "Strasse": address.street,
        "Hausnummer": address.house_number,
        "Zusatz": address.addition,
        "PLZ": address.postal_code,
        "Ort": address.city,
        "Staat": address.country,
    }


def _fit_row(row: dict[str, str]) -> dict[str, str]:
    fitted: dict[str, str] = {}
    for column, value in row.items():
        cell = latin9.fit(value)
        if cell is None:
            raise Refused(f"column {column} of applicant {row['Nummer']} has a character that {latin9.CHARSET} cannot represent")
        fitted[column] = cell
    return fitted | {"Umschrift": "nein" if fitted == row else "ja"}
