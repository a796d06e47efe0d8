"""The command `leafgate`: each subcommand calls one function of one package.

Nothing heavy is imported before it is needed (Keras takes nine seconds, MLflow three), so that
`leafgate --help` answers at once.
"""

import errno
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

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


data_app = _group("data", "Get images, make them scarce, split them.")
train_app = _group("train", "Train a model; it is registered with the alias `staging`.")
models_app = _group("models", "See registered versions; go back to the one before.")
users_app = _group("users", "Who may use the API.")
db_app = _group("db", "The database of requests and users.")

DataFolder = Annotated[
    Path, typer.Option("--data", help="folder of class folders: DIR/<class>/<image>")
]
Out = Annotated[Path, typer.Option(help="where to write")]
Seed = Annotated[int, typer.Option(help="the same seed gives the same result")]
ManifestFile = Annotated[
    Path | None, typer.Option("--manifest", help="from `leafgate data split`; else split anew")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file of settings")]
Assignments = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="settings, as listed below")
]


def _say(*lines: str) -> None:
    for line in lines:
        typer.echo(line)


def _settings() -> Any:  # noqa: ANN401 - leafgate.settings.Settings, imported late
    from leafgate.settings import load_settings

    return load_settings()


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
        run_demo(_settings(), data)
    elif not run_loop(_settings(), data):
        raise typer.Exit(HELD_BACK)


@data_app.command("kaggle")
def data_kaggle(out: Out = Path("data/plantvillage")) -> None:
    """Download PlantVillage from Kaggle (2 GB; needs your API token, checked first)."""
    from training.data.kaggle_source import download_plantvillage

    _say(f"ready: {download_plantvillage(out)}")


@data_app.command("demo")
def data_demo(
    out: Out = Path("data/leaves"),
    count: Annotated[int, typer.Option(help="images in all", min=6)] = 900,
    seed: Seed = 0,
) -> None:
    """Draw the synthetic leaf set: six classes, imbalanced like a field set."""
    from leafgate.progress import progress
    from training.data.procedural import make_leaf_folder

    with progress("drawing leaves", count) as advance:
        make_leaf_folder(out, count, seed, on_image=advance)
    _say(f"{count} synthetic leaves in {out}")


@data_app.command("scarce")
def data_scarce(
    data: DataFolder,
    out: Out,
    per_class: Annotated[int, typer.Option(help="at most so many images a class", min=1)] = 50,
    seed: Seed = 0,
) -> None:
    """Copy at most N images of each class, to see how a model does with few."""
    from training.data.scarcity import make_scarce

    kept = make_scarce(_scan(data), out, per_class, seed)
    _say(*(f"{count:6d}  {name}" for name, count in kept.items()), f"in {out}")


@data_app.command("split")
def data_split(
    data: DataFolder,
    out: Annotated[Path, typer.Option(help="the manifest, a CSV file")] = Path("split.csv"),
    ratios: Annotated[str, typer.Option(help="train/validation/test")] = "70/15/15",
    seed: Seed = 0,
) -> None:
    """Divide images into train, validation and test; write a manifest with each SHA-256.

    Stratified by class; copies of one picture stay on one side.
    """
    from leafgate.manifest import SIDES
    from training.data.split import parse_ratios, split

    manifest = split(_scan(data), parse_ratios(ratios), seed)
    manifest.save(out)
    sizes = ", ".join(f"{len(manifest.side(side))} {side}" for side in SIDES)
    _say(f"{out}: {sizes}", f"digest {manifest.digest}")


def _scan(data: Path) -> Any:  # noqa: ANN401 - training.data.folder.FolderScan, imported late
    from training.data.folder import read_folder

    scan = read_folder(data)
    _say(scan.summary())
    return scan


def _manifest(data: Path, file: Path | None, ratios: str, seed: int) -> Any:  # noqa: ANN401
    from leafgate.manifest import Manifest
    from training.data.split import parse_ratios, split

    if file is not None:
        return Manifest.load(file, data)
    return split(_scan(data), parse_ratios(ratios), seed)


class _ClassifierCommand(TyperCommand):
    """`--help` lists every setting, from the configuration itself."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - click's
        from training.classifier.config import ClassifierConfig
        from training.config import settings_help

        self.epilog = settings_help(ClassifierConfig)
        super().format_help(ctx, formatter)


class _GeneratorCommand(TyperCommand):
    """`--help` lists every setting, from the configuration itself."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - click's
        from training.config import settings_help
        from training.gan.config import GanConfig

        self.epilog = settings_help(GanConfig)
        super().format_help(ctx, formatter)


@train_app.command("classifier", cls=_ClassifierCommand)
def train_classifier(
    data: DataFolder,
    assignments: Assignments = None,
    manifest: ManifestFile = None,
    config: ConfigFile = None,
) -> None:
    """Train the classifier and register it as `staging`.

    With pretrained weights in two stages: the head alone, then the last layers too. Without
    them, from scratch in one. The test images are measured once, at the end.

    Example: leafgate train classifier --data photos image_size=128 stage1_epochs=10
    """
    from training.classifier.config import ClassifierConfig
    from training.config import read_config

    chosen = read_config(ClassifierConfig, config, assignments or [])
    settings = _settings()
    split = _manifest(data, manifest, chosen.ratios, chosen.split_seed)
    from training.classifier.train import train_classifier as train

    _say(
        f"{train(settings, split, chosen)} is in staging; next: leafgate gate "
        f"{settings.classifier_name}"
    )


@train_app.command("generator", cls=_GeneratorCommand)
def train_generator(
    data: DataFolder,
    assignments: Assignments = None,
    manifest: ManifestFile = None,
    config: ConfigFile = None,
) -> None:
    """Train a generator (DCGAN) and register it as `staging`.

    Only training images are learnt from. A killed run goes on where it stopped when the same
    command is given again.

    Example: leafgate train generator --data photos epochs=200 classes=Potato___healthy
    """
    from training.config import read_config
    from training.gan.config import GanConfig

    chosen = read_config(GanConfig, config, assignments or [])
    settings = _settings()
    split = _manifest(data, manifest, chosen.ratios, chosen.split_seed)
    from training.gan.train import train_generator as train

    _say(
        f"{train(settings, split, chosen)} is in staging; next: leafgate gate "
        f"{settings.generator_name}"
    )


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

    result = run_gate(_settings(), model, version, policy, data)
    _say(*result.report.lines(), f"report: {result.page} ({result.uri})")
    if not result.promoted:
        raise typer.Exit(HELD_BACK)


@models_app.command("list")
def models_list(
    model: Annotated[str | None, typer.Argument(help="one model; else both")] = None,
) -> None:
    """Versions, newest first, with aliases and the gate's verdict."""
    from registry import ModelStore

    settings = _settings()
    store = ModelStore(settings)
    for name in [model] if model else [settings.classifier_name, settings.generator_name]:
        versions = store.versions(name)
        _say(f"{name}: {len(versions)} versions")
        for item in versions:
            verdict = item.tags.get("gate.status", "not judged")
            _say(f"  {item.version:4d}  {verdict:10s}  {', '.join(item.aliases)}".rstrip())


@models_app.command("show")
def models_show(
    model: Annotated[str, typer.Argument(help="the registered name")],
    version: Annotated[str, typer.Argument(help="a number or an alias")] = "production",
) -> None:
    """One version: aliases, tags and the figures of its run."""
    from registry import ModelStore

    store = ModelStore(_settings())
    item = store.get(model, int(version) if version.isdigit() else version)
    _say(str(item), f"aliases: {', '.join(item.aliases) or 'none'}", f"run: {item.run_id}")
    _say(*(f"{name} = {value}" for name, value in sorted(item.tags.items())))
    _say(*(f"{name} = {value:.4g}" for name, value in sorted(store.run_metrics(item).items())))


@models_app.command("rollback")
def models_rollback(model: Annotated[str, typer.Argument(help="the registered name")]) -> None:
    """Put the previous version back into production; a running API follows by itself."""
    from registry import ModelStore, rollback

    now, before = rollback(ModelStore(_settings()), model)
    _say(f"{now} is in production again; version {before.version} is kept as previous")


@app.command()
def predict(
    files: Annotated[list[Path], typer.Argument(help="images")],
) -> None:
    """Classify images with the version in production, without the API."""
    from leafgate.images import decode
    from registry import PRODUCTION, Classifier, ModelStore

    settings = _settings()
    store = ModelStore(settings)
    version = store.get(settings.classifier_name, PRODUCTION)
    classifier = Classifier.load(store.folder(version), settings.engine)
    for file in files:
        (answer,) = classifier.predict([decode(_bytes(file))])
        _say(f"{file}\t{answer.class_name}\t{answer.confidence:.3f}")


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})", "check the path") from None


@app.command()
def generate(
    out: Out,
    n: Annotated[int, typer.Option(help="number of images", min=1)] = 16,
    seed: Seed = 0,
) -> None:
    """Make images with the generator in production; each PNG says that it is synthetic."""
    from leafgate.progress import progress
    from registry import PRODUCTION, Generator, ModelStore, write_pictures

    settings = _settings()
    store = ModelStore(settings)
    version = store.get(settings.generator_name, PRODUCTION)
    generator = Generator.load(store.folder(version), settings.engine)
    with progress("drawing pictures", n) as advance:
        write_pictures(generator, version, out, n, seed, advance)
    _say(f"{n} synthetic images in {out}")


@app.command()
def serve() -> None:
    """Run the API. Needs LEAFGATE_JWT_SECRET; follows the alias `production` by itself."""
    from serving.server import serve as run

    run(_settings())


@app.command()
def dashboard() -> None:
    """Run the dashboard; it asks the API for answers and the database for figures."""
    from dashboard.server import serve as run

    run(_settings())


@app.command()
def mlflow() -> None:
    """Run MLflow's server over the embedded store, to look at runs and models."""
    from registry import serve_mlflow

    serve_mlflow(_settings())


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

    database = open_database(_settings().database)
    migrate(database)
    user = add_user(database, name, hash_password(password), scope)
    _say(f"user {user.name} may: {', '.join(sorted(user.scopes))}")


@db_app.command("migrate")
def db_migrate() -> None:
    """Bring the database to the current schema; safe to repeat."""
    from sql import migrate, open_database

    migrate(open_database(_settings().database))
    _say("the schema is current")


@db_app.command("ddl")
def db_ddl(
    dialect: Annotated[str, typer.Option(help="mssql, postgresql or sqlite")] = "mssql",
) -> None:
    """Print the script that makes the schema, for review."""
    from sql import ddl

    _say(ddl(dialect))


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
