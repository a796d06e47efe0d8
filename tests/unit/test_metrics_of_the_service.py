"""What is counted, in Prometheus's form: few labels, no versions of the past, cheap."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.metrics import WATCHED, Metrics, _forget_the_dead


def figures(metrics: Metrics) -> dict[str, float]:
    """By name and labels, in the order of their names, as one text."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        f"{sample.name} {' '.join(value for _, value in sorted(sample.labels.items()))}".strip(): (
            sample.value
        )
        for family in families
        for sample in family.samples
    }


def test_requests_are_counted_by_route_method_and_status() -> None:
    metrics = Metrics()
    metrics.request_done("/predict", "POST", 200, 0.02)
    metrics.request_done("/predict", "POST", 200, 0.2)
    metrics.request_done("/predict", "BREW", 405, 0.0)
    found = figures(metrics)
    assert found["leafgate_requests_total /predict POST 200"] == 2
    assert found["leafgate_requests_total /predict other 405"] == 1
    assert found["leafgate_request_seconds_bucket /predict 0.025"] == 2
    assert found["leafgate_request_seconds_count /predict"] == 3


def test_one_version_of_a_model_is_live_at_a_time() -> None:
    metrics = Metrics()
    metrics.live("leaf-classifier", 3, "openvino-int8", "abc")
    metrics.live("leaf-generator", 1, "openvino-fp32", "def")
    metrics.live("leaf-classifier", 4, "openvino-int8", "fed")
    live = {name for name in figures(metrics) if name.startswith("leafgate_model_live")}
    assert live == {
        "leafgate_model_live fed openvino-int8 leaf-classifier 4",
        "leafgate_model_live def openvino-fp32 leaf-generator 1",
    }
    metrics.gone("leaf-classifier")
    assert "leaf-classifier" not in metrics.text().decode()


def test_everything_that_happens_to_a_model_has_a_figure() -> None:
    metrics = Metrics()
    metrics.stage("decode", 0.004)
    metrics.batch("m", 3)
    metrics.queue("m", 7)
    metrics.refused("overloaded")
    metrics.served("m", 2, images=5)
    metrics.swapped("m", "failed")
    metrics.rolled_back("m", "errors")
    metrics.shadowed("m", 3, "same")
    found = figures(metrics)
    assert found["leafgate_stage_seconds_bucket 0.005 decode"] == 1
    assert found["leafgate_batch_size_bucket 4.0 m"] == 1
    assert found["leafgate_queue_length m"] == 7
    assert found["leafgate_refused_total overloaded"] == 1
    assert found["leafgate_images_total m 2"] == 5
    assert found["leafgate_swaps_total m failed"] == 1
    assert found["leafgate_rollbacks_total m errors"] == 1
    assert found["leafgate_shadow_total m same 3"] == 1
    assert not [name for name in found if "_created" in name]


def test_what_is_watched_is_read_when_asked_and_keeps_its_value_where_it_cannot() -> None:
    metrics, values = Metrics(), [4.0]
    metrics.watch("request_log_backlog", lambda: values[0])
    assert figures(metrics)["leafgate_request_log_backlog"] == 4
    values.clear()
    assert figures(metrics)["leafgate_request_log_backlog"] == 4
    assert "leafgate_limits_shared" not in figures(metrics)
    with pytest.raises(ValueError, match="none of"):
        metrics.watch("mood", lambda: 1)
    assert set(WATCHED) >= {"limits_shared"}


def test_two_services_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.refused("overloaded")
    assert "leafgate_refused_total overloaded" not in figures(other)


def test_the_files_of_a_worker_that_is_gone_are_forgotten(tmp_path: Path) -> None:
    no_process = 2**22 + 1
    live, counted = (
        tmp_path / f"gauge_livesum_{no_process}.db",
        tmp_path / f"counter_{no_process}.db",
    )
    for file in (live, counted):
        file.touch()
    _forget_the_dead(tmp_path)
    assert (live.exists(), counted.exists()) == (False, True)
