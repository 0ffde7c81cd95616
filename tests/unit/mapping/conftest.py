"""A mapping made of its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.mapping import Mapping


@pytest.fixture
def mapping(tmp_path: Path) -> Any:
    """Loads a mapping from its parts."""

    def load(document: dict[str, Any], **parts: Any) -> Mapping:
        page = tmp_path / "mapping.yaml"
        page.write_text(yaml.safe_dump({"target": {"format": "json"}, "document": document} | parts, sort_keys=False), encoding="utf-8")
        return Mapping.load(page)

    return load
