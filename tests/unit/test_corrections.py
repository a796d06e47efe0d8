"""Which answer a correction is of, as far as that can be said in time."""

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from leafgate.errors import UserError
from serving.corrections import Corrections, is_young
from serving.facts import new_id
from serving.routes.feedback import LONGEST, FeedbackBody
from sql import (
    Entry,
    GenerationRecord,
    PredictionRecord,
    RequestRecord,
)
from sql.outbox_folder import take_outbox, waiting_in
from sql.storing import store_entries
from tests.databases import rename_table

NOW = datetime.now(UTC)


def uuid7_of(moment: float) -> str:
    """An id that was made then, in Unix time."""
    digits = f"{int(moment * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-7abc-8abc-{0:012}"


@pytest.fixture
def corrections(database: sa.Engine, tmp_path: Path) -> Iterator[Corrections]:
    made = Corrections(database, lambda: waiting_in(tmp_path / "outbox").oldest_age_seconds)
    yield made
    made.close()


def look_up(corrections: Corrections, identifier: str) -> PredictionRecord | None:
    return asyncio.run(corrections.told(identifier))


def logged(database: sa.Engine, told: PredictionRecord) -> str:
    """Store it with its request, whose id is returned."""
    identifier = told.request_id
    request = RequestRecord(
        id=identifier, at_utc=NOW, method="POST", endpoint="/predict", status=200, latency_ms=1
    )
    store_entries(database, [Entry(request=request, predictions=(told,))])
    return identifier


def prediction(
    identifier: str | None = None, class_name: str | None = "rust", lane: str = "production"
) -> PredictionRecord:
    return PredictionRecord(
        id=identifier or new_id(),
        request_id=identifier or new_id(),
        at_utc=NOW,
        status=200,
        latency_ms=1,
        class_name=class_name,
        lane=lane,
    )


def refused(corrections: Corrections, identifier: str) -> str:
    with pytest.raises(UserError) as raised:
        look_up(corrections, identifier)
    return raised.value.code


def test_an_answer_and_an_item_of_several_are_found(
    database: sa.Engine, corrections: Corrections
) -> None:
    whole, item = prediction(new_id()), prediction()
    logged(database, whole)
    logged(database, item)
    for stored in (whole, item):
        found = look_up(corrections, stored.id)
        assert found is not None
        assert (found.id, found.class_name) == (stored.id, "rust")


def test_what_told_nobody_a_class_cannot_be_corrected(
    database: sa.Engine, corrections: Corrections
) -> None:
    unreadable, shadow, item = prediction(class_name=None), prediction(lane="shadow"), prediction()
    whole = logged(database, item)
    logged(database, unreadable)
    logged(database, shadow)
    pictures = GenerationRecord(id=new_id(), at_utc=NOW)
    store_entries(database, [Entry(generation=pictures)])
    for identifier in (unreadable.id, shadow.id, whole, pictures.id):
        assert refused(corrections, identifier) == "no_such_request"


def test_an_id_that_is_not_there_is_believed_while_it_may_be_on_its_way(
    corrections: Corrections,
) -> None:
    now = time.time()
    assert look_up(corrections, new_id()) is None
    assert look_up(corrections, uuid7_of(now - 30)) is None
    assert refused(corrections, uuid7_of(now - 90)) == "no_such_request"
    assert refused(corrections, uuid7_of(now + 3600)) == "no_such_request"


def test_the_older_the_backlog_the_older_an_id_may_be(
    corrections: Corrections, tmp_path: Path
) -> None:
    identifier = uuid7_of(time.time() - 90)
    assert refused(corrections, identifier) == "no_such_request"
    held = take_outbox(tmp_path / "outbox")  # another worker's
    held.outbox.append("{}").result()
    held.let_go()
    age_entries(tmp_path / "outbox", 100)
    assert look_up(corrections, identifier) is None


def test_an_answer_that_arrives_between_two_looks_is_found(database: sa.Engine) -> None:
    late = prediction(uuid7_of(time.time() - 90))

    def empty_the_backlog() -> float:
        logged(database, late)
        return 0.0

    corrections = Corrections(database, empty_the_backlog)
    found = look_up(corrections, late.id)
    corrections.close()
    assert found is not None
    assert found.class_name == "rust"


def age_entries(folder: Path, seconds: float) -> None:
    engine = sa.create_engine(f"sqlite:///{folder / '0.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE entries SET at = at - :by"), {"by": seconds})
    engine.dispose()


def test_a_database_that_fails_is_no_reason_to_refuse(
    database: sa.Engine, corrections: Corrections
) -> None:
    with database.begin() as connection:
        rename_table(connection, "predictions", "away")
    assert look_up(corrections, str(uuid7_of(0))) is None


def test_a_database_that_hangs_is_not_waited_for(database: sa.Engine) -> None:
    goes_on = threading.Event()

    @sa.event.listens_for(database, "before_cursor_execute")
    def _hang(*_: object) -> None:
        goes_on.wait(60)

    corrections = Corrections(database, lambda: 0.0, wait_seconds=0.05)

    async def ask() -> list[PredictionRecord | None]:
        return [await corrections.told(uuid7_of(0)) for _ in range(5)]

    try:
        assert asyncio.run(ask()) == [None] * 5
        hanging = [each for each in threading.enumerate() if each.name == "corrections"]
        assert all(each.daemon for each in hanging), "or the process could not end"
    finally:
        goes_on.set()
        corrections.close()


def test_the_age_of_an_id_is_what_its_maker_wrote_into_it() -> None:
    identifier = uuid7_of(1_700_000_000.25)
    assert uuid.UUID(identifier).version == 7
    assert is_young(identifier, 10, now=1_700_000_010)
    assert not is_young(identifier, 10, now=1_700_000_010.5)
    assert is_young(identifier, 10, now=1_699_999_950)  # its maker's clock is ahead
    assert not is_young(identifier, 10, now=1_699_999_930)


@pytest.mark.parametrize(
    "name",
    ["", "   ", "two\nlines", "nul\0", "bell\a", "\x85", "line\u2028break", "x" * (LONGEST + 1)],
)
def test_a_class_without_text_or_with_control_characters_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        FeedbackBody(request_id=new_id(), **{"class": name})


@pytest.mark.parametrize(
    "name", ["Tomato___Late_blight", "Blattläuse", "锈病", "न\u200dष्ट", "x" * 200]
)
def test_a_class_may_be_in_any_language(name: str) -> None:
    body = FeedbackBody(request_id=new_id().upper(), **{"class": f" {name[:198]} "})
    assert body.class_name == name[:198]
    assert body.request_id == body.request_id.lower()


@pytest.mark.parametrize(
    "identifier",
    [
        "",
        "leaf.jpg",
        "7d444840-9dc0-41d1-b245-5ffdce74fad2",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "{01989f6e-7d3a-7c55-b1a0-2f3c4d5e6f70}",
        "01989f6e7d3a7c55b1a02f3c4d5e6f70",
        "01989f6e-7d3a-7c55-b1a0-2f3c4d5e6f70\n",
    ],
)
def test_an_id_that_no_request_can_have_is_refused(identifier: str) -> None:
    with pytest.raises(ValidationError, match="UUID of version 7"):
        FeedbackBody(request_id=identifier, **{"class": "rust"})
