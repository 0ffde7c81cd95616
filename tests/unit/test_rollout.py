"""When a rollout of dead letters goes on, and when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from consumers.delivery import states
from consumers.delivery.entry import LedgerEntry
from consumers.delivery.failures import Cause
from consumers.desk.deadletters import DeadLetter
from consumers.desk.plan import Plan, Selection, plan_replay
from consumers.desk.rollout import Outcome, Rollout, RolloutLimits, Tally
from tests.dead_letters import dead, ids, letter, letters


class Adapter:
    """Stands for the retry topic and the ledger: takes letters, and gives each the outcome it is told."""

    def __init__(self, outcome: Callable[[DeadLetter], LedgerEntry | None]) -> None:
        self._outcome = outcome
        self.sent: list[DeadLetter] = []
        self._rows: dict[bytes, LedgerEntry] = {}

    async def send(self, wave: Sequence[DeadLetter]) -> Mapping[DeadLetter, int]:
        places = {}
        for one in wave:
            places[one] = len(self.sent)
            self.sent.append(one)
            if (entry := self._outcome(one)) is not None:
                entry.retry_offset = places[one]
                self._rows[one.id] = entry
        return places

    def look(self, submissions: Sequence[bytes]) -> Mapping[bytes, LedgerEntry]:
        return {one: self._rows[one] for one in submissions if one in self._rows}


async def run(plan: Plan, adapter: Adapter, **limits: float) -> Tally:
    """A run without pauses."""
    values: dict[str, Any] = {"rate": 1e6, "wait_s": 0.5} | limits
    return await Rollout(plan.letters, adapter, adapter.look, RolloutLimits(**values), lambda _: None).run()


def many(count: int, case: str | None = None) -> Plan:
    """A replay of so many letters."""
    return plan_replay(letters(*(letter(number, number, case=case) for number in range(count))), Selection())


async def test_canary_of_other_cases_goes_first() -> None:
    """The canary has one letter of each case, not five of the first; if all fail, nothing else is sent."""
    plan = plan_replay(letters(*(letter(number, number, case=f"case-{number // 4}") for number in range(40))), Selection())
    adapter = Adapter(lambda _: dead())
    tally = await run(plan, adapter, canary=3)
    assert ids(adapter.sent) == [0, 4, 8]
    assert (tally.outcomes, tally.stopped is not None, tally.all_well, tally.none_taken_up) == ({Outcome.FAILED: 3}, True, False, False)


async def test_all_well() -> None:
    """When everything is delivered everything was sent, once and in order."""
    adapter = Adapter(lambda _: LedgerEntry(b"", state=states.DELIVERED))
    tally = await run(many(50), adapter)
    assert (ids(adapter.sent), tally.outcomes, tally.all_well) == (list(range(50)), {Outcome.DELIVERED: 50}, True)


@pytest.mark.parametrize(("failing", "stops"), [(1, False), (2, True)])
async def test_stops_when_more_than_a_share_fails(failing: int, stops: bool) -> None:
    """One of a canary of five is 20 %, which is not more than that; two are."""
    adapter = Adapter(lambda one: dead() if ids([one])[0] < failing else LedgerEntry(b"", state=states.DELIVERED))
    tally = await run(many(300), adapter, canary=5, stop_at_percent=20)
    assert (len(adapter.sent) == 300, tally.stopped is None) == (not stops, not stops)


async def test_stops_on_the_way() -> None:
    """When it goes wrong after the canary, it stops long before everything is sent."""
    adapter = Adapter(lambda one: dead() if ids([one])[0] >= 300 else LedgerEntry(b"", state=states.DELIVERED))
    tally = await run(many(3_000), adapter)
    assert 300 < len(adapter.sent) <= 300 + 400
    assert "% failed" in str(tally.stopped)


async def test_first_failure_is_no_share_yet() -> None:
    """While the rest of the canary is on its way, the first that fails does not stop it."""
    slow: dict[bytes, LedgerEntry] = {}
    adapter = Adapter(lambda one: dead() if ids([one]) == [0] else LedgerEntry(b"", state=states.NOT_TAKEN))

    async def later() -> None:
        await asyncio.sleep(0.4)
        slow.update({one.id: LedgerEntry(b"", state=states.DELIVERED) for one in adapter.sent[1:]})

    task = asyncio.create_task(later())
    runs = Rollout(many(5).letters, adapter, lambda those: {**adapter.look(those), **slow}, RolloutLimits(wait_s=5), lambda _: None)
    tally = await runs.run()
    await task
    assert (tally.outcomes, tally.stopped) == ({Outcome.FAILED: 1, Outcome.DELIVERED: 4}, None)


async def test_slow_canary_is_waited_for() -> None:
    """At a low rate, too, the whole canary has an outcome before its share counts."""
    adapter = Adapter(lambda one: dead() if ids([one]) == [0] else LedgerEntry(b"", state=states.DELIVERED))
    tally = await run(many(9), adapter, canary=3, rate=4)
    assert (len(adapter.sent), tally.outcomes) == (3, {Outcome.FAILED: 1, Outcome.DELIVERED: 2})


async def test_case_that_failed_is_left_alone() -> None:
    """Later ones of a case whose first has failed are not sent, and a held one is no failure of its own."""
    adapter = Adapter(lambda _: dead())
    tally = await run(many(10, case="a"), adapter, stop_at_percent=100)
    assert (len(adapter.sent), tally.outcomes) == (1, {Outcome.FAILED: 1})
    tally = await run(
        many(3), Adapter(lambda one: dead(Cause.CASE_HELD) if ids([one]) != [2] else LedgerEntry(b"", state=states.DELIVERED))
    )
    assert (tally.outcomes, tally.stopped, tally.all_well) == ({Outcome.HELD: 2, Outcome.DELIVERED: 1}, None, False)


async def test_no_news_ends_it() -> None:
    """When no row changes it ends, and nobody can tell; when the adapter waits with them, that is known."""
    tally = await run(many(9), Adapter(lambda _: None), canary=2)
    assert (tally.sent, tally.waiting, tally.none_taken_up) == (2, 2, True)
    tally = await run(many(9), Adapter(lambda _: LedgerEntry(b"", state=states.NOT_TAKEN)), canary=2)
    assert (tally.sent, tally.waiting, tally.none_taken_up, tally.all_well) == (2, 2, False, False)


async def test_row_of_before_says_nothing() -> None:
    """A row that was dead before the letter was sent is no outcome of it."""
    adapter = Adapter(lambda _: None)
    row = dead()
    row.retry_offset = -1
    tally = await Rollout(
        many(1).letters, adapter, lambda those: dict.fromkeys(those, row), RolloutLimits(wait_s=0.5), lambda _: None
    ).run()
    assert (tally.known, tally.none_taken_up) == (0, True)


async def test_rate_is_kept() -> None:
    """Forty letters at 100 per second take at least 0.3 s."""
    loop, adapter = asyncio.get_running_loop(), Adapter(lambda _: LedgerEntry(b"", state=states.DELIVERED))
    began_s = loop.time()
    await run(many(40), adapter, rate=100, canary=0)
    assert loop.time() - began_s > 0.3
