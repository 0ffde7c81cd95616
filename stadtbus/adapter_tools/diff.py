"""`stadtbus adapter diff`: what a changed mapping changes on the recorded samples."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from adapters.conformance import bench
from adapters.interface import Submission
from adapters.mapping import Mapping
from schemas.errors import DeliveryFailure
from stadtbus.adapter_tools.translation import mapping_of, readable, submission_from


@dataclass(frozen=True, slots=True)
class SampleDiff:
    """What a changed mapping changes on one sample, a file name: lines of a unified diff, none where nothing changes."""

    sample: str
    lines: tuple[str, ...]


def diff(office: str, old: Path) -> list[SampleDiff]:
    """Every recorded sample, translated by an old mapping and by the adapter's own.

    Raises:
        UsageError: office-unknown, mapping-missing, or a mapping that cannot be loaded.
        Rejected: a sample is no message.
    """
    before, after = Mapping.load(old), mapping_of(office)
    return [_sample_diff(before, after, path.name, submission_from(path, office)) for path in bench.sample_paths(office)]


def _sample_diff(before: Mapping, after: Mapping, sample: str, submission: Submission) -> SampleDiff:
    old, new = _text(before, submission), _text(after, submission)
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "before", "after", lineterm="")
    return SampleDiff(sample, tuple(lines))


def _text(mapping: Mapping, submission: Submission) -> str:
    try:
        return readable(mapping.document(submission))
    except DeliveryFailure as failure:
        return f"refused: {failure.reason}"
