"""The subcommand `leafgate replay`."""

from pathlib import Path
from typing import Annotated

import typer

from leafgate.cli_options import say, settings

DIFFERENT = 1


def replay(
    request_id: Annotated[str, typer.Argument(help="of the answer, or its X-Request-ID")],
    image: Annotated[
        Path | None, typer.Option(help="the file that was sent; else the copy that was kept")
    ] = None,
) -> None:
    """Make a logged answer again, with the same files of the model, and compare.

    Exit 0 where it is the same, 1 where it is not. Images are kept only with
    LEAFGATE_KEEP_UPLOADS=true; generated pictures need none, their seed is in the log.

    Example: leafgate replay 01989f6e-7d3a-7c55-b1a0-2f3c4d5e6f70 --image leaf.jpg
    """
    from leafgate.replay import replay as again
    from sql import PredictionRecord

    found = again(settings(), request_id, image)
    record = found.record
    what = "the diagnosis" if isinstance(record, PredictionRecord) else "the pictures"
    say(
        f"{what} of {record.at_utc:%Y-%m-%d %H:%M:%S} UTC, answered by "
        f"{record.model_name} version {record.model_version} on {record.engine}",
        f"files {record.artifact_digest}",
    )
    for figure in found.figures:
        verdict = "same" if figure.same else "DIFFERENT"
        say(f"  {verdict:9s}  {figure.name}: logged {figure.logged}, again {figure.again}")
    say("the same answer" if found.same else "not the same answer")
    if not found.same:
        raise typer.Exit(DIFFERENT)
