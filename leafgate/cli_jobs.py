"""The subcommands of `leafgate data` and `leafgate train`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from leafgate.cli_options import (
    AnyImageFolder,
    Assignments,
    ConfigFile,
    Conflicts,
    DataFolder,
    GroupsFile,
    ManifestFile,
    Out,
    Resplit,
    Seed,
    say,
    settings,
)
from leafgate.errors import UserError
from leafgate.file_names import path_text

data_app = typer.Typer(help="Get images, make them scarce, split them.", no_args_is_help=True)
train_app = typer.Typer(
    help="Train a model; it is registered with the alias `staging`.", no_args_is_help=True
)
Unsigned = Annotated[
    bool,
    typer.Option(
        "--unsigned",
        help="on a host without the audit key: a person adopts the version where the key is",
    ),
]


@data_app.command("kaggle")
def data_kaggle(
    dataset: Annotated[
        str, typer.Option(help="OWNER/NAME, or the address of its page; else PlantVillage (2 GB)")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="where to write; else data/NAME", show_default=False)
    ] = None,
) -> None:
    """Download a data set from Kaggle; needs your API token, checked first.

    Example: leafgate data kaggle --dataset emmarex/plantdisease
    """
    from training.data.kaggle_source import DATASET, default_folder, download_dataset

    wanted = dataset or DATASET
    say(f"ready: {download_dataset(out or default_folder(wanted), wanted)}")


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
    say(f"{count} synthetic leaves in {out}")


@data_app.command("scarce")
def data_scarce(
    data: DataFolder,
    out: Out,
    per_class: Annotated[int, typer.Option(help="at most so many images a class", min=1)] = 50,
    seed: Seed = 0,
) -> None:
    """Copy at most N images of each class, to see how a model does with few."""
    from training.data.conflicts import counted, find_conflicts
    from training.data.scarcity import make_scarce

    scan = _scan(data)
    conflicts = find_conflicts(scan)
    kept = make_scarce(scan, out, per_class, seed)
    if conflicts:
        say(f"left out: {counted(conflicts)}; `leafgate data report` shows them")
    say(*(f"{count:6d}  {name}" for name, count in kept.items()), f"in {out}")


@data_app.command("split")
def data_split(
    data: DataFolder,
    out: Annotated[Path, typer.Option(help="the manifest, a CSV file")] = Path("split.csv"),
    ratios: Annotated[str, typer.Option(help="train/validation/test")] = "70/15/15",
    groups: GroupsFile = None,
    seed: Seed = 0,
    conflicts: Conflicts = None,
    resplit: Resplit = False,
) -> None:
    """Divide images into train, validation and test; write a manifest with each SHA-256.

    Stratified by class. Shots of one leaf, copies and near copies stay on one side; `leafgate
    data leaks` proves it. Folders that are split already (train/, val/, test/) keep their sides,
    and the leaks between them are counted.
    """
    from training.config import on_conflict
    from training.data.split import parse_ratios, split

    shares, chosen = parse_ratios(ratios), on_conflict(conflicts or "exclude")
    scan = _scan(data)
    manifest = split(scan, shares, seed, groups, chosen, resplit)
    say(*manifest.origin.lines() if manifest.origin else ())
    if manifest.origin and manifest.origin.folders and ratios != "70/15/15":
        say(f"the folders give the sides: {ratios} is used only for a side that they lack")
    manifest.save(out)
    say(f"{out}: {_sizes(manifest, scan, groups)}", f"digest {manifest.digest}")
    say(f"evaluation set (its test side) {manifest.side_digest('test')}")


@data_app.command("leaks")
def data_leaks(
    data: DataFolder,
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="from `leafgate data split`; else split.csv, or the sides that the folders give"
        ),
    ] = None,
    groups: GroupsFile = None,
) -> None:
    """Prove that no leaf is on two sides of a split: exit 0, or 1 with the leaks.

    Exit 1 too where a part is not proven: images of the split that are missing or have changed, or
    that the file of groups does not name. The leaf groups are found again, whatever the manifest
    says, so splits made elsewhere are judged too.
    """
    from leafgate.manifest import Manifest
    from training.data.given_sides import given_manifest
    from training.data.leaks import find_leaks

    scan, file = _scan(data, classes_needed=False), manifest or Path("split.csv")
    given = given_manifest(scan) if manifest is None else None
    if given and file.is_file():
        paths = {row.path for row in Manifest.load(file, data).rows}
        given = None if any(row.path in paths for row in given.rows) else given
    report = find_leaks(scan, given or Manifest.load(file, data), groups)
    say(f"judged: {'the sides that the folders give' if given else file}", *report.lines())
    if report.leaks or report.unproven:
        raise typer.Exit(1)


@data_app.command("report")
def data_report(
    data: DataFolder,
    out: Out = Path("data-report"),
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="from `leafgate data split`; else the sides that the folders give, if any"
        ),
    ] = None,
    log: Annotated[bool, typer.Option(help="keep it as a run in MLflow too")] = True,
) -> None:
    """Look at the images before training: report.html for people, report.json for machines.

    Counts and imbalance, samples, copies and near copies, unreadable files, outliers, background;
    and whether the border pixels alone give the class away (a trap of PlantVillage).
    """
    from leafgate.manifest import Manifest
    from training.data.report import data_report as look_at
    from training.data.report_page import write_report

    scan = _scan(data, classes_needed=False)
    report = look_at(scan, Manifest.load(manifest, data) if manifest else None)
    page = write_report(report, scan, out)
    if log:
        from registry import start_run

        with start_run(settings(), "data report") as run:
            run.set_tags({"data.root": path_text(data.resolve())})
            run.log_folder(out, "data")
    say(*report.lines(), f"report: {page}")


def _sizes(manifest: Any, scan: Any, groups_file: Path | None) -> str:  # noqa: ANN401 - imported late
    """Images of each side, leaf groups, and how many of the groups are divided."""
    from leafgate.manifest import SIDES
    from leafgate.wording import counted
    from training.data.group_files import find_groups

    alone = len(find_groups(scan, groups_file).unmatched_images) if groups_file else 0
    groups = len({row.group for row in manifest.rows})
    sides = ", ".join(f"{len(manifest.side(side))} {side}" for side in SIDES)
    divided = len(manifest.groups_on_two_sides()) or "none"
    unknown = f" (unknown for {counted(alone, 'image')} that {groups_file} lacks)" if alone else ""
    return f"{sides} images, {groups} leaf groups, {divided} divided{unknown}"


def _scan(data: Path, classes_needed: bool = True) -> Any:  # noqa: ANN401 - FolderScan, imported late
    from training.data.folder import read_folder

    scan = read_folder(data, classes_needed)
    say(scan.summary())
    return scan


def _manifest(
    data: Path,
    file: Path | None,
    groups: Path | None,
    config: Any,  # noqa: ANN401 - imported late
    classes_needed: bool = True,
) -> Any:  # noqa: ANN401
    """From the file, else made as `config` (of the classifier or a generator) says."""
    from leafgate.manifest import Manifest
    from training.data.split import parse_ratios, split

    if file is not None:
        return _checked(_unchanged(Manifest.load(file, data)), config)
    shares = parse_ratios(config.ratios)
    scan = _scan(data, classes_needed)
    made = split(
        scan,
        shares,
        config.split_seed,
        groups,
        config.conflicts,
        config.resplit,
        classes_needed,
    )
    say(*made.origin.lines() if made.origin else (), _sizes(made, scan, groups))
    return made


def _checked(manifest: Any, config: Any) -> Any:  # noqa: ANN401 - imported late
    """Return the manifest as it is. Raises UserError for --resplit, and for --conflicts error where
    it has conflicts.
    """
    from training.data.conflicts import counted, in_manifest, refuse

    if config.resplit:
        raise UserError(
            "--resplit and --manifest ask for two different splits",
            "leave one of them out; `leafgate data split --resplit` writes a manifest",
        )
    found = in_manifest(manifest)
    if config.conflicts == "error":
        refuse(found)
    if found:
        say(f"warning: in the manifest {counted(found)}; `leafgate data split` leaves them out")
    return manifest


def _with_options(assignments: list[str] | None, conflicts: str | None, resplit: bool) -> list[str]:
    """The assignments, and those that have an option of their own."""
    chosen = [f"conflicts={conflicts}"] if conflicts else []
    return [*(assignments or []), *chosen, *(["resplit=true"] if resplit else [])]


def _unchanged(manifest: Any) -> Any:  # noqa: ANN401 - leafgate.manifest.Manifest
    """Return the manifest. Raises UserError where a file of it is missing or changed: its digests
    would be wrong about what the model learnt from.
    """
    changed = manifest.changed_files(manifest.rows)
    if changed:
        raise UserError(
            f"{len(changed)} of the {len(manifest.rows)} images of the split are missing or "
            f"changed in {path_text(manifest.root)}, the first: {changed[0]}",
            "give the folder that the split was made of with --data, or split again",
        )
    return manifest


def _ledger(configured: Any, model: str, unsigned: bool) -> Any:  # noqa: ANN401 - imported late
    """Where the registration will be written down. A key that is missing, or a database that does
    not answer, ends the command here, and not after hours of training.
    """
    if unsigned:
        return None
    from leafgate.gating import open_ledger

    try:
        ledger = open_ledger(configured)
        ledger.sound_records(model)
    except UserError as error:
        if error.code == "registry_error":  # without it nothing can be trained at all
            raise
        raise UserError(
            f"the version could not be put on record after training: {error.problem}",
            f"{error.fix}; or train with --unsigned, and adopt the version where the key is",
            code=error.code,
        ) from error
    return ledger


class _ClassifierCommand(TyperCommand):
    """`--help` lists every setting, from the configuration itself."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - click's
        from training.classifier.config import ClassifierConfig
        from training.config import settings_help

        self.epilog = settings_help(ClassifierConfig)
        super().format_help(ctx, formatter)


class _GeneratorCommand(TyperCommand):
    """`--help` lists every family and setting, from the table and the configuration themselves."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - click's
        from training.config import settings_help
        from training.gan.config import GanConfig
        from training.gan.families import families_help

        self.epilog = f"{families_help()}\n\n{settings_help(GanConfig)}"
        super().format_help(ctx, formatter)


@train_app.command("classifier", cls=_ClassifierCommand)
def train_classifier(
    data: DataFolder,
    assignments: Assignments = None,
    manifest: ManifestFile = None,
    groups: GroupsFile = None,
    config: ConfigFile = None,
    unsigned: Unsigned = False,
    conflicts: Conflicts = None,
    resplit: Resplit = False,
) -> None:
    """Train the classifier and register it as `staging`.

    With pretrained weights in two stages: the head alone, then the last layers too. Without
    them, from scratch in one. The test images are measured once, at the end.

    Leaf groups are never divided. A killed run goes on where it stopped when the same command is
    given again.

    Example: leafgate train classifier --data photos image_size=128 stage1_epochs=10
    """
    from training.classifier.config import ClassifierConfig
    from training.config import read_config

    chosen = read_config(ClassifierConfig, config, _with_options(assignments, conflicts, resplit))
    configured = settings()
    ledger = _ledger(configured, configured.classifier_name, unsigned)
    split = _manifest(data, manifest, groups, chosen)
    from training.classifier.train import train_classifier as train

    say(
        f"{train(configured, split, chosen, groups, ledger)} is in staging; next: leafgate gate "
        f"{configured.classifier_name}"
    )


@train_app.command("generator", cls=_GeneratorCommand)
def train_generator(
    data: AnyImageFolder,
    assignments: Assignments = None,
    manifest: ManifestFile = None,
    groups: GroupsFile = None,
    config: ConfigFile = None,
    unsigned: Unsigned = False,
    conflicts: Conflicts = None,
    resplit: Resplit = False,
) -> None:
    """Train a generator and register its best epoch as `staging`.

    family=conditional makes one that can be asked for a class. Only training images are learnt
    from; the epoch nearest to the validation images is stored, and measured on the test images. A
    killed run goes on where it stopped when the same command is given again.

    Example: leafgate train generator --data photos family=conditional minutes=30 epochs=1000
    """
    from training.config import read_config
    from training.gan.config import GanConfig

    chosen = read_config(GanConfig, config, _with_options(assignments, conflicts, resplit))
    configured = settings()
    ledger = _ledger(configured, configured.generator_name, unsigned)
    conditional = chosen.architecture.conditional
    split = _manifest(data, manifest, groups, chosen, classes_needed=conditional)
    from training.gan.train import train_generator as train

    say(
        f"{train(configured, split, chosen, ledger)} is in staging; next: leafgate gate "
        f"{configured.generator_name}"
    )
