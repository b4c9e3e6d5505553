"""Salesforce as a `Crm`: leads, contacts, accounts, activity and outcomes in, scores out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from connectors.base import (
    AuthFailed,
    CheckReport,
    Page,
    ScoreWrite,
    Stream,
    TaskDraft,
    TransientFailure,
    WriteResult,
)
from connectors.salesforce_cursor import Cursor
from connectors.salesforce_describe import Describer, refusal
from connectors.salesforce_provision import provision, verify
from connectors.salesforce_session import API_VERSION, Refused, SalesforceSession
from connectors.salesforce_streams import SOURCES, StreamReader
from connectors.salesforce_writes import already_written, create_task, write_scores
from scoring.leads import RecordKey
from scoring.problems import Problem


class SalesforceCrm:
    """One Salesforce org, over its REST API and the official client.

    `instance_url` is the org's My Domain (https; plain http only for a sandbox on loopback). Signs
    in with `client_id` and `client_secret` (client credentials flow) or a given `access_token`.
    `timeout_seconds` bounds each call; `sleep` is what waits between retries. Raises AuthFailed for
    an address or credentials that cannot be used.
    """

    def __init__(
        self,
        instance_url: str,
        *,
        client_id: str = "",
        client_secret: str = "",
        access_token: str = "",
        name: str = "salesforce",
        timeout_seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.calls = 0  # HTTP calls so far, sign-ins and retries included
        self._session = SalesforceSession(
            instance_url,
            client_id=client_id,
            client_secret=client_secret,
            access_token=access_token,
            timeout_seconds=timeout_seconds,
            sleep=sleep,
            on_call=self._count,
        )
        self._base_url = instance_url.strip().rstrip("/")
        self._describer = Describer(self._session)
        self._reader = StreamReader(name, self._session, self._describer, self._record_address)

    def streams(self) -> Sequence[Stream]:
        """What can be polled, people first."""
        return [source.stream for source in SOURCES.values()]

    def check(self) -> CheckReport:
        """Prove sign-in, API version, permissions and our own fields; every gap is a problem."""
        self._describer.forget()
        self._prove_version()
        user_id = self._user_id()
        organization, sandbox = self._organization()
        problems = self._gaps() + verify(self._describer)
        return CheckReport(
            account=organization,
            ok=not problems,
            problems=tuple(problems),
            details={"user": user_id, "api_version": API_VERSION, "sandbox": sandbox},
        )

    def provision(self) -> CheckReport:
        """Create our own fields, make them visible to ourselves, verify; safe to call again."""
        try:
            problems = provision(self._session, self._describer, self._user_id())
        except Refused as refused:
            raise refusal(refused, "creating our own fields") from None
        organization, _ = self._organization()
        return CheckReport(account=organization, ok=not problems, problems=tuple(problems))

    def changes(self, stream: str, cursor: str, now: datetime) -> Page:
        """The next page (at most 200 new rows) of `stream`; raises the four connector errors.

        The window ends at the server's clock; `now` is used only if an answer names no time.
        """
        source = SOURCES.get(stream)
        if source is None:
            raise ValueError(
                f"Salesforce has no stream {stream!r}: use one of {', '.join(SOURCES)}"
            )
        return self._reader.page(source, Cursor.parse(cursor), now)

    def write_scores(self, batch: Sequence[ScoreWrite]) -> list[WriteResult]:
        """Write scores, 200 records a call; a converted lead's result names its contact."""
        return write_scores(self._session, batch)

    def already_written(self, batch: Sequence[ScoreWrite]) -> set[RecordKey]:
        """Which of these records hold exactly this score, band and time; 2,000 records a call."""
        return already_written(self._session, batch)

    def create_task(self, task: TaskDraft) -> str:
        """Create the task for the person's owner, once; returns its id."""
        return create_task(self._session, task)

    def record_url(self, record: RecordKey) -> str:
        """Where a person opens this record."""
        return self._record_address(record.id)

    def close(self) -> None:
        """Let go of connections."""
        self._session.close()

    def _count(self) -> None:
        self.calls += 1

    def _record_address(self, record_id: str) -> str:
        return f"{self._base_url}/{record_id}"

    def _prove_version(self) -> None:
        versions = self._session.versions()
        if API_VERSION not in versions:
            raise AuthFailed(
                f"This Salesforce org does not serve API version {API_VERSION}: update Leadlight.",
                detail=f"served: {', '.join(versions)[:200]}",
            )

    def _user_id(self) -> str:
        """Our own user, from the identity address among the API's resources."""
        try:
            identity = str((self._session.rest("") or {}).get("identity", ""))
        except Refused as refused:
            raise refusal(refused, "signing in") from None
        user_id = identity.rstrip("/").rpartition("/")[2]
        if not user_id.startswith("005"):
            raise TransientFailure(
                "Salesforce did not say who we are: it is asked again.", detail=identity[:200]
            )
        return user_id

    def _organization(self) -> tuple[str, str]:
        try:
            rows = self._session.query_all("SELECT Name, IsSandbox FROM Organization LIMIT 1")
        except Refused as refused:
            raise refusal(refused, "reading the organization's name") from None
        first = rows[0] if rows else {}
        return str(first.get("Name") or ""), "yes" if first.get("IsSandbox") else "no"

    def _gaps(self) -> list[Problem]:
        gaps: dict[str, Problem] = {}
        for source in SOURCES.values():
            for gap in self._reader.gaps(source, self._describer.object(source.object)):
                gaps.setdefault(gap.message, gap)
        return list(gaps.values())
