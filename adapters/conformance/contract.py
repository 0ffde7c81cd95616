"""The conformance suite for pytest.

A subclass names the office, and is all that a package with an adapter needs:

class TestRegensburgGewerbe(AdapterContract):
    office = "regensburg.gewerbe"
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest

from adapters.conformance import CHECKS, run


class AdapterContract:
    """A test per check."""

    office: ClassVar[str]

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_conformance(self, check: Any) -> None:
        """The adapter keeps what every adapter promises."""
        verdict = asyncio.run(run(check, self.office))
        assert not verdict.broken, f"{verdict.title} But: {verdict.broken}"  # noqa: S101 - what tests are made of
