"""Adapters and twins by the name of their office. They come from entry-point groups, of this package or another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from inspect import getfile
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from adapters.interface import Adapter, AnswersLater
from schemas import problems, validation_errors
from schemas.errors import UsageError
from schemas.yamllines import PathStep

Place = Callable[[Sequence[PathStep]], str]
ADAPTERS: Final = "stadtbus.adapters"
TWINS: Final = "stadtbus.twins"


def names(group: str = ADAPTERS) -> list[str]:
    """Offices that have an adapter, or a twin, sorted."""
    return sorted(entry_points(group=group).names)


def folder(office: str) -> Path:
    """Where the adapter of an office lies: its module, and beside it `mapping.yaml` and `samples/`.

    Raises:
        UsageError: office-unknown, plug-in-broken.

    """
    return Path(getfile(load(ADAPTERS, office))).parent


def connect(office: str, settings: Mapping[str, object]) -> Adapter:
    """The adapter of an office, made with its settings; call it inside the event loop that will use it.

    Raises:
        UsageError: as `check`.

    """
    adapter: Adapter = load(ADAPTERS, office)(check(office, settings))
    _refuse_earlier_names(adapter, office)
    return adapter


def check(office: str, settings: Mapping[str, object], place: Place | None = None) -> BaseModel:
    """The settings of an office's adapter, valid. `place` says where a setting stands, by its keys from the top.

    Raises:
        UsageError: office-unknown, naming the known ones; plug-in-broken; settings-invalid, naming the field.

    """
    _refuse_earlier_names(load(ADAPTERS, office), office)
    try:
        return settings_model(office).model_validate(settings)
    except ValidationError as error:
        fault = validation_errors.sentences(error, settings_model(office))[0]
        where = f", {place(('offices', *office.split('.', 1), *fault.path))}" if place else ""
        raise UsageError(problems.SETTINGS, str(fault), where=f"offices.{office}{where}") from None


def settings_model(office: str) -> type[BaseModel]:
    """What the adapter of an office wants to be told.

    Raises:
        UsageError: office-unknown.

    """
    model: type[BaseModel] = load(ADAPTERS, office).Settings
    return model


def adapter_class(office: str) -> type[Adapter]:
    """What the adapter of an office is made by.

    Raises:
        UsageError: office-unknown, plug-in-broken.

    """
    made: type[Adapter] = load(ADAPTERS, office)
    return made


def answers_later(office: str) -> bool:
    """Whether the back office decides after the hand-over.

    Raises:
        UsageError: office-unknown.

    """
    return issubclass(load(ADAPTERS, office), AnswersLater)


def _refuse_earlier_names(adapter: object, office: str) -> None:
    """Refuse an adapter, or its class, that is written for an earlier version: the limit that it names would be ignored without a word.

    Raises:
        UsageError: plug-in-broken.
    """
    if hasattr(adapter, "at_once"):
        raise UsageError(problems.PLUG_IN_BROKEN, "its adapter has 'at_once', which is called 'max_concurrency' now", where=office)


def load(group: str, office: str) -> Any:
    """What the entry point of an office in `ADAPTERS` or `TWINS` names: a class.

    Raises:
        UsageError: office-unknown, naming the known ones; plug-in-broken.

    """
    found = tuple(entry_points(group=group, name=office))
    if not found:
        raise UsageError(problems.OFFICE_UNKNOWN, f"no entry point '{office}' in {group}; known: {', '.join(names(group))}")
    if len(found) > 1:
        raise UsageError(problems.PLUG_IN_BROKEN, f"'{office}' of {group} is in more than one package: {', '.join(map(_origin, found))}")
    try:
        return found[0].load()
    except (ImportError, AttributeError, SyntaxError) as error:
        raise UsageError(problems.PLUG_IN_BROKEN, f"{found[0].value} cannot be loaded: {error}", where=_origin(found[0])) from None


def _origin(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.value
