"""Recorded samples of a mapping: messages, and beside each (`NAME.expected.*` for `NAME.xml`) the document that has to come of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from adapters.interface import Submission
from adapters.mapping.mapping import Mapping
from schemas import xml
from schemas.errors import Refused

ACCEPTED_AT: Final = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
"""When every sample was accepted."""
_EXPECTED: Final = ".expected."


def recorded(folder: Path) -> dict[Path, Path]:
    """Each message of a folder with its expected document, in order of names; messages without one are left out."""
    expected = {path.name.partition(_EXPECTED)[0]: path for path in folder.glob(f"*{_EXPECTED}*")}
    messages = sorted(path for path in folder.glob("*.xml") if _EXPECTED not in path.name)
    return {path: expected[path.stem] for path in messages if path.stem in expected}


def submission(path: Path) -> Submission:
    """A sample as an adapter gets it: the ids are those in the message.

    Raises:
        Rejected: it is no XML.
        ValueError: it is no message of ours.
    """
    body = path.read_bytes()
    root = xml.parse(body)
    message_id = root.findtext("nachrichtenkopf.g2g/identifikation.nachricht/nachrichtenUUID", "")
    return Submission(UUID(message_id), UUID(root.findtext("antragsidentifikation", "")), "", ACCEPTED_AT, body, root)


def record(mapping: Mapping, folder: Path) -> list[Path]:
    """Write beside every message of a folder the document that comes of it now; those that are written.

    Raises:
        Refused: a message of which no document comes; those before it are written.
    """
    written = []
    for path in sorted(path for path in folder.glob("*.xml") if _EXPECTED not in path.name):
        document = mapping.document(submission(path))
        for old in folder.glob(f"{path.stem}{_EXPECTED}*"):
            old.unlink()
        written.append(path.with_name(f"{path.stem}{_EXPECTED}{Path(document.name).suffix[1:]}"))
        written[-1].write_bytes(document.content)
    return written


def differing(mapping: Mapping, folder: Path) -> Iterator[Path]:
    """The samples of which something else comes than expected."""
    for message, expected in recorded(folder).items():
        try:
            content = mapping.document(submission(message)).content
        except Refused:
            content = b""
        if content != expected.read_bytes():
            yield message
