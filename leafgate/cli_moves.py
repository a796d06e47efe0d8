"""The subcommands of `leafgate models` that move a version, or keep it from moving."""

from collections.abc import Callable
from typing import Annotated

import typer

from leafgate.cli_options import say, settings
from leafgate.errors import UserError

ModelName = Annotated[str, typer.Argument(help="leaf-classifier or leaf-generator")]
Number = Annotated[int, typer.Option("--version", help="its number")]
Reason = Annotated[str, typer.Option(help="why (required); the audit keeps it for ever")]


def rollback(
    model: ModelName,
    reason: Annotated[str, typer.Option(help="goes into the audit")] = "",
    only_from: Annotated[
        int | None, typer.Option("--from", help="only where this version is in production")
    ] = None,
) -> None:
    """Put the previous version back into production; a running API follows by itself."""
    _move("rollback", model, only_from, reason)


def promote(
    model: ModelName,
    version: Annotated[int | None, typer.Option(help="a number; else what is in staging")] = None,
    force: Annotated[bool, typer.Option("--force", help="whatever the gate says")] = False,
    reason: Reason = "",
) -> None:
    """Put a version into production by force. Without --force only the gate does that."""
    if not force:
        raise UserError(
            "without --force only the gate promotes a version",
            f"run `leafgate gate {model}`; to promote a version that it held back, add --force and "
            '--reason "…"',
            code="not_judged",
        )
    _move("promote", model, version or _staged(model), reason)


def hold(model: ModelName, version: Number, reason: Reason = "") -> None:
    """Keep a version out of production: the gate does not promote it, nothing goes back to it."""
    _move("hold", model, version, reason)


def release(model: ModelName, version: Number, reason: Reason = "") -> None:
    """End a hold; `leafgate gate` then judges the version again, and may promote it."""
    _move("release", model, version, reason)


def adopt(
    model: ModelName,
    version: Number,
    digest: Annotated[str, typer.Option(help="of its files, as the training printed it")],
    reason: Reason = "",
) -> None:
    """Put a version on record that was trained with --unsigned, so that the gate judges it.

    The audit names you for it. Take the digest from whoever trained the version, not from MLflow:
    it is what proves that MLflow stores what the training wrote.
    """
    from leafgate.gating import open_ledger
    from registry import adopt as put_on_record

    ledger = open_ledger(settings())
    found = ledger.store.get(model, version)
    put_on_record(ledger, found, digest, reason)
    say(f"{found} is on record; next: leafgate gate {model} --version {version}")


MOVES: dict[str, Callable[..., None]] = {
    "rollback": rollback,
    "promote": promote,
    "hold": hold,
    "release": release,
    "adopt": adopt,
}


def _staged(model: str) -> int:
    from registry import STAGING, ModelStore

    return ModelStore(settings()).get(model, STAGING).version


def _move(how: str, model: str, version: int | None, reason: str) -> None:
    from leafgate.audit import this_person
    from leafgate.gating import open_ledger
    from registry import Move, carry_out

    moved = carry_out(open_ledger(settings()), Move(how, model, version, reason, this_person()))
    say(moved.told)
