"""What `stadtbus lag` asks of all submissions at once: how many are pending, and how many nobody will deliver. All of it blocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import sqlalchemy as sa

from infra.stores import Store
from producers.outbox.tables import NOT_THERE, is_of_submission, is_pending, is_unfinished, status, submission
from schemas.events import State

_NOT_SET_ASIDE: Final = frozenset(state for state in State if state.once or state is State.DEAD_LETTER)
"""Once one of these was told of a submission, it waits in no retry topic."""


@dataclass(frozen=True, slots=True)
class PendingOfOffice:
    """How many submissions of one office are pending, and since when the oldest is."""

    count: int
    oldest_accepted_at: datetime


@dataclass(frozen=True, slots=True)
class Reach:
    """How far Kafka says that an office has come in each partition of its submissions topic; empty where the topic is missing."""

    passed: Mapping[int, int]
    """What lies before is done with or gone: nobody reads it any more."""
    ends: Mapping[int, int]
    parked: int
    """Records of its retry topic that are not done with."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was unfinished at one time, before Kafka was asked how far offices have come."""

    ends: Mapping[tuple[str, int], int]
    """By office and partition, the offset behind the last of them."""
    set_aside: Mapping[str, frozenset[int]]
    """By office, the rows of those that wait in its retry topic, as far as anybody has said."""


def pending_by_office(store: Store) -> dict[str, PendingOfOffice]:
    """What is pending, by office; offices without any are left out."""
    columns = (submission.c.office, sa.func.count(), sa.func.min(submission.c.accepted_at))
    query = sa.select(*columns).where(is_pending).group_by(submission.c.office)
    rows = store.read_now(lambda connection: connection.execute(query).all())
    return {office: PendingOfOffice(count, oldest_at) for office, count, oldest_at in rows}


def snapshot(store: Store) -> Snapshot:
    """To be taken before Kafka is asked for the reaches that `unaccounted` is given: what comes meanwhile must not look lost."""
    place = (submission.c.office, submission.c.partition)
    ends = sa.select(*place, sa.func.max(submission.c.record_offset)).where(is_unfinished).group_by(*place)
    rows = store.read_now(lambda connection: connection.execute(ends).all())
    return Snapshot({(office, partition): last + 1 for office, partition, last in rows}, _set_aside(store))


def unaccounted(store: Store, before: Snapshot, reaches: Mapping[str, Reach]) -> dict[str, int]:
    """By office, how many submissions nobody will deliver any more although nothing has become of them: their records were passed over,
    or are gone from their topic. Of those that were set aside as many as the retry topic has not; offices without any are left out.

    It holds for offices of whose city the status feed has read all events that there were when Kafka had told how far they had come.
    """
    aside = _set_aside(store)
    found = {}
    for office, reach in reaches.items():
        still = before.set_aside.get(office, frozenset()) & aside.get(office, frozenset())
        found[office] = sum(_passed_over(store, before, office, reach)) + max(0, len(still) - reach.parked)
    return {office: count for office, count in found.items() if count}


def _passed_over(store: Store, before: Snapshot, office: str, reach: Reach) -> Iterator[int]:
    """By partition. Where another topic has taken the name, places say nothing; but what is unfinished is more than what is left there."""
    offset = submission.c.record_offset
    used = {partition for other, partition in before.ends if other == office}
    for partition in used | reach.passed.keys():
        passed, end = reach.passed.get(partition, 0), reach.ends.get(partition, 0)
        told = sa.exists().where(is_of_submission)
        mine = (is_unfinished, offset > NOT_THERE, submission.c.office == office, submission.c.partition == partition, ~told)
        known = (*mine, offset < before.ends.get((office, partition), 0))
        gone, all_of_them = (
            store.read_now(partial(_how_many, conditions=conditions))
            for conditions in ((*mine, sa.or_(offset < passed, sa.and_(*known, offset >= end))), known)
        )
        yield max(gone, all_of_them - max(0, end - passed))  # an offset may be set behind the end


def _how_many(connection: sa.Connection, conditions: Sequence[sa.ColumnElement[bool]]) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(submission).where(*conditions)).scalar_one()


def _set_aside(store: Store) -> dict[str, frozenset[int]]:
    """By office, the unfinished rows of which only was told that they wait in the retry topic."""
    query = sa.select(submission.c.office, submission.c.seq).where(
        is_unfinished, sa.exists().where(is_of_submission), ~sa.exists().where(is_of_submission, status.c.state.in_(_NOT_SET_ASIDE))
    )
    found: defaultdict[str, set[int]] = defaultdict(set)
    for office, seq in store.read_now(lambda connection: connection.execute(query).all()):
        found[office].add(seq)
    return {office: frozenset(rows) for office, rows in found.items()}
