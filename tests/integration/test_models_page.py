"""The pages Models and Study over the real API, and a registry that MLflow wrote."""

from collections.abc import Iterator

import pytest

from dashboard.plain_text import plain
from tests.integration.conftest import RunningApi, api_settings, starting_apis
from tests.model_pages import opened
from tests.versions import CLASSIFIER, Told


@pytest.fixture(scope="module")
def api(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """Version 1 of the classifier has everything, version 2 nothing; no model is served."""
    with starting_apis() as start:
        yield start(api_settings(told.settings.var_dir, tmp_path_factory.mktemp("page")))


def test_a_link_to_a_version_shows_all_that_the_registry_has_of_it(api: RunningApi) -> None:
    app = opened(api, "models", version="1", model=CLASSIFIER)
    assert not app.exception
    assert app.selectbox[0].value == 1
    verdict, damaged = (each.value for each in app.error)
    assert plain("no picture of 'size'") in damaged  # which costs none of the words around it
    assert plain(f"{CLASSIFIER} version 1 is promoted: size not passed") in verdict
    told = "\n".join(str(each.value) for each in (*app.markdown, *app.caption))
    assert f"Measured: **{plain('not known')}**. Asked for: **{plain('at most 90 MB')}**" in told
    assert "The most frequent mistakes" in told
    assert {letter * size for letter, size in (("d", 64), ("a", 64), ("c", 40))} < {
        each.value for each in app.code
    }


def test_a_version_of_which_nothing_is_known_is_shown_with_what_to_do(api: RunningApi) -> None:
    app = opened(api, "models", version="2", model=CLASSIFIER)
    assert not app.exception
    assert not app.error
    assert f"leafgate gate {CLASSIFIER} --version 2" in app.info[0].value


def test_a_study_stored_with_the_generator_is_shown(api: RunningApi) -> None:
    app = opened(api, "study")
    assert not app.exception
    assert "Generated pictures help: macro F1 changes by +0.030" in app.success[0].value
