"""The fault list: a row per scenario, what happens, and what has to be seen for the row to count as hit.

What holds for all of them is the checker's: nothing lost, nothing twice, no case out of order, nothing at a wrong office.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tests.faults.act import Act
from tests.faults.rows import brokers, content, door, log, network, offices, processes


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row. `scaled` says where a time is shorter than the row's."""

    row: str
    name: str
    expected: str
    run: Callable[[Act], Awaitable[None]]
    """Raises `NotHit` where the fault did not happen as the row says."""
    scaled: str = ""
    needs: str = ""
    """`postgresql` or `compiler`, where one machine may not have it."""


_AS_F1: Final = "nothing lost or twice; recovery below 60 s"

SCENARIOS: Final = (
    Scenario("F1", "leader SIGTERM", _AS_F1, brokers.leader_terminated),
    Scenario("F2", "leader SIGKILL", _AS_F1, brokers.leader_killed),
    Scenario("F3", "five clean bounces of the leader", _AS_F1, brokers.leader_bounced_cleanly),
    Scenario("F4", "five hard bounces of the leader", _AS_F1, brokers.leader_bounced_hard),
    Scenario("F5", "controller SIGKILL", "intake goes on, nothing lost", brokers.controller_killed),
    Scenario(
        "F6",
        "leader SIGSTOP, then SIGCONT",
        "no stale acknowledgement, the old leader is fenced",
        brokers.leader_paused,
        f"40 s → {brokers.PAUSED_BROKER_S} s",
    ),
    Scenario("F7", "two of three brokers down", "kept in the outbox, sent later once", brokers.two_brokers_down),
    Scenario(
        "F8",
        "all brokers down",
        "outbox to its limit, then 503; after the return all sent in order",
        brokers.all_brokers_down,
        f"10 min → {brokers.AWAY_BROKERS_S} s",
    ),
    Scenario("F9", "all brokers SIGKILL at once, one log torn", "with flush.messages=1 nothing lost", brokers.power_cut),
    Scenario("F12", "200 ms, 1 % loss, resets within a record", "unknown → sent again, one effect", network.slow_network),
    Scenario(
        "F13", "acknowledgement lost after the write", "the repeat is dropped, by the broker or by its id", network.acknowledgement_lost
    ),
    Scenario("F14", "adapter SIGKILL between ledger and commit", "comes again, no second effect", processes.killed_before_commit),
    Scenario("F15", "gateway SIGKILL between acknowledgement and note", "sent again, one effect", processes.killed_before_note),
    Scenario("F16", "rebalance storm", "nothing skipped or twice, order holds", processes.rebalance_storm, needs="postgresql"),
    Scenario("F17", "zombie worker, paused past its session", "what it still does is fenced", processes.zombie, needs="postgresql"),
    Scenario("F18", "committed offsets deleted", "stops with a clear error, no silent jump", log.offsets_deleted),
    Scenario("F19", "retention removed unread records", "alarm; the rest is delivered", log.retention),
    Scenario("F20", "poison records", "dead letters of the same office, unchanged; other cases flow", content.poison),
    Scenario(
        "F21",
        "back office away, then its backlog",
        "paused, lag seen, memory bounded, order kept",
        offices.office_away,
        f"24 h → {offices.AWAY_OFFICE_S} s",
    ),
    Scenario("F22", "answers late, lost, refused", "one effect, state reconciled", offices.late_and_lost_answers),
    Scenario("F23", "garbage and endless answers", "limits, no crash, one effect", offices.nonsense),
    Scenario("F24", "clock jumps ±1 h", "order and limits do not depend on the clock", processes.clock_jumps, needs="compiler"),
    Scenario(
        "F25", "certificate expired, of another signer, for another host, revoked", "refused, named, nothing lost", door.bad_certificates
    ),
    Scenario("F26", "rights taken away at run time", "named, nothing lost, goes on when they are back", door.rights_taken_away),
    Scenario("F38", "other content under the same id", "409; the first content is delivered", content.other_content),
    Scenario("F41", "SIGKILL at each labelled crash point", "checker clean", processes.crash_points),
)
