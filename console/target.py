"""Where a command acts: which store, which Temporal, which Voice API.

A configured Temporal (`TEMPORAL_ADDRESS` or `temporal.toml`) comes first, then the stack that runs
in this directory. What only reads needs neither: it looks into the stores.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from socket import gethostname
from typing import TYPE_CHECKING

from activities.settings import (
    Settings,
    SettingsError,
    load_settings,
    load_temporal,
    sqlite_file,
    sqlite_url,
)
from console.failures import CommandError
from console.stackfile import HOME, StackInfo, find_stack

if TYPE_CHECKING:
    from temporalio.envconfig import ClientConnectConfig

SANDBOX_STORE = HOME / "sandbox" / "discador.db"

WITHOUT_ACCOUNT = (
    "ZENVIA_ACCESS_TOKEN is not set, so nothing can be dialed. "
    "Set it, or try the campaign with --sandbox: no real call, no account."
)


@dataclass(frozen=True)
class Target:
    """What a command acts on. `temporal` is None where nothing is configured and nothing runs."""

    settings: Settings
    temporal: ClientConnectConfig | None = None
    stack: StackInfo | None = None
    store_is_named: bool = False
    """The store was chosen by `DISCADOR_STORE_URL`."""

    @property
    def has_token(self) -> bool:
        """Whether something can dial: a token is here, or a running stack has its own."""
        return self.stack is not None or self.settings.access_token is not None

    def stores(self) -> list[str]:
        """List the stores that may know a run: the one in use, or those of this directory."""
        if self.stack or self.store_is_named:
            return [self.settings.store_url]
        files = [HOME / "discador.db", SANDBOX_STORE]
        return [sqlite_url(file) for file in files if file.exists()]

    def store_to_read(self, *, sandbox: bool) -> str | None:
        """Name the store in which a campaign that is started now would run, if it is there yet."""
        url = self.settings.store_url
        if self.stack is None and not self.store_is_named:
            url = sqlite_url(SANDBOX_STORE if sandbox else HOME / "discador.db")
        file = sqlite_file(url)
        return None if file is not None and not file.exists() else url

    def suppression_stores(self) -> list[str]:
        """List the stores that a suppression is written to: real calls first, then rehearsals.

        Whoever asks not to be called is left alone whatever runs in this directory just now.
        """
        if self.store_is_named:
            return [self.settings.store_url]
        urls = [sqlite_url(HOME / "discador.db"), sqlite_url(SANDBOX_STORE)]
        if self.stack is not None and self.stack.store_url not in urls:
            urls.append(self.stack.store_url)
        return urls


def find_target() -> Target:
    """Read the environment and look for a running stack. Raises `CommandError` on nonsense."""
    try:
        settings, configured = load_settings(), load_temporal()
    except SettingsError as error:
        raise CommandError(str(error)) from None
    named = "store_url" in settings.model_fields_set
    if configured is not None:
        return Target(settings, configured, store_is_named=named)
    stack = find_stack(HOME)
    if stack is None:
        return Target(settings, store_is_named=named)
    there = settings.model_copy(
        update={
            "store_url": stack.store_url,
            "base_url": stack.base_url,
            "task_queue": stack.task_queue,
        }
    )
    return Target(there, {"target_host": stack.temporal_address}, stack)


def sandbox_settings(target: Target) -> Settings:
    """Return the settings of a sandbox stack, before its address is known.

    Calls to a sandbox never share a store with real ones: they would count against real caps. A
    store that was named by `DISCADOR_STORE_URL` is taken as it is.
    """
    update: dict[str, object] = {"base_url": "http://127.0.0.1", "access_token": None}
    if not target.store_is_named:
        update["store_url"] = sqlite_url(SANDBOX_STORE)
    if target.temporal is not None:
        # On a Temporal that others use too, no worker of theirs may take this campaign and dial.
        here = f"{gethostname()} {update.get('store_url', target.settings.store_url)}"
        update["task_queue"] = f"discador-sandbox-{sha256(here.encode()).hexdigest()[:12]}"
    return target.settings.model_copy(update=update)
