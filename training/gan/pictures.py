"""Pictures of a generator in training: what it draws, and how the two losses went."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from leafgate.images import encode_png, grid
from leafgate.pictures import figure_png
from registry import Generator
from training.gan.unfinished import Epoch

SAMPLES, COLUMNS = 64, 8
MOST_COLUMNS = 20


def sample_grid(generator: Generator, seed: int) -> bytes:
    """PNG of the first pictures of `seed`, about 64, the same that the stored generator draws.

    A column a class where classes can be asked for and are not too many.
    """
    described = generator.description
    columns = len(described.classes) if described.conditional else COLUMNS
    columns = columns if 1 < columns <= MOST_COLUMNS else COLUMNS
    pictures = generator.generate(SAMPLES // columns * columns, seed)
    return encode_png(grid(pictures, columns))


def loss_curves(epochs: Sequence[Epoch], distance_name: str) -> bytes:
    """PNG of both losses, the discriminator's opinion, gradient norms and the validation figure."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    (losses, opinions), (gradients, looks) = figure.subplots(2, 2, sharex=True)
    looked = [epoch for epoch in epochs if epoch.distance == epoch.distance]
    _curves(losses, epochs, {"d_loss": "discriminator", "g_loss": "generator"})
    _curves(opinions, epochs, {"d_real": "real images", "d_fake": "generated images"})
    _curves(gradients, epochs, {"d_gradient": "discriminator", "g_gradient": "generator"})
    _curves(looks, looked, {"distance": distance_name})
    losses.set_ylabel("loss")
    opinions.set_ylabel("discriminator's opinion (mean)")
    gradients.set(xlabel="epoch", ylabel="norm of the gradient", yscale="log")
    looks.set(xlabel="epoch", ylabel="distance from validation images")
    return figure_png(figure)


def _curves(axes: object, epochs: Sequence[Epoch], names: dict[str, str]) -> None:
    steps = [epoch.epoch for epoch in epochs]
    for name, label in names.items():
        values = [getattr(epoch, name) for epoch in epochs]
        axes.plot(steps, values, marker="o" if len(steps) < 30 else "", label=label)  # type: ignore[attr-defined]
    axes.legend(frameon=False)  # type: ignore[attr-defined]
    axes.grid(alpha=0.3)  # type: ignore[attr-defined]
