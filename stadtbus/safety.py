"""Settings that are valid and not safe: passwords that everybody knows, files that others read, clear text, real data beside tests.

`config check` tells all of it, and every process logs it when it starts. What can never be meant is refused where settings are read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, SecretStr

from adapters import registry
from infra.addresses import is_loopback
from infra.private_files import open_to_others
from infra.settings import shown_url
from schemas.errors import UsageError
from schemas.yamllines import PathStep
from stadtbus.settings import CONFIG_VARIABLE, Settings, place, read_page

if TYPE_CHECKING:
    from producers.portals.register import Register

_KNOWN_TO_ALL: Final = frozenset({"only-for-twins", "only-for-the-demo", "stadtbus", "password", "secret", "changeme", "geheim", "test"})
"""Passwords of compose.yaml and of the twins, and those that are tried first."""
_DEMO_TOKENS: Final = frozenset(
    hashlib.sha256(f"demo-portal-{city}".encode()).hexdigest() for city in ("muenchen", "augsburg", "nuernberg")
)
_WRITE: Final = 0o022
_READ: Final = 0o044


@dataclass(frozen=True, slots=True)
class Unsafe:
    """One setting that is not safe. `rule` is a stable name, `path` leads to the setting; `where` is told, where the setting leads further."""

    rule: str
    path: tuple[PathStep, ...]
    detail: str
    hint: str
    where: str = ""

    def as_dict(self) -> dict[str, str]:
        """For programs."""
        return {"rule": self.rule, "setting": ".".join(map(str, self.path)), "where": self.where, "detail": self.detail, "hint": self.hint}


@dataclass(frozen=True)
class Seen:
    """What the checks look at."""

    settings: Settings
    offices: Mapping[str, BaseModel]
    """The settings of each adapter that has some here, valid."""
    tokens: Sequence[tuple[str, str]] = ()
    """Of each token of a portal, where it stands, and its SHA-256."""
    page: Mapping[str, Any] = field(default_factory=dict)
    """The file of settings as it stands there."""
    environment: Mapping[str, str] = field(default_factory=dict)
    rights_of_others: Callable[[Path], int] = lambda _: 0
    """Which rights group and others have to a file; 0 too where there is none."""
    file: Path | None = None
    """The file of settings."""


def findings(seen: Seen) -> list[Unsafe]:
    """Everything that is not safe, in the order of the checks. Asks for nothing but what it is given."""
    return [one for check in CHECKS for one in check(seen)]


def look(settings: Settings, offices: Iterable[str], portals: Register | None = None) -> list[Unsafe]:
    """What is not safe in the settings in force, with file and line or variable. Looks at these adapters, which it loads, at the pages of these
    portals, and at the files that the settings name. An adapter whose settings are not valid is passed over: that is told where it matters.
    """
    pages = portals.pages.values() if portals else ()
    tokens = [(str(page.at("tokens", number)), token.sha256) for page in pages for number, token in enumerate(page.settings.tokens)]
    path = os.environ.get(CONFIG_VARIABLE)
    page = read_page(path).value if path else None
    environment = {name: value for name, value in os.environ.items() if name.startswith("STADTBUS_")}
    file = Path(path) if path else None
    seen = Seen(settings, dict(_valid(settings, offices)), tokens, page or {}, environment, _rights_of_others, file)
    return [replace(one, where=one.where or place(one.path)) for one in findings(seen)]


def _valid(settings: Settings, offices: Iterable[str]) -> Iterator[tuple[str, BaseModel]]:
    for office in offices:
        with suppress(UsageError):
            yield office, registry.check(office, settings.office(office))


def _rights_of_others(path: Path) -> int:
    try:
        return open_to_others(path)
    except OSError:
        return 0


# --- passwords and tokens


def _known_passwords(seen: Seen) -> Iterator[Unsafe]:
    for path, model in _models(seen):
        for name in type(model).model_fields:
            value = getattr(model, name)
            if path != ("twins",) and isinstance(value, SecretStr) and _is_known(value.get_secret_value()):
                yield Unsafe(
                    "known-password", (*path, name), "everybody knows this password", "draw one of your own; it can stand in a file (_file)"
                )


def _is_known(secret: str) -> bool:
    login = secret.partition("://")[2].rpartition("@")[0].partition(":")[2] if "://" in secret else secret
    return login.lower() in _KNOWN_TO_ALL


def _known_tokens(seen: Seen) -> Iterator[Unsafe]:
    for where, sha256 in seen.tokens:
        if sha256 in _DEMO_TOKENS:
            hint = "draw another one with `stadtbus portals token`"
            yield Unsafe("known-token", ("gateway", "portals"), "everybody knows the token of this portal", hint, where)


# --- files


def _open_files(seen: Seen) -> Iterator[Unsafe]:
    if seen.file is not None:
        rights = seen.rights_of_others(seen.file)
        if rights & _WRITE:
            yield _open("settings-open", (), seen.file, "change")
        elif rights & _READ and _holds_secret(seen):
            yield _open("settings-open", (), seen.file, "read")
    for path, file in _secret_files(seen):
        if seen.rights_of_others(file) & (_READ | _WRITE):
            yield _open("secret-open", path, file, "read or change")


def _open(rule: str, path: tuple[PathStep, ...], file: Path, what: str) -> Unsafe:
    return Unsafe(rule, path, f"other users of this machine may {what} {file}", f"chmod 600 {file}")


def _open_folders(seen: Seen) -> Iterator[Unsafe]:
    """Whoever may write to a folder puts other files into it. Files of stores are closed when they are opened (`infra.private_files`)."""
    stores = seen.settings.stores
    schemas = seen.settings.schemas
    for path, folder in (
        (("stores", "folder"), stores.folder if stores.url is None else None),
        (("schemas", "folder"), schemas.folder),
        (("schemas", "codelists"), schemas.codelists),
        (("gateway", "portals"), seen.settings.gateway.portals),
        (("catalogue",), seen.settings.catalogue),
    ):
        if folder is not None and seen.rights_of_others(folder) & _WRITE:
            yield Unsafe("folder-open", path, f"other users of this machine may write to {folder}", f"chmod go-w {folder}")


def _holds_secret(seen: Seen) -> bool:
    """Whether a secret stands in the file of settings itself."""
    url = seen.settings.stores.url
    secret_names = {name for _, model in _models(seen) for name in type(model).model_fields if isinstance(getattr(model, name), SecretStr)}
    in_url = url is not None and shown_url(url.get_secret_value()) != url.get_secret_value()
    there = {step for path, _ in _leaves(seen.page) for step in path}
    return bool(there & (secret_names - {"url"})) or (in_url and "url" in seen.page.get("stores", {}))


def _secret_files(seen: Seen) -> Iterator[tuple[tuple[PathStep, ...], Path]]:
    """Files that a setting names and that hold a secret: those of `*_file`, and keys."""
    named = list(_leaves(seen.page))
    named += [(tuple(name.removeprefix("STADTBUS_").lower().split("__")), value) for name, value in seen.environment.items()]
    for path, value in named:
        name = str(path[-1])
        if (
            name.endswith(("password_file", "secret_file", "token_file", "url_file", "key_file")) or path[-2:] == ("tls", "key")
        ) and isinstance(value, str):
            yield path, Path(value)


# --- clear text, tests, copies


def _clear_text(seen: Seen) -> Iterator[Unsafe]:
    for path, model in _models(seen):
        if getattr(model, "allow_clear_text", False):
            hint = "use TLS; leave the line only where the network between the two is yours alone"
            yield Unsafe("clear-text", (*path, "allow_clear_text"), "what goes this way can be read and changed on its way", hint)


def _tests_with_real_offices(seen: Seen) -> Iterator[Unsafe]:
    real = [office for office, settings in seen.offices.items() if not _is_here(settings)]
    if seen.settings.gateway.accept_test and real:
        detail = f"messages marked as test are taken, and go to {', '.join(real)}"
        yield Unsafe("test-with-real-offices", ("gateway", "accept_test"), detail, "set it to false where back offices are real")


def _is_here(office: BaseModel) -> bool:
    """Whether a back office is on this machine, as the twins are."""
    url, host = getattr(office, "url", None), getattr(office, "host", None)
    return is_loopback(str(url.host if url is not None else host or ""))


def _one_copy(seen: Seen) -> Iterator[Unsafe]:
    kafka = seen.settings.kafka
    hosts = [address.strip().rpartition(":")[0] or address.strip() for address in kafka.bootstrap.split(",")]
    if kafka.replication == 1 and not all(map(is_loopback, hosts)):
        detail = "each record is on one disk alone, and lost with it"
        yield Unsafe("one-copy", ("kafka", "replication"), detail, "set it to 3, on a cluster of three brokers or more")


CHECKS: Final[Sequence[Callable[[Seen], Iterator[Unsafe]]]] = (
    _known_passwords, _known_tokens, _open_files, _open_folders, _clear_text, _tests_with_real_offices, _one_copy,
)  # fmt: skip


# --- walking


def _models(seen: Seen) -> Iterator[tuple[tuple[PathStep, ...], BaseModel]]:
    """Every part of the settings, with the path to it."""
    yield from _below((), seen.settings)
    for office, model in seen.offices.items():
        yield from _below(("offices", *office.split(".", 1)), model)


def _below(path: tuple[PathStep, ...], value: object) -> Iterator[tuple[tuple[PathStep, ...], BaseModel]]:
    if isinstance(value, BaseModel):
        yield path, value
        for name in type(value).model_fields:
            yield from _below((*path, name), getattr(value, name))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _below((*path, key), inner)


def _leaves(value: object, path: tuple[PathStep, ...] = ()) -> Iterator[tuple[tuple[PathStep, ...], object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    else:
        yield path, value
