"""Having synthetic pictures made, and read."""

from dataclasses import dataclass

from dashboard.client import ApiClient

PRODUCTION = "production"


@dataclass(frozen=True)
class Order:
    """What is asked for. class_name: None for all in turn; to_seed: `n` pictures on the way there
    from `seed`, instead of the first of `seed`; readings: what the classifier sees in each.
    """

    n: int
    seed: int
    class_name: str | None = None
    to_seed: int | None = None
    readings: bool = False


@dataclass(frozen=True)
class Offer:
    """What can be ordered now. classes: those that can be asked for, none of an unconditional
    generator; problem: why no picture can be made at all; is_read: whether a classifier answers.
    """

    classes: tuple[str, ...]
    problem: str | None
    is_read: bool


def generate(api: ApiClient, order: Order) -> bytes:
    """A ZIP of the pictures and their manifest."""
    ask = {
        "n": order.n,
        "seed": order.seed,
        "class": order.class_name,
        "to_seed": order.to_seed,
        "readings": order.readings,
        "format": "zip",
    }
    return api.ask("POST", "/generate", json=ask).content


def on_offer(api: ApiClient, classifier_name: str, generator_name: str) -> Offer:
    """What the models in production can do."""
    told = api.ask("GET", "/models").json()
    served = {model["name"]: model for model in told if model["alias"] == PRODUCTION}
    generator, classifier = served.get(generator_name), served.get(classifier_name)
    if generator is None:
        problem: str | None = f"the API serves no model {generator_name}"
    else:
        problem = generator["problem"] if generator["version"] is None else None
    return Offer(
        classes=tuple(generator["classes"]) if generator and generator["conditional"] else (),
        problem=problem,
        is_read=classifier is not None and classifier["version"] is not None,
    )
