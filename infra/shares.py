"""A capacity that many share, of which nobody can take the rest away from the others (docs/decisions/0023)."""

from __future__ import annotations

from collections import Counter


class Shares:
    """So many places, bytes or rows. Whoever holds less than what is free may take more: alone that is half of all, two get a third
    each, and whoever comes then still finds room, however few there are who take all that they can get.

    What is taken at a time should be small beside the limit. Blocks never, and belongs to one thread.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: Counter[str] = Counter()
        self._free = limit

    def take(self, who: str, amount: int = 1) -> bool:
        """Take so much, if there is room for this one; False where it has its share, or there is not so much left."""
        if self._held[who] >= self._free or amount > self._free:
            return False
        self._held[who] += amount
        self._free -= amount
        return True

    def give_back(self, who: str, amount: int = 1) -> None:
        """Give back what was taken."""
        self._free += amount
        self._held[who] -= amount
        if self._held[who] <= 0:
            del self._held[who]

    def held(self, who: str) -> int:
        """How much this one holds."""
        return self._held.get(who, 0)
