"""`leadlight doctor` against real sandbox CRMs: what is wrong, and what to do about it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hubspot_serving import ServedPortal, serve_portal
from salesforce_serving import ServedOrg, serve_org
from typer.testing import CliRunner

from app.cli import cli
from app.doctor import Finding, examine
from app.settings import Settings
from data.store import Store


@pytest.fixture(scope="module")
def org() -> Iterator[ServedOrg]:
    with serve_org() as served:
        served.crm().provision()
        yield served


@pytest.fixture(scope="module")
def portal() -> Iterator[ServedPortal]:
    with serve_portal() as served:
        served.crm().provision()
        yield served


@pytest.fixture
def settings(tmp_path: Path, org: ServedOrg, portal: ServedPortal) -> Settings:
    """Settings that name both CRMs, with nothing wrong."""
    portal.switch("searches_per_second", "1000")  # its clock stands still: no second ever ends
    return Settings(
        home=tmp_path,
        hubspot_base_url=portal.url,
        hubspot_token=portal.token,
        salesforce_instance_url=org.url,
        salesforce_client_id=org.client_id,
        salesforce_client_secret=org.client_secret,
    )


def found(settings: Settings, subject: str) -> Finding:
    return next(finding for finding in examine(settings) if finding.subject == subject)


def test_all_is_well_with_both_crms(settings: Settings) -> None:
    findings = list(examine(settings))
    subjects = ["configuration", "home", "database", "hubspot", "salesforce"]
    assert [finding.subject for finding in findings] == subjects
    assert [finding.message for finding in findings if not finding.ok] == []


def test_looking_changes_nothing(settings: Settings) -> None:
    list(examine(settings))
    assert list(settings.home.iterdir()) == []


def test_a_wrong_token_is_named_with_what_to_do(settings: Settings) -> None:
    wrong = settings.model_copy(update={"hubspot_token": type(settings.hubspot_token)("nope")})
    finding = found(wrong, "hubspot")
    assert not finding.ok
    assert "nope" not in finding.message


def test_one_wrong_crm_does_not_hide_the_other(settings: Settings) -> None:
    wrong = settings.model_copy(update={"hubspot_base_url": "http://127.0.0.1:9"})
    assert not found(wrong, "hubspot").ok
    assert found(wrong, "salesforce").ok


def test_fields_that_are_missing_in_the_crm_are_named(tmp_path: Path) -> None:
    with serve_org() as bare:
        settings = Settings(
            home=tmp_path,
            salesforce_instance_url=bare.url,
            salesforce_client_id=bare.client_id,
            salesforce_client_secret=bare.client_secret,
        )
        finding = found(settings, "salesforce")
    assert not finding.ok
    assert "Leadlight" in finding.message


def test_without_a_crm_the_sandbox_is_announced(tmp_path: Path) -> None:
    findings = list(examine(Settings(home=tmp_path)))
    assert all(finding.ok for finding in findings)
    assert "sandbox" in findings[-1].message


def test_a_setting_without_its_partner_is_wrong(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, salesforce_instance_url="https://a.my.salesforce.com")
    assert "SALESFORCE_CLIENT_ID" in found(settings, "configuration").message
    assert "salesforce" not in [finding.subject for finding in examine(settings)]


def test_a_misspelt_variable_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADLIGHT_POLL_SECOND", "5")
    finding = found(Settings(home=tmp_path), "configuration")
    assert not finding.ok
    assert "LEADLIGHT_POLL_SECONDS" in finding.message


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://u:hush@h/d", "SQLite or PostgreSQL"),
        ("postgresql://u:hush@127.0.0.1:9/d", "LEADLIGHT_DATABASE_URL"),
        ("nonsense", "postgresql://user"),
    ],
)
def test_a_database_that_cannot_be_used_is_said_without_its_password(
    tmp_path: Path, url: str, says: str
) -> None:
    finding = found(Settings(home=tmp_path, database_url=url), "database")
    assert not finding.ok
    assert says in finding.message
    assert "hush" not in finding.message
    assert "\n" not in finding.message


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "leadlight.db").write_text("This is a letter, not a database. " * 40)
    assert not found(Settings(home=tmp_path), "database").ok


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is forbidden to root")
def test_a_home_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert not found(Settings(home=tmp_path / "var"), "home").ok


def test_a_home_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    assert not found(Settings(home=tmp_path / "var"), "home").ok


@pytest.mark.parametrize(("seconds", "says"), [(5, "alive"), (3600, "not running since")])
def test_the_worker_s_last_sign_of_life_is_told(tmp_path: Path, seconds: int, says: str) -> None:
    settings = Settings(home=tmp_path)
    store = Store.open(settings.database_url, migrate=True)
    store.beat("worker", 1, datetime.now(UTC) - timedelta(seconds=seconds))
    store.close()
    assert says in found(settings, "worker").message


def run_doctor(*arguments: str, **environment: Any) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["doctor", *arguments], env=environment)
    return result.exit_code, result.output


def test_the_exit_code_says_whether_all_is_well(tmp_path: Path) -> None:
    home = str(tmp_path)
    code, text = run_doctor(LEADLIGHT_HOME=home)
    assert code == 0
    assert text.splitlines()[0].startswith("ok    configuration: ")
    code, text = run_doctor(LEADLIGHT_HOME=home, LEADLIGHT_SALESFORCE_ACCESS_TOKEN="x")
    assert code == 1
    assert text.startswith("WRONG configuration: ")


def test_machines_get_json(tmp_path: Path) -> None:
    code, text = run_doctor("--json", LEADLIGHT_HOME=str(tmp_path))
    assert code == 0
    assert {finding["subject"] for finding in json.loads(text)} >= {"configuration", "database"}
