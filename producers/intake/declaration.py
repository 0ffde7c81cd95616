"""What a portal declares beside a genuine XÖV message, in headers of the call: the bus does not look for it inside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from schemas import ids, problems
from schemas.errors import Rejected
from schemas.examination.rules.subject import Claim
from schemas.message import Trust

SERVICE: Final = "Stadtbus-Service"
AREA: Final = "Stadtbus-Area"
CASE: Final = "Stadtbus-Case"
TRUST: Final = "Stadtbus-Trust"

_TRUST: Final = re.compile(r"\s*([1-4])\s*;\s*([a-z][a-z0-9-]{1,39})\s*")


@dataclass(frozen=True, slots=True)
class Declaration:
    """The values of the four headers, word for word; None where the call has no such header."""

    service: str | None = None
    area: str | None = None
    case: str | None = None
    trust: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Declaration:
        """Those of a call; names are found in upper and lower case.

        Raises:
            Rejected: call-incomplete, where one stands there twice: which of them is meant nobody knows.
        """
        names = [name.lower() for name in headers]
        for name in (SERVICE, AREA, CASE, TRUST):
            if names.count(name.lower()) > 1:
                raise Rejected(problems.CALL_INCOMPLETE, "the header stands there more than once", where=name)
        return cls(*(headers.get(name) for name in (SERVICE, AREA, CASE, TRUST)))

    @property
    def claim(self) -> Claim | None:
        """Service and area, for the examination; None where it lacks one of them."""
        return None if self.service is None or self.area is None else Claim(self.service.strip(), self.area.strip())

    def require_claim(self) -> Claim:
        """Service and area.

        Raises:
            Rejected: call-incomplete, naming the first header that is missing.
        """
        if self.claim is None:
            missing = SERVICE if self.service is None else AREA
            raise Rejected(problems.CALL_INCOMPLETE, f"missing: {missing}", where=missing)
        return self.claim

    def case_id(self) -> UUID | None:
        """The id of the case; None where the header is missing.

        Raises:
            Rejected: call-incomplete, or id-identifies-nothing.
        """
        if self.case is None:
            return None
        try:
            case_id = ids.parse(self.case.strip())
        except ValueError as error:
            raise Rejected(problems.CALL_INCOMPLETE, f"the case is not a UUID: {error}", where=CASE) from None
        if not ids.identifies(case_id):
            raise Rejected(problems.ID_EMPTY, ids.EMPTY, where=CASE)
        return case_id

    def login(self) -> Trust:
        """Level and account of the applicant's login.

        Raises:
            Rejected: call-incomplete, also where the header is missing.
        """
        said = _TRUST.fullmatch(self.trust or "")
        if said is None:
            raise Rejected(problems.CALL_INCOMPLETE, "expected level (1 to 4) and account, for example '3; bayernid'", where=TRUST)
        return Trust(level=int(said[1]), account=said[2])
