"""`stadtbus adapter record`: what the mapping makes of the samples today becomes what is expected of it."""

from __future__ import annotations

from adapters import registry
from adapters.mapping import samples
from adapters.mapping.samples import Recorded
from stadtbus.adapter_tools.translation import mapping_of


def record(office: str) -> list[Recorded]:
    """Write beside every sample of an office what its mapping makes of it.

    Raises:
        UsageError: office-unknown, mapping-missing where its adapter has none, or a mapping that cannot be loaded; then nothing is written.
    """
    return samples.record(mapping_of(office), registry.folder(office) / "samples")
