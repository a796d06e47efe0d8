"""Where Kaggle's package finds a token, so that a missing one is reported before Kaggle is asked.

As `kaggle` 2.2 looks for it: an access token in `KAGGLE_API_TOKEN` (or in the file that it names)
and in `~/.kaggle`, then a user name and key in the environment and in `kaggle.json`, then what
`kaggle auth login` left. A token that Kaggle refuses is passed over for the next.
"""

import json
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path

from leafgate.errors import UserError

TOKEN_PAGE = "https://www.kaggle.com/settings"  # noqa: S105 - an address, no secret
ACCESS_TOKENS = ("access_token", "access_token.txt")
KEY_FILE, OAUTH_FILE = "kaggle.json", "credentials.json"


def check_credentials(environment: Mapping[str, str], home: Path) -> None:
    """Raises UserError where there is no Kaggle token, or others can read its file."""
    folder = config_folder(environment, home)
    files = [*_access_token_files(environment, home), folder / KEY_FILE]
    files.append(home / ".kaggle" / OAUTH_FILE)
    found = [file for file in files if _is_file(file)]
    for file in found:
        _require_private(file)
    named = environment.get("KAGGLE_API_TOKEN", "")
    if named and not _is_there(named):
        return  # the token itself
    if any(_text(file) for file in found if file in _access_token_files(environment, home)):
        return
    key = {**_settings(folder / KEY_FILE), **_of_environment(environment)}
    if key.get("username") and key.get("key"):
        return
    if _settings(home / ".kaggle" / OAUTH_FILE).get("refresh_token"):
        return
    raise _no_token(environment, home, found)


def config_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Where `kaggle.json` belongs: `~/.kaggle` where there is one, else by the XDG convention."""
    named = environment.get("KAGGLE_CONFIG_DIR")
    if named:
        return Path(named)
    if (home / ".kaggle").exists():
        return home / ".kaggle"
    return Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "kaggle"


def secrets_of(environment: Mapping[str, str], home: Path) -> list[str]:
    """What must not be shown: every token and key that Kaggle's package could use here."""
    key = _settings(config_folder(environment, home) / KEY_FILE).get("key", "")
    oauth = _settings(home / ".kaggle" / OAUTH_FILE)
    told = [_text(file) for file in _access_token_files(environment, home) if _is_file(file)]
    told += [environment.get(name, "") for name in ("KAGGLE_API_TOKEN", "KAGGLE_KEY")]
    told += [key, oauth.get("refresh_token", ""), oauth.get("access_token", "")]
    return [text for text in told if len(text) > 3]


def _access_token_files(environment: Mapping[str, str], home: Path) -> list[Path]:
    named = environment.get("KAGGLE_API_TOKEN", "")
    if named:  # then no other is looked at
        return [Path(named)] if _is_there(named) else []
    return [home / ".kaggle" / name for name in ACCESS_TOKENS]


def _is_file(place: Path) -> bool:
    """Return whether a file is there; False in a folder that may not be read."""
    try:
        return place.is_file()
    except OSError:
        return False


def _is_there(named: str) -> bool:
    try:
        return Path(named).exists()
    except (OSError, ValueError):  # too long for a file's name, or with a zero byte
        return False


def _of_environment(environment: Mapping[str, str]) -> dict[str, str]:
    names = {"username": "KAGGLE_USERNAME", "key": "KAGGLE_KEY"}
    return {key: environment[name] for key, name in names.items() if name in environment}


def _require_private(file: Path) -> None:
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        raise UserError(
            f"{file} can be read by others (mode {mode:04o})",
            f"run: chmod 600 {shlex.quote(str(file))}",
            code="no_credentials",
        )


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _settings(file: Path) -> dict[str, str]:
    """The texts of a JSON file; none where there is no such file, or it is damaged."""
    try:
        found = json.loads(_text(file))
    except ValueError:
        return {}
    pairs = found.items() if isinstance(found, dict) else ()
    return {key: value for key, value in pairs if isinstance(value, str)}


def _no_token(environment: Mapping[str, str], home: Path, found: list[Path]) -> UserError:
    """Says what is wrong with the files that are there, or where a token belongs."""
    folder = config_folder(environment, home)
    fix = (
        f"make a token at {TOKEN_PAGE} and save it as {home / '.kaggle' / 'access_token'} "
        f"(mode 600), or {KEY_FILE} as {folder / KEY_FILE}, or set KAGGLE_API_TOKEN, or "
        "KAGGLE_USERNAME and KAGGLE_KEY"
    )
    if found:
        wanted = {KEY_FILE: "no username and key", OAUTH_FILE: "no refresh token"}
        problem = f"{found[0]} holds {wanted.get(found[0].name, 'no token')}"
        return UserError(problem, f"download it again from {TOKEN_PAGE}", code="no_credentials")
    others = (folder, home / ".kaggle", home / ".config" / "kaggle")
    passed_over = [
        file
        for place in dict.fromkeys(others)
        for file in (place / name for name in (*ACCESS_TOKENS, KEY_FILE, OAUTH_FILE))
        if _is_file(file)
    ]
    if passed_over:
        problem = f"Kaggle's package does not look for a token in {passed_over[0]}"
        right = folder if passed_over[0].name == KEY_FILE else home / ".kaggle"
        moved = shlex.join(["mv", str(passed_over[0]), str(right / passed_over[0].name)])
        fix = f"move it: {moved}"
        return UserError(problem, fix, code="no_credentials")
    return UserError(
        f"no Kaggle token in {folder}, in {home / '.kaggle'} nor in the environment",
        fix,
        code="no_credentials",
    )
