"""Adapter to the registration office of Nürnberg: REST and JSON, OAuth 2. Paths and JSON are plausible inventions."""

from __future__ import annotations

import json
from datetime import UTC
from typing import ClassVar, Final

from adapters import kit
from adapters.interface import Document, Submission
from adapters.logins import ClientSettings
from adapters.protocols.rest import Rest, RestAdapter
from schemas.message import Address, Form, Person

FIELDS: Final = {
    "F99000101": "einzugsdatum",
    "F99000102": "strasse",
    "F99000103": "hausnummer",
    "F99000104": "postleitzahl",
    "F99000105": "ort",
    "F99000106": "wohnungsgeber",
    "F99000107": "staatsangehoerigkeiten",
    "F99000108": "wohnungsart",
}
"""Field of the form -> member of `wohnung`, each a list of values."""
REQUIRED: Final = ("F99000101", "F99000102", "F99000103", "F99000104", "F99000105")


class NuernbergMeldewesen(RestAdapter):
    """Hands registrations of residence (Wohnsitz anmelden) to Nürnberg."""

    Settings = ClientSettings
    rest: ClassVar = Rest(collection="v1/anmeldungen", state="v1/system")

    def translate(self, submission: Submission) -> Document:
        """JSON with sorted members, one entry of `personen` per applicant in the order of the application.

        Raises:
            Refused: a required field is missing, or an applicant is not a person.
        """
        application = kit.application(submission)
        kit.require(application.form, REQUIRED)
        registration = {
            "antragsnummer": str(submission.id),
            "vorgang": str(submission.case_id),
            "eingang": submission.accepted_at.astimezone(UTC).isoformat(timespec="seconds"),
            "test": application.test,
            "wohnung": _dwelling(application.form),
            "personen": [_person(person) for person in kit.persons(application)],
        }
        content = json.dumps(registration, ensure_ascii=False, sort_keys=True).encode()
        return Document(submission.id, f"{submission.id}.json", "application/json", content)


def _dwelling(form: Form) -> dict[str, tuple[str, ...]]:
    return {name: kit.values(form, field_id) for field_id, name in FIELDS.items()}


def _person(person: Person) -> dict[str, object]:
    """A name of null means that the person has no such name."""
    return {
        "familienname": person.family_name,
        "vornamen": person.given_names,
        "geburtsname": person.birth_name,
        "geburtsdatum": person.birth_date,
        "bisherige_anschrift": None if person.address is None else _address(person.address),
    }


def _address(address: Address) -> dict[str, str | None]:
    return {
        "strasse": address.street,
        "hausnummer": address.house_number,
        "zusatz": address.addition,
        "postleitzahl": address.postal_code,
        "ort": address.city,
        "staat": address.country,
    }
