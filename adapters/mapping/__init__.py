"""Mappings: a page of YAML and XPath says what a back office gets of a message."""

from adapters.mapping.mapping import Mapping

__all__ = ["Mapping"]
