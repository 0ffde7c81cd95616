"""What somebody may use: never more than the rate and one window's worth, and never less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import token_bucket
from infra.token_bucket import WINDOW_S, TokenBucket


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_worth_of_a_window_at_once_then_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst is taken; then one more for each part of a second, and never more than a window's worth is kept."""
    clock = Clock()
    monkeypatch.setattr(token_bucket, "_now", clock)
    bucket = TokenBucket(4)
    assert (bucket.left(), bucket.wait_s()) == (40, 0)
    bucket.charge(40)
    assert (bucket.left(), bucket.wait_s()) == (0, 0.25)
    clock.now_s += 0.25
    assert (bucket.left(), bucket.wait_s()) == (1, 0)
    clock.now_s += 3600
    assert bucket.left() == 4 * WINDOW_S


def test_a_debt_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was used beyond what was there has to come in before anything is left."""
    clock = Clock()
    monkeypatch.setattr(token_bucket, "_now", clock)
    bucket = TokenBucket(10)
    bucket.charge(150)
    assert (bucket.left(), bucket.wait_s()) == (0, 5.1)
    clock.now_s += 5
    assert bucket.left() == 0
    clock.now_s += 0.2
    assert bucket.left() == 2


@given(st.integers(1, 1_000), st.lists(st.tuples(st.floats(0, 20), st.integers(0, 50)), max_size=60))
def test_never_more_than_rate_and_window(rate: int, steps: list[tuple[float, int]]) -> None:
    """However calls are spread, a window's worth and the rate are the most; whoever has waited as told is granted one."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_bucket, "_now", clock)
        bucket, began_s, granted = TokenBucket(rate), clock.now_s, 0
        for wait_s, calls in steps:
            clock.now_s += wait_s
            for _ in range(calls):
                if bucket.wait_s() == 0:
                    bucket.charge(1)
                    granted += 1
            assert granted <= rate * (WINDOW_S + clock.now_s - began_s) + 1e-6
        clock.now_s += bucket.wait_s() + 1e-9
        assert bucket.wait_s() == pytest.approx(0, abs=1e-6)
