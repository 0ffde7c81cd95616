"""Whether an answer of the gateway is one that its OpenAPI document promises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from producers.gateway import openapi


@cache
def document() -> dict[str, Any]:
    """The document of the gateway."""
    return openapi.document("1")


def require_promised(response: httpx.Response) -> None:
    """Pass if status, headers, content type and content of an answer are promised; addresses that the document does not have are passed over."""
    operation = _operation(response.request)
    if operation is None:
        return
    promised = operation["responses"].get(str(response.status_code))
    assert promised is not None, f"{response.status_code} is not promised"
    assert set(promised.get("headers", {})) <= {name for name in promised.get("headers", {}) if name in response.headers}
    media_type = response.headers["content-type"].partition(";")[0]
    assert media_type in promised["content"], f"{media_type} is not promised with {response.status_code}"
    if media_type.endswith("json"):
        assert faults(promised["content"][media_type]["schema"], response.json()) == []


def faults(schema: Mapping[str, Any], content: Any) -> list[str]:
    """What in a JSON value is not as a schema of the document has it."""
    whole = dict(schema) | {"components": document()["components"]}
    validator = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.validator}" for error in validator.iter_errors(content)]


def _operation(request: httpx.Request) -> dict[str, Any] | None:
    for path, operations in document()["paths"].items():
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]*", re.escape(path)), request.url.path, re.DOTALL):
            found: dict[str, Any] | None = operations.get(request.method.lower())
            return found
    return None
