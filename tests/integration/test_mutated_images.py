"""Damaged files bring an answer or a documented refusal, whatever was done to them."""

from pathlib import Path

import httpx

from benchmarks.mutated_images import attack
from benchmarks.mutations import MUTATIONS, mutated, originals
from leafgate.images import decode
from tests.integration.processes import served

SEEDS = range(300)


def test_every_mutated_file_gets_an_answer_or_a_documented_refusal(
    served_var: Path, tmp_path: Path
) -> None:
    freely = {"predict_limit": "100000/minute", "address_limit": "100000/minute"}
    with served(served_var, tmp_path, **freely) as service:
        outcome = attack(service.url, service.token(), SEEDS)
        assert not outcome.odd
        assert sum(outcome.answers.values()) == len(SEEDS)
        assert {"200", "422 unreadable_image", "415 not_an_image"} <= set(outcome.answers)
        assert httpx.get(f"{service.url}/health").json()["status"] == "ok"


def test_the_files_are_made_again_from_their_seed_and_cover_every_mutation() -> None:
    made = [mutated(seed) for seed in SEEDS]
    assert made == [mutated(seed) for seed in SEEDS]
    words = {word for what, _ in made for word in what.split()}
    assert words == {*originals(), *MUTATIONS}
    assert all(decode(data).ndim == 3 for name, data in originals().items() if name != "many.gif")
