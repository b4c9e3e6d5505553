"""The Salesforce sandbox over HTTP, driven by the unmodified official client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)

from tests.salesforce_serving import ServedOrg, serve_org


class Plain(HTTPAdapter):
    """Plain http where the client insists on https."""

    def send(self, request: Any, **options: Any) -> Any:  # type: ignore[override]
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, **options)


@pytest.fixture(scope="module")
def served() -> Iterator[ServedOrg]:
    with serve_org() as org:
        yield org


@pytest.fixture
def org(served: ServedOrg) -> ServedOrg:
    served.empty()
    return served


@pytest.fixture
def client(org: ServedOrg) -> Iterator[Any]:  # its own type hints are wrong in places
    session = requests.Session()
    session.mount("https://", Plain())
    token = sign_in(org).json()["access_token"]
    yield Salesforce(
        session_id=token,
        instance_url=org.url.replace("http", "https"),
        session=session,
        version="66.0",
    )
    session.close()


def sign_in(org: ServedOrg, **changes: str) -> requests.Response:
    form = {
        "grant_type": "client_credentials",
        "client_id": org.client_id,
        "client_secret": org.client_secret,
    }
    return requests.post(f"{org.url}/services/oauth2/token", data=form | changes, timeout=10)


def content(caught: pytest.ExceptionInfo[Any]) -> Any:
    """What an error answer held."""
    return caught.value.content


def errors(caught: pytest.ExceptionInfo[Any]) -> list[str]:
    return [entry["errorCode"] for entry in content(caught)]


def create(client: Any, **fields: Any) -> str:
    body = {"LastName": "Hopper", "Company": "Cobol"} | fields
    return str(client.Lead.create(body)["id"])


# sign-in


def test_credentials_in_the_body_or_as_basic_give_a_token(org: ServedOrg) -> None:
    basic = requests.post(
        f"{org.url}/services/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(org.client_id, org.client_secret),
        timeout=10,
    )
    assert basic.json()["token_type"] == sign_in(org).json()["token_type"] == "Bearer"
    assert "expires_in" not in basic.json()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_id": "other"}, "invalid_client_id"),
        ({"client_secret": "other"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "invalid_request"),
    ],
)
def test_wrong_credentials_are_refused(org: ServedOrg, changes: dict[str, str], code: str) -> None:
    answer = sign_in(org, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, code)


def test_an_aged_token_is_an_expired_session(org: ServedOrg, client: Any) -> None:
    org.state.set_meta("salesforce.token_seconds", "60")
    org.wait(61)
    with pytest.raises(SalesforceExpiredSession) as caught:
        client.limits()
    assert content(caught) == [
        {"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}
    ]


def test_versions_are_listed_without_sign_in(org: ServedOrg) -> None:
    answer = requests.get(f"{org.url}/services/data/", timeout=10)
    assert {
        "label": "Spring '26",
        "url": "/services/data/v66.0",
        "version": "66.0",
    } in answer.json()
    assert "Sforce-Limit-Info" not in answer.headers
    assert requests.get(f"{org.url}/services/data/v66.0/", timeout=10).status_code == 401


# queries


def test_pages_are_followed_to_the_end(org: ServedOrg, client: Any) -> None:
    for _ in range(450):
        org.lead()
    soql = "SELECT Id FROM Lead ORDER BY SystemModstamp, Id"
    options = {"Sforce-Query-Options": "batchSize=200"}
    first = client.query(soql, headers=options)
    rows = list(client.query_all_iter(soql, headers=options))
    assert (first["totalSize"], first["done"], len(first["records"])) == (450, False, 200)
    assert len({row["Id"] for row in rows}) == len(rows) == 450


def test_the_server_may_send_short_pages(org: ServedOrg, client: Any) -> None:
    for _ in range(5):
        org.lead()
    org.state.set_meta("salesforce.page_size", "2")
    assert len(client.query("SELECT Id FROM Lead")["records"]) == 2
    assert client.query_all("SELECT Id FROM Lead")["totalSize"] == 5


def test_a_locator_dies_after_two_days(org: ServedOrg, client: Any) -> None:
    org.lead()
    org.lead()
    org.state.set_meta("salesforce.page_size", "1")
    more = client.query("SELECT Id FROM Lead")["nextRecordsUrl"]
    org.wait(timedelta(days=3).total_seconds())
    client.session_id = sign_in(org).json()["access_token"]
    client._generate_headers()
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.query_more(more, identifier_is_url=True)
    assert errors(caught) == ["INVALID_QUERY_LOCATOR"]


def test_records_look_as_on_the_wire(org: ServedOrg, client: Any) -> None:
    lead = org.lead(AnnualRevenue=12.0)
    row = json.loads(
        json.dumps(
            client.query(
                "SELECT Id, Name, AnnualRevenue, IsConverted, Owner.Name, Email,"
                " CreatedDate FROM Lead"
            )["records"][0]
        )
    )
    assert row["attributes"] == {
        "type": "Lead",
        "url": f"/services/data/v66.0/sobjects/Lead/{lead}",
    }
    assert row["Name"].startswith("Ada Lovelace")
    assert (row["AnnualRevenue"], row["IsConverted"], row["Owner"]) == (12.0, False, None)
    assert row["CreatedDate"] == org.wire(org.now)


def test_counting_needs_no_rows(org: ServedOrg, client: Any) -> None:
    org.lead()
    answer = client.query("SELECT COUNT() FROM Lead")
    assert (answer["totalSize"], answer["done"], answer["records"]) == (1, True, [])


def test_an_unknown_field_is_named(client: Any) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.query("SELECT BADFIELD FROM Lead")
    assert errors(caught) == ["INVALID_FIELD"]
    assert "No such column 'BADFIELD' on entity 'Lead'" in content(caught)[0]["message"]


def test_a_hidden_object_does_not_exist(org: ServedOrg, client: Any) -> None:
    org.state.set_meta("salesforce.hidden_objects", "CampaignMember")
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.query("SELECT Id FROM CampaignMember")
    with pytest.raises(SalesforceResourceNotFound):
        client.CampaignMember.describe()
    assert errors(caught) == ["INVALID_TYPE"]


# records


def test_a_lead_made_through_the_api_is_there(org: ServedOrg, client: Any) -> None:
    lead = create(client, Email="grace@cobol.example")
    row = client.Lead.get(lead)
    assert (row["Email"], row["Status"]) == ("grace@cobol.example", "Open - Not Contacted")
    assert len(lead) == 18
    assert lead.startswith("00Q")


def test_an_update_gives_the_lead_a_new_owner_unless_told_otherwise(
    org: ServedOrg, client: Any
) -> None:
    lead = org.lead(OwnerId="005000000000001AAA")
    client.session.headers["Sforce-Auto-Assign"] = "FALSE"
    assert client.Lead.update(lead, {"Title": "CTO"}) == 204
    assert org.fields("Lead", lead)["OwnerId"] == "005000000000001AAA"
    del client.session.headers["Sforce-Auto-Assign"]
    client.Lead.update(lead, {"Title": "CEO"})
    assert org.fields("Lead", lead)["OwnerId"].startswith("00G")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Company": None}, "REQUIRED_FIELD_MISSING"),
        ({"Email": "no address"}, "INVALID_EMAIL_ADDRESS"),
        ({"City": "x" * 41}, "STRING_TOO_LONG"),
        ({"NumberOfEmployees": "many"}, "JSON_PARSER_ERROR"),
        ({"IsConverted": True}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"Nope__c": 1}, "INVALID_FIELD"),
        ({"Id": "00Q000000000001AAA"}, "INVALID_FIELD"),
    ],
)
def test_a_bad_record_is_refused(client: Any, fields: dict[str, Any], code: str) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        create(client, **fields)
    assert errors(caught) == [code]


def test_a_converted_lead_is_read_only(org: ServedOrg, client: Any) -> None:
    lead = org.lead(IsConverted=True)
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.Lead.update(lead, {"Title": "CTO"})
    assert errors(caught) == ["CANNOT_UPDATE_CONVERTED_LEAD"]


def test_a_deleted_record_lies_in_the_bin(org: ServedOrg, client: Any) -> None:
    lead = create(client)
    client.Lead.delete(lead)
    with pytest.raises(SalesforceResourceNotFound) as caught:
        client.Lead.get(lead)
    shown = client.query("SELECT IsDeleted FROM Lead", include_deleted=True)["records"]
    assert errors(caught) == ["ENTITY_IS_DELETED"]
    assert [row["IsDeleted"] for row in shown] == [True]


def test_updated_and_deleted_are_reported(org: ServedOrg, client: Any) -> None:
    kept, gone = create(client), create(client)
    client.Lead.delete(gone)
    start, end = org.now - timedelta(minutes=5), org.now + timedelta(minutes=5)
    assert client.Lead.updated(start, end)["ids"] == [kept]
    assert [row["id"] for row in client.Lead.deleted(start, end)["deletedRecords"]] == [gone]


# collections and composite


def test_a_collection_answers_record_by_record(org: ServedOrg, client: Any) -> None:
    good, converted = org.lead(), org.lead(IsConverted=True)
    records = [
        {"attributes": {"type": "Lead"}, "id": good, "Title": "CTO"},
        {"attributes": {"type": "Lead"}, "id": converted, "Title": "CTO"},
        {"attributes": {"type": "Lead"}, "id": "003000000000001AAA", "Title": "CTO"},
    ]
    rows = client.restful(
        "composite/sobjects", method="PATCH", json={"allOrNone": False, "records": records}
    )
    assert rows[0] == {"id": good, "success": True, "errors": []}
    codes = [row["errors"][0]["statusCode"] for row in rows[1:]]
    assert codes == ["CANNOT_UPDATE_CONVERTED_LEAD", "MALFORMED_ID"]


def test_all_or_none_rolls_back(org: ServedOrg, client: Any) -> None:
    good, converted = org.lead(), org.lead(IsConverted=True)
    records = [
        {"attributes": {"type": "Lead"}, "id": good, "Title": "CTO"},
        {"attributes": {"type": "Lead"}, "id": converted, "Title": "CTO"},
    ]
    rows = client.restful(
        "composite/sobjects", method="PATCH", json={"allOrNone": True, "records": records}
    )
    assert rows[0]["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert "Title" not in org.fields("Lead", good)


def test_a_collection_holds_two_hundred_at_most(client: Any) -> None:
    records = [{"attributes": {"type": "Lead"}, "LastName": "x", "Company": "y"}] * 201
    with pytest.raises(SalesforceMalformedRequest):
        client.restful("composite/sobjects", method="POST", json={"records": records})


def test_a_collection_reads_by_id_with_nulls_for_the_missing(org: ServedOrg, client: Any) -> None:
    lead = org.lead()
    body = {"ids": [lead, "00Q00000000000zAAA"], "fields": ["LastName"]}
    rows = client.restful("composite/sobjects/Lead", method="POST", json=body)
    assert [row and row["LastName"][:8] for row in rows] == ["Lovelace", None]


def test_a_composite_passes_results_on(client: Any) -> None:
    base = "/services/data/v66.0/sobjects/Lead"
    fields = {"LastName": "Hopper", "Company": "Cobol"}
    answer = client.restful(
        "composite",
        method="POST",
        json={
            "compositeRequest": [
                {"method": "POST", "url": base, "referenceId": "made", "body": fields},
                {"method": "GET", "url": f"{base}/@{{made.id}}", "referenceId": "read"},
            ]
        },
    )
    made, read = answer["compositeResponse"]
    assert (made["httpStatusCode"], read["httpStatusCode"]) == (201, 200)
    assert read["body"]["LastName"] == "Hopper"


def test_a_composite_undoes_everything_when_asked(org: ServedOrg, client: Any) -> None:
    base = "/services/data/v66.0/sobjects/Lead"
    body = {
        "allOrNone": True,
        "compositeRequest": [
            {
                "method": "POST",
                "url": base,
                "referenceId": "a",
                "body": {"LastName": "x", "Company": "y"},
            },
            {"method": "POST", "url": base, "referenceId": "b", "body": {}},
        ],
    }
    rows = client.restful("composite", method="POST", json=body)["compositeResponse"]
    assert rows[0]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert client.query("SELECT COUNT() FROM Lead")["totalSize"] == 0


# set-up, switches, limits


def test_a_new_field_is_invisible_until_permitted(org: ServedOrg, client: Any) -> None:
    body = {
        "FullName": "Lead.Mood__c",
        "Metadata": {"label": "Mood", "type": "Number", "precision": 5, "scale": 1},
    }
    assert client.toolingexecute("sobjects/CustomField/", method="POST", data=body)["success"]
    lead = org.lead()
    with pytest.raises(SalesforceMalformedRequest):
        client.Lead.update(lead, {"Mood__c": 1})
    grant_mood(client)
    client.Lead.update(lead, {"Mood__c": 81.27})
    described = {f["name"]: f for f in client.Lead.describe()["fields"]}
    assert described["Mood__c"]["updateable"]
    assert (
        client.query("SELECT Mood__c FROM Lead")["records"][0]["Mood__c"] == 81.2
    )  # cut, not rounded
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.toolingexecute("sobjects/CustomField/", method="POST", data=body)
    assert errors(caught) == ["DUPLICATE_DEVELOPER_NAME"]


def grant_mood(client: Any) -> None:
    parent = client.PermissionSet.create({"Name": "Moods", "Label": "Moods"})["id"]
    client.FieldPermissions.create(
        {
            "ParentId": parent,
            "SobjectType": "Lead",
            "Field": "Lead.Mood__c",
            "PermissionsRead": True,
            "PermissionsEdit": True,
        }
    )
    user = client.restful("")["identity"].rpartition("/")[2]
    client.PermissionSetAssignment.create({"AssigneeId": user, "PermissionSetId": parent})


def test_a_validation_rule_speaks_its_text(org: ServedOrg, client: Any) -> None:
    rule = {
        "object": "Lead",
        "field": "Industry",
        "equals": "Arms",
        "message": "Not in our markets",
    }
    org.state.set_meta("salesforce.validation_rule", json.dumps(rule))
    lead = org.lead(Industry="Arms")
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.Lead.update(lead, {"Title": "CTO"})
    assert content(caught) == [
        {
            "message": "Not in our markets",
            "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION",
            "fields": ["Industry"],
        }
    ]


def test_a_locked_row_is_free_again_later(org: ServedOrg, client: Any) -> None:
    lead = org.lead()
    org.state.set_meta("salesforce.locked_ids", lead)
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.Lead.update(lead, {"Title": "CTO"})
    assert errors(caught) == ["UNABLE_TO_LOCK_ROW"]
    assert client.Lead.update(lead, {"Title": "CTO"}) == 204


def test_a_finished_task_moves_the_leads_last_activity(org: ServedOrg, client: Any) -> None:
    lead = org.lead()
    org.wait(60)
    client.Task.create({"WhoId": lead, "Subject": "Call", "Status": "Completed"})
    row = client.Lead.get(lead)
    assert row["LastActivityDate"] == org.now.date().isoformat()
    assert row["SystemModstamp"] == org.wire(org.now)


def test_the_daily_limit_is_told_and_kept(org: ServedOrg, client: Any) -> None:
    answer = requests.get(
        f"{org.url}/services/data/v66.0/limits/", headers=client.headers, timeout=10
    )
    assert answer.headers["Sforce-Limit-Info"].endswith("/100000; api-bursts=1/750")
    org.state.set_meta("salesforce.daily_limit", "1")
    with pytest.raises(SalesforceRefusedRequest) as caught:
        client.limits()
    assert errors(caught) == ["REQUEST_LIMIT_EXCEEDED"]


def test_an_address_that_is_too_long_is_refused(client: Any) -> None:
    ids = ",".join(["'00Q000000000001AAA'"] * 900)
    with pytest.raises(Exception, match="414"):
        client.query(f"SELECT Id FROM Lead WHERE Id IN ({ids})")


def test_what_is_not_there_is_not_found(client: Any) -> None:
    with pytest.raises(SalesforceResourceNotFound):
        client.restful("nowhere")
    with pytest.raises(SalesforceResourceNotFound):
        client.Nope.describe()
    with pytest.raises(Exception, match="METHOD_NOT_ALLOWED"):
        client.restful("limits", method="DELETE")
