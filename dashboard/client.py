"""The only door to the API: typed answers, and every error as an ApiProblem for a person."""

from dataclasses import dataclass, fields
from typing import Any

import httpx

TIMEOUT_SECONDS = 60.0


class ApiProblem(Exception):
    """What went wrong. status: 0 where the API was not reached; fix: what to do."""

    def __init__(self, detail: str, fix: str, code: str, status: int) -> None:
        super().__init__(detail)
        self.detail, self.fix, self.code, self.status = detail, fix, code, status


@dataclass(frozen=True)
class SignIn:
    """A signed-in user of this browser session."""

    name: str
    token: str
    scopes: frozenset[str]


@dataclass(frozen=True)
class Diagnosis:
    """The API's answer for one image. top: (class, confidence), most probable first.

    unknown: the image is unlike every training image.
    """

    request_id: str
    class_name: str
    confidence: float
    top: tuple[tuple[str, float], ...]
    model: str
    latency_ms: float
    unknown: bool = False


@dataclass(frozen=True)
class Correction:
    """What became of a correction. known: whether the model has such a class; told: the class that
    it had told, and right: whether that was the same; both None: the log was not there yet.
    """

    known: bool
    told: str | None
    right: bool | None


@dataclass(frozen=True)
class ModelState:
    """One model as the API serves it; version None: none, and problem says why."""

    name: str
    version: int | None
    problem: str | None


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


class ApiClient:
    """Calls of one user, or of nobody yet."""

    def __init__(self, base_url: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=TIMEOUT_SECONDS)

    def sign_in(self, name: str, password: str) -> SignIn:
        """A token for the user. Raises ApiProblem `bad_credentials`."""
        answer = self._ask("POST", "/token", data={"username": name, "password": password}).json()
        return SignIn(name, answer["access_token"], frozenset(answer["scope"].split()))

    def predict(self, file_name: str, data: bytes) -> Diagnosis:
        """Classify one image."""
        answer = self._ask("POST", "/predict", files={"file": (file_name, data)}).json()
        return Diagnosis(
            request_id=answer["request_id"],
            class_name=answer["class"],
            confidence=answer["confidence"],
            top=tuple((item["class"], item["confidence"]) for item in answer["top"]),
            model=f"{answer['model']['name']} version {answer['model']['version']}",
            latency_ms=answer["latency_ms"],
            unknown=answer["unknown"],
        )

    def log_state(self) -> LogState:
        """How far the request log has got."""
        told = self._ask("GET", "/health").json()["request_log"]
        return LogState(**{each.name: told[each.name] for each in fields(LogState)})

    def send_feedback(self, request_id: str, class_name: str) -> Correction:
        """Say what an image really shows. request_id: of its diagnosis."""
        said = {"request_id": request_id, "class": class_name}
        answer = self._ask("POST", "/feedback", json=said).json()
        return Correction(answer["known"], answer["told"], answer["right"])

    def generate(self, n: int, seed: int, class_name: str | None = None) -> bytes:
        """A ZIP of n synthetic pictures and their manifest; None: of all classes in turn."""
        ask = {"n": n, "seed": seed, "class": class_name, "format": "zip"}
        return self._ask("POST", "/generate", json=ask).content

    def classes_to_generate(self) -> tuple[str, ...]:
        """Classes that can be asked of the generator in production; none where it knows none."""
        models = self._ask("GET", "/models").json()
        return tuple(name for m in models if m.get("conditional") for name in m["classes"])

    def models(self) -> tuple[ModelState, ...]:
        """What the API serves now."""
        found = self._ask("GET", "/health").json()["models"]
        return tuple(ModelState(m["name"], m["version"], m["problem"]) for m in found)

    def training_reference(self) -> TrainingReference | None:
        """What drift is measured against; None: no classifier is in production, or one that was
        trained before there were references.
        """
        for told in self._ask("GET", "/models").json():
            reference = told.get("reference")
            if told["alias"] == "production" and reference is not None:
                return TrainingReference(
                    told["name"],
                    told["version"],
                    reference["classes"],
                    tuple(reference["confidences"]),
                )
        return None

    def _ask(self, method: str, path: str, **content: Any) -> httpx.Response:  # noqa: ANN401
        try:
            answer = self._http.request(method, path, **content)
        except httpx.TransportError as error:
            raise ApiProblem(
                f"the API at {self._http.base_url} does not answer ({error})",
                "start it with `leafgate serve`, or check LEAFGATE_API_URL",
                "api_unreachable",
                0,
            ) from error
        if answer.is_success:
            return answer
        raise _problem(answer)


def _problem(answer: httpx.Response) -> ApiProblem:
    try:
        told = answer.json()
        return ApiProblem(told["detail"], told["fix"], told["code"], answer.status_code)
    except (ValueError, KeyError, TypeError):
        detail = f"the API answered {answer.status_code} without a reason"
        return ApiProblem(detail, "look into its log", "unexpected_answer", answer.status_code)
