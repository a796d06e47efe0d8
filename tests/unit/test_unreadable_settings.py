"""Settings that cannot be used end in two sentences, in which no secret is quoted."""

import codecs
from pathlib import Path

import pytest

from leafgate.env_file import require_text
from leafgate.errors import UserError
from leafgate.settings import Settings, load_settings
from leafgate.url_secrets import require_readable, shown_url, without_secrets
from registry import alias_reader
from registry.connection import open_mlflow
from registry.store_file import unreachable
from serving.redis_counts import RedisCounts
from sql import open_database
from sql.database import place_of
from tests.commands import environment, leafgate

SECRET = "p4ss"
LINES = f"LEAFGATE_API_PORT=8123\nLEAFGATE_JWT_SECRET={SECRET}é\n"
RAW = ("p@ss:w/rd#?", "p@ss", "p@ss:w", "p@ss/word", "p@ss#w", "p@ss?w", "@", "a@b:1/x?y#z", "p:@s")


@pytest.fixture
def started_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (LINES.encode("latin-1"), "not UTF-8 in line 2"),
        (LINES.encode("utf-16"), "in UTF-16"),
        (codecs.BOM_UTF16_BE + LINES.encode("utf-16-be"), "in UTF-16"),
        (LINES.encode("utf-16-le"), "NUL byte in line 1"),
        (LINES.replace(SECRET, f"{SECRET}\0").encode(), "NUL byte in line 2"),
    ],
)
def test_an_env_file_that_is_no_utf8_is_named_and_not_quoted(
    started_in: Path, data: bytes, words: str
) -> None:
    (started_in / ".env").write_bytes(data)
    with pytest.raises(UserError) as refused:
        load_settings()
    assert words in refused.value.problem
    assert str(started_in / ".env") in refused.value.problem
    assert "UTF-8" in refused.value.fix
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_env_file_in_utf8_is_read_with_and_without_a_mark(
    started_in: Path, encoding: str, end: str
) -> None:
    (started_in / ".env").write_bytes(LINES.replace("\n", end).encode(encoding))
    settings = load_settings()
    assert settings.api_port == 8123
    assert settings.jwt_secret is not None
    assert settings.jwt_secret.get_secret_value() == f"{SECRET}é"


def test_no_env_file_and_a_folder_of_that_name_are_no_mistake(started_in: Path) -> None:
    require_text(started_in / ".env")
    (started_in / ".env").mkdir()
    assert load_settings().api_port == 8000


def test_a_command_ends_in_two_lines(started_in: Path) -> None:
    (started_in / ".env").write_bytes(LINES.encode("latin-1"))
    done = leafgate("users", "list", env=environment(started_in / "var"), cwd=started_in)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 2
    assert SECRET not in done.stderr


def test_bad_values_are_named_and_secrets_among_them_not_quoted(
    started_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAFGATE_API_PORT", "high")
    with pytest.raises(UserError, match="LEAFGATE_API_PORT='high'"):
        load_settings()
    with pytest.raises(UserError, match="LEAFGATE_JWT_SECRET must be text") as refused:
        load_settings(api_port=1, jwt_secret={SECRET: SECRET}, database_url=[SECRET])
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", ["JWT_SECRET", "DATABASE_URL", "REDIS_URL", "VAR_DIR"])
def test_values_that_are_no_utf8_are_named_and_not_quoted(
    started_in: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"LEAFGATE_{name}", f"{SECRET}\udcff")
    with pytest.raises(UserError, match=f"LEAFGATE_{name} is not text in UTF-8") as refused:
        load_settings()
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("password", RAW)
@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("database_url", "postgresql+psycopg://user:{}@host:5432/db"),
        ("database_url", "mssql+pyodbc://user:{}@host/db?driver=FreeTDS"),
        ("redis_url", "redis://:{}@host:6379/0"),
        ("mlflow_tracking_uri", "http://user:{}@host:5000"),
        ("mlflow_tracking_uri", "postgresql+psycopg://user:{}@host/mlflow"),
        ("otlp_endpoint", "https://user:{}@host:4318"),
    ],
)
def test_a_raw_password_in_a_url_is_refused_with_how_to_write_it(
    started_in: Path, monkeypatch: pytest.MonkeyPatch, name: str, url: str, password: str
) -> None:
    variable = f"LEAFGATE_{name.upper()}"
    if password == "p:@s" and "@host" in url.replace("{}", password):
        password = "p:@s@"  # by itself `p:@s` can be read
    monkeypatch.setenv(variable, url.format(password))
    with pytest.raises(UserError) as refused:
        load_settings()
    assert variable in refused.value.problem
    assert "@ is %40" in refused.value.fix or "@ is %40" in str(refused.value)
    for part in ("ss", "rd", "word", "user"):
        assert part not in refused.value.problem.replace("user name or password", "")
        assert part not in refused.value.fix.replace("user:password", "").replace("password", "")


@pytest.mark.parametrize(
    "url", ["postgresql://user:secret/db", "http://user:secret", "redis://:x/0"]
)
def test_a_url_without_its_host_does_not_show_the_password_for_a_port(url: str) -> None:
    with pytest.raises(UserError) as refused:
        require_readable(url, "LEAFGATE_X")
    assert "no port" in refused.value.problem
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://user:p%40ss@host/db",
        "postgresql+psycopg://user:p/w#x?y@host/db",  # as SQLAlchemy has always read it
        "postgresql+psycopg://us@er:pw@host/db",
        "postgresql+psycopg://u:p@[::1]:5432/db",
        "postgresql+psycopg:///db?host=/var/run",
        "postgresql://u:p@h/db?options=a@b",
        "mssql+pyodbc:///?odbc_connect=DRIVER={x};UID=u;PWD=p@ss",
        "mssql+pyodbc://u:p@source",
        "redis://:p%40:x@h:6379/0",
        "rediss://u:p@h/0?protocol=3",
        "http://u:p@h:5000/under/a/path",
        "http://[::1]:5000",
        "sqlite:////a@b/c@d",
        "localhost:6379",
        "databricks",
        "",
    ],
)
def test_what_can_be_read_is_let_through(url: str) -> None:
    require_readable(url, "LEAFGATE_X")


@pytest.mark.parametrize("password", [*RAW, "p w", 'p"w', "p'w", "12/34"])
def test_a_url_is_shown_without_user_password_and_options(password: str) -> None:
    url = f"postgresql+psycopg://user:{password}@host:5432/db?password=x"
    assert shown_url(url) == "postgresql+psycopg://host:5432/db"
    assert shown_url("sqlite:////a@b/c") == "sqlite:////a@b/c"
    assert shown_url("") == ""


def test_a_blank_in_a_password_is_refused_where_libraries_would_quote_it() -> None:
    with pytest.raises(UserError, match="cannot be read") as refused:
        require_readable("http://user:hunter 2@host:5000", "LEAFGATE_X")
    assert "hunter" not in str(refused.value)


def test_a_message_is_shown_without_them() -> None:
    said = "no answer of http://user:p@ss:w/rd@host:5000/api (timeout)"
    assert without_secrets(said) == "no answer of http://host:5000/api (timeout)"


def test_whatever_opens_a_url_refuses_it_too(tmp_path: Path) -> None:
    raw = "http://user:p@ss:w/rd@host:5000"
    settings = Settings(_env_file=None, var_dir=tmp_path, mlflow_tracking_uri=raw)  # type: ignore[call-arg]
    for opened in (
        lambda: open_database("postgresql+psycopg://user:p@ss:w/rd#?@host/db"),
        lambda: open_database("postgresql+psycopg://host:port/db"),
        lambda: RedisCounts("redis://:p@ss:w/rd#?@host"),
        lambda: alias_reader(settings),
        lambda: open_mlflow(settings),
    ):
        with pytest.raises(UserError) as refused:
            opened()
        assert refused.value.code in ("bad_url", "bad_database_url", "bad_tracking_uri")
        assert "ss" not in str(refused.value).replace("password", "")
    assert "ss" not in unreachable(settings, OSError(f"{raw} is away")).problem


def test_a_database_is_named_without_its_password() -> None:
    engine = open_database("postgresql+psycopg://user:p%40ss@host/db?password=other")
    assert "ss" not in place_of(engine)
    assert "other" not in place_of(engine)
