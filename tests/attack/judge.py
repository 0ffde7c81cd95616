"""Figures of one row, and what of them is not as it has to be. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

P99_LIMIT_S: Final = 1.0
LOG_LIMIT_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Figures:
    """What the honest portal and the operators saw during one attack."""

    times_s: Sequence[float]
    """How long each of its calls took until its answer, whichever."""
    not_accepted: Mapping[str, int]
    """Calls that were answered with anything but 202, or not at all: by status, or how the call ended."""
    not_delivered: int
    """Accepted submissions that their back office did not have in time."""
    restarts: int
    """Processes that ended, of all."""
    log_bytes: int
    memory_mib: float
    """The most that the gateway's process held."""
    starved: float = 0
    """Of the time in which the gateway's loop wanted the processor, the part in which others had it: then the machine is slow, not the bus."""
    came_back: Mapping[str, int] = field(default_factory=dict)
    """What the attackers got, by status."""
    attacked: bool = True
    """False for the row without an attack."""
    failure: str | None = None
    """Why the attack was none."""


def percentile(times_s: Sequence[float], part: float) -> float:
    """The nearest rank: at least so large a part is not above it; 0 of nothing."""
    ordered = sorted(times_s)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else 0.0


def counts(answers: Mapping[str, int]) -> str:
    """Such as `422 × 120`."""
    return ", ".join(f"{name} × {count:,}" for name, count in sorted(answers.items()) if count) or "–"


def violations(figures: Figures) -> list[str]:
    """What is not as it has to be, in words; nothing where all is well."""
    p99_s = percentile(figures.times_s, 0.99)
    found = {
        "nothing was sent": not figures.times_s,
        f"p99 {p99_s:.2f} s": p99_s >= P99_LIMIT_S,
        f"{sum(figures.not_accepted.values())} not accepted ({counts(figures.not_accepted)})": any(figures.not_accepted.values()),
        f"{figures.not_delivered} not delivered": figures.not_delivered > 0,
        f"{figures.restarts} restarts": figures.restarts > 0,
        f"log grew by {figures.log_bytes / 1e6:.1f} MB": figures.log_bytes >= LOG_LIMIT_BYTES,
        "nothing was attacked": figures.attacked and not any(figures.came_back.values()),
        figures.failure or "": figures.failure is not None,
    }
    return [words for words, holds in found.items() if holds]
