"""Adapter to the trade office of München: REST and XML, HTTP Basic, asynchronous.

The back office answers a hand-over with 202 and a number, and decides afterwards; under its number it says how far it is. Paths and
XML are plausible inventions, not those of a real product.
"""

from __future__ import annotations

from typing import ClassVar, Final
from urllib.parse import quote

from adapters import kit
from adapters.http import check_answered, members
from adapters.interface import Accepted, Refusal
from adapters.logins import BasicSettings
from adapters.protocols.mapped import Mapped
from adapters.protocols.rest import Rest, RestAdapter

REST: Final = Rest(collection="v1/vorgaenge", state="v1/stand", id_header="Antragsnummer", reference="nummer")
DECISIONS: Final = "v1/entscheidungen"
"""`GET` of `v1/entscheidungen/<nummer>`."""
IN_PROGRESS: Final = "in Arbeit"
ACCEPTED: Final = "angenommen"
REFUSED: Final = "abgewiesen"
"""What the back office says under `zustand`; beside the last one stands a code."""


class MuenchenGewerbe(Mapped, RestAdapter):
    """Hands registrations of trades, amendments and withdrawals to München."""

    rest = REST
    Settings: ClassVar = BasicSettings

    async def outcome(self, reference: str) -> Accepted | Refusal | None:
        """What the back office has decided; None while it is at work.

        Raises:
            DestinationDown: no answer.
            UnclearAnswer: an answer that does not say it.
        """
        response = await self.office.ask("GET", f"{DECISIONS}/{quote(reference, safe='')}")
        check_answered(response)
        answer = await members(response)
        state = kit.text(answer.get("zustand"))
        if state not in (IN_PROGRESS, ACCEPTED, REFUSED):
            raise kit.UnclearAnswer("the answer has no known zustand")
        if state == REFUSED:
            return Refusal(kit.reason_code(answer.get("code")))
        return Accepted() if state == ACCEPTED else None
