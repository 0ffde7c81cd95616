"""The JSON form: the same submission for portals that do not write XML; a worker reads it and renders it to the message."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import Field, ValidationError

from producers.intake import form_faults
from schemas import ids, message, problems, xml
from schemas.catalogue import Route
from schemas.errors import Rejected
from schemas.findings import Finding
from schemas.message import (
    Amendment,
    Applicant,
    Application,
    Authority,
    Code,
    Filing,
    Form,
    Id,
    MessageReference,
    Model,
    Moment,
    Reason,
    Withdrawal,
)

CATALOGUE_VERSION = "2026-04-30"
"""Date of the code lists (services, area keys) that the bus writes into messages."""
_BOM: Final = b"\xef\xbb\xbf"
MAX_NODES: Final = 2 * xml.MAX_ELEMENTS
"""Objects, lists and values. No form has as many whose message passes: each value becomes an element."""
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_MARK: Final = re.compile(rb"[\[\]{},]")
_LONGEST_INTEGER: Final = 18
"""In digits; such a number fits 64 bits."""


Kind = Literal["application", "amendment", "withdrawal"]
_DEPENDS: Final = ("reference", "form", "reason")
_NEEDED: Final[Mapping[str, Collection[str]]] = {
    "application": ("form",),
    "amendment": ("reference", "form"),
    "withdrawal": ("reference", "reason"),
}
"""Of the members that not every kind has, those that a kind needs; it takes none of the others."""


class SubmissionForm(Model):
    """Body of `POST /v1/submissions` with content type application/json."""

    kind: Kind = Field(
        default="application",
        description="An `amendment` has `reference` and `form` (the fields that change), a `withdrawal` has `reference` and `reason`; "
        "an application, which it is where nothing is said, has `form` alone.",
    )
    id: Id = Field(description="The portal's own id of this submission. Repeat it to repeat the submission.")
    created_at: Moment = Field(description="When the applicant sent the form, with time zone.")
    case_id: Id = Field(description="The portal's id of the case; all messages of a case carry the same one.")
    reference: Id | None = Field(default=None, description="The id of the submission that is amended or withdrawn.")
    service: Annotated[str, Field(pattern=r"^[0-9]{14}$", description="LeiKa key, 14 digits.")]
    area: Annotated[str, Field(pattern=r"^([0-9]{12}|[0-9]{8})$", description="ARS (12 digits) or AGS (8 digits).")]
    applicants: tuple[Applicant, ...] = Field(min_length=1, max_length=20)
    form: Form | None = None
    reason: Reason | None = Field(default=None, description="Why it is withdrawn.")
    answers_wanted: bool = Field(default=True, description="Whether the portal can take answers of the office; true where nothing is said.")
    test: bool = Field(default=False, description="A test has no effect outside of test systems; false where nothing is said.")

    def message(self, route: Route, author: Authority) -> Filing:
        """The message that this form stands for; the same form gives the same message."""
        area_list = message.AREA_LIST_ARS if len(self.area) == len(route.city.ars) else message.AREA_LIST_AGS
        members: dict[str, Any] = {
            "message_id": self.id,
            "created_at": self.created_at,
            "reader": Authority(key=route.office_entry.authority, name=route.office_entry.name),
            "author": author,
            "case_id": self.case_id,
            "answers_wanted": self.answers_wanted,
            "service": Code(code=self.service, name=route.service.name, list_uri=message.SERVICE_LIST, list_version=CATALOGUE_VERSION),
            "area": Code(code=self.area, list_uri=area_list, list_version=CATALOGUE_VERSION),
            "applicants": self.applicants,
            "test": self.test,
        }
        if self.kind == "application":
            return Application(**members, content=self.form)
        members["reference"] = MessageReference(message_id=self.reference)
        return Amendment(**members, content=self.form) if self.kind == "amendment" else Withdrawal(**members, reason=self.reason)

    @classmethod
    def of(cls, filing: Filing) -> SubmissionForm:
        """The form that a portal would send for this message."""
        own: dict[str, Any] = {"form": getattr(filing, "content", None), "reason": getattr(filing, "reason", None)}
        if not isinstance(filing, Application):
            own |= {"kind": "amendment" if isinstance(filing, Amendment) else "withdrawal", "reference": filing.reference.message_id}
        return cls(
            id=filing.message_id,
            created_at=filing.created_at,
            case_id=filing.case_id,
            service=filing.service.code,
            area=filing.area.code,
            applicants=filing.applicants,
            answers_wanted=filing.answers_wanted,
            test=filing.test,
            **own,
        )


def content_sha512(body: bytes) -> str:
    """The SHA-512 of the content of a JSON body, which does not depend on spaces, the order of keys or a byte order mark.

    It asks nothing of the content but that it is JSON: what was accepted once is known again, whatever is asked of forms today.

    Raises:
        Rejected: form-invalid, if this is no JSON or nested too deep; message-too-complex, if it has more nodes than any form.
    """
    try:
        canonical = json.dumps(_content(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except RecursionError:
        raise _no_json(_TOO_DEEP) from None
    return hashlib.sha512(canonical.encode(errors="surrogatepass")).hexdigest()


def read(body: bytes) -> SubmissionForm:
    """The form in a JSON body.

    Raises:
        Rejected: form-invalid, with every fault as a finding; it names the message where the form has an id that can be read.
    """
    content = _content(body)
    faults = form_faults.in_texts(content)
    try:
        form = SubmissionForm.model_validate_json(json.dumps(content), strict=True)  # one reading of the body, not two
    except ValidationError as error:
        faults = form_faults.in_shape(error, SubmissionForm, faults)
    faults += _of_kind(content)
    if not faults:
        return form
    refusal = Rejected(problems.FORM_INVALID, faults[0].detail, where=faults[0].path or None)
    refusal.findings, refusal.message_id = faults, _id(content)
    raise refusal


def _of_kind(content: Any) -> list[Finding]:
    """Members that this kind of form lacks, or does not take; none where nobody can say which kind it is."""
    kind = content.get("kind", SubmissionForm.model_fields["kind"].default) if isinstance(content, dict) else None
    if not isinstance(kind, str) or kind not in _NEEDED:
        return []
    needed = _NEEDED[kind]
    return [
        form_faults.depending(kind, name, needed=name in needed) for name in _DEPENDS if (content.get(name) is not None) != (name in needed)
    ]


def _content(body: bytes) -> Any:
    """What a JSON body holds. An integer that is too long becomes infinity, which the model refuses at its place.

    Raises:
        Rejected: form-invalid, or message-too-complex; it names the message where the form has an id that can be read.
    """
    _check_complexity(body)
    try:
        text = body.removeprefix(_BOM).decode()
        return json.loads(text, object_pairs_hook=_no_repeats, parse_constant=_no_constants, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise _no_json(f"not JSON: line {error.lineno}, column {error.colno}") from None
    except UnicodeDecodeError as error:
        raise _no_json(f"the byte at position {error.start} is not UTF-8") from None
    except _Refused as error:
        message_id = None if error.name == "id" else _id(json.loads(text, parse_int=_integer))
        raise _no_json(str(error), message_id) from None
    except RecursionError:
        raise _no_json(_TOO_DEEP) from None


def _check_complexity(body: bytes) -> None:
    """Nodes and depth, counted before a reader makes objects of them. Most forms are far from both, which shows at once."""
    if sum(map(body.count, (b"[", b"{", b","))) <= xml.MAX_DEPTH:
        return
    depth, nodes = 0, 1
    for mark in _MARK.finditer(_STRING.sub(b"", body)):
        depth += (mark[0] in b"[{") - (mark[0] in b"]}")
        nodes += mark[0] not in b"]}"
        if depth > xml.MAX_DEPTH:
            raise _no_json(_TOO_DEEP)
        if nodes > MAX_NODES:
            raise Rejected(problems.TOO_COMPLEX, f"more than {MAX_NODES} values")


class _Refused(ValueError):
    """Something that Python's JSON reader would accept and we do not."""

    def __init__(self, detail: str, name: str = "") -> None:
        super().__init__(detail)
        self.name = name


def _no_json(detail: str, message_id: UUID | None = None) -> Rejected:
    refusal = Rejected(problems.FORM_INVALID, detail)
    refusal.message_id = message_id
    return refusal


_TOO_DEEP: Final = "nested too deep"


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise _Refused(f"the key {form_faults.shown(twice)} occurs twice in one object", twice)
    return names


def _no_constants(_: str) -> Any:
    raise _Refused("NaN and Infinity are not JSON")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else math.inf


def _id(content: Any) -> UUID | None:
    """The id of a form, whatever else is wrong with it."""
    return ids.usable(content.get("id")) if isinstance(content, dict) else None
