"""What a coded problem is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import core_schema

PROBLEM_TYPE_BASE: Final = "https://stadtbus.example/problems/"


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of error: a stable code, what it means and how to go on.

    `status` is the HTTP status (RFC 9110) where the gateway answers with it, `exit_code` the exit status of the command line.
    """

    code: str
    title: str
    hint: str
    status: int = 422
    exit_code: int = 2
    xoev: str | None = None

    def __post_init__(self) -> None:
        _BY_CODE.setdefault(self.code, self)

    @property
    def type_uri(self) -> str:
        """The stable `type` of RFC 9457."""
        return PROBLEM_TYPE_BASE + self.code

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> core_schema.CoreSchema:
        """In JSON it is its code: what it means is known on both sides, and nobody can send another meaning."""
        by_code = core_schema.no_info_plain_validator_function(_with_code)
        return core_schema.json_or_python_schema(
            json_schema=by_code,
            python_schema=core_schema.is_instance_schema(cls),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda problem: problem.code, when_used="json"),
        )


_BY_CODE: Final[dict[str, Problem]] = {}


def _with_code(code: object) -> Problem:
    found = _BY_CODE.get(code) if isinstance(code, str) else None
    if found is None:
        raise ValueError("no problem has this code")
    return found
