"""When something is told: a pure function of what was told before, what is so now, and the time.

A cause is told when it has lasted for a minute, told again when what it is has changed or as a reminder, and its end is told when it has been over
for five minutes. So a restart tells nothing, and what comes and goes is told once. A cause whose consumers nobody can judge now is left as it is:
not to know is no all-clear.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from consumers.notice_settings import QuietHours
from consumers.watch.model import Attention, Verdict
from consumers.watch.notices.causes import Cause
from schemas.catalogue.expected import ZONE

_SETTLES: Final = timedelta(minutes=1)
_CLEARS: Final = timedelta(minutes=5)
"""So long it has to be over; and between two notices of one cause, unless it gets graver."""
_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5


class Occasion(StrEnum):
    """Why a notice is sent."""

    BEGUN = "begun"
    CHANGED = "changed"
    REMINDER = "reminder"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Known:
    """What the watch remembers of a cause."""

    incident: str
    """The same from the first notice to the all-clear."""
    cause: Cause
    so_since: datetime
    """Since when it is as it is now, as the watch has seen it."""
    told: str = ""
    """What was told last, of `Cause.what`; empty where nothing was."""
    told_said: str = ""
    """The same in words."""
    told_now: bool = False
    """Whether it was told as something that cannot wait."""
    told_at: datetime | None = None
    over_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell."""

    incident: str
    occasion: Occasion
    cause: Cause
    at: datetime
    before: str = ""
    """What was told before, where it has changed."""
    over_since: datetime | None = None
    """Since when it is over, where it is."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When what may be told."""

    reminder: timedelta
    quiet_hours: QuietHours | None = None

    def may_tell(self, cause: Cause, now: datetime) -> bool:
        """Whether this may be told now: what cannot wait always, the rest outside the quiet hours."""
        return cause.attention is Attention.NOW or not is_quiet(self.quiet_hours, now)

    def reminds_after(self, cause: Cause) -> timedelta:
        """How long after a notice the next one is due."""
        return self.reminder if cause.attention is Attention.NOW else max(self.reminder, _DAY)


def is_quiet(hours: QuietHours | None, now: datetime) -> bool:
    """Whether a moment is within the quiet hours, by the clocks of Germany."""
    if hours is None:
        return False
    here = now.astimezone(ZONE)
    if hours.weekends and here.weekday() >= _SATURDAY:
        return True
    begin, end = hours.hours()
    clock = here.time()
    return begin <= clock < end if begin < end else clock >= begin or clock < end


def advance(
    known: Iterable[Known], causes: Sequence[Cause], unknown: Collection[str], rules: Rules, now: datetime
) -> tuple[list[Known], list[Notice]]:
    """What the watch remembers after it has seen these causes, and what it tells."""
    seen, told = [], []
    for one in _seen(known, causes, unknown, now):
        occasion = _occasion(one, unknown, rules, now)
        if occasion is not None:
            before = one.told_said if occasion is Occasion.CHANGED else ""
            told.append(Notice(one.incident, occasion, one.cause, now, before, one.over_since))
            one = _told(one, now)  # noqa: PLW2901 - it goes on as what was told
        ended = one.over_since is not None and (occasion is Occasion.OVER or not one.told)
        seen += [] if ended else [one]
    return seen, told


def _told(one: Known, now: datetime) -> Known:
    cause = one.cause
    return replace(one, told=cause.what, told_said=f"{cause.leading}: {cause.said}", told_now=cause.attention is Attention.NOW, told_at=now)


def _seen(known: Iterable[Known], causes: Sequence[Cause], unknown: Collection[str], now: datetime) -> list[Known]:
    """Each cause that there is or was. One that is gone goes on as another one that stops one of the same consumers."""
    before = {one.cause.key: one for one in known}
    present = {cause.key: cause for cause in causes}
    gone = {key: one for key, one in before.items() if key not in present}
    seen = []
    for key, cause in present.items():
        earlier = before.get(key) or _predecessor(gone, cause, unknown)
        seen.append(_going_on(earlier, cause, now) if earlier else Known(_incident(cause, now), cause, now))
    return seen + [_gone(one, unknown, now) for one in gone.values()]


def _predecessor(gone: dict[str, Known], cause: Cause, unknown: Collection[str]) -> Known | None:
    """What was known of these consumers and is gone, which is taken out; nothing of those of which nobody can tell."""
    of_these = (key for key, one in gone.items() if not _is_frozen(one, unknown) and {*one.cause.consumers} <= {*cause.consumers})
    key = next(of_these, None)
    return None if key is None else gone.pop(key)


def _going_on(earlier: Known, cause: Cause, now: datetime) -> Known:
    same = earlier.over_since is None and (not earlier.told or earlier.cause.what == cause.what)
    return replace(earlier, cause=cause, so_since=earlier.so_since if same else now, over_since=None)


def _gone(one: Known, unknown: Collection[str], now: datetime) -> Known:
    return one if _is_frozen(one, unknown) else replace(one, over_since=one.over_since or now)


def _is_frozen(one: Known, unknown: Collection[str]) -> bool:
    return any(name in unknown for name in one.cause.consumers)


def _occasion(one: Known, unknown: Collection[str], rules: Rules, now: datetime) -> Occasion | None:
    """What is due of a cause now."""
    if not rules.may_tell(one.cause, now) or (not one.told and one.over_since is not None):
        return None
    if one.told_at is None:
        return Occasion.BEGUN if now - one.so_since >= _SETTLES else None
    if one.over_since is not None:
        return Occasion.OVER if now - one.over_since >= _CLEARS else None
    if _is_frozen(one, unknown) and one.cause.verdict is not Verdict.UNKNOWN:
        return None
    told_for = now - one.told_at
    if one.told != one.cause.what:
        graver = one.cause.attention is Attention.NOW and not one.told_now
        return Occasion.CHANGED if now - one.so_since >= _SETTLES and (graver or told_for >= _CLEARS) else None
    return Occasion.REMINDER if told_for >= rules.reminds_after(one.cause) else None


def _incident(cause: Cause, now: datetime) -> str:
    return hashlib.sha256(f"{cause.key} {now.isoformat()}".encode()).hexdigest()[:16]
