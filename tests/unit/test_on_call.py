"""On call, at `stadtbus status` alone: each case answers on one page of 80x24 what is wrong, since when, whose fault it is and what to do.

The cases are those that were tried on a running bus (`make test-watch`), here on a virtual clock.
"""

from __future__ import annotations

import io
from typing import Final

import pytest
from rich.console import Console

from stadtbus.commands.status import of_city, page_view
from stadtbus.overview import Overview
from tests import verdicts
from tests.office_model import OFFICE
from tests.situations import SITUATIONS, Situation

TOLD: Final = {
    "back office down": (
        "its back office is down, since 09:09:50 (it says: ConnectionRefusedError; 2 wait, the oldest since 09:10:00 (40 s)).",
        "To be mended by: the back office. Next: Tell the back office's people. Nothing else: the adapter looks again by itself, and goes on within a minute after they are back",
    ),
    "brake holds the office": (
        "stopped by its brake, everything is refused, since 09:10:00 (it says: 2 portals are held; 9 wait, the oldest since 09:10:00 (40 s)).",
        "To be mended by: the back office. Next: `stadtbus deadletters list muenchen.gewerbe` shows the cause; mend it, then `stadtbus office release muenchen.gewerbe --reason … --go`",
    ),
    "brake holds one portal, others go on": (
        "one series is held, because all of it is refused, since 09:10:00 (bayernportal [37f2af6169d6] is held since 09:10:00: 20 refused in a row).",
        "To be mended by: the portal. Next: `stadtbus deadletters list muenchen.gewerbe` shows the cause; mend it, then `stadtbus office release muenchen.gewerbe --reason … --go`",
    ),
    "a delivery without an answer": (
        "does not come on, one submission keeps all behind it waiting, since 09:09:50 (tried 1 time; stands at muenchen.gewerbe.submissions/0/0 since 09:09:50 (3 min); 1 waits, since 09:10:00 (3 min)).",
        "To be mended by: the back office. Next: Look at its log and ask the back office: it has an answer outstanding; after `delivery.attempt_timeout_s` the case is parked",
    ),
    "one record fails again and again": (
        "does not come on, one submission fails again and again, since 09:09:50 (tried 191 times; stands at muenchen.gewerbe.submissions/0/0 since 09:09:50 (3 min); 3 wait, the oldest since 09:10:00 (3 min)).",
        "To be mended by: the back office. Next: Look at its log for that place; ask the back office what it has against it",
    ),
    "process hangs": (
        "does not come on, its process says that it runs and reads nothing, since 09:09:50 (muenchen.gewerbe@host:8091 asked Kafka last 09:09:50 (3 min ago); stands at muenchen.gewerbe.submissions/0/0 since 09:09:50 (3 min); 1 waits, since 09:10:00 (3 min)).",
        "To be mended by: who runs its adapter. Next: Restart it: nothing is lost or done twice. Keep its log",
    ),
    "adapter killed, one waits": (
        "nobody takes what waits, its process is silent and has not said that it stops, since 09:09:50 (1 waits, since 09:10:00 (1 min)).",
        "To be mended by: who runs its adapter. Next: Start it (`stadtbus run adapter muenchen.gewerbe`), and look at the end of its log for why it ended; if it runs, it hangs or is cut off from Kafka",
    ),
    "adapter killed, nothing waits": (
        "nothing waits, and nobody is there who would take it, since 09:10:20 (no process is in its group, the last was heard 09:09:50).",
        "To be mended by: who runs its adapter. Next: Start it (`stadtbus run adapter muenchen.gewerbe`), and look at the end of its log for why it ended",
    ),
    "adapter stopped, one waits": (
        "nobody takes what waits, its process was stopped, since 09:10:00 (muenchen.gewerbe@host:8091 said at 09:10:00 that it stops; 1 waits, since 09:10:00 (40 s)).",
        "To be mended by: who runs its adapter. Next: Start it (`stadtbus run adapter muenchen.gewerbe`), and look at the end of its log for why it ended",
    ),
    "a foreign program in the group": (
        "does not come on, and whoever is in its group says nothing of itself, since 09:10:00 (no process of ours is heard; stands at muenchen.gewerbe.submissions/0/0 since 09:10:00 (3 min); 1 waits, since 09:10:00 (3 min)).",
        "To be mended by: who runs its adapter. Next: Look which program is in the group; where it is ours, restart it and look at its log",
    ),
    "dead letters cannot be written": (
        "does not come on, its process says why it cannot work, since 09:09:50 (it says: topics: it refuses copies; stands at muenchen.gewerbe.submissions/0/0 since 09:09:50 (3 min); 1 waits, since 09:10:00 (3 min)).",
        "To be mended by: who runs its adapter. Next: As its words say; docs/operations.md has a section for each",
    ),
    "a foreign transaction is open": (
        "does not come on, a foreign transaction is open on its topic, since 09:09:50 (a transaction is open in muenchen.gewerbe.submissions/0; stands at muenchen.gewerbe.submissions/0/0 since 09:09:50 (3 min); 1 waits, since 09:10:00 (3 min)).",
        "To be mended by: who runs Kafka. Next: Find who writes there; Kafka ends it after its time-out, `kafka-transactions abort` at once",
    ),
    "retention overtakes a dead adapter": (
        "submissions were gone from Kafka before they were delivered, since 09:11:50 (4 records in muenchen.gewerbe.submissions/0; else it would be: down; 6 wait, the oldest since 09:10:04 (2 min)).",
        "To be mended by: who runs Kafka. Next: Start the adapter if it stands, then send them again from the outbox: `stadtbus outbox republish muenchen.gewerbe`; find out who deleted or moved them",
    ),
    "offsets reset back by hand": (
        "its offsets went back, and no operation says who did it, since 09:11:50 (muenchen.gewerbe.submissions/0: 3 -> 1 at 09:11:50).",
        "To be mended by: the operators. Next: Nothing is delivered twice, the ledger knows what was done. Find out who reset the group: `stadtbus operations list` has not seen it",
    ),
    "paused by an operator, and forgotten": (
        "is paused by an operator, since 09:10:00 (by anna: ticket 4711; 1 waits, since 09:10:01 (4 h 11 min); else it would be: stuck).",
        "To be mended by: the operators. Next: `stadtbus office resume muenchen.gewerbe --reason … --go`, once the reason is gone",
    ),
    "a slow back office": (
        "gets more than it finishes, and will miss its target, since 09:10:20 (1.0 are finished per second; at this pace what comes in waits longer than 15 min from 09:25:01 on; 599 wait, the oldest since 09:15:01 (4 min)).",
        "To be mended by: who runs its adapter. Next: Look how fast the back office answers, and who sends so much",
    ),
    "a slow back office, an hour later": (
        "delivers, but later than its target, since 09:40:11 (2,999 wait, the oldest since 09:35:01 (24 min); target: within 15 min; 1.0 are finished per second).",
        "To be mended by: who runs its adapter. Next: Look how fast the back office answers. Nothing is lost; a second adapter helps where it can take more at once",
    ),
    "processes come and go": (
        "its processes come and go, since 09:10:10 (4 changes in 10 min (members +4 -4), the last 09:11:40; 0 wait).",
        "To be mended by: who runs its adapter. Next: Look at their logs for why they end; at each change all of them stop for a moment",
    ),
    "Kafka does not answer the watch": (
        "cannot be judged, the watch gets no answer about it, since 09:10:00 (Kafka answers: NodeNotReadyError).",
        "To be mended by: who runs the watch. Next: Look at the log of the watch: its rights, its network, or it has only just begun",
    ),
    "40 dead letters, and no lag": (
        "dead letters wait for a person, since 09:10:10 (40 dead letters are open, the oldest since 07:00:00 (2 h 10 min)).",
        "To be mended by: the operators. Next: `stadtbus deadletters list muenchen.gewerbe` shows them and their causes",
    ),
}
"""By case what the page says below its table: what and since when, then whose fault and what to do."""
CASES: Final = [one for one in SITUATIONS if one.name in TOLD]


@pytest.mark.parametrize("case", CASES, ids=lambda one: one.name)
def test_page_answers_whoever_is_on_call(case: Situation) -> None:
    """The whole page fits; below its table stands one sentence, and it says all of it."""
    said = case.play().look()
    assert said.as_of is not None
    seen = Overview(verdicts.snapshot(said, at=said.as_of), "http://127.0.0.1:8081", "")
    console = Console(width=80, height=24, color_system=None, file=io.StringIO())
    with console.capture() as capture:
        console.print(page_view(seen, of_city(seen.judgements(), None), said.as_of, console))
    lines = capture.get().splitlines()
    assert (len(lines) <= 24, max(map(len, lines)) <= 80) == (True, True)
    assert " ".join(" ".join(lines).partition(f"{OFFICE}: ")[2].split()) == " ".join(TOLD[case.name])


def test_all_cases_are_there() -> None:
    """No name of a case is misspelt."""
    assert len(CASES) == len(TOLD)
