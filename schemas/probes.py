"""Probes: records of ours in a submissions topic that go with the submissions to the door of the back office, and say how long that took.

A probe has no portal, no case and no content, and never reaches a clerk: the adapter asks its back office whether it is there, and that is all.
It bears the time at which it was written, the office, and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from schemas.headers import PROBE, Header, RawHeaders


def headers_of(office: str, sent_at: datetime) -> RawHeaders:
    """The headers of a probe that is written at this moment."""
    return [(PROBE, sent_at.isoformat(timespec="milliseconds").encode()), (Header.OFFICE.value, office.encode())]


def is_probe(names: Collection[str]) -> bool:
    """Whether a record with headers of these names is a probe. What bears a submission never is: that would be lost."""
    return PROBE in names and Header.SUBMISSION not in names


def sent_at(headers: RawHeaders, office: str) -> datetime | None:
    """When a probe of this office was written; None where that cannot be read, or it is another office's."""
    found = dict(headers)
    try:
        moment = datetime.fromisoformat((found[PROBE] or b"").decode())
        return moment.astimezone(UTC) if moment.tzinfo is not None and found[Header.OFFICE] == office.encode() else None
    except (KeyError, ValueError, OverflowError):
        return None
