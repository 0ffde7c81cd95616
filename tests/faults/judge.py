"""What was sent against what was found. Pure, so that its tests can plant each violation.

After Jepsen: a send is ok, failed or unknown. Violations: lost (ok, and neither an effect nor a dead letter), duplicate effect,
order of a case inverted at the twin, an effect, dead letter or event at somebody else's, aborted read (failed, but an effect),
a dead letter that nobody asked for, a record left behind the commit. An unknown may or may not have its effect.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.faults.sends import SendLog, SendOutcome, Sent

Effect = tuple[str, float]
"""Submission id and Unix time."""


@dataclass(frozen=True, slots=True)
class Found:
    """What there is at the end, or so far."""

    effects: Mapping[str, Sequence[Effect]]
    """By office, in the order of their arrival."""
    dead: Sequence[tuple[str, str]]
    """Dead letters: submission id and office."""
    foreign_events: int = 0
    """Events that stand in the topic of another city."""

    def arrived(self) -> set[str]:
        """Ids with an effect or a dead letter."""
        return {submission for effects in self.effects.values() for submission, _ in effects} | {submission for submission, _ in self.dead}


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of one run. `recovery_s` is None where nothing was sent after the fault."""

    sent: int
    delivered: int
    deadlettered: int
    lost: int
    duplicated: int
    inverted: int
    foreign: int
    aborted: int
    stray: int
    """Dead letters of submissions that are in order, and effects of poison."""
    behind: int
    """Records that are not committed."""
    unknown: int
    """Sends whose first outcome was unknown; not a violation."""
    recovery_s: float | None

    @property
    def violations(self) -> dict[str, int]:
        """What must not be."""
        names = ("lost", "duplicated", "inverted", "foreign", "aborted", "stray", "behind")
        return {name: value for name in names if (value := getattr(self, name))}


def figures(log: SendLog, found: Found, behind: int, faults: Sequence[float]) -> Figures:
    """The judgement; `faults` are the times from which recovery counts."""
    effects = Counter(submission for of_office in found.effects.values() for submission, _ in of_office if submission in log.sent)
    dead = {submission for submission, _ in found.dead}
    return Figures(
        sent=len(log.sent),
        delivered=len(effects),
        deadlettered=sum(one.id in dead for one in log.sent.values()),
        lost=len(missing(log, found)),
        duplicated=sum(count - 1 for count in effects.values()),
        inverted=inversions(log.sent.values(), found.effects),
        foreign=_foreign(log, found) + found.foreign_events,
        aborted=sum(one.id in effects for one in log.having(SendOutcome.FAIL)),
        stray=sum(one.id in (effects if one.dead else dead) for one in log.sent.values()),
        behind=behind,
        unknown=sum(one.unknown_tries > 0 or one.outcome is SendOutcome.UNKNOWN for one in log.sent.values()),
        recovery_s=recovery_s(faults, log.sent.values(), found.effects),
    )


def missing(log: SendLog, found: Found) -> list[Sent]:
    """Acknowledged ones without effect or dead letter."""
    arrived = found.arrived()
    return [one for one in log.having(SendOutcome.OK) if one.id not in arrived and not one.removed]


def _foreign(log: SendLog, found: Found) -> int:
    """Effects and dead letters at an office that nobody sent them to."""
    places = [(submission, office) for office, effects in found.effects.items() for submission, _ in effects] + [*found.dead]
    return sum(1 for submission, office in places if submission not in log.sent or log.sent[submission].office != office)


def inversions(sent: Iterable[Sent], found: Mapping[str, Sequence[Effect]]) -> int:
    """How many submissions had their first effect before the one that their case has in front of them."""
    place: dict[str, int] = {}
    for effects in found.values():
        for number, (submission, _) in enumerate(effects):
            place.setdefault(submission, number)
    last: defaultdict[tuple[str, str], int] = defaultdict(lambda: -1)
    inverted = 0
    for one in sent:
        if (at := place.get(one.id)) is not None:
            inverted += at < last[one.office, one.case]
            last[one.office, one.case] = max(at, last[one.office, one.case])
    return inverted


def recovery_s(faults: Sequence[float], sent: Iterable[Sent], found: Mapping[str, Sequence[Effect]]) -> float | None:
    """The longest time from a fault until the first submission made after it has its effect, over all partitions in use."""
    at: dict[str, float] = {}
    for effects in found.values():
        for submission, moment in effects:
            at.setdefault(submission, moment)
    arrived = [one for one in sent if one.id in at]
    longest: float | None = None
    for fault in faults:
        first: dict[tuple[str, int], float] = {}
        for one in arrived:
            if one.made_at >= fault:
                first.setdefault((one.office, one.partition), at[one.id] - fault)
        longest = max([longest or 0.0, *first.values()]) if first else longest
    return longest
