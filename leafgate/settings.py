"""Every setting of every part, in one place; set by environment (prefix LEAFGATE_) or `.env`.

Nothing reads settings at import: they are built at the edge (CLI, server start) and handed in.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from leafgate.env_file import require_text
from leafgate.errors import UserError
from leafgate.file_names import is_utf8
from leafgate.hosts import for_clients, in_url, is_loopback, without_brackets
from leafgate.sqlite_url import sqlite_url
from leafgate.url_secrets import require_readable
from leafgate.validation_words import assignment_problem, name_of

ENV_FILE = Path(".env")
URLS = (
    *("database_url", "mlflow_tracking_uri", "redis_url", "otlp_endpoint", "api_url", "mlflow_url"),
    "jwt_jwks",
)
MIN_SECRET_BYTES = 32
REDUCED_PIXELS = 3
MAX_LEEWAY_SECONDS = 300


class Settings(BaseSettings):
    """One immutable object; `Settings()` reads the environment, keyword arguments override it."""

    model_config = SettingsConfigDict(
        env_prefix="LEAFGATE_",
        env_file=ENV_FILE,
        env_file_encoding="utf-8-sig",  # as Windows writes it, too
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    var_dir: Path = Field(Path("var"), description="where the embedded defaults keep their state")
    mlflow_tracking_uri: str = Field("", description="empty: SQLite under var_dir")
    experiment: str = "leafgate"
    classifier_name: str = "leaf-classifier"
    generator_name: str = "leaf-generator"
    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite under var_dir")
    outbox_limit: int = Field(
        1_000_000, gt=0, description="log entries that may wait on disk for the database"
    )
    outbox_full: Literal["refuse", "serve"] = Field(
        "refuse", description="then: refuse requests (503), or serve and count what is not logged"
    )
    outbox_sync: Literal["normal", "full"] = Field(
        "normal", description="full: an answer's log entry outlives a power cut, too"
    )
    logged_refusals: int = Field(
        60, ge=0, description="a minute of one caller that are rows of the log; others are counted"
    )
    audit_key: SecretStr | None = Field(
        None, description="64 hex digits; signs the audit trail; none: made under var_dir"
    )
    audit_public_keys: str = Field(
        "", description="further keys to trust, 64 hex digits each, with commas between"
    )

    engine: Literal[
        "auto", "openvino", "tensorflow", "openvino-fp32", "openvino-bf16", "openvino-int8"
    ] = "auto"
    engine_threads: int = Field(0, ge=0, description="cores of one process; 0: all, divided")
    max_batch: int = Field(0, ge=0, le=256, description="images a batch; 0: by the engine, 2 to 32")
    max_queue: int = Field(256, gt=0, description="images under way to one model; then 503")
    max_wait_seconds: float = Field(3.0, gt=0, description="reckoned wait of a new one; then 503")
    model_poll_seconds: float = Field(10.0, gt=0)
    staging_mode: Literal["off", "shadow", "canary"] = Field(
        "off", description="what the version in staging does: nothing, answer beside, or instead"
    )
    staging_share: float = Field(0.1, ge=0, le=1, description="of the images that it gets too")
    bake_minutes: float = Field(10.0, ge=0, description="a promotion is watched; 0: it is not")
    bake_images: int = Field(50, gt=0, description="before which no version is judged")
    bake_error_points: float = Field(1.0, ge=0, description="failures, points over the one before")
    bake_unknown_points: float = Field(10.0, ge=0, description="unknowns, likewise")
    bake_latency_ratio: float = Field(2.0, gt=1, description="engine time an image, likewise")
    first_look_seconds: float = Field(
        0.0, ge=0, description="at the start: how long requests wait for the models to be loaded"
    )
    model_fetch_seconds: float = Field(
        600.0, gt=0, description="the longest that fetching one model's files may take"
    )
    inception_weights: str = Field(
        "auto", description="auto: Keras's download, where a network allows; none; or a file"
    )
    backbone_weights: str = Field(
        "auto",
        description="ImageNet weights to start from: a file, or a folder with Keras's files; auto: "
        "its cache or download; none: no download",
    )

    jwt_algorithm: Literal["HS256", "RS256", "ES256"] = "HS256"
    jwt_secret: SecretStr | None = Field(
        None, description="HS256: at least 32 bytes; signs the tokens"
    )
    jwt_old_secrets: SecretStr | None = Field(
        None, description="HS256: further secrets, with commas between, that only verify"
    )
    jwt_keys: str = Field(
        "", description="RS256, ES256: PEM files, with commas between; the first signs"
    )
    jwt_jwks: str = Field(
        "", description="RS256, ES256: file or URL of an identity provider's key set"
    )
    jwt_issuer: str = "leafgate"
    jwt_audience: str = "leafgate-api"
    jwt_leeway_seconds: float = Field(
        5.0,
        ge=0,
        le=MAX_LEEWAY_SECONDS,
        description="by which the clocks of issuer and service may differ",
    )
    jwt_scope_claims: str = Field(
        "scope",
        description="where an identity provider's tokens name scopes, with commas between: scope, "
        "scp, roles, permissions, realm_access.roles",
    )
    jwt_scope_prefix: str = Field(
        "", description="what stands before our scopes there, as in leafgate/predict of Cognito"
    )
    token_minutes: float = Field(60, gt=0)
    redis_url: str = Field("", description="shared rate limits; empty: in memory")
    token_limit: str = "10/minute"  # noqa: S105 - a rate, no secret
    predict_limit: str = Field("600/minute", description="images; of the plan `standard`")
    generate_limit: str = Field("1000/minute", description="images; of the plan `standard`")
    feedback_limit: str = Field("600/minute", description="corrections; of the plan `standard`")
    move_limit: str = Field("10/minute", description="promotions, rollbacks, holds; per user")
    plans: str = Field(
        '{"plus": {"predict": "6000/minute", "generate": "10000/minute"}}',
        description="JSON: the limits of further plans",
    )
    address_limit: str = Field("6000/minute", description="per client address, before sign-in")
    trusted_proxies: str = Field(
        "", description="addresses, networks, with commas between, believed in X-Forwarded-For"
    )
    revocation_poll_seconds: float = Field(
        2.0, gt=0, description="how soon a revoked token is refused by every process"
    )

    workers: int = Field(1, gt=0, le=256, description="processes that serve; each loads the models")
    shutdown_delay_seconds: float = Field(
        0.5, ge=0, description="from SIGTERM on: not ready, still answering, for balancers to see"
    )
    drain_seconds: float = Field(10.0, gt=0, description="for what is running when it stops")
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="auto: text on a terminal, JSON elsewhere"
    )
    metrics_token: SecretStr | None = Field(
        None, description="asked for by /metrics; without it, open on loopback alone"
    )
    otlp_endpoint: str = Field(
        "", description="traces go there; empty: OTEL_EXPORTER_OTLP_ENDPOINT, or none are made"
    )

    max_connections: int = Field(1000, gt=0, description="open at a time, of one process")
    max_connections_per_address: int = Field(
        250, gt=0, description="the same from one client address; proxies are not bounded by it"
    )
    header_timeout_seconds: float = Field(
        10.0, gt=0, description="for the header lines of a request, all together"
    )
    stall_timeout_seconds: float = Field(
        10.0, gt=0, description="without a byte of a body, or of an answer that is not read"
    )
    min_bytes_per_second: int = Field(
        8192, ge=0, description="the slowest that a body may come, or an answer be read"
    )
    upload_memory_mb: int = Field(
        256, gt=0, description="MiB of bodies under way in one process; then 503"
    )

    host: str = "127.0.0.1"
    api_port: int = Field(8000, gt=0, lt=65536)
    dashboard_port: int = Field(8501, gt=0, lt=65536)
    mlflow_port: int = Field(5000, gt=0, lt=65536)
    api_url: str = Field("", description="where the dashboard finds the API; empty: host and port")
    mlflow_url: str = Field(
        "",
        description="where people open MLflow; empty: the tracking server's own address, or host "
        "and mlflow_port",
    )

    dashboard_session_upload_mb: int = Field(
        256, gt=0, description="MiB of uploaded files that one dashboard session holds"
    )
    dashboard_upload_mb: int = Field(
        512, gt=0, description="MiB of uploaded files that all dashboard sessions hold together"
    )

    max_upload_bytes: int = Field(10 * 2**20, gt=0)
    max_pixels: int = Field(
        13_000_000,
        gt=0,
        description="of an image; three times as many of a JPEG in one pass, read reduced",
    )
    max_decoding_pixels: int = Field(
        60_000_000,
        gt=0,
        description="decoded at a time by one process, each up to 9 bytes of memory",
    )
    max_images: int = Field(64, gt=0, description="images in one /predict/batch")
    max_frames: int = Field(200, gt=0, description="in an animation; the first is what is used")
    max_generate: int = Field(1000, gt=0, description="images in one /generate answer")
    keep_uploads: bool = Field(False, description="keep classified images by hash, for replays")
    keep_uploads_days: float = Field(30.0, gt=0, description="a kept image goes after that")
    keep_uploads_mb: int = Field(2048, gt=0, description="MiB of kept images; the oldest go first")
    log_identities: Literal["plain", "pseudonyms"] = Field(
        "plain", description="pseudonyms: the log names users and addresses by keyed hashes"
    )
    log_identity_key: SecretStr | None = Field(
        None, description="at least 32 bytes; makes the pseudonyms; none: made under var_dir"
    )

    @field_validator("var_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("host")
    @classmethod
    def _without_brackets(cls, value: str) -> str:
        return without_brackets(value)

    @property
    def tracking_uri(self) -> str:
        """The MLflow tracking URI in force."""
        return self.mlflow_tracking_uri or sqlite_url(self.var_dir / "mlflow" / "mlflow.db")

    @property
    def models_dir(self) -> Path:
        """Where local copies of stored models are kept, by digest."""
        return self.var_dir / "models"

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or sqlite_url(self.var_dir / "leafgate.db")

    @property
    def model_names(self) -> tuple[str, str]:
        """Of the classifier and of the generator."""
        return self.classifier_name, self.generator_name

    @property
    def max_batch_bytes(self) -> int:
        """What one request of several images may send: four of the largest."""
        return 4 * self.max_upload_bytes

    @property
    def max_reduced_pixels(self) -> int:
        """Of a JPEG in one pass that is read reduced: in a quarter of the time that others take."""
        return REDUCED_PIXELS * self.max_pixels

    @property
    def uploads_dir(self) -> Path:
        """Where classified images are kept, by hash."""
        return self.var_dir / "uploads"

    def upload_file(self, sha256: str) -> Path:
        """Where a classified image of that hash lies, if it was kept."""
        return self.uploads_dir / sha256[:2] / sha256

    @property
    def api_address(self) -> str:
        """The API's base URL as a client of this machine sees it."""
        return self.api_url or self.address(self.api_port)

    @property
    def mlflow_address(self) -> str:
        """The base URL of MLflow's pages, without a name or password to sign in with."""
        server = self.tracking_uri if self.tracking_uri.startswith("http") else ""
        parts = urlsplit(self.mlflow_url or server or self.address(self.mlflow_port))
        place = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", ""))

    def address(self, port: int) -> str:
        """A part's base URL as a client of this machine sees it."""
        return f"http://{in_url(for_clients(self.host))}:{port}"

    @property
    def is_loopback_only(self) -> bool:
        """Whether only this machine can connect to what listens on `host`."""
        return is_loopback(self.host)

    def require_jwt_secret(self) -> str:
        """The signing secret. Raises UserError where none, or a short one, is configured."""
        secret = self.jwt_secret.get_secret_value() if self.jwt_secret else ""
        if len(secret.encode()) < MIN_SECRET_BYTES:
            state = "too short" if secret else "not set"
            raise UserError(
                f"LEAFGATE_JWT_SECRET is {state}",
                f"set it to at least {MIN_SECRET_BYTES} bytes, for example the output of "
                "`openssl rand -hex 32`; `leafgate demo` makes one for itself",
                code="no_secret",
            )
        return secret


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment, with `overrides`. Raises UserError naming each bad value, but
    for values that are a secret, or may hold one.
    """
    require_text(ENV_FILE)
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(_problem(item) for item in error.errors(include_url=False))
        raise UserError(f"bad settings: {problems}", "correct the environment or .env") from None
    for name, value in settings:
        _require_utf8(name, value)
    for name in URLS:
        require_readable(getattr(settings, name), f"LEAFGATE_{name.upper()}")
    return settings


def _require_utf8(name: str, value: object) -> None:
    """Raise UserError for text that came as other bytes, such as a folder's name in Latin-1."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    if not is_utf8(text):
        raise UserError(
            f"LEAFGATE_{name.upper()} is not text in UTF-8",
            "rename the folder, or set LEAFGATE_VAR_DIR to another one"
            if isinstance(value, Path)
            else "set it again, in a terminal or file that is in UTF-8",
            code="bad_encoding",
        )


def _problem(item: Mapping[str, Any]) -> str:
    """What is wrong with one variable, with the value where people may see it."""
    name = name_of(item)
    field = Settings.model_fields.get(name)
    is_open = field is not None and name not in URLS and "SecretStr" not in str(field.annotation)
    variable = f"LEAFGATE_{name.upper()}" if name else ""
    return assignment_problem(variable, item, is_secret=not is_open)
