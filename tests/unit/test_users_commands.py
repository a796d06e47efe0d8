"""`leafgate users`: who may use the API, what for, how often, and until when."""

import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from leafgate.audit import this_person
from leafgate.cli_users import users_app
from leafgate.errors import UserError
from leafgate.settings import MAX_LEEWAY_SECONDS
from sql import Revoked, User, add_user, find_user, load_revoked, revoke_token
from tests.token_keys import signed

PASSWORD = "correct horse"


class Users:
    """`leafgate users` over a database of the test's own."""

    def __init__(self, database: sa.Engine) -> None:
        self.database = database

    def run(self, *words: str, stdin: str | None = None) -> str:
        """What it says. Raises what the command raises."""
        done = CliRunner().invoke(users_app, words, input=stdin)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    def add(self, name: str = "ada", *more: str, password: str = PASSWORD) -> str:
        asked = f"{password}\n{password}\n"
        return self.run("add", name, "--scope", "predict", *more, stdin=asked)

    def find(self, name: str = "ada") -> User:
        user = find_user(self.database, name)
        assert user is not None
        return user

    @property
    def revoked(self) -> Revoked:
        return load_revoked(self.database)


@pytest.fixture
def users(
    database: sa.Engine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Users:
    monkeypatch.setenv("LEAFGATE_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    return Users(database)


def test_a_user_is_added_with_scopes_and_plan_and_listed(users: Users) -> None:
    users.add("Zoë", "--scope", "admin", "--plan", "plus")
    users.add()
    assert users.run("list").splitlines() == [
        "Zoë\tadmin,predict\tplus\tenabled",
        "ada\tpredict\tstandard\tenabled",
    ]


def test_a_short_password_and_an_unknown_plan_are_refused(users: Users) -> None:
    with pytest.raises(UserError, match="the password has 7 characters"):
        users.add(password="seven 7")
    with pytest.raises(UserError, match="there is no plan 'gold'"):
        users.add("ada", "--plan", "gold")
    assert users.run("list") == ""


def test_a_user_is_disabled_and_enabled(users: Users) -> None:
    users.add()
    users.run("disable", "ada")
    assert users.find().disabled
    assert users.revoked.disabled == {"ada"}
    assert "disabled" in users.run("list")
    users.run("enable", "ada")
    assert not users.find().disabled
    assert users.revoked.disabled == set()


def test_another_password_or_other_scopes_end_the_tokens_of_before(users: Users) -> None:
    users.add()
    before = users.find()
    users.run("password", "ada", stdin="another horse\nanother horse\n")
    assert users.find().password_hash != before.password_hash
    until = users.revoked.until["ada"]
    assert until == pytest.approx(time.time(), abs=30)
    assert "generate, predict" in users.run(
        "scopes", "ada", "--scope", "generate", "--scope", "predict"
    )
    assert users.find().scopes == {"generate", "predict"}
    assert users.revoked.until["ada"] >= until


def test_names_and_tokens_are_told_apart_to_the_letter(users: Users) -> None:
    for name in ("ada", "Ada", "Zoë 🍂", "Zoë 🍁"):
        add_user(users.database, name, "hash", ["predict"])
    assert users.find("Ada").name == "Ada"
    for stranger in ("ADA", "Zoë", "a\0da"):
        assert find_user(users.database, stranger) is None
    for jti in ("one", "One", "one"):
        revoke_token(users.database, jti, time.time() + 60, "名")
    assert users.revoked.tokens == {"one", "One"}
    users.run("disable", "Zoë 🍂")
    assert users.revoked.disabled == {"Zoë 🍂"}


def test_another_plan_leaves_the_tokens_alone(users: Users) -> None:
    users.add()
    users.run("plan", "ada", "plus")
    assert users.find().plan == "plus"
    assert users.revoked == Revoked()


def test_all_tokens_of_a_user_or_a_single_one_are_revoked(users: Users) -> None:
    users.add()
    assert "within 2 s" in users.run("revoke", "ada")
    assert set(users.revoked.until) == {"ada"}
    assert users.revoked.tokens == set()
    for _ in range(2):  # the second changes nothing
        users.run("revoke", "--token", signed(jti="abc"))
    assert users.revoked.tokens == {"abc"}


def test_a_user_is_deleted_once_that_is_confirmed(users: Users) -> None:
    users.add()
    assert "Delete the user ada?" in users.run("delete", "ada", stdin="n\n")
    assert users.find().name == "ada"
    told = users.run("delete", "ada", stdin="y\n")
    assert "within 2 s" in told
    assert "db prune" in told  # what the log still holds, and how it goes
    assert find_user(users.database, "ada") is None
    assert users.run("list") == ""


def test_what_a_deleted_user_held_stays_refused_under_the_same_name(users: Users) -> None:
    users.add()
    issued = time.time()
    users.run("delete", "ada", "--yes")
    (until,) = users.revoked.deleted.values()
    assert until >= int(issued)
    users.run("revoke", "--token", signed(jti="abc"))  # which forgets what is over
    assert len(users.revoked.deleted) == 1
    users.add()
    assert users.find().tokens_from > until
    assert users.revoked.until == {"ada": until}
    assert users.revoked.tokens == {"abc"}


REFUSED = {
    "": "is empty",
    "   ": "is empty",
    "a\0b": "is not text",
    "a\ud800b": "is not text",
    "x" * 101: "has 101 characters",
    "a\tb": "has a control character",
    "a\nb": "has a control character",
    "a\x1b[31mb": "has a control character",
    "a\x7fb": "has a control character",
    "a\u202eb": "has a control character",
}


def test_a_name_that_cannot_be_stored_is_refused_with_the_reason(users: Users) -> None:
    for name, problem in REFUSED.items():
        with pytest.raises(UserError, match="user name") as raised:
            add_user(users.database, name, "hash", ["predict"])
        assert problem in raised.value.problem
        assert len(raised.value.problem) < 120
        assert "1 to 100 characters" in raised.value.fix
        assert find_user(users.database, name) is None


def test_names_of_people_and_of_directories_are_taken(users: Users) -> None:
    for name in ("x" * 100, "Zoë Müller-木", "o'brien", "a@b.example", "DOM\\ada"):
        add_user(users.database, name, "hash", ["predict"])
        assert users.find(name).name == name


def test_a_name_that_nobody_can_have_is_no_users(users: Users) -> None:
    commands = (
        ("disable",),
        ("delete", "--yes"),
        ("password", "--password", PASSWORD),
        ("scopes", "--scope", "predict"),
        ("revoke",),
    )
    for name in ("a\0b", "a\ud800b", "x" * 101, ""):
        for command, *options in commands:
            with pytest.raises(UserError, match="there is no user"):
                users.run(command, name, *options)
        with pytest.raises(UserError, match="there is no user"):
            users.run("plan", name, "standard")


def test_who_runs_a_command_is_put_on_record_in_letters(
    users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ada\udcff\n" + "x" * 200)
    assert this_person() == "ada??" + "x" * 95
    users.add("eve")
    users.run("delete", "eve", "--yes")


def test_revocations_are_forgotten_once_the_token_has_expired(users: Users) -> None:
    users.run("revoke", "--token", signed(jti="old", exp=-MAX_LEEWAY_SECONDS - 1))
    assert users.revoked.tokens == set()
    users.run("revoke", "--token", signed(jti="new"))
    with users.database.connect() as connection:
        kept = connection.scalars(sa.text("SELECT jti FROM revoked_tokens")).all()
    assert kept == ["new"]


@pytest.mark.parametrize(
    "words",
    [
        ("disable", "nobody"),
        ("enable", "nobody"),
        ("delete", "nobody", "--yes"),
        ("delete", "nobody"),
        ("plan", "nobody", "plus"),
        ("scopes", "nobody", "--scope", "predict"),
        ("revoke", "nobody"),
    ],
)
def test_a_user_that_is_not_there_is_named(words: tuple[str, ...], users: Users) -> None:
    with pytest.raises(UserError, match="no user 'nobody'") as raised:
        users.run(*words)
    assert "users list" in raised.value.fix


def test_revoke_wants_a_name_or_a_token(users: Users) -> None:
    for words in ((), ("ada", "--token", signed())):
        with pytest.raises(UserError, match="NAME or --token"):
            users.run("revoke", *words)
    with pytest.raises(UserError, match="that is no token"):
        users.run("revoke", "--token", "nonsense")
