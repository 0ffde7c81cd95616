"""The two portals of the attack, with the rights that each has, and what they send; both processes make the same of it."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from producers.synthetic import messages
from producers.synthetic.messages import Message
from producers.synthetic.permits import Genuine
from producers.synthetic.rights import page_of, write_page
from schemas import catalogue
from schemas.catalogue import Route
from schemas.message import Application, Authority

RESIDENCE: Final = "muenchen.meldewesen"
TRADE: Final = "muenchen.gewerbe"
BUILDING: Final = "nuernberg.bau"
OFFICES: Final = (RESIDENCE, TRADE, BUILDING)
HONEST: Final = Authority(key="kop:99990001", name="Redliches Portal")
HOSTILE: Final = Authority(key="kop:99990002", name="Feindliches Portal")
SHARE: Final = 0.02
"""Of all ids those that a twin in a bad mood means: the honest portal sends none of them."""
_START: Final = datetime.fromisoformat("2026-01-05T07:30:00.000+01:00")
CATALOGUE: Final = catalogue.load()


def route_of(office: str) -> Route:
    """What a portal sends there."""
    return CATALOGUE.routes_of(office)[0]


def write_pages(folder: Path, tokens: dict[Authority, str]) -> None:
    """Pages with rights to all three offices for both."""
    for author, token in tokens.items():
        name = "honest" if author == HONEST else "hostile"
        write_page(folder, name, page_of(author, token, [route_of(office) for office in OFFICES], CATALOGUE))


def applications(author: Authority, office: str, *, seed: int = 1) -> Iterator[Message]:
    """An endless stream of valid ones; the same arguments give the same stream, ids included."""
    every = messages.messages(route_of(office), author, seed=seed, start=_START)
    return (one for one in every if isinstance(one, Application | Genuine))


def honest(office: str) -> Iterator[Message]:
    """What the honest portal sends there."""
    return (one for one in applications(HONEST, office) if not is_meant(str(one.message_id)))


def meant(office: str, count: int, seed: int) -> Iterator[Message]:
    """So many of the hostile portal that a twin in a bad mood means."""
    return itertools.islice((one for one in applications(HOSTILE, office, seed=seed) if is_meant(str(one.message_id))), count)


def is_meant(submission_id: str) -> bool:
    """Whether a twin in a bad mood (`share` of `SHARE`) means this submission; as `Book.mood_towards` chooses."""
    return zlib.crc32(f"0 {submission_id}".encode()) < SHARE * 2**32
