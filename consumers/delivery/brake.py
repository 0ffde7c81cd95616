"""What keeps refusals of one portal, or of one cause, from becoming everybody's matter (docs/decisions/0024).

A *series* is what is refused again and again while nothing of it gets through: of one portal, of one cause, or of the whole office. A series
that is *held* is tried out by one record now and then, after a pause that doubles; whatever is not of it goes on:

| held                     | when                                                             | what waits                                        |
|--------------------------|------------------------------------------------------------------|---------------------------------------------------|
| a portal                 | `brake_in_a_row` of it in a row, or `brake_share` of its recent  | what would be one more dead letter of it, parked  |
| a portal and one cause   | the same, where all of them have one cause                       | the same, of that cause                           |
| one cause                | `brake_in_a_row` in a row, of several portals, all of that cause | the same, of whatever portal                      |
| the office               | two portals are held, and nothing was delivered in between       | the records of those portals, where they stand    |

Only counters are kept, of so many portals and causes and no more: whoever makes some up adds nothing.

Pure: times come from outside (monotonic, in s), but for `since`, which is for people. No method blocks or raises.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Final, NamedTuple

from consumers.settings import DeliverySettings

OTHER_PORTALS: Final = "(other portals)"
OTHER_CAUSES: Final = "(other causes)"
MOST_PORTALS: Final = 500
MOST_CAUSES: Final = 20
"""Of one portal."""
SHARE_OF_ROOM: Final = 10
"""A held portal parks a tenth of what may be in flight: the retry topic is read within that room, and other portals' records lie there, too."""
LOOK_S: Final = 2.0
"""How long a record of a held series waits at most before it is looked at again: so soon it goes on when an operator has released it."""
SEVERAL: Final = 2
"""Portals that say more of the office than of themselves."""
_LEAST_WINDOW: Final = 20
"""A share of fewer records than these says nothing."""


class SeriesName(NamedTuple):
    """Which series: of a portal, of a cause, of both; of the whole office where neither is said."""

    portal: str | None = None
    cause: str | None = None
    """The fingerprint of its dead letters, as the desk shows it."""


OFFICE: Final = SeriesName()
"""The whole office."""


class Keep(Enum):
    """What a record that was refused for good comes to."""

    DEAD = "dead"
    PARK = "park"
    """Its series is held: it waits in the retry topic."""
    STAY = "stay"
    """The office is held: it waits where it is."""


class Room:
    """So many records, and so many bytes of them."""

    def __init__(self, settings: DeliverySettings, share: int) -> None:
        """`share` is by how much what may be in flight is divided."""
        self._most = max(1, settings.in_flight // share)
        self._most_bytes = settings.in_flight_bytes // share
        self._count = self._bytes = 0

    @property
    def left(self) -> bool:
        """Whether there is room for one more."""
        return self._count < self._most and self._bytes < self._most_bytes

    def take(self, size_bytes: int) -> None:
        """One more is in it, whether there was room or not."""
        self._count += 1
        self._bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """One of them is gone."""
        self._count -= 1
        self._bytes -= size_bytes


class Hold:
    """A series that is held: why, since when, and when it is tried out."""

    def __init__(self, name: SeriesName, reason: str, settings: DeliverySettings, now_s: float) -> None:
        self.name = name
        self.reason = reason
        self.since = datetime.now(UTC).isoformat(timespec="seconds")
        self._settings = settings
        self._pauses = 0
        self._probing = False
        self._probe_at_s = 0.0
        self.put_off(now_s)

    def put_off(self, now_s: float) -> None:
        """The next record may try it out after a pause, twice as long each time."""
        self._pauses += 1
        self._probe_at_s = now_s + self._settings.backoff_s(self._pauses)

    def begin_probe(self, now_s: float) -> float:
        """0 for the record that tries it out now, until `end_probe`; for the others how long they wait before they ask again."""
        if self._probing:
            return LOOK_S
        if now_s < self._probe_at_s:
            return min(LOOK_S, self._probe_at_s - now_s)
        self._probing = True
        return 0.0

    def end_probe(self) -> None:
        """The record that tried it out has come to something, or is somebody else's now."""
        self._probing = False


class _Source:
    """What is known of one portal: its refusals since its last delivery, and its recent submissions."""

    def __init__(self, settings: DeliverySettings) -> None:
        self._settings = settings
        self.in_a_row = 0
        self.causes: Counter[str] = Counter()
        self.recent: deque[bool] = deque(maxlen=settings.brake_window)
        self.parked = Room(settings, SHARE_OF_ROOM)
        """Its records that were parked since a series of it is held."""

    def note_refused(self, cause: str) -> None:
        known = cause in self.causes or len(self.causes) < MOST_CAUSES
        self.causes[cause if known else OTHER_CAUSES] += 1
        self.in_a_row += 1
        self.recent.append(True)

    def note_delivered(self) -> None:
        self.in_a_row = 0
        self.causes.clear()
        self.recent.append(False)

    def forget(self) -> None:
        self.note_delivered()
        self.recent.clear()
        self.parked = Room(self._settings, SHARE_OF_ROOM)

    @property
    def only_cause(self) -> str | None:
        """The one cause of all its refusals in a row; None where there are several, or too many to know."""
        return next(iter(self.causes)) if len(self.causes) == 1 else None


class Brake:
    """The series of one office. Delivery tells it how each submission has come out, and asks which records wait, and what one more refusal comes to."""

    def __init__(self, settings: DeliverySettings) -> None:
        self._settings = settings
        self._sources: dict[str, _Source] = {}
        self._row: Counter[str] = Counter()
        """Refusals since anything was delivered, by cause; from the second cause on they are only several."""
        self._row_portals: set[str] = set()
        """Whose they are."""
        self._holds: dict[SeriesName, Hold] = {}

    @property
    def held(self) -> Sequence[Hold]:
        """The series that are held, the office first."""
        return sorted(self._holds.values(), key=lambda hold: hold.name != OFFICE)

    @property
    def office(self) -> Hold | None:
        """The office, where all of it is held."""
        return self._holds.get(OFFICE)

    # --- what has come out

    def note_delivered(self, portal: str) -> list[Hold]:
        """A submission of this portal was delivered, which opens what is held of it, of several portals, and of the office. What was opened."""
        self._source(portal).note_delivered()
        if self._row:
            self._row.clear()
            self._row_portals.clear()
        return self._open(self._concerning(portal)) if self._holds else []

    def note_refused(self, portal: str, cause: str, now_s: float, probe: Hold | None = None) -> Hold | None:
        """A submission of this portal was refused for good, and is a dead letter, or parked; `probe` is what it has tried out. The series that is
        held from now on because of it.
        """
        source = self._source(portal)
        source.note_refused(cause)
        self._row[cause if cause in self._row or not self._row else OTHER_CAUSES] += 1
        self._row_portals.add(self._known(portal))
        if probe is not None:
            probe.put_off(now_s)
        return self._hold_source(portal, source, now_s) or self._hold_cause(now_s) or self._hold_office(now_s)

    def note_parked(self, portal: str, size_bytes: int) -> None:
        """A record is parked, for whatever reason: it takes the room of its portal, where a series of it is held."""
        if self.holds(portal):
            self._source(portal).parked.take(size_bytes)

    def forget_probes(self) -> None:
        """What tries something out belongs to another process now: the next record does, when it is time."""
        for hold in self._holds.values():
            hold.end_probe()

    def release(self, name: SeriesName) -> list[Hold]:
        """An operator opens what is held: all of it, or what is of this portal, of this cause, or of both. What was opened."""
        wanted = [hold for one, hold in self._holds.items() if name.portal in (None, one.portal) and name.cause in (None, one.cause)]
        if wanted:
            self._row.clear()
            self._row_portals.clear()
        return self._open(wanted)

    # --- what is asked before an attempt, and after a refusal

    def holding(self, portal: str, *, parked: bool) -> Hold | None:
        """What a record of this portal has to try out before it is attempted, or to wait for; `parked`: it was parked because a series was held."""
        if not self._holds:
            return None
        if parked and (series := self._series_of(portal)):
            return series[0]
        return self.office if any(hold.name.portal is not None for hold in self._concerning(portal)) else None

    def keeps(self, portal: str, cause: str) -> Keep:
        """What one more refusal of this portal for this cause comes to, if it has tried nothing out. Asking changes nothing."""
        if not self._holds:
            return Keep.DEAD
        if self.holding(portal, parked=False) is not None:
            return Keep.STAY
        held = any(hold.name.cause in (None, cause) for hold in self._series_of(portal))
        return Keep.PARK if held and self.has_room(portal) else Keep.DEAD

    def has_room(self, portal: str) -> bool:
        """Whether one more record of the portal may be parked because a series of it is held; always where none is."""
        return not self.holds(portal) or self._source(portal).parked.left

    def holds(self, portal: str) -> bool:
        """Whether a series is held that records of this portal can belong to."""
        return bool(self._holds) and bool(self._series_of(portal))

    # --- counting

    def _known(self, portal: str) -> str:
        return portal if portal in self._sources or len(self._sources) < MOST_PORTALS else OTHER_PORTALS

    def _source(self, portal: str) -> _Source:
        source = self._sources.get(portal)
        if source is None:
            source = self._sources.setdefault(self._known(portal), _Source(self._settings))
        return source

    def _concerning(self, portal: str) -> list[Hold]:
        known = self._known(portal)
        return [hold for name, hold in self._holds.items() if name.portal in (None, known)]

    def _series_of(self, portal: str) -> list[Hold]:
        return [hold for hold in self._concerning(portal) if hold.name != OFFICE]

    # --- holding and opening

    def _hold_source(self, portal: str, source: _Source, now_s: float) -> Hold | None:
        known = self._known(portal)
        if any(name.portal == known for name in self._holds):
            return None
        if source.in_a_row >= (self._settings.brake_in_a_row if self.office is None else 1):
            return self._hold(SeriesName(known, source.only_cause), f"{source.in_a_row} refused in a row", now_s)
        share, enough = sum(source.recent) / len(source.recent), len(source.recent) >= min(_LEAST_WINDOW, self._settings.brake_window)
        if enough and share > self._settings.brake_share:
            return self._hold(SeriesName(known), f"{share:.0%} of the last {len(source.recent)} refused", now_s)
        return None

    def _hold_cause(self, now_s: float) -> Hold | None:
        cause, count = next(iter(self._row.items()))
        name = SeriesName(None, cause)
        alone = len(self._row) > 1 or len(self._row_portals) < SEVERAL
        if alone or count < self._settings.brake_in_a_row or name in self._holds:
            return None
        return self._hold(name, f"{count} refused in a row, of {len(self._row_portals)} portals", now_s)

    def _hold_office(self, now_s: float) -> Hold | None:
        portals = self._row_portals & {name.portal for name in self._holds}
        if self.office is not None or len(portals) < SEVERAL:
            return None
        return self._hold(OFFICE, f"{self._row.total()} refused in a row, and {len(portals)} portals are held", now_s)

    def _hold(self, name: SeriesName, reason: str, now_s: float) -> Hold:
        hold = self._holds[name] = Hold(name, reason, self._settings, now_s)
        return hold

    def _open(self, holds: Iterable[Hold]) -> list[Hold]:
        opened = list(holds)
        for hold in opened:
            del self._holds[hold.name]
            for portal, source in self._sources.items():
                if hold.name.portal in (None, portal):
                    source.forget()
        return opened
