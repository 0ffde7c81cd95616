"""All settings of a process: each part owns its model, this page only composes them.

A value comes from the environment (`STADTBUS_KAFKA__BOOTSTRAP`), else from the YAML file that `STADTBUS_CONFIG` or `--config`
names, else it is the default. A key in the file that nobody knows is an error.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError, YamlConfigSettingsSource

from adapters.twins.settings import TwinsSettings
from consumers.settings import DeliverySettings, WatchSettings
from infra.settings import KafkaSettings, ListenSettings, LogSettings, SchemaSettings, StoreSettings, shown_url
from producers.portals.register import Register
from producers.settings import GatewaySettings
from schemas import catalogue, codelists, problems, validation_errors, yamllines
from schemas.catalogue import Catalogue
from schemas.codelists import CodeLists
from schemas.errors import UsageError
from schemas.examination import schema_table
from schemas.examination.schema_table import SchemaTable

CONFIG_VARIABLE: Final = "STADTBUS_CONFIG"
RENAMED: Final = {
    "delivery.at_once": "delivery.max_concurrency",
    "delivery.quick_tries": "delivery.immediate_retries",
    "delivery.tries": "delivery.delayed_retries",
    "delivery.doubtful_in_a_row": "delivery.failure_threshold",
    "delivery.attempt_limit_s": "delivery.attempt_timeout_s",
    "delivery.longest_outcome_s": "delivery.longest_outcome_poll_s",
}
"""Keys that a settings file of an earlier version may still have, and what each is called now: whoever has one is told."""
_MEANS_ELSE: Final = {"delivery.quick_tries": ", and counts only the tries after the first one: take one less"}


def _moved(portals: dict[str, Any]) -> dict[str, Any]:
    """Nothing stands here any more.

    Raises:
        ValueError: something does; it says what to write instead.
    """
    if not portals:
        return portals
    name, today = next(iter(portals)), datetime.now(UTC).date()
    raise ValueError(
        "each portal has a page of its own now, with its rights (docs/portals.md). Set gateway.portals to a folder, "
        f"and write for each entry here a file such as {name}.yaml there:\n"
        "         name: (as here)\n"
        "         authority: (as here)\n"
        "         rights:\n"
        "           - {to: [muenchen.gewerbe], services: [gewerbe-anmelden], messages: [einreichung.antrag.0100]}\n"
        "         accounts: {bayernid: 3}\n"
        "         tokens:\n"
        f"           - {{sha256: (token_sha256 as here), drawn_on: {today}, drawn_by: before-the-upgrade, valid_to: {today + timedelta(days=400)}}}"
    )


class Settings(BaseSettings):
    """Everything that can be set. Made by `load`, which says what is wrong in our words."""

    model_config = SettingsConfigDict(env_prefix="STADTBUS_", env_nested_delimiter="__", extra="forbid", frozen=True)

    kafka: KafkaSettings = KafkaSettings()
    stores: StoreSettings = StoreSettings()
    logs: LogSettings = LogSettings()
    http: ListenSettings = ListenSettings()
    gateway: GatewaySettings = GatewaySettings()
    delivery: DeliverySettings = DeliverySettings()
    watch: WatchSettings = WatchSettings()
    portals: Annotated[dict[str, Any], AfterValidator(_moved)] = Field(
        default_factory=dict,
        exclude=True,
        repr=False,
        description="No more: each portal has a page of its own in the folder `gateway.portals`.",
    )
    offices: dict[str, dict[str, dict[str, Any]]] = Field(
        default_factory=dict, repr=False, description="Settings of each adapter: city, office, then what that adapter asks for (below)."
    )
    twins: TwinsSettings = TwinsSettings()
    schemas: SchemaSettings = SchemaSettings()
    catalogue: Path | None = Field(
        default=None, description="Folder of the catalogue's YAML files; without one, the catalogue of the package."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file before default."""
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls, yaml_file=os.environ.get(CONFIG_VARIABLE))

    def office(self, name: str) -> dict[str, Any]:
        """The adapter settings of one office, for example `muenchen.meldewesen`."""
        city, _, office = name.partition(".")
        return self.offices.get(city, {}).get(office, {})

    def shown(self) -> dict[str, Any]:
        """What is in force, for people: the adapters' own settings are left out, secrets are hidden, whatever the setting is called."""
        shown: dict[str, Any] = _without_secrets(self.model_dump(mode="json", exclude={"offices"}))
        shown["stores"]["url"] = self.stores.url and shown_url(self.stores.url.get_secret_value())
        return shown

    def load_catalogue(self) -> Catalogue:
        """The catalogue in force, held against the code lists in force.

        Raises:
            UsageError: catalogue-invalid, plug-in-broken; settings-invalid, where a code list cannot be used.
        """
        return catalogue.load(self.catalogue, self.load_codelists())

    def load_portals(self, known: Catalogue) -> Register:
        """The pages of the portals that may call, held against a catalogue.

        Raises:
            UsageError: settings-invalid, where no folder is set; portals-invalid, naming page and line.
        """
        if self.gateway.portals is None:
            detail = "no portal may call; name a folder with a page for each (docs/portals.md)"
            raise UsageError(problems.SETTINGS, detail, where="gateway.portals")
        return Register(self.gateway.portals, known)

    def load_codelists(self) -> CodeLists:
        """The published code lists in force: those of Stadtbus, or newer ones of the operator.

        Raises:
            UsageError: settings-invalid.
        """
        return codelists.load(self.schemas.codelists)

    def load_schemas(self) -> SchemaTable:
        """The schema table in force.

        Raises:
            UsageError: settings-invalid.
        """
        return schema_table.load(self.schemas.folder)


def _without_secrets(value: Any) -> Any:
    """SecretStr hides itself; a URL may hold a password too."""
    if isinstance(value, dict):
        return {name: _without_secrets(one) for name, one in value.items()}
    return shown_url(value) if isinstance(value, str) and "://" in value else value


def load() -> Settings:
    """The settings in force.

    Raises:
        UsageError: settings-invalid, naming key, and file and line or variable.
    """
    path = os.environ.get(CONFIG_VARIABLE)
    page = read_page(path) if path else None
    try:
        return Settings()
    except ValidationError as error:
        fault = validation_errors.sentences(error, Settings)[0]
        key = ".".join(map(str, fault.path))
        detail = f"{key} is called {RENAMED[key]} now{_MEANS_ELSE.get(key, '')}" if key in RENAMED else str(fault)
        raise UsageError(problems.SETTINGS, detail, where=_where(path, page, fault.path)) from None
    except (TypeError, AttributeError):  # of pydantic-settings, which takes it that every key is a text
        raise UsageError(problems.SETTINGS, "settings have keys at their top, and keys are texts", where=path or "environment") from None
    except (SettingsError, ValueError) as error:
        raise UsageError(problems.SETTINGS, str(error), where=path or "environment") from None


def read_page(path: str) -> yamllines.YamlPage:
    """The file of settings, for its lines. What a library says of it is not passed on: it quotes what stands there, such as a password."""
    if not Path(path).is_file():
        raise UsageError(problems.SETTINGS, "there is no such file", where=path)
    try:
        page = yamllines.load(Path(path).read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise UsageError(problems.SETTINGS, "not UTF-8", where=path) from None
    except yamllines.NotYaml as error:
        raise UsageError(
            problems.SETTINGS, "not YAML, nested too deeply, or a key that occurs twice", where=f"{path}, line {error.line}"
        ) from None
    if not isinstance(page.value, dict | None):
        raise UsageError(problems.SETTINGS, "not settings: names with values, for example `kafka: {replication: 3}`", where=path)
    return page


def place(to: Sequence[yamllines.PathStep]) -> str:
    """Where a setting stands that is in force: the variable, or file and line of it or of what is around it. Reads the file.

    Raises:
        UsageError: settings-invalid.
    """
    path = os.environ.get(CONFIG_VARIABLE)
    return _where(path, read_page(path) if path else None, to)


def _where(path: str | None, page: yamllines.YamlPage | None, to: Sequence[yamllines.PathStep]) -> str:
    """Where a value is set: the variable that has it, what is around it, or, where the file says nothing, a part of it; else the line of the file."""
    given = sorted(map(str.upper, os.environ))
    variables = [f"STADTBUS_{'__'.join(map(str, to[:length]))}".upper() for length in range(len(to), 0, -1)]
    variable = next((one for one in variables if one in given), None)
    if variable is None and variables and not (page and page.has(to)):
        variable = next((one for one in given if one.startswith(f"{variables[0]}__")), None)
    if variable is not None:
        return f"environment, {variable}"
    return "environment" if page is None else f"{path}, line {page.line_of(to)}"
