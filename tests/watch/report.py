"""The table of what was caused and what the watch said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks.report import machine
from consumers.watch.model import Verdict
from infra.kafka.jars import kafka_version
from tests.faults.report import line
from tests.watch.trial import MOST_LOOKS, Trial

_COLUMNS = ("what was caused", "consumer", "verdict", "after looks", "gone after looks", "what it said")


def markdown(done: Sequence[Trial], seconds: float) -> str:
    """The section of the watch."""
    rows = sorted(done, key=lambda one: (tuple(Verdict).index(one.wanted.verdict), one.name))
    lines = [
        "## The lag watch",
        "",
        "Each verdict, really caused: real processes, a real Kafka, real kills. *After looks* counts the looks of the watch (one every 3 s here) from",
        "the moment at which the cluster could know it: a killed member when its session has timed out (6 s here), a back office that is down with the",
        f"heartbeat that says so. {MOST_LOOKS} at most; 0 is before that moment: a silent process is missed earlier than its session. *Gone after looks* counts",
        "from the moment at which the cluster could know that it is over; what is better is shown after three looks alike. Some go over into the next row.",
        "",
        f"{machine()}; Apache Kafka {kafka_version()}, one broker; {datetime.now(UTC).date().isoformat()}; `make test-watch`; {seconds / 60:.0f} min.",
        "",
        line(_COLUMNS),
        line(["---"] * len(_COLUMNS)),
    ]
    for one in rows:
        cleared = "" if one.cleared is None else str(one.cleared)
        looks = "not seen" if one.looks is None else str(one.looks)
        lines.append(line([one.cause, one.name, str(one.wanted), looks, cleared, one.failure or one.sentence]))
    return "\n".join(lines) + "\n"
