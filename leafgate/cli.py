"""The command `leafgate`: each subcommand calls one function of one package.

Nothing heavy is imported before it is needed (Keras takes nine seconds, MLflow three), so that
`leafgate --help` answers at once.
"""

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from leafgate.cli_generate import generate
from leafgate.cli_jobs import data_app, train_app
from leafgate.cli_options import say, settings
from leafgate.errors import UserError

HELD_BACK, BAD_USAGE, FAILURE = 3, 2, 1

app = typer.Typer(
    help="Train, gate, serve and watch image models for scarce, imbalanced images.\n\n"
    "New here? `leafgate demo` runs the whole loop on drawn leaves; add --data DIR for your own. "
    "Step by step: data split, train generator, train classifier, gate, serve, dashboard.",
    epilog="Settings come from the environment (LEAFGATE_...) or .env; see docs/settings.md. "
    "Exit codes: 0 done, 1 failure, 2 bad usage, 3 held back by the gate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _group(name: str, text: str) -> typer.Typer:
    group = typer.Typer(help=text, no_args_is_help=True)
    app.add_typer(group, name=name)
    return group


app.add_typer(data_app, name="data")
app.add_typer(train_app, name="train")
models_app = _group("models", "See registered versions; go back to the one before.")
users_app = _group("users", "Who may use the API.")
db_app = _group("db", "The database of requests and users.")


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="your images, DIR/<class>/<image>; else drawn leaves")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="leave API, dashboard and MLflow running")
    ] = True,
) -> None:
    """Run the whole loop on embedded defaults: data, both models, gate, API, dashboard.

    A second run reuses what is there. With --no-serve it ends after the gate's verdict: exit 0
    where the classifier was promoted, 3 where it was held back.
    """
    from leafgate.demo import run_demo, run_loop

    if serve:
        run_demo(settings(), data)
    elif not run_loop(settings(), data):
        raise typer.Exit(HELD_BACK)


@app.command()
def gate(
    model: Annotated[str, typer.Argument(help="leaf-classifier or leaf-generator")],
    version: Annotated[int | None, typer.Option(help="a number; else what is in staging")] = None,
    policy: Annotated[Path | None, typer.Option(help="YAML file; else LeafGate's own")] = None,
    data: Annotated[Path | None, typer.Option(help="the images, if they were moved")] = None,
) -> None:
    """Measure a staged version and promote it to Production, or hold it back (exit 3).

    The gate loads the stored model itself and asks it for every held-out test image; figures
    logged in training count for nothing.
    """
    from registry import run_gate

    result = run_gate(settings(), model, version, policy, data)
    say(*result.report.lines(), f"report: {result.page} ({result.uri})")
    if not result.promoted:
        raise typer.Exit(HELD_BACK)


@models_app.command("list")
def models_list(
    model: Annotated[str | None, typer.Argument(help="one model; else both")] = None,
) -> None:
    """Versions, newest first, with aliases and the gate's verdict."""
    from registry import ModelStore

    configured = settings()
    store = ModelStore(configured)
    for name in [model] if model else [configured.classifier_name, configured.generator_name]:
        versions = store.versions(name)
        say(f"{name}: {len(versions)} versions")
        for item in versions:
            verdict = item.tags.get("gate.status", "not judged")
            say(f"  {item.version:4d}  {verdict:10s}  {', '.join(item.aliases)}".rstrip())


@models_app.command("show")
def models_show(
    model: Annotated[str, typer.Argument(help="the registered name")],
    version: Annotated[str, typer.Argument(help="a number or an alias")] = "production",
) -> None:
    """One version: aliases, tags and the figures of its run."""
    from registry import ModelStore

    store = ModelStore(settings())
    item = store.get(model, int(version) if version.isdigit() else version)
    say(str(item), f"aliases: {', '.join(item.aliases) or 'none'}", f"run: {item.run_id}")
    say(*(f"{name} = {value}" for name, value in sorted(item.tags.items())))
    say(*(f"{name} = {value:.4g}" for name, value in sorted(store.run_metrics(item).items())))


@models_app.command("rollback")
def models_rollback(model: Annotated[str, typer.Argument(help="the registered name")]) -> None:
    """Put the previous version back into production; a running API follows by itself."""
    from registry import ModelStore, rollback

    now, before = rollback(ModelStore(settings()), model)
    say(f"{now} is in production again; version {before.version} is kept as previous")


@app.command()
def predict(
    files: Annotated[list[Path], typer.Argument(help="images")],
) -> None:
    """Classify images with the version in production, without the API."""
    from leafgate.images import decode
    from registry import PRODUCTION, Classifier, ModelStore

    configured = settings()
    store = ModelStore(configured)
    version = store.get(configured.classifier_name, PRODUCTION)
    classifier = Classifier.load(store.folder(version), configured.engine)
    for file in files:
        (answer,) = classifier.predict([decode(_bytes(file))])
        doubt = "\tunknown: unlike the training images" if answer.unknown else ""
        say(f"{file}\t{answer.class_name}\t{answer.confidence:.3f}{doubt}")


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})", "check the path") from None


app.command()(generate)


@app.command()
def serve() -> None:
    """Run the API. Needs LEAFGATE_JWT_SECRET; follows the alias `production` by itself."""
    from serving.server import serve as run

    run(settings())


@app.command()
def dashboard() -> None:
    """Run the dashboard; it asks the API for answers and the database for figures."""
    from dashboard.server import serve as run

    run(settings())


@app.command()
def mlflow() -> None:
    """Run MLflow's server over the embedded store, to look at runs and models."""
    from registry import serve_mlflow

    serve_mlflow(settings())


@users_app.command("add")
def users_add(
    name: Annotated[str, typer.Argument(help="the name to sign in with")],
    scope: Annotated[
        list[str], typer.Option(help="predict, generate, feedback or admin; may be repeated")
    ],
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, envvar="PASSWORD")
    ],
) -> None:
    """Add a user of the API; asks for the password."""
    from serving import hash_password
    from sql import add_user, migrate, open_database

    database = open_database(settings().database)
    migrate(database)
    user = add_user(database, name, hash_password(password), scope)
    say(f"user {user.name} may: {', '.join(sorted(user.scopes))}")


@db_app.command("migrate")
def db_migrate() -> None:
    """Bring the database to the current schema; safe to repeat."""
    from sql import migrate, open_database

    migrate(open_database(settings().database))
    say("the schema is current")


@db_app.command("ddl")
def db_ddl(
    dialect: Annotated[str, typer.Option(help="mssql, postgresql or sqlite")] = "mssql",
) -> None:
    """Print the script that makes the schema, for review."""
    from sql import ddl

    say(ddl(dialect))


def main() -> None:
    """Run a command; a foreseeable mistake ends with two sentences, not a traceback."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow talks a lot as it starts
    try:
        app()
    except UserError as error:
        typer.secho(f"error: {error.problem}", fg="red", err=True)
        typer.echo(f"  what to do: {error.fix}", err=True)
        sys.exit(BAD_USAGE)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        typer.secho(f"error: the disk is full ({error.filename or error})", fg="red", err=True)
        typer.echo("  what to do: free some space and give the command again", err=True)
        sys.exit(FAILURE)


if __name__ == "__main__":
    main()
