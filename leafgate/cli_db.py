"""The subcommands of `leafgate db`: the schema, what is kept for how long, and its counts."""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from leafgate.cli_options import database_open, say, settings
from leafgate.errors import UserError

db_app = typer.Typer(help="The database of requests and users.", no_args_is_help=True)

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
MOST_SHOWN = 20
AGE = re.compile(r"([1-9]\d{0,3})([hdw])")


@db_app.command("migrate")
def db_migrate(
    wait: Annotated[
        float, typer.Option(help="seconds to try again while it cannot be reached", min=0)
    ] = 0.0,
    grant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=LOGIN",
            help="let this login of the database do what service, dashboard or trainer (or api, "
            "keeper, operator) needs, and no more; may be repeated",
        ),
    ] = None,
) -> None:
    """Bring the database to the current schema; safe to repeat.

    With --grant, as the tables' owner: each part then runs under a login of its own, which can
    neither change the schema nor the audit trail. What a login has beyond its roles is taken away.

    leafgate db migrate --wait 60 --grant service=leafgate_service --grant dashboard=leafgate_reader
    """
    from sql import (
        give_rights,
        migrate_once_reachable,
        open_database,
        require_logins,
        roles_by_login,
    )

    roles = roles_by_login(grant or ())
    database = open_database(settings().database)
    if roles:
        require_logins(database)
    migrate_once_reachable(database, wait, lambda why: say(f"waiting up to {wait:g} s: {why}"))
    say("the schema is current")
    if roles:
        changes = give_rights(database, roles)
        say(*(map(str, changes) if changes else ["every login has its rights, and no others"]))
    database.dispose()


@db_app.command("ddl")
def db_ddl(
    dialect: Annotated[str, typer.Option(help="mssql, postgresql or sqlite")] = "mssql",
) -> None:
    """Print the script that makes the schema, for review."""
    from sql import ddl

    say(ddl(dialect))


@db_app.command("prune")
def db_prune(
    older_than: Annotated[
        str, typer.Option(help="hours, days or weeks: 12h, 90d, 8w", show_default=False)
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would go")] = False,
    with_counts: Annotated[
        bool, typer.Option("--with-counts", help="the hourly counts of then, too")
    ] = False,
    batch_rows: Annotated[
        int, typer.Option(help="rows in one transaction", min=1, max=100_000)
    ] = 2000,
    pause: Annotated[float, typer.Option(help="seconds between two of them", min=0)] = 0.0,
    vacuum: Annotated[
        bool, typer.Option("--vacuum", help="SQLite: make the file smaller; others wait for it")
    ] = False,
) -> None:
    """Delete old requests, predictions, generations and feedback, and old kept uploads.

    Whole hours (UTC) go, the oldest first, in small transactions: the service goes on meanwhile,
    and what was interrupted is finished by giving the command again. The hourly counts stay, and
    with them the dashboard's figures; they name users and addresses as the log did, but no image.
    Kept uploads are those under this machine's LEAFGATE_VAR_DIR.

    Every night by cron: leafgate db prune --older-than 90d
    """
    from sql import prunable, require_shrinkable

    before = datetime.now(UTC) - _age(older_than)
    with database_open() as database:
        if vacuum:
            require_shrinkable(database)
        expected = prunable(database, before, with_counts=with_counts)
        say(f"{'would delete' if dry_run else 'deleting'} what is from before {_hour(expected)}:")
        if dry_run:
            _say_rows(expected.rows)
        else:
            _say_rows(_pruned(database, before, expected, batch_rows, pause, with_counts))
        _prune_uploads(expected.before.replace(tzinfo=UTC).timestamp(), dry_run)
        if not dry_run:
            _say_of_space(database, vacuum)


@db_app.command("rebuild-counts")
def db_rebuild_counts() -> None:
    """Make the hourly counts anew from the rows, in one transaction.

    Needed only where somebody changed rows by hand: whoever stores rows counts them in the same
    transaction. Counts of hours whose rows were pruned are left as they are, since nothing could
    be counted there. On SQLite and SQL Server the service's rows wait in its outbox meanwhile.
    """
    from sql import rebuild_counts

    with database_open() as database:
        started = time.monotonic()
        first = rebuild_counts(database)
        seconds = time.monotonic() - started
    if first is None:
        say("no requests are stored: nothing to count")
    else:
        say(f"counted anew from {first:%Y-%m-%d %H:%M} UTC on, in {seconds:.1f} s")


@db_app.command("outbox")
def db_outbox(
    retry: Annotated[
        bool, typer.Option("--retry", help="put what was set aside back; stop the service first")
    ] = False,
    adopt: Annotated[
        Path | None,
        typer.Option(help="a folder listed here, whose entries are for the configured database"),
    ] = None,
) -> None:
    """What waits on this machine for the database, and what the database refused, and why.

    Entries are in files under LEAFGATE_VAR_DIR/outbox, a folder for each database that was written
    to. They are moved by the service, at once when it starts. One that the database refused was set
    aside; once the cause is gone (a constraint, a column too short) --retry puts it back.

    A folder is found again whatever user, password and driver are set. One that is listed as
    another database's, and is not, --adopt FOLDER gives to the configured one.
    """
    from sql import (
        adopt_outboxes,
        folder_of,
        former_folders,
        list_set_aside,
        outboxes,
        retry_set_aside,
    )

    chosen = settings()
    own = folder_of(chosen.var_dir, chosen.database)
    ours = (own, *former_folders(chosen.var_dir, chosen.database))
    if adopt is not None:
        say(f"adopted: {adopt_outboxes(adopt, own):,}")
    found = outboxes(chosen.var_dir)
    if not found:
        say(f"no outbox under {chosen.var_dir}: no service has run here")
    for folder, waiting in found.items():
        whose = "the configured database" if folder in ours else "another database"
        say(
            f"{folder} ({whose}): {waiting.entries:,} wait, the oldest for "
            f"{waiting.oldest_age_seconds:,.0f} s; {waiting.set_aside:,} set aside"
        )
        for each in list_set_aside(folder)[:MOST_SHOWN]:
            at = datetime.fromtimestamp(each.at, UTC)
            say(f"  {at:%Y-%m-%d %H:%M:%S} UTC  {each.error.splitlines()[0]}", f"    {each.body}")
    if retry:
        say(f"put back: {sum(map(retry_set_aside, ours)):,}")


def _age(text: str) -> timedelta:
    found = AGE.fullmatch(text.strip())
    if found is None:
        raise UserError(
            f"--older-than {text!r} is no age",
            "give a whole number from 1 to 9999 and h, d or w: 12h, 90d, 8w (a month is 30d or so)",
            code="bad_option",
        )
    return int(found[1]) * UNITS[found[2]]


def _pruned(
    database: Any,  # noqa: ANN401 - a SQLAlchemy engine
    before: datetime,
    expected: Any,  # noqa: ANN401 - sql.Pruned, imported late
    batch_rows: int,
    pause: float,
    with_counts: bool,
) -> Mapping[str, int]:
    from leafgate.progress import progress
    from sql import prune

    with progress("pruning", expected.batches(batch_rows)) as advance:
        gone = prune(
            database,
            before,
            batch_rows,
            lambda table, _rows: advance(table),
            pause_seconds=pause,
            with_counts=with_counts,
        )
    return gone.rows


def _prune_uploads(before: float, dry_run: bool) -> None:
    from leafgate.upload_folder import Removed, kept_in, remove, too_old

    folder = settings().uploads_dir
    try:
        old = too_old(kept_in(folder), before)
    except OSError as error:
        raise UserError(
            f"the kept uploads in {folder} cannot be read ({error.strerror})",
            "run this as the user that the service runs as; the rows are pruned already",
        ) from None
    gone = Removed(len(old), sum(file.size for file in old)) if dry_run else remove(old)
    say(f"  {'kept uploads':16s}{gone.files:>14,}   ({gone.size / 2**20:,.1f} MiB)")


def _say_rows(rows: Mapping[str, int]) -> None:
    say(*(f"  {name:16s}{number:>14,}" for name, number in rows.items()))


def _say_of_space(database: Any, vacuum: bool) -> None:  # noqa: ANN401 - a SQLAlchemy engine
    from sql import shrink

    if vacuum:
        shrink(database)
        say("the file is as small as it can be")
    elif database.dialect.name == "sqlite":
        say("the file keeps its size, and new rows fill it again; --vacuum makes it smaller")


def _hour(pruned: Any) -> str:  # noqa: ANN401 - sql.Pruned, imported late
    return f"{pruned.before:%Y-%m-%d %H:%M} UTC"
