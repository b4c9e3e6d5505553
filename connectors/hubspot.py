"""HubSpot as a `Crm`: contacts, companies, behaviour and outcomes in, scores out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from connectors.base import CheckReport, Page, ScoreWrite, Stream, TaskDraft, WriteResult
from connectors.hubspot_account import AccountFacts
from connectors.hubspot_errors import Refused, refusal
from connectors.hubspot_provision import provision, verify
from connectors.hubspot_session import HubSpotSession
from connectors.hubspot_sources import STREAMS
from connectors.hubspot_streams import StreamReader
from connectors.hubspot_writes import already_written, create_task, write_scores
from scoring.leads import RecordKey
from scoring.problems import Problem


class HubSpotCrm:
    """One HubSpot account, over its API and the official client.

    `token` is that of a service key, or of a private app. `base_url` must be https (plain http only
    for a sandbox on loopback). `timeout_seconds` bounds each call; `sleep` is what waits between
    retries and searches. Raises AuthFailed for a token or address that cannot be used.
    """

    def __init__(
        self,
        token: str,
        *,
        base_url: str = "https://api.hubapi.com",
        name: str = "hubspot",
        timeout_seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.calls = 0  # HTTP calls so far, retries included
        self._counting = threading.Lock()
        self._session = HubSpotSession(
            token,
            base_url,
            timeout_seconds=timeout_seconds,
            sleep=sleep,
            on_call=self._count,
        )
        self._account = AccountFacts(self._session)
        self._reader = StreamReader(name, self._session, self._account)
        self._streams = {stream.name: stream for stream in STREAMS}

    def streams(self) -> Sequence[Stream]:
        """What can be polled, people first."""
        return STREAMS

    def check(self) -> CheckReport:
        """Prove sign-in, scopes and our own properties; every gap is a named problem."""
        self._account.forget()
        self._reader.forget_denials()
        try:
            problems = [*verify(self._account), *self._reader.gaps()]
        except Refused as refused:
            raise refusal(refused, "reading contacts") from None
        return self._report(problems)

    def provision(self) -> CheckReport:
        """Create our own properties where they are missing; safe to call again."""
        try:
            problems = provision(self._session, self._account)
        except Refused as refused:
            raise refusal(refused, "reading the contact properties") from None
        return self._report(problems)

    def changes(self, stream: str, cursor: str, now: datetime) -> Page:
        """The next page (200 new rows at most) of `stream`; raises the four connector errors."""
        found = self._streams.get(stream)
        if found is None:
            raise ValueError(
                f"HubSpot has no stream {stream!r}: use one of {', '.join(self._streams)}"
            )
        return self._reader.page(found, cursor, now)

    def write_scores(self, batch: Sequence[ScoreWrite]) -> list[WriteResult]:
        """Write scores, 100 contacts a call; a merged contact's result names the new one."""
        return write_scores(self._session, batch)

    def already_written(self, batch: Sequence[ScoreWrite]) -> set[RecordKey]:
        """Which of these contacts already hold exactly this score and time."""
        return already_written(self._session, batch)

    def create_task(self, task: TaskDraft) -> str:
        """Create the task for the contact's owner, once; returns its id."""
        return create_task(self._session, task)

    def record_url(self, record: RecordKey) -> str:
        """Where a person opens this contact; "" while the account's id is unknown."""
        return self._account.contact_url(record.id)

    def close(self) -> None:
        """Let go of connections."""
        self._session.close()

    def _count(self) -> None:
        with self._counting:
            self.calls += 1

    def _report(self, problems: Sequence[Problem]) -> CheckReport:
        details = self._account.details()
        shown = {
            name: str(details[key])
            for name, key in (
                ("portal", "portalId"),
                ("type", "accountType"),
                ("time_zone", "timeZone"),
            )
            if details.get(key)
        }
        return CheckReport(
            account=self._account.name(),
            ok=not problems,
            problems=tuple(problems),
            details=shown,
        )
