"""The loop once through: images, split, both models, both gates. What exists is not made again."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from leafgate.audit import AuditRecord
from leafgate.files import whole
from leafgate.gating import open_ledger
from leafgate.kept_split import KeptSplit
from leafgate.manifest import SIDES, Manifest
from leafgate.progress import plain
from leafgate.settings import Settings
from registry import (
    DIGEST_TAG,
    PRODUCTION,
    Ledger,
    ModelStore,
    ModelVersion,
    Question,
    is_vouched,
    kind_of,
    load_policy,
    policy_without,
    registration_of,
    run_gate,
    run_manifest,
    standing,
)
from training.classifier.config import STAGE2_EPOCHS, ClassifierConfig
from training.config import JobConfig, OnConflict
from training.data.folder import read_folder
from training.data.procedural import drawn_count, make_leaf_folder
from training.data.split import parse_ratios, split
from training.gan.config import GanConfig

RECIPE_TAG = "demo.recipe"
UNSTEADY = {"runs", "latency"}  # checks that may fail for what else the machine does
BACKBONE = "efficientnet_lite0"  # its ImageNet weights came with the installation
LEAVES = 1000
PASSES = 20_000  # of photographs through the network, a stage; a few minutes on two cores
GENERATOR_PASSES = 12_000
DRAWN_PASSES = 2_100  # a quarter of a minute on two cores
MILD_VIEWS = {  # drawings are all alike in light and sharpness: strong views only cost time
    "rotation": 0.1,
    "zoom": 0.1,
    "stretch": 0.0,
    "translation": 0.05,
    "contrast": 0.1,
    "brightness": 0.1,
    "saturation": 0.1,
    "white_balance": 0.0,
    "sharpness": 0.3,
    "noise": 2.0,
    "mixup": 0.0,
    "cutmix": 0.0,
}
FOR_DRAWN_LEAVES = {
    "image_size": 96,
    "stage1_views": 2,
    "stage2_epochs": 4,
    "unfrozen_layers": 30,
    **MILD_VIEWS,
}


def run_loop(
    settings: Settings,
    data: Path | None,
    conflicts: OnConflict = "exclude",
    resplit: bool = False,
) -> bool:
    """Train and gate both models on the folder, or on drawn leaves. True: the classifier is in
    production. conflicts, resplit: see `split`. Raises UserError for images that cannot be used.
    """
    folder = data.expanduser().resolve() if data else draw_leaves(settings)
    manifest = split_images(settings, folder, conflicts, resplit)
    generator = generator_recipe(manifest, drawn=data is None)
    classifier = classifier_recipe(manifest, drawn=data is None)
    # The classifier first: the generator is measured with its features.
    promoted = judge(settings, settings.classifier_name, manifest, classifier, _train_classifier)
    judge(settings, settings.generator_name, manifest, generator, _train_generator)
    return promoted


def draw_leaves(settings: Settings) -> Path:
    """The embedded set, drawn once; as many as an older version drew, where it did."""
    from leafgate.progress import progress

    folder = settings.var_dir / "demo" / "leaves"
    count = drawn_count(folder) or LEAVES
    with progress("drawing synthetic leaves", count) as advance:
        make_leaf_folder(folder, count, on_image=advance)
    typer.echo(f"data: {count} SYNTHETIC leaves (drawings, no photographs) in {folder}")
    return folder


def split_images(
    settings: Settings, folder: Path, conflicts: OnConflict = "exclude", resplit: bool = False
) -> Manifest:
    """Read, prove and divide the images; the manifest is kept beside the other state, and taken
    from there as long as no file of the folder changes.
    """
    state = settings.var_dir / "demo"
    kept = KeptSplit.of(state, folder, conflicts, resplit)
    known = kept.load()
    if known is not None:
        manifest, told, file = known
        typer.echo("images: none was added, removed or changed since they were divided")
    else:
        scan = read_folder(folder)
        manifest = split(scan, parse_ratios("70/15/15"), conflicts=conflicts, resplit=resplit)
        told = [scan.summary(), *(manifest.origin.lines() if manifest.origin else ())]
        file = state / f"split-{manifest.digest[:12]}.csv"
        manifest.save(file)
        kept.save(manifest, told, file)
    for line in told:
        typer.echo(plain(line))
    sizes = ", ".join(f"{len(manifest.side(side))} {side}" for side in SIDES)
    typer.echo(f"split: {sizes} ({file})")
    return manifest


def classifier_recipe(manifest: Manifest, drawn: bool) -> ClassifierConfig:
    """ImageNet weights that came with the installation, so that every machine does the same without
    a download; the more images there are, the fewer views of each, so that minutes are enough.
    """
    if drawn:
        return ClassifierConfig(backbone=BACKBONE, weights="imagenet", **FOR_DRAWN_LEAVES)
    usual = ClassifierConfig(backbone=BACKBONE, weights="imagenet")
    passes = PASSES // len(manifest.side("train"))
    return usual.model_copy(
        update={
            "stage1_views": min(max(passes, 1), usual.stage1_views),
            "stage2_epochs": None if passes >= STAGE2_EPOCHS else max(passes, 2),
        }
    )


def generator_recipe(manifest: Manifest, drawn: bool) -> GanConfig:
    """Enough to see shapes come; a good generator needs hours.

    Small batches and a higher rate than the paper's make the most of a few hundred steps.
    """
    epochs = _epochs(DRAWN_PASSES if drawn else GENERATOR_PASSES, manifest)
    return GanConfig(
        batch_size=16,
        learning_rate=1e-3,
        epochs=epochs,
        sample_every=2,
        evaluate_samples=256,
        test_samples=512,
        features="classifier",
    )


def _epochs(passes: int, manifest: Manifest) -> int:
    return min(max(passes // len(manifest.side("train")), 2), 60)


def judge(
    settings: Settings,
    name: str,
    manifest: Manifest,
    recipe: JobConfig,
    train: Callable[[Ledger, Manifest, JobConfig], ModelVersion],
) -> bool:
    """Have a version of this recipe (trained now or before) judged; True where it is promoted."""
    store = ModelStore(settings)
    told = f"{name} {manifest.digest} {recipe.model_dump_json()}"
    key = hashlib.sha256(told.encode()).hexdigest()[:16]
    ledger = open_ledger(settings)
    records = ledger.sound_records(name)
    made = [
        item
        for item in store.versions(name)
        if item.tags.get(RECIPE_TAG) == key and registration_of(records, item) is not None
    ]
    if made and "production" in made[0].aliases and is_vouched(ledger, made[0]):
        typer.echo(f"{made[0]} is in production already: same data, same recipe")
        return True
    policy = other_images_policy(ledger.store, name, manifest)
    before = standing_verdict(ledger, records, made[0], policy) if made else None
    if before is not None:
        typer.echo(f"{made[0]} was held back before: {before.reason}")
        typer.echo(
            "  same files, policy and model in production; "
            f"`leafgate gate {name} --version {made[0].version}` judges it anew"
        )
        typer.echo(f"report: {before.report}")
        return False
    version = made[0] if made else train(ledger, manifest, recipe)
    store.set_tags(version, {RECIPE_TAG: key})
    question = Question(name, version.version, policy, data=manifest.root)
    result = run_gate(ledger, question)
    typer.echo("\n".join(result.report.lines()))
    typer.echo(f"report: {result.page}")
    return result.passed


def standing_verdict(
    ledger: Ledger, records: Sequence[AuditRecord], version: ModelVersion, policy_file: Path | None
) -> AuditRecord | None:
    """The gate's last verdict, where it held the version back and would find the same again: same
    files, same policy, same model in production, and no other classifier to see pictures with.

    records: all sound ones of the model. None also where it failed at what another day may change.
    """
    verdicts = [each for each in records if each.action == "verdict"]
    last = next((each for each in reversed(verdicts) if each.to_version == version.version), None)
    if last is None or last.outcome != "held back":
        return None
    failed = last.reason.removeprefix("not passed: ").split(", ")
    if not UNSTEADY.isdisjoint(failed):
        return None
    settings = ledger.store.settings
    policy = load_policy(policy_file, kind_of(settings, version))
    now = (policy.digest, version.tags.get(DIGEST_TAG), standing(records).production)
    if now != (last.policy_digest, last.artifact_digest, last.from_version):
        return None
    seen_with = ledger.records(settings.classifier_name)
    if any(each.action == "moved" and each.at_utc > last.at_utc for each in seen_with):
        return None
    return last


def other_images_policy(store: ModelStore, name: str, manifest: Manifest) -> Path | None:
    """Where an earlier demo left a model of quite other classes in production: the usual policy
    without the comparison, since there is nothing in common to compare. Else None.
    """
    champion = store.find(name, PRODUCTION)
    trained = None if champion is None else run_manifest(store, champion)
    if champion is None or trained is None or RECIPE_TAG not in champion.tags:
        return None
    if set(trained.classes) & set(manifest.classes):
        return None
    kind = kind_of(store.settings, champion)
    file = store.settings.var_dir / "demo" / f"other-images-{kind}.yaml"
    with whole(file) as beside:
        beside.write_text(policy_without(kind, ["champion", "classes"]), encoding="utf-8")
    typer.echo(f"{champion} knows none of these classes: it is replaced without a comparison")
    return file


def _train_generator(ledger: Ledger, manifest: Manifest, recipe: JobConfig) -> ModelVersion:
    from training.gan.train import train_generator

    typer.echo("training the generator (DCGAN): a first look, leaves need hundreds of epochs")
    assert isinstance(recipe, GanConfig)  # noqa: S101 - the caller's pair
    return train_generator(ledger.store.settings, manifest, recipe, ledger)


def _train_classifier(ledger: Ledger, manifest: Manifest, recipe: JobConfig) -> ModelVersion:
    from training.classifier.train import train_classifier

    assert isinstance(recipe, ClassifierConfig)  # noqa: S101 - the caller's pair
    typer.echo(f"training the classifier ({recipe.backbone})")
    return train_classifier(ledger.store.settings, manifest, recipe, ledger=ledger)
