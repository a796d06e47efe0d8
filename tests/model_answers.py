"""What the API answers about model versions, over HTTP: as a registry full of odd text would."""

import io
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

EVIL = "<img src=x onerror=alert(1)> **loud** [here](http://evil.example) :tada: $x$ `code` # 1"
LABELS = [f"Tomato___{name}" for name in ("healthy", "Late_blight", "Early_blight", "Leaf_mold")]
ROWS = [[40, 1, 0, 1], [0, 30, 7, 3], [1, 9, 12, 8], [0, 0, 2, 38]]


def version(number: int, **changes: Any) -> dict[str, Any]:
    """One of a classifier."""
    told = {
        "version": number,
        "aliases": [],
        "created_at_utc": f"2026-03-0{number}T08:00:00Z",
        "run_id": f"run{number}",
        "gate": "not judged",
        "held": None,
        "promoted_by": None,
        "promoted_at_utc": None,
        "metrics": {
            "test_accuracy": 0.80 + number / 100,
            "test_accuracy_low": 0.78,
            "test_accuracy_high": 0.86,
            "test_macro_f1": 0.7701 + number / 100,
            "test_macro_f1_low": 0.764,
            "test_macro_f1_high": 0.845,
            "test_ece": 0.031,
            "val_loss": 0.5,
        },
    }
    return {**told, **changes}


def versions() -> list[dict[str, Any]]:
    """Four: a candidate that failed, production, previous, and one on hold; newest first."""
    hold = {"who": "ana", "at_utc": "2026-03-05T09:30:00Z", "reason": EVIL}
    moved = {"promoted_by": "ben", "promoted_at_utc": "2026-03-04T10:00:00Z", "gate": "passed"}
    return [
        version(4, aliases=["staging"], gate="failed"),
        version(3, aliases=["production"], **moved),
        version(2, aliases=["previous"], gate="passed"),
        version(1, held=hold),
    ]


def check(name: str, passed: bool, figure: float | None, **more: Any) -> dict[str, Any]:
    """A verdict as the gate writes it."""
    told = {
        "check": name,
        "passed": passed,
        "figure": figure,
        "bound": "at least 0.8",
        "sentence": f"{name} was looked at",
        "outcome": "",
        "sure": 0.61,
        "question": f"Is {name} good enough?",
        "remedy": "Give it `more` images.",
    }
    return {**told, **more}


def report() -> dict[str, Any]:
    """Of version 4: two checks failed, one of which could not be measured."""
    return {
        "model": "leaf-classifier",
        "version": 4,
        "kind": "classifier",
        "headline": "leaf-classifier version 4 is held back: class_recall, latency not passed",
        "decision": "held back",
        "verdicts": [
            check("accuracy", True, 0.84, sure=0.97),
            check("class_recall", False, 0.4, sentence=f"the worst class is {EVIL}"),
            check("latency", False, None, sentence="cannot be judged: no model", sure=None),
        ],
        "champion": 3,
        "policy": "leaf-classifier.yaml",
        "policy_digest": "ab" * 32,
        "evaluation_set": "cd" * 32,
        "data_digest": "ef" * 32,
        "artifact_digest": "01" * 32,
        "engine": "openvino-int8",
        "test_images": 1437,
        "leaf_groups": 700,
        "judged_at_utc": "2026-03-05T12:00:00Z",
        "judged_by": "ana",
        "machine": "two cores",
        "run_id": "run4",
        "seconds": 12.3,
        "pictures": ["accuracy", "class_recall"],
    }


def curves() -> list[dict[str, Any]]:
    """Twelve epochs of two stages."""
    epochs = range(1, 13)
    rates = [1e-3] * 6 + [3e-4] * 2 + [5e-5] * 4
    return [
        {"metric": "loss", "points": [[e, 2.0 / e] for e in epochs]},
        {"metric": "val_loss", "points": [[e, 2.2 / e + 0.1] for e in epochs]},
        {"metric": "accuracy", "points": [[e, 1 - 0.8 / e] for e in epochs]},
        {"metric": "val_accuracy", "points": [[e, 0.95 - 0.8 / e] for e in epochs]},
        {"metric": "val_macro_f1", "points": [[e, 0.9 - 0.8 / e] for e in epochs]},
        {"metric": "learning_rate", "points": [[e, r] for e, r in zip(epochs, rates, strict=True)]},
    ]


def story(told: dict[str, Any]) -> dict[str, Any]:
    """All of a version."""
    number = told["version"]
    params = {"seed": str(number), "backbone": "resnet50", "stage2_learning_rate": "5e-05"}
    return {
        **told,
        "params": params,
        "lineage": {
            "run_id": told["run_id"],
            "data_digest": "ef" * 32,
            "artifact_digest": "01" * 32,
            "git_commit": "" if number == 3 else "c0ffee" * 6,
            "git_changed": number == 4,
            "leafgate_version": "0.1.0",
        },
        "curves": curves(),
        "confusion": {"side": "test", "labels": LABELS, "rows": ROWS},
        "gate_report": report() if number == 4 else None,
        "mlflow_url": f"http://localhost:5000/#/models/leaf-classifier/versions/{number}",
    }


def record(number: int, action: str, by: str, **more: Any) -> dict[str, Any]:
    """A line of the audit trail."""
    told = {
        "number": number,
        "at_utc": f"2026-03-04T10:00:{number:02d}.000Z",
        "who": "ben",
        "action": action,
        "by": by,
        "from_version": None,
        "to_version": 3,
        "outcome": "",
        "reason": EVIL,
    }
    return {**told, **more}


def records() -> list[dict[str, Any]]:
    """Newest first."""
    return [
        record(6, "held", "person", to_version=1),
        record(5, "verdict", "gate", to_version=4, outcome="held back"),
        record(4, "moved", "gate", from_version=2),
        record(3, "moving", "gate", from_version=2),
        record(2, "verdict", "gate", outcome="promoted"),
        record(1, "staged", "registration"),
    ]


def study(number: int = 2) -> dict[str, Any]:
    """Of a generator."""
    return {
        "version": number,
        "metric": "macro_f1",
        "value": 0.023,
        "low": 0.004,
        "high": 0.041,
        "arms": [
            {"name": "5 images a class", "value": 0.05, "low": 0.01, "high": 0.09, "seeds": 5},
            {"name": EVIL, "value": -0.01, "low": -0.04, "high": 0.02, "seeds": 5},
        ],
        "about": {"baseline": "no generated pictures", "seeds": [1, 2, 3]},
    }


@dataclass
class Answers:
    """What is answered, and what was asked: `METHOD path`, and the bodies of POSTs."""

    url: str = ""
    versions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    studies: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=records)
    refusal: dict[str, str] | None = None
    asked: list[str] = field(default_factory=list)
    moves: list[dict[str, Any]] = field(default_factory=list)

    def get(self, path: str) -> Any:
        """JSON, or a PNG."""
        if match := re.fullmatch(r"/models/([^/]+)/versions", path):
            return {"versions": self.versions.get(match[1], [])}
        if match := re.fullmatch(r"/models/([^/]+)/versions/(\d+)", path):
            found = [v for v in self.versions[match[1]] if v["version"] == int(match[2])]
            return story(found[0])
        if path.endswith("/studies"):
            return {"studies": self.studies}
        if path.endswith("/audit"):
            return {"records": self.records}
        if "/gate/" in path:
            return png()
        return []

    def post(self, path: str, content: bytes) -> Any:
        """A move, which is only written down."""
        body = json.loads(content)
        self.moves.append({"how": path.rsplit("/", 1)[-1], **body})
        told = f"version {body['version']}: {path.rsplit('/', 1)[-1]} done"
        return {"version": 2, "before": 3, "who": "ada", "told": told}


def png() -> bytes:
    """A picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (320, 120), "#ddeeff").save(buffer, "PNG")
    return buffer.getvalue()


@contextmanager
def answering(answers: Answers) -> Iterator[Answers]:
    """A server on a port of its own, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            answers.asked.append(f"GET {self.path}")
            self._send(answers.get(path))

        def do_POST(self) -> None:
            answers.asked.append(f"POST {self.path}")
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if answers.refusal:
                self._send(answers.refusal, 409)
            else:
                self._send(answers.post(self.path, body))

        def _send(self, told: Any, status: int = 200) -> None:
            body = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    answers.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield answers
    finally:
        server.shutdown()
        server.server_close()
