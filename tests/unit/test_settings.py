"""Settings: from the environment, immutable, and refused with the value that is wrong."""

import re
from pathlib import Path

import pytest

from leafgate.errors import UserError
from leafgate.settings import Settings, load_settings
from training.classifier.config import ClassifierConfig
from training.config import read_config, settings_help

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize(
    ("host", "only", "address"),
    [
        ("127.0.0.1", True, "http://127.0.0.1:8000"),
        ("127.8.8.8", True, "http://127.8.8.8:8000"),
        ("localhost", True, "http://localhost:8000"),
        ("::1", True, "http://[::1]:8000"),
        ("[::1]", True, "http://[::1]:8000"),
        ("0:0:0:0:0:0:0:1", True, "http://[::1]:8000"),
        ("::ffff:127.0.0.1", True, "http://[::ffff:127.0.0.1]:8000"),
        ("127.1", True, "http://127.1:8000"),
        ("LOCALHOST", True, "http://LOCALHOST:8000"),
        ("0.0.0.0", False, "http://127.0.0.1:8000"),
        ("::", False, "http://[::1]:8000"),
        ("[::]", False, "http://[::1]:8000"),
        ("0::0", False, "http://[::1]:8000"),
        ("0", False, "http://127.0.0.1:8000"),
        ("fd00:0::5", False, "http://[fd00::5]:8000"),
        ("", False, "http://127.0.0.1:8000"),
        ("192.168.1.5", False, "http://192.168.1.5:8000"),
        ("leaf.example.org", False, "http://leaf.example.org:8000"),
    ],
)
def test_who_can_connect_follows_from_the_host(host: str, only: bool, address: str) -> None:
    settings = Settings(_env_file=None, host=host)  # type: ignore[call-arg]
    assert settings.is_loopback_only is only
    assert settings.address(8000) == address


def test_embedded_defaults_lie_under_one_folder(tmp_path: Path) -> None:
    settings = load_settings(_env_file=None, var_dir=tmp_path)
    assert settings.tracking_uri == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    assert settings.database == f"sqlite:///{tmp_path}/leafgate.db"


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAFGATE_API_PORT", "9000")
    monkeypatch.setenv("LEAFGATE_DATABASE_URL", "postgresql+psycopg://db/leafgate")
    settings = load_settings(_env_file=None)
    assert settings.api_address == "http://127.0.0.1:9000"
    assert settings.database == "postgresql+psycopg://db/leafgate"


def test_a_bad_value_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAFGATE_API_PORT", "ninety")
    with pytest.raises(UserError, match="LEAFGATE_API_PORT='ninety'"):
        load_settings(_env_file=None)


def test_a_secret_never_shows_in_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAFGATE_JWT_SECRET", "z" * 40)
    assert "zzz" not in repr(load_settings(_env_file=None))


def test_pairs_override_the_file_and_the_file_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("image_size: 96\nbatch_size: 8\n")
    config = read_config(ClassifierConfig, file, ["batch_size=4", "weights=none"])
    assert (config.image_size, config.batch_size, config.weights) == (96, 4, "none")
    assert config.dropout == 0.2


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        ("image_sise=64", "image_sise"),
        ("image_size=huge", "image_size='huge'"),
        ("image_size", "is no setting"),
        ("dropout=1.5", "dropout=1.5"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_known(pair: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_config(ClassifierConfig, None, [pair])


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no configuration file"):
        read_config(ClassifierConfig, tmp_path / "none.yaml", [])
    broken = tmp_path / "broken.yaml"
    for text, place in (("a: 1\nb: [", "broken.yaml, line 2"), ("a: \a", "broken.yaml")):
        broken.write_text(text)
        with pytest.raises(UserError, match=f"{place}: not YAML") as raised:
            read_config(ClassifierConfig, broken, [])
        assert "\n" not in raised.value.problem


def test_help_lists_every_setting_with_its_default() -> None:
    told = settings_help(ClassifierConfig)
    assert all(f"{name}=" in told for name in ClassifierConfig.model_fields)


def test_the_documentation_names_no_setting_that_is_none() -> None:
    """A row's first cell holds full names, and ends of others that begin like the first."""
    known = {f"LEAFGATE_{name.upper()}" for name in Settings.model_fields}
    rows = (DOCS / "settings.md").read_text("utf-8").splitlines()
    named = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in rows if row.startswith("| `")]
    full = {word if word[0] == "L" else f"LEAFGATE{word}" for words in named for word in words}
    assert len(full) > 40
    assert full <= known


@pytest.mark.parametrize(
    ("overrides", "address"),
    [
        ({}, "http://127.0.0.1:5000"),
        ({"host": "0.0.0.0", "mlflow_port": 5050}, "http://127.0.0.1:5050"),
        (
            {"mlflow_tracking_uri": "https://ada:pw@mlflow.example:8443/x/"},
            "https://mlflow.example:8443/x",
        ),
        ({"mlflow_tracking_uri": "postgresql://ada:pw@db/mlflow"}, "http://127.0.0.1:5000"),
        (
            {"mlflow_tracking_uri": "http://mlflow:5000", "mlflow_url": "https://ml.example/"},
            "https://ml.example",
        ),
        ({"mlflow_url": "https://ada:pw@ml.example?token=pw#x"}, "https://ml.example"),
    ],
)
def test_people_are_sent_to_mlflow_without_anybodys_password(
    overrides: dict[str, object], address: str
) -> None:
    assert load_settings(_env_file=None, **overrides).mlflow_address == address
