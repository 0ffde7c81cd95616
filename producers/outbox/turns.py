"""Which submissions of an office go to Kafka next: portals in turn, so that nobody's flood is in front of another's, and each case in its order.

Two portals may write into one case, where that was granted. A submission then waits for the earlier ones of its case, whoever sent them;
the oldest of a case waits for none, so something can always go. It also waits for one of its case that became a dead letter before it stood in the
office's topic: the adapter does not know of that one, and would let the later ones overtake it.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from infra.stores import Store
from producers.outbox.pending import Pending, read_at
from producers.outbox.tables import earlier, is_behind_refused, is_pending, submission

_BATCH_BYTES: Final = 8 * 1024 * 1024
_waits_for_another: Final = (
    sa.exists()
    .where(earlier.c.published_at.is_(None), earlier.c.office == submission.c.office, earlier.c.case_key == submission.c.case_key)
    .where(earlier.c.seq < submission.c.seq, earlier.c.portal != submission.c.portal)
)
# Put together once: SQLAlchemy takes longer for that than the database for its answer.
_of_office: Final = (is_pending, submission.c.office == sa.bindparam("office"))
_NEXT_PORTAL: Final = (
    sa.select(submission.c.portal).where(*_of_office, submission.c.portal > sa.bindparam("last")).order_by(submission.c.portal).limit(1)
)
_OLDEST: Final = (
    sa.select(submission.c.seq, sa.func.length(submission.c.content), submission.c.case_key, _waits_for_another | is_behind_refused)
    .where(*_of_office, submission.c.portal == sa.bindparam("portal"), submission.c.seq > sa.bindparam("last"))
    .order_by(submission.c.seq)
    .limit(sa.bindparam("limit"))
)


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes next, in the order of acceptance; empty only where nothing can go."""

    rows: Sequence[Pending]
    reached: Mapping[str, int]
    """By portal: up to this row all are in here, published or held."""
    last: str
    """The portal that had the last turn."""
    complete: bool
    """Whether nothing of the office is pending beside it."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """What of one portal goes next."""

    rows: Sequence[int]
    size_bytes: int
    reached: int
    complete: bool


class Turns:
    """Asked by the lane of one office, which tells what it has sent."""

    def __init__(self, store: Store, office: str) -> None:
        self._store = store
        self._office = office
        self._after: dict[str, int] = {}
        """By portal, the row up to which everything has been sent or is held."""
        self._last = ""

    async def next(self, limit: int, held: Container[UUID] = ()) -> Batch:
        """The oldest of each portal, less those of the cases `held`: of all about `limit` and some megabytes, of each the same share, and at
        least one.
        """
        return await self._store.read(lambda connection: self.read(connection, limit, held))

    def sent(self, batch: Batch) -> None:
        """All of it was sent, or is held; what comes next is behind it."""
        self._last = batch.last
        self._after.update(batch.reached)

    def begin_again(self) -> None:
        """What comes next begins with the oldest: nothing is held any more, or something was put back."""
        self._after.clear()

    def read(self, connection: sa.Connection, limit: int, held: Container[UUID]) -> Batch:
        """The same, within a transaction."""
        portals = list(self._portals(connection))
        chosen: list[int] = []
        reached: dict[str, int] = {}
        size_bytes, last, complete = 0, self._last, True
        for portal in sorted(portals, key=lambda portal: (portal <= self._last, portal)):
            if size_bytes >= _BATCH_BYTES:
                complete = False
                break  # it begins next time
            turn = self._turn(connection, portal, max(1, limit // len(portals)), _BATCH_BYTES // len(portals), held)
            chosen += turn.rows
            reached[portal] = turn.reached
            size_bytes, last, complete = size_bytes + turn.size_bytes, portal, complete and turn.complete
        return Batch(read_at(connection, chosen) if chosen else [], reached, last, complete)

    def _portals(self, connection: sa.Connection) -> Iterator[str]:
        """Whose submissions are pending; each is one step in the index, however many there are."""
        last = ""
        while True:
            found = connection.execute(_NEXT_PORTAL, {"office": self._office, "last": last}).scalar()
            if found is None:
                return
            yield (last := found)

    def _turn(self, connection: sa.Connection, portal: str, limit: int, limit_bytes: int, held: Container[UUID]) -> _Turn:
        """Its oldest that can go. What waits for another one of its case is looked at again next time, so nothing behind it counts as reached."""
        mine = {"office": self._office, "portal": portal, "limit": limit}
        first, waits = self._after.get(portal, 0), None
        last, complete = first, not first
        while page := connection.execute(_OLDEST, mine | {"last": last}).all():
            waits = waits or next((seq for seq, _, case, is_waiting in page if is_waiting and case not in held), None)
            chosen = _first_bytes([(seq, size) for seq, size, case, is_waiting in page if not is_waiting and case not in held], limit_bytes)
            last = chosen[-1][0] if chosen else page[-1].seq
            complete = complete and len(chosen) == len(page) < limit
            if chosen:
                break
        else:
            chosen = []
        reached = last if waits is None else min(last, waits - 1)
        return _Turn([seq for seq, _ in chosen], sum(size for _, size in chosen), reached, complete)


def _first_bytes(sizes: Sequence[tuple[int, int]], limit_bytes: int) -> list[tuple[int, int]]:
    """The first rows (seq, bytes) that fit the limit together; at least one, where there is one."""
    totals = itertools.accumulate(size_bytes for _, size_bytes in sizes)
    return [one for number, (one, total) in enumerate(zip(sizes, totals, strict=True)) if number == 0 or total <= limit_bytes]
