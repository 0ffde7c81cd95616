"""The kill schedule of a soak: drawn from its seed before anything starts, so the same seed gives the same schedule."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.faults.poison import FLAWS
from tests.faults.world import ANSWER_LIMIT_S, BROKERS, HTTP_OFFICES, OFFICES

_QUIET_S: Final = 10.0
"""At the end nothing new breaks."""


@dataclass(frozen=True, slots=True)
class Blow:
    """Something that is done to a part, `at_s` after the start; what lasts is over after `lasts_s`."""

    at_s: float
    part: str
    how: str
    lasts_s: float = 0

    def __str__(self) -> str:
        lasts = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"{self.at_s:8.1f} s  {self.part:<21} {self.how}{lasts}"


def draw(seed: int, minutes: float) -> list[Blow]:
    """All blows in order: adapters every few seconds, brokers about once a minute, twins' moods and poison in between."""
    chance, end_s = random.Random(f"soak {seed}"), minutes * 60 - _QUIET_S
    kinds = ((_adapter, 4.0, 8.0), (_broker, 45.0, 70.0), (_mood, 12.0, 24.0), (_poison, 6.0, 14.0))
    return sorted((blow for kind in kinds for blow in _some(chance, end_s, *kind)), key=lambda blow: blow.at_s)


def counts(blows: list[Blow]) -> str:
    """How many of each kind, in words."""
    kinds = Counter("broker " + blow.how if blow.part.startswith("broker") else blow.how.partition(":")[0] for blow in blows)
    return ", ".join(f"{count} × {kind}" for kind, count in sorted(kinds.items()))


def _some(
    chance: random.Random, end_s: float, one: Callable[[random.Random, float], Blow], least_s: float, most_s: float
) -> Iterator[Blow]:
    at_s = chance.uniform(least_s, most_s)
    while at_s < end_s:
        yield one(chance, at_s)
        at_s += chance.uniform(least_s, most_s)


def _adapter(chance: random.Random, at_s: float) -> Blow:
    return Blow(at_s, chance.choice(OFFICES), chance.choices(("SIGKILL", "SIGTERM"), (2, 1))[0])


def _broker(chance: random.Random, at_s: float) -> Blow:
    return Blow(at_s, f"broker {chance.randrange(BROKERS)}", chance.choice(("SIGKILL", "SIGTERM", "SIGSTOP")), chance.uniform(3, 10))


def _mood(chance: random.Random, at_s: float) -> Blow:
    """`fail-after` and the like leave the outcome open; at the SFTP office these take long to clear up, so they last shorter there."""
    office = chance.choice(OFFICES)
    mood = chance.choice(("slow", "fail", "busy", "away", "flaky", "fail-after", "garbage"))
    return Blow(at_s, office, f"mood:{mood}", chance.uniform(1.5, 5 if office in HTTP_OFFICES else ANSWER_LIMIT_S))


def _poison(chance: random.Random, at_s: float) -> Blow:
    return Blow(at_s, chance.choice(OFFICES), f"poison:{chance.choice(FLAWS)}")
