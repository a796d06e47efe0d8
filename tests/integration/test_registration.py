"""Only a version whose registration is on record is judged and moved, and only as it was stored."""

import shutil
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.entities import FileInfo
from typer.testing import CliRunner

from leafgate.audit import AuditEntry
from leafgate.cli import app
from leafgate.errors import UserError
from leafgate.gating import open_ledger
from leafgate.manifest import Manifest
from leafgate.settings import Settings
from registry import (
    Ledger,
    ModelVersion,
    Question,
    adopt,
    force,
    kind_of,
    rollback,
    run_gate,
    start_run,
    watch,
)
from registry.kept_copies import folder_digest
from registry.store_versions import StoreVersions
from registry.stored_model import fetch_files
from sql import open_database
from tests.models import register_tiny_classifier, store_tiny_classifier
from tests.policies import write_policy

NAME = "leaf-classifier"


@pytest.fixture(scope="module")
def registered(
    tmp_path_factory: pytest.TempPathFactory, empty_store: Path, colour_manifest: Manifest
) -> Path:
    """Versions 1 and 2 were in production, 2 still is, version 3 is in staging; no copies."""
    settings = _settings(tmp_path_factory.mktemp("registration") / "var")
    shutil.copytree(empty_store, settings.var_dir)
    ledger = open_ledger(settings)
    for _ in range(3):
        register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    for number in (1, 2):
        force(ledger, ledger.store.get(NAME, number), "to begin with")
    shutil.rmtree(settings.models_dir)
    return settings.var_dir


@pytest.fixture
def ledger(registered: Path, tmp_path: Path) -> Ledger:
    """On a copy of that state, stored files included."""
    ledger = open_ledger(_settings(Path(shutil.copytree(registered, tmp_path / "var"))))
    database = tmp_path / "var" / "mlflow" / "mlflow.db"
    assert database.is_file()
    _point_to_copies(database, registered, tmp_path / "var")
    return ledger


def _point_to_copies(database: Path, before: Path, after: Path) -> None:
    """MLflow's paths are absolute."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in (
            ("logged_models", "artifact_location"),
            ("model_versions", "source"),
            ("model_versions", "storage_location"),
            ("runs", "artifact_uri"),
            ("experiments", "artifact_location"),
        ):
            connection.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)",
                (str(before), str(after)),
            )


def _settings(var_dir: Path) -> Settings:
    return Settings(_env_file=None, var_dir=var_dir, inception_weights="none")  # type: ignore[call-arg]


def stored(ledger: Ledger, number: int) -> Path:
    """Where MLflow keeps the files of that version."""
    model = ledger.store.client.get_model_version(NAME, str(number)).source
    uri = ledger.store.client.get_logged_model(model.removeprefix("models:/")).artifact_location
    return Path(uri.removeprefix("file://"))


def gate(ledger: Ledger, tmp_path: Path, number: int = 3) -> object:
    policy = write_policy(tmp_path, "accuracy: {at_least: 0.8}")
    return run_gate(ledger, Question(NAME, number, policy))


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(UserError) as refused:
        act()
    assert refused.value.fix
    return refused.value.code


def append(file: str, text: str) -> Callable[[Path], object]:
    def tamper(folder: Path) -> object:
        with (folder / file).open("a") as stream:
            return stream.write(text)

    return tamper


def swap_folder(folder: Path) -> None:
    """A link to code that lies elsewhere."""
    (folder / "code").rename(folder.parent / "elsewhere")
    (folder / "code").symlink_to(folder.parent / "elsewhere")


TAMPERINGS: dict[str, Callable[[Path], object]] = {
    "classifier.py": append("classifier.py", "\nimport os; os.system('true')\n"),
    "code": append("code/leafgate/images.py", "\nprint('mine')\n"),
    "MLmodel": append("MLmodel", "\nextra: 1\n"),
    "requirements": append("requirements.txt", "\nevil-package\n"),
    "the model": append("artifacts/model/model.json", " "),
    "another file": append("sitecustomize.py", "print('mine')"),
    "MLflow's own name": append("code/registered_model_meta", "model_name: mine"),
    "a file that is gone": lambda folder: (folder / "python_env.yaml").unlink(),
    "a link": lambda folder: (folder / "x").symlink_to("/etc/hostname"),
    "a linked folder": swap_folder,
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
@pytest.mark.parametrize("with_tag", [False, True], ids=["files", "files and tag"])
def test_whatever_was_changed_in_the_stored_files_no_gate_judges_it(
    tampering: str, with_tag: bool, ledger: Ledger, tmp_path: Path
) -> None:
    folder = stored(ledger, 3)
    TAMPERINGS[tampering](folder)
    if with_tag:
        ledger.store.set_tag(NAME, 3, "artifact.digest", folder_digest(folder))
    before = ledger.records(NAME)

    refusals = {code_of(lambda: gate(ledger, tmp_path))}
    version = ledger.store.get(NAME, 3)
    refusals.add(code_of(lambda: force(ledger, version, "I want it")))

    assert refusals <= {"artifact_changed", "artifact_unsafe"}
    assert ledger.records(NAME) == before
    assert ledger.store.get(NAME, "production").version == 2


def test_a_copy_that_is_still_right_does_not_hide_what_mlflow_stores_by_now(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.store.folder(ledger.store.get(NAME, 3))
    TAMPERINGS["classifier.py"](stored(ledger, 3))
    assert code_of(lambda: gate(ledger, tmp_path)) == "artifact_changed"


def test_nothing_rolls_back_to_changed_files(ledger: Ledger) -> None:
    TAMPERINGS["classifier.py"](stored(ledger, 1))
    assert code_of(lambda: rollback(ledger, NAME)) == "artifact_changed"
    digest = folder_digest(stored(ledger, 1))
    ledger.store.set_tag(NAME, 1, "artifact.digest", digest)
    assert code_of(lambda: rollback(ledger, NAME)) == "not_vouched"
    assert ledger.store.get(NAME, "production").version == 2


def planted(ledger: Ledger, of: int = 3) -> ModelVersion:
    """A version that whoever may write to MLflow has made, of files of a real one."""
    real, client = ledger.store.get(NAME, of), ledger.store.client
    source = client.get_model_version(NAME, str(of)).source
    tags = {name: value for name, value in real.tags.items() if not name.startswith("audit.")}
    made = client.create_model_version(NAME, source, real.run_id, tags=tags)
    client.set_registered_model_alias(NAME, "staging", made.version)
    return ledger.store.get(NAME, int(made.version))


def test_a_version_that_no_training_of_ours_registered_is_neither_judged_nor_moved(
    ledger: Ledger, tmp_path: Path
) -> None:
    version, before = planted(ledger), ledger.records(NAME)
    assert code_of(lambda: gate(ledger, tmp_path, version.version)) == "not_registered"
    assert code_of(lambda: force(ledger, version, "I want it")) == "not_registered"
    assert ledger.records(NAME) == before


def test_a_champion_that_is_not_on_record_is_not_loaded(
    empty_store: Path, tmp_path: Path, colour_manifest: Manifest
) -> None:
    """Where the audit has no version in production yet, it is the alias that names the champion."""
    ledger = open_ledger(_settings(Path(shutil.copytree(empty_store, tmp_path / "var"))))
    register_tiny_classifier(ledger.store.settings, alias=None, manifest=colour_manifest)
    ledger.store.set_alias(NAME, "production", planted(ledger, of=1).version)
    assert code_of(lambda: gate(ledger, tmp_path, 1)) == "not_registered"


def test_a_record_of_another_version_copied_onto_it_helps_nobody(
    ledger: Ledger, tmp_path: Path
) -> None:
    version = planted(ledger)
    real = ledger.store.get(NAME, 3)
    copied = {name: value for name, value in real.tags.items() if name.startswith("audit.")}
    ledger.store.set_tags(version, copied)
    assert code_of(lambda: gate(ledger, tmp_path, version.version)) == "not_registered"


def test_a_watch_waits_for_the_record_and_then_judges(ledger: Ledger, tmp_path: Path) -> None:
    policy = write_policy(tmp_path, "accuracy: {at_least: 0.8}")
    version, stopped = planted(ledger), threading.Event()
    verdicts = watch(ledger, Question(NAME, policy_file=policy), 0.01, stopped)
    threading.Timer(
        0.5, lambda: adopt(ledger, version, version.tags["artifact.digest"], "I know it")
    ).start()
    assert next(verdicts).report.version == version.version
    stopped.set()


def test_what_was_trained_without_the_key_is_adopted_by_its_digest_and_a_reason(
    ledger: Ledger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    colour_manifest: Manifest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "trained"
    store_tiny_classifier(folder)
    with start_run(ledger.store.settings, "train classifier") as run:
        run.log_data(colour_manifest, "colours")
        version = run.register("classifier", folder, NAME)
    digest = version.tags["artifact.digest"]
    told = capsys.readouterr()
    assert f"--version {version.version} --digest {digest}" in told.out + told.err
    assert code_of(lambda: gate(ledger, tmp_path, version.version)) == "not_registered"

    assert code_of(lambda: adopt(ledger, version, digest, " ")) == "no_reason"
    assert code_of(lambda: adopt(ledger, version, "ab", "mine")) == "bad_digest"
    assert code_of(lambda: adopt(ledger, version, "0" * 64, "mine")) == "artifact_changed"
    file = stored(ledger, version.version) / "classifier.py"
    text = file.read_text()
    file.write_text("print('another')")
    assert code_of(lambda: adopt(ledger, version, digest, "mine")) == "artifact_changed"
    file.write_text(text)

    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(ledger.store.settings.var_dir))
    given = ["--version", str(version.version), "--digest", digest, "--reason", "of our GPU host"]
    done = CliRunner().invoke(app, ["models", "adopt", NAME, *given])
    assert "is on record" in done.output
    record = ledger.records(NAME)[-1]
    assert (record.action, record.by, record.reason) == ("staged", "person", "of our GPU host")
    assert record.artifact_digest == digest
    assert code_of(lambda: adopt(ledger, version, digest, "again")) == "registered_already"
    gate(ledger, tmp_path, version.version)


def test_a_registration_that_cannot_be_written_down_says_how_to_go_on(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "trained"
    store_tiny_classifier(folder)

    def away(*_: object) -> None:
        raise UserError("the database is away", "start it", code="audit_unreachable")

    with start_run(ledger.store.settings, "train classifier", ledger=ledger) as run:
        monkeypatch.setattr(Ledger, "write_after", away)
        with pytest.raises(UserError, match="audit could not say so") as refused:
            run.register("classifier", folder, NAME)
    monkeypatch.undo()
    assert refused.value.code == "not_recorded"
    assert "leafgate models adopt leaf-classifier --version 4 --digest" in refused.value.fix
    assert ledger.store.get(NAME, "staging").version == 3
    assert code_of(lambda: gate(ledger, tmp_path, 4)) == "not_registered"


def test_a_missing_key_is_told_before_the_training(
    tmp_path: Path, colour_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("LEAFGATE_DATABASE_URL", f"sqlite:///{tmp_path / 'log.db'}")
    arguments = ["train", "classifier", "--data", str(colour_folder)]
    refused = CliRunner().invoke(app, arguments).exception
    assert isinstance(refused, UserError)
    assert refused.code == "no_audit_key"
    assert "--unsigned" in refused.fix


def test_a_model_of_an_older_leafgate_says_to_train_again(ledger: Ledger) -> None:
    version = ledger.store.get(NAME, 3)
    old = folder_digest(stored(ledger, 3) / "artifacts" / "model")
    of_old = replace(version, tags={**version.tags, "artifact.digest": old})
    with pytest.raises(UserError, match="older LeafGate") as refused:
        ledger.store.folder(of_old)
    assert refused.value.fix == "train it again"


def test_what_is_left_where_a_model_is_served_from_the_same_folders_is_never_fetched(
    ledger: Ledger, tmp_path: Path
) -> None:
    """`mlflow models serve` leaves a file and bytecode there, and others may."""
    left = stored(ledger, 3) / "code" / "leafgate" / "__pycache__"
    left.mkdir()
    (left / "images.cpython-311.pyc").write_bytes(b"mine")
    (stored(ledger, 3) / "registered_model_meta").write_text("mine")
    gate(ledger, tmp_path)
    copy = ledger.store.stored_folder(ledger.store.get(NAME, 3))
    assert list(copy.rglob("__pycache__")) == list(copy.rglob("registered_model_meta")) == []


class Listing:
    """An artifact store that names files as it likes. files: name to content."""

    def __init__(self, files: dict[str, bytes], sizes: dict[str, int] | None = None) -> None:
        self.files, self.sizes = files, sizes or {}

    def list_artifacts(self, path: str | None) -> list[FileInfo]:
        if path is not None:
            return []
        sizes = {name: len(content) for name, content in self.files.items()}
        return [FileInfo(name, False, size) for name, size in {**sizes, **self.sizes}.items()]

    def _download_file(self, name: str, local: str) -> None:
        Path(local).write_bytes(self.files[name])


@pytest.mark.parametrize(
    "name",
    ["../mine", "/tmp/mine", "a/../../mine", "code/x", ".", "..", "", "./x", "x/", "x\0y"],
)
def test_no_name_in_a_listing_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(UserError, match="the listing of the stored model names") as refused:
        fetch_files(Listing({name: b"mine"}), into)
    assert refused.value.code == "artifact_unsafe"
    assert list(tmp_path.rglob("*")) == [into]


def test_a_listing_or_a_file_beyond_all_measure_is_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="8 GiB"):
        fetch_files(Listing({"x": b""}, {"x": 9 * 2**30}), tmp_path)
    with pytest.raises(UserError, match="10,000 stored files"):
        fetch_files(Listing({str(n): b"" for n in range(10_001)}), tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="larger than its listing says"):
        fetch_files(Listing({"x": b"more"}, {"x": 1}), tmp_path)


def test_a_folder_that_contains_itself_ends(tmp_path: Path) -> None:
    class Endless(Listing):
        def list_artifacts(self, path: str | None) -> list[FileInfo]:
            return [FileInfo(f"{path}/x" if path else "x", True, None)]

    with pytest.raises(UserError, match="10,000 stored files"):
        fetch_files(Endless({}), tmp_path)


def verified(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *more: str) -> tuple[int, str]:
    """Exit code and output of `leafgate models audit --verify`."""
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(ledger.store.settings.var_dir))
    done = CliRunner().invoke(app, ["models", "audit", NAME, "--verify", *more])
    return done.exit_code, done.output


def test_verify_compares_files_tag_and_record_of_each_version(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, told = verified(ledger, monkeypatch)
    assert (code, "agree, and the stored files of 3 versions" in told) == (0, True)

    for number in (1, 2):  # of which one is served, and one may be served again
        TAMPERINGS["classifier.py"](stored(ledger, number))
    ledger.store.set_tag(NAME, 2, "artifact.digest", folder_digest(stored(ledger, 2)))
    shutil.rmtree(stored(ledger, 3))
    code, told = verified(ledger, monkeypatch)
    assert code == 1
    assert "version 1: its stored files have digest" in told
    assert "version 1: its tag" not in told
    assert "version 2: its stored files have digest" in told
    assert "version 2: its tag artifact.digest is" in told
    assert "version 3: the files of leaf-classifier version 3 are gone" in told
    code, told = verified(ledger, monkeypatch, "--no-files")
    assert (code, "were not compared" in told) == (0, True)


def test_verify_names_a_version_with_an_alias_and_no_record(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = planted(ledger).version
    code, told = verified(ledger, monkeypatch)
    assert code == 1
    assert f"version {number} has no record of its registration" in told


def test_verify_names_a_move_of_other_files_than_were_registered(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds the key wrote it; the files are then not those that a training made."""
    entry = AuditEntry(
        model=NAME, action="verdict", by="gate", to_version=3, artifact_digest="0" * 64
    )
    written = ledger.write(entry)
    code, told = verified(ledger, monkeypatch)
    assert code == 1
    assert f"record {written.number} (verdict) names the files 000000000000 of version 3" in told


def test_restoring_records_says_that_files_were_changed_meanwhile(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_database(ledger.store.settings.database).begin() as connection:
        connection.exec_driver_sql("DELETE FROM audit")
    TAMPERINGS["MLmodel"](stored(ledger, 2))
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(ledger.store.settings.var_dir))
    done = CliRunner().invoke(app, ["models", "audit", NAME, "--restore"])
    assert "records put back" in done.output
    assert "version 2: its stored files have digest" in done.output
    assert done.exit_code == 1


def test_a_split_that_was_swapped_in_the_run_is_not_judged_by(
    empty_store: Path, tmp_path: Path, colour_manifest: Manifest
) -> None:
    """Else an easier test side could be slipped in, or images that the version learnt from."""
    ledger = open_ledger(_settings(Path(shutil.copytree(empty_store, tmp_path / "var"))))
    version = register_tiny_classifier(ledger.store.settings, alias=None, manifest=colour_manifest)
    turned = {"train": "test", "test": "train", "validation": "validation"}
    rows = tuple(replace(row, side=turned[row.side]) for row in colour_manifest.rows)  # type: ignore[arg-type]
    Manifest(colour_manifest.root, rows).save(tmp_path / "manifest.csv")
    client = ledger.store.client
    client.log_artifact(version.run_id, str(tmp_path / "manifest.csv"), "data")
    with pytest.raises(UserError, match="the split that the run of") as refused:
        gate(ledger, tmp_path, 1)
    assert refused.value.code == "artifact_changed"


def test_files_of_a_version_are_asked_of_mlflows_own_server_alone(ledger: Ledger) -> None:
    """The sign-in for MLflow goes along with what is asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(3)

        def answer() -> None:
            with suppress(OSError):
                caller = listener.accept()[0]
                asked.append(caller.recv(1000))
                caller.close()

        thread = threading.Thread(target=answer)
        thread.start()
        source = f"http://127.0.0.1:{listener.getsockname()[1]}/files"
        client, digest = ledger.store.client, ledger.store.get(NAME, 3).tags["artifact.digest"]
        made = client.create_model_version(NAME, source, tags={"artifact.digest": digest})
        with pytest.raises(UserError, match="the stored files are at http://127") as refused:
            ledger.store.stored_digest(ledger.store.get(NAME, int(made.version)))
        thread.join()
    assert (refused.value.code, asked) == ("artifact_unsafe", [])


def test_a_tag_does_not_choose_the_policy_that_a_version_is_judged_by(
    ledger: Ledger,
) -> None:
    for kind in ("generator", "../x"):
        ledger.store.set_tag(NAME, 3, "model.kind", kind)
        assert kind_of(ledger.store.settings, ledger.store.get(NAME, 3)) == "classifier"


def test_files_of_a_run_are_asked_of_and_sent_to_mlflows_own_server_alone(
    ledger: Ledger, tmp_path: Path
) -> None:
    """A model can be registered again with another run, whose files are said to be elsewhere."""
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.json").write_text("{}")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        place = f"http://127.0.0.1:{listener.getsockname()[1]}/files"
        client, store = ledger.store.client, ledger.store
        run = client.create_run(client.create_experiment("elsewhere", place))
        version = replace(store.get(NAME, 3), run_id=run.info.run_id)
        reader = StoreVersions(store.settings)
        for act in (
            lambda: store.has_run_artifact(version, "data/manifest.csv"),
            lambda: store.run_artifact(version, "data/manifest.csv", tmp_path),
            lambda: store.log_run_artifacts(version, tmp_path / "report", "gate"),
            lambda: reader.files(version.run_id, "data"),
        ):
            assert code_of(act) == "artifact_unsafe"
        with pytest.raises(BlockingIOError):
            listener.accept()
