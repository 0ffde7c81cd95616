"""All settings of a process: each part owns its model, this page only composes them.

A value comes from the environment (`STADTBUS_KAFKA__BOOTSTRAP`), else from the YAML file that `STADTBUS_CONFIG` or `--config`
names, else it is the default. A key in the file that nobody knows is an error.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError, YamlConfigSettingsSource

from adapters.twins.settings import TwinsSettings
from consumers.settings import DeliverySettings
from infra.settings import HttpSettings, KafkaSettings, LogSettings, SchemaSettings, StoreSettings, shown_url
from producers.settings import GatewaySettings, PortalSettings
from schemas import catalogue, codelists, errors, pagewords, table
from schemas.catalogue import Catalogue
from schemas.codelists import CodeLists
from schemas.errors import UsageError
from schemas.table import SchemaTable

CONFIG_VARIABLE: Final = "STADTBUS_CONFIG"


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(env_prefix="STADTBUS_", env_nested_delimiter="__", extra="forbid", frozen=True)

    kafka: KafkaSettings = KafkaSettings()
    stores: StoreSettings = StoreSettings()
    logs: LogSettings = LogSettings()
    http: HttpSettings = HttpSettings()
    gateway: GatewaySettings = GatewaySettings()
    delivery: DeliverySettings = DeliverySettings()
    portals: dict[str, PortalSettings] = Field(default_factory=dict)
    offices: dict[str, dict[str, dict[str, Any]]] = Field(
        default_factory=dict, description="Settings of each adapter: city, office, then what that adapter asks for (below)."
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
        shown["stores"]["url"] = self.stores.url and shown_url(self.stores.url)
        return shown

    def load_catalogue(self) -> Catalogue:
        """The catalogue in force."""
        return catalogue.load(self.catalogue, self.load_codelists())

    def load_codelists(self) -> CodeLists:
        """The lists of others in force."""
        return codelists.load(self.schemas.codelists)

    def load_schemas(self) -> SchemaTable:
        """The schema table in force."""
        return table.load(self.schemas.folder)


def _without_secrets(value: Any) -> Any:
    """SecretStr hides itself; a URL may hold a password too."""
    if isinstance(value, dict):
        return {name: _without_secrets(one) for name, one in value.items()}
    return shown_url(value) if isinstance(value, str) and "://" in value else value


def load() -> Settings:
    """The settings in force.

    Raises:
        UsageError: settings-invalid, naming file and key.
    """
    path = os.environ.get(CONFIG_VARIABLE)
    if path and not Path(path).is_file():
        raise UsageError(errors.SETTINGS, "there is no such file", where=path)
    try:
        if path and not isinstance(yaml.safe_load(Path(path).read_bytes()), dict | None):
            raise UsageError(errors.SETTINGS, "not settings: names with values, for example `kafka: {replication: 3}`", where=path)
        return Settings()
    except ValidationError as error:
        raise UsageError(errors.SETTINGS, str(pagewords.faults(error, Settings)[0]), where=path or "environment") from None
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        raise UsageError(errors.SETTINGS, f"not YAML: line {place.line + 1}" if place else "not YAML", where=path) from None
    except UnicodeDecodeError:
        raise UsageError(errors.SETTINGS, "not UTF-8", where=path) from None
    except RecursionError:
        raise UsageError(errors.SETTINGS, "nested too deeply", where=path) from None
    except (TypeError, AttributeError):  # of pydantic-settings, which takes it that every key is a text
        raise UsageError(errors.SETTINGS, "settings have keys at their top, and keys are texts", where=path or "environment") from None
    except (SettingsError, ValueError) as error:
        raise UsageError(errors.SETTINGS, str(error), where=path or "environment") from None
