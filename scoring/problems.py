"""What is doubtful: a message for the person who settles it, a detail for whoever digs."""

from __future__ import annotations

from dataclasses import dataclass

from scoring.leads import RecordKey

#: Every kind of exception the queue knows: kind -> (label, what a person can do about it).
PROBLEM_KINDS: dict[str, tuple[str, str]] = {
    "bad_response": (
        "Unreadable answer",
        "The CRM sent something that is not its API's format. Check its status page; the page is "
        "read again until it succeeds.",
    ),
    "bad_record": (
        "Unreadable record",
        "Open the record in the CRM and correct the named field; it is read again when it changes.",
    ),
    "bad_value": (
        "Unusable value",
        "Correct the value in the CRM. Until then the lead is scored as if it were unknown.",
    ),
    "no_identity": (
        "Nobody to recognise",
        "The record has no e-mail address and no phone number. Add one in the CRM.",
    ),
    "email_typo": (
        "Probable e-mail typo",
        "Confirm the suggested address, then correct it in the CRM.",
    ),
    "duplicate_question": (
        "Same person?",
        "Two leads share part of their identity. Say whether they are one person.",
    ),
    "missing_permission": (
        "Missing permission",
        "Grant the named permission in the CRM, then check the connection again.",
    ),
    "auth_failed": (
        "Sign-in refused",
        "The CRM refused our credentials. Enter new ones; polling goes on afterwards.",
    ),
    "write_rejected": (
        "Score refused by the CRM",
        "The CRM did not accept the score for the named reason. Settle it there, then retry.",
    ),
    "scoring_failed": (
        "Could not score",
        "The lead could not be scored for the named reason. Correct the lead or the rule.",
    ),
    "job_failed": (
        "Job failed",
        "A background job failed for the named reason. It is tried again by itself.",
    ),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One doubtful thing: `message` is for a person, ends in what to do and holds no secret."""

    kind: str
    message: str
    detail: str = ""
    record: RecordKey | None = None
    field: str = ""
    value: str = ""

    def __post_init__(self) -> None:
        if self.kind not in PROBLEM_KINDS:
            raise ValueError(f"unknown problem kind {self.kind!r}: add it to PROBLEM_KINDS")
