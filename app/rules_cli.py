"""`leadlight rules`: rule documents checked, put in order, compared and told in words.

Exit codes: 0 all is well, 1 a document has problems (or is not formatted), 2 a file cannot be used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from app.columns import MappingError, custom_types, read_columns
from app.terminal import fail, in_sentences, read_settings
from scoring.documents import RuleProblem, read_document
from scoring.rule_changes import RuleChange, rule_changes
from scoring.rule_schema import rule_schema
from scoring.rule_set import RuleSet
from scoring.rule_text import formatted
from scoring.rule_words import rule_set_words
from scoring.rules import parse_rule_set

commands = typer.Typer(
    help="Check, format, compare and explain rule documents.", no_args_is_help=True
)

File = Annotated[Path, typer.Argument(help="Rule document, YAML or JSON.")]
Map = Annotated[
    Path | None,
    typer.Option("--map", help="Mapping of a file's columns, whose custom fields rules may read."),
]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@commands.command()
def check(file: File, map_: Map = None, as_json: AsJson = False) -> None:
    """List every problem of a rule document, with its line and the word that was meant."""
    rules, problems = parse_rule_set(_text(file), fields=_custom_fields(map_))
    if as_json:
        said: dict[str, object] = {"ok": rules is not None, "problems": [*map(asdict, problems)]}
        if rules is not None:
            said |= {"name": rules.name, "hash": rules.hash, "rules": len(rules.rules())}
        _print_json(said)
        raise typer.Exit(0 if rules is not None else 1)
    if rules is None:
        _refuse(problems, file)
    typer.echo(f"{file}: “{rules.name}”, {_count(len(rules.rules()), 'rule')}, no problems.")


@commands.command("format")
def format_(
    file: File,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write here; default: over the file.")
    ] = None,
    only_check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 if it would change.")
    ] = False,
) -> None:
    """Rewrite a rule document in one order and layout; content, comments and hash stay."""
    text = _text(file)
    result, problems = formatted(text)
    if result is None:
        _refuse(problems, file)
    if only_check:
        typer.echo(f"{file} is {'' if result == text else 'not '}formatted.")
        raise typer.Exit(0 if result == text else 1)
    target = output or file
    if output is None and result == text:
        typer.echo(f"{file} was formatted already.")
        return
    _replace(target, result)
    typer.echo(f"{target} is formatted.")


@commands.command()
def diff(old: File, new: File, map_: Map = None, as_json: AsJson = False) -> None:
    """Say what changed between two rule documents; nothing where only the form differs."""
    before, after = (_usable(file, map_) for file in (old, new))
    changes = rule_changes(before, after)
    if as_json:
        _print_json([_change(change) for change in changes])
    elif changes:
        typer.echo("\n".join(map(str, changes)))
    else:
        written = "" if before.hash == after.hash else " They are only written differently."
        typer.echo(f"Both say the same.{written}")


@commands.command()
def explain(file: File, map_: Map = None) -> None:
    """Tell in words what a rule document does: every rule, limit, band, and in which order."""
    rules = _usable(file, map_)
    typer.echo(f"{rules.name} ({_count(len(rules.rules()), 'rule')}, hash {rules.hash[:8]})")
    for section in rule_set_words(rules):
        typer.echo("\n" + section.title)
        for line in section.lines:
            typer.echo(f"  - {line}")


@commands.command()
def publish(
    file: File,
    note: Annotated[str, typer.Option(help="Why, for whoever looks at the versions.")] = "",
) -> None:
    """Put a rule document in force; all leads are scored again by it, the best first."""
    from app import publishing
    from data.store import Store

    text, settings = _text(file), read_settings()
    with in_sentences(settings), closing(Store.open(settings.database_url, migrate=True)) as store:
        version, problems = publishing.publish(
            store, settings.home / "cache", text, note, datetime.now(UTC)
        )
    if version is None:
        _refuse(problems, file)
    typer.echo(f"{file} is in force, as version {version}.")


@commands.command()
def schema() -> None:
    """Print the JSON Schema of rule documents, for editors and other programs."""
    _print_json(rule_schema())


def _usable(file: Path, mapping: Path | None) -> RuleSet:
    rules, problems = parse_rule_set(_text(file), fields=_custom_fields(mapping))
    if rules is None:
        _refuse(problems, file)
    return rules


def _custom_fields(mapping: Path | None) -> dict[str, str]:
    """The custom fields of a mapping, with their types."""
    if mapping is None:
        return {}
    text = _text(mapping)
    root, _ = read_document(text)
    columns = dict(root.items()).get("columns") if root else None
    header = [name for name, _ in columns.items()] if columns else []
    try:
        return custom_types(read_columns(text, header))
    except MappingError as error:
        fail(f"The mapping {mapping} cannot be used:\n{error}", code=2)


def _change(change: RuleChange) -> dict[str, str]:
    return asdict(change) | {"text": str(change)}


def _refuse(problems: Sequence[RuleProblem], file: Path) -> NoReturn:
    typer.echo("\n".join(f"{file}, {problem}" for problem in problems), err=True)
    count = _count(len(problems), "problem")
    typer.echo(f"{count}: nothing of the document is used until none is left.", err=True)
    raise typer.Exit(1)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror or error}.", code=2)
    except UnicodeError:
        fail(f"{file} cannot be read: it is not UTF-8 text.", code=2)


def _replace(target: Path, text: str) -> None:
    """Write the whole file or leave it as it was."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        if target.exists():
            draft.chmod(target.stat().st_mode)
        draft.replace(target)
    except OSError as error:
        fail(f"{target} cannot be written: {error.strerror or error}.", code=2)
    finally:
        draft.unlink(missing_ok=True)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
