"""The keys of the audit chain: made once, the same for all, and never shown."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from leafgate.audit_key import KEY_FILE, SigningKey, signing_key, trusted_keys
from leafgate.errors import UserError
from leafgate.settings import Settings

KEY = SigningKey(bytes(range(32)))
STRANGER = SigningKey(bytes(range(1, 33)))


def configured(tmp_path: Path, **values: object) -> Settings:
    return Settings(_env_file=None, var_dir=tmp_path, **values)  # type: ignore[arg-type,call-arg]


def test_embedded_defaults_make_one_key_and_keep_it(tmp_path: Path) -> None:
    settings = configured(tmp_path / "var")
    assert trusted_keys(settings) == {}, "looking makes no key"
    key = signing_key(settings)
    file = tmp_path / "var" / KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert signing_key(settings).public_key_hex == key.public_key_hex
    assert trusted_keys(settings) == {key.id: key.public}
    file.write_text("torn")
    with pytest.raises(UserError, match=r"audit\.key is not 64 hex digits"):
        signing_key(settings)


def test_processes_that_make_the_key_at_once_end_with_the_same(tmp_path: Path) -> None:
    code = (
        "import sys; from leafgate.audit_key import *; from leafgate.settings import Settings\n"
        f"settings = Settings(_env_file=None, var_dir={str(tmp_path / 'var')!r})\n"
        "SigningKey(bytes(32)); print('ready', flush=True); sys.stdin.readline()\n"
        "print(signing_key(settings).id)"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in started:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ids = {process.communicate(timeout=60)[0] for process in started}
    assert ids == {signing_key(configured(tmp_path / "var")).id + "\n"}


def test_a_configured_database_needs_a_key_of_the_settings(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="LEAFGATE_AUDIT_KEY") as raised:
        signing_key(configured(tmp_path, database_url="postgresql+psycopg://db/leafgate"))
    assert raised.value.code == "no_audit_key"
    assert "openssl rand -hex 32" in raised.value.fix
    assert list(tmp_path.iterdir()) == []


def test_hosts_that_only_verify_need_the_public_keys_alone(tmp_path: Path) -> None:
    listed = f"{KEY.public_key_hex}, {STRANGER.public_key_hex}"
    verifier = configured(tmp_path, database_url="sqlite://", audit_public_keys=listed)
    assert trusted_keys(verifier) == {KEY.id: KEY.public, STRANGER.id: STRANGER.public}
    gate = configured(tmp_path, audit_key=bytes(range(32)).hex(), audit_public_keys="")
    assert trusted_keys(gate) == {KEY.id: KEY.public}
    assert signing_key(gate).id == KEY.id


def test_the_secret_never_shows(tmp_path: Path) -> None:
    secret = "deadbeef" * 8
    settings = configured(tmp_path, audit_key=secret)
    assert "deadbeef" not in repr(settings) + repr(vars(signing_key(settings)))
    for values in ({"audit_key": secret + "0"}, {"audit_public_keys": f"{'0' * 64},{secret}0"}):
        with pytest.raises(UserError, match="LEAFGATE_AUDIT_") as raised:
            trusted_keys(configured(tmp_path, **values))
        assert raised.value.code == "bad_audit_key"
        assert "deadbeef" not in str(raised.value) + repr(raised.value.__cause__)
