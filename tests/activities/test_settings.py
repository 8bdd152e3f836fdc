"""Settings come from the environment, are checked at once, and never echo what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.settings import (
    DEFAULT_BASE_URL,
    SettingsError,
    is_loopback,
    load_settings,
    load_temporal,
)

NONSENSE = {
    "ZENVIA_BASE_URL": "segredo@example",
    "ZENVIA_ACCESS_TOKEN": "segredo com espaço",
    "ZENVIA_NUMBER_FORMAT": "roman",
    "DISCADOR_STORE_URL": "mysql://u:senha@host/db",
    "DISCADOR_ACCOUNT_CHANNELS": "trinta",
    "DISCADOR_ACCOUNT_CALLS_PER_SECOND": "dez",
    "DISCADOR_API_REQUESTS_PER_SECOND": "vinte",
}


def test_nothing_set_gives_the_defaults() -> None:
    """An empty environment means the public API, a local SQLite file, no token and no caps."""
    settings = load_settings({})
    assert settings.base_url == DEFAULT_BASE_URL
    assert settings.store_url == f"sqlite:///{Path.cwd()}/.discador/discador.db"
    assert settings.access_token is None
    assert settings.account_channels is None
    assert settings.account_calls_per_second is None
    assert settings.api_requests_per_second is None
    assert not settings.loopback


@pytest.mark.parametrize("name", sorted(NONSENSE))
def test_blank_is_unset(name: str) -> None:
    """A variable that holds nothing but spaces counts as not given."""
    assert load_settings({name: "  "}) == load_settings({})


def test_every_nonsense_is_named_at_once() -> None:
    """All bad variables are reported together, one line each."""
    with pytest.raises(SettingsError) as caught:
        load_settings(NONSENSE)
    lines = str(caught.value).splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(NONSENSE)


def test_an_error_never_repeats_a_value() -> None:
    """A token or password in the wrong variable does not reach the screen."""
    with pytest.raises(SettingsError) as caught:
        load_settings(NONSENSE)
    assert not [value for value in NONSENSE.values() if value in str(caught.value)]


def test_the_token_stays_out_of_repr() -> None:
    """Printing the settings does not print the token."""
    settings = load_settings({"ZENVIA_ACCESS_TOKEN": "abc123segredo"})
    assert "abc123segredo" not in repr(settings)
    assert settings.access_token is not None
    assert settings.access_token.get_secret_value() == "abc123segredo"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "postgresql://", "/a/b.db"])
def test_a_store_that_processes_cannot_share_is_refused(url: str) -> None:
    """The store is a file or a server that worker and command line can both open."""
    with pytest.raises(SettingsError, match="DISCADOR_STORE_URL"):
        load_settings({"DISCADOR_STORE_URL": url})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("sqlite:///calls.db", f"sqlite:///{Path.cwd()}/calls.db"),
        ("sqlite:////var/lib/calls.db", "sqlite:////var/lib/calls.db"),
        ("postgresql://u:p@db/calls", "postgresql://u:p@db/calls"),
    ],
)
def test_a_store_means_the_same_to_every_process(given: str, expected: str) -> None:
    """A relative file is made absolute, since the worker may run in another directory."""
    assert load_settings({"DISCADOR_STORE_URL": given}).store_url == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8080", True),
        ("http://localhost:1", True),
        ("https://voice-api.zenvia.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1@example.com", False),
        ("http://10.0.0.1", False),
    ],
)
def test_only_this_machine_is_loopback(url: str, expected: bool) -> None:  # noqa: FBT001 - a table
    """A host that only looks like this machine does not open the loopback privileges."""
    assert is_loopback(url) is expected


def test_no_address_means_no_temporal() -> None:
    """A namespace alone, or a blank address, does not count as a configured Temporal."""
    assert load_temporal({"TEMPORAL_NAMESPACE": "x", "TEMPORAL_ADDRESS": " "}) is None


def test_the_address_is_found_in_the_environment_and_in_the_file(tmp_path: Path) -> None:
    """`TEMPORAL_ADDRESS` and `temporal.toml` both configure Temporal; the variable wins."""
    file = tmp_path / "temporal.toml"
    file.write_text('[profile.default]\naddress = "from-file:7233"\n')
    from_file = load_temporal({"TEMPORAL_CONFIG_FILE": str(file)})
    both = load_temporal({"TEMPORAL_CONFIG_FILE": str(file), "TEMPORAL_ADDRESS": "from-env:7233"})
    assert from_file is not None
    assert from_file["target_host"] == "from-file:7233"
    assert both is not None
    assert both["target_host"] == "from-env:7233"


def test_the_file_is_found_where_it_usually_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any variable, the file in the user's configuration folder configures Temporal."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert load_temporal({}) is None
    for place, variable in ((".config", None), ("elsewhere", "XDG_CONFIG_HOME")):
        if variable is not None:
            monkeypatch.setenv(variable, str(tmp_path / place))
        file = tmp_path / place / "temporalio" / "temporal.toml"
        file.parent.mkdir(parents=True)
        file.write_text(f'[profile.default]\naddress = "{place.strip(".")}:7233"\n')
        found = load_temporal({})
        assert found is not None
        assert found["target_host"] == f"{place.strip('.')}:7233"


def test_a_broken_temporal_file_is_named_without_quoting_it(tmp_path: Path) -> None:
    """The reason is given, the file's content (perhaps a key) is not."""
    file = tmp_path / "temporal.toml"
    file.write_text("api_key segredo\n")
    with pytest.raises(SettingsError, match=r"temporal\.toml") as caught:
        load_temporal({"TEMPORAL_CONFIG_FILE": str(file)})
    assert "segredo" not in str(caught.value)


def test_a_missing_temporal_file_is_an_error(tmp_path: Path) -> None:
    """A file that was named and does not exist is not silently ignored."""
    with pytest.raises(SettingsError, match="TEMPORAL_CONFIG_FILE"):
        load_temporal({"TEMPORAL_CONFIG_FILE": str(tmp_path / "none.toml")})


def test_settings_survive_the_way_to_a_child_process() -> None:
    """Written as variables and read again, the settings are the same, token included."""
    settings = load_settings(
        {
            "ZENVIA_BASE_URL": "http://127.0.0.1:8080",
            "ZENVIA_ACCESS_TOKEN": "abc",
            "DISCADOR_ACCOUNT_CHANNELS": "30",
            "DISCADOR_ACCOUNT_CALLS_PER_SECOND": "2.5",
            "DISCADOR_API_REQUESTS_PER_SECOND": "12.5",
        }
    )
    assert load_settings(settings.environment()) == settings
