"""The fuzzers' invariants on seeds that are damaged at random, for a few seconds; `make fuzz` looks longer, guided by coverage."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import targets


@st.composite
def damaged(draw: st.DrawFn, target: str) -> bytes:
    """A seed whose form is kept while its content changes; of every third also pieces are cut out, repeated or replaced."""
    body = targets.CHANGES[target](draw(st.sampled_from(targets.seeds(target))), draw(st.randoms(use_true_random=False)))
    for _ in range(draw(st.sampled_from([0, 0, 1]))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 60)))
        piece = draw(
            st.one_of(st.just(body[start:end] * 2), st.binary(max_size=8), st.sampled_from([b"<", b"&", b"]]>", b"\xff", b"{", b": "]))
        )
        body = body[:start] + piece + body[end:]
    return body


@pytest.mark.parametrize("target", targets.TARGETS)
def test_damaged_input_does_no_harm(target: str) -> None:
    """Whatever comes, only documented errors do, soon, and without a value of the input."""

    @settings(max_examples=60 if target == "mapping" else 200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(damaged(target))
    def judge(body: bytes) -> None:
        targets.once(target, body)

    judge()
