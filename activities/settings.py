"""The settings of one installation, read once from the environment and checked before connecting.

The worker and the command line read the same variables through this module. Blank is unset;
nonsense is an error that names its variable. `TEMPORAL_*` (and `temporal.toml`) are read by
`temporalio.envconfig`; nothing of that is interpreted here.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)

if TYPE_CHECKING:
    from temporalio.envconfig import ClientConnectConfig

DEFAULT_BASE_URL = "https://voice-api.zenvia.com"
ACCOUNT = "default"
"""The voice account of an installation, by the name that its store keeps it under."""

DEFAULT_STORE_URL = "sqlite:///.discador/discador.db"

_STORE_SCHEMES = ("sqlite", "postgresql")


class SettingsError(Exception):
    """One or more environment variables hold nonsense; the text names each of them.

    The text never repeats a value: a token or a password may stand in the wrong variable.
    """


def _http_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        port_is_valid = False
    if not port_is_valid or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"must be a web address such as {DEFAULT_BASE_URL}")
    return value.rstrip("/")


def _store_url(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    in_memory = ":memory:" in rest
    if not separator or scheme not in _STORE_SCHEMES or not rest.strip("/") or in_memory:
        raise ValueError(
            "must be sqlite:///path/to/file.db or postgresql://user:password@host/database"
        )
    if scheme == "sqlite":
        return sqlite_url(Path(rest.removeprefix("/")))
    return value


def sqlite_url(path: Path) -> str:
    """Name a SQLite file as a store; absolute, so that it means the same to every process."""
    return f"sqlite:///{path.absolute()}"


def sqlite_file(url: str) -> Path | None:
    """Return the file that a store is, or None for one that is no file."""
    scheme, _, rest = url.partition(":///")
    return Path(rest.partition("?")[0]) if scheme == "sqlite" else None


def _header_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be the token alone: no spaces, quotes or line breaks around it")
    return value


class Settings(BaseModel):
    """What an installation is told from outside; each field's alias is its variable."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    base_url: Annotated[str, AfterValidator(_http_url)] = Field(
        default=DEFAULT_BASE_URL, alias="ZENVIA_BASE_URL"
    )
    access_token: Annotated[SecretStr, AfterValidator(_header_value)] | None = Field(
        default=None, alias="ZENVIA_ACCESS_TOKEN"
    )
    number_format: Literal["e164", "ddd"] = Field(default="e164", alias="ZENVIA_NUMBER_FORMAT")
    store_url: Annotated[str, AfterValidator(_store_url)] = Field(
        default=DEFAULT_STORE_URL, validate_default=True, alias="DISCADOR_STORE_URL"
    )
    webhook_listen: str | None = Field(
        default=None, pattern=r"^[^:\s]+:\d{1,5}$", alias="DISCADOR_WEBHOOK_LISTEN"
    )
    webhook_secret: SecretStr | None = Field(default=None, alias="DISCADOR_WEBHOOK_SECRET")
    monitor_listen: str | None = Field(
        default=None, pattern=r"^[^:\s]+:\d{1,5}$", alias="DISCADOR_MONITOR_LISTEN"
    )
    account_channels: int | None = Field(
        default=None, ge=1, le=100_000, alias="DISCADOR_ACCOUNT_CHANNELS"
    )
    account_calls_per_second: float | None = Field(
        default=None, gt=0, le=10_000, alias="DISCADOR_ACCOUNT_CALLS_PER_SECOND"
    )
    api_requests_per_second: float | None = Field(
        default=None, gt=0, le=10_000, alias="DISCADOR_API_REQUESTS_PER_SECOND"
    )

    task_queue: str = Field(default="discador", max_length=200, alias="DISCADOR_TASK_QUEUE")

    @property
    def loopback(self) -> bool:
        """Whether the API is on this machine, so that no person can be reached by it."""
        return is_loopback(self.base_url)

    def environment(self) -> dict[str, str]:
        """Write the settings as variables for a child process; the inverse of `load_settings`."""
        given = self.model_dump(by_alias=True, exclude_none=True)
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in given.items()
        }


def is_loopback(url: str) -> bool:
    """Whether an address names this machine itself: `localhost`, 127.0.0.0/8 or ::1.

    A name that merely resolves to the loopback does not count: what it resolves to may change.
    """
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value.strip() for name, value in environ.items() if value.strip()}


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raises `SettingsError` naming every variable that holds nonsense."""
    try:
        return Settings.model_validate(_given(os.environ if environ is None else environ))
    except ValidationError as error:
        lines = (_explain(detail) for detail in error.errors(include_input=False))
        raise SettingsError("\n".join(lines)) from None


def _explain(detail: Any) -> str:
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] in {"int_parsing", "int_type"}:
        message = "must be a whole number"
    elif detail["type"] in {"float_parsing", "float_type"}:
        message = "must be a number"
    else:
        message = message.replace("Input should be", "must be", 1)
    return f"{detail['loc'][0]} {message}"


def load_temporal(environ: Mapping[str, str] | None = None) -> ClientConnectConfig | None:
    """Read the configured Temporal as arguments of `Client.connect`, or None.

    Configured means that an address is given, by `TEMPORAL_ADDRESS` or by the profile in
    `temporal.toml`. Raises `SettingsError` where the configuration cannot be read.
    """
    given = _given(os.environ if environ is None else environ)
    config_file = given.get("TEMPORAL_CONFIG_FILE")
    if config_file and not Path(config_file).exists():
        raise SettingsError(f"TEMPORAL_CONFIG_FILE names a file that does not exist: {config_file}")
    if not _may_be_configured(given):
        return None
    from temporalio.envconfig import ClientConfigProfile  # noqa: PLC0415 - 0.2 s, for nothing

    try:
        profile = ClientConfigProfile.load(override_env_vars=given)
    except (RuntimeError, ValueError, OSError) as error:
        # The first line says what is wrong; the next ones quote the file, which may hold a key.
        reason = str(error).partition("\n")[0]
        raise SettingsError(f"TEMPORAL_* or temporal.toml cannot be read: {reason}") from None
    if not profile.address:
        return None
    return profile.to_client_connect_config()


def _may_be_configured(given: Mapping[str, str]) -> bool:
    """Whether Temporal's library, which takes its time to load, would find anything at all.

    A file is looked for wherever any system keeps it; which one counts is the library's to say.
    """
    if any(name.startswith("TEMPORAL_") for name in given):
        return True
    home = Path.home()
    folders = [home / ".config", home / "Library" / "Application Support"]
    folders += [
        Path(os.environ[name]) for name in ("XDG_CONFIG_HOME", "APPDATA") if name in os.environ
    ]
    return any((folder / "temporalio" / "temporal.toml").exists() for folder in folders)
