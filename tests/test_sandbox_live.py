"""The live stream: new people arrive, known ones go on, and nothing stops it but its end."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from conftest import FakeClock
from processes import eventually

from connectors.sandbox.behaviour import Act
from connectors.sandbox.live import LiveStream, remembered
from connectors.sandbox.server import Sandbox, start_sandbox
from connectors.sandbox.state import State
from connectors.sandbox.unit import Unit
from connectors.sandbox.world import Known, World, invent

BOTH = ("hubspot", "salesforce")
START = FakeClock().now()
START_MS = int(START.timestamp() * 1_000)
THREAD = "sandbox-live"


def invented(leads: int, path: Path | str = ":memory:") -> State:
    state = State(path)
    with state.transaction():
        invent(state, seed=1, leads=leads, history_days=90, now=START)
    return state


def live_on(
    state: State,
    clock: FakeClock,
    steps: int,
    *,
    crms: tuple[str, ...] = BOTH,
    seconds: float = 1.0,
    newcomers: int = 10,
) -> None:
    """So many steps, every so many of them with a new lead too."""
    stream = LiveStream(state, 1.0, clock, crms)
    for step in range(steps):
        clock.advance(seconds)
        stream.step(newcomer=False)
        if newcomers and step % newcomers == 0:
            stream.step(newcomer=True)


def count(state: State, crm: str, *types: str) -> int:
    marks = ",".join("?" * len(types))
    where = f" AND type IN ({marks})" if types else ""
    return int(state.query(f"SELECT count(*) FROM object WHERE crm=?{where}", (crm, *types))[0][0])


def kept(state: State) -> list[tuple[Any, ...]]:
    return [
        *state.query("SELECT * FROM object ORDER BY crm, type, id"),
        *state.query("SELECT * FROM link ORDER BY 1, 2, 3, 4, 5, 6"),
        *state.query("SELECT * FROM meta WHERE name LIKE 'world.%' ORDER BY name"),
        *state.query("SELECT * FROM sequence ORDER BY name"),
    ]


# -- who arrives and who goes on ---------------------------------------------------------------


@pytest.mark.parametrize("served", BOTH)
def test_people_live_only_where_a_crm_is_served(served: str, clock: FakeClock) -> None:
    (other,) = set(BOTH) - {served}
    state = invented(60)
    here, there = count(state, served), count(state, other)
    live_on(state, clock, 200, crms=(served,), newcomers=4)
    assert count(state, other) == there
    assert count(state, served) > here + 100


def test_every_newcomer_is_a_new_record_or_a_known_address(clock: FakeClock) -> None:
    state = invented(0)
    stream = LiveStream(state, 1.0, clock, BOTH)
    for _ in range(100):
        clock.advance(10)
        stream.step(newcomer=True)
    people = count(state, "hubspot", "contacts") + count(state, "salesforce", "Lead", "Contact")
    assert 95 <= people <= 115  # a few are in both
    assert count(state, "world", "person") == 100


def test_an_empty_world_waits_for_its_first_person(clock: FakeClock) -> None:
    state = invented(0)
    before = count(state, "hubspot"), count(state, "salesforce"), count(state, "world")
    live_on(state, clock, 20, newcomers=0)
    assert before == (count(state, "hubspot"), count(state, "salesforce"), count(state, "world"))


def test_the_same_seed_lives_the_same_life() -> None:
    lives = []
    for _ in range(2):
        state = invented(50)
        live_on(state, FakeClock(), 150)
        lives.append(kept(state))
    assert lives[0] == lives[1]


def test_a_restart_goes_on_with_the_same_people(tmp_path: Path) -> None:
    whole, clock = invented(50), FakeClock()
    live_on(whole, clock, 100)
    parts, clock = invented(50, tmp_path / "state.sqlite"), FakeClock()
    live_on(parts, clock, 50)
    parts.close()
    parts = State(tmp_path / "state.sqlite")
    live_on(parts, clock, 50)
    assert kept(parts) == kept(whole)
    parts.close()


def test_two_months_of_life_raise_nothing_and_bring_deals_to_their_end(clock: FakeClock) -> None:
    state = invented(300)
    before = kept(state)
    deals = count(state, "hubspot", "deals"), count(state, "salesforce", "Opportunity")
    live_on(state, clock, 3_000, seconds=1_800)
    assert len(kept(state)) > len(before) + 3_000
    assert count(state, "hubspot", "deals") > deals[0]
    assert count(state, "salesforce", "Opportunity") > deals[1]
    ended = state.select(
        "type='deals' AND json_extract(fields,'$.closedate') > ?"
        " OR type='Opportunity' AND json_extract(fields,'$.IsClosed')"
        " AND json_extract(fields,'$.LastStageChangeDate') > ?",
        (START.isoformat(), START.isoformat()),
    )
    assert {row.crm for row in ended} == set(BOTH)
    people = state.select("crm='world' AND type='person'")
    assert {row.fields.get("deal") for row in people} == {None, "deal", "won", "lost"}
    now = int(clock().timestamp() * 1_000)
    late = state.select("crm IN ('hubspot','salesforce') AND modified_at > ?", (now,))
    assert late == []


def test_meetings_get_their_outcome_once_their_time_has_passed(clock: FakeClock) -> None:
    state = invented(200)
    live_on(state, clock, 2_000, seconds=1_800, newcomers=0)
    outcomes = [row.fields["hs_meeting_outcome"] for row in state.select("type='meetings'")]
    assert outcomes.count("SCHEDULED") < len(outcomes) / 2
    assert {"COMPLETED", "NO_SHOW"} <= set(outcomes)


# -- what the CRMs then show -------------------------------------------------------------------


@pytest.fixture
def running(tmp_path: Path, clock: FakeClock) -> Iterator[Sandbox]:
    with start_sandbox(tmp_path, leads=60, now=clock) as sandbox:
        yield sandbox


@pytest.fixture
def client(running: Sandbox) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {running.hubspot_token}"}
    base = running.hubspot_url
    with httpx.Client(base_url=base, headers=headers, trust_env=False) as opened:
        yield opened


def test_engagement_shows_in_what_hubspot_answers(
    running: Sandbox, client: httpx.Client, clock: FakeClock
) -> None:
    def get(path: str, **parameters: Any) -> Any:
        return client.get(path, params=parameters).raise_for_status().json()

    def total(type_: str) -> int:
        answer = client.post(f"/crm/v3/objects/{type_}/search", json={"limit": 1})
        return int(answer.raise_for_status().json()["total"])

    def shown() -> dict[str, int]:
        submissions = "/form-integrations/v1/submissions/forms"
        forms = [row.id for row in running.state.select("type='forms'")]
        visits = {"eventType": "e_visited_page", "occurredAfter": START.isoformat(), "limit": 100}
        mails = {"startTimestamp": START_MS, "limit": 1_000}
        return {
            **{type_: total(type_) for type_ in ("contacts", "emails", "calls")},
            "forms": sum(len(get(f"{submissions}/{id_}", limit=50)["results"]) for id_ in forms),
            "visits": len(get("/events/v3/events", **visits)["results"]),
            "mails": len(get("/email/public/v1/events", **mails)["events"]),
        }

    before = shown()
    live_on(running.state, clock, 400, newcomers=8)
    clock.advance(10)
    after = shown()
    assert [what for what in before if after[what] <= before[what]] == []


def test_search_shows_a_newcomer_only_after_hubspots_index_lag(
    running: Sandbox, client: httpx.Client, clock: FakeClock
) -> None:
    clock.advance(60)
    last = max(int(row.id) for row in running.state.select("type='contacts'"))
    stream = LiveStream(running.state, 1.0, clock, ("hubspot",))
    while not (new := running.state.get("hubspot", "contacts", str(last + 1))):
        stream.step(newcomer=True)

    def found() -> list[str]:
        wanted = {"propertyName": "hs_object_id", "operator": "GT", "value": str(last)}
        body = {"filterGroups": [{"filters": [wanted]}]}
        answer = client.post("/crm/v3/objects/contacts/search", json=body).raise_for_status()
        return [one["id"] for one in answer.json()["results"]]

    assert client.get(f"/crm/v3/objects/contacts/{new.id}").status_code == 200
    clock.advance(4)
    assert found() == []
    clock.advance(2)
    assert new.id in found()


def test_the_lag_can_be_set(clock: FakeClock) -> None:
    state = invented(20)
    state.set_meta("hubspot.index_lag_seconds", "90")
    LiveStream(state, 1.0, clock, ("hubspot",)).step(newcomer=True)
    newest = state.select("type='contacts' ORDER BY number DESC LIMIT 1")[0]
    assert newest.indexed_at == newest.modified_at + 90_000


# -- records that changed under people's feet --------------------------------------------------


def happens(state: State, known: Known, act: Act) -> None:
    with state.transaction():
        unit = Unit(state)
        World(unit, Random(1)).act(known, act)
        unit.flush()


def known_people(state: State) -> Iterator[Known]:
    """Everybody who is known in one CRM only."""
    for row in state.select("crm='world' AND type='person' ORDER BY number"):
        known = remembered(row)
        if bool(known.hubspot) != bool(known.salesforce[1]):
            yield known


def contacts_of(state: State) -> Iterator[Known]:
    return (known for known in known_people(state) if known.hubspot)


def test_a_deleted_contact_does_nothing_more(running: Sandbox, client: httpx.Client) -> None:
    state = running.state
    known = next(contacts_of(state))
    client.delete(f"/crm/v3/objects/contacts/{known.hubspot}").raise_for_status()
    before = count(state, "hubspot")
    happens(state, known, Act(START_MS, "visit", {"url": "https://x.example/pricing"}))
    happens(state, known, Act(START_MS, "call", {"seconds": "60"}))
    assert count(state, "hubspot") == before


def test_a_merged_contact_goes_on_as_the_one_it_became(
    running: Sandbox, client: httpx.Client
) -> None:
    state = running.state
    known, winner = itertools.islice(contacts_of(state), 2)
    body = {"primaryObjectId": winner.hubspot, "objectIdToMerge": known.hubspot}
    answer = client.post("/crm/v3/objects/contacts/merge", json=body).raise_for_status()
    happens(state, known, Act(START_MS, "visit", {"url": "https://x.example/pricing"}))
    newest = state.select("type='events' ORDER BY number DESC LIMIT 1")[0]
    assert newest.fields["objectId"] == answer.json()["id"]


def test_a_converted_lead_goes_on_as_its_contact(clock: FakeClock) -> None:
    state = invented(60)
    known = next(known for known in known_people(state) if known.salesforce[0] == "Lead")
    happens(state, known, Act(START_MS, "deal", {"amount": "900"}))
    happens(state, known, Act(START_MS + 1_000, "call", {"seconds": "60"}))
    lead = state.get("salesforce", *known.salesforce)
    assert lead is not None
    call = state.select("type='Task' ORDER BY number DESC LIMIT 1")[0]
    assert call.fields["WhoId"] == lead.fields["ConvertedContactId"]


# -- the thread --------------------------------------------------------------------------------


def running_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == THREAD]


def test_a_pace_of_nothing_never_starts(sandbox: Callable[..., Sandbox]) -> None:
    running = sandbox(leads=20, live=0.0)
    assert running_threads() == []
    assert count(running.state, "world", "person") >= 20


def test_a_live_sandbox_moves_by_itself_until_it_stops(tmp_path: Path) -> None:
    with start_sandbox(tmp_path, leads=20, live=200.0) as running:
        before = count(running.state, "hubspot")
        assert running_threads() == [THREAD]
        eventually(lambda: count(running.state, "hubspot") > before + 5)
    assert running_threads() == []


def test_a_step_that_fails_is_undone_reported_and_followed_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    true_act, calls = World.act, iter(range(1_000_000))

    def act(self: World, known: Known, one: Act) -> None:
        true_act(self, known, one)
        if next(calls) == 3:
            raise RuntimeError("a hole in the road")

    with start_sandbox(tmp_path, leads=20) as running:
        monkeypatch.setattr(World, "act", act)
        before = count(running.state, "hubspot")
        running.live(200.0, BOTH)
        eventually(lambda: count(running.state, "hubspot") > before + 20)
        assert running_threads() == [THREAD]
    assert caplog.text.count("they go on with the next step") == 1
    assert "a hole in the road" in caplog.text
