"""Moves one model, for a service that has neither MLflow nor the signing key's rules in it.

`python -m leafgate.moving` is asked by which settings, and what (see `leafgate.child_process`).
"""

from dataclasses import asdict
from typing import Any

from leafgate.child_process import answer_caller
from leafgate.gating import open_ledger
from leafgate.settings import load_settings
from registry import Move, carry_out


def move(request: Any) -> dict[str, object]:  # noqa: ANN401 - JSON
    """What a `Moved` holds. Raises UserError for whatever is in the way."""
    # The service has its database: where its file is gone, no empty one takes its place.
    ledger = open_ledger(load_settings(**request["settings"]), may_create=False)
    return asdict(carry_out(ledger, Move(**request["move"])))


if __name__ == "__main__":
    answer_caller(move)
