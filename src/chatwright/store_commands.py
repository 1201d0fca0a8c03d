"""Commands on the store: `keys`, `usage`, `feedback` and `backup`, beside a server that may be running.

In: arguments.  Out: text on stdout that scripts can read; what is only for people goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from chatwright.arguments import Parser, path
from chatwright.errors import InputError
from chatwright.feedback.collected import ANSWERS, QUEUED_AS, RANKINGS, queue_answers, take_simulated
from chatwright.feedback.exchange import FORMATS, read_feedback, write_feedback
from chatwright.printable import shown
from chatwright.store import Store, open_store
from chatwright.store.keys import Key, check_wishes
from chatwright.store.place import STORE_VARIABLE, add_store_argument

STORE_HELP = "the server's database"
_JOULES_PER_WH = 3600


def run_keys(arguments: list[str]) -> None:
    """`chatwright keys add|list|revoke`."""
    parser = _parser("keys", "Keys with which programs may use the server.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="add|list|revoke")
    add = _action(actions, "add", "make a key; it is printed once and cannot be shown again")
    add.add_argument("name", help="what will use it")
    add.add_argument("--per-minute", type=int, metavar="N", help="at most so many requests a minute (default: any)")
    add.add_argument("--quota", type=int, metavar="N", help="at most so many tokens, in and out (default: any)")
    add.add_argument("--monthly", action="store_true", help="the quota begins anew every month")
    add.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="only this model, as serve names it (may be repeated; default: every model)",
    )
    _action(actions, "list", "show all keys, without their secrets").add_argument(
        "--all", action="store_true", help="also those that were revoked"
    )
    _action(actions, "revoke", "end a key").add_argument("key", help="its name, or the letters after cw-")
    given = parser.parse_args(arguments)
    if given.action == "add":  # before a store is made for it
        check_wishes(given.name, given.per_minute, given.quota, given.model)
        if given.monthly and given.quota is None:
            raise InputError("--monthly says when a quota begins anew; give --quota N with it")
    with _opened(given.store, make=given.action == "add") as store:
        if given.action == "add":
            _add_key(store, given)
        elif given.action == "list":
            rows = [_key_cells(store, key) for key in store.keys.all(with_revoked=given.all)]
            _table(("key", "name", "made", "last used", "per minute", "tokens left", "models", ""), rows)
        else:
            key = store.keys.revoke(given.key)
            print(f"{key.shown} ({shown(key.name)}) works no longer")


def _add_key(store: Store, given: argparse.Namespace) -> None:
    key, secret = store.keys.add(
        given.name,
        requests_per_minute=given.per_minute,
        quota_tokens=given.quota,
        quota_period="month" if given.monthly else "total",
        models=given.model,
    )
    print(secret)
    print(f"It may use {_may_use(key)}.", file=sys.stderr)
    print(f"Keep it: it cannot be shown again. To end it: chatwright keys revoke {key.handle}", file=sys.stderr)


def _may_use(key: Key) -> str:
    """What a key is good for; names are as they were typed, for nobody here knows the models of the server."""
    limits = [f"only the models called {', '.join(key.models)}" if key.models else "every model"]
    if key.requests_per_minute is not None:
        limits.append(f"{key.requests_per_minute:,} requests a minute")
    if key.quota_tokens is not None:
        limits.append(f"{key.quota_tokens:,} tokens {'a month' if key.quota_period == 'month' else 'in all'}")
    return ", ".join(limits)


def _key_cells(store: Store, key: Key) -> tuple[str, ...]:
    left = store.usage.left(key)
    period = " this month" if key.quota_period == "month" else ""
    return (
        key.shown,
        key.name,
        f"{key.created_at:%Y-%m-%d}",
        f"{key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never",
        str(key.requests_per_minute or "any"),
        "any" if left is None else f"{left:,}{period}",
        ", ".join(key.models) or "all",
        "" if key.revoked_at is None else f"revoked {key.revoked_at:%Y-%m-%d}",
    )


def run_usage(arguments: list[str]) -> None:
    """`chatwright usage`."""
    parser = _parser(
        "usage",
        "What was asked of the server (use), and what was trained from its pages (training), by day, kind and model, "
        "or otherwise. The cost is what serve's two prices made of it at the time. Days are UTC.",
    )
    add_store_argument(parser, STORE_HELP)
    groups = ("day", "kind", "key_id", "person_id", "model")
    parser.add_argument(
        "--by",
        nargs="+",
        choices=groups,
        default=["day", "kind", "model"],
        help="what each row sums up (default: day kind model)",
    )
    parser.add_argument("--kind", choices=("use", "training"), help="only one of the two")
    parser.add_argument("--since", type=_day, metavar="YYYY-MM-DD", help="from this day on")
    parser.add_argument("--until", type=_day, metavar="YYYY-MM-DD", help="up to this day")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    given = parser.parse_args(arguments)
    if given.since is not None and given.until is not None and given.since > given.until:
        raise InputError(f"--since {given.since} is after --until {given.until}; swap them")
    with _opened(given.store) as store:
        sums = store.usage.sums(by=given.by, since=given.since, until=given.until, kind=given.kind)
        names = {key.id: key.name for key in store.keys.all(with_revoked=True)}
    if given.json:
        told = [{name: value for name, value in vars(row).items() if value is not None} for row in sums]
        print(json.dumps(told, indent=2, default=str))
        return
    rows = [
        (
            *(_group(names, name, getattr(row, name)) for name in given.by),
            f"{row.requests:,}",
            f"{row.tokens_in:,}",
            f"{row.tokens_cached:,}",
            f"{row.tokens_out:,}",
            f"{row.seconds:,.1f}",
            _energy(row.energy_estimated_j),
            f"{row.cost:.4f}",
        )
        for row in sums
    ]
    sizes = ("requests", "tokens in", "of them cached", "tokens out", "seconds", "energy (estimated)", "cost")
    _table((*(name.removesuffix("_id") for name in given.by), *sizes), rows)


def _energy(joules: float) -> str:
    """With the unit that fits: a request takes joules, a server watt-hours a day."""
    if joules < _JOULES_PER_WH:
        return f"{joules:,.{1 if 0 < joules < 100 else 0}f} J"
    if joules < 1000 * _JOULES_PER_WH:
        return f"{joules / _JOULES_PER_WH:.1f} Wh"
    return f"{joules / (1000 * _JOULES_PER_WH):,.2f} kWh"


def _group(names: dict[int, str], name: str, value: Any) -> str:
    if name == "key_id":
        return names.get(value, str(value)) if value else "-"
    return "-" if value in (0, None) else str(value)


def run_feedback(arguments: list[str]) -> None:
    """`chatwright feedback export|import|queue`."""
    parser = _parser("feedback", "What people judged and wrote, as files of other tools, and back.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="export|import|queue")
    export = _action(actions, "export", "write approved feedback to a file")
    export.add_argument("file", type=path, help="where to write")
    export.add_argument(
        "--format",
        choices=list(FORMATS),
        default="rankings",
        help="preference, unpaired and sft for TRL, oasst for Open-Assistant, csv for spreadsheets (default: rankings)",
    )
    export.add_argument("--all", action="store_true", help="csv only: also what waits, was rejected or lacks consent")
    read = _action(actions, "import", "read rankings, pairs, thumbs, demonstrations, prompts or trees")
    read.add_argument("file", type=path, nargs="+", help="JSONL, JSON or CSV, told by its columns")
    read.add_argument("--waiting", action="store_true", help="to be approved before anything is trained on it")
    read.add_argument("--simulated", action="store_true", help="no person judged this; it is marked so")
    queue = _action(actions, "queue", "let people rank, rate or write what a collect stage has sampled")
    queue.add_argument("folder", type=path, help="the folder of the stage, such as runs/quickstart/collect")
    queue.add_argument(
        "--as",
        dest="kind",
        choices=QUEUED_AS,
        help="rank the answers, rate each alone, or write the ideal one (default: rank)",
    )
    queue.add_argument("--overlap", type=int, metavar="N", help="how many people do each (default 1)")
    queue.add_argument(
        "--simulated",
        action="store_true",
        help="nobody is asked: store the rankings of the stage's simulated labeler, marked as such",
    )
    given = parser.parse_args(arguments)
    if given.action == "queue":
        _queue(given)
        return
    if given.action == "export":
        if given.all and given.format != "csv":
            raise InputError("--all goes with --format csv only: nothing else must train on what was not approved")
        with _opened(given.store) as store:
            rows = store.feedback.rows(states=None, consent=None) if given.all else store.feedback.rows()
        count = write_feedback(rows, given.file, given.format)
        print(f"{given.file}: {count:,} {'row' if count == 1 else 'rows'}")
        return
    found = [row for file in given.file for row in read_feedback(file, simulated=given.simulated)]
    with _opened(given.store, make=True) as store:
        new, known = store.feedback.add_imported(found, approved=not given.waiting)
    print(f"{new:,} new, {known:,} were there before")


def _queue(given: argparse.Namespace) -> None:
    """`chatwright feedback queue`."""
    if given.overlap is not None and given.overlap < 1:
        raise InputError(f"--overlap is {given.overlap}; it must be at least 1")
    if given.simulated:
        if given.kind or given.overlap:
            raise InputError("--simulated asks nobody; leave --as and --overlap out")
        with _opened(given.store, make=True) as store:
            new, known = take_simulated(store, given.folder / RANKINGS)
        print(f"{new:,} simulated {'ranking' if new == 1 else 'rankings'} stored, {known:,} were there before")
        return
    with _opened(given.store, make=True) as store:
        kind, source = given.kind or "rank", given.folder.as_posix()
        new, known = queue_answers(store, given.folder / ANSWERS, kind=kind, overlap=given.overlap or 1, source=source)
    print(f"{new:,} {'task' if new == 1 else 'tasks'} queued, {known:,} were there before")


def run_backup(arguments: list[str]) -> None:
    """`chatwright backup OUT`."""
    parser = _parser("backup", "Copy the whole store to one file, while the server goes on.")
    parser.add_argument("out", type=path, help="the copy; for PostgreSQL what pg_restore reads")
    add_store_argument(parser, STORE_HELP)
    given = parser.parse_args(arguments)
    with _opened(given.store) as store:
        print(store.back_up(given.out))


# -- arguments and tables ------------------------------------------------------------------------------------------


def _parser(name: str, description: str) -> Parser:
    return Parser(prog=f"chatwright {name}", description=description)


def _action(actions: Any, name: str, help: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=help, description=f"{help[0].upper()}{help[1:]}.", allow_abbrev=False
    )
    add_store_argument(parser, STORE_HELP)
    return parser


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write it as 2026-01-31") from None


def _opened(place: str, *, make: bool = False) -> Store:
    """The store; a mistyped file is not made unless the command begins a store."""
    if not make and "://" not in place and not Path(place).exists():
        raise InputError(f"there is no store {place}; name the server's with --store or the variable {STORE_VARIABLE}")
    return open_store(place)


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    safe = [[shown(cell).replace("\n", " ") for cell in row] for row in [names, *rows]]
    widths = [max(map(len, column)) for column in zip(*safe, strict=True)]
    for row in safe:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
