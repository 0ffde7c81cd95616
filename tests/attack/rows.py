"""The attacks, one after the other, and what each is said to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.attack.portals import BUILDING, OFFICES, RESIDENCE, TRADE


@dataclass(frozen=True, slots=True)
class Row:
    """One attack. Without a name of one nobody attacks."""

    title: str
    attack: str | None
    finding: str = ""
    """Of the security review."""
    offices: Sequence[str] = OFFICES
    """Where the honest portal submits meanwhile."""
    mood: tuple[str, str] | None = None
    """A twin, and what befalls it: with those submissions that it means, or altogether where it is `away`."""


ROWS: Final = (
    Row("calm", None),
    Row("200 idle connections", "idle-200", "S1"),
    Row("1,100 idle connections", "idle-1100", "S1, K12"),
    Row("slow headers", "slow-headers", "S1"),
    Row("slow bodies", "slow-bodies", "S1, S16"),
    Row("endless bodies, no token", "endless-stranger", "S16"),
    Row("endless bodies with token", "endless-portal", "S16"),
    Row("login failures", "guesses", "S21"),
    Row("combining marks", "marks", "S2"),
    Row("deep and wide messages", "deep", "S2, S17"),
    Row("refusable messages", "refusable", "S3"),
    Row("refused by a back office", "refused", "S3", mood=(RESIDENCE, "refuse")),
    Row("back office answers 500", "poison", "S3", mood=(RESIDENCE, "poison")),
    Row("unpublishable records", "unpublishable", "S4"),
    Row("flood, cheap", "cheap", "S9"),
    Row("flood, dear", "dear", "S2, S9"),
    Row("flood, valid", "valid", "S9"),
    Row("flood to a full share", "full-share", "S9", offices=(RESIDENCE, TRADE), mood=(BUILDING, "away")),
    Row("another portal's cases", "foreign", "S6, S22"),
)
