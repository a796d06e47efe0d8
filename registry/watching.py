"""Gating each new version as it comes: the registry is looked at every few seconds.

Polled: MLflow's registry webhooks reach public https addresses only, unless told otherwise.
"""

import threading
from collections.abc import Iterator
from dataclasses import replace

from leafgate.errors import UserError
from leafgate.progress import tell
from registry.gate import GateResult, Question, run_gate
from registry.ledger import Ledger
from registry.store import STAGING


def watch(
    ledger: Ledger, question: Question, poll_seconds: float, stopped: threading.Event
) -> Iterator[GateResult]:
    """Verdicts on what is in staging now, and on every version that comes, until `stopped`.

    A version that has a verdict is not judged again, and none before its registration is on record:
    a training writes that a moment after MLflow has the version. What is wrong with one version, or
    a registry that does not answer, is told and does not end the watch; a bad policy does.
    """
    known: set[int] | None = None
    waiting, told = set[int](), set[int]()
    problem = ""
    while not stopped.is_set():
        try:
            numbers = {item.version for item in ledger.store.versions(question.name)}
            unrecorded = _unrecorded(ledger, question.name, numbers - (known or set()))
            if known is None:
                known = numbers - unrecorded - set(_unjudged(ledger, question.name))
            for number in sorted(unrecorded & waiting - told):
                tell(f"{question.name} version {number} is not judged: it is not on record")
            told |= unrecorded & waiting
            waiting = unrecorded
            due = sorted(numbers - known - unrecorded)
            problem = ""
            for number in due:
                known.add(number)
                yield run_gate(ledger, replace(question, version=number))
        except UserError as error:
            if error.code == "bad_policy":
                raise
            if str(error) != problem:
                problem = str(error)
                tell(problem)
        stopped.wait(poll_seconds)


def _unrecorded(ledger: Ledger, name: str, numbers: set[int]) -> set[int]:
    """Those whose registration no record names."""
    records = ledger.records(name) if numbers else ()
    return numbers - {record.to_version for record in records if record.action == "staged"}


def _unjudged(ledger: Ledger, name: str) -> list[int]:
    """What is in staging, where it has no verdict yet."""
    staged = ledger.store.find(name, STAGING)
    verdicts = {record.to_version for record in ledger.records(name) if record.action == "verdict"}
    return [] if staged is None or staged.version in verdicts else [staged.version]
