"""The JSON form: the same application for portals that do not write XML; the gateway renders it to the message."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, Field, ValidationError

from schemas import errors, message
from schemas.catalogue import Route
from schemas.errors import Rejected
from schemas.message import Applicant, Application, Authority, Code, Form, Model

CATALOGUE_VERSION = "2026-04-30"
"""Date of the code lists (services, area keys) that the bus writes into messages."""


class SubmissionForm(Model):
    """Body of `POST /v1/submissions` with content type application/json."""

    id: UUID = Field(description="The portal's own id of this submission. Repeat it to repeat the submission.")
    created_at: AwareDatetime = Field(description="When the applicant sent the form, with time zone.")
    case_id: UUID = Field(description="The portal's id of the case; all messages of a case carry the same one.")
    service: Annotated[str, Field(pattern=r"^\d{14}$", description="LeiKa key, 14 digits.")]
    area: Annotated[str, Field(pattern=r"^(\d{12}|\d{8})$", description="ARS (12 digits) or AGS (8 digits).")]
    applicants: tuple[Applicant, ...] = Field(min_length=1, max_length=20)
    form: Form
    answers_wanted: bool = True
    test: bool = False

    def application(self, route: Route, author: Authority) -> Application:
        """The message that this form stands for; the same form gives the same message."""
        area_list = message.AREA_LIST_ARS if len(self.area) == len(route.city.ars) else message.AREA_LIST_AGS
        return Application(
            message_id=self.id,
            created_at=self.created_at,
            reader=Authority(key=route.office_entry.authority, name=route.office_entry.name),
            author=author,
            case_id=self.case_id,
            answers_wanted=self.answers_wanted,
            service=Code(code=self.service, name=route.service.name, list_uri=message.SERVICE_LIST, list_version=CATALOGUE_VERSION),
            area=Code(code=self.area, list_uri=area_list, list_version=CATALOGUE_VERSION),
            applicants=self.applicants,
            content=self.form,
            test=self.test,
        )

    @classmethod
    def of(cls, application: Application) -> SubmissionForm:
        """The form that a portal would send for this application."""
        return cls(
            id=application.message_id,
            created_at=application.created_at,
            case_id=application.case_id,
            service=application.service.code,
            area=application.area.code,
            applicants=application.applicants,
            form=application.form,
            answers_wanted=application.answers_wanted,
            test=application.test,
        )


def read(body: bytes) -> tuple[SubmissionForm, str]:
    """The form in a JSON body, and the SHA-512 of its content, which does not depend on spaces or the order of keys.

    Raises:
        Rejected: form-invalid, naming the field.
    """
    try:
        content = json.loads(
            body.decode(), object_pairs_hook=_no_repeats, parse_constant=_no_constants, parse_int=_short, parse_float=_no_floats
        )
        form = SubmissionForm.model_validate_json(body, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise Rejected(errors.FORM_INVALID, str(first["type"]), where=".".join(map(str, first["loc"]))) from None
    except (ValueError, RecursionError) as error:
        raise Rejected(errors.FORM_INVALID, _reason(error)) from None
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return form, hashlib.sha512(canonical.encode(errors="surrogatepass")).hexdigest()


def _reason(error: Exception) -> str:
    """Why the JSON cannot be read, without any of its text."""
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"the byte at position {error.start} is not UTF-8"
    return str(error) if isinstance(error, _Refused) else "nested too deep or a number too long"


class _Refused(ValueError):
    """Something that Python's JSON reader would accept and we do not."""


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise _Refused("a key occurs twice in one object")
    return names


def _no_constants(_: str) -> Any:
    raise _Refused("NaN and Infinity are not JSON")


def _no_floats(_: str) -> Any:
    raise _Refused("a number with a fraction or exponent; no field takes one")


def _short(digits: str) -> int:
    if len(digits) > 18:  # noqa: PLR2004 - what fits a 64-bit integer
        raise _Refused("a number with too many digits; ids are strings")
    return int(digits)
