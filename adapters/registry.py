"""Adapters by the name of their office. They come from the entry-point group `stadtbus.adapters`, of this package or another."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from adapters.interface import Adapter
from schemas import errors
from schemas.errors import UsageError

GROUP: Final = "stadtbus.adapters"


def names() -> list[str]:
    """Offices that have an adapter, sorted."""
    return sorted(entry_points(group=GROUP).names)


def connect(office: str, settings: Mapping[str, object]) -> Adapter:
    """The adapter of an office, made with its settings; call it inside the event loop that will use it.

    Raises:
        UsageError: as `check`.

    """
    adapter: Adapter = _adapter_class(office)(check(office, settings))
    return adapter


def check(office: str, settings: Mapping[str, object]) -> BaseModel:
    """The settings of an office's adapter, valid.

    Raises:
        UsageError: office-unknown, naming the known ones; settings-invalid, naming the field.

    """
    try:
        return settings_model(office).model_validate(settings)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise UsageError(errors.SETTINGS, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", where=f"offices.{office}") from None


def settings_model(office: str) -> type[BaseModel]:
    """What the adapter of an office wants to be told.

    Raises:
        UsageError: office-unknown.

    """
    model: type[BaseModel] = _adapter_class(office).Settings
    return model


def _adapter_class(office: str) -> Any:
    found = entry_points(group=GROUP, name=office)
    if not found:
        raise UsageError(errors.OFFICE_UNKNOWN, f"no adapter for '{office}'; known: {', '.join(names())}")
    return found[office].load()
