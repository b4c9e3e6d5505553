"""Our own contact properties: created, and verified; every gap is named with what to grant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.hubspot_account import AccountFacts
from connectors.hubspot_errors import Refused, refusal, wanted
from connectors.hubspot_session import HubSpotSession
from scoring.problems import Problem

TYPE = "contacts"
GROUP = "leadlight"
_SCOPE = "the scope crm.schemas.contacts.write"
_WHERE = "Development > Keys > Service keys in HubSpot"


@dataclass(frozen=True, slots=True)
class OwnProperty:
    """One property of ours and its type; band names are editable, so the band is plain text."""

    name: str
    label: str
    type: str
    field_type: str

    def body(self) -> dict[str, Any]:
        """What creates it."""
        return {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "groupName": GROUP,
            "description": "Written by Leadlight. Do not edit.",
        }


OWN_PROPERTIES = (
    OwnProperty("leadlight_score", "Leadlight score", "number", "number"),
    OwnProperty("leadlight_band", "Leadlight band", "string", "text"),
    OwnProperty("leadlight_fit", "Leadlight fit", "number", "number"),
    OwnProperty("leadlight_engagement", "Leadlight engagement", "number", "number"),
    OwnProperty("leadlight_intent", "Leadlight intent", "number", "number"),
    OwnProperty("leadlight_confidence", "Leadlight confidence", "string", "text"),
    OwnProperty("leadlight_reasons", "Leadlight reasons", "string", "textarea"),
    OwnProperty("leadlight_next_step", "Leadlight next step", "string", "text"),
    OwnProperty("leadlight_scored_at", "Leadlight scored at", "datetime", "date"),
    OwnProperty("leadlight_rule_set", "Leadlight rule set", "string", "text"),
)


def verify(account: AccountFacts) -> list[Problem]:
    """Problems naming every own property that is missing, read-only or of another type."""
    known = account.properties(TYPE)
    found = [(own, _wrong(own, known.get(own.name))) for own in OWN_PROPERTIES]
    missing = [own.name for own, wrong in found if wrong == ""]
    problems = [_problem(wrong, own.name) for own, wrong in found if wrong]
    if missing:
        problems.append(
            _problem(
                f"The contact properties {', '.join(missing)} are missing. Leadlight creates them"
                f" when it first runs, if its key has {_SCOPE}: grant it ({_WHERE}), or create"
                " them by hand.",
                missing[0],
            )
        )
    return problems


def provision(session: HubSpotSession, account: AccountFacts) -> list[Problem]:
    """Create what is missing, then verify. Safe to call again; raises connector errors."""
    account.forget()
    known = account.properties(TYPE)
    missing = [own for own in OWN_PROPERTIES if own.name not in known]
    if missing:
        try:
            _create_group(session)
            for own in missing:
                _unless_known(session.create_property, own.body())
        except Refused as refused:
            if refused.status != 403:
                raise refusal(refused, "creating our own properties") from None
            return [
                _problem(
                    f"HubSpot does not let us create our contact properties: grant"
                    f" {wanted(refused, _SCOPE)} ({_WHERE}), or create them by hand:"
                    f" {', '.join(own.name for own in missing)}.",
                    missing[0].name,
                    detail=str(refused),
                )
            ]
        account.forget()
    return verify(account)


def _create_group(session: HubSpotSession) -> None:
    try:
        session.group(TYPE, GROUP)
    except Refused as refused:
        if refused.status != 404:
            raise
        body = {"name": GROUP, "label": "Leadlight", "displayOrder": -1}
        _unless_known(session.create_group, body)


def _unless_known(create: Any, body: Mapping[str, Any]) -> None:
    try:
        create(TYPE, body)
    except Refused as refused:
        if refused.status != 409:  # somebody, or our own lost call, was faster
            raise


def _wrong(own: OwnProperty, found: Mapping[str, Any] | None) -> str | None:
    """What is wrong with a property: None = nothing, "" = it is missing."""
    if found is None:
        return ""
    if found.get("type") != own.type:
        return (
            f"The contact property {own.name} has the type {found.get('type')} instead of"
            f" {own.type}: delete or rename it, then check again."
        )
    metadata = found.get("modificationMetadata")
    if isinstance(metadata, Mapping) and metadata.get("readOnlyValue"):
        return f"The contact property {own.name} is read-only: allow editing it, then check again."
    return None


def _problem(message: str, field: str, *, detail: str = "") -> Problem:
    return Problem("missing_permission", message, detail=detail, field=field)
