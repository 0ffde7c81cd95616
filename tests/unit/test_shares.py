"""Of what many share nobody can take the rest away from the others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infra.shares import Shares


def fill(shares: Shares, who: str, amount: int = 1) -> int:
    """Take as often as there is room, and say how much that was."""
    before = shares.held(who)
    while shares.take(who, amount):
        pass
    return shares.held(who) - before


def test_whoever_comes_later_finds_room() -> None:
    """One alone gets half, the next a quarter, and so on; each finds less, and none finds nothing."""
    shares = Shares(64)
    assert [fill(shares, f"flood {number}") for number in range(5)] == [32, 16, 8, 4, 2]
    assert shares.take("honest")


def test_what_is_given_back_is_there() -> None:
    """Giving back makes room for all again."""
    shares = Shares(8)
    assert (fill(shares, "a"), fill(shares, "b")) == (4, 2)
    shares.give_back("a", 4)
    assert (shares.held("a"), fill(shares, "b"), fill(shares, "c")) == (0, 2, 2)


def test_the_smallest() -> None:
    """Of one place everybody may take it, and nobody has two."""
    shares = Shares(1)
    assert (fill(shares, "a"), fill(shares, "b")) == (1, 0)
    shares.give_back("a")
    assert fill(shares, "b") == 1


@given(st.integers(64, 1_000), st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-4, 4)), max_size=300))
def test_never_more_than_all_and_always_room(limit: int, steps: list[tuple[str, int]]) -> None:
    """Whatever is taken and given back: nobody has more than half and one amount, and whoever has nothing finds room."""
    shares = Shares(limit)
    for who, amount in steps:
        if amount > 0:
            shares.take(who, amount)
        elif amount < 0:
            shares.give_back(who, min(-amount, shares.held(who)))
        held = [shares.held(one) for one in "abcd"]
        assert sum(held) <= limit
        assert max(held) <= limit / 2 + 4
    assert shares.take("honest")
