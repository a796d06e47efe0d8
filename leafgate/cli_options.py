"""What the commands share: how they speak, their settings, and options of one meaning."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from leafgate.files import narrow_state
from leafgate.progress import plain
from leafgate.proxies import keep_own_traffic_direct

DataFolder = Annotated[
    Path, typer.Option("--data", help="folder of class folders: DIR/<class>/<image>")
]
AnyImageFolder = Annotated[
    Path,
    typer.Option(
        "--data",
        help="folder of images, with or without class folders; family=conditional needs "
        "DIR/<class>/<image>",
    ),
]
Out = Annotated[Path, typer.Option(help="where to write")]
Seed = Annotated[int, typer.Option(help="the same seed gives the same result")]
ManifestFile = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        help="from `leafgate data split`; else the sides of the folders (train/, val/, test/), or "
        "a new split",
    ),
]
GroupsFile = Annotated[
    Path | None,
    typer.Option(
        "--groups",
        help="CSV of path,group (one leaf, plot or patient is one group), or a leaf-map.json; "
        "else found from PlantVillage file names and looks",
    ),
]
Conflicts = Annotated[
    str | None,
    typer.Option(
        "--conflicts",
        help="exclude (the default): leave pictures that are filed under more than one class out "
        "of every side; error: refuse them",
    ),
]
Resplit = Annotated[
    bool,
    typer.Option(
        "--resplit",
        help="divide all images, also where the folders are split already (train/, val/, test/); "
        "without it their sides are kept",
    ),
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file of settings")]
Assignments = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="settings, as listed below")
]


def say(*lines: str) -> None:
    """Print lines on standard output."""
    for line in lines:
        typer.echo(plain(line))


def settings() -> Any:  # noqa: ANN401 - leafgate.settings.Settings, imported late
    """The settings in force, read when a command runs. The state folder is made private, and
    connections to LeafGate's own services go past the proxies of the environment.
    """
    from leafgate.settings import load_settings

    chosen = load_settings()
    keep_own_traffic_direct(chosen.host)
    if problems := narrow_state(chosen.var_dir):
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        typer.secho(f"warning: {problems[0]}{more}", fg="yellow", err=True)
        typer.echo("  what to do: have its owner run `chmod -R go= FOLDER`", err=True)
    return chosen


@contextmanager
def database_open() -> Iterator[Any]:
    """The configured database (a SQLAlchemy engine) on the current schema, while a command runs.

    A right that its login lacks ends the command with a UserError, `database_refuses`.
    """
    from sql import migrate, open_database, within_rights

    database = open_database(settings().database)
    migrate(database)
    with within_rights(database):
        yield database
    database.dispose()
