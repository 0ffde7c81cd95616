"""The judge of the attack sees each thing that is not as it has to be, and only those; rows and attacks fit together."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml

from adapters.twins.book import Book, Mood, Temper
from producers.synthetic import permits
from producers.synthetic.rights import page_of
from schemas.examination import schema_table
from tests.attack import hostile, portals, report, with_token
from tests.attack.judge import LOG_LIMIT_BYTES, Figures, percentile, violations
from tests.attack.rows import ROWS
from tests.gateway import TOKENS, Gateway, opened, problem_of

GOOD = Figures([0.02] * 100, {}, 0, 0, 40_000, 120.0, came_back={"429": 300})


def test_all_is_well() -> None:
    """Quick, accepted, delivered, nothing restarted, little in the log: it holds, and so does a row without an attack."""
    assert violations(GOOD) == []
    assert violations(replace(GOOD, came_back={}, attacked=False)) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"times_s": [0.02] * 98 + [1.0] * 2}, "p99 1.00 s"),
        ({"times_s": []}, "nothing was sent"),
        ({"not_accepted": {"503": 2, "ReadTimeout": 1}}, "3 not accepted (503 × 2, ReadTimeout × 1)"),
        ({"not_delivered": 2}, "2 not delivered"),
        ({"restarts": 1}, "1 restarts"),
        ({"log_bytes": LOG_LIMIT_BYTES}, "log grew by 1.0 MB"),
        ({"came_back": {"429": 0}}, "nothing was attacked"),
        ({"failure": "the attack failed"}, "the attack failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_planted_violation(changes: dict[str, Any], words: str) -> None:
    """One thing that is wrong is told in words, and nothing else is."""
    assert violations(replace(GOOD, **changes)) == [words]
    assert report.verdict(replace(GOOD, **changes)) == words


@pytest.mark.parametrize(("part", "rank"), [(0.5, 50), (0.99, 99), (1, 100)])
def test_percentiles_are_nearest_ranks(part: float, rank: int) -> None:
    """The value that so many of a hundred do not pass."""
    assert percentile([float(one) for one in range(100, 0, -1)], part) == rank


def test_each_row_has_an_attack_and_each_attack_a_row() -> None:
    """Nothing that was written is left out, and no row asks for what is not there."""
    assert {row.attack for row in ROWS} - {None} == set(hostile.ATTACKS)
    assert [row.attack for row in ROWS if row.attack is None] == [None]


def test_a_bad_mood_means_the_hostile_portal_alone() -> None:
    """What it sends for that is hit by the twin, and nothing that the honest portal sends."""
    book = Book("M")
    book.set(Temper(Mood.POISON, share=portals.SHARE))
    assert {book.mood_towards(str(one.message_id)) for one in portals.meant(portals.RESIDENCE, 5, seed=2)} == {Mood.POISON}
    honest = portals.honest(portals.RESIDENCE)
    assert {book.mood_towards(str(next(honest).message_id)) for _ in range(100)} == {Mood.OK}


MEANT: dict[Callable[[str], Iterator[bytes]], set[str]] = {
    with_token.combining_marks: {"too-many-marks", "not-schema-valid", "form-invalid"},
    with_token.deep_and_wide: {"message-too-complex", "not-schema-valid", "unknown-message", "form-invalid"},
    with_token.refusable: {"office-refuses", "character-not-allowed", "form-misfit"},
    with_token.unpublishable: {"202", "name-not-carried"},
    with_token.cheap: {"not-well-formed"},
    with_token.dear: {"form-invalid"},
    with_token.valid: {"202"},
    with_token.large: {"202"},
    with_token.foreign: {"202", "reference-unknown"},
}


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway at which the hostile portal has the rights that it has in the attack."""
    folder = tmp_path_factory.mktemp("besieged")
    (folder / "schemas").mkdir()
    rows = [{"name": "xbau", "namespace": permits.NAMESPACE, "schema": "none"}]
    (folder / "schemas" / schema_table.PAGE).write_text(yaml.safe_dump(rows), encoding="utf-8")
    routes = [portals.route_of(office) for office in portals.OFFICES]
    page = page_of(portals.HOSTILE, TOKENS["portal"], routes, portals.CATALOGUE)
    page = page.model_copy(update={"bytes_per_s": 10**8})
    yield from opened(folder, schemas=folder / "schemas", portals={"portal": page})


@pytest.mark.parametrize("calls", MEANT, ids=lambda calls: str(calls.__name__))
async def test_attacks_are_what_they_are_said_to_be(besieged: Gateway, calls: Callable[[str], Iterator[bytes]]) -> None:
    """Each gets past the login and the form of the call, to the answer that it is made for."""
    got = set()
    for one in itertools.islice(calls(TOKENS["portal"]), 6):
        head, _, body = one.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines()[2:])
        answer = await besieged.call("POST", "/v1/submissions", content=body, headers=headers)
        got.add("202" if answer.status_code == 202 else problem_of(answer)[1])
    assert got == MEANT[calls]
