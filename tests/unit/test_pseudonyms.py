"""With pseudonyms, the log tells users and addresses apart, and names nobody."""

import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from leafgate.cli_users import users_app
from leafgate.errors import UserError
from leafgate.pseudonyms import KEY_FILE, find_identity_key, identity_key, pseudonym
from leafgate.settings import Settings
from serving.identities import Identities
from serving.json_logs import Mask, secrets_of
from sql.records import Entry, FeedbackRecord, PredictionRecord, RequestRecord

KEY = "k" * 32
NOW = datetime(2026, 3, 1, tzinfo=UTC)
PATIENT = "Erika Mustermann 1971.jpg"


def configured(tmp_path: Path, **values: object) -> Settings:
    values = {"log_identities": "pseudonyms", **values}
    return Settings(_env_file=None, var_dir=tmp_path, **values)  # type: ignore[arg-type,call-arg]


def entry(user: str | None = "ada") -> Entry:
    about: dict[str, Any] = {"at_utc": NOW, "status": 200, "latency_ms": 3.5}
    return Entry(
        request=RequestRecord(
            id="1", method="POST", endpoint="/predict", user_name=user, source="10.0.0.1", **about
        ),
        predictions=tuple(
            PredictionRecord(
                id=f"1{n}", request_id="1", position=n, file_name=PATIENT, sha256="ab", **about
            )
            for n in range(2)
        ),
        feedback=FeedbackRecord(
            id="2", at_utc=NOW, prediction_id="10", true_class="rust", user_name=user
        ),
    )


@pytest.fixture
def identities(tmp_path: Path) -> Identities:
    return Identities(configured(tmp_path, log_identity_key=KEY))


def test_no_row_of_an_entry_names_anybody(identities: Identities) -> None:
    told = identities.of(entry()).as_json()
    for name in ("ada", "10.0.0.1", "Mustermann"):
        assert name in entry().as_json()
        assert name not in told


def test_nothing_but_names_is_changed(identities: Identities) -> None:
    before, after = entry(), identities.of(entry())
    assert before.request and after.request and before.feedback and after.feedback
    changed = {
        *_changed(before.request, after.request),
        *_changed(before.feedback, after.feedback),
        *_changed(before.predictions[0], after.predictions[0]),
    }
    assert changed == {"user_name", "source", "file_name"}
    assert len(after.predictions) == 2


def _changed(before: object, after: object) -> set[str]:
    return {name for name, value in vars(before).items() if vars(after)[name] != value}


def test_a_user_has_the_same_pseudonym_in_every_row_process_and_time(
    identities: Identities, tmp_path: Path
) -> None:
    found = identities.of(entry())
    assert found.request and found.feedback
    assert found.request.user_name == found.feedback.user_name == identities.user("ada")
    code = (
        "from serving.identities import Identities; from leafgate.settings import Settings\n"
        f"print(Identities(Settings(_env_file=None, log_identities='pseudonyms', "
        f"log_identity_key={KEY!r}, var_dir={str(tmp_path)!r})).user('ada'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == identities.user("ada")
    by_openssl = "f765c65f8992c9d3"  # printf 'user\0ada' | openssl dgst -sha256 -hmac kkk…
    assert identities.user("ada") == f"user-{by_openssl}"


def test_others_have_others(identities: Identities) -> None:
    names = ["ada", "Ada", "ada ", "eve", "10.0.0.1", "Zoë", "\ud800"]
    made = [identities.user(name) for name in names] + [identities.source(name) for name in names]
    assert len(set(made)) == 2 * len(names)
    digits = {str(each).split("-")[1] for each in made}
    assert len(digits) == 2 * len(names), "a user and an address of one name share nothing"


def test_another_key_makes_others(identities: Identities, tmp_path: Path) -> None:
    other = Identities(configured(tmp_path, log_identity_key="j" * 32))
    assert other.user("ada") != identities.user("ada")


def test_who_is_nobody_stays_so(identities: Identities) -> None:
    found = identities.of(entry(user=None))
    assert found.request and found.request.user_name is None
    assert found.feedback and found.feedback.user_name is None
    assert (identities.user(None), identities.source(None), identities.file_name(None)) == (
        None,
    ) * 3
    empty = Entry(request=entry().request)
    assert identities.of(empty).predictions == ()
    assert identities.of(Entry(feedback=entry().feedback)).request is None


def test_plain_is_the_default_and_needs_no_key(tmp_path: Path) -> None:
    plain = Identities(Settings(_env_file=None, var_dir=tmp_path / "var", database_url="sqlite://"))  # type: ignore[call-arg]
    assert plain.of(entry()) == entry()
    assert plain.user("ada") == "ada"
    assert plain.file_name(PATIENT) == PATIENT
    assert not (tmp_path / "var").exists()


# The key


def test_embedded_defaults_make_one_key_for_its_owner_alone(tmp_path: Path) -> None:
    settings = configured(tmp_path / "var")
    assert find_identity_key(settings) is None, "looking makes none"
    first = Identities(settings).user("ada")
    file = tmp_path / "var" / KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert Identities(settings).user("ada") == first
    given = configured(tmp_path / "other", log_identity_key=file.read_text())
    assert Identities(given).user("ada") == first, "a key may move from the file to the settings"


def test_processes_that_make_the_key_at_once_end_with_the_same(tmp_path: Path) -> None:
    code = (
        "import sys; from leafgate.pseudonyms import *; from leafgate.settings import Settings\n"
        f"settings = Settings(_env_file=None, var_dir={str(tmp_path / 'var')!r})\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(identity_key(settings).decode())"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in started:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    keys = {process.communicate("\n", timeout=60)[0] for process in started}
    assert keys == {identity_key(configured(tmp_path / "var")).decode() + "\n"}


def test_a_service_with_a_database_does_not_start_without_a_key(tmp_path: Path) -> None:
    settings = configured(tmp_path / "var", database_url="postgresql+psycopg://db/leafgate")
    with pytest.raises(UserError, match="LEAFGATE_LOG_IDENTITY_KEY") as raised:
        Identities(settings)
    assert raised.value.code == "no_identity_key"
    assert "openssl rand -hex 32" in raised.value.fix
    assert not (tmp_path / "var").exists()


def test_a_short_key_is_refused_and_never_shown(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="LEAFGATE_LOG_IDENTITY_KEY is too short") as raised:
        Identities(configured(tmp_path, log_identity_key="hunter2hunter2"))
    assert raised.value.code == "bad_identity_key"
    assert "hunter2" not in str(raised.value)
    (tmp_path / KEY_FILE).write_text("torn")
    with pytest.raises(UserError, match=r"identity\.key is too short \(4 bytes") as raised:
        Identities(configured(tmp_path))


def test_a_key_that_cannot_be_made_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot be read or made") as raised:
        Identities(configured(tmp_path / "var"))
    assert raised.value.code == "bad_identity_key"


def test_the_key_never_shows(tmp_path: Path, identities: Identities) -> None:
    settings = configured(tmp_path, log_identity_key=KEY)
    assert KEY not in repr(settings) + repr(identities)
    assert KEY not in Mask(secrets_of(settings))(f"the key is {KEY}")
    assert KEY not in Mask()(f"LEAFGATE_LOG_IDENTITY_KEY={KEY}")


# The command


def ask(name: str) -> str:
    done = CliRunner().invoke(users_app, ["pseudonym", name])
    if done.exception is not None:
        raise done.exception
    return done.output.strip()


def test_who_holds_the_key_can_find_a_user_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identities: Identities
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(tmp_path / "var"))
    with pytest.raises(UserError, match="there is no key") as raised:
        ask("ada")
    assert raised.value.code == "no_identity_key"
    assert not (tmp_path / "var").exists()
    monkeypatch.setenv("LEAFGATE_LOG_IDENTITY_KEY", KEY)
    assert ask("ada") == identities.user("ada") == pseudonym(KEY.encode(), "user", "ada")
