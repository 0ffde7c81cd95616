"""The verdict on each part of the bus: what is not well is named with its cause, and what is well raises no alarm."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from consumers.watch.lag import GroupLag
from infra.kafka.diagnosis import unreachable
from infra.kafka.group_offsets import GroupOffsets
from infra.settings import KafkaSettings, StoreSettings
from producers.outbox.accounting import PendingOfOffice
from schemas.errors import CannotTell
from schemas.heartbeats import Heartbeat, ProcessKind, RelayLane
from stadtbus import observations
from stadtbus.commands import lag as command
from stadtbus.observations import Observations
from stadtbus.readiness import Readiness
from stadtbus.verdicts import LONG_S, RELAY_LIMIT_S, LagVerdict, judge

OFFICE = "muenchen.gewerbe"
GROUPS = (OFFICE, "status", "audit", "statistics")
PROCESSES = (OFFICE, "gateway", "audit", "statistics")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AWAY = Readiness("127.0.0.1:8084")
WORKS = Readiness("127.0.0.1:8084", 200, "ok")
STOPPED = Readiness("127.0.0.1:8084", 503, "office: stopped: 20 dead letters in a row; mend the cause\npartitions: x")
DEGRADED = Readiness("127.0.0.1:8080", 200, "relay: muenchen.gewerbe: MessageSizeTooLargeError")
REFUSED = Readiness(
    "127.0.0.1:8080",
    200,
    "relay of muenchen.gewerbe: muenchen.gewerbe.submissions refuses records: MessageSizeTooLarge; 9 wait since 2026-03-01T11:59:00+00:00",
)
FINE = GroupLag(OFFICE, group_state="Stable", members=1, complete=True, used=True, offsets=GroupOffsets("Stable", 1, {}, {}, {}, {}, {}))
"""A group with a member, of which nothing waits."""


def ago(seconds: float) -> datetime:
    """So long before now."""
    return NOW - timedelta(seconds=seconds)


def observed(
    lag: GroupLag | None = FINE,
    process: Readiness = WORKS,
    *,
    gateway: Readiness = WORKS,
    pending: PendingOfOffice | None = None,
    unaccounted: int = 0,
) -> Observations:
    """A bus where all is well but for what is said of one office."""
    lags = {} if lag is None else dict.fromkeys(GROUPS, FINE) | {OFFICE: lag}
    readiness = dict.fromkeys(PROCESSES, WORKS) | {OFFICE: process, "gateway": gateway}
    kafka = unreachable(KafkaSettings()) if lag is None else None
    return Observations(lags, readiness, {OFFICE: pending} if pending else {}, {OFFICE: unaccounted} if unaccounted else {}, kafka)


def office(given: Observations) -> LagVerdict:
    """The line of the office; everybody else is well, but for a gateway that says otherwise."""
    first, gateway, *others = judge(given, [OFFICE], NOW)
    assert all(one.well for one in others)
    assert gateway.well is given.readiness["gateway"].well
    return first


WELL = [
    pytest.param(observed(), "works", id="works"),
    pytest.param(observed(replace(FINE, behind=9, oldest_undelivered_at=ago(LONG_S - 1))), "works", id="works a backlog off"),
    pytest.param(observed(process=AWAY), "not asked", id="runs on another machine"),
    pytest.param(observed(replace(FINE, behind=9, oldest_undelivered_at=ago(9)), AWAY), "not asked", id="works elsewhere"),
    pytest.param(observed(replace(FINE, members=0, used=False), AWAY), "not in use", id="nothing was ever sent to it"),
    pytest.param(observed(pending=PendingOfOffice(3, ago(RELAY_LIMIT_S - 1))), "works", id="on its way to Kafka"),
]


@pytest.mark.parametrize(("given", "state"), WELL)
def test_no_alarm(given: Observations, state: str) -> None:
    """What is well, or cannot be asked from here while work gets done, raises no alarm."""
    assert (office(given).well, office(given).state) == (True, state)


NOT_WELL = [
    pytest.param(observed(process=STOPPED), "not working", "stopped: 20 dead letters in a row", id="stopped by its brake, nothing waits"),
    pytest.param(observed(replace(FINE, members=0), STOPPED), "not working", "stopped", id="not in its group at this moment"),
    pytest.param(observed(process=DEGRADED), "degraded", "MessageSizeTooLargeError", id="works and has something to tell"),
    pytest.param(observed(replace(FINE, members=0), AWAY), "no process", "127.0.0.1:8084", id="nobody there"),
    pytest.param(
        observed(replace(FINE, behind=9, oldest_undelivered_at=ago(LONG_S + 1)), AWAY),
        "late",
        "01.03.",
        id="elsewhere, and nothing gets done",
    ),
    pytest.param(
        observed(replace(FINE, behind=9, oldest_undelivered_at=ago(LONG_S + 1))), "late", "01.03.", id="says ok, and nothing gets done"
    ),
    pytest.param(observed(replace(FINE, expired=2)), "lost", "2 records", id="gone before they were read"),
    pytest.param(observed(unaccounted=3), "lost", "outbox republish muenchen.gewerbe", id="passed over"),
    pytest.param(
        observed(replace(FINE, held_back=["x/0"], held_back_since=ago(60))),
        "held back",
        "transaction is open in x/0",
        id="open transaction",
    ),
    pytest.param(observed(replace(FINE, faults=["topic x is missing"])), "broken", "topic x is missing", id="a topic is missing"),
    pytest.param(
        observed(GroupLag(OFFICE, faults=["Kafka does not tell how far it is: x"])), "unknown", "does not tell", id="cannot be told"
    ),
    pytest.param(
        observed(pending=PendingOfOffice(3, ago(RELAY_LIMIT_S + 1))), "not on Kafka", "3 accepted", id="the relay does not get them there"
    ),
    pytest.param(
        observed(pending=PendingOfOffice(3, ago(1)), gateway=AWAY), "not on Kafka", "gateway does not run", id="nobody brings them to Kafka"
    ),
    pytest.param(
        observed(pending=PendingOfOffice(9, ago(60)), gateway=REFUSED),
        "not on Kafka",
        "muenchen.gewerbe.submissions refuses records: MessageSizeTooLarge; 9 wait since",
        id="Kafka refuses them for good",
    ),
    pytest.param(observed(None, pending=PendingOfOffice(3, ago(60))), "not on Kafka", "Kafka does not answer", id="Kafka is away"),
    pytest.param(observed(None, STOPPED), "not working", "stopped", id="Kafka is away, the process says why it stands"),
]


@pytest.mark.parametrize(("given", "state", "said"), NOT_WELL)
def test_what_is_not_well_is_named(given: Observations, state: str, said: str) -> None:
    """Whatever does not deliver, waits for long or was lost is an alarm, with its cause in words."""
    assert (office(given).well, office(given).state) == (False, state)
    assert said in "\n".join(office(given).reasons)


def elsewhere(*lanes: RelayLane, findings: dict[str, str] | None = None) -> Observations:
    """A gateway of another machine, which has said this of itself."""
    said = Heartbeat(
        at=NOW, instance="gateway@x:1", process=ProcessKind.GATEWAY, version="1", started_at=NOW, lanes=list(lanes), findings=findings or {}
    )
    pending = {one.office: PendingOfOffice(one.waiting, one.oldest_accepted_at or NOW) for one in lanes}
    return replace(observed(gateway=AWAY), pending=pending, gateway=said)


def test_a_gateway_elsewhere_is_believed() -> None:
    """Where the outbox is not here, the gateway's own words count: what waits long is an alarm, with its reason; what is on its way is none."""
    first, gateway, *_ = judge(elsewhere(RelayLane(office=OFFICE, waiting=2)), [OFFICE], NOW)
    assert (first.state, first.waits, gateway.state, gateway.well, gateway.known) == ("works", 2, "not asked", True, True)
    held = RelayLane(office=OFFICE, waiting=9, oldest_accepted_at=ago(60), why="x refuses records: MessageSizeTooLarge")
    first, gateway, *_ = judge(elsewhere(held, findings={f"relay of {OFFICE}": "x refuses records"}), [OFFICE], NOW)
    assert (first.state, first.well, gateway.state, gateway.well) == ("not on Kafka", False, "degraded", False)
    assert "9 accepted and not on Kafka" in first.reasons[0]
    assert "MessageSizeTooLarge" in first.reasons[0]
    assert first.as_dict(NOW)["in_outbox"] == 9


def test_of_a_silent_gateway_nothing_is_known() -> None:
    """Without an outbox here, an answer or a fresh heartbeat nobody knows what waits: no alarm, no all-clear, and a sentence says why."""
    _, gateway, *_ = judge(replace(observed(gateway=AWAY), pending=None, outbox_fault="there is no outbox at x"), [OFFICE], NOW)
    assert (gateway.state, gateway.well, gateway.known, gateway.as_dict(NOW)["known"]) == ("unknown", True, False, False)
    assert "start the gateway, or ask where it runs" in gateway.reasons[0]
    _, gateway, *_ = judge(replace(observed(gateway=AWAY), pending={}), [OFFICE], NOW)
    assert (gateway.state, gateway.well, gateway.known) == ("no process", False, True)


def test_the_command_ends_with_3(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where all that is known is well, and what waits is not known, `lag` shows its lines and ends with `outbox-elsewhere`."""

    async def observe(_: object) -> Observations:
        return replace(observed(gateway=AWAY), pending=None)

    settings = SimpleNamespace(load_catalogue=lambda: SimpleNamespace(offices=[OFFICE]), stores=StoreSettings())
    monkeypatch.setattr(observations, "observe", observe)
    monkeypatch.setattr(command, "load_quietly", lambda: settings)
    with pytest.raises(CannotTell, match="outbox-elsewhere") as raised:
        command.lag(as_json=True)
    assert raised.value.problem.exit_code == 3
    assert [line["known"] for line in json.loads(capsys.readouterr().out)] == [True, False, True, True, True]


def test_the_gravest_comes_first() -> None:
    """One state is shown, that of what cannot be made good by itself; everything that is known is said."""
    one = office(observed(replace(FINE, expired=2, held_back=["x/0"]), STOPPED, pending=PendingOfOffice(1, ago(99)), unaccounted=1))
    assert (one.state, len(one.reasons), one.lost) == ("lost", 6, 2)


def test_what_waits_is_on_kafka_and_before_it() -> None:
    """Accepted and not delivered counts the outbox, and the oldest is that of both."""
    one = office(observed(replace(FINE, behind=2, oldest_undelivered_at=ago(9)), pending=PendingOfOffice(3, ago(30))))
    assert (one.waits, one.oldest_at()) == (5, ago(30))
    assert {"waits": 5, "behind": 2, "in_outbox": 3, "oldest_age_s": 30.0}.items() <= one.as_dict(NOW).items()


def test_recorders_have_lines() -> None:
    """Audit, statistics and status feed stand there with what they have not read, and with their alarm when nobody reads."""
    given = observed()
    lags = dict(given.lags) | {"audit": replace(FINE, group="audit", behind=7, members=0)}
    lines = {one.name: one for one in judge(replace(given, lags=lags, readiness=dict(given.readiness) | {"audit": AWAY}), [OFFICE], NOW)}
    assert list(lines) == [OFFICE, "gateway", "status feed", "audit", "statistics"]
    assert (lines["audit"].waits, lines["audit"].state, lines["audit"].well) == (7, "no process", False)
