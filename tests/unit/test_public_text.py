"""What anybody is told of a problem names no file, host, address or user."""

import pytest

from serving.public_text import public_log_problem, public_problem

PLACED = {
    "the artefact of version 3 is missing at /srv/leafgate/var/models/9f2c": "/srv",
    "MLflow at http://gate:hunter2@mlflow.internal:5000/api does not answer": "hunter2",
    "MLflow does not answer (HTTPConnectionPool(host='mlflow', port=5000): refused)": "mlflow'",
    "the audit trail at postgresql+psycopg://svc:***@10.0.3.7/leafgate does not answer": "10.0.3.7",
    "cannot connect to 10.0.3.7": "10.0.3.7",
    "cannot connect to db:5432": "db:5432",
    "cannot connect to [fd00::7]:5432": "fd00",
    "cannot connect to fd00:1::7": "fd00",
    'FATAL: password authentication failed for user "leafgate_service"': "leafgate_service",
    "unable to open database file C:\\leafgate\\mlflow.db": "mlflow.db",
    "unable to open database file \\\\server\\share\\mlflow.db": "share",
    "no route to db.internal.example": "internal",
    "nested (one (two /etc/passwd) three) end": "etc",
    "unbalanced (/etc/passwd": "etc",
    "../../etc/passwd cannot be read": "etc",
}


@pytest.mark.parametrize("text", PLACED)
def test_places_are_left_out_and_the_sentence_stays(text: str) -> None:
    told = public_problem(text) or ""
    assert PLACED[text] not in told
    assert told.split()[0] in ("…", text.split()[0])
    assert "scope admin" in told


PLAIN = [
    "no version has the alias 'production'",
    "version 2 is not vouched for: its files have changed after training",
    "serving the last version known here",
    "the audit is not sound (record 4 is missing)",
    "it ends at record 0, this host has seen record 1 (59c8afc5ac73, 2026-11-30T19:04:26.208Z)",
    "nothing since 19:04:26",
    "model format 1.2 is not known here; 1.1 is",
]


@pytest.mark.parametrize("text", PLAIN)
def test_a_sentence_without_places_is_told_as_it_is(text: str) -> None:
    assert public_problem(text) == text
    assert public_problem(None) is None


def test_what_a_driver_says_of_the_database_is_not_told_at_all() -> None:
    told = public_log_problem("connection to server at db failed for leafgate_service") or ""
    assert "leafgate_service" not in told
    assert "the database does not take rows" in told
    assert public_log_problem("the outbox cannot be written") == "the outbox cannot be written"
    assert public_log_problem(None) is None


def test_long_texts_cost_little() -> None:
    assert len(public_problem("a" * 1_000_000 + "/") or "") < 1000
    assert len(public_problem("(" * 1_000_000) or "") < 1000
