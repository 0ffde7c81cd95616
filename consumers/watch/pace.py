"""Whether a backlog grows or is worked off, and when it will be gone or too old. Pure; out of a few minutes of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from consumers.watch.memory import Point

_LONGEST_S: Final = 600.0
_SHARE: Final = 3
"""A third of the target is looked at, ten minutes at most: what grows for so long will miss it, and a burst is over before."""
_LEAST_POINTS: Final = 7
_MOST_POINTS: Final = 30
HORIZON_S: Final = 3600.0
"""A breach that is farther away is no news yet."""
WORTH_S: Final = 30.0
"""A backlog is what takes longer than this to work off."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a backlog moves."""

    growing_per_s: float | None = None
    """How fast it has grown over the whole window, without a break; None where it has not."""
    done_per_s: float = 0.0
    """How many are finished each second, over the window."""
    draining_per_s: float | None = None
    """How fast it has become less since its peak; None where it has not."""


def window_s(target: timedelta, cycle_s: float) -> float:
    """How much of the past is looked at."""
    return max(_LEAST_POINTS * cycle_s, min(_LONGEST_S, target.total_seconds() / _SHARE))


def remember(points: Sequence[Point], now: Point, span_s: float) -> tuple[Point, ...]:
    """The points of the window with the newest; so many that the pace can be seen, and no more. A sum that shrinks begins anew: a partition is
    not known, or a topic was made anew.
    """
    if points and (now.came < points[-1].came or now.done < points[-1].done):
        return (now,)
    if not now.backlog and not any(point.backlog for point in points):
        return (now,)
    kept = [point for point in points if (now.at - point.at).total_seconds() <= span_s]
    if len(kept) > 1 and (kept[-1].at - kept[-2].at).total_seconds() < span_s / _MOST_POINTS:
        kept.pop()
    return (*kept, now)


def pace(points: Sequence[Point], span_s: float) -> Pace:
    """How the backlog moves, by the points of a window of `span_s`."""
    if len(points) < 2 or not points[-1].backlog:  # noqa: PLR2004 - a pace needs two
        return Pace()
    first, last = points[0], points[-1]
    took_s = (last.at - first.at).total_seconds()
    done_per_s = (last.done - first.done) / took_s
    whole = took_s >= span_s * 0.8 and len(points) >= _LEAST_POINTS
    growing = (last.backlog - first.backlog) / took_s if whole and _grows(points) else None
    return Pace(growing, done_per_s, _draining(points))


def _grows(points: Sequence[Point]) -> bool:
    """Whether something has waited all the time, and each third ended with more than the one before."""
    at = [points[(len(points) - 1) * third // 3].backlog for third in range(4)]
    return all(point.backlog for point in points) and all(earlier < later for earlier, later in pairwise(at))


def _draining(points: Sequence[Point]) -> float | None:
    last = points[-1]
    peak = max(reversed(points), key=lambda point: point.backlog)
    took_s = (last.at - peak.at).total_seconds()
    # Two points behind the peak: one alone may be the moment at which a batch is finished.
    if peak.backlog <= last.backlog or sum(point.at > peak.at for point in points) < 2:  # noqa: PLR2004
        return None
    return (peak.backlog - last.backlog) / took_s


def done_by(last: Point, pace: Pace) -> datetime | None:
    """When the backlog will be gone; None where it does not become less."""
    return None if not pace.draining_per_s else last.at + timedelta(seconds=last.backlog / pace.draining_per_s)


def breach_at(last: Point, pace: Pace, target_s: float) -> datetime | None:
    """When what comes in will have to wait for longer than the target, if it goes on so; None where not within the horizon."""
    if not pace.growing_per_s or not pace.done_per_s:
        return None
    left_s = (target_s * pace.done_per_s - last.backlog) / pace.growing_per_s
    return last.at + timedelta(seconds=max(0.0, left_s)) if left_s <= HORIZON_S else None
