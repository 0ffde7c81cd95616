"""Recorded samples of a mapping: messages, and beside each what has to come of it.

That is a document, `NAME.expected.*` for `NAME.xml`, or a refusal on purpose: `NAME.refused.txt` with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from adapters.interface import Submission
from adapters.mapping.mapping import Mapping
from schemas import problems, xml
from schemas.errors import Refused, Rejected, UsageError

ACCEPTED_AT: Final = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
"""When every sample was accepted."""
_EXPECTED: Final = ".expected."
_REFUSED: Final = ".refused.txt"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of a sample: the file that was written, or none where the sample is no message. `wrong` says what is to be looked at."""

    sample: Path
    written: Path | None
    wrong: str = ""


def messages(folder: Path) -> list[Path]:
    """The messages of a folder, in order of names."""
    return sorted(path for path in folder.glob("*.xml") if _EXPECTED not in path.name)


def recorded(folder: Path) -> dict[Path, Path]:
    """Each message of a folder with what is expected of it, in order of names; messages of which nothing is are left out."""
    expected = {path.name.partition(_EXPECTED)[0]: path for path in folder.glob(f"*{_EXPECTED}*")}
    expected |= {path.name.removesuffix(_REFUSED): path for path in folder.glob(f"*{_REFUSED}")}
    return {path: expected[path.stem] for path in messages(folder) if path.stem in expected}


def refused_on_purpose(message: Path) -> bool:
    """Whether a refusal is recorded for a message."""
    return message.with_name(f"{message.stem}{_REFUSED}").exists()


def submission(path: Path) -> Submission:
    """A sample as an adapter gets it: the ids are those in the message.

    Raises:
        UsageError: sample-unreadable, naming the file.
    """
    body = read(path)
    root = xml.parse(body)
    message_id = root.findtext("nachrichtenkopf.g2g/identifikation.nachricht/nachrichtenUUID", "")
    try:
        return Submission(UUID(message_id), UUID(root.findtext("antragsidentifikation", "")), "", ACCEPTED_AT, body, root)
    except ValueError:
        raise UsageError(problems.SAMPLE_UNREADABLE, "it lacks the id of the message or of the case", where=str(path)) from None


def read(path: Path) -> bytes:
    """The bytes of a sample.

    Raises:
        UsageError: sample-unreadable, naming the file; it is no XML that a portal could send.
    """
    body = path.read_bytes()
    try:
        xml.parse(body)
    except Rejected as error:
        raise UsageError(problems.SAMPLE_UNREADABLE, f"{error.problem.title}: {error.where or error.detail}", where=str(path)) from None
    return body


def record(mapping: Mapping, folder: Path) -> list[Recorded]:
    """Write beside every message of a folder what comes of it now, whatever comes of the others."""
    return [_record(mapping, path) for path in messages(folder)]


def _record(mapping: Mapping, path: Path) -> Recorded:
    try:
        name, content = _outcome(mapping, submission(path))
    except UsageError as error:
        return Recorded(path, None, error.detail)
    before = {
        old: old.read_bytes() for pattern in (f"{path.stem}{_EXPECTED}*", f"{path.stem}{_REFUSED}") for old in path.parent.glob(pattern)
    }
    written = path.with_name(f"{path.stem}{name}")
    for old in before:
        old.unlink()
    written.write_bytes(content)
    new_refusal = name == _REFUSED and before.get(written) != content
    return Recorded(path, written, f"refused: {content.decode().strip()}" if new_refusal else "")


def differing(mapping: Mapping, folder: Path) -> Iterator[Path]:
    """The samples of which something else comes than expected."""
    for message, expected in recorded(folder).items():
        name, content = _outcome(mapping, submission(message))
        if expected.name != f"{message.stem}{name}" or content != expected.read_bytes():
            yield message


def _outcome(mapping: Mapping, one: Submission) -> tuple[str, bytes]:
    """The end of the file's name, and what has to stand in it."""
    try:
        document = mapping.document(one)
    except Refused as refusal:
        return _REFUSED, f"{refusal.reason}\n".encode()
    return f"{_EXPECTED}{Path(document.name).suffix[1:]}", document.content
