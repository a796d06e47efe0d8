"""Large images of one user: bounded, refused beyond a wait, priced, and in nobody else's way."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from leafgate.images import OpenedImage
from serving.decode_budget import DecodeBudget
from sql import add_user, open_database
from tests.integration.conftest import PASSWORD, RunningApi, StartApi, _hashed, api_settings

LARGE_SIDE = 2500  # a flat PNG of 6.25 megapixels has 7 kB
BATCH = 16


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def flat_png(side: int, shade: int = 9) -> bytes:
    return encoded(Image.new("L", (side, side), shade), "PNG")


SMALL = encoded(Image.new("RGB", (64, 64), (30, 120, 40)), "JPEG")
LARGE = [("files", (f"{shade}.png", flat_png(LARGE_SIDE, shade))) for shade in range(BATCH)]


@dataclass
class Gate:
    """Large images are decoded no further than this while it is closed. most: budget in use."""

    open: threading.Event = field(default_factory=threading.Event)
    begun: int = 0


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate, read = Gate(), OpenedImage.read

    def read_later(self: OpenedImage, *given: Any, **named: Any) -> Image.Image:
        if self.header.width >= LARGE_SIDE:
            gate.begun += 1
            assert gate.open.wait(60)
        return read(self, *given, **named)

    monkeypatch.setattr(OpenedImage, "read", read_later)
    yield gate
    gate.open.set()


@pytest.fixture
def shared(served_var: Path, tmp_path: Path, start_api: StartApi) -> RunningApi:
    """Two threads for large images, and a second user."""
    api = start_api(
        api_settings(served_var, tmp_path, engine_threads=2, max_decoding_pixels=16_000_000)
    )
    add_predictor(api, "mallory")
    return api


def add_predictor(api: RunningApi, name: str) -> None:
    database = open_database(api.settings.database)
    add_user(database, name, _hashed(), ("predict",))
    database.dispose()


def client_of(api: RunningApi, name: str) -> httpx.Client:
    form = {"username": name, "password": PASSWORD}
    token = httpx.post(f"{api.url}/token", data=form, timeout=30).json()["access_token"]
    return httpx.Client(base_url=api.url, timeout=60, headers={"Authorization": f"Bearer {token}"})


def budget_of(api: RunningApi) -> DecodeBudget:
    budget: DecodeBudget = api.app.state.leafgate.decoding.budget
    return budget


def await_that(what: Callable[[], bool]) -> None:
    for _ in range(2000):
        if what():
            return
        time.sleep(0.005)
    raise AssertionError("it never came to be")


@contextmanager
def batch_under_way(api: RunningApi, gate: Gate) -> Iterator[Callable[[], httpx.Response]]:
    """Sixteen large images of `mallory`, begun and not ended; the answer, once the gate is open."""
    with client_of(api, "mallory") as mallory, ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: mallory.post("/predict/batch", files=LARGE))
        await_that(lambda: gate.begun >= 2)
        try:
            yield lambda: future.result(60)
        finally:
            gate.open.set()


def test_another_user_s_small_image_is_answered_while_sixteen_large_ones_are_decoded(
    shared: RunningApi, gate: Gate
) -> None:
    budget = budget_of(shared)
    with batch_under_way(shared, gate) as answer:
        for path in ("/predict", "/predict/batch"):
            name = "files" if path.endswith("batch") else "file"
            told = shared.client.post(path, files={name: ("leaf.jpg", SMALL)}, timeout=20)
            assert told.status_code == 200, told.text
        assert (gate.begun, budget.waiting) == (2, BATCH - 2)  # not one large image was done
        gate.open.set()
        told = answer()
    assert (told.status_code, told.json()["failed"]) == (200, 0)
    assert budget.peak <= budget.max_work
    await_that(lambda: budget.used == 0)
    assert (budget.waiting, budget.large) == (0, 0)
    assert "leafgate_decoding_pixels 0.0" in shared.client.get("/metrics").text


def test_beyond_the_reckoned_wait_large_images_are_refused_and_small_ones_are_not(
    shared: RunningApi, gate: Gate
) -> None:
    with batch_under_way(shared, gate), client_of(shared, "mallory") as mallory:
        budget_of(shared).measured(10**9, 100.0)  # 100 ns a pixel: 5 s for all
        refused = [
            mallory.post("/predict/batch", files=LARGE),
            mallory.post("/predict", files={"file": LARGE[0][1]}),
            mallory.post("/explain", files={"file": LARGE[0][1]}),
        ]
        for told in refused:
            assert (told.status_code, told.json()["code"]) == (503, "overloaded"), told.text
            assert 3 < int(told.headers["Retry-After"]) <= 60
            assert "large images are under way" in told.json()["detail"]
        assert mallory.post("/predict", files={"file": SMALL}).status_code == 200
        assert shared.client.post("/predict", files={"file": SMALL}).status_code == 200


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_a_caller_that_hangs_up_no_longer_waits_for_its_turn(
    shared: RunningApi, gate: Gate, path: str
) -> None:
    budget = budget_of(shared)
    with batch_under_way(shared, gate), client_of(shared, "mallory") as mallory:
        with pytest.raises(httpx.ReadTimeout):
            mallory.post(path, files={"file": LARGE[0][1]}, timeout=0.3)
        await_that(lambda: budget.waiting == BATCH - 2)


def test_a_batch_whose_caller_hangs_up_is_not_decoded(shared: RunningApi, gate: Gate) -> None:
    budget = budget_of(shared)
    with client_of(shared, "mallory") as mallory, pytest.raises(httpx.ReadTimeout):
        mallory.post("/predict/batch", files=LARGE, timeout=0.5)
    await_that(lambda: budget.waiting == 0)
    assert gate.begun == 2
    gate.open.set()
    await_that(lambda: budget.used == 0)
    assert gate.begun == 2


def remaining(answer: httpx.Response) -> int:
    assert answer.status_code == 200, answer.text
    return int(answer.headers["X-RateLimit-Remaining"])


def test_a_large_image_costs_more_of_the_limit(api: RunningApi) -> None:
    photograph = encoded(Image.new("RGB", (4032, 3024), (9, 99, 9)), "JPEG")
    heavy = encoded(Image.new("RGB", (3000, 3000), (9, 99, 9)), "WEBP", lossless=True, method=0)
    costs: tuple[tuple[str, dict[str, str], bytes, int], ...] = (
        ("/predict", {}, SMALL, 1),
        ("/predict", {}, photograph, 1),  # read at a fraction: 3 of the 4 megapixels that are free
        ("/predict", {}, flat_png(3000), 3),
        ("/predict", {}, heavy, 5),
        ("/predict", {"tta": "true"}, flat_png(3000), 8 + 2),
        ("/explain", {}, flat_png(3000), 2 + 2),
    )
    left = remaining(api.client.post("/predict", files={"file": SMALL}))
    for path, query, data, cost in costs:
        answer = api.client.post(path, params=query, files={"file": data})
        assert left - remaining(answer) == cost, (path, query, len(data))
        left -= cost
    three = [("files", ("a.png", data)) for data in (SMALL, flat_png(3000), b"no image")]
    assert left - remaining(api.client.post("/predict/batch", files=three)) == 1 + 3 + 1


def test_a_call_that_costs_more_than_the_whole_limit_is_refused_for_good(
    served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(served_var, tmp_path, predict_limit="4/minute"))
    two = [("files", (f"{shade}.png", flat_png(3000, shade))) for shade in range(2)]
    told = api.client.post("/predict/batch", files=two)
    assert (told.status_code, told.json()["code"]) == (422, "out_of_range")
    assert "costs 6 images" in told.json()["detail"]
    assert "large image" in told.json()["fix"]
    assert api.client.post("/predict", files={"file": flat_png(3000)}).status_code == 200
    assert api.client.post("/predict", files={"file": flat_png(3000)}).status_code == 429


def test_by_default_an_image_has_thirteen_megapixels_and_a_photograph_three_times_as_many(
    api: RunningApi,
) -> None:
    def send(image: Image.Image, kind: str) -> httpx.Response:
        return api.client.post("/predict", files={"file": encoded(image, kind)})

    assert send(Image.new("L", (4032, 3024)), "PNG").status_code == 200
    assert send(Image.new("L", (6000, 4000)), "JPEG").status_code == 200
    for image, kind in (
        (Image.new("1", (6000, 2400)), "PNG"),
        (Image.new("L", (8000, 6000)), "JPEG"),
    ):
        told = send(image, kind)
        assert (told.status_code, told.json()["code"]) == (413, "image_too_large")
        assert "megapixels" in told.json()["detail"]
        assert "LEAFGATE_MAX_PIXELS" in told.json()["fix"]
