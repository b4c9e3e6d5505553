"""The HubSpot sandbox over HTTP, driven by the unmodified official client and by bare requests."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hubspot import HubSpot
from hubspot.crm.contacts.exceptions import ApiException, NotFoundException
from hubspot.crm.objects.exceptions import ForbiddenException, UnauthorizedException
from urllib3.util.retry import Retry

from connectors.sandbox.hubspot_schema import CRM
from connectors.sandbox.state import Stored
from tests.hubspot_serving import ServedPortal, serve_portal, wire

CONTACTS = "/crm/v3/objects/contacts"


@pytest.fixture(scope="module")
def served() -> Iterator[ServedPortal]:
    with serve_portal() as portal:
        yield portal


@pytest.fixture
def portal(served: ServedPortal) -> ServedPortal:
    served.empty()
    return served


@pytest.fixture
def client(portal: ServedPortal) -> HubSpot:
    """The official client as its README makes it, pointed at the sandbox."""
    return HubSpot(
        access_token=portal.token,
        host=portal.url,
        base_url=portal.url,
        retry=Retry(0, respect_retry_after_header=False),
    )


@pytest.fixture
def http(portal: ServedPortal) -> Iterator[httpx.Client]:
    with portal.http() as found:
        yield found


def search(http: httpx.Client, type_: str = "contacts", **body: Any) -> httpx.Response:
    return http.post(f"/crm/v3/objects/{type_}/search", json=body)


def found_ids(answer: httpx.Response) -> list[str]:
    return [row["id"] for row in answer.json()["results"]]


def where(name: str, operator: str, **more: Any) -> dict[str, Any]:
    return {"filterGroups": [{"filters": [{"propertyName": name, "operator": operator, **more}]}]}


def refusals(answer: httpx.Response) -> list[dict[str, Any]]:
    """The property errors inside a 400's message."""
    found = re.search(r"not valid: (\[.*\])", answer.json()["message"], re.DOTALL)
    assert found, answer.text
    return list(json.loads(found[1]))


# -- the official client -----------------------------------------------------------------------


def test_the_client_creates_reads_changes_and_archives(client: HubSpot) -> None:
    api = client.crm.contacts.basic_api
    properties = {"email": "Ada@One.example", "firstname": "Ada", "numemployees": "5-25"}
    made = api.create({"properties": properties})
    assert made.properties["email"] == "ada@one.example"
    read = api.get_by_id(made.id, properties=["email", "lastname", "no_such_property"])
    assert read.properties["lastname"] is None
    assert "no_such_property" not in read.properties
    changed = api.update(made.id, {"properties": {"lastname": "Lovelace"}})
    assert changed.properties["lastname"] == "Lovelace"
    by_email = api.get_by_id("ADA@one.example", id_property="email")
    assert by_email.id == made.id
    api.archive(made.id)
    with pytest.raises(NotFoundException):
        api.get_by_id(made.id)
    assert api.get_by_id(made.id, archived=True).archived


def test_the_client_pages_a_list_to_its_end(portal: ServedPortal, client: HubSpot) -> None:
    for _ in range(230):
        portal.contact()
    assert len(client.crm.contacts.get_all(properties=["email"])) == 230


def test_the_client_works_in_batches(portal: ServedPortal, client: HubSpot) -> None:
    api = client.crm.contacts.batch_api
    inputs = [{"properties": {"email": f"p{n}@x.example"}} for n in range(3)]
    made = api.create({"inputs": inputs})
    ids = [row.id for row in made.results]
    changes = [{"id": i, "properties": {"jobtitle": "CTO"}} for i in ids]
    assert len(api.update({"inputs": changes}).results) == 3
    read = api.read({"inputs": [{"id": i} for i in ids], "properties": ["jobtitle"]})
    assert [row.properties["jobtitle"] for row in read.results] == ["CTO"] * 3
    upserts = [
        {"id": f"p{n}@x.example", "idProperty": "email", "properties": {"firstname": "P"}}
        for n in (2, 3)
    ]
    assert [row.new for row in api.upsert({"inputs": upserts}).results] == [False, True]


def test_the_client_searches(portal: ServedPortal, client: HubSpot) -> None:
    ids = [portal.contact(jobtitle=title) for title in ("CTO", "CFO", "CTO")]
    filters = [{"propertyName": "jobtitle", "operator": "EQ", "value": "cto"}]
    answer = client.crm.contacts.search_api.do_search(
        {"filterGroups": [{"filters": filters}], "sorts": ["hs_object_id"], "limit": 1}
    )
    assert (answer.total, answer.results[0].id, answer.paging.next.after) == (2, ids[0], "1")


def test_the_client_makes_properties_and_a_group(client: HubSpot) -> None:
    crm = client.crm.properties
    crm.groups_api.create("contacts", {"name": "ours", "label": "Ours"})
    body = {"name": "grade", "label": "Grade", "type": "enumeration", "fieldType": "select"}
    options = [{"label": "Hot", "value": "hot", "displayOrder": 0, "hidden": False}]
    made = crm.core_api.create("contacts", body | {"groupName": "ours", "options": options})
    assert made.modification_metadata.read_only_value is False
    assert "grade" in {row.name for row in crm.core_api.get_all("contacts").results}
    assert crm.core_api.get_by_name("contacts", "grade").options[0].value == "hot"


def test_the_client_reads_associations_owners_and_stages(
    portal: ServedPortal, client: HubSpot
) -> None:
    ada, acme = portal.contact(), portal.add("companies", name="Acme")
    portal.link("contacts", ada, "companies", acme)
    portal.add("owners", id="7", firstName="Grace", lastName="Hopper", email="g@us.example")
    answer = client.crm.associations.v4.batch_api.get_page(
        "contacts", "companies", {"inputs": [{"id": ada}]}
    )
    edge = answer.results[0].to[0]
    assert (edge.to_object_id, edge.association_types[0].type_id) == (acme, 279)
    assert client.crm.owners.owners_api.get_page().results[0].first_name == "Grace"
    stages = client.crm.pipelines.pipelines_api.get_all("deals").results[0].stages
    won = [stage.id for stage in stages if stage.metadata["probability"] == "1.0"]
    assert won == ["closedwon"]


def test_the_client_creates_a_task_on_a_contact(portal: ServedPortal, client: HubSpot) -> None:
    ada = portal.contact()
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 204}]
    body = {
        "properties": {"hs_timestamp": wire(portal.now), "hs_task_subject": "Call"},
        "associations": [{"to": {"id": ada}, "types": types}],
    }
    task = client.crm.objects.tasks.basic_api.create(body)
    found = client.crm.objects.basic_api.get_by_id("0-1", ada, associations=["tasks"])
    assert found.associations["tasks"].results[0].id == task.id


def test_the_client_reads_events_and_forms(portal: ServedPortal, client: HubSpot) -> None:
    portal.add("forms", id="f-1", name="Contact us", formType="hubspot")
    kept = {"eventType": "e_visited_page", "objectId": "101", "properties": {"hs_url": "/"}}
    portal.add("events", id="v-1", **kept)
    portal.wait(1)
    assert client.marketing.forms.forms_api.get_page().results[0].name == "Contact us"
    events = client.events.events_api.get_page(event_type="e_visited_page", limit=5)
    assert events.results[0].properties == {"hs_url": "/"}


# -- addresses and sign-in ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        CONTACTS,
        f"{CONTACTS}/",
        "/crm/v3/objects/0-1",
        "/crm/v3/objects/contact",
        "/crm/objects/2026-03/contacts",
        "/crm/objects/2026-09/0-1/",
    ],
)
def test_every_dialect_reaches_the_same_records(
    portal: ServedPortal, http: httpx.Client, path: str
) -> None:
    id_ = portal.contact()
    assert [row["id"] for row in http.get(path).json()["results"]] == [id_]


def test_query_arrays_come_repeated_or_with_commas(
    portal: ServedPortal, http: httpx.Client
) -> None:
    id_ = portal.contact(jobtitle="CTO")
    for query in ("properties=email&properties=jobtitle", "properties=email,jobtitle"):
        row = http.get(f"{CONTACTS}/{id_}?{query}").json()
        assert {"email", "jobtitle", "hs_object_id"} <= set(row["properties"])


def test_an_unknown_address_and_a_wrong_method(http: httpx.Client) -> None:
    assert http.get("/crm/v3/nothing").status_code == 404
    assert http.put(CONTACTS).status_code == 405


def test_an_address_that_is_too_long_gets_a_page(http: httpx.Client) -> None:
    answer = http.get(CONTACTS, params={"properties": "x" * 17_000})
    assert (answer.status_code, "Too Large" in answer.text) == (414, True)


def test_tokens_are_told_apart(portal: ServedPortal, client: HubSpot) -> None:
    with portal.http("pat-wrong") as stranger:
        answer = stranger.get(CONTACTS)
    assert (answer.status_code, answer.json()["category"]) == (401, "INVALID_AUTHENTICATION")
    assert answer.headers["x-hubspot-auth-failure"] == "401 Unauthorized"
    portal.switch("auth", "expired")
    with pytest.raises(UnauthorizedException) as raised:
        client.crm.objects.basic_api.get_page("contacts")
    assert "EXPIRED_AUTHENTICATION" in raised.value.body


def test_a_missing_scope_is_named(portal: ServedPortal, client: HubSpot) -> None:
    portal.switch("scopes", "crm.objects.contacts.read")
    client.crm.objects.basic_api.get_page("contacts")
    with pytest.raises(ForbiddenException) as raised:
        client.crm.objects.basic_api.create("contacts", {"properties": {"email": "a@b.example"}})
    body = json.loads(raised.value.body)
    assert body["category"] == "MISSING_SCOPES"
    assert body["errors"][0]["context"]["requiredScopes"] == ["crm.objects.contacts.write"]


# -- limits ------------------------------------------------------------------------------------


def test_five_searches_a_second_and_no_headers(portal: ServedPortal, http: httpx.Client) -> None:
    answers = [search(http, limit=1) for _ in range(6)]
    assert [a.status_code for a in answers] == [200] * 5 + [429]
    assert answers[5].json()["policyName"] == "SECONDLY"
    assert "Retry-After" not in answers[5].headers
    assert not any(name.startswith("x-hubspot-ratelimit") for name in answers[0].headers)
    portal.wait(1.1)
    assert search(http, limit=1).status_code == 200


def test_the_ten_second_window_rolls(portal: ServedPortal, http: httpx.Client) -> None:
    portal.switch("ten_seconds", "3")
    portal.switch("retry_after", "yes")
    answers = [http.get(CONTACTS) for _ in range(4)]
    assert answers[1].headers["X-HubSpot-RateLimit-Remaining"] == "1"
    refused = answers[3]
    assert (refused.status_code, refused.json()["errorType"]) == (429, "RATE_LIMIT")
    assert refused.json()["policyName"] == "TEN_SECONDLY_ROLLING"
    assert refused.headers["Retry-After"] == "10"
    portal.wait(10.1)
    assert http.get(CONTACTS).status_code == 200


def test_a_day_has_an_end(portal: ServedPortal, http: httpx.Client) -> None:
    portal.wait(86_400)
    portal.switch("daily", "2")
    answers = [http.get(CONTACTS) for _ in range(3)]
    assert answers[2].json()["policyName"] == "DAILY"


# -- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("no_such_thing", "x", "PROPERTY_DOESNT_EXIST"),
        ("hs_lead_status", "new", "INVALID_OPTION"),
        ("email", "not an address", "INVALID_EMAIL"),
        ("hs_email_open", "3", "READ_ONLY_VALUE"),
        ("amount_due", "1,000", "INVALID_INTEGER"),
        ("met_at", "yesterday", "INVALID_LONG"),
        ("born", "1999-05-05T10:00:00Z", "INVALID_DATE"),
        ("colours", "red;pink", "INVALID_OPTION"),
        ("vip", "maybe", "INVALID_OPTION"),
        ("message", "x" * 65_537, "INVALID_LENGTH"),
    ],
)
def test_a_value_that_cannot_be_stored_is_refused_by_name(
    portal: ServedPortal, http: httpx.Client, name: str, value: str, error: str
) -> None:
    own(portal)
    answer = http.post(CONTACTS, json={"properties": {"firstname": "Ada", name: value}})
    assert answer.status_code == 400
    assert [(r["name"], r["error"]) for r in refusals(answer)] == [(name, error)]


def own(portal: ServedPortal) -> None:
    """Properties of the account's own, one of each kind."""
    for name, type_, field_type in (
        ("amount_due", "number", "number"),
        ("met_at", "datetime", "date"),
        ("born", "date", "date"),
        ("colours", "enumeration", "checkbox"),
        ("vip", "bool", "booleancheckbox"),
    ):
        options = [{"value": v, "label": v} for v in ("red", "green", "blue")]
        portal.state.define_field(
            CRM,
            "contacts",
            name,
            {
                "label": name,
                "type": type_,
                "fieldType": field_type,
                "groupName": "contactinformation",
                "options": options if name == "colours" else [],
            },
        )


def test_values_are_kept_as_text(portal: ServedPortal, http: httpx.Client) -> None:
    own(portal)
    given = {
        "firstname": "Ada",
        "amount_due": 12.5,
        "met_at": 1793613600123,
        "born": "1999-05-05",
        "colours": "red;blue",
        "vip": True,
    }
    id_ = http.post(CONTACTS, json={"properties": given}).json()["id"]
    http.patch(f"{CONTACTS}/{id_}", json={"properties": {"colours": ";green", "firstname": ""}})
    found = http.get(f"{CONTACTS}/{id_}", params={"properties": ",".join(given)}).json()
    shown = {name: found["properties"][name] for name in given}
    assert shown == {
        "firstname": None,
        "amount_due": "12.5",
        "met_at": "2026-11-02T10:00:00.123Z",
        "born": "1999-05-05",
        "colours": "red;blue;green",
        "vip": "true",
    }


def test_an_address_belongs_to_one_contact(portal: ServedPortal, http: httpx.Client) -> None:
    id_ = portal.contact(email="ada@one.example", hs_additional_emails="ada@home.example")
    for address in ("ADA@one.example", "ada@home.example"):
        answer = http.post(CONTACTS, json={"properties": {"email": address}})
        assert answer.status_code == 409
        assert answer.json()["message"] == f"Contact already exists. Existing ID: {id_}"


def test_a_contact_needs_a_name_or_an_address(http: httpx.Client) -> None:
    assert http.post(CONTACTS, json={"properties": {"jobtitle": "CTO"}}).status_code == 400


def test_a_write_moves_the_modified_time(portal: ServedPortal, http: httpx.Client) -> None:
    id_ = portal.contact()
    portal.wait(5)
    http.patch(f"{CONTACTS}/{id_}", json={"properties": {"jobtitle": "CTO"}})
    found = http.get(f"{CONTACTS}/{id_}").json()
    assert found["properties"]["lastmodifieddate"] == wire(portal.now)
    assert found["createdAt"] == wire(portal.now - timedelta(seconds=5))


def test_the_lifecycle_moves_forward_only(portal: ServedPortal, http: httpx.Client) -> None:
    id_ = portal.contact(lifecyclestage="opportunity")
    address = f"{CONTACTS}/{id_}"
    assert http.patch(address, json={"properties": {"lifecyclestage": "lead"}}).status_code == 200
    assert portal.fields_of("contacts", id_)["lifecyclestage"] == "opportunity"
    http.patch(address, json={"properties": {"lifecyclestage": ""}})
    http.patch(address, json={"properties": {"lifecyclestage": "lead"}})
    assert portal.fields_of("contacts", id_)["lifecyclestage"] == "lead"


def test_a_won_deal_says_so_and_when(portal: ServedPortal, http: httpx.Client) -> None:
    given = {"dealname": "Big", "dealstage": "contractsent"}
    id_ = http.post("/crm/v3/objects/deals", json={"properties": given}).json()["id"]
    portal.wait(60)
    http.patch(f"/crm/v3/objects/deals/{id_}", json={"properties": {"dealstage": "closedwon"}})
    names = "hs_is_closed_won,hs_v2_date_entered_closedwon,closedate"
    found = http.get(f"/crm/v3/objects/deals/{id_}", params={"properties": names}).json()
    assert found["properties"]["hs_is_closed_won"] == "true"
    assert found["properties"]["hs_v2_date_entered_closedwon"] == wire(portal.now)
    assert found["properties"]["closedate"] == wire(portal.now)


def test_a_merge_makes_a_new_record_and_old_ids_lead_there(
    portal: ServedPortal, http: httpx.Client
) -> None:
    first, second = portal.contact(firstname="Ada"), portal.contact(jobtitle="CTO")
    deal = portal.add("deals", dealname="d")
    portal.link("deals", deal, "contacts", second)
    body = {"primaryObjectId": first, "objectIdToMerge": second}
    new = http.post(f"{CONTACTS}/merge", json=body).json()["id"]
    for old in (first, second):
        assert http.get(f"{CONTACTS}/{old}").json()["id"] == new
    fields = portal.fields_of("contacts", new)
    assert (fields["firstname"], fields["jobtitle"]) == ("Ada", "CTO")
    assert fields["hs_merged_object_ids"] == f"{first};{second}"
    assert portal.state.linked(CRM, "deals", deal, "contacts") == [(new, 3)]


# -- batches -----------------------------------------------------------------------------------


def test_a_batch_has_a_hundred_inputs(http: httpx.Client) -> None:
    body = {"inputs": [{"id": str(n)} for n in range(101)]}
    answer = http.post(f"{CONTACTS}/batch/read", json=body)
    assert answer.status_code == 400
    assert "limited to 100" in answer.json()["message"]
    with_history = {"inputs": body["inputs"][:51], "propertiesWithHistory": ["email"]}
    answer = http.post(f"{CONTACTS}/batch/read", json=with_history)
    assert "property histories is 50" in answer.json()["message"]


def test_what_is_missing_makes_a_207(portal: ServedPortal, http: httpx.Client) -> None:
    id_ = portal.contact()
    for call, extra in (("read", {}), ("update", {"properties": {"jobtitle": "CTO"}})):
        inputs = [{"id": i, **extra} for i in (id_, "424242")]
        answer = http.post(f"{CONTACTS}/batch/{call}", json={"inputs": inputs})
        assert answer.status_code == 207
        body = answer.json()
        assert [row["id"] for row in body["results"]] == [id_]
        assert body["errors"][0]["context"] == {"ids": ["424242"]}


def test_one_bad_value_refuses_a_whole_update(portal: ServedPortal, http: httpx.Client) -> None:
    good, bad = portal.contact(), portal.contact()
    inputs = [
        {"id": good, "properties": {"jobtitle": "CTO"}},
        {"id": bad, "properties": {"hs_lead_status": "nonsense"}},
    ]
    assert http.post(f"{CONTACTS}/batch/update", json={"inputs": inputs}).status_code == 400
    assert "jobtitle" not in portal.fields_of("contacts", good)


def test_creating_a_batch_is_all_or_nothing_unless_traced(
    portal: ServedPortal, http: httpx.Client
) -> None:
    portal.contact(email="known@x.example")
    emails = ("new@x.example", "known@x.example")
    inputs: list[dict[str, Any]] = [{"properties": {"email": email}} for email in emails]
    answer = http.post(f"{CONTACTS}/batch/create", json={"inputs": inputs})
    assert answer.status_code == 409
    for number, entry in enumerate(inputs):
        entry["objectWriteTraceId"] = f"t{number}"
    answer = http.post(f"{CONTACTS}/batch/create", json={"inputs": inputs})
    assert answer.status_code == 207
    assert answer.json()["errors"][0]["context"] == {"objectWriteTraceId": ["t1"]}
    assert answer.json()["results"][0]["properties"]["email"] == "new@x.example"


def test_ids_that_occur_twice_refuse_the_batch(portal: ServedPortal, http: httpx.Client) -> None:
    entry = {"id": portal.contact(), "properties": {"jobtitle": "CTO"}}
    answer = http.post(f"{CONTACTS}/batch/update", json={"inputs": [entry, entry]})
    assert answer.status_code == 400


# -- search ------------------------------------------------------------------------------------


def test_search_sees_a_change_only_when_it_is_indexed(
    portal: ServedPortal, http: httpx.Client
) -> None:
    portal.switch("index_lag_seconds", "8")
    id_ = http.post(CONTACTS, json={"properties": {"email": "ada@one.example"}}).json()["id"]
    assert http.get(f"{CONTACTS}/{id_}").status_code == 200
    assert found_ids(search(http)) == []
    portal.wait(8)
    assert found_ids(search(http)) == [id_]


@pytest.mark.parametrize(
    ("query", "people"),
    [
        (where("jobtitle", "EQ", value="cto"), "ac"),
        (where("jobtitle", "NEQ", value="CTO"), "b"),
        (where("jobtitle", "IN", values=["cto", "vp sales"]), "abc"),
        (where("jobtitle", "IN", values=["CTO"]), ""),
        (where("jobtitle", "NOT_IN", values=["cto"]), "b"),
        (where("jobtitle", "HAS_PROPERTY"), "abc"),
        (where("jobtitle", "NOT_HAS_PROPERTY"), "d"),
        (where("jobtitle", "CONTAINS_TOKEN", value="sal*"), "b"),
        (where("email", "CONTAINS_TOKEN", value="*one.example"), "ab"),
        (where("hs_lead_status", "EQ", value="NEW"), "a"),
        (where("hs_lead_status", "EQ", value="new"), ""),
        (where("hs_email_open", "GTE", value="9"), "bc"),
        (where("hs_email_open", "BETWEEN", value="9", highValue=10), "b"),
        (where("hs_email_open", "LT", value=9), "a"),
        ({"filters": [{"propertyName": "firstname", "operator": "EQ", "value": "a"}]}, "a"),
        ({"query": "two"}, "cd"),
        ({"sorts": ["-hs_email_open"], "limit": 2}, "cb"),
        ({"sorts": [{"propertyName": "firstname", "direction": "DESCENDING"}], "limit": 1}, "d"),
        ({"limit": 1, "after": "2"}, "c"),
    ],
)
def test_filters_sorts_and_pages(
    portal: ServedPortal, http: httpx.Client, query: dict[str, Any], people: str
) -> None:
    portal.contact(
        firstname="a",
        email="a@one.example",
        jobtitle="CTO",
        hs_email_open="8",
        hs_lead_status="NEW",
        company="",
    )
    portal.contact(firstname="b", email="b@one.example", jobtitle="VP Sales", hs_email_open="10")
    portal.contact(firstname="c", email="c@two.example", jobtitle="cto", hs_email_open="100")
    portal.contact(firstname="d", email="d@two.example")
    answer = search(http, properties=["firstname"], **query)
    assert answer.status_code == 200, answer.text
    assert "".join(r["properties"]["firstname"] for r in answer.json()["results"]) == people


def test_contacts_answer_to_lastmodifieddate_only(portal: ServedPortal, http: httpx.Client) -> None:
    portal.contact()
    since = str(int(portal.now.timestamp() * 1_000) - 5_000)
    assert search(http, **where("lastmodifieddate", "GTE", value=since)).json()["total"] == 1
    assert search(http, **where("hs_lastmodifieddate", "GTE", value=since)).json()["total"] == 0


def test_times_are_given_as_numbers_or_as_text(portal: ServedPortal, http: httpx.Client) -> None:
    portal.contact()
    moment = portal.now - timedelta(seconds=1)
    for value in (int(moment.timestamp() * 1_000), wire(moment)):
        answer = search(http, **where("lastmodifieddate", "GT", value=value))
        assert answer.json()["total"] == 1
    assert search(http, **where("lastmodifieddate", "GT", value="0")).status_code == 500


def test_archived_records_are_never_found(portal: ServedPortal, http: httpx.Client) -> None:
    id_ = portal.contact()
    http.delete(f"{CONTACTS}/{id_}")
    assert search(http).json() == {"total": 0, "results": []}
    listed = http.get(CONTACTS, params={"archived": "true"}).json()["results"]
    assert [(row["id"], row["archivedAt"]) for row in listed] == [(id_, wire(portal.now))]


def test_records_are_found_by_what_they_are_associated_with(
    portal: ServedPortal, http: httpx.Client
) -> None:
    ada, _ = portal.contact(), portal.contact()
    mail = portal.add("emails", hs_timestamp=wire(portal.now))
    portal.link("emails", mail, "contacts", ada)
    answer = search(http, "emails", **where("associations.contact", "EQ", value=ada))
    assert found_ids(answer) == [mail]


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 100, "after": "9950"},
        {"filterGroups": [{"filters": []}] * 6},
        {"filterGroups": [{"filters": [where("email", "HAS_PROPERTY")]}] * 1},
        {
            "filterGroups": [
                {"filters": [{"propertyName": "email", "operator": "HAS_PROPERTY"}] * 7}
            ]
        },
        where("email", "HAS_PROPERTY", value="x"),
        where("email", "EQ"),
        where("email", "SOUNDS_LIKE", value="x"),
        where("no_such_thing", "EQ", value="x"),
        where("lastmodifieddate", "GT", value="soon"),
        {"sorts": ["email", "firstname"]},
        {"properties": ["x" * 3_000]},
    ],
)
def test_a_search_beyond_the_limits_is_refused(http: httpx.Client, body: dict[str, Any]) -> None:
    answer = search(http, **body)
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")


def test_eighteen_filters_in_all(http: httpx.Client) -> None:
    one = {"propertyName": "email", "operator": "HAS_PROPERTY"}
    groups = [{"filters": [one] * 6}] * 3
    assert search(http, filterGroups=groups).status_code == 200
    assert search(http, filterGroups=[*groups, {"filters": [one]}]).status_code == 400


def test_a_search_stays_quick_with_many_records(portal: ServedPortal, http: httpx.Client) -> None:
    start = int(portal.now.timestamp() * 1_000) - 10_000_000
    with portal.state.transaction():
        for type_, count in (("contacts", 2_500), ("email_events", 20_000)):
            for number in range(101, 101 + count):
                at = start + number * 100
                fields = {"email": f"p{number}@x.example", "type": "OPEN", "recipient": "a@b.c"}
                portal.state.put(Stored(CRM, type_, str(number), number, fields, at, at, at, False))
    filters = [
        {"propertyName": "lastmodifieddate", "operator": "GTE", "value": str(start)},
        {"propertyName": "lastmodifieddate", "operator": "LTE", "value": str(start + 10_000_000)},
        {"propertyName": "hs_object_id", "operator": "GT", "value": "1500"},
    ]
    sorts = [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
    body = {"filterGroups": [{"filters": filters}], "sorts": sorts, "limit": 200}
    took = []
    for _ in range(5):
        began = time.perf_counter()
        assert search(http, **body).json()["total"] == 1_100
        took.append(time.perf_counter() - began)
        began = time.perf_counter()
        query = {"startTimestamp": start + 1_900_000, "eventType": "OPEN", "limit": 200}
        events = http.get("/email/public/v1/events", params=query)
        took.append(time.perf_counter() - began)
    assert events.json()["hasMore"]
    assert min(took) < 0.2


# -- associations, properties, forms, events ---------------------------------------------------


def test_associations_with_nothing_are_errors_of_a_207(
    portal: ServedPortal, http: httpx.Client
) -> None:
    ada, bob, acme = portal.contact(), portal.contact(), portal.add("companies", name="Acme")
    body = {"inputs": [{"from": {"id": ada}, "to": {"id": acme}, "types": []}]}
    made = http.post("/crm/v4/associations/contacts/companies/batch/create", json=body)
    assert made.status_code == 201
    assert portal.fields_of("contacts", ada)["associatedcompanyid"] == acme
    answer = http.post(
        "/crm/associations/2026-03/0-1/0-2/batch/read", json={"inputs": [{"id": ada}, {"id": bob}]}
    )
    assert answer.status_code == 207
    assert answer.json()["results"][0]["to"][0]["toObjectId"] == int(acme)
    assert answer.json()["errors"][0]["context"] == {"fromObjectId": [bob]}


def test_a_deal_counts_on_its_contact_without_moving_the_time(
    portal: ServedPortal, http: httpx.Client
) -> None:
    ada = portal.contact()
    before = http.get(f"{CONTACTS}/{ada}").json()["updatedAt"]
    portal.wait(9)
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 3}]
    deal = {
        "properties": {"dealname": "d", "dealstage": "contractsent"},
        "associations": [{"to": {"id": ada}, "types": types}],
    }
    assert http.post("/crm/v3/objects/deals", json=deal).status_code == 201
    found = http.get(f"{CONTACTS}/{ada}", params={"properties": "num_associated_deals"}).json()
    assert (found["properties"]["num_associated_deals"], found["updatedAt"]) == ("1", before)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 201),
        ({"name": "Bad-Name"}, 400),
        ({"label": ""}, 400),
        ({"fieldType": "date"}, 400),
        ({"groupName": "nowhere"}, 400),
        ({"name": "email"}, 409),
    ],
)
def test_a_property_must_make_sense(
    http: httpx.Client, change: dict[str, str], status: int
) -> None:
    body = {
        "name": "grade",
        "label": "Grade",
        "type": "string",
        "fieldType": "text",
        "groupName": "contactinformation",
    }
    address = "/crm/v3/properties/contacts"
    assert http.post(address, json=body | change).status_code == status


def test_a_property_lives_and_dies(http: httpx.Client) -> None:
    address = "/crm/properties/2026-03/contacts"
    kept = {"label": "G", "type": "string", "fieldType": "text", "groupName": "contactinformation"}
    inputs = {"inputs": [{"name": "grade", **kept}]}
    assert http.post(f"{address}/batch/create", json=inputs).status_code == 201
    renamed = http.patch(f"{address}/grade", json={"label": "Grade"}).json()
    assert (renamed["label"], renamed["hubspotDefined"]) == ("Grade", False)
    assert http.delete(f"{address}/grade").status_code == 204
    assert http.get(f"{address}/grade").status_code == 404
    assert http.delete(f"{address}/email").status_code == 400


def test_submissions_come_newest_first_fifty_at_most(
    portal: ServedPortal, http: httpx.Client
) -> None:
    portal.add("forms", id="f-1", name="Contact us", formType="hubspot")
    portal.add("forms", id="f-2", name="Comments", formType="blog_comment")
    for number in range(60):
        portal.wait(1)
        portal.add("form_submissions", id=f"s-{number}", formId="f-1", values=[], pageUrl="/")
    address = "/form-integrations/v1/submissions/forms"
    first = http.get(f"{address}/f-1", params={"limit": 50}).json()
    assert first["results"][0]["conversionId"] == "s-59"
    after = first["paging"]["next"]["after"]
    second = http.get(f"{address}/f-1", params={"limit": 50, "after": after}).json()
    assert [row["conversionId"] for row in second["results"]] == [
        f"s-{n}" for n in range(9, -1, -1)
    ]
    assert "paging" not in second
    assert http.get(f"{address}/f-1", params={"limit": 51}).status_code == 400
    assert http.get(f"{address}/f-2").json()["errors"][0]["code"] == "FORM_TYPE_NOT_ALLOWED"
    assert http.get(f"{address}/f-9").status_code == 404
    listed = http.get("/marketing/v3/forms/", params={"formTypes": "all", "limit": 1}).json()
    assert listed["paging"]["next"]["after"]


def test_events_need_an_enterprise_account(portal: ServedPortal, http: httpx.Client) -> None:
    assert http.get("/events/v3/events/event-types").status_code == 200
    portal.switch("tier", "professional")
    assert http.get("/events/event-occurrences/2026-03/").status_code == 403


def test_events_are_bounded_from_and_before(portal: ServedPortal, http: httpx.Client) -> None:
    times = []
    for number in range(3):
        times.append(wire(portal.now))
        kept = {"eventType": "e_visited_page", "objectId": "101", "properties": {}}
        portal.add("events", id=f"v-{number}", **kept)
        portal.wait(10)
    query = {"occurredAfter": times[0], "occurredBefore": times[2], "sort": "occurredAt"}
    found = http.get("/events/v3/events", params=query).json()["results"]
    assert [row["id"] for row in found] == ["v-0", "v-1"]


def test_the_account_says_who_it_is(portal: ServedPortal, http: httpx.Client) -> None:
    details = http.get("/account-info/v3/details").json()
    assert details["portalId"] == 24_400_001
    assert details["uiDomain"] == portal.url.removeprefix("http://")


def test_a_person_can_open_a_record(portal: ServedPortal, http: httpx.Client) -> None:
    id_ = portal.contact(firstname="<b>Ada</b>")
    page = http.get(f"/contacts/24400001/record/0-1/{id_}")
    assert "&lt;b&gt;Ada" in page.text
    assert http.get("/contacts/24400001/record/0-1/424242").status_code == 404


@pytest.mark.parametrize(("kind", "status"), [("html", 200), ("cut", 200), ("unavailable", 503)])
def test_a_planned_disturbance_happens_once(
    portal: ServedPortal, http: httpx.Client, kind: str, status: int
) -> None:
    portal.fault(kind, path="/contacts")
    assert http.get(CONTACTS).status_code == status
    assert http.get(CONTACTS).json() == {"results": []}


def test_what_is_no_json_is_refused(client: HubSpot, http: httpx.Client) -> None:
    assert http.post(CONTACTS, content=b"{").status_code == 400
    assert http.post(CONTACTS, json=["x"]).status_code == 400
    with pytest.raises(ApiException) as raised:
        client.crm.contacts.basic_api.create({"properties": {"email": "x"}})
    assert raised.value.status == 400
