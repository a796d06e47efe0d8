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

from leafgate.cli_db import db_app
from leafgate.cli_generate import generate
from leafgate.cli_jobs import data_app, train_app
from leafgate.cli_models import HELD_BACK, gate, models_app
from leafgate.cli_moves import MOVES
from leafgate.cli_options import Conflicts, Resplit, say, settings
from leafgate.cli_predict import predict
from leafgate.cli_replay import replay
from leafgate.cli_users import users_app
from leafgate.errors import UserError
from leafgate.files import keep_files_private
from leafgate.progress import plain

BAD_USAGE, FAILURE = 2, 1

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


app.add_typer(data_app, name="data")
app.add_typer(train_app, name="train")
for name, command in MOVES.items():
    models_app.command(name)(command)
app.add_typer(models_app, name="models")
app.add_typer(users_app, name="users")
app.add_typer(db_app, name="db")


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="your images, DIR/<class>/<image>; else drawn leaves")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="leave API, dashboard and MLflow running")
    ] = True,
    conflicts: Conflicts = None,
    resplit: Resplit = False,
) -> None:
    """Run the whole loop on embedded defaults: data, both models, gate, API, dashboard.

    A second run reuses what is there. With --no-serve it ends after the gate's verdict: exit 0
    where the classifier was promoted, 3 where it was held back.
    """
    from leafgate.demo import run_demo, run_loop
    from training.config import on_conflict

    chosen = on_conflict(conflicts or "exclude")
    if serve:
        options = ["--conflicts", chosen, *(["--resplit"] if resplit else [])]
        run_demo(settings(), data, options)
    elif not run_loop(settings(), data, chosen, resplit):
        raise typer.Exit(HELD_BACK)


app.command()(gate)


app.command()(predict)
app.command()(generate)
app.command()(replay)


@app.command()
def serve() -> None:
    """Run the API. Needs LEAFGATE_JWT_SECRET; follows what the audit has in production."""
    from serving.server import serve as run

    run(settings())


@app.command()
def dashboard() -> None:
    """Run the dashboard; it asks the API for answers and the database for figures."""
    from dashboard.server import serve as run

    run(settings())


@app.command()
def mlflow(
    link: Annotated[
        bool, typer.Option("--link/--no-link", help="print how to sign in, the token included")
    ] = True,
) -> None:
    """Run MLflow's server over the embedded store, to look at runs and models.

    It asks for a sign-in: open the link that it prints, or set MLFLOW_TRACKING_TOKEN.
    """
    from registry import serve_mlflow

    serve_mlflow(settings(), say if link else None)


def main() -> None:
    """Run a command; a foreseeable mistake ends with two sentences, not a traceback."""
    keep_files_private()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow talks a lot as it starts
    try:
        app()
    except UserError as error:
        typer.secho(f"error: {plain(error.problem)}", fg="red", err=True)
        typer.echo(f"  what to do: {plain(error.fix)}", err=True)
        sys.exit(BAD_USAGE)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        typer.secho(f"error: the disk is full ({error.filename or error})", fg="red", err=True)
        typer.echo("  what to do: free some space and give the command again", err=True)
        sys.exit(FAILURE)


if __name__ == "__main__":
    main()
