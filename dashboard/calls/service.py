"""How the service is doing: its models, its request log, and what drift is measured against."""

from dataclasses import dataclass, fields

from dashboard.client import ApiClient


@dataclass(frozen=True)
class ModelState:
    """One model as the API serves it; version None: none, and problem says why.

    alias: what it follows, `production` or `staging`.
    """

    name: str
    version: int | None
    problem: str | None
    alias: str = "production"


@dataclass(frozen=True)
class TrainingReference:
    """What the classifier in production said of the pictures that it was validated on.

    classes: how many were told each; confidences: how many lie in each of as many equal bins over
    [0, 1] as the request log has.
    """

    model: str
    version: int
    classes: dict[str, int]
    confidences: tuple[int, ...]


@dataclass(frozen=True)
class LogState:
    """Of the request log: entries on their way, and for how long the oldest; what was refused or
    lost; why nothing is moved now; whether requests are refused for that.
    """

    backlog: int
    oldest_age_seconds: float
    set_aside: int
    dropped: int
    problem: str | None
    full: bool


@dataclass(frozen=True)
class Waiting:
    """The request log, and by model how many images were asked for and are not answered yet."""

    log: LogState
    under_way: dict[str, int]


def models(api: ApiClient) -> tuple[ModelState, ...]:
    """What the API serves now; needs no token, and is in no log."""
    found = api.ask("GET", "/health").json()["models"]
    return tuple(ModelState(m["name"], m["version"], m["problem"], m["alias"]) for m in found)


def check_token(api: ApiClient) -> None:
    """Raises ApiProblem where the API no longer takes the user's token."""
    api.ask("GET", "/models")


def waiting(api: ApiClient) -> Waiting:
    """What waits in the service now."""
    told = api.ask("GET", "/health").json()
    log = told["request_log"]
    return Waiting(
        LogState(**{each.name: log[each.name] for each in fields(LogState)}),
        {m["name"]: m["under_way"] for m in told["models"] if m["alias"] == "production"},
    )


def training_reference(api: ApiClient) -> TrainingReference | None:
    """What drift is measured against; None: no classifier is in production, or one that was
    trained before there were references.
    """
    for told in api.ask("GET", "/models").json():
        reference = told.get("reference")
        if told["alias"] == "production" and reference is not None:
            return TrainingReference(
                told["name"],
                told["version"],
                reference["classes"],
                tuple(reference["confidences"]),
            )
    return None
