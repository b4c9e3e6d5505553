"""Settings: what is read, what follows, and what is said about what cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, load_settings, unknown_names


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_nothing_has_to_be_set(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.home == tmp_path / "var"
    assert settings.database_url == f"sqlite:///{tmp_path / 'var' / 'leadlight.db'}"
    assert (settings.host, settings.port, settings.poll_seconds) == ("127.0.0.1", 8501, 15.0)
    assert not settings.has_crm
    assert settings.missing() == []


def test_a_file_in_the_working_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LEADLIGHT_PORT=9000\nLEADLIGHT_HUBSPOT_TOKEN=abc\nOTHER=1\n")
    settings = load_settings()
    assert settings.port == 9000
    assert settings.has_hubspot


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("LEADLIGHT_PORT=9000\n")
    monkeypatch.setenv("LEADLIGHT_PORT", "9001")
    assert load_settings().port == 9001


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADLIGHT_PORT", "")
    monkeypatch.setenv("LEADLIGHT_HUBSPOT_TOKEN", "")
    assert load_settings().port == 8501
    assert not load_settings().has_crm


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("LEADLIGHT_PORT", "eighty", "valid integer"),
        ("LEADLIGHT_PORT", "70000", "less than or equal to 65535"),
        ("LEADLIGHT_POLL_SECONDS", "0", "greater than or equal to 1"),
        ("LEADLIGHT_HUBSPOT_BASE_URL", "api.hubapi.com", "beginning with https://"),
        ("LEADLIGHT_SALESFORCE_INSTANCE_URL", "https://", "beginning with https://"),
        ("LEADLIGHT_SALESFORCE_INSTANCE_URL", "http://acme.my.salesforce.com", "in the clear"),
    ],
)
def test_an_unusable_value_is_named_with_the_reason(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert str(raised.value).startswith(f"{name}: ")
    assert says in str(raised.value)


def test_every_unusable_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADLIGHT_PORT", "x")
    monkeypatch.setenv("LEADLIGHT_POLL_SECONDS", "y")
    with pytest.raises(SettingsError, match=r"(?s)LEADLIGHT_PORT.*LEADLIGHT_POLL_SECONDS"):
        load_settings()


def test_http_is_fine_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADLIGHT_HUBSPOT_BASE_URL", "http://127.0.0.1:9000/")
    assert load_settings().hubspot_base_url == "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"salesforce_instance_url": "https://a.my.salesforce.com"}, "SALESFORCE_CLIENT_ID"),
        (
            {"salesforce_instance_url": "https://a.my.salesforce.com", "salesforce_client_id": "x"},
            "SALESFORCE_CLIENT_SECRET",
        ),
        ({"salesforce_access_token": "x"}, "SALESFORCE_INSTANCE_URL"),
        ({"hubspot_base_url": "https://api.example.com"}, "HUBSPOT_TOKEN"),
    ],
)
def test_a_setting_that_calls_for_another_says_so(given: dict[str, str], says: str) -> None:
    (sentence,) = Settings(**given).missing()
    assert f"LEADLIGHT_{says}" in sentence


@pytest.mark.parametrize(
    "given",
    [
        {"salesforce_access_token": "x"},
        {"salesforce_client_id": "x", "salesforce_client_secret": "y"},
    ],
)
def test_either_kind_of_salesforce_credentials_will_do(given: dict[str, str]) -> None:
    settings = Settings(salesforce_instance_url="https://a.my.salesforce.com", **given)
    assert settings.has_salesforce
    assert settings.missing() == []


def test_settings_never_show_a_secret() -> None:
    settings = Settings(
        hubspot_token="hush1",
        salesforce_client_secret="hush2",
        salesforce_access_token="hush3",
        database_url="postgresql://u:hush4@h/d",
    )
    assert "hush" not in f"{settings!r} {settings}"


def test_the_file_of_a_database_is_known_where_there_is_one(tmp_path: Path) -> None:
    assert Settings().database_file == tmp_path / "var" / "leadlight.db"
    assert Settings(database_url="postgresql://u:p@h/d").database_file is None


def test_a_misspelt_name_is_pointed_out() -> None:
    names = ["LEADLIGHT_HUBSPOT_TOKN", "LEADLIGHT_PORT", "LEADLIGHT_TEST_BROWSER", "PATH"]
    assert unknown_names(names) == [
        "LEADLIGHT_HUBSPOT_TOKN is not a setting. Is LEADLIGHT_HUBSPOT_TOKEN meant?"
    ]
