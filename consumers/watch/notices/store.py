"""What the watch has told, and what it has yet to send: both in its store, so that a restart tells nothing twice and forgets nothing.

Of each cause at most one message waits for each way out. A newer one takes its place, since it says all that the older one did; so a mail server that
is away for a week costs a row for each cause, and is followed by one mail for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from consumers.watch.notices.channels import Message
from consumers.watch.notices.plan import Known
from consumers.watch.store import metadata
from infra.rows import UtcDateTime

_known = sa.Table(
    "watch_cause",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),  # JSON
)
_waiting = sa.Table(
    "watch_notice",
    metadata,
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("incident", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("value", sa.Text, nullable=False),  # JSON
)

_KNOWN: Final = TypeAdapter(Known)
_MESSAGE: Final = TypeAdapter(Message)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that is to be sent."""

    message: Message
    attempts: int
    due_at: datetime


def known(connection: sa.Connection) -> list[Known]:
    """What is remembered; what another version has written and this one cannot read is left out, and told again if it is still so."""
    found = []
    for value in connection.execute(sa.select(_known.c.value).order_by(_known.c.key)).scalars():
        try:
            found.append(_KNOWN.validate_json(value))
        except ValidationError:
            continue
    return found


def put(connection: sa.Connection, now_known: Iterable[Known], messages: Sequence[Message], channels: Sequence[str]) -> None:
    """Remember this and nothing else, and keep the messages for each way out; both or nothing, within one transaction."""
    connection.execute(_known.delete())
    rows = [{"key": one.cause.key, "value": _KNOWN.dump_json(one).decode()} for one in now_known]
    if rows:
        connection.execute(_known.insert(), rows)
    for message in messages:
        connection.execute(_waiting.delete().where(_waiting.c.incident == message.incident))
        row = {"incident": message.incident, "id": message.id, "made_at": message.at, "attempts": 0, "due_at": message.at}
        value = _MESSAGE.dump_json(message).decode()
        connection.execute(_waiting.insert(), [row | {"channel": channel, "value": value} for channel in channels])


def forget_others(connection: sa.Connection, channels: Sequence[str]) -> None:
    """Drop what waits for a way out that is no longer set."""
    connection.execute(_waiting.delete().where(_waiting.c.channel.not_in(channels)))


def next_of(connection: sa.Connection, channel: str) -> tuple[Waiting | None, int]:
    """The message that is due first, and how many there are."""
    here = _waiting.c.channel == channel
    count = connection.execute(sa.select(sa.func.count()).select_from(_waiting).where(here)).scalar_one()
    row = connection.execute(sa.select(_waiting).where(here).order_by(_waiting.c.due_at, _waiting.c.id).limit(1)).one_or_none()
    return None if row is None else Waiting(_MESSAGE.validate_json(row.value), row.attempts, row.due_at), count


def done(connection: sa.Connection, channel: str, message_id: str) -> None:
    """This message is sent, or given up; a newer one about the same cause stays."""
    connection.execute(_waiting.delete().where(_waiting.c.channel == channel, _waiting.c.id == message_id))


def later(connection: sa.Connection, channel: str, message_id: str, due_at: datetime) -> None:
    """This message was not taken, and is due again at that time."""
    here = sa.and_(_waiting.c.channel == channel, _waiting.c.id == message_id)
    connection.execute(_waiting.update().where(here).values(attempts=_waiting.c.attempts + 1, due_at=due_at))
