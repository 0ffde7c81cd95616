"""Bodies of calls of portals, valid ones and what is changed in them."""

from __future__ import annotations

import json
from typing import Any

from tests import builders
from tests.gateway import as_form, as_xml

VALID = as_xml(builders.application())
FORM = as_form(builders.application())
VALID_JSON = json.dumps(FORM).encode()


def changed(old: str, new: str, body: bytes = VALID) -> bytes:
    """A valid body in which something is replaced."""
    assert old.encode() in body
    return body.replace(old.encode(), new.encode())


def form(**changes: Any) -> bytes:
    """The valid form with other members."""
    return json.dumps(FORM | changes).encode()


def with_person(**changes: Any) -> bytes:
    """The valid form with another person."""
    applicant = FORM["applicants"][0]
    return form(applicants=[applicant | {"person": applicant["person"] | changes}])
