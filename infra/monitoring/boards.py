"""The boards: what is on them. `make docs` writes `grafana/*.json` from here; a test holds their queries against what is exported."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from infra.monitoring.panels import Board, Panel

_ATTENTION: Final = ((0, "nothing to do", "green"), (1, "act in working hours", "orange"), (2, "act now", "red"))
_OFFICE_STATES: Final = ((0, "delivering", "green"), (1, "back office down", "red"), (2, "held by the brake", "orange"))
_RATE: Final = "[5m]"

OVERVIEW: Final = Board(
    "stadtbus-overview",
    "Stadtbus: overview",
    (
        Panel(
            "Who needs a person",
            {"{{group}}": "max by (group) (stadtbus_consumer_attention)"},
            kind="state-timeline",
            states=_ATTENTION,
            width=16,
            text="Each consumer over time. `stadtbus status` says why and what to do.",
        ),
        Panel("Verdicts now", {"": "max by (group, verdict) (stadtbus_consumer_verdict) == 1"}, kind="table", width=8),
        Panel(
            "Oldest that waits",
            {"{{group}}": "max by (group) (stadtbus_lag_seconds)"},
            unit="s",
            text="Age of the first in line. It grows by a second each second while nothing comes on.",
        ),
        Panel("How many wait", {"{{group}}": "max by (group) (stadtbus_lag_messages)"}),
        Panel("Open dead letters", {"{{office}}": "max by (office) (stadtbus_dead_letters)"}, width=8),
        Panel("Parked", {"{{office}}": "max by (office) (stadtbus_parked)"}, width=8),
        Panel("In the outbox, not on Kafka", {"{{office}}": "sum by (office) (stadtbus_outbox_pending)"}, width=8),
        Panel(
            "Accepted and delivered",
            {
                "accepted": f"sum(rate(stadtbus_submissions_accepted_total{_RATE}))",
                "delivered": f"sum(rate(stadtbus_submissions_delivered_total{_RATE}))",
            },
            unit="reqps",
        ),
        Panel(
            "What of the retention is left",
            {"{{group}}": "min by (group) (stadtbus_retention_margin_ratio)"},
            unit="percentunit",
            text="At 0 Kafka deletes what has not been read. The alarm comes at half.",
        ),
    ),
)

OFFICE: Final = Board(
    "stadtbus-office",
    "Stadtbus: offices",
    (
        Panel(
            "State of the delivery",
            {"{{office}}": 'max by (office) (stadtbus_office_state{office=~"$office"})'},
            kind="state-timeline",
            states=_OFFICE_STATES,
            width=24,
        ),
        Panel("Oldest that waits", {"{{office}}": 'max by (office) (stadtbus_lag_seconds{office=~"$office"})'}, unit="s"),
        Panel(
            "Until the backlog is worked off",
            {"{{office}}": 'max by (office) (stadtbus_drain_seconds{office=~"$office"})'},
            unit="s",
            text="At the pace of now; nothing where there is no backlog or it grows.",
        ),
        Panel(
            "From acceptance to delivery: half, and 99 of 100",
            {
                f"{{{{office}}}} {share}": (
                    f'histogram_quantile({share}, sum by (office, le) (rate(stadtbus_delivery_seconds_bucket{{office=~"$office"}}{_RATE})))'
                )
                for share in ("0.5", "0.99")
            },
            unit="s",
        ),
        Panel(
            "Delivered",
            {"{{office}}": f'sum by (office) (rate(stadtbus_submissions_delivered_total{{office=~"$office"}}{_RATE}))'},
            unit="reqps",
        ),
        Panel(
            "Hand-overs that failed, by cause",
            {"{{office}} {{cause}}": f'sum by (office, cause) (rate(stadtbus_delivery_failures_total{{office=~"$office"}}{_RATE}))'},
            unit="reqps",
        ),
        Panel(
            "Became dead letters, by cause",
            {"{{office}} {{cause}}": 'sum by (office, cause) (increase(stadtbus_deadletters_total{office=~"$office"}[1h]))'},
        ),
        Panel(
            "Oldest in flight", {"{{office}}": 'max by (office) (stadtbus_oldest_inflight_seconds{office=~"$office"})'}, unit="s", width=8
        ),
        Panel("Held by the brake", {"{{office}}": 'max by (office) (stadtbus_series_held{office=~"$office"})'}, width=8),
        Panel(
            "Oldest dead letter",
            {"{{office}}": 'max by (office) (stadtbus_dead_letter_oldest_seconds{office=~"$office"})'},
            unit="s",
            width=8,
        ),
    ),
    {"office": "label_values(stadtbus_dead_letters, office)"},
)

BUS: Final = Board(
    "stadtbus-bus",
    "Stadtbus: gateway, Kafka and watch",
    (
        Panel("Refused calls, by code", {"{{code}}": f"sum by (code) (rate(stadtbus_submissions_rejected_total{_RATE}))"}, unit="reqps"),
        Panel(
            "Calls beyond a portal's rate or share",
            {"{{portal}}": f"sum by (portal) (rate(stadtbus_calls_throttled_total{_RATE}))"},
            unit="reqps",
        ),
        Panel("In the outbox, by portal", {"{{portal}}": "sum by (portal) (stadtbus_outbox_portal_pending)"}),
        Panel("Content in the outbox, by portal", {"{{portal}}": "sum by (portal) (stadtbus_outbox_bytes)"}, unit="bytes"),
        Panel("Brokers that answer", {"brokers": "max(kafka_brokers)"}, kind="stat", width=6),
        Panel(
            "Partitions that miss a replica",
            {"partitions": "sum(max by (topic, partition) (kafka_topic_partition_under_replicated_partition))"},
            kind="stat",
            width=6,
        ),
        Panel(
            "Days of the certificate for portals",
            {"days": "(min(stadtbus_certificate_end_timestamp_seconds) - time()) / 86400"},
            kind="stat",
            width=6,
        ),
        Panel("Notices that wait", {"{{channel}}": "max by (channel) (stadtbus_notices_waiting)"}, kind="stat", width=6),
        Panel(
            "A look of the watch",
            {"time": "max(stadtbus_lagwatch_cycle_seconds)", "processor": "max(stadtbus_lagwatch_cycle_cpu_seconds)"},
            unit="s",
            width=8,
        ),
        Panel(
            "Requests of a look, and those without an answer",
            {"requests": "max(stadtbus_lagwatch_requests)", "unanswered": "max(stadtbus_lagwatch_faults)"},
            width=8,
        ),
        Panel("Age of what the watch shows", {"age": "time() - max(stadtbus_lagwatch_last_success_timestamp_seconds)"}, unit="s", width=8),
        Panel(
            "A commit of the database, 99 of 100",
            {"{{store}}": f"histogram_quantile(0.99, sum by (store, le) (rate(stadtbus_database_commit_seconds_bucket{_RATE})))"},
            unit="s",
        ),
        Panel(
            "Recorded by audit, statistics and status feed",
            {"{{consumer}}": f"sum by (consumer) (rate(stadtbus_records_stored_total{_RATE}))"},
            unit="reqps",
        ),
    ),
)

BOARDS: Final = (OVERVIEW, OFFICE, BUS)


def page(board: Board) -> str:
    """A board as its file has it."""
    return json.dumps(board.json(), indent=1, ensure_ascii=False) + "\n"


def write(folder: Path) -> None:
    """Write all boards."""
    folder.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        (folder / f"{board.name}.json").write_text(page(board), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
