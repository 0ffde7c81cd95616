"""The runbook has a place for everything that the watch says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from consumers.watch import judge
from consumers.watch.model import RUNBOOK, SubReason, Verdict
from tests.runbook import commands

PAGE = (Path(__file__).parents[2] / RUNBOOK).read_text(encoding="utf-8")
SECTIONS = {
    re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-"): text
    for title, text in re.findall(r"^##+ (.+)\n((?:(?!##).*\n)*)", PAGE, re.MULTILINE)
}
"""By anchor, as GitHub makes it."""
REASONS = {
    Verdict.UNKNOWN: (SubReason.KAFKA_AWAY, SubReason.NOT_ASKED, SubReason.NOT_SAID, SubReason.TOPICS),
    Verdict.LOST: (SubReason.EXPIRED, SubReason.LOG_SHORTENED, SubReason.NOTED),
    Verdict.PAUSED: (SubReason.BY_OPERATOR, SubReason.MAINTENANCE, SubReason.CLOSED),
    Verdict.DOWN: (SubReason.KILLED, SubReason.STOPPED, SubReason.NEVER_STARTED, SubReason.NO_MEMBERS),
}


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_a_section(verdict: Verdict) -> None:
    """At the anchor that the judge names, with each reason that it tells apart."""
    reasons = REASONS.get(verdict, ())
    if verdict is Verdict.STUCK:
        reasons = tuple(set(SubReason) - {reason for known in REASONS.values() for reason in known})
    assert [reason for reason in reasons if f"`{reason}`" not in SECTIONS[verdict.value]] == []


def test_what_stands_beside_a_verdict_has_a_section() -> None:
    """At the anchors that the judge names for it."""
    assert set(judge._PLACES.values()) <= SECTIONS.keys()


def test_links_within_the_page_lead_somewhere() -> None:
    """Every anchor that the page names is on it."""
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= SECTIONS.keys()


def test_commands_of_the_page_are_found() -> None:
    """Those in its blocks, which `tests/kafka/test_on_call.py` gives."""
    assert len(commands(PAGE)) > 20
