"""One name or password in several Unicode forms is one name or password."""

import unicodedata
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from pwdlib.hashers.argon2 import Argon2Hasher

from leafgate.class_names import class_name, find_class
from leafgate.errors import UserError
from leafgate.pseudonyms import pseudonym
from leafgate.unicode_forms import LONGEST, forms_of, nfc
from serving import passwords
from serving.login_throttle import Attempt
from serving.passwords import hash_password, password_fits, require_good_password
from sql import add_user, delete_user, find_user, list_users, revoke_tokens_of, set_disabled
from sql.schema import users

NAME = "Zoë Brûlée"
MIXED = "vi\u00ea\u0323t"  # as some Vietnamese keyboards type `việt`: neither NFC nor NFD


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: hasher)
    monkeypatch.setattr(passwords, "_nobody", lambda: hasher.hash("a password that nobody has"))


def rename(database: sa.Engine, before: str, after: str) -> None:
    """Store a name as a version of before did: as it was typed."""
    with database.begin() as connection:
        connection.execute(users.update().where(users.c.name == before).values(name=after))


def test_the_forms_of_a_text_are_tried_each_once() -> None:
    assert forms_of("ada") == ("ada",)
    assert forms_of("é") == ("é", "e\u0301")
    assert forms_of(nfd("việt")) == ("việt", nfd("việt"))
    assert forms_of(MIXED) == ("việt", MIXED, nfd("việt"))
    assert nfc("\ud800e\u0301") == "\ud800é"


def test_a_text_longer_than_any_name_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "e" + "\u0316\u0301" * LONGEST  # to sort these takes seconds
    with monkeypatch.context() as patched:
        patched.setattr(unicodedata, "normalize", lambda *_: "normalised")
        found = nfc(long), *forms_of(long), class_name(long), find_class(long, ["normalised"])
    assert found == (long, long, long, None)


def test_a_name_is_stored_in_nfc_and_found_in_every_form(database: sa.Engine) -> None:
    assert add_user(database, nfd(NAME), "hash", ["predict"]).name == NAME
    assert [each.name for each in list_users(database)] == [NAME]
    for name in (NAME, nfd(NAME)):
        with pytest.raises(UserError, match="already"):
            add_user(database, name, "hash", ["predict"])
        set_disabled(database, name, True)
        found = find_user(database, name)
        assert found is not None
        assert (found.name, found.disabled) == (NAME, True)
    revoke_tokens_of(database, nfd(NAME))
    delete_user(database, nfd(NAME), "admin")
    assert list_users(database) == []


@pytest.mark.parametrize("stored", [nfd("việt"), MIXED, "việt"])
def test_a_name_of_before_is_found_as_it_was_stored(database: sa.Engine, stored: str) -> None:
    add_user(database, "viet", "hash", ["predict"])
    for stranger in ("viola", "Việt", "việt2", "vi_t", "vi%t"):
        add_user(database, stranger, "hash", ["predict"])
    rename(database, "viet", stored)
    for typed in ("việt", nfd("việt"), MIXED):
        found = find_user(database, typed)
        assert found is not None
        assert found.name == stored
        with pytest.raises(UserError, match="already"):
            add_user(database, typed, "hash", ["predict"])
    assert find_user(database, "viêt") is None
    delete_user(database, "việt", "admin")
    assert len(list_users(database)) == 5


def test_a_stranger_cannot_have_every_name_of_a_large_table_read(database: sa.Engine) -> None:
    one = {"password_hash": "hash", "scopes": "predict", "created_at_utc": datetime(2026, 1, 1)}
    names = [f"user{number}@leaf.example" for number in range(500)]
    with database.begin() as connection:
        connection.execute(users.insert(), [{"name": each, **one} for each in [*names, "Zoë"]])
    asked: list[tuple[str, Any]] = []
    sa.event.listen(database, "before_cursor_execute", lambda *told: asked.append(told[2:4]))
    for name in ("é", "useré", nfd("ü"), "漢字"):
        assert find_user(database, name) is None
    found = find_user(database, nfd("Zoë"))
    assert found is not None
    assert found.name == "Zoë"
    with database.connect() as connection:
        read = [len(connection.exec_driver_sql(*each).all()) for each in list(asked)]
    assert sum(read) < 10


def test_two_users_of_before_whose_names_differ_only_in_form_stay_two(database: sa.Engine) -> None:
    add_user(database, NAME, "composed", ["predict"])
    add_user(database, "other", "decomposed", ["predict"])
    rename(database, "other", nfd(NAME))
    for name, password_hash in ((NAME, "composed"), (nfd(NAME), "decomposed")):
        found = find_user(database, name)
        assert found is not None
        assert found.password_hash == password_hash


def test_a_password_fits_in_every_form_also_against_a_hash_of_before() -> None:
    password = "straße im Grünen"
    before = passwords._hasher().hash(nfd(password).encode())
    for stored in (hash_password(password), hash_password(nfd(password)), before):
        assert password_fits(password, stored)
        assert password_fits(nfd(password), stored)
        assert not password_fits("strasse im Grünen", stored)
        assert not password_fits("straße im Grunen", stored)
    assert not password_fits(password, None)
    assert password_fits(MIXED + "12345", passwords._hasher().hash((MIXED + "12345").encode()))


def test_a_password_is_as_long_as_its_characters_and_is_text() -> None:
    require_good_password("Grünéntä")
    for seven in ("Grünént", nfd("Grünént")):
        with pytest.raises(UserError, match="has 7 characters"):
            require_good_password(seven)
    with pytest.raises(UserError, match="not UTF-8") as raised:
        require_good_password("j\udcfcrgen im Wald")  # as a Latin-1 terminal hands it over
    assert "rgen" not in str(raised.value)


def test_failures_and_pseudonyms_are_of_the_name_whatever_its_form() -> None:
    composed, decomposed = Attempt(NAME, "home"), Attempt(f" {nfd(NAME).upper()} ", "home")
    assert composed.name_key == decomposed.name_key
    assert composed.pair_key == decomposed.pair_key
    assert pseudonym(b"k" * 32, "user", NAME) == pseudonym(b"k" * 32, "user", nfd(NAME))
