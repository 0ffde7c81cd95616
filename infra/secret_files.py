"""Secrets of settings: each may stand in a file of its own, and none leaves its model by accident.

A secret is a field of the type `SecretStr`. Beside each such field `name` a page or the environment may have `name_file`, the path of a
file that holds the value, as Docker, Kubernetes and systemd hand secrets over (`/run/secrets/database`).
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError, to_jsonable_python

SUFFIX: Final = "_file"
_LONGEST_BYTES: Final = 64 * 1024


class _Unusable(ValueError):
    """Why a file gives no secret; the text has its path, and nothing of what it holds."""


def secrets_of(fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    """The names of the secrets among the fields of a model."""
    return (name for name, field in fields.items() if SecretStr in (field.annotation, *get_args(field.annotation)))


def read_into(fields: Mapping[str, FieldInfo], given: Mapping[str, Any], model: str) -> dict[str, Any]:
    """What was given for a model, with the contents of files in the place of their names. Reads the files. A model that has a field `name_file`
    of its own reads that one itself, for example again and again.

    Raises:
        ValidationError: at `name_file`: there are both value and file, or the file cannot be used.
    """
    read, wrong = dict(given), []
    for name in secrets_of(fields):
        if name + SUFFIX in fields or (path := read.pop(name + SUFFIX, None)) is None:
            continue
        try:
            read[name] = _instead_of(read.get(name), name, path)
        except _Unusable as error:
            kind = PydanticCustomError("value_error", "{error}", {"error": str(error)})
            wrong.append(InitErrorDetails(type=kind, loc=(name + SUFFIX,), input=None))
    if wrong:
        raise ValidationError.from_exception_data(model, wrong)
    return read


def _instead_of(value: object, name: str, path: object) -> SecretStr:
    if value is not None:
        raise _Unusable(f"there is '{name}' too, in the file of settings or in the environment: leave one of them out")
    return SecretStr(content(path))


def content(path: object) -> str:
    """The secret in a file: its text, without the line end behind it.

    Raises:
        _Unusable: with the path and what is wrong with it.
    """
    if not isinstance(path, str | Path) or "\0" in str(path):
        raise _Unusable("expected the path of a file")
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # whoever opens a pipe waits for its writer
            raise _Unusable(f"{path} is no file")
        with Path(path).open("rb") as file:
            text = file.read(_LONGEST_BYTES + 1).decode()
    except OSError as error:
        raise _Unusable(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _Unusable(f"{path} is not UTF-8") from None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret or len(text) > _LONGEST_BYTES:
        raise _Unusable(f"{path} is {'longer than a secret can be' if secret else 'empty'}")
    return secret


def with_secrets(settings: BaseModel) -> dict[str, Any]:
    """Settings as JSON has them, secrets readable: for the file of settings that a process of ours writes for its own processes."""
    return cast("dict[str, Any]", _plain(settings.model_dump()))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value.get_secret_value() if isinstance(value, SecretStr) else to_jsonable_python(value, fallback=str)
