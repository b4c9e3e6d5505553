"""The query language of the Salesforce sandbox: what it accepts, refuses, and finds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sandbox.salesforce_org import Org, new_id
from connectors.sandbox.salesforce_schema import CRM
from connectors.sandbox.soql import Comparison, Junction, Negation, SoqlError, parse
from connectors.sandbox.soql_sql import compile_query, long_id, wire_time
from connectors.sandbox.state import State, Stored

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1_000


@pytest.fixture
def org() -> Org:
    found = Org(State(":memory:"), lambda: NOW)
    rows: list[dict[str, Any]] = [
        {"LastName": "Ånd", "Company": "acme", "NumberOfEmployees": 5, "IsConverted": True},
        {"LastName": "O'Hara", "Company": "Acme 100%", "NumberOfEmployees": 50, "City": "Oslo"},
        {"LastName": "Zuse", "Company": "Be_ta", "AnnualRevenue": 1.5e6, "City": "Bern"},
    ]
    for number, fields in enumerate(rows, 1):
        stamp = NOW_MS - (3 - number) * 60_000
        put(found, "Lead", number, fields, stamp)
    return found


def put(org: Org, type_: str, number: int, fields: dict[str, Any], stamp: int, **more: Any) -> str:
    prefix = {"Lead": "00Q", "Contact": "003", "Account": "001", "Task": "00T"}[type_]
    record_id = new_id(prefix, number)
    indexed = more.get("indexed_at", stamp)
    archived = more.get("archived", False)
    org.state.put(Stored(CRM, type_, record_id, number, fields, stamp, stamp, indexed, archived))
    return record_id


def found(
    org: Org, where: str = "", tail: str = "ORDER BY Id", *, deleted: bool = False
) -> list[str]:
    text = f"SELECT Id FROM Lead {f'WHERE {where}' if where else ''} {tail}"
    compiled = compile_query(parse(text), org.entity, now_ms=NOW_MS, deleted=deleted)
    rows = org.state.query(compiled.rows, compiled.parameters)
    return [str(org.state.get(CRM, "Lead", row[0]).fields["LastName"]) for row in rows]  # type: ignore[union-attr]


def code(text: str, org: Org | None = None) -> str:
    def understand() -> None:
        query = parse(text)
        if org is not None:
            compile_query(query, org.entity, now_ms=NOW_MS, deleted=False)

    with pytest.raises(SoqlError) as caught:
        understand()
    return caught.value.code


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("LastName = 'zuse'", ["Zuse"]),  # texts compare without regard to case
        ("LastName != 'zuse'", ["Ånd", "O'Hara"]),
        ("LastName = 'O\\'Hara'", ["O'Hara"]),
        ("City = null", ["Ånd"]),
        ("City != null", ["O'Hara", "Zuse"]),
        ("City != 'Oslo'", ["Ånd", "Zuse"]),  # a missing value is not Oslo either
        ("NOT City = 'Oslo'", ["Ånd", "Zuse"]),
        ("City < 'Cairo'", ["Zuse"]),
        ("Company LIKE 'ACME%'", ["Ånd", "O'Hara"]),
        ("Company LIKE '%100\\%'", ["O'Hara"]),
        ("Company LIKE 'Be\\_ta'", ["Zuse"]),
        ("Company LIKE '_e_ta'", ["Zuse"]),
        ("NumberOfEmployees > 5", ["O'Hara"]),
        ("NumberOfEmployees >= 5 AND NumberOfEmployees <= 50", ["Ånd", "O'Hara"]),
        ("AnnualRevenue = 1500000.0", ["Zuse"]),
        ("City IN ('Oslo', 'Bern')", ["O'Hara", "Zuse"]),
        ("City NOT IN ('Oslo')", ["Ånd", "Zuse"]),
        ("IsConverted = true", ["Ånd"]),
        ("IsConverted = FALSE", ["O'Hara", "Zuse"]),
        ("(City = 'Oslo' AND NumberOfEmployees = 50) OR LastName = 'Zuse'", ["O'Hara", "Zuse"]),
        ("NOT (City = 'Oslo' OR City = 'Bern')", ["Ånd"]),
        ("Lead.City = 'Oslo'", ["O'Hara"]),
        ("SystemModstamp >= 2026-11-02T08:59:00Z", ["O'Hara", "Zuse"]),
        ("SystemModstamp > 2026-11-02T08:59:00.000Z", ["Zuse"]),
        ("SystemModstamp < 2026-11-02T09:59:00+01:00", ["Ånd"]),
        ("SystemModstamp = 2026-11-02T09:00:00Z", ["Zuse"]),
        ("CreatedDate >= 2026-11-02", ["Ånd", "O'Hara", "Zuse"]),
    ],
)
def test_a_condition_finds_what_salesforce_would(org: Org, where: str, names: list[str]) -> None:
    assert found(org, where) == names


def test_names_are_spelled_in_any_case(org: Org) -> None:
    query = parse("select ID, LASTNAME, owner.NAME from LEAD limit 1")
    compiled = compile_query(query, org.entity, now_ms=NOW_MS, deleted=False)
    assert compiled.columns == (("Id",), ("LastName",), ("Owner", "Name"))


def test_order_takes_several_terms_and_places_nulls(org: Org) -> None:
    assert found(org, tail="ORDER BY City NULLS LAST, Id DESC") == ["Zuse", "O'Hara", "Ånd"]
    assert found(org, tail="ORDER BY City DESC") == ["Ånd", "O'Hara", "Zuse"]


def test_limit_and_offset_cut_the_result(org: Org) -> None:
    assert found(org, tail="ORDER BY SystemModstamp, Id LIMIT 1 OFFSET 1") == ["O'Hara"]


def test_a_parent_can_be_filtered_and_sorted_by(org: Org) -> None:
    account = put(org, "Account", 1, {"Name": "Acme"}, NOW_MS)
    put(org, "Contact", 1, {"LastName": "Hopper", "AccountId": account}, NOW_MS)
    put(org, "Contact", 2, {"LastName": "Nobody"}, NOW_MS)
    query = parse("SELECT Id FROM Contact WHERE Account.Name = 'acme' ORDER BY Account.Name")
    compiled = compile_query(query, org.entity, now_ms=NOW_MS, deleted=False)
    assert len(org.state.query(compiled.rows, compiled.parameters)) == 1


def test_deleted_rows_show_in_query_all_only(org: Org) -> None:
    put(org, "Lead", 9, {"LastName": "Gone"}, NOW_MS, archived=True)
    assert "Gone" not in found(org)
    assert "Gone" in found(org, deleted=True)


def test_a_row_shows_once_it_is_committed(org: Org) -> None:
    put(org, "Lead", 9, {"LastName": "Late"}, NOW_MS - 60_000, indexed_at=NOW_MS + 1)
    assert "Late" not in found(org)


def test_a_range_of_modstamps_uses_the_index(org: Org) -> None:
    text = (
        "SELECT Id FROM Lead WHERE ((SystemModstamp = 2026-11-02T08:59:00Z AND Id > '00Q') OR"
        " SystemModstamp > 2026-11-02T08:59:00Z) AND SystemModstamp < 2026-11-02T09:00:00Z"
        " ORDER BY SystemModstamp, Id LIMIT 200"
    )
    compiled = compile_query(parse(text), org.entity, now_ms=NOW_MS, deleted=True)
    plan = str(org.state.query("EXPLAIN QUERY PLAN " + compiled.rows, compiled.parameters))
    assert "object_modified" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize(
    "text",
    [
        "SELECT Id FRM Lead",
        "SELECT FROM Lead",
        "SELECT Id FROM Lead WHERE",
        "SELECT Id FROM Lead WHERE City = 'a' AND City = 'b' OR City = 'c'",
        "SELECT Id FROM Lead WHERE City IN ()",
        "SELECT Id FROM Lead WHERE City = 'bad \\x escape'",
        "SELECT Id FROM Lead WHERE City = 'open",
        "SELECT Id FROM Lead LIMIT -1",
        "SELECT Id FROM Lead; DELETE",
    ],
)
def test_a_malformed_query_is_refused(text: str) -> None:
    assert code(text) == "MALFORMED_QUERY"


def test_a_refusal_points_at_the_place() -> None:
    with pytest.raises(SoqlError) as caught:
        parse("SELECT Id FRM Lead")
    assert caught.value.message.endswith("ERROR at Row:1:Column:11\nunexpected token: 'FRM'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT Nope FROM Lead", "INVALID_FIELD"),
        ("SELECT Nope.Name FROM Lead", "INVALID_FIELD"),
        ("SELECT Owner.Email__c FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE Nope = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE City = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE CreatedDate > '2026-01-01'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE Description LIKE 'a%'", "INVALID_FIELD"),
        ("SELECT Id FROM Leed", "INVALID_TYPE"),
        ("SELECT Id FROM Lead OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
    ],
)
def test_a_wrong_name_or_type_is_refused(org: Org, text: str, expected: str) -> None:
    assert code(text, org) == expected


def test_nesting_makes_a_tree() -> None:
    where = parse("SELECT Id FROM Lead WHERE NOT (City = 'a' OR (City = 'b' AND Id != null))").where
    assert isinstance(where, Negation)
    assert isinstance(where.part, Junction)
    assert isinstance(where.part.parts[0], Comparison)


def test_lists_of_ids_treat_a_missing_id_as_different(org: Org) -> None:
    one, two = new_id("003", 1), new_id("003", 2)
    put(org, "Lead", 4, {"LastName": "A", "ConvertedContactId": one}, NOW_MS)
    put(org, "Lead", 5, {"LastName": "B", "ConvertedContactId": two}, NOW_MS)
    assert found(org, f"ConvertedContactId IN ('{one}', '{two[:15]}')") == ["A", "B"]
    assert found(org, f"ConvertedContactId NOT IN ('{one}')") == ["Ånd", "O'Hara", "Zuse", "B"]
    assert found(org, f"NOT ConvertedContactId = '{one}'") == ["Ånd", "O'Hara", "Zuse", "B"]


@pytest.mark.parametrize(
    ("text", "index"),
    [
        (
            "SELECT Id FROM EmailMessageRelation WHERE EmailMessageId IN ('a', 'b')",
            "EmailMessageId",
        ),
        ("SELECT Id FROM Task WHERE WhoId = 'a' ORDER BY CreatedDate DESC LIMIT 200", "WhoId"),
        (
            "SELECT Id FROM Lead WHERE IsConverted = true AND ConvertedOpportunityId IN ('a')",
            "ConvertedOpportunityId",
        ),
        (
            "SELECT Id FROM Lead WHERE (SystemModstamp = 2026-11-01T00:00:00Z AND Id > 'a')"
            " OR SystemModstamp > 2026-11-01T00:00:00Z ORDER BY SystemModstamp, Id LIMIT 200",
            "object_modified (crm=? AND type=? AND modified_at>?)",
        ),
    ],
)
def test_what_pollers_ask_is_answered_from_an_index(org: Org, text: str, index: str) -> None:
    compiled = compile_query(parse(text), org.entity, now_ms=NOW_MS, deleted=True)
    plan = org.state.query(f"EXPLAIN QUERY PLAN {compiled.rows}", compiled.parameters)
    assert index in str(plan[0])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(0, 4), st.data())
def test_a_place_in_a_keyset_splits_the_rows_in_two(
    stamps: list[int], second: int, data: st.DataObject
) -> None:
    org = Org(State(":memory:"), lambda: NOW)
    keys = sorted(
        (stamp, put(org, "Lead", n, {"LastName": str(n)}, NOW_MS - 9_000 + stamp * 1_000))
        for n, stamp in enumerate(stamps, 1)
    )
    place = (second, data.draw(st.sampled_from([row for _, row in keys])))
    at = datetime.fromtimestamp(NOW_MS / 1_000 - 9 + second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    after = f"((SystemModstamp = {at} AND Id > '{place[1]}') OR SystemModstamp > {at})"
    names = {row: str(org.state.get(CRM, "Lead", row).fields["LastName"]) for _, row in keys}  # type: ignore[union-attr]
    order = "ORDER BY SystemModstamp, Id"
    assert found(org, after, order) == [
        names[row] for key in keys if key > place for row in key[1:]
    ]
    assert found(org, f"NOT {after}", order) == [names[k[1]] for k in keys if k <= place]
    org.state.close()


@given(st.text(max_size=60))
def test_any_text_survives_quoting(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    where = parse(f"SELECT Id FROM Lead WHERE City = '{quoted}'").where
    assert isinstance(where, Comparison)
    assert where.values[0].value == text


@given(st.text(max_size=80))
def test_any_nonsense_is_refused_in_salesforces_words(text: str) -> None:
    with pytest.raises(SoqlError) as caught:
        parse(f"{text} FROM")
    assert caught.value.code
    assert caught.value.message


@pytest.mark.parametrize("short", ["003RO0000035WQg", "00QRO000001Abcd"])
def test_a_short_id_gets_its_checksum(short: str) -> None:
    assert long_id(short).startswith(short)
    assert len(long_id(short)) == 18
    assert long_id("003RO0000035WQg") == "003RO0000035WQgYAM"  # the example of Salesforce's manual


def test_times_are_written_in_whole_seconds() -> None:
    assert wire_time(NOW_MS + 999) == "2026-11-02T09:00:00.000+0000"
    assert wire_time(NOW_MS + int(timedelta(seconds=1).total_seconds() * 1_000)).endswith(
        "01.000+0000"
    )
