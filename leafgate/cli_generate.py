"""The subcommand `leafgate generate`."""

from typing import Annotated

import typer

from leafgate.cli_options import Out, Seed, say, settings


def generate(
    out: Out,
    n: Annotated[int, typer.Option(help="number of images", min=1)] = 16,
    class_name: Annotated[
        str | None, typer.Option("--class", help="one class, of a conditional generator; else all")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Make images with the generator in production; each PNG says that it is synthetic.

    Where their classes are known they lie in class folders, so that OUT is a data folder to train
    with. Give the same command again to go on where it stopped; a larger -n adds to what is there.

    Example: leafgate generate --n 100000 --out synthetic
    """
    from leafgate.gating import in_production
    from leafgate.progress import progress
    from registry import Generator, write_pictures

    configured = settings()
    version, folder = in_production(configured, configured.generator_name)
    generator = Generator.load(folder, configured.engine)
    with progress("drawing pictures", n) as advance:
        written = write_pictures(generator, version, out, n, seed, class_name, advance)
    say(f"{n:,} synthetic images in {out}: {written}")
