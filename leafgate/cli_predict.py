"""The subcommand `leafgate predict`: every file is answered, and those that cannot be are named."""

from pathlib import Path
from typing import Annotated, Any

import typer

from leafgate.cli_options import say, settings
from leafgate.errors import ImageError, UserError
from leafgate.file_names import path_text
from leafgate.progress import plain

FAILURE = 1


def predict(
    files: Annotated[list[Path], typer.Argument(help="images")],
) -> None:
    """Classify images with the version in production, without the API.

    A file that cannot be classified is named on standard error; the others are answered all the
    same, and the exit code is 1.
    """
    from leafgate.gating import in_production
    from registry import Classifier

    configured = settings()
    _, folder = in_production(configured, configured.classifier_name)
    classifier = Classifier.load(folder, configured.engine)
    bad = sum(not _answer(classifier, file) for file in files)
    if bad:
        if len(files) > 1:
            typer.echo(f"{bad} of {len(files)} files were not classified", err=True)
        raise typer.Exit(FAILURE)


def _answer(classifier: Any, file: Path) -> bool:  # noqa: ANN401 - registry.Classifier
    """Print the answer, or why there is none; whether there is one."""
    from leafgate.images import decode

    shown = " ".join(path_text(file).splitlines()).replace("\t", " ")
    try:
        image = decode(_bytes(file), wanted_size=classifier.description.image_size)
        (answer,) = classifier.predict([image])
    except UserError as error:
        typer.secho(f"error: {plain(shown)}: {plain(error.problem)}", fg="red", err=True)
        typer.echo(f"  what to do: {plain(error.fix)}", err=True)
        return False
    doubt = "\tunknown: unlike the training images" if answer.unknown else ""
    say(f"{shown}\t{answer.class_name}\t{answer.confidence:.3f}{doubt}")
    return True


def _bytes(file: Path) -> bytes:
    """The file's content. Raises UserError where it cannot be read, or is larger than any image."""
    from leafgate.images import ImageLimits

    most = ImageLimits().max_bytes
    try:
        if file.is_dir():
            raise UserError("it is a folder", "give the files in it, as in FOLDER/*.jpg")
        with file.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise UserError(f"it cannot be read ({error.strerror})", "check path and rights") from None
    if len(data) > most:
        problem = f"it has more than {most:,} bytes"
        raise ImageError(problem, "give a smaller file", code="image_too_large")
    return data
