"""Submissions and forms for tests of mappings."""

from __future__ import annotations

import json
from typing import Any

from adapters.interface import Submission
from adapters.mapping import Mapping
from tests import builders

OFFICE = "muenchen.meldewesen"


def submission(**changes: Any) -> Submission:
    """A registration of residence."""
    return builders.submission(builders.application(**changes), OFFICE)


def members(mapping: Mapping, one: Submission) -> Any:
    """What a JSON mapping makes of a submission."""
    return json.loads(mapping.document(one).content)


def form(**fields: str | tuple[str, ...]) -> Any:
    """A form with these fields."""
    return builders._form("x", {name: values if isinstance(values, tuple) else (values,) for name, values in fields.items()})
