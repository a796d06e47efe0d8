"""The subcommands of `leafgate models`, and `leafgate gate`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from leafgate.cli_options import say, settings
from leafgate.errors import UserError
from leafgate.wording import counted

HELD_BACK, UNSOUND = 3, 1

models_app = typer.Typer(
    help="See registered versions and their audit; promote, hold, or go back to the one before.",
    no_args_is_help=True,
)
ModelName = Annotated[str, typer.Argument(help="leaf-classifier or leaf-generator")]


def gate(
    model: ModelName,
    version: Annotated[int | None, typer.Option(help="a number; else what is in staging")] = None,
    policy: Annotated[Path | None, typer.Option(help="YAML file; else LeafGate's own")] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="a split to judge by; else that of the version's training")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="the images, if they were moved")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="stay, and gate each new version as it comes")
    ] = False,
) -> None:
    """Measure a staged version and promote it to Production, or hold it back (exit 3).

    The gate loads the stored model itself and asks it for every held-out test image; figures
    logged in training count for nothing. The report says why, with pictures.
    """
    from leafgate.gating import open_ledger
    from registry import Question, run_gate

    question = Question(model, version, policy, manifest, data)
    if watch:
        _watch(question)
    elif not _told(run_gate(open_ledger(settings()), question)):
        raise typer.Exit(HELD_BACK)


def _watch(question: Any) -> None:  # noqa: ANN401 - registry.Question, imported late
    import threading

    from leafgate.gating import open_ledger
    from registry import watch

    if question.version is not None:
        raise UserError("--watch with --version", "give one of the two")
    configured = settings()
    say(f"watching {question.name} in staging; Ctrl-C ends it")
    verdicts = watch(
        open_ledger(configured), question, configured.model_poll_seconds, threading.Event()
    )
    try:
        for result in verdicts:
            _told(result)
    except KeyboardInterrupt:
        say("no longer watching")


def _told(result: Any) -> bool:  # noqa: ANN401 - registry.GateResult, imported late
    say(*result.report.lines(), f"report: {result.page} ({result.uri})")
    return bool(result.passed)


@models_app.command("list")
def models_list(
    model: Annotated[str | None, typer.Argument(help="one model; else both")] = None,
) -> None:
    """Versions, newest first, with the gate's verdict, aliases, and whether they are held."""
    from leafgate.gating import look_at
    from registry import standing

    configured = settings()
    for name in [model] if model else configured.model_names:
        store, records = look_at(configured, name)
        versions, held = store.versions(name), standing(records).held
        say(f"{name}: {counted(len(versions), 'version')}")
        for item in versions:
            verdict = item.tags.get("gate.status", "not judged")
            names = ", ".join([*item.aliases, *(["held"] if item.version in held else [])])
            say(f"  {item.version:4d}  {verdict:10s}  {names}".rstrip())


@models_app.command("show")
def models_show(
    model: ModelName,
    version: Annotated[str, typer.Argument(help="a number or an alias")] = "production",
) -> None:
    """One version: aliases, tags and the figures of its run."""
    from leafgate.gating import look_at
    from registry import standing

    store, records = look_at(settings(), model)
    item = store.get(model, int(version) if version.isdigit() else version)
    hold = standing(records).held.get(item.version)
    say(str(item), f"aliases: {', '.join(item.aliases) or 'none'}", f"run: {item.run_id}")
    if hold is not None:
        say(f"held by {hold.who} since {hold.at_utc}: {hold.reason}")
    tags = {name: value for name, value in item.tags.items() if not name.startswith("audit.")}
    say(*(f"{name} = {value}" for name, value in sorted(tags.items())))
    say(*(f"{name} = {value:.4g}" for name, value in sorted(store.run_metrics(item).items())))


@models_app.command("audit")
def models_audit(
    model: Annotated[str | None, typer.Argument(help="one model; else both")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="check hashes, signatures, tags, aliases and files")
    ] = False,
    files: Annotated[
        bool,
        typer.Option(
            "--files/--no-files", help="--verify fetches the stored files of each version, or not"
        ),
    ] = True,
    restore: Annotated[
        bool,
        typer.Option("--restore", help="put back lost records, from the tags, and aliases"),
    ] = False,
    copy: Annotated[
        Path | None, typer.Option("--from", help="--restore from what --json printed, too")
    ] = None,
    accept_shorter: Annotated[
        bool,
        typer.Option(
            "--accept-shorter",
            help="after an older backup was restored: this host forgets the records that are gone",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one record a line, to keep")] = False,
    public_key: Annotated[
        bool, typer.Option("--public-key", help="print what a host needs to verify, and end")
    ] = False,
) -> None:
    """Who put what into production, when and why. With --verify: exit 1 where it is not sound.

    --restore verifies, too: what it puts back was signed, and may be of files that were changed.
    """
    from leafgate.audit import to_json
    from leafgate.audit_key import signing_key
    from leafgate.gating import look_at

    configured = settings()
    if public_key:
        say(signing_key(configured).public_key_hex)
        return
    if copy is not None and not restore:
        raise UserError("--from without --restore", "give both")
    sound = True
    for name in [model] if model else configured.model_names:
        if accept_shorter:
            _accept_shorter(name)
            continue
        if restore:
            _restore(name, copy)
        try:
            store, records = look_at(configured, name)
        except UserError as error:
            if not verify or error.code != "audit_unsound":
                raise
            say(f"  NOT SOUND  {error.problem}; {error.fix}")
            sound = False
            continue
        if as_json:
            for record in records:
                typer.echo(to_json(record))  # to the letter: a hash is of it
        else:
            say(f"{name}: {len(records)} records", *(_line(record) for record in records))
        if verify or restore:
            sound = _verified(store, name, records, files) and sound
    if not sound:
        raise typer.Exit(UNSOUND)


def _restore(name: str, copy: Path | None) -> None:
    from leafgate.audit_key import trusted_keys
    from leafgate.gating import look_at, open_trail
    from registry import ModelStore, aliases_astray, chain_problems
    from registry import restore as put_back

    configured = settings()
    keys = trusted_keys(configured)
    trail, store = open_trail(configured), ModelStore(configured)
    missing = put_back(store, trail, name, keys, _records_in(copy) if copy else ())
    say(f"{name}: {len(missing)} records put back")
    records = look_at(configured, name)[1]  # after a move that was killed is finished
    if not chain_problems(configured, name, records, keys):
        say(*(alias.put_back(store) for alias in aliases_astray(store, name, records)))


def _records_in(copy: Path) -> list[Any]:
    """The records of all models that `--json` printed into a file."""
    from leafgate.audit import from_json

    found = []
    try:
        lines = copy.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{copy} cannot be read ({error})", "name what --json printed") from error
    for number, line in enumerate(lines, start=1):
        try:
            found.append(from_json(line))
        except ValueError as error:
            raise UserError(
                f"line {number} of {copy} is no audit record",
                "name what `leafgate models audit --json` printed",
            ) from error
    return found


def _accept_shorter(name: str) -> None:
    from functools import partial

    from leafgate.gating import open_trail
    from registry import VerifiedChain, alias_reader

    configured = settings()
    tags = partial(alias_reader(configured).audit_tags, name)
    chain = VerifiedChain(name, configured, open_trail(configured), tags)
    before = chain.accept()
    now = len(chain.current())
    was = f"record {before.last.number} ({before.last.hash[:12]})" if before else "nothing"
    say(f"{name}: this host remembered {was}, and accepts the audit that ends at record {now}")


def _line(record: Any) -> str:  # noqa: ANN401 - leafgate.audit.AuditRecord, imported late
    versions = f"version {record.to_version}"
    if record.action in ("moving", "moved", "abandoned"):
        versions = f"version {record.from_version or 'none'} -> {record.to_version}"
    what = f"{record.action} by {record.by}" + (f", {record.outcome}" if record.outcome else "")
    reason = " ".join(record.reason.split())  # a line is a record, whatever a person wrote
    return f"  {record.number:4d}  {record.at_utc}  {record.who}  {versions}  {what}: {reason}"


def _verified(store: Any, name: str, records: Any, files: bool) -> bool:  # noqa: ANN401
    from leafgate.audit_key import trusted_keys
    from leafgate.progress import progress
    from registry import AuditMemory, audit_problems, file_problems, versions_to_compare

    wrong = audit_problems(store, name, records, trusted_keys(settings()))
    say(*(f"  NOT SOUND  {problem}" for problem in wrong))
    if wrong:
        return False
    AuditMemory(store.settings).note(name, records)
    agree = f"{name}: hashes, signatures, tags and aliases agree"
    if not files:
        say(f"{agree}; the stored files were not compared")
        return True
    versions = versions_to_compare(store, name, records)
    with progress(f"{name}: comparing stored files", len(versions)) as advance:
        changed = list(file_problems(store, versions, records, advance))
    say(*(f"  NOT SOUND  {problem}" for problem in changed))
    stored = counted(len(versions), "version")
    say(*() if changed else [f"{agree}, and the stored files of {stored}"])
    return not changed
