"""The registry of CRMs: from settings to connected adapters."""

from __future__ import annotations

from connectors.base import Crm
from connectors.hubspot import HubSpotCrm
from connectors.salesforce import SalesforceCrm

from app.settings import Settings


def connect(settings: Settings) -> list[Crm]:
    """An adapter for every configured CRM; nothing is called yet."""
    crms: list[Crm] = []
    if settings.has_hubspot:
        crms.append(
            HubSpotCrm(
                settings.hubspot_token.get_secret_value(), base_url=settings.hubspot_base_url
            )
        )
    if settings.has_salesforce:
        crms.append(
            SalesforceCrm(
                settings.salesforce_instance_url,
                client_id=settings.salesforce_client_id,
                client_secret=settings.salesforce_client_secret.get_secret_value(),
                access_token=settings.salesforce_access_token.get_secret_value(),
            )
        )
    return crms
