"""The registry of CRMs: from settings to connected adapters."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from app.settings import Settings
from connectors.base import Crm

# Each client takes about a second to import, so that only those in use are loaded.


def _hubspot(settings: Settings) -> Crm:
    from connectors.hubspot import HubSpotCrm

    return HubSpotCrm(settings.hubspot_token.get_secret_value(), base_url=settings.hubspot_base_url)


def _salesforce(settings: Settings) -> Crm:
    from connectors.salesforce import SalesforceCrm

    return SalesforceCrm(
        settings.salesforce_instance_url,
        client_id=settings.salesforce_client_id,
        client_secret=settings.salesforce_client_secret.get_secret_value(),
        access_token=settings.salesforce_access_token.get_secret_value(),
    )


#: Every CRM we know: its name, whether it is configured, and its adapter.
CRMS: dict[str, tuple[Callable[[Settings], bool], Callable[[Settings], Crm]]] = {
    "hubspot": (lambda settings: settings.has_hubspot, _hubspot),
    "salesforce": (lambda settings: settings.has_salesforce, _salesforce),
}


def configured(settings: Settings) -> Iterator[tuple[str, Callable[[], Crm]]]:
    """Name of every configured CRM and a function that makes its adapter."""
    for name, (is_configured, make) in CRMS.items():
        if is_configured(settings):
            yield name, lambda make=make: make(settings)  # type: ignore[misc]  # bound at once


def connect(settings: Settings) -> list[Crm]:
    """An adapter for every configured CRM; nothing is called yet.

    Raises AuthFailed for credentials or addresses that cannot be used at all.
    """
    return [make() for _, make in configured(settings)]
