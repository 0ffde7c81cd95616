"""What a coded problem is."""

from dataclasses import dataclass
from typing import Final

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

    @property
    def type_uri(self) -> str:
        """The stable `type` of RFC 9457."""
        return PROBLEM_TYPE_BASE + self.code
