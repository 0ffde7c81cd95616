"""What every `translate` and every reading of an answer needs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from adapters.interface import Submission
from schemas import message
from schemas.errors import Refused
from schemas.message import Application, Form, Person

_CODE = re.compile(r"[A-Z0-9_]{1,40}")
_LONGEST_STATE = 80


class UnclearAnswer(Exception):
    """The back office answered, but not whether it has the submission."""


def application(submission: Submission) -> Application:
    """The application that was submitted.

    Raises:
        Refused: another message of ours.
    """
    read = message.read(submission.root)
    if not isinstance(read, Application):
        raise Refused("not an application; this office takes no other message")
    return read


def values(form: Form, field_id: str) -> tuple[str, ...]:
    """All values of a field that are not blank; none where the form does not have the field."""
    return tuple(value for field in form.fields if field.id == field_id for value in field.values if value.strip())


def require(form: Form, field_ids: Iterable[str]) -> None:
    """The back office takes nothing without these fields.

    Raises:
        Refused: naming the ids of the missing fields.
    """
    if missing := [field_id for field_id in field_ids if not values(form, field_id)]:
        raise Refused(f"missing in the form: {', '.join(missing)}")


def persons(application: Application) -> list[Person]:
    """The applicants of a service that only natural persons can use.

    Raises:
        Refused: naming the position of the first applicant who is an organisation.
    """
    found: list[Person] = []
    for number, applicant in enumerate(application.applicants, start=1):
        if applicant.person is None:
            raise Refused(f"applicant {number} is an organisation; this service is for persons")
        found.append(applicant.person)
    return found


def reason_code(answered: object) -> str:
    """A code that a back office answered, fit for logs; free text could quote the applicant and does not get through."""
    return answered if isinstance(answered, str) and _CODE.fullmatch(answered) else "UNREADABLE_CODE"


def one_line(answered: object) -> str:
    """What a back office says about itself, fit for a line that people read."""
    return "".join(character for character in str(answered)[:_LONGEST_STATE] if character.isprintable())
