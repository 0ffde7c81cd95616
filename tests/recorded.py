"""What the watch said in a real run, kept for tests that need no Kafka."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from consumers.watch.model import Judgement


@dataclass(frozen=True, slots=True)
class Recorded:
    """The judgements of one look that have one cause."""

    at: datetime
    judgements: tuple[Judgement, ...]


_ADAPTER: Final = TypeAdapter(Recorded)


def save(recorded: Recorded, path: Path) -> None:
    """Write it as JSON."""
    path.write_bytes(_ADAPTER.dump_json(recorded, indent=1, exclude_defaults=True) + b"\n")


def load(path: Path) -> Recorded:
    """What `save` wrote."""
    return _ADAPTER.validate_json(path.read_bytes())
