"""What became of everything: the portals' own lists held against what the twins, the audit and the statistics have.

Nothing here is taken from counters of the bus.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from adapters import registry
from consumers.audit import queries, tables
from consumers.statistics import facts
from consumers.watch import standing
from infra.kafka.admin import count_records
from infra.stores import Store
from producers.synthetic.portal import SyntheticPortal
from schemas.events import State
from stadtbus.local.system import LocalSystem


@dataclass(frozen=True, slots=True)
class OfficeProof:
    """One office: what portals sent there against what its twin holds, by id."""

    accepted: int
    delivered: int
    lost: int
    duplicated: int
    foreign: int
    """Effects that no portal asked for at this office."""
    confirmed: int | None
    """What the back office accepted after its delivery; None where it accepts by taking the delivery."""

    @property
    def complete(self) -> bool:
        """Everything accepted has its one effect, and the back office has said so where it says that later."""
        return not (self.lost or self.duplicated or self.foreign) and self.confirmed in (None, self.accepted)


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of a run."""

    offices: dict[str, OfficeProof]
    unanswered: int
    """Submissions that a portal sent and has no answer for."""
    rejected: int
    deadlettered: int
    audit_submissions: int
    audit_verified: bool
    """The audit holds exactly the portals' submissions, and of each a delivery."""
    statistics_submissions: int
    statistics_verified: bool

    @property
    def complete(self) -> bool:
        """Every office is complete, and audit and statistics agree with the portals."""
        whole = all(office.complete for office in self.offices.values())
        return whole and not self.unanswered and self.audit_verified and self.statistics_verified and not self.deadlettered

    def total(self, name: str) -> int:
        """A figure over all offices."""
        return sum(getattr(office, name) for office in self.offices.values())

    def as_dict(self, seconds: float) -> dict[str, Any]:
        """The summary for machines."""
        cities: dict[str, dict[str, Any]] = {}
        for office, proof in self.offices.items():
            city, _, name = office.partition(".")
            confirmed = {} if proof.confirmed is None else {"confirmed": proof.confirmed}
            cities.setdefault(city, {})[name] = {"accepted": proof.accepted, "delivered": proof.delivered} | confirmed
        return {
            "accepted": self.total("accepted"),
            "delivered": self.total("delivered"),
            "rejected": self.rejected,
            "deadlettered": self.deadlettered,
            "lost": self.total("lost"),
            "duplicated": self.total("duplicated"),
            "foreign": self.total("foreign"),
            "cities": cities,
            "audit": {"submissions": self.audit_submissions, "verified": self.audit_verified},
            "statistics": {"submissions": self.statistics_submissions, "verified": self.statistics_verified},
            "seconds": round(seconds, 1),
        }


class Prover:
    """Makes proofs of a run, at any time; reads audit and statistics while other processes write them. To be closed."""

    def __init__(self, system: LocalSystem, portals: Sequence[SyntheticPortal]) -> None:
        self._system = system
        self._portals = portals
        self._audit: Store = tables.open_store(system.stores)
        self._statistics: Store = facts.open_store(system.stores)

    async def proof(self) -> Proof:
        """The comparison as of now: what is still under way counts as lost.

        Raises:
            CannotTell: kafka-unreachable, kafka-failed.
            httpx.TransportError: the twins do not answer.
        """
        accepted: dict[str, set[UUID]] = {}
        for portal in self._portals:
            accepted.setdefault(portal.office, set()).update(portal.book.accepted)
        everything = set().union(*accepted.values())
        recorded = await asyncio.to_thread(queries.recorded_submissions, self._audit)
        delivered, confirmed = await self.told(State.DELIVERED), await self.told(State.ACCEPTED)
        counted = await asyncio.to_thread(facts.recorded_submissions, self._statistics)
        return Proof(
            offices={office: _compare(office, ids, await self._system.held(office), confirmed) for office, ids in sorted(accepted.items())},
            unanswered=sum(len(portal.book.sent - portal.book.accepted - portal.book.rejected.keys()) for portal in self._portals),
            rejected=sum(len(portal.book.rejected) for portal in self._portals),
            deadlettered=await count_records(self._system.kafka, [f"{office}.deadletters" for office in self._system.catalogue.offices]),
            audit_submissions=len(recorded),
            audit_verified=recorded == delivered == everything,
            statistics_submissions=len(counted),
            statistics_verified=counted == everything,
        )

    async def told(self, state: State) -> set[UUID]:
        """Submissions of which the audit has this state on record."""
        return await asyncio.to_thread(queries.submissions_in, self._audit, state)

    async def wait(self, limit_s: float) -> Proof:
        """The proof once everything is complete and nothing waits, so that no second effect can follow; at the latest after the limit."""
        end = asyncio.get_running_loop().time() + limit_s
        while asyncio.get_running_loop().time() < end:
            if (await self.proof()).complete and not await self._waiting():
                break
            await asyncio.sleep(0.5)
        return await self.proof()

    async def _waiting(self) -> int:
        """Submissions that an adapter may still hand over."""
        standings = await standing.of_offices(self._system.kafka, self._system.catalogue.offices)
        return sum(one.behind for one in standings.values())

    def close(self) -> None:
        """Close the stores of the audit and the statistics."""
        self._audit.close()
        self._statistics.close()


def _compare(office: str, accepted: set[UUID], held: Sequence[str], confirmed: set[UUID]) -> OfficeProof:
    effects = Counter(UUID(one) for one in held)
    return OfficeProof(
        accepted=len(accepted),
        delivered=len(accepted & effects.keys()),
        lost=len(accepted - effects.keys()),
        duplicated=sum(count - 1 for count in effects.values()),
        foreign=len(effects.keys() - accepted),
        confirmed=len(accepted & confirmed) if registry.answers_later(office) else None,
    )
