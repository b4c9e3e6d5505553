"""The command line. Errors are sentences for people; the exit code says how it went.

Exit codes: 0 all went well, 1 something went wrong, 2 a setting or argument cannot be used.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import traceback
from contextlib import closing
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import structlog
import typer

from app import backtest_cli, child, rules_cli, score_file
from app.log import masked, set_up_logging
from app.settings import Settings, SettingsError, load_settings
from app.terminal import fail, in_sentences, read_settings, read_time

# Commands import what they need themselves: `leadlight version` need not load a CRM's client.

log = structlog.get_logger(__name__)

cli = typer.Typer(
    help="Leadlight: who to call now, why, and what next.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
score_file.register(cli)
backtest_cli.register(cli)
cli.add_typer(rules_cli.commands, name="rules")


@cli.command()
def run() -> None:
    """Run everything: worker, dashboard and, while no CRM is configured, the sandbox."""
    from app import supervisor

    settings = _usable_settings()
    with in_sentences(settings):
        code = supervisor.run(settings)
    raise typer.Exit(code)


@cli.command()
def worker(
    once: Annotated[bool, typer.Option("--once", help="Every due job once, then exit.")] = False,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="Until nothing is left to do, then exit.")
    ] = False,
) -> None:
    """Poll, score and write back."""
    from app.worker import AnotherWorker, run_worker
    from connectors.base import ConnectorError

    settings = _usable_settings()
    if not settings.has_crm:
        fail(
            "No CRM is configured, so there is nothing to poll: set LEADLIGHT_HUBSPOT_TOKEN or "
            "LEADLIGHT_SALESFORCE_INSTANCE_URL (see docs/connections.md), or use `leadlight run`, "
            "which brings a sandbox.",
            code=2,
        )
    _set_up_process()
    with in_sentences(settings):
        try:
            code = run_worker(settings, once=once, until_idle=until_idle)
        except (AnotherWorker, ConnectorError) as error:
            fail(str(error))
    raise typer.Exit(code)


@cli.command()
def dashboard() -> None:
    """Serve the screens, /healthz and /metrics."""
    settings = read_settings()
    _set_up_process()  # before Streamlit is imported, which logs by itself
    from app.dashboard import serve
    from app.ports import PortTaken, claim_port
    from data.store import Store

    with in_sentences(settings):
        try:
            settings.port = claim_port(settings.host, settings.port)
        except PortTaken as error:
            fail(str(error))
        Store.open(settings.database_url, migrate=True).close()
        serve(settings)


@cli.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Say what is wrong and what to do; exit code 0 when all is well, else 1."""
    from app.doctor import examine

    settings = read_settings()
    well = True
    found: list[dict[str, object]] = []
    for finding in examine(settings):
        well &= finding.ok
        if as_json:
            found.append({"subject": finding.subject, "ok": finding.ok, "message": finding.message})
        else:
            typer.echo(f"{'ok   ' if finding.ok else 'WRONG'} {finding.subject}: {finding.message}")
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    raise typer.Exit(0 if well else 1)


@cli.command()
def sandbox(
    home: Annotated[Path, typer.Option(help="Where its state lives.")] = Path("var"),
    hubspot_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="HubSpot's port; 0: any; left out: not served."),
    ] = None,
    salesforce_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Salesforce's port; 0: any; left out: not served."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Which world is invented.")] = 1,
    leads: Annotated[int, typer.Option(min=0, help="Leads of its first 90 days.")] = 2_500,
    live: Annotated[
        float, typer.Option(min=0.0, help="Pace of new events; 0: nothing moves by itself.")
    ] = 1.0,
) -> None:
    """Run a sandbox HubSpot and Salesforce on this machine, alive with invented people.

    When ready it prints one JSON line with each CRM's address and credentials.
    """
    from connectors.sandbox.server import start_sandbox

    if hubspot_port is None and salesforce_port is None:
        fail("Name a port for at least one CRM: --hubspot-port 0 --salesforce-port 0.", code=2)
    _set_up_process()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with (
        in_sentences(None),
        start_sandbox(
            home,
            seed=seed,
            leads=leads,
            live=live,
            hubspot_port=hubspot_port,
            salesforce_port=salesforce_port,
        ) as running,
    ):
        ready: dict[str, dict[str, str]] = {}
        if hubspot_port is not None:
            ready["hubspot"] = {"base_url": running.hubspot_url, "token": running.hubspot_token}
        if salesforce_port is not None:
            ready["salesforce"] = {
                "instance_url": running.salesforce_url,
                "client_id": running.salesforce_client_id,
                "client_secret": running.salesforce_client_secret,
            }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        stopping.wait()


@cli.command()
def replay(
    since: Annotated[
        str, typer.Option(help="Only scores logged since then (ISO 8601 date or time).")
    ] = "",
    sample: Annotated[
        int | None, typer.Option(min=1, help="Only so many, evenly spread over the log.")
    ] = None,
    lead: Annotated[int | None, typer.Option(help="Only this lead's, by number.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Compute logged scores again and compare every byte.

    Exit code 0: all the same. 1: some differ. 3: none differs, but some are of another engine
    version or of rules that cannot be read, and were not computed.
    """
    from app import replay_cli
    from data.store import Store

    settings = read_settings()
    with in_sentences(settings), closing(Store.open(settings.database_url)) as store:
        found = replay_cli.replay_log(store, since=read_time(since), lead=lead, sample=sample)
    told = replay_cli.summary(found)
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else replay_cli.in_words(told))
    raise typer.Exit(found.code)


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(installed_version("leadlight"))


def _usable_settings() -> Settings:
    settings = read_settings()
    if missing := settings.missing():
        fail("\n".join(missing), code=2)
    return settings


def _set_up_process() -> None:
    """Logging, and for a child of the supervisor: stop when it is gone, and be quiet on screen."""
    supervised = child.is_supervised()
    set_up_logging(calm=supervised and sys.stderr.isatty())
    if supervised:
        child.stop_with_supervisor()


def main() -> None:
    """Entry point of the `leadlight` command."""
    try:
        cli()
    except Exception as error:  # a fault of ours: said in a sentence, its trace kept for a report
        kept = _keep_trace()
        typer.echo(
            f"Leadlight stopped because of a fault of its own: {type(error).__name__}: "
            f"{masked(str(error))}\n{kept}",
            err=True,
        )
        raise SystemExit(1) from None


def _keep_trace() -> str:
    """Write the trace of the current error where a person can find it; where that is."""
    trace = masked(traceback.format_exc())
    try:
        path = load_settings().home / "fault.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(trace, "utf-8")
    except (OSError, SettingsError):
        return trace
    return f"Please report it with the file {path}."


if __name__ == "__main__":
    main()
